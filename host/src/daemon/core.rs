//! The record and the decision together: what happened is appended to the journal, stepped through the brain, and what was decided is
//! appended beside it. The daemon and `replay` both run on this, so a recorded file and a live plant take the same path.
//! Must not know: tasks, connections, where effects go.

use super::{snapshot, snapshot::Snapshot};
use crate::hang::within;
use crate::journal::{Durable, FOLDER, Journal, PATIENCE, TooLarge};
use crate::restored;
use anyhow::Context;
use brain::event::{Change, Effect, Entry, Event, Outcome};
use brain::{Alarm, Brain, Micros, Notice, Site};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::watch;

mod opening;

pub use opening::{Ahead, Opening};

/// The brain and its journal.
pub struct Core {
    brain: Brain,
    journal: Arc<Journal>,
    segment_bytes: u64,
    data: PathBuf,
    /// Digest of the site the brain decides with.
    digest: String,
    /// The site to decide with from the next start on.
    site: Site,
    /// Record of this run's start; 0 = on no record.
    started: u64,
    at: Micros,
    /// Nothing is recorded; the plant is still watched.
    unrecorded: Option<Gap>,
    waiting: Waiting,
    /// Steps that may not be on disk yet: their last record, and how many steps go with it. No more than the journal queues.
    queued: VecDeque<(u64, u64)>,
    since: SinceSnapshot,
    numbers: Numbers,
    /// What the snapshot that is being written stands for.
    saving: SinceSnapshot,
    words: Words,
}

/// What a notice says on its way out of the machine; None: it stays on the plant's own screens.
pub type Words = Box<dyn Fn(&Notice) -> Option<String> + Send + Sync>;

/// How a start stands to the numbers of alarms and notices that were given before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// All are known.
    Known,
    /// Nothing was ever given in this record.
    First,
    /// Some may have been given on records that are lost.
    Lost,
}

/// What the disk owes us.
struct Waiting {
    /// A record on its way.
    seq: u64,
    /// Since when it is waited for.
    since: Instant,
    /// Its brain time: once it is on disk, so is all before.
    at: Micros,
    /// All before this brain time is on disk.
    safe: Micros,
}

/// A stretch without a record.
struct Gap {
    since: Micros,
    steps: u64,
    why: String,
    /// The journal being reopened, or opened still.
    back: Option<Receiver<anyhow::Result<Back>>>,
    tried: Instant,
    /// When it was last said that this takes long.
    said: Instant,
    /// When recording ended.
    began: Instant,
    /// It began with the program: what stands behind this record, the snapshot's, was not read.
    unread: Option<u64>,
}

/// A journal that takes records again.
struct Back {
    journal: Journal,
    /// Its last record.
    last_seq: u64,
    /// Records that were on disk and are lost.
    damage: Option<String>,
    /// What stood at its end; none where nobody has read that far.
    stood: Option<Vec<Alarm>>,
}

/// How often it is said that a journal is not back.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// How often a dead journal is tried again, at first and at last: each try may write a whole segment to a sick disk.
const REOPEN_EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

/// How long after a try the next one comes, when the journal has been dead for so long: the record begins again late by a quarter of that at most.
fn reopen_after(dead: Duration) -> Duration {
    (dead / 4).clamp(*REOPEN_EVERY.start(), *REOPEN_EVERY.end())
}

/// How long a disk that was only slow must be well again: each change is told to officer and bureau.
const SETTLED: Duration = Duration::from_secs(5);

/// From so many messages on, two threads put them into words.
const SPOKEN_BY_ONE: usize = 32;

/// What a replay from the last snapshot would have to do.
#[derive(Default)]
struct SinceSnapshot {
    /// Last record.
    seq: u64,
    events: u64,
    readings: usize,
    /// When the snapshot was made.
    at: Micros,
}

/// A snapshot after so many events, readings, or so long: each bounds the replay of a start to about a second (own choice).
const SNAPSHOT_EVENTS: u64 = 200_000;
const SNAPSHOT_READINGS: usize = 1_000_000;
const SNAPSHOT_US: Micros = 3_600_000_000;

/// What one event led to.
pub struct Stepped {
    /// Nothing of `effects` may leave before this record is on disk. 0 = nothing was recorded.
    pub through: u64,
    /// What to do.
    pub effects: Vec<Effect>,
}

/// What restarting found.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Record of the snapshot it began from; 0 = from the first record.
    pub snapshot: u64,
    /// Events fed to the new brain.
    pub events: u64,
    /// Steps whose outcome differs from what the journal says was decided then, by the same program under the same site.
    pub different: u64,
    /// Records that were on disk and are lost, for people; each was logged.
    pub damage: Vec<String>,
    /// Time of the last record; 0 for a new journal.
    pub last_at: Micros,
}

/// Decisions per record: a step that decides more writes several, so that none outgrows what the journal takes.
const OUTCOMES_PER_RECORD: usize = 16;

impl Core {
    fn count(&mut self, seq: u64, event: &Event) {
        self.since.seq = seq;
        self.since.events += 1;
        if let Event::Readings { readings } = event {
            self.since.readings += readings.len();
        }
    }

    /// The plant is watched from here on, under the site given to [`Core::open`]. `series` names what is told, where this record begins.
    pub fn start(&mut self, at: Micros, series: &str) -> Stepped {
        let digest = snapshot::digest(&self.site);
        if self.digest != digest {
            self.brain = self.brain.reconfigured(self.site.clone());
            self.digest.clone_from(&digest);
        }
        let mut effects = Vec::new();
        if let Some(gap) = self.unrecorded.as_ref().filter(|gap| gap.unread.is_some()) {
            self.brain.number_from(restored::never_given(at));
            effects = self.brain.step(at, &Event::Unrecorded { detail: gap.why.clone() });
            drop(self.word(&mut effects));
        }
        let tags = self.site.tags.iter().map(|tag| tag.name.clone()).collect();
        let (series, number_from) = match self.numbers {
            Numbers::Known => (String::new(), 0),
            Numbers::First => (series.to_owned(), 0),
            Numbers::Lost => (String::new(), restored::never_given(at)),
        };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let stepped = self.step(at, Event::Started { config: digest, version, tags, series, number_from });
        self.started = stepped.through;
        effects.extend(stepped.effects);
        Stepped { effects, ..stepped }
    }

    /// Rules as they stand from the start on; to be called before it.
    pub fn place(&mut self, rules: Vec<brain::site::Rule>) {
        self.site.rules = rules;
        let (data, site) = (self.data.clone(), self.site.clone());
        let keep = move || snapshot::keep_site(&data, &snapshot::digest(&site), &site);
        if let Err(error) = within("keeping the site", keep).flatten() {
            tracing::error!("what is decided now cannot be decided again under another site file: {error:#}");
        }
    }

    /// Which journal gives numbers to the records of the present steps.
    pub fn era(&self) -> u32 {
        self.journal.era()
    }

    /// Whether the next start would take too long without a new snapshot.
    pub fn snapshot_due(&self) -> bool {
        let since = &self.since;
        let long = since.events > 0 && self.at - since.at >= SNAPSHOT_US;
        self.unrecorded.is_none() && (long || since.events >= SNAPSHOT_EVENTS || since.readings >= SNAPSHOT_READINGS)
    }

    /// The state as it stands, to be written elsewhere. One that could not be written is told to [`Core::not_saved`].
    pub fn snapshot(&mut self) -> Snapshot {
        let since = SinceSnapshot { seq: self.since.seq, at: self.at, ..Default::default() };
        self.saving = std::mem::replace(&mut self.since, since);
        Snapshot { seq: self.since.seq, era: self.era(), site: self.digest.clone(), brain: self.brain.clone() }
    }

    /// The last snapshot was not written: what it stood for is still to be replayed, and behind a gap nothing else can tell of it.
    pub fn not_saved(&mut self) {
        let (saving, since) = (std::mem::take(&mut self.saving), &mut self.since);
        (since.at, since.events, since.readings) = (saving.at, since.events + saving.events, since.readings + saving.readings);
    }

    /// From here on every notice is put into words as it is made; those of `first`, the steps so far, are now.
    pub fn speak(&mut self, words: Words, first: &mut [Stepped]) {
        self.words = words;
        for stepped in first {
            for worded in self.word(&mut stepped.effects) {
                let Stepped { through, effects } = self.step(self.at, worded);
                stepped.through = stepped.through.max(through);
                stepped.effects.extend(effects);
            }
        }
    }

    /// Decides, and records what happened together with what was decided and the words in which it is told: what is told for the first time waits for
    /// one sync. `at` is the present; it never goes back.
    pub fn step(&mut self, at: Micros, event: Event) -> Stepped {
        self.at = self.at.max(at);
        let mut effects = self.brain.step(self.at, &event);
        let outcome = outcomes(&self.brain, &effects);
        let worded = self.word(&mut effects);
        if let Some(gap) = &mut self.unrecorded {
            gap.steps += 1;
            return Stepped { through: 0, effects };
        }
        match self.record(event, &outcome, worded, 1) {
            Ok(through) => Stepped { through, effects },
            Err(error) => {
                effects.extend(self.go_unrecorded(format!("{error:#}"), 1));
                Stepped { through: 0, effects }
            }
        }
    }

    /// Puts what has no words yet into words, for good: says what happened by that. The brain makes no effect of it.
    fn word(&mut self, effects: &mut [Effect]) -> Vec<Event> {
        let mut mute: Vec<(&Notice, &mut Option<String>)> = Vec::new();
        for effect in effects {
            if let Effect::Tell { notice, message: message @ None, .. } = effect {
                mute.push((notice, message));
            }
        }
        let words = &self.words;
        let speak =
            |part: &mut [(&Notice, &mut Option<String>)]| part.iter_mut().for_each(|(notice, message)| **message = words(notice));
        // In a flood this is most of what is done before anybody is told: by two at once, where a second thread can be had.
        let half = if mute.len() < SPOKEN_BY_ONE { 0 } else { mute.len() / 2 };
        let (beside, own) = mute.split_at_mut(half);
        let had = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("words".to_owned());
            let had = half > 0 && thread.spawn_scoped(scope, || speak(beside)).is_ok();
            speak(own);
            had
        });
        if !had {
            speak(&mut mute[..half]);
        }
        let worded = |(notice, message): &(&Notice, &mut Option<String>)| {
            let message = (**message).clone()?;
            Some(Event::Worded { notice: notice.id, message })
        };
        let events: Vec<Event> = mute.iter().filter_map(worded).collect();
        for worded in &events {
            self.brain.step(self.at, worded);
        }
        events
    }

    /// `steps` are on no record if this one does not reach the disk.
    fn record(&mut self, event: Event, outcome: &[Outcome], worded: Vec<Event>, steps: u64) -> anyhow::Result<u64> {
        let entries = |events: Vec<Event>| events.into_iter().map(Entry::Event).collect::<Vec<_>>();
        let (event, worded) = (Entry::Event(event), entries(worded));
        let beside = |per_record| {
            let worded = worded.clone();
            move |cause| {
                let entry = |outcome: &[Outcome]| Entry::Outcome { cause, outcome: outcome.to_vec() };
                outcome.chunks(per_record).map(entry).chain(worded).collect()
            }
        };
        // Alarms with many long notes outgrow a record together, never alone.
        let through = match self.journal.append_with(self.at, &event, beside(OUTCOMES_PER_RECORD)) {
            Err(error) if error.is::<TooLarge>() => self.journal.append_with(self.at, &event, beside(1))?,
            appended => appended?,
        };
        for entry in std::iter::once(&event).chain(&worded) {
            if let Entry::Event(event) = entry {
                self.count(through, event);
            }
        }
        let on_disk = self.journal.durable().borrow().seq;
        while self.queued.pop_front_if(|(queued, _)| *queued <= on_disk).is_some() {}
        self.queued.push_back((through, steps));
        Ok(through)
    }

    /// The plant is never silenced by its disk: from here on it is watched without a record, and says so. `steps` are on none already.
    fn go_unrecorded(&mut self, why: String, steps: u64) -> Vec<Effect> {
        tracing::error!("nothing can be put on record, going on without: {why}");
        let mut effects = self.brain.step(self.at, &Event::Unrecorded { detail: why.clone() });
        // They are on record once something is again.
        drop(self.word(&mut effects));
        self.unrecorded = Some(Gap {
            since: self.waiting.safe,
            steps,
            why,
            back: None,
            tried: Instant::now(),
            said: Instant::now(),
            began: Instant::now(),
            unread: None,
        });
        effects
    }

    /// To be called ten times a second: whether the disk still takes records, or takes them again.
    pub fn watch_disk(&mut self, at: Micros) -> Option<Stepped> {
        self.at = self.at.max(at);
        let durable = self.journal.durable().borrow().clone();
        let Some(gap) = &mut self.unrecorded else {
            if durable.seq >= self.waiting.seq {
                let safe = self.waiting.at;
                self.waiting = Waiting { seq: self.since.seq, since: Instant::now(), at: self.at, safe };
            }
            let slow = || (self.waiting.since.elapsed() >= PATIENCE).then(|| "the disk has finished nothing for 2 s".to_owned());
            let why = durable.failed.or_else(slow)?;
            return Some(Stepped { through: 0, effects: self.go_unrecorded(why, 0) });
        };
        match gap.back.as_ref().map(Receiver::try_recv) {
            Some(Ok(Ok(Back { journal, last_seq, damage, stood }))) => {
                if let Some(damage) = damage {
                    gap.why += &format!("; {damage}");
                }
                if let Some(read) = gap.unread.filter(|read| *read < last_seq) {
                    gap.why += &format!("; records {} to {last_seq} could not be read at the start", read + 1);
                    gap.why += &opening::unknown(stood, &self.brain);
                }
                self.since.seq = journal.durable().borrow().seq;
                self.journal = Arc::new(journal);
                Some(self.resume())
            }
            Some(Ok(Err(error))) => {
                tracing::warn!("the journal is not back: {error:#}");
                (gap.back, gap.why) = (None, format!("{error:#}"));
                None
            }
            Some(Err(TryRecvError::Disconnected)) => {
                gap.back = None;
                None
            }
            Some(Err(TryRecvError::Empty)) => {
                if gap.said.elapsed() >= SAID_EVERY {
                    gap.said = Instant::now();
                    let waited = gap.tried.elapsed().as_secs();
                    tracing::warn!("nothing is put on record: the journal has not come back for {waited} s: {}", gap.why);
                }
                None
            }
            // It was slow, not dead.
            None if durable.failed.is_none() => {
                (durable.seq >= self.since.seq && gap.tried.elapsed() >= SETTLED).then(|| self.resume())
            }
            None if gap.tried.elapsed() >= reopen_after(gap.began.elapsed()) => {
                let (done, back) = sync_channel(1);
                (gap.back, gap.tried) = (Some(back), Instant::now());
                let (journal, dir) = (Arc::clone(&self.journal), self.data.join(FOLDER));
                let (site, bytes) = (self.site.id.clone(), self.segment_bytes);
                let reopen = move || drop(done.send(journal.reopened(&dir, &site, bytes).map(Back::from)));
                // Not on this thread: a disk may hang.
                if let Err(error) = std::thread::Builder::new().name("journal-back".to_owned()).spawn(reopen) {
                    tracing::error!("no thread to reopen the journal: {error}");
                }
                None
            }
            None => None,
        }
    }

    /// On record again: how long nothing was, and how all stands now.
    fn resume(&mut self) -> Stepped {
        let Some(gap) = self.unrecorded.take() else { return Stepped { through: 0, effects: Vec::new() } };
        let nameless = self.started == 0 || self.started > self.journal.durable().borrow().seq;
        let (next_alarm, next_notice) = self.brain.next_numbers();
        let lost = self.queued_in_vain();
        self.queued.clear();
        let Gap { since, steps, why: detail, .. } = gap;
        let steps = steps + lost;
        tracing::warn!(steps, "the journal takes records again");
        let event = Event::Recorded { since, steps, detail, next_alarm, next_notice };
        let mut effects = self.brain.step(self.at, &event);
        let mut outcome = outcomes(&self.brain, &effects);
        outcome.extend(standing(&self.brain, since));
        // They go on record below, with all that was put into words meanwhile.
        drop(self.word(&mut effects));
        let mut through = self.record(event, &outcome, vec![], steps + 1).unwrap_or_else(|error| {
            effects.extend(self.go_unrecorded(format!("{error:#}"), steps + 1));
            0
        });
        // The record knows tags by the names that a start gives them: one that is on no record is made good.
        if nameless && through > 0 {
            let name = |link: &str, now: &brain::brain::LinkNow| Event::Link {
                link: link.to_owned(),
                state: now.state,
                reason: now.reason.clone(),
            };
            let links = self.brain.site().links.iter().enumerate();
            let links: Vec<Event> = links.filter_map(|(index, link)| Some(name(link, self.brain.link(index)?))).collect();
            let series = self.brain.series().to_owned();
            let mut again = vec![self.start(self.at, &series)];
            again.extend(links.into_iter().map(|link| self.step(self.at, link)));
            for stepped in again {
                through = stepped.through;
                effects.extend(stepped.effects);
            }
        }
        // What was put into words stays in those words.
        let in_words = |row: &brain::notice::OutboxRow| Some((row.notice.id, row.message.clone()?));
        let words: Vec<_> = self.brain.outbox().filter(|row| row.made_at() >= since).filter_map(in_words).collect();
        for (notice, message) in words {
            let worded = self.step(self.at, Event::Worded { notice, message });
            through = worded.through;
            effects.extend(worded.effects);
        }
        self.waiting = Waiting { seq: through, since: Instant::now(), at: self.at, safe: since };
        // A replay of the records cannot come to this state: only a snapshot can.
        self.since.events += SNAPSHOT_EVENTS;
        Stepped { through, effects }
    }

    /// Steps that were queued and are not on disk.
    fn queued_in_vain(&self) -> u64 {
        let on_disk = self.journal.durable().borrow().seq;
        self.queued.iter().filter(|(queued, _)| *queued > on_disk).map(|(_, steps)| steps).sum()
    }

    /// The decisions so far.
    pub fn brain(&self) -> &Brain {
        &self.brain
    }

    /// How far the record is on disk; stays the same over a reopening.
    pub fn durable(&self) -> watch::Receiver<Durable> {
        self.journal.durable()
    }

    /// Why nothing is recorded, if so.
    pub fn unrecorded(&self) -> Option<&str> {
        self.unrecorded.as_ref().map(|gap| gap.why.as_str())
    }

    /// Syncs and closes the journal, and keeps the state for a quick start.
    ///
    /// # Errors
    /// The last group could not be written.
    pub fn close(mut self) -> anyhow::Result<()> {
        let snapshot = (self.unrecorded.is_none() && self.since.events > 0).then(|| self.snapshot());
        let durable = self.journal.durable();
        if let Some(gap) = &self.unrecorded {
            anyhow::bail!("the last {} steps are on no record: {}", gap.steps + self.queued_in_vain(), gap.why);
        }
        Arc::into_inner(self.journal).context("the journal is still being reopened")?.close()?;
        if let Some(Err(error)) = snapshot.map(|snapshot| snapshot::write(&self.data, &snapshot, &durable)) {
            tracing::warn!("no snapshot at the end, the next start takes longer: {error:#}");
        }
        Ok(())
    }
}

/// How alarms and notices stand that may have changed on no record since `since`.
fn standing(brain: &Brain, since: Micros) -> impl Iterator<Item = Outcome> {
    let alarm = |alarm: &Alarm| Outcome::Alarm { change: Change::Recorded, alarm: Box::new(alarm.clone()) };
    let alarms = brain.alarms().filter(move |alarm| alarm.changed_at >= since).map(alarm);
    let told = brain
        .outbox()
        .filter(move |row| row.made_at() >= since)
        .map(|row| Outcome::Told { notice: Box::new(row.notice.clone()) });
    let delivered = brain.outbox().map(|row| Outcome::Delivery { notice: row.notice.id, delivery: row.delivery });
    alarms.chain(told).chain(delivered)
}

/// Equal as the journal writes them: NaN equals NaN.
fn same(a: &[Outcome], b: &[Outcome]) -> bool {
    a == b
        || serde_json::to_value(a).ok() == serde_json::to_value(b).ok()
        || a.len() == b.len() && a.iter().zip(b).all(same_but_named)
}

/// Version 0.1.0 did not write down which component was stopped or put back to work.
fn same_but_named((a, b): (&Outcome, &Outcome)) -> bool {
    match (a, b) {
        (Outcome::Quarantine { rule, on, digest, .. }, Outcome::Quarantine { rule: other, on: also, digest: named, .. }) => {
            (rule, on) == (other, also) && (digest.is_empty() || named.is_empty())
        }
        (a, b) => a == b || serde_json::to_value(a).ok() == serde_json::to_value(b).ok(),
    }
}

/// What of the effects the journal keeps. Consulting a rule and trying a notice again decide nothing.
fn outcomes(brain: &Brain, effects: &[Effect]) -> Vec<Outcome> {
    let keep = |effect: &Effect| match effect {
        Effect::Alarm { alarm, change } => {
            brain.alarm(*alarm).map(|alarm| Outcome::Alarm { change: *change, alarm: Box::new(alarm.clone()) })
        }
        Effect::Tell { notice, attempt: 1, .. } => Some(Outcome::Told { notice: notice.clone() }),
        Effect::Delivery { notice } => {
            brain.notice(*notice).map(|row| Outcome::Delivery { notice: *notice, delivery: row.delivery })
        }
        Effect::Quarantine { rule: index, on } => brain.site().rules.get(*index).map(|rule| Outcome::Quarantine {
            rule: rule.name.clone(),
            on: *on,
            plugin: rule.plugin.clone(),
            digest: rule.digest.clone(),
            by_itself: !on && brain.rule(*index).is_some_and(|now| now.returned),
        }),
        Effect::Rule { rule, change, plugin, digest } => brain.site().rules.get(*rule).map(|rule| Outcome::Rule {
            rule: rule.name.clone(),
            change: *change,
            plugin: plugin.clone(),
            digest: digest.clone(),
        }),
        Effect::Answer { command, result } => Some(Outcome::Answer { command: command.clone(), refused: result.clone().err() }),
        Effect::Consult { .. } | Effect::RunBeside { .. } | Effect::EndBeside { .. } => None,
        Effect::Test { .. } | Effect::Tell { .. } => None,
    };
    effects.iter().filter_map(keep).collect()
}

#[cfg(test)]
pub(super) mod tests;
