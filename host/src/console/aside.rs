//! The JSON of what is put aside. Owns: its names and forms, and with them the schemas. Must not know: HTTP, what may be put aside.

use super::present::{Present, now};
use super::shape::{SeverityWord, Text, Time, time};
use super::view::{TagRow, View};
use brain::SECOND_WITHIN_US;
use brain::alarm;
use brain::shelf::{Hidden, OutOfService};
use schemars::JsonSchema;
use serde::Serialize;

/// Why an alarm is not in the list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Aside {
    /// `shelved`, `suppressed_by_design` or `out_of_service`.
    kind: &'static str,
    /// Who: of a logic, who approved it.
    by: String,
    /// In the person's words; of a logic, what people call it; of a device, what watches instead.
    reason: Text,
    from: Time,
    /// It ends then by itself.
    until: Time,
    /// A severity above this breaks the shelf; null unless shelved.
    cap: Option<SeverityWord>,
    /// Ends as soon as the condition clears.
    one_shot: bool,
    /// Times the shelf was made longer.
    extensions: u8,
    /// Of a device; else empty.
    permit: String,
}

fn said(words: &str) -> Text {
    (&brain::words::Words::same(words)).into()
}

fn of_device(service: &OutOfService) -> Aside {
    let second = service.second.as_ref().map(|second| format!(", {}", second.name)).unwrap_or_default();
    Aside {
        kind: "out_of_service",
        by: format!("{}{second}", service.by.name),
        reason: said(&service.measure),
        from: time(service.from),
        until: time(service.until),
        cap: None,
        one_shot: false,
        extensions: 0,
        permit: service.permit.clone(),
    }
}

/// What puts an alarm aside, as far as it is shown; none where it is in the list.
pub(super) fn aside(of: &alarm::Alarm) -> Option<Aside> {
    let shelf = &of.shelf;
    Some(match shelf.hidden()? {
        Hidden::Service => of_device(shelf.out_of_service.as_ref()?),
        Hidden::Design => {
            let design = shelf.by_design.as_ref()?;
            Aside {
                kind: "suppressed_by_design",
                by: design.approved_by.join(", "),
                reason: (&design.title).into(),
                from: time(design.from),
                until: time(design.until),
                cap: None,
                one_shot: false,
                extensions: 0,
                permit: String::new(),
            }
        }
        Hidden::Shelf => {
            let shelved = shelf.shelved.as_ref()?;
            Aside {
                kind: "shelved",
                by: shelved.by.name.clone(),
                reason: said(&shelved.reason),
                from: time(shelved.from),
                until: time(shelved.until),
                cap: Some(SeverityWord(shelved.cap)),
                one_shot: shelved.one_shot,
                extensions: shelved.extensions,
                permit: String::new(),
            }
        }
    })
}

/// A tag out of service.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TagOut {
    tag: String,
    title: Text,
    zone: String,
    unit: String,
    now: Present,
    #[serde(flatten)]
    aside: Aside,
}

/// A tag that one of two persons asked to take out of service. Another one who asks for the same permit agrees.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TagAsked {
    tag: String,
    by: String,
    permit: String,
    measure: String,
    minutes: i64,
    asked_at: Time,
    /// Another person may agree until then.
    agree_by: Time,
}

/// A logic of the site that suppresses at present, or would: there may be no alarm for it to suppress.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Logic {
    name: String,
    title: Text,
    zone: String,
    hazards: Vec<String>,
}

/// All that is put aside.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Suppressed {
    /// Numbers of alarms that are not in the list because something puts them aside.
    alarms: Vec<String>,
    tags: Vec<TagOut>,
    /// Not out of service yet: one of two persons asked for it.
    asked: Vec<TagAsked>,
    logics: Vec<Logic>,
}

/// All that is put aside.
pub(super) fn suppressed(view: &View) -> Suppressed {
    let alarms = view.alarms.values().filter(|alarm| !alarm.shelf.is_empty());
    let row = |name: &str| view.tags.iter().find(|tag| tag.name == name).map(AsRef::<TagRow>::as_ref);
    let tags = view.out_of_service.iter().filter_map(|(tag, service)| {
        let about = row(tag)?;
        let (zone, unit) = (about.zone.clone(), about.unit.clone());
        Some(TagOut { tag: tag.clone(), title: (&about.title).into(), zone, unit, now: now(about), aside: of_device(service) })
    });
    let asked = view.asked.iter().map(|(tag, wish)| TagAsked {
        tag: tag.clone(),
        by: wish.by.name.clone(),
        permit: wish.permit.clone(),
        measure: wish.measure.clone(),
        minutes: (wish.until - wish.from) / 60_000_000,
        asked_at: time(wish.from),
        agree_by: time(wish.from.saturating_add(SECOND_WITHIN_US)),
    });
    let logics = view.suppressing.iter().map(|about| Logic {
        name: about.name.clone(),
        title: (&about.title).into(),
        zone: about.zone.clone(),
        hazards: about.hazards.clone(),
    });
    let alarms = alarms.map(|alarm| alarm.id.0.to_string()).collect();
    Suppressed { alarms, tags: tags.collect(), asked: asked.collect(), logics: logics.collect() }
}

/// How an alarm ended.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Closure {
    by: String,
    at: Time,
    cause: Option<super::shape::CauseWord>,
    evidence: String,
}

/// How it ended.
pub(super) fn closure(of: &alarm::Closure) -> Closure {
    Closure {
        by: of.by.name.clone(),
        at: time(of.at),
        cause: of.said.cause.map(super::shape::CauseWord),
        evidence: of.said.evidence.clone(),
    }
}
