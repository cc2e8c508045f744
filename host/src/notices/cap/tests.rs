//! Written, read and judged: what we send is what is read back, and what the schema lets through is refused.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::notices::sample;
use brain::alarm::{Condition, Handling, Person};
use brain::notice::{Digested, Notice, NoticeKind, Reason};
use brain::shelf::OutOfService;
use brain::site::{Mode, Severity as Level};
use brain::words::{Text, Words};

mod properties;

#[test]
fn an_alert_says_what_the_bureau_needs() {
    let message = parse(build(&sample::notice(), &sample::channel("http://x")).as_bytes()).unwrap();
    assert_eq!(message.identifier, "demo.7.12");
    assert_eq!(message.sent, "2026-01-02T11:04:05+08:00");
    assert_eq!(message.status, Status::Test);
    assert_eq!(message.scope, Scope::Restricted);
    assert_eq!(message.incidents.as_deref(), Some("demo.7"));
    assert_eq!(message.references, None);
    let zh = &message.infos[0];
    assert_eq!(zh.language.as_deref(), Some("zh-CN"));
    assert_eq!(zh.severity, Severity::Extreme);
    assert_eq!(zh.urgency, Urgency::Immediate);
    assert_eq!(zh.expires.as_deref(), Some("2026-01-02T11:34:05+08:00"));
    let headline = zh.headline.as_deref().unwrap();
    assert!(headline.contains("报警") && headline.contains("建议等级"), "{headline}");
    let description = zh.description.as_deref().unwrap();
    for wanted in ["TT-301", "36.5 ℃", "34 ℃", "GB 11652-2012 5.2", "可信", "尚无人确认"] {
        assert!(description.contains(wanted), "{wanted} in {description}");
    }
    assert_eq!(zh.areas[0].circles, ["28.2,113.1 0.2"]);
    let parameter = |name: &str| zh.parameters.iter().find(|p| p.name == name).map(|p| &*p.value);
    assert_eq!(parameter("warningLevel"), Some("red"));
    assert_eq!(parameter("rule"), Some("fireworks-room@0.1.0"));
    assert_eq!(parameter("value"), Some("36.5"));
    assert_eq!(parameter("acknowledged"), Some("false"));
    assert_eq!(check(&message), Vec::<String>::new());
}

/// As many alarms as one message tells of, with long names: all of them are in it, by number, and it is a message that a receiver takes.
#[test]
fn a_digest_names_every_alarm_and_is_a_message_like_any_other() {
    let of = |n: u64| Digested {
        notice: brain::NoticeId(100 + n),
        alarm: brain::AlarmId(n),
        title: Words { zh: "某某设备温度偏高".repeat(8), en: "temperature somewhat high ".repeat(8) },
        zone: Words { zh: "乙类库房".repeat(8), en: "store of class B ".repeat(8) },
        severity: Level::Yellow,
        reason: Reason::Overdue,
        at: sample::notice().at,
    };
    let mut notice = sample::notice();
    (notice.alarm.severity, notice.alarm.severity_now) = (Level::Yellow, Level::Yellow);
    (notice.digest, notice.duty) = ((1..=200).map(of).collect(), vec!["甲".to_owned(), "乙".to_owned()]);
    let text = build(&notice, &sample::channel("http://x"));
    assert!(text.len() < BYTES_MAX, "{} bytes", text.len());
    let message = parse(text.as_bytes()).unwrap();
    assert_eq!(check(&message), Vec::<String>::new());
    for info in &message.infos {
        for n in 1..=200 {
            let told =
                info.parameters.iter().find(|p| p.name == format!("also.{n}")).map(|p| p.value.clone()).unwrap_or_default();
            assert!(told.starts_with(&format!("{n} yellow ")), "{n}: {told}");
        }
    }
    let description = message.infos[0].description.as_deref().unwrap();
    assert!(description.contains("当班：甲, 乙") && description.contains("另外 200 条"), "{description}");
}

#[test]
fn our_own_words_never_claim_a_government_warning() {
    let text = build(&sample::notice(), &sample::channel("http://x"));
    assert!(!text.contains("预警"));
}

/// Names of rules and hazards are for machines: what people read of a rule that cannot judge has none of them.
#[test]
fn a_blind_rule_is_told_without_internal_names() {
    for key in ["guard.blind", "guard.quarantine", "guard.skipped"] {
        let mut notice = sample::notice();
        notice.alarm.text = Text::Phrase { key: key.into(), args: ["hall-a-gas", "gas.leak", "12:00"].map(str::to_owned).into() };
        let message = parse(build(&notice, &sample::channel("http://x")).as_bytes()).unwrap();
        for info in &message.infos {
            let text = [&info.headline, &info.description].map(|text| text.clone().unwrap_or_default()).concat();
            assert!(!text.contains("hall-a-gas") && !text.contains("gas.leak") && !text.contains("guard."), "{key}: {text}");
            assert!(text.contains("自动判断") || text.contains("by machine"), "{key}: {text}");
        }
    }
}

/// A key without a text would show itself in the message.
#[test]
fn every_word_is_in_the_translation_files() {
    let mut notice = sample::follow_up(NoticeKind::Cancel, Reason::Opened);
    for code in 0..=255u8 {
        notice.reason = Reason::ALL[usize::from(code) % Reason::ALL.len()];
        notice.kind = [NoticeKind::Cancel, NoticeKind::Update][usize::from(code) / Reason::ALL.len() % 2];
        notice.mode = [Mode::Actual, Mode::Exercise, Mode::Test][usize::from(code) % 3];
        notice.alarm.severity = Level::ALL[usize::from(code) % 4];
        notice.alarm.held = code % 2 == 0;
        notice.alarm.evidence[0].quality = brain::Quality(code);
        let text = build(&notice, &sample::channel("http://x"));
        for key in ["cap.", "quality.", "severity.", "ui."] {
            assert!(!text.contains(key), "{key} in {text}");
        }
    }
}

#[test]
fn cleared_and_closed_say_so() {
    let channel = sample::channel("http://x");
    let mut notice = sample::follow_up(NoticeKind::Update, Reason::Cleared);
    notice.alarm.condition = Condition::Cleared;
    let cleared = compose(&notice, &channel);
    assert_eq!(cleared.infos[0].urgency, Urgency::Past);
    let headline = |m: &Message| m.infos[0].headline.clone().unwrap();
    assert!(headline(&cleared).starts_with("【测试】【已恢复】"));
    assert_eq!(cleared.infos[0].responses, [ResponseType::Monitor]);
    assert_eq!(cleared.references.as_deref(), Some("plant@demo.example,demo.7.12,2026-01-02T11:04:05+08:00"));

    notice.kind = NoticeKind::Cancel;
    notice.reason = Reason::Closed;
    let closed = compose(&notice, &channel);
    assert_eq!(closed.infos[0].responses, [ResponseType::AllClear]);
    assert!(headline(&closed).starts_with("【测试】【销警】"));
    assert!(closed.note.as_deref().unwrap().contains("销警"));
    assert_eq!(check(&closed), Vec::<String>::new());
}

/// A list of headlines, a bot or a short message shows no more: what is said again of an alarm must not read like another one.
#[test]
fn an_update_says_why_in_its_headline_and_who_looked_away() {
    let channel = sample::channel("http://x");
    let mut notice = sample::follow_up(NoticeKind::Update, Reason::Acknowledged);
    let headline =
        |notice: &Notice| compose(notice, &channel).infos.into_iter().map(|info| info.headline.unwrap()).collect::<Vec<_>>();
    let said = headline(&notice);
    assert!(said[0].starts_with("【测试】【已确认】报警") && said[1].starts_with("[TEST] [acknowledged] "), "{said:?}");
    let by = |name: &str| Person { name: name.into(), role: "officer".into(), station: "control room".into() };
    notice.reason = Reason::Suppressed;
    notice.alarm.shelf.out_of_service = Some(OutOfService {
        by: by("赵安全"),
        second: Some(by("钱班长")),
        permit: "DH-7".to_owned(),
        measure: "便携式检测仪".to_owned(),
        from: notice.at,
        until: notice.at + 3_600_000_000,
    });
    assert!(headline(&notice)[0].starts_with("【测试】【停用检修】"));
    // And it is said for as long as it is so, whatever is told.
    notice.reason = Reason::Renewed;
    let text = build(&notice, &channel);
    for word in ["停用检修：赵安全, 钱班长", "DH-7", "便携式检测仪"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert_eq!(check(&compose(&notice, &channel)), Vec::<String>::new());
}

#[test]
fn a_value_that_is_no_number_is_told_as_one_that_is_no_number() {
    let mut notice = sample::notice();
    notice.alarm.evidence[0].value = f64::NAN;
    let text = build(&notice, &sample::channel("http://x"));
    assert!(text.contains("<value>NaN</value>"), "{text}");
}

#[test]
fn long_and_forbidden_text_still_makes_a_message() {
    let mut notice = sample::notice();
    notice.alarm.text = Text::Words(Words::same("\u{0}\u{1b}]]> <&>\r\n".repeat(9_000)));
    notice.alarm.title = Words::same("长".repeat(400));
    notice.alarm.handling = vec![Handling { by: sample::person("a"), at: notice.at, note: "x".repeat(100_000) }; 50];
    let channel = sample::channel("http://x");
    let text = build(&notice, &channel);
    assert!(text.len() < BYTES_MAX / 2, "{} bytes", text.len());
    let message = parse(text.as_bytes()).unwrap();
    assert_eq!(message, compose(&notice, &channel));
    assert_eq!(check(&message), Vec::<String>::new());
}

#[test]
fn times_have_one_form() {
    for good in ["2026-01-02T03:04:05+08:00", "2024-02-29T23:59:59-00:00", "2026-01-02T03:04:05-14:00"] {
        assert!(time::read(good).is_ok(), "{good}");
    }
    for bad in [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.5+08:00",
        "2026-01-02T03:04:05,08:00",
        "2026-01-02T03:04:05+00:00",
        "2026-01-02T03:04:05+14:01",
        "2026-01-02T03:04:05+08:60",
        "2026-01-02T24:00:00+08:00",
        "2026-01-02T03:04:60+08:00",
        "2026-02-30T03:04:05+08:00",
        " 2026-01-02T03:04:05+08:00",
        "2026-01-02 03:04:05+08:00",
        "",
    ] {
        assert!(time::read(bad).is_err(), "{bad}");
    }
    assert_eq!(time::read(&time::text(1_767_323_045_999_999)), Ok(1_767_323_045_000_000));
    assert_eq!(time::text(i64::MIN), "1970-01-01T08:00:00+08:00");
    assert_eq!(time::text(i64::MAX), "9999-12-31T06:00:00+08:00");
}

/// What the schema lets through: each changed message must be refused with a fault that names the element.
#[test]
fn what_the_schema_lets_through_is_refused() {
    type Change = fn(&mut Message);
    let cases: &[(&str, Change)] = &[
        ("identifier", |m| m.identifier = String::new()),
        ("identifier", |m| m.identifier = "a b".into()),
        ("identifier", |m| m.identifier = "a,b".into()),
        ("sender", |m| m.sender = "a<b".into()),
        ("sent", |m| m.sent = "2026-01-02T24:00:00+08:00".into()),
        ("sent", |m| m.sent = " 2026-01-02T03:04:05+08:00".into()),
        ("sent", |m| m.sent = "2026-01-02T03:04:05+00:00".into()),
        ("status", |m| m.status = Status::Draft),
        ("note", |m| (m.status, m.note) = (Status::Exercise, None)),
        ("scope", |m| m.scope = Scope::Public),
        ("restriction", |m| m.restriction = None),
        ("addresses", |m| m.scope = Scope::Private),
        ("references", |m| m.references = None),
        ("references", |m| m.references = Some("see above".into())),
        ("references", |m| m.references = Some("other@x,a.1,2026-01-02T03:04:05+08:00".into())),
        ("references", |m| m.references = Some("plant@demo.example,a.1,yesterday".into())),
        ("references", |m| m.references = Some(Triple::of(m).to_string())),
        ("references", |m| m.msg_type = MsgType::Alert),
        ("info", |m| m.infos.clear()),
        ("info", |m| m.msg_type = MsgType::Ack),
        ("event", |m| m.infos[0].event = " ".into()),
        ("headline", |m| m.infos[0].headline = Some(String::new())),
        ("headline", |m| m.infos[0].headline = Some("长".repeat(161))),
        ("language", |m| m.infos[0].language = None),
        ("language", |m| m.infos[0].language = Some("zh_CN".into())),
        ("language", |m| m.infos[1].language = Some("ZH-cn".into())),
        ("info", |m| m.infos[1].severity = Severity::Minor),
        ("expires", |m| m.infos[0].expires = Some("2026-01-02T11:04:04+08:00".into())),
        ("expires", |m| m.infos[0].expires = Some("2026-01-02T13:04:05+08:00".into())),
        ("effective", |m| m.infos[0].effective = Some("2026-01-02T03:04:05+08:00".into())),
        ("onset", |m| m.infos[0].onset = Some("2026-01-03T03:04:05+08:00".into())),
        ("warningLevel", |m| m.infos.iter_mut().for_each(|i| i.severity = Severity::Minor)),
        ("parameter", |m| m.infos[0].parameters[0].value = String::new()),
        ("circle", |m| m.infos[0].areas[0].circles = vec!["999,999 x".into()]),
        ("circle", |m| m.infos[0].areas[0].circles = vec!["113.1,28.2 1".into()]),
        ("circle", |m| m.infos[0].areas[0].circles = vec!["28.2,113.1 0".into()]),
        ("polygon", |m| m.infos[0].areas[0].polygons = vec!["28,113 29,113 28,113".into()]),
        ("polygon", |m| m.infos[0].areas[0].polygons = vec!["28,113 29,113 29,114 28,114".into()]),
        ("polygon", |m| {
            m.infos[0].areas[0].polygons = vec!["28,113 29,114 29,113 28,114 28,113".into()];
        }),
        ("ceiling", |m| m.infos[0].areas[0].ceiling = Some("10".into())),
        ("size", |m| m.infos[0].resources.push(file(|r| r.size = Some("-1".into())))),
        ("size", |m| m.infos[0].resources.push(file(|r| r.size = Some("4".into())))),
        ("digest", |m| m.infos[0].resources.push(file(|r| r.digest = Some("x".into())))),
        ("Signature", |m| m.signatures = 2),
        ("identifier", |m| m.identifier = "43018100000000_20260230030405_0".into()),
        ("geocode", |m| {
            m.identifier = "43018100000000_20260102030405_0".into();
            m.infos[0].areas[0].geocodes[0].value = "110000".into();
        }),
    ];
    let notice = sample::follow_up(NoticeKind::Update, Reason::Raised);
    let good = compose(&notice, &sample::channel("http://x"));
    assert_eq!(check(&good), Vec::<String>::new());
    for (i, (element, change)) in cases.iter().enumerate() {
        let mut message = good.clone();
        change(&mut message);
        let faults = check(&message);
        assert!(faults.iter().any(|f| f.contains(element)), "case {i}: {element} not named in {faults:?}");
    }
}

fn file(change: fn(&mut Resource)) -> Resource {
    let mut resource = Resource {
        description: "camera".into(),
        mime_type: "image/png".into(),
        size: Some("3".into()),
        uri: None,
        deref_uri: Some("QUJD".into()),
        digest: Some("0".repeat(40)),
    };
    change(&mut resource);
    resource
}

#[test]
fn a_sound_polygon_and_file_pass() {
    let mut message = compose(&sample::notice(), &sample::channel("http://x"));
    for info in &mut message.infos {
        info.areas[0].polygons = vec!["28,113 29,113 29,114 28,114 28,113".into()];
        info.resources.push(file(|_| {}));
    }
    assert_eq!(check(&message), Vec::<String>::new());
    assert_eq!(parse(write(&message).as_bytes()), Ok(message));
}

#[test]
fn a_clock_or_an_outbox_is_remarked_not_refused() {
    let message = compose(&sample::notice(), &sample::channel("http://x"));
    let sent = sample::notice().at;
    assert_eq!(skew(&message, sent + 299_000_000), None);
    assert!(skew(&message, sent + 400_000_000).unwrap().contains("before"));
    assert!(skew(&message, sent - 400_000_000).unwrap().contains("future"));
}

#[test]
fn hostile_documents_are_refused() {
    let good = build(&sample::notice(), &sample::channel("http://x"));
    let with = |from: &str, to: &str| good.replacen(from, to, 1);
    let deep = format!("<alert xmlns=\"{NAMESPACE}\">{}", "<info>".repeat(40));
    let cases = [
        ("document type", with("<alert", "<!DOCTYPE alert SYSTEM \"http://x/\"><alert")),
        ("document type", with("<alert", "<!DOCTYPE a [<!ENTITY x \"y\">]><alert").replacen("demo.7.12", "&x;", 1)),
        ("entity", with("demo.7.12", "&x;")),
        ("not allowed in XML", with("demo.7.12", "&#1;")),
        ("not allowed in XML", with("demo.7.12", "\u{1}")),
        ("deeper", deep),
        ("ends inside", good[..good.len() / 2].rsplit_once('\n').unwrap().0.to_owned()),
        ("second root", format!("{good}{}", with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", ""))),
        ("outside", format!("{good}x")),
        ("encoding", with("UTF-8", "GBK")),
        ("namespace", with("cap:1.2", "cap:1.1")),
        ("namespace", with("<scope>", "<x xmlns=\"y\"/><scope>")),
        ("attribute", with("<scope>", "<scope id=\"1\">")),
        ("status", with("<status>Test</status>", "")),
        ("<status> must stand", with("<status>", "<source/><status>")),
        ("not one of", with(">Test<", "> Test<")),
        ("out of order", with("</alert>", "<note>x</note></alert>")),
        ("text between", with("<scope>", "x<scope>")),
        ("inside an element of text", with("demo.7.12", "<code/>")),
        ("category", good.replace("<category>", "<!--").replace("</category>", "-->")),
        ("root", "<valueName xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"/>".to_owned()),
        ("no element", String::new()),
    ];
    for (wanted, text) in cases {
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted:?} not in {error:?}");
    }
    assert_eq!(parse(&vec![b' '; BYTES_MAX + 1]), Err(CapError::TooLarge(BYTES_MAX + 1)));
    assert!(parse(b"\xff").unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn other_peoples_xml_is_read() {
    let text = format!(
        "\u{feff}<?xml version='1.0'?><!-- c --><c:alert xmlns:c='{NAMESPACE}' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
         xsi:schemaLocation='a b'><c:identifier>a<![CDATA[<1>]]>&amp;&#x4e2d;</c:identifier><c:sender>s</c:sender><c:sent/>\
         <c:status>Actual</c:status><c:msgType>Ack</c:msgType><c:scope>Public</c:scope>\
         <Signature xmlns='http://www.w3.org/2000/09/xmldsig#'><A b='c'>text</A></Signature></c:alert>"
    );
    let message = parse(text.as_bytes()).unwrap();
    assert_eq!(message.identifier, "a<1>&中");
    assert_eq!(message.sent, "");
    assert_eq!(message.signatures, 1);
}
