//! The JSON of who is told and who is there: answers, rosters and hand-overs, the ways to audiences. Owns: its names and forms, and with them the
//! schemas. Must not know: HTTP, how any of it is decided.

use super::shape::{BureauWord, Text, Time, time};
use super::titles::reason;
use super::view::{DutyRow, View};
use brain::notice::Delivery;
use brain::{Severity, alarm, duty};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The three answers to what was told; none of them stands for another.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answers {
    /// A machine at the receiver's address has it.
    received_at: Time,
    /// The receiver's system says that it accepts the message.
    accepted_at: Time,
    /// A named person took it.
    acknowledged_by: Option<String>,
    acknowledged_at: Time,
}

pub(super) fn answers(of: &alarm::Answers) -> Answers {
    Answers {
        received_at: time(of.received_at.unwrap_or(0)),
        accepted_at: time(of.accepted_at.unwrap_or(0)),
        acknowledged_by: of.person.as_ref().map(|(by, _)| by.name.clone()),
        acknowledged_at: time(of.person.as_ref().map_or(0, |(_, at)| *at)),
    }
}

/// How far the ladder of an alarm has come.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Escalation {
    /// Highest rung that has spoken; empty before the first.
    rung: String,
    bureau: BureauWord,
    /// What persons at the bureau told the plant to do, oldest first.
    instructions: Vec<Instruction>,
}

/// What a person at the bureau told the plant to do.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Instruction {
    by: String,
    at: Time,
    note: String,
    /// Name of the message that says it, to take it by; empty in what version 0.1.0 wrote.
    message: String,
    /// Who at the plant took it; null where nobody has.
    taken_by: Option<String>,
    taken_at: Time,
    /// What was said then.
    taken_note: String,
}

pub(super) fn escalation(of: &alarm::Escalation) -> Escalation {
    let instruction = |told: &alarm::Instruction| Instruction {
        by: told.by.name.clone(),
        at: time(told.at),
        note: told.note.clone(),
        message: told.message.clone(),
        taken_by: told.taken.as_ref().map(|taken| taken.by.name.clone()),
        taken_at: time(told.taken.as_ref().map_or(0, |taken| taken.at)),
        taken_note: told.taken.as_ref().map(|taken| taken.note.clone()).unwrap_or_default(),
    };
    Escalation {
        rung: of.rung.clone(),
        bureau: BureauWord(of.bureau),
        instructions: of.instructions.iter().map(instruction).collect(),
    }
}

/// Duty offered to somebody, and not taken over yet.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Offer {
    by: String,
    to: String,
    at: Time,
    note: String,
}

/// One hand-over.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HandedOver {
    /// Who was relieved.
    from: Vec<String>,
    to: String,
    /// Where: an address, or a name and the address.
    station: String,
    at: Time,
    /// Numbers of the alarms taken over.
    alarms: Vec<String>,
    /// What was said at the offer and at the taking.
    notes: [String; 2],
}

/// What the plan says comes next.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NextShift {
    at: Time,
    /// Nobody, where it is empty.
    people: Vec<String>,
}

/// Who is on duty by one roster.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Roster {
    name: String,
    title: Text,
    /// Whose duty it is; nobody where it is empty and `outgoing` too.
    on: Vec<String>,
    /// Whose shift is over, and whom nobody has relieved yet.
    outgoing: Vec<String>,
    /// Somebody must have taken over by then; null where nothing is due.
    due_at: Time,
    offer: Option<Offer>,
    /// Everybody whom it names: who may be offered duty.
    people: Vec<String>,
    /// What the plan says comes next; null where nobody knows the time, or nothing comes.
    next: Option<NextShift>,
    /// The last hand-overs, newest first.
    handed_over: Vec<HandedOver>,
}

/// Who is on duty.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Duty {
    rosters: Vec<Roster>,
    /// Numbers of the alarms that need somebody: what must be before the eyes of who takes over.
    alarms: Vec<String>,
}

fn numbers(of: &[brain::AlarmId]) -> Vec<String> {
    of.iter().map(|alarm| alarm.0.to_string()).collect()
}

/// Who is on duty.
pub(super) fn on_duty(view: &View) -> Duty {
    let handed = |of: &duty::HandedOver| HandedOver {
        from: of.from.clone(),
        to: of.to.name.clone(),
        station: of.to.station.clone(),
        at: time(view.clock.wall(of.at)),
        alarms: numbers(&of.alarms),
        notes: of.notes.clone(),
    };
    let offer = |of: &duty::Offer| Offer {
        by: of.by.name.clone(),
        to: of.to.clone(),
        at: time(view.clock.wall(of.at)),
        note: of.note.clone(),
    };
    let roster = |row: &DutyRow| Roster {
        name: row.name.clone(),
        title: (&row.title).into(),
        on: row.duty.on.clone(),
        outgoing: row.duty.outgoing.clone(),
        due_at: time(row.duty.due_at.map_or(0, |at| view.clock.wall(at))),
        offer: row.duty.offer.as_ref().map(offer),
        people: row.people.clone(),
        next: row.next.as_ref().map(|(at, people)| NextShift { at: time(*at), people: people.clone() }),
        handed_over: row.duty.log.iter().rev().map(handed).collect(),
    };
    let owed = view.alarms.values().filter(|alarm| alarm.is_owed()).map(|alarm| alarm.id.0.to_string());
    Duty { rosters: view.duties.iter().map(roster).collect(), alarms: owed.collect() }
}

/// What waits for one audience, and whether it hears us.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Way {
    audience: String,
    title: Text,
    /// Notices that it has not received, by level.
    waiting: BTreeMap<&'static str, usize>,
    /// Those of them that wait for their turn because of the limit of its channel.
    held: usize,
    /// When the oldest of them was made.
    oldest_at: Time,
    /// Most tries of one of them.
    attempts: u32,
    /// The next try of any of them.
    next_at: Time,
    /// Messages a minute that its channel takes; null = any number.
    per_minute: Option<u32>,
    /// The same in an hour.
    per_hour: Option<u32>,
    /// The same in 24 hours.
    per_day: Option<u32>,
    /// Numbers for each of which these limits count by itself, as calls do; 1 = they count for the channel.
    numbers: u32,
    /// The last time that it took anything.
    heard_at: Time,
    /// Every try has failed since then; null where it hears us.
    failing_since: Time,
    /// What the last failed try of one of them said.
    last_error: String,
    /// The same for people.
    last_error_text: Text,
    /// It is a siren or beacon: `POST /api/v1/annunciators/{audience}/test` sounds it for a moment.
    annunciator: bool,
    /// When it was tested last.
    tested_at: Time,
    /// Whether it then did what it was told; null where it was never tested.
    tested_well: Option<bool>,
    /// What it said then.
    tested: String,
    /// Notices of the last ones remembered, by what became of them.
    settled: BTreeMap<&'static str, usize>,
}

/// What is on its way to people.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Outbox {
    ways: Vec<Way>,
}

/// What is on its way to people.
pub(super) fn outbox(view: &View) -> Outbox {
    let mut ways: BTreeMap<&str, Way> = BTreeMap::new();
    let row = |way: &super::view::WayRow| Way {
        audience: way.audience.clone(),
        title: (&view.titles.audience(&way.audience)).into(),
        waiting: Severity::ALL.map(|level| (level.word(), 0)).into(),
        held: way.held,
        oldest_at: time(0),
        attempts: 0,
        next_at: time(0),
        per_minute: way.per_minute,
        per_hour: way.per_hour,
        per_day: way.per_day,
        numbers: way.numbers,
        heard_at: time(way.heard_at),
        failing_since: time(way.failing_since),
        last_error: String::new(),
        last_error_text: (&reason("")).into(),
        annunciator: way.annunciator,
        tested_at: time(way.tested.as_ref().map_or(0, |tested| tested.at)),
        tested_well: way.tested.as_ref().map(|tested| tested.well),
        tested: way.tested.as_ref().map_or_else(String::new, |tested| tested.detail.clone()),
        settled: ["received", "acknowledged", "rejected", "superseded", "expired"].map(|word| (word, 0)).into(),
    };
    ways.extend(view.ways.iter().map(|way| (way.audience.as_str(), row(way))));
    let mut first: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for of in view.notices.values() {
        let Some(way) = ways.get_mut(of.notice.audience.as_str()) else { continue };
        let settled = match of.delivery {
            _ if of.is_owed() => {
                *way.waiting.entry(of.notice.alarm.severity.word()).or_default() += 1;
                let (made, due) = (view.clock.wall(of.made_at()), if of.attempts > 0 { of.due_at } else { i64::MAX });
                let (oldest, next) = first.entry(of.notice.audience.as_str()).or_insert((i64::MAX, i64::MAX));
                (*oldest, *next) = ((*oldest).min(made), (*next).min(due));
                way.attempts = way.attempts.max(of.attempts);
                if !of.last_error.is_empty() {
                    of.last_error.clone_into(&mut way.last_error);
                    way.last_error_text = (&reason(&of.last_error)).into();
                }
                continue;
            }
            Delivery::Queued | Delivery::Received => "received",
            Delivery::Acknowledged => "acknowledged",
            Delivery::Rejected => "rejected",
            Delivery::Superseded => "superseded",
            Delivery::Expired => "expired",
        };
        *way.settled.entry(settled).or_default() += 1;
    }
    for (audience, (oldest, next)) in first {
        if let Some(way) = ways.get_mut(audience) {
            (way.oldest_at, way.next_at) = (time(oldest), time(if next == i64::MAX { 0 } else { next }));
        }
    }
    Outbox { ways: ways.into_values().collect() }
}

/// Hand one's duty over to somebody, who must take it over.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandOver {
    /// Name of a person of the roster.
    pub(super) to: String,
    /// In the person's words.
    #[serde(default, deserialize_with = "super::asked::words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
}

/// Take duty over.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeOver {
    /// Numbers of the alarms on the person's screen; refused with `not_yet` where one that needs somebody is not among them.
    pub(super) alarms: Vec<String>,
    /// In the person's words.
    #[serde(default, deserialize_with = "super::asked::words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
}
