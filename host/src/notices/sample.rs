//! One alarm's notices, for the tests of this folder and of the demonstration.

use crate::config::types::{CapChannel, Form};
use brain::alarm::{Alarm, AlarmId, AlarmKey, BureauState, Condition, Escalation, Handling, Person, Source};
use brain::finding::{Certainty, Evidence};
use brain::notice::{Notice, NoticeId, NoticeKind, Reason, Reference};
use brain::site::{Area, Citation, Guide, Mode, Severity};
use brain::words::{Text, Words};

/// 2026-01-02 11:04:05 in Beijing.
const AT: brain::Micros = 1_767_323_045_000_000;

pub(crate) fn words(zh: &str, en: &str) -> Words {
    Words { zh: zh.to_owned(), en: en.to_owned() }
}

pub(crate) fn person(name: &str) -> Person {
    Person { name: name.to_owned(), role: "officer".to_owned(), station: "127.0.0.1".to_owned() }
}

pub(crate) fn channel(url: &str) -> CapChannel {
    CapChannel {
        url: url.to_owned(),
        token: None,
        tls: None,
        timeout_ms: 5000,
        expires_s: 1800,
        division: "430181".to_owned(),
        anchors: None,
        signer: None,
        form: Form::Xml,
        sender: None,
    }
}

/// The first notice of a red alarm.
pub(crate) fn notice() -> Notice {
    Notice {
        unrecorded: false,
        times_doubtful: false,
        id: NoticeId(12),
        identifier: "demo.7.12".to_owned(),
        sender: "plant@demo.example".to_owned(),
        mode: Mode::Test,
        audience: "bureau".to_owned(),
        bureau: true,
        rung: "bureau".to_owned(),
        kind: NoticeKind::Alert,
        reason: Reason::Opened,
        at: AT,
        references: Vec::new(),
        incident: String::new(),
        site: words("示范厂", "Demonstration plant"),
        zone: words("混药间", "Mixing room"),
        area: Some(Area { latitude: 28.2, longitude: 113.1, radius_km: 0.2, converted: false }),
        duty: vec![],
        digest: vec![],
        floor: 0,
        alarm: Box::new(alarm()),
    }
}

/// A notice about an accident that was declared of it: a fire, three dead, the head of the company told.
pub(crate) fn accident(kind: NoticeKind, retracted: bool) -> Notice {
    use brain::accident::{Accident, Facts, Kind, Reported, Retraction, Telling};
    let mut notice = notice();
    (notice.id, notice.identifier) = (NoticeId(15), "demo.7.accident.15".to_owned());
    (notice.kind, notice.reason, notice.at) = (kind, Reason::Accident, AT + 90_000_000);
    let earlier = Reference { identifier: "demo.7.accident.14".to_owned(), sent: AT };
    notice.references = if kind == NoticeKind::Alert { vec![] } else { vec![earlier] };
    let course = "压药间起火 <三人>".to_owned();
    let facts = Facts { kind: Kind::Fire, course, dead: Some(3), loss_yuan: Some(20_000), ..Facts::default() };
    let told = Reported { what: Telling::Head, at: AT + 80_000_000, by: person("乙"), to: "厂长，电话".to_owned() };
    notice.alarm.accident = Some(Box::new(Accident {
        declared_at: AT + 60_000_000,
        declared_by: person("乙"),
        facts,
        updated_at: AT + 60_000_000,
        reported: vec![told],
        retracted: retracted.then(|| Retraction { by: person("乙"), at: AT + 85_000_000, note: "水汽".to_owned() }),
    }));
    notice
}

/// A later notice of the same chain.
pub(crate) fn follow_up(kind: NoticeKind, reason: Reason) -> Notice {
    let first = notice();
    let mut next = first.clone();
    next.id = NoticeId(13);
    next.identifier = "demo.7.13".to_owned();
    next.kind = kind;
    next.reason = reason;
    next.at = AT + 60_000_000;
    next.references = vec![Reference { identifier: first.identifier, sent: AT }];
    next.alarm.handling = vec![Handling { by: person("甲"), at: AT, note: "已撤人".to_owned() }];
    next
}

fn alarm() -> Alarm {
    Alarm {
        unrecorded: false,
        opened_unrecorded: false,
        times_doubtful: false,
        shelf: Default::default(),
        managed: false,
        may_suppress: false,
        group: String::new(),
        parent: false,
        first_out: false,
        chattering: false,
        stale: false,
        fleeting: 0,
        closure: None,
        accident: None,
        id: AlarmId(7),
        key: AlarmKey {
            source: Source::Rule("mixing".to_owned()),
            hazard: "fw.temp.stop".to_owned(),
            zone: "mix".to_owned(),
            object: String::new(),
        },
        title: words("室温超过停产限值", "Room above its stop temperature"),
        plugin: "fireworks-room@0.1.0".to_owned(),
        digest: "sha256:00ff".to_owned(),
        condition: Condition::Active,
        held: false,
        severity_now: Severity::Red,
        severity: Severity::Red,
        acknowledged: None,
        latched: true,
        closed: false,
        occurrences: 1,
        opened_at: AT - 2_000_000,
        raised_at: AT - 2_000_000,
        cleared_at: None,
        changed_at: AT - 2_000_000,
        certainty: Certainty::Likely,
        text: Text::Words(words("室温 36.5 ℃", "Room at 36.5 °C")),
        evidence: vec![Evidence {
            tag: "TT-301".to_owned(),
            value: 36.5,
            meaning: None,
            unit: "Cel".to_owned(),
            at: AT - 2_500_000,
            quality: brain::Quality::GOOD,
            limit: Some(34.0),
            citation: Some(Citation {
                standard: "GB 11652".to_owned(),
                edition: "2012".to_owned(),
                clause: "5.2".to_owned(),
                ..Citation::default()
            }),
        }],
        guide: Guide {
            cause: words("通风不足", "Too little ventilation"),
            consequence: words("药物自燃", "Self-ignition"),
            action: words("停产撤人", "Stop work and leave"),
            respond_s: 60,
        },
        handling: Vec::new(),
        escalation: Escalation { bureau: BureauState::Queued, ..Escalation::default() },
    }
}
