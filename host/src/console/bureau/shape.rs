//! The JSON of the duty queue. Owns: names and forms of its fields, and with them the schemas. Must not know: HTTP, how any of it is decided.

use super::View;
use crate::console::shape::{
    AccidentWord, GradeWord, KindWord, ModeWord, ReasonWord, SeverityWord, TellingWord, Text, Time, time,
};
use crate::words::phrase;
use brain::Micros;
use brain::accident::Owed;
use brain::bureau::{About, Accident, Act, Count, DAYS, Entry, Line, Rate, Transfer};
use brain::calendar::LOCAL_US;
use brain::site::Severity;
use brain::words::Words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DAY_US: Micros = 86_400_000_000;

/// Which part of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Which {
    /// What somebody may have to do something about.
    #[default]
    Open,
    /// The newest that are over.
    Closed,
}

/// Which entries.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueAsked {
    /// `open` (default), in the order of the queue, or `closed`, the newest first.
    #[serde(default)]
    pub(super) state: Which,
}

/// What an officer says of an act.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Acted {
    /// In the person's words; needed for all but accepting.
    #[serde(default, deserialize_with = "crate::console::asked::words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
    /// Level that was seen; refused with `moved` where it has risen since.
    #[schemars(with = "Option<SeverityWord>")]
    pub(super) severity: Option<Severity>,
}

/// A matter goes to another body.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Transferred {
    /// Which body.
    #[serde(deserialize_with = "crate::console::asked::name")]
    #[schemars(length(min = 1, max = 200))]
    pub(super) to: String,
    /// Why, in the person's words.
    #[serde(default, deserialize_with = "crate::console::asked::words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
    /// Level that was seen; refused with `moved` where it has risen since.
    #[schemars(with = "Option<SeverityWord>")]
    pub(super) severity: Option<Severity>,
}

/// The desk is offered to somebody.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandOver {
    /// Name of an officer.
    pub(super) to: String,
    /// What who comes must know; what is open is listed without it.
    #[serde(default, deserialize_with = "crate::console::asked::words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
}

/// The desk is taken over.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeOver {
    /// Numbers of the open entries on the officer's screen; refused with `not_yet` where one is not among them.
    pub(super) entries: Vec<String>,
    /// In the person's words.
    #[serde(default, deserialize_with = "crate::console::asked::words")]
    #[schemars(length(max = 2000))]
    pub(super) note: String,
}

/// An accident as the plant says it. Times are by its clock.
#[derive(Debug, Serialize, JsonSchema)]
struct AccidentRow {
    retracted: bool,
    kind: AccidentWord,
    grade: GradeWord,
    declared_at: Time,
    declared_by: String,
    dead: u32,
    injured: u32,
    missing: u32,
    at_risk: u32,
    /// Whom the law wants told by when; empty where it was taken back.
    clocks: Vec<ClockRow>,
}

/// One of the law's clocks.
#[derive(Debug, Serialize, JsonSchema)]
struct ClockRow {
    what: TellingWord,
    title: Text,
    due_at: Time,
    /// Seconds left to it, below zero = overdue; null = told, and not owed again.
    left_s: Option<i64>,
    /// As the plant noted it; the last time where it is owed again and again.
    done_at: Time,
    /// It is owed again and again until then.
    until: Time,
    overdue: bool,
}

/// A matter that went to another body.
#[derive(Debug, Serialize, JsonSchema)]
struct TransferRow {
    /// Within its entry.
    number: String,
    to: String,
    note: String,
    by: String,
    at: Time,
    /// It answers until then.
    answer_by: Time,
    /// Seconds left to it, below zero = overdue; null = it has answered.
    answer_left_s: Option<i64>,
    /// What it answered; null where it has not.
    answer: Option<String>,
    /// Who put that on record.
    answered_by: Option<String>,
    answered_at: Time,
}

/// The desk offered to somebody, and not taken over yet.
#[derive(Debug, Serialize, JsonSchema)]
struct OfferRow {
    by: String,
    to: String,
    at: Time,
    note: String,
}

/// One hand-over.
#[derive(Debug, Serialize, JsonSchema)]
struct HandedOver {
    /// Who had it; null = nobody.
    from: Option<String>,
    to: String,
    station: String,
    at: Time,
    /// Numbers of the entries that were open.
    open: Vec<String>,
    /// What was said at the offer and at the taking.
    notes: [String; 2],
}

/// Who has the duty desk.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Desk {
    /// Null = nobody.
    on: Option<String>,
    since: Time,
    /// Whose names may have it.
    officers: Vec<String>,
    /// Numbers of the open entries: what must be before the eyes of who takes over.
    open: Vec<String>,
    offer: Option<OfferRow>,
    /// The last ones, newest first.
    handed_over: Vec<HandedOver>,
}

/// One entry as the queue shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct QueueRow {
    id: String,
    plant: String,
    plant_title: Text,
    /// `report`, `silence`, `suspicion` or `unknown`.
    about: &'static str,
    mode: ModeWord,
    /// Suggested level: the highest since somebody answered last.
    level: SeverityWord,
    /// `received`, `accepted`, `rejected`, `instructed` or `closed`.
    state: &'static str,
    /// The condition has cleared, as the plant says.
    cleared: bool,
    /// The plant has ended it, or speaks again.
    ended: bool,
    headline: Text,
    opened_at: Time,
    changed_at: Time,
    /// A named person answers until then.
    acknowledge_by: Time,
    /// Seconds left to it, below zero = overdue; null = somebody has answered.
    acknowledge_left_s: Option<i64>,
    /// The plant says that somebody did something until then.
    handle_by: Time,
    /// Seconds left to it, below zero = overdue; null = done, or over.
    handle_left_s: Option<i64>,
    /// An accident that a person at the plant declared; null = it is about none.
    accident: Option<AccidentRow>,
    /// Bodies that it went to, in order.
    transfers: Vec<TransferRow>,
    /// Who answered last.
    answered_by: Option<String>,
    answered_at: Time,
    /// Messages so far.
    messages: u32,
    /// Answers that have not come to the plant yet.
    owed: usize,
    /// Instructions that nobody at the plant has taken yet.
    untaken: usize,
    /// What the plant said to an answer that it refuses.
    returned: Option<String>,
}

/// One message of the plant.
#[derive(Debug, Serialize, JsonSchema)]
struct MessageRow {
    identifier: String,
    kind: KindWord,
    /// Why it came; null where the plant does not say it.
    reason: Option<ReasonWord>,
    /// By the plant's clock.
    sent_at: Time,
    received_at: Time,
}

/// One act.
#[derive(Debug, Serialize, JsonSchema)]
struct ActRow {
    /// `accept`, `reject`, `instruct`, `transfer`, `answer` (of another body) or `close`.
    act: &'static str,
    /// Which body it went to, or which answered.
    to: Option<String>,
    by: String,
    role: String,
    station: String,
    at: Time,
    note: String,
    /// The plant has it; null where it has not, or is told nothing.
    delivered_at: Time,
    /// The plant refuses it: why.
    returned: Option<String>,
    /// Who at the plant took it, where it is an instruction; null where nobody has.
    taken_by: Option<String>,
    /// By the plant's clock.
    taken_at: Time,
    /// What was said then.
    taken_note: String,
}

/// One entry with all that is known of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Detail {
    #[serde(flatten)]
    row: QueueRow,
    description: Text,
    /// The plant's own name for it; null where it reports nothing.
    incident: Option<String>,
    handled_at: Time,
    message_list: Vec<MessageRow>,
    acts: Vec<ActRow>,
}

/// Heartbeats that came of those expected, while the bureau listened: shares from 0 to 1; null = none were expected.
#[derive(Debug, Serialize, JsonSchema)]
struct OnLine {
    today: Option<f64>,
    /// The last 30 days, today included.
    month: Option<f64>,
    /// Oldest first; days of which nothing is known are left out.
    days: Vec<Day>,
}

/// One day of it.
#[derive(Debug, Serialize, JsonSchema)]
struct Day {
    /// `YYYY-MM-DD`.
    day: String,
    share: Option<f64>,
    came: u64,
    /// As far as the bureau listened.
    expected: u64,
}

/// One plant.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PlantLine {
    name: String,
    title: Text,
    /// Nothing has come for its time.
    silent: bool,
    heard_at: Time,
    /// Seconds since.
    heard_s: i64,
    /// Silent after so many; null = it reports here no longer.
    silent_after_s: Option<u32>,
    /// Version of its program, as its heartbeats say.
    version: Option<String>,
    /// Alarms there that need somebody, by level.
    alarms: BTreeMap<String, u64>,
    /// Of those, the ones that nobody there has taken.
    unacknowledged: BTreeMap<String, u64>,
    /// Put aside there while the condition goes on, by level: not among `alarms`.
    aside: BTreeMap<String, u64>,
    /// Notices there that nobody has received yet.
    waiting: u64,
    /// Parts of its program that do not work.
    failing: Vec<String>,
    /// Messages taken; came again; old ones again; changed; refused; times of silence.
    reports: u64,
    /// How much of what it should say of itself came.
    on_line: OnLine,
    duplicates: u64,
    replays: u64,
    changed: u64,
    refused: u64,
    silences: u64,
}

fn act_word(act: &Act) -> &'static str {
    match act {
        Act::Accept { .. } => "accept",
        Act::Reject { .. } => "reject",
        Act::Instruct { .. } => "instruct",
        Act::Transfer { .. } => "transfer",
        Act::Heard { .. } => "answer",
        Act::Close { .. } => "close",
    }
}

/// What an entry is called.
fn headline(entry: &Entry, plant: &Words, wall: impl Fn(Micros) -> Time) -> Words {
    let both = |key: &str, more: String| {
        let (zh, en) = (phrase(key, &[plant.zh.clone(), more.clone()]).zh, phrase(key, &[plant.en.clone(), more]).en);
        Words { zh, en }
    };
    match &entry.about {
        About::Report { .. } => entry.headline.clone(),
        About::Silence { since } => both("bureau.silent", wall(*since).to_string().replace('T', " ").chars().take(19).collect()),
        About::Suspicion => both("bureau.suspicion", entry.messages_so_far.to_string()),
        About::Unknown { alarms } => both("bureau.unknown", alarms.to_string()),
    }
}

/// One entry of the queue.
pub(super) fn row(entry: &Entry, plant: &Words, view: &View) -> QueueRow {
    let (now, wall) = (view.now(), |at: Micros| time(if at == 0 { 0 } else { at + view.ahead }));
    let left = |due: Micros, wanted: bool| wanted.then(|| due.saturating_sub(now).div_euclid(1_000_000));
    let (about, open) = match entry.about {
        About::Report { .. } => ("report", !entry.ended),
        About::Silence { .. } => ("silence", !entry.ended),
        About::Suspicion => ("suspicion", false),
        About::Unknown { .. } => ("unknown", false),
    };
    let unanswered = entry.state == brain::bureau::State::Received;
    QueueRow {
        id: entry.number.to_string(),
        plant: entry.plant.clone(),
        plant_title: Text::from(plant),
        about,
        mode: ModeWord(entry.mode),
        level: SeverityWord(entry.level),
        state: entry.state.word(),
        cleared: entry.cleared,
        ended: entry.ended,
        headline: Text::from(&headline(entry, plant, wall)),
        opened_at: wall(entry.opened_at),
        changed_at: wall(entry.changed_at),
        acknowledge_by: wall(entry.acknowledge_by),
        acknowledge_left_s: left(entry.acknowledge_by, unanswered),
        handle_by: wall(entry.handle_by),
        handle_left_s: left(entry.handle_by, open && !entry.is_closed() && entry.handled_at.is_none()),
        accident: entry.accident.as_ref().map(|of| accident(of, now.saturating_add(view.ahead))),
        transfers: entry.transfers.iter().map(|of| transfer(of, now, wall)).collect(),
        answered_by: entry.acts.last().map(|done| done.by.name.clone()),
        answered_at: wall(entry.answered_at.unwrap_or(0)),
        messages: entry.messages_so_far,
        owed: entry
            .acts
            .iter()
            .filter(|done| done.answer.is_some() && done.delivered_at.is_none() && done.returned.is_none())
            .count(),
        untaken: entry
            .acts
            .iter()
            .filter(|done| {
                matches!(done.act, Act::Instruct { .. })
                    && !done.message.is_empty()
                    && done.taken.is_none()
                    && done.returned.is_none()
            })
            .count(),
        returned: entry.acts.iter().rev().find_map(|done| done.returned.clone()),
    }
}

/// `wall`: what the clock here shows; the plant's may show something else by a little.
fn accident(of: &Accident, wall: Micros) -> AccidentRow {
    let clock = |owed: &Owed| {
        let again = owed.until.is_some_and(|until| wall <= until);
        ClockRow {
            what: TellingWord(owed.what),
            title: (&phrase(&format!("accident.telling.{}", owed.what.word()), &[])).into(),
            due_at: time(owed.due_at),
            left_s: (owed.done_at.is_none() || again).then(|| owed.due_at.saturating_sub(wall).div_euclid(1_000_000)),
            done_at: time(owed.done_at.unwrap_or(0)),
            until: time(owed.until.unwrap_or(0)),
            overdue: owed.is_overdue(wall),
        }
    };
    AccidentRow {
        retracted: of.retracted,
        kind: AccidentWord(of.kind),
        grade: GradeWord(of.grade),
        declared_at: time(of.declared_at),
        declared_by: of.declared_by.clone(),
        dead: of.dead,
        injured: of.injured,
        missing: of.missing,
        at_risk: of.at_risk,
        clocks: of.clocks.iter().map(clock).collect(),
    }
}

fn transfer(of: &Transfer, now: Micros, wall: impl Fn(Micros) -> Time) -> TransferRow {
    TransferRow {
        number: of.number.to_string(),
        to: of.to.clone(),
        note: of.asked.note.clone(),
        by: of.asked.by.name.clone(),
        at: wall(of.asked.at),
        answer_by: wall(of.answer_by),
        answer_left_s: of.answer.is_none().then(|| of.answer_by.saturating_sub(now).div_euclid(1_000_000)),
        answer: of.answer.as_ref().map(|answer| answer.note.clone()),
        answered_by: of.answer.as_ref().map(|answer| answer.by.name.clone()),
        answered_at: wall(of.answer.as_ref().map_or(0, |answer| answer.at)),
    }
}

/// Who has the duty desk.
pub(super) fn desk(view: &View) -> Desk {
    let (shift, wall) = (&view.picture.shift, |at: Micros| time(if at == 0 { 0 } else { at + view.ahead }));
    let handed = |of: &brain::bureau::HandedOver| HandedOver {
        from: of.from.clone(),
        to: of.to.name.clone(),
        station: of.to.station.clone(),
        at: wall(of.at),
        open: of.open.iter().map(u64::to_string).collect(),
        notes: of.notes.clone(),
    };
    let offer = |of: &brain::bureau::Offer| OfferRow {
        by: of.by.name.clone(),
        to: of.to.clone(),
        at: wall(of.at),
        note: of.note.clone(),
    };
    let open = view.picture.entries.iter().filter(|entry| !entry.is_closed());
    Desk {
        on: shift.on.clone(),
        since: wall(shift.since),
        officers: shift.officers.clone(),
        open: open.map(|entry| entry.number.to_string()).collect(),
        offer: shift.offer.as_ref().map(offer),
        handed_over: shift.log.iter().rev().map(handed).collect(),
    }
}

/// One entry whole.
pub(super) fn detail(entry: &Entry, plant: &Words, view: &View) -> Detail {
    let wall = |at: Micros| time(if at == 0 { 0 } else { at + view.ahead });
    let messages = entry.messages.iter().map(|message| MessageRow {
        identifier: message.identifier.clone(),
        kind: KindWord(message.kind),
        reason: message.reason.map(ReasonWord),
        sent_at: time(message.sent),
        received_at: wall(message.at),
    });
    let acts = entry.acts.iter().map(|done| ActRow {
        act: act_word(&done.act),
        to: match &done.act {
            Act::Transfer { to, .. } => Some(to.clone()),
            Act::Heard { transfer, .. } => {
                entry.transfers.iter().find(|known| known.number == *transfer).map(|known| known.to.clone())
            }
            Act::Accept { .. } | Act::Reject { .. } | Act::Instruct { .. } | Act::Close { .. } => None,
        },
        by: done.by.name.clone(),
        role: done.by.role.clone(),
        station: done.by.station.clone(),
        at: wall(done.at),
        note: done.act.note().to_owned(),
        delivered_at: wall(done.delivered_at.unwrap_or(0)),
        returned: done.returned.clone(),
        taken_by: done.taken.as_ref().map(|taken| taken.by.clone()),
        taken_at: time(done.taken.as_ref().map_or(0, |taken| taken.at)),
        taken_note: done.taken.as_ref().map(|taken| taken.note.clone()).unwrap_or_default(),
    });
    let incident = match &entry.about {
        About::Report { incident } => Some(incident.clone()),
        About::Silence { .. } | About::Suspicion | About::Unknown { .. } => None,
    };
    Detail {
        row: row(entry, plant, view),
        description: Text::from(&entry.description),
        incident,
        handled_at: wall(entry.handled_at.unwrap_or(0)),
        message_list: messages.collect(),
        acts: acts.collect(),
    }
}

/// One plant.
pub(super) fn plant(name: &str, title: &Words, line: &Line, view: &View) -> PlantLine {
    let alive = line.alive.as_ref();
    PlantLine {
        name: name.to_owned(),
        title: Text::from(title),
        silent: line.silent.is_some(),
        heard_at: time(if line.heard_at == 0 { 0 } else { line.heard_at + view.ahead }),
        heard_s: view.now().saturating_sub(line.heard_at).max(0) / 1_000_000,
        silent_after_s: line.silent_s,
        version: alive.map(|alive| alive.version.clone()),
        alarms: alive.map(|alive| alive.alarms.clone()).unwrap_or_default(),
        unacknowledged: alive.map(|alive| alive.unacknowledged.clone()).unwrap_or_default(),
        aside: alive.map(|alive| alive.aside.clone()).unwrap_or_default(),
        waiting: alive.map_or(0, |alive| alive.waiting),
        failing: alive.map(|alive| alive.failing.clone()).unwrap_or_default(),
        reports: line.reports,
        on_line: on_line(&line.rate, view.now().saturating_add(view.ahead)),
        duplicates: line.duplicates,
        replays: line.replays,
        changed: line.changed,
        refused: line.refused,
        silences: line.silences,
    }
}

fn on_line(rate: &Rate, wall: Micros) -> OnLine {
    let today = wall.saturating_add(LOCAL_US).div_euclid(DAY_US);
    let mut days: Vec<(i64, Count)> = rate.days.iter().filter(|(day, _)| *day > today - DAYS).copied().collect();
    match days.last_mut().filter(|(day, _)| *day >= today) {
        Some((_, last)) => *last = last.plus(rate.live),
        None => days.push((today, rate.live)),
    }
    let sum = days.iter().fold(Count::default(), |sum, (_, count)| sum.plus(*count));
    let row = |(day, count): &(i64, Count)| Day {
        // As a time reads it, without the hours.
        day: time(day * DAY_US - LOCAL_US + 1).to_string().chars().take(10).collect(),
        share: count.share(),
        came: count.came,
        expected: count.expected_milli / 1000,
    };
    let month = sum.share();
    OnLine { today: days.last().and_then(|(_, count)| count.share()), month, days: days.iter().map(row).collect() }
}
