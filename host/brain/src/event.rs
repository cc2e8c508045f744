//! All that can happen to the brain, and all it may ask. Closed enums: the journal is a list of [`Event`], the daemon a router of [`Effect`].
//! Must not know: how events are made durable or how effects are carried out.

use crate::accident;
use crate::alarm::{AlarmId, Closing, Person};
use crate::duty::DutyChange;
use crate::finding::Finding;
pub use crate::growth::Room;
use crate::notice::{Notice, NoticeId};
use crate::reading::{Micros, Reading};
pub use crate::record::{Entry, Record};
pub use crate::refusal::Refusal;
use crate::site::Severity;
use crate::stages::{Aside, RuleChange, Step};
pub use crate::storage::StoragePart;
use serde::{Deserialize, Serialize};

/// State of one owned connection to the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Readings can come.
    Up,
    /// No connection: all its tags are bad (link lost) at once.
    Down,
    /// Connected, but holding back because we cannot keep up.
    Saturated,
}

/// What a rule did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrikeKind {
    /// Panic, unreachable, wild store.
    Trap,
    /// Used up its fuel.
    Fuel,
    /// Ran past its deadline.
    Deadline,
    /// Asked for more memory than it may have.
    Memory,
    /// Returned more than the host takes.
    Result,
    /// Logged without end.
    Log,
    /// Index out of range, more findings than declared, severity above its worst.
    Nonsense,
    /// Could not keep up: rows were never judged. Blind until it answers again; no ground for quarantine.
    Overrun,
    /// A batch failed twice: its rows were never judged by this rule. Blind until it answers again; its failures were told on their own.
    Skipped,
}

/// What a person asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Act {
    /// Take an alarm. Refused where the severity has risen above what was seen, or a new occurrence came.
    Acknowledge {
        /// Which.
        alarm: AlarmId,
        /// Severity on the person's screen; none = whatever stands.
        severity: Option<Severity>,
        /// Occurrence on the person's screen; none = whatever stands.
        occurrence: Option<u32>,
        /// In the person's words.
        note: String,
    },
    /// Release a latch after somebody went and looked.
    Reset {
        /// Which.
        alarm: AlarmId,
        /// In the person's words.
        note: String,
    },
    /// Note what was done.
    Handle {
        /// Which.
        alarm: AlarmId,
        /// In the person's words, not empty.
        note: String,
    },
    /// End an alarm: cleared, acknowledged, no latch, a handling note; from yellow on with its cause, from orange on with evidence and by
    /// somebody other than who acknowledged.
    Close {
        /// Which.
        alarm: AlarmId,
        /// In the person's words.
        note: String,
        /// Cause and evidence; none in what version 0.1.0 wrote, and judged as it was then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        closing: Option<Closing>,
    },
    /// Declare an accident of an alarm, say what of it was told, or that it is none.
    Accident {
        /// Which.
        alarm: AlarmId,
        /// What.
        step: accident::Step,
    },
    /// Take what a person at the bureau told the plant to do: whoever told it hears who has it.
    TakeInstruction {
        /// Which.
        alarm: AlarmId,
        /// Name of the message that says it.
        message: String,
        /// In the person's words.
        note: String,
    },
    /// Put an alarm aside for a while, or longer than it was; never a red or highly managed one. Refused like [`Act::Acknowledge`] where it moved.
    Shelve {
        /// Which.
        alarm: AlarmId,
        /// For how long, one of [`crate::shelf::TERMS_S`].
        for_s: u32,
        /// Ends as soon as the condition clears.
        #[serde(default)]
        one_shot: bool,
        /// Severity on the person's screen.
        severity: Option<Severity>,
        /// Occurrence on the person's screen.
        occurrence: Option<u32>,
        /// Why, not empty.
        note: String,
    },
    /// Take it back from the shelf.
    Unshelve {
        /// Which.
        alarm: AlarmId,
        /// In the person's words.
        note: String,
    },
    /// Take a tag out of service under a permit: its alarms are put aside. Takes a second person who asks for the same where one can be red.
    TakeOut {
        /// Tag name.
        tag: String,
        /// For how long, at most a day.
        for_s: u32,
        /// Number of the permit.
        permit: String,
        /// What watches instead.
        measure: String,
    },
    /// Put it back into service.
    PutBack {
        /// Tag name.
        tag: String,
        /// In the person's words.
        note: String,
    },
    /// Put a quarantined rule back to work.
    ReleaseRule {
        /// Rule name.
        rule: String,
    },
    /// Who is on duty.
    Duty {
        /// Roster name.
        roster: String,
        /// What is asked of it.
        change: DutyChange,
        /// In the person's words.
        note: String,
    },
    /// Sound an annunciator for a moment, to see whether it does.
    TestAnnunciator {
        /// Audience name.
        audience: String,
    },
    /// Change which component runs in a rule's place.
    Rule {
        /// Rule name.
        rule: String,
        /// How.
        step: Step,
    },
}

/// All that can happen to the brain. Each is one journal record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The daemon started. `tags` names the [`crate::reading::TagId`]s of all following readings, until the next start.
    Started {
        /// Digest of the site with its rules and their components: what is decided from here on is decided under it.
        config: String,
        /// Version of the program.
        version: String,
        /// Tag names in order.
        tags: Vec<String>,
        /// Part of the name of every message from here on; a record that begins has one, so that a plant whose data was lost never uses a name again.
        /// Empty: as before.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        series: String,
        /// No alarm and no notice gets a lower number from here on: lower ones may have been given on records that are lost. 0 = as before.
        #[serde(default, skip_serializing_if = "crate::site::is_zero")]
        number_from: u64,
    },
    /// The daemon stopped on purpose.
    Stopped,
    /// Time passed.
    Tick,
    /// Values came, in order of arrival.
    Readings {
        /// Never empty.
        readings: Vec<Reading>,
    },
    /// A connection changed.
    Link {
        /// Link name.
        link: String,
        /// What it is now.
        state: LinkState,
        /// Why, for people.
        reason: String,
    },
    /// Payloads that could not be read. Counted, shown, and acknowledged to the broker: never block a queue on one bad device.
    Malformed {
        /// Link name.
        link: String,
        /// How many since the last such event.
        count: u64,
        /// What was wrong with the last one, and its first 256 bytes.
        sample: String,
    },
    /// A rule answered with findings.
    Assessed {
        /// Rule name.
        rule: String,
        /// At most one per hazard; each holds until the next of the same hazard.
        findings: Vec<Finding>,
    },
    /// A rule failed: trap, timeout or nonsense.
    Strike {
        /// Rule name.
        rule: String,
        /// How.
        kind: StrikeKind,
        /// For the vendor.
        detail: String,
    },
    /// A component that runs beside the active one of a rule said something, or failed. Nobody is alarmed by it.
    Aside {
        /// Rule name.
        rule: String,
        /// The component.
        digest: String,
        /// What it said.
        said: Aside,
    },
    /// A component that people put in a rule's place, or beside it, cannot run any more.
    RuleLost {
        /// Rule name.
        rule: String,
        /// The component.
        digest: String,
        /// Why.
        detail: String,
    },
    /// A receiver's machine took a notice.
    Receipt {
        /// Which.
        notice: NoticeId,
        /// What it said.
        code: String,
        /// True where the receiver's system said that it accepts the message, not only that it has it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        accepted: bool,
    },
    /// A notice was put into words, before its first try: every try sends these.
    Worded {
        /// Which.
        notice: NoticeId,
        /// What is sent, packed; means nothing to the brain.
        message: String,
    },
    /// One try failed; it will be tried again: soon, or now and then where the message itself was refused.
    Undelivered {
        /// Which.
        notice: NoticeId,
        /// What was seen.
        detail: String,
        /// True where the receiver's machine refused the message itself: only a change on its side can help.
        rejected: bool,
    },
    /// A named person at the receiver answered.
    Answered {
        /// Which.
        notice: NoticeId,
        /// True = accepted (CAP Ack), false = refused (CAP Error): the plant's ladder goes on.
        accepted: bool,
        /// Who.
        by: Person,
        /// Their words.
        note: String,
        /// The words say what the plant is to do.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        instruction: bool,
        /// Name of their message; empty in what version 0.1.0 wrote.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
    },
    /// A person at the plant asked for something.
    Operator {
        /// Unique per request (the `Idempotency-Key`): the same key gets the same answer and no second effect.
        command: String,
        /// Who.
        by: Person,
        /// What.
        act: Act,
    },
    /// The disk failed or came back.
    Storage {
        /// Which part.
        part: StoragePart,
        /// True = works.
        well: bool,
        /// What was seen.
        detail: String,
    },
    /// The wall clock differs from what was known: it was set, or is another one since the last start. Brain time and every deadline go on undisturbed.
    Clock {
        /// The difference holds from this brain time on: the start of the present run.
        since: Micros,
        /// Wall clock minus brain time.
        ahead: Micros,
        /// It shows what cannot be, so that nobody knows the time.
        wrong: bool,
    },
    /// Heads of the chain reach an audience outside the machine, or have not for a while.
    Anchored {
        /// Audience name.
        audience: String,
        /// The last one came.
        well: bool,
        /// What was seen.
        detail: String,
    },
    /// Somebody outside hears regularly that the plant is watched, or has not for a while.
    Heartbeat {
        /// Watcher name.
        watcher: String,
        /// The last one came.
        well: bool,
        /// What was seen.
        detail: String,
    },
    /// An annunciator was tested: asked for by [`Act::TestAnnunciator`].
    Tested {
        /// Audience name.
        audience: String,
        /// It says itself that it did what it was told.
        well: bool,
        /// What was read back, or what is wrong.
        detail: String,
    },
    /// A gateway called back with what is nobody's answer. Decides nothing: it is on record for people.
    AnswerRefused {
        /// Over whose line it came.
        over: String,
        /// Who answered what, and why it counts for nothing.
        detail: String,
    },
    /// A drill is over: whoever holds a message of it is told so, and nothing else is said any more. Outside a drill it means nothing.
    ExerciseEnded {
        /// It went to its end; false where it was stopped before, or died.
        whole: bool,
    },
    /// How much room is left for what is kept, as it was measured. Days are at the present growth; none = it does not fill.
    Growth {
        /// Free part of the file system, percent.
        free: f64,
        /// Days until the file system is full.
        disk_days: Option<f64>,
        /// Days until the journal has its configured size and records are pruned before their time.
        journal_days: Option<f64>,
        /// More of it; none in records of version 0.1.0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<Room>,
    },
    /// From here on nothing can be recorded: the plant is watched, told and escalated all the same, and all of it is marked. Itself on no record.
    Unrecorded {
        /// What was seen of the disk.
        detail: String,
    },
    /// What happens is on record again. Stands for all that was not; what became of alarms and notices meanwhile is recorded beside it.
    Recorded {
        /// When recording had ended.
        since: Micros,
        /// Steps without a record.
        steps: u64,
        /// Why.
        detail: String,
        /// Numbers given meanwhile are never given again: the next alarm's.
        next_alarm: u64,
        /// The next notice's.
        next_notice: u64,
    },
}

/// One row for a rule: handle, value, quality, source time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Position in [`crate::site::Rule::inputs`].
    pub handle: u32,
    /// In the tag's unit.
    pub value: f64,
    /// After the brain's own judgement.
    pub quality: crate::reading::Quality,
    /// Source time.
    pub source_us: Micros,
}

/// What happened to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// New.
    Opened,
    /// The condition rose again.
    Reopened,
    /// The severity rose.
    Raised,
    /// The severity now fell; the one shown stays.
    Lowered,
    /// The condition cleared.
    Cleared,
    /// Its inputs stopped, or began again, to be believable.
    Held,
    /// Somebody took it.
    Acknowledged,
    /// The latch was released.
    Reset,
    /// A note was added.
    Handled,
    /// A person ended it.
    Closed,
    /// Put aside by a person, or for longer.
    Shelved,
    /// No longer put aside by a person.
    Unshelved,
    /// Put aside by a logic of the site or with its device.
    Suppressed,
    /// No longer put aside by either; perhaps still shelved.
    Restored,
    /// Began or ceased to chatter, or has stood for a day.
    Nuisance,
    /// The bureau or the ladder moved.
    Escalated,
    /// Put on record as it stood when that became possible again.
    Recorded,
    /// A person declared an accident, said what of it was told, or that it is none.
    Accident,
}

/// All the brain may ask for. Routed by the daemon, after the sync that covers its cause; only [`Effect::Consult`] may go at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask a rule. `rows` is empty when only time passed.
    Consult {
        /// Index into [`crate::site::Site::rules`].
        rule: usize,
        /// Batch time; never goes back.
        at: Micros,
        /// In order of arrival.
        rows: Vec<Row>,
    },
    /// An alarm changed; read it from [`crate::Brain::alarm`].
    Alarm {
        /// Which.
        alarm: AlarmId,
        /// How.
        change: Change,
    },
    /// Send a notice: first or again (`attempt` counts from 1).
    Tell {
        /// What to tell.
        notice: Box<Notice>,
        /// How it was worded; none = not yet, or it needs no words.
        message: Option<String>,
        /// 1 = first.
        attempt: u32,
        /// Which of the numbers of its audience is called, from 0; 0 where there is one, or all are told together.
        number: u32,
    },
    /// Sound this annunciator for a moment, and say what it answers: [`Event::Tested`].
    Test {
        /// Audience name.
        audience: String,
    },
    /// A notice's delivery changed; read it from [`crate::Brain::outbox`].
    Delivery {
        /// Which.
        notice: NoticeId,
    },
    /// Stop a rule, or put it back to work.
    Quarantine {
        /// Index into [`crate::site::Site::rules`].
        rule: usize,
        /// True = out of use.
        on: bool,
    },
    /// Run this component beside the active one of a rule, on the same rows from here on.
    RunBeside {
        /// Index into [`crate::site::Site::rules`].
        rule: usize,
        /// The component.
        digest: String,
        /// Whose state it begins with, if it understands it; else with the rows that one saw last.
        heir_of: String,
    },
    /// This component of a rule runs no longer.
    EndBeside {
        /// Index into [`crate::site::Site::rules`].
        rule: usize,
        /// The component.
        digest: String,
    },
    /// Something became of a rule: for the record.
    Rule {
        /// Index into [`crate::site::Site::rules`].
        rule: usize,
        /// What.
        change: RuleChange,
        /// `id@version` of the component it is about; empty where it is known no more.
        plugin: String,
        /// The component.
        digest: String,
    },
    /// Answer to [`Event::Operator`].
    Answer {
        /// The command's key.
        command: String,
        /// Done, or why not.
        result: Result<(), Refusal>,
    },
}

/// What a step decided, as the journal keeps it beside its cause. Never fed back to the brain: replay makes it again and compares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// An alarm changed; as it stands after the step.
    Alarm {
        /// How.
        change: Change,
        /// As it stands.
        alarm: Box<crate::alarm::Alarm>,
    },
    /// A notice was made (first attempt only; resending changes nothing).
    Told {
        /// As it will be sent.
        notice: Box<Notice>,
    },
    /// A notice's delivery changed.
    Delivery {
        /// Which.
        notice: NoticeId,
        /// How far it has come.
        delivery: crate::notice::Delivery,
    },
    /// A rule was stopped or put back to work.
    Quarantine {
        /// Rule name.
        rule: String,
        /// True = out of use.
        on: bool,
        /// `id@version` of the component that runs there; empty in records of version 0.1.0.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        plugin: String,
        /// That component; the same.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        digest: String,
        /// It came back by itself, and nobody let it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_itself: bool,
    },
    /// Something became of a rule.
    Rule {
        /// Rule name.
        rule: String,
        /// What.
        change: RuleChange,
        /// `id@version` of the component it is about.
        plugin: String,
        /// The component.
        digest: String,
    },
    /// An act was answered.
    Answer {
        /// The command's key.
        command: String,
        /// None = done.
        refused: Option<Refusal>,
    },
}
