//! Channels against strangers that enforce the limits and signatures which their vendors document. What a site file says is what is sent, secrets
//! stand nowhere but in the request, and what only tells never acknowledges. Must not know: how a message is made.

use crate::gateway::{Gateway, Time, dingtalk, feishu, sms, voice, wecom};
use brain::notice::Notice;
use safety_brain::config::types::{Channel, Config};
use safety_brain::config::{self, Fault};
use safety_brain::notices::{Courier, Delivered, channels::words};
use std::path::Path;

/// Each stands in one place of a request and nowhere else.
const SECRETS: [&str; 7] = [WECOM, DING, DING_SIGN, FEISHU, FEISHU_SIGN, SMS, VOICE];
const WECOM: &str = "wecom-key-5e1f";
const DING: &str = "ding-token-77ab";
const DING_SIGN: &str = "SEC-ding-9c0d";
const FEISHU: &str = "fei-hook-31aa";
const FEISHU_SIGN: &str = "fei-sign-88e2";
const SMS: &str = "sms-key-4f4f";
const VOICE: &str = "voice-key-0b0b";

/// Audiences beside those of the demonstration: each channel is named as its kind.
pub fn audiences(folder: &Path, ports: [u16; 5]) -> String {
    let secret = |name: &str, text: &str| {
        std::fs::write(folder.join(name), format!("{text}\n")).unwrap();
        format!("{{ file = \"{name}\" }}")
    };
    let [wecom, dingtalk, feishu, sms, voice] = ports;
    let one = |name: &str, keys: &str| {
        format!("[[audience]]\nname = \"{name}\"\ntitle = {{ zh = \"群\", en = \"group\" }}\nchannel = \"{name}\"\n{keys}\n")
    };
    let [wecom, dingtalk, feishu] = [
        secret("wecom.url", &format!("http://127.0.0.1:{wecom}/cgi-bin/webhook/send?key={WECOM}")),
        secret("dingtalk.url", &format!("http://127.0.0.1:{dingtalk}/robot/send?access_token={DING}")),
        secret("feishu.url", &format!("http://127.0.0.1:{feishu}/open-apis/bot/v2/hook/{FEISHU}")),
    ];
    let [ding_sign, feishu_sign, sms_key, voice_key] = [
        secret("dingtalk.sign", DING_SIGN),
        secret("feishu.sign", FEISHU_SIGN),
        secret("sms.key", SMS),
        secret("voice.key", VOICE),
    ];
    one("wecom", &format!("hook = {wecom}"))
        + &one("dingtalk", &format!("hook = {dingtalk}\nsign = {ding_sign}"))
        + &one("feishu", &format!("hook = {feishu}\nsign = {feishu_sign}"))
        + &one(
            "sms",
            &format!(
                "url = \"http://127.0.0.1:{sms}/send\"\nsecrets = {{ key = {sms_key} }}\nheaders = {{ X-Api-Key = \"{{{{secret.key}}}}\" }}\n\
                 body = '{{\"text\": \"{{{{short.zh}}}}\", \"numbers\": \"{{{{to}}}}\"}}'\nto = [\"13800000001\", \"13800000002\"]\n\
                 says = {{ pointer = \"/Code\", value = \"OK\" }}"
            ),
        )
        + &one(
            "voice",
            &format!(
                "url = \"http://127.0.0.1:{voice}/call?key={{{{secret.key}}}}&callee={{{{to}}}}&say={{{{headline.zh}}}}\"\n\
                 secrets = {{ key = {voice_key} }}\nto = [\"13800000001\", \"13800000002\"]"
            ),
        )
}

/// A site file with one thing changed is refused at this key, with this in its remedy; all that was said.
pub fn refused(folder: &Path, good: &str, (from, to): (&str, &str), key: &str, remedy: &str) -> String {
    assert!(good.contains(from), "{from:?}");
    let faults = site(folder, &good.replacen(from, to, 1)).err().unwrap_or_else(|| panic!("{to:?} is taken"));
    let said = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let found = faults.iter().find(|fault| fault.key == key && fault.origin.line > 0);
    let found = found.unwrap_or_else(|| panic!("{to:?}: no fault of {key}:\n{said}"));
    assert!(found.to_string().contains(remedy), "{to:?}: {remedy:?} is not in {found}");
    said
}

/// The demonstration's site file with more in it.
pub fn site(folder: &Path, more: &str) -> Result<Config, Vec<Fault>> {
    let demo = std::fs::read_to_string(crate::process::root().join("configs/demo.toml")).unwrap();
    let path = folder.join("site.toml");
    std::fs::write(&path, format!("{demo}\n{more}")).unwrap();
    config::load(&path)
}

pub fn channel(config: &Config, audience: &str) -> Channel {
    let place = config.site.audiences.iter().position(|known| known.name == audience).unwrap();
    config.channels[place].clone()
}

pub fn notice() -> Notice {
    let path = crate::process::root().join("tests/fuzz/corpus/cap-notice/alert");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// One try through the channel of an audience, by the first or another of its numbers.
async fn told(config: &Config, audience: &str, notice: &Notice, number: u32) -> Delivered {
    let channel = channel(config, audience);
    let words = words(notice, &channel, None).unwrap();
    for secret in SECRETS {
        assert!(
            !words.contains(secret) && !format!("{config:?}").contains(secret),
            "{audience}: {secret} stands in the words or in Debug"
        );
    }
    Courier::of(&channel, None, &[]).unwrap().unwrap().deliver(notice, words, number).await
}

/// Group bots and gateways that count by this clock.
pub fn strangers(time: &Time) -> [Gateway; 5] {
    let hook = Box::leak(format!("/open-apis/bot/v2/hook/{FEISHU}").into_boxed_str());
    [
        wecom(time.clone(), WECOM),
        dingtalk(time.clone(), DING, DING_SIGN, "报警"),
        feishu(time.clone(), hook, FEISHU_SIGN),
        sms(time.clone(), SMS),
        voice(time.clone(), VOICE),
    ]
}

pub fn ports(of: &[Gateway; 5]) -> [u16; 5] {
    of.each_ref().map(|stranger| stranger.port)
}

#[tokio::test]
async fn channels_are_taken_by_strangers_that_check_signature_size_and_form() {
    let (folder, strangers) = (tempfile::tempdir().unwrap(), strangers(&Time::still()));
    let config = site(folder.path(), &audiences(folder.path(), ports(&strangers))).unwrap();
    let mut notice = notice();
    // What people wrote breaks no form, and a message far too long is cut to what is taken.
    notice.alarm.guide.action.zh = "停产\"撤人\\ <at user_id=\"all\"></at> {{secret.key}} ".repeat(400);
    for audience in ["wecom", "dingtalk", "feishu", "sms"] {
        let delivered = told(&config, audience, &notice, 0).await;
        let Delivered::Receipt { accepted, .. } = delivered else { panic!("{audience}: {delivered:?}") };
        assert!(!accepted, "{audience}: a receipt is no acceptance");
    }
    let said = |of: &Gateway| of.heard()[0].0.body.clone();
    assert!(!said(&strangers[2]).contains("<at"), "nobody is called by what somebody wrote");
    let content = strangers[0].heard()[0].0.json()["markdown"]["content"].as_str().unwrap().to_owned();
    assert!(
        content.contains("报警") && content.contains(&notice.identifier) && content.contains("(the rest stands on the console)"),
        "{content}"
    );
    assert!(strangers[3].heard()[0].0.json()["numbers"] == "13800000001,13800000002", "{}", said(&strangers[3]));
    // The first number is not there; the next try calls the second one.
    let first = told(&config, "voice", &notice, 0).await;
    assert!(matches!(first, Delivered::Failed { rejected: false, .. }), "{first:?}");
    assert!(matches!(told(&config, "voice", &notice, 1).await, Delivered::Receipt { accepted: false, .. }));
    assert!(strangers[4].heard()[1].0.query("say").unwrap().contains("报警"));
}

/// The control: strangers that would take anything prove nothing.
#[tokio::test]
async fn channels_with_a_wrong_secret_or_too_often_get_no_receipt_and_say_no_secret() {
    let (folder, strangers) = (tempfile::tempdir().unwrap(), strangers(&Time::still()));
    let text = audiences(folder.path(), ports(&strangers));
    let config = site(folder.path(), &text).unwrap();
    let notice = notice();
    for (audience, most) in [("wecom", 20), ("dingtalk", 20), ("feishu", 5)] {
        for n in 0..=most {
            let delivered = told(&config, audience, &notice, 0).await;
            let taken = matches!(delivered, Delivered::Receipt { .. });
            let soon = matches!(&delivered, Delivered::Failed { rejected: false, detail } if detail.contains("code"));
            assert!(if n < most { taken } else { soon }, "{audience} {n}: {delivered:?}");
        }
    }
    // 钉钉 is barred for ten minutes, whatever comes.
    assert!(matches!(told(&config, "dingtalk", &notice, 1).await, Delivered::Failed { rejected: false, .. }));
    let wrong = ["wecom.url", "dingtalk.sign", "feishu.sign", "sms.key", "voice.key"];
    for name in wrong {
        let path = folder.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{}x\n", text.trim())).unwrap();
    }
    let fresh = self::strangers(&Time::still());
    let moved = |text: String| {
        ports(&strangers)
            .iter()
            .zip(ports(&fresh))
            .fold(text, |text, (old, new)| text.replace(&format!(":{old}/"), &format!(":{new}/")))
    };
    for name in ["wecom.url", "dingtalk.url", "feishu.url"] {
        let path = folder.path().join(name);
        let text = moved(std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, text).unwrap();
    }
    let config = site(folder.path(), &moved(text)).unwrap();
    for audience in ["wecom", "dingtalk", "feishu", "sms", "voice"] {
        let delivered = told(&config, audience, &notice, 1).await;
        let Delivered::Failed { detail, rejected: false } = delivered else { panic!("{audience}: {delivered:?}") };
        for secret in SECRETS {
            assert!(!detail.contains(secret), "{audience}: {detail}");
        }
    }
    // Nobody there at all.
    drop(fresh);
    let dead = site(folder.path(), &audiences(folder.path(), [9; 5])).unwrap();
    for audience in ["wecom", "dingtalk", "feishu", "sms", "voice"] {
        let Delivered::Failed { detail, rejected: false } = told(&dead, audience, &notice, 0).await else { panic!("{audience}") };
        assert!(detail.contains("refused") && SECRETS.iter().all(|secret| !detail.contains(secret)), "{audience}: {detail}");
    }
}

#[test]
fn channels_at_fault_are_told_with_place_and_remedy_and_without_their_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let good = audiences(folder.path(), [9; 5]);
    let config = site(folder.path(), &good).unwrap_or_else(|faults| panic!("{faults:?}"));
    let limits = |name: &str| {
        let of = config.site.audiences.iter().find(|audience| audience.name == name).unwrap();
        (of.per_minute, of.per_second)
    };
    assert_eq!(
        ["wecom", "dingtalk", "feishu", "voice", "crew"].map(limits),
        [(Some(16), None), (Some(16), None), (Some(80), Some(4)), (Some(1), None), (None, None)],
        "four fifths of what the vendors document"
    );
    let of_a_number = |name: &str| {
        let of = config.site.audiences.iter().find(|audience| audience.name == name).unwrap();
        (of.per_minute, of.per_hour, of.per_day)
    };
    let numbers = |name: &str| config.site.audiences.iter().find(|audience| audience.name == name).unwrap().numbers;
    // A call goes to one of its two numbers, and each has limits of its own; a short message goes to both.
    assert_eq!(["sms", "voice", "wecom", "crew"].map(numbers), [1, 2, 1, 1]);
    assert_eq!(
        ["sms", "voice", "wecom"].map(of_a_number),
        [(Some(10), None, Some(40)), (Some(1), Some(4), Some(16)), (Some(16), None, None)],
        "four fifths of what a number may be sent"
    );
    std::fs::write(folder.path().join("plain.url"), format!("http://10.0.0.1/send?key={WECOM}")).unwrap();
    for (from, to, key, remedy) in [
        ("hook = { file = \"wecom.url\" }", "", "audience.wecom.hook", "file = \"path\""),
        (
            "hook = { file = \"wecom.url\" }",
            "hook = \"https://x/?key=wecom-key-5e1f\"",
            "audience.wecom.hook",
            "does not stand in the site file",
        ),
        ("hook = { file = \"wecom.url\" }", "hook = { file = \"plain.url\" }", "audience.wecom.hook", "https://"),
        ("hook = { file = \"wecom.url\" }", "hook = { file = \"sms.key\" }", "audience.wecom.hook", "https://"),
        ("hook = { file = \"wecom.url\" }", "hook = { file = \"dingtalk.url\" }", "audience.dingtalk.hook", "a bot of its own"),
        (
            "hook = { file = \"wecom.url\" }",
            "hook = { file = \"wecom.url\" }\nper_minute = 21",
            "audience.wecom.per_minute",
            "at most 20",
        ),
        (
            "hook = { file = \"wecom.url\" }",
            "hook = { file = \"wecom.url\" }\nsign = { file = \"feishu.sign\" }",
            "audience.wecom.sign",
            "one of",
        ),
        ("channel = \"feishu\"", "channel = \"feishu\"\nbureau = true", "audience.feishu.channel", "for a bureau"),
        ("{{short.zh}}", "{{short.zhh}}", "audience.sms.body", "did you mean `short.zh`"),
        ("{{short.zh}}", "{{short.zh", "audience.sms.body", "{{name}}"),
        ("\"{{to}}\"}'", "\"{{to}}\"'", "audience.sms.body", "JSON"),
        ("{{secret.key}}\" }", "{{secret.kay}}\" }", "audience.sms.headers.X-Api-Key", "did you mean `key`"),
        ("X-Api-Key", "Content-Length", "audience.sms.headers.Content-Length", "header"),
        ("to = [\"13800000001\", \"13800000002\"]\nsays", "says", "audience.sms.to", "numbers"),
        ("says = {", "per_day = 0\nsays = {", "audience.sms.per_day", "1"),
        ("hook = { file = \"wecom.url\" }", "hook = { file = \"wecom.url\" }\nper_day = 9", "audience.wecom.per_day", "one of"),
        ("pointer = \"/Code\"", "pointer = \"Code\"", "audience.sms.says.pointer", "JSON Pointer"),
        ("http://127.0.0.1:9/call", "http://{{to}}/call", "audience.voice.url", "always the same"),
        ("http://127.0.0.1:9/call", "http://10.0.0.1/call", "audience.voice.url", "insecure"),
    ] {
        let said = refused(folder.path(), &good, (from, to), key, remedy);
        for secret in SECRETS {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
