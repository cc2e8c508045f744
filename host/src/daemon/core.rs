//! The record and the decision together: what happened is appended to the journal, stepped through the brain, and what was decided is
//! appended beside it. The daemon and `replay` both run on this, so a recorded file and a live plant take the same path.
//! Must not know: tasks, connections, where effects go.

use super::snapshot::{self, Snapshot};
use crate::journal::{Damage, Durable, FOLDER, Journal, Opened, PATIENCE, TooLarge};
use anyhow::Context;
use brain::event::{Change, Effect, Entry, Event, Outcome};
use brain::{Alarm, Brain, Micros, Notice, Site};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::watch;

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
    since: SinceSnapshot,
    words: Words,
}

/// What a notice says on its way out of the machine; None: it stays on the plant's own screens.
pub type Words = Box<dyn Fn(&Notice) -> Option<String> + Send>;

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
    /// The journal being reopened.
    back: Option<Receiver<anyhow::Result<(Journal, Opened)>>>,
    tried: Instant,
    /// When recording ended.
    began: Instant,
}

/// How often a dead journal is tried again, at first and at last: each try may write a whole segment to a sick disk.
const REOPEN_EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

/// How long after a try the next one comes, when the journal has been dead for so long: the record begins again late by a quarter of that at most.
fn reopen_after(dead: Duration) -> Duration {
    (dead / 4).clamp(*REOPEN_EVERY.start(), *REOPEN_EVERY.end())
}

/// How long a disk that was only slow must be well again: each change is told to officer and bureau.
const SETTLED: Duration = Duration::from_secs(5);

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
    /// Opens the journal and brings a brain to where the last one was: from the newest snapshot, then by the records behind it. Effects of the past
    /// are not carried out again. `site` is decided with from [`Core::start`] on; the past, with the sites of the past.
    ///
    /// # Errors
    /// The directory cannot be read or written, belongs to another running daemon, or holds records this program cannot read.
    pub fn open(site: Site, segment_bytes: u64, data: &Path) -> anyhow::Result<(Core, Replayed)> {
        let dir = data.join(FOLDER);
        let (woken, digest) = (snapshot::newest(data), snapshot::digest(&site));
        let known = woken.as_ref().map_or(0, |snapshot| snapshot.seq);
        let (journal, opened) = Journal::open_after(&dir, &site.id, segment_bytes, known)?;
        if let Err(error) = snapshot::keep_site(data, &digest, &site) {
            tracing::error!("what is decided now cannot be decided again under another site file: {error:#}");
        }
        let since =
            SinceSnapshot { seq: known, at: woken.as_ref().map_or(0, |snapshot| snapshot.brain.now()), ..Default::default() };
        let (brain, digest) = match woken {
            Some(snapshot) => (snapshot.brain, snapshot.site),
            None => (Brain::new(site.clone()), digest),
        };
        let waiting = Waiting { seq: 0, since: Instant::now(), at: 0, safe: 0 };
        let (journal, data) = (Arc::new(journal), data.to_owned());
        let mut core = Core {
            brain,
            journal,
            segment_bytes,
            data,
            digest,
            site,
            started: 0,
            at: 0,
            unrecorded: None,
            waiting,
            since,
            words: Box::new(|_| None),
        };
        let replayed = core.replay(&dir, opened).context("cannot replay the journal")?;
        Ok((core, replayed))
    }

    fn replay(&mut self, dir: &Path, opened: Opened) -> anyhow::Result<Replayed> {
        let mut found = Replayed { snapshot: self.since.seq, last_at: self.brain.now(), ..Default::default() };
        found.damage.extend(opened.damage);
        let mut same_program = false;
        let (mut mine, mut theirs): (Vec<Outcome>, Vec<Outcome>) = Default::default();
        let mut cause = 0;
        let mut from = self.since.seq + 1;
        if let Some(live) = crate::journal::first_live(dir)?.filter(|live| *live > from) {
            // Events without their readings would be decided wrongly.
            let lost = format!(
                "no snapshot can be read that reaches record {live}, where the journal begins: what stood before is not known"
            );
            tracing::error!("{lost}");
            found.damage.push(lost);
            from = live;
        }
        for record in crate::journal::read(dir, from)? {
            let record = match record {
                Ok(record) => record,
                // To decide without what a newer program knew, or without the rest, would be to decide wrongly.
                Err(error) if error.downcast_ref::<Damage>().is_none() => return Err(error),
                Err(error) => {
                    tracing::error!("the journal is damaged, going on behind the hole: {error:#}");
                    found.damage.push(format!("{error:#}"));
                    continue;
                }
            };
            (found.last_at, self.at) = (record.at, record.at);
            match record.entry {
                Entry::Event(event) => {
                    found.different += u64::from(same_program && !same(&mine, &theirs));
                    theirs.clear();
                    // Beside the end of a gap stands what nobody can decide again.
                    same_program &= !matches!(event, Event::Recorded { .. });
                    if let Event::Started { config, version, .. } = &event {
                        self.was_started_with(config);
                        same_program = version == env!("CARGO_PKG_VERSION");
                    }
                    let effects = self.brain.step(record.at, &event);
                    (cause, mine) = (record.seq, outcomes(&self.brain, &effects));
                    found.events += 1;
                    self.count(record.seq, &event);
                }
                Entry::Outcome { outcome, .. } => {
                    theirs.extend(outcome);
                    self.since.seq = record.seq;
                }
            }
        }
        // The last step before a crash: what happened reached the disk, what was decided did not. It is decided again, and on record now.
        if theirs.len() < mine.len() && same(&mine[..theirs.len()], &theirs) {
            for outcome in mine[theirs.len()..].chunks(OUTCOMES_PER_RECORD) {
                self.since.seq = self.journal.append(self.at, &Entry::Outcome { cause, outcome: outcome.to_vec() })?;
            }
        }
        Ok(found)
    }

    /// The past goes on under the site of the past.
    fn was_started_with(&mut self, digest: &str) {
        if self.digest != digest {
            match snapshot::site(&self.data, digest) {
                Ok(site) => self.brain = self.brain.reconfigured(site),
                Err(error) => tracing::warn!("a part of the past is decided under the present site: {error:#}"),
            }
            digest.clone_into(&mut self.digest);
        }
    }

    fn count(&mut self, seq: u64, event: &Event) {
        self.since.seq = seq;
        self.since.events += 1;
        if let Event::Readings { readings } = event {
            self.since.readings += readings.len();
        }
    }

    /// The plant is watched from here on, under the site given to [`Core::open`].
    pub fn start(&mut self, at: Micros) -> Stepped {
        let digest = snapshot::digest(&self.site);
        if self.digest != digest {
            self.brain = self.brain.reconfigured(self.site.clone());
            self.digest.clone_from(&digest);
        }
        let tags = self.site.tags.iter().map(|tag| tag.name.clone()).collect();
        let stepped = self.step(at, Event::Started { config: digest, version: env!("CARGO_PKG_VERSION").to_owned(), tags });
        self.started = stepped.through;
        stepped
    }

    /// Whether the next start would take too long without a new snapshot.
    pub fn snapshot_due(&self) -> bool {
        let since = &self.since;
        let long = since.events > 0 && self.at - since.at >= SNAPSHOT_US;
        self.unrecorded.is_none() && (long || since.events >= SNAPSHOT_EVENTS || since.readings >= SNAPSHOT_READINGS)
    }

    /// The state as it stands, to be written elsewhere.
    pub fn snapshot(&mut self) -> Snapshot {
        let seq = self.since.seq;
        self.since = SinceSnapshot { seq, at: self.at, ..Default::default() };
        Snapshot { seq, site: self.digest.clone(), brain: self.brain.clone() }
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
        match self.record(event, &outcome, worded) {
            Ok(through) => Stepped { through, effects },
            Err(error) => {
                effects.extend(self.go_unrecorded(format!("{error:#}")));
                Stepped { through: 0, effects }
            }
        }
    }

    /// Puts what has no words yet into words, for good: says what happened by that. The brain makes no effect of it.
    fn word(&mut self, effects: &mut [Effect]) -> Vec<Event> {
        let mut events = Vec::new();
        for effect in effects {
            if let Effect::Tell { notice, message: message @ None, .. } = effect
                && let Some(words) = (self.words)(notice)
            {
                let worded = Event::Worded { notice: notice.id, message: words.clone() };
                *message = Some(words);
                self.brain.step(self.at, &worded);
                events.push(worded);
            }
        }
        events
    }

    fn record(&mut self, event: Event, outcome: &[Outcome], worded: Vec<Event>) -> anyhow::Result<u64> {
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
        Ok(through)
    }

    /// The plant is never silenced by its disk: from here on it is watched without a record, and says so.
    fn go_unrecorded(&mut self, why: String) -> Vec<Effect> {
        tracing::error!("nothing can be put on record, going on without: {why}");
        let mut effects = self.brain.step(self.at, &Event::Unrecorded { detail: why.clone() });
        // They are on record once something is again.
        drop(self.word(&mut effects));
        self.unrecorded =
            Some(Gap { since: self.waiting.safe, steps: 0, why, back: None, tried: Instant::now(), began: Instant::now() });
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
            return Some(Stepped { through: 0, effects: self.go_unrecorded(why) });
        };
        match gap.back.as_ref().map(Receiver::try_recv) {
            Some(Ok(Ok((journal, opened)))) => {
                if let Some(damage) = opened.damage {
                    gap.why += &format!("; {damage}");
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
            Some(Err(TryRecvError::Empty)) => None,
            // It was slow, not dead.
            None if durable.failed.is_none() => {
                (durable.seq >= self.since.seq && gap.tried.elapsed() >= SETTLED).then(|| self.resume())
            }
            None if gap.tried.elapsed() >= reopen_after(gap.began.elapsed()) => {
                let (done, back) = sync_channel(1);
                (gap.back, gap.tried) = (Some(back), Instant::now());
                let (journal, dir) = (Arc::clone(&self.journal), self.data.join(FOLDER));
                let (site, bytes) = (self.site.id.clone(), self.segment_bytes);
                let reopen = move || drop(done.send(journal.reopened(&dir, &site, bytes)));
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
        let Gap { since, steps, why: detail, .. } = gap;
        tracing::warn!(steps, "the journal takes records again");
        let event = Event::Recorded { since, steps, detail, next_alarm, next_notice };
        let mut effects = self.brain.step(self.at, &event);
        let mut outcome = outcomes(&self.brain, &effects);
        outcome.extend(standing(&self.brain, since));
        // They go on record below, with all that was put into words meanwhile.
        drop(self.word(&mut effects));
        let mut through = self.record(event, &outcome, vec![]).unwrap_or_else(|error| {
            effects.extend(self.go_unrecorded(format!("{error:#}")));
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
            let mut again = vec![self.start(self.at)];
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
            anyhow::bail!("the last {} steps are on no record: {}", gap.steps, gap.why);
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
    a == b || serde_json::to_value(a).ok() == serde_json::to_value(b).ok()
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
        Effect::Quarantine { rule, on } => {
            brain.site().rules.get(*rule).map(|rule| Outcome::Quarantine { rule: rule.name.clone(), on: *on })
        }
        Effect::Rule { rule, change, plugin, digest } => brain.site().rules.get(*rule).map(|rule| Outcome::Rule {
            rule: rule.name.clone(),
            change: *change,
            plugin: plugin.clone(),
            digest: digest.clone(),
        }),
        Effect::Answer { command, result } => Some(Outcome::Answer { command: command.clone(), refused: result.clone().err() }),
        Effect::Consult { .. } | Effect::RunBeside { .. } | Effect::EndBeside { .. } | Effect::Tell { .. } => None,
    };
    effects.iter().filter_map(keep).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use brain::alarm::{HANDLING_MAX, Person};
    use brain::event::{Act, LinkState};
    use brain::site::{Severity, Tag};
    use brain::{Quality, Reading, TagId};

    const RED: usize = 12;

    #[test]
    fn a_journal_that_stays_dead_is_tried_less_often() {
        let mut dead = Duration::ZERO;
        let tries: Vec<u64> = std::iter::from_fn(|| {
            dead += reopen_after(dead);
            Some(dead.as_secs())
        })
        .take_while(|at| *at <= 3600)
        .collect();
        assert_eq!(tries[..5], [1, 2, 3, 4, 5]);
        assert!((60..80).contains(&tries.len()), "{tries:?}");
        assert_eq!(tries[tries.len() - 1] - tries[tries.len() - 2], 60);
    }

    /// Twelve red alarms, each with as many long notes as it can hold: together far more than a record takes.
    #[test]
    fn many_long_notes_are_no_dead_disk() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gas-district.toml");
        let mut site = crate::config::load(&path).unwrap().site;
        let mut tag: Tag = site.tags.iter().find(|tag| !tag.limits.is_empty()).unwrap().clone();
        tag.limits.truncate(1);
        (tag.limits[0].severity, tag.limits[0].on_delay_ms) = (Severity::Red, 0);
        let over = tag.limits[0].value + 1.0;
        site.tags = (0..RED).map(|n| Tag { name: format!("T{n}"), high: over + 1.0, ..tag.clone() }).collect();
        let data = tempfile::tempdir().unwrap();
        let (mut core, _) = Core::open(site, 1 << 20, data.path()).unwrap();
        let (mut at, link) = (1_795_392_000_000_000, core.brain().site().links[tag.link].clone());
        core.start(at);
        let mut step = |core: &mut Core, event: Event| {
            at += 1_000;
            core.step(at, event)
        };
        let link_is = |state| Event::Link { link: link.clone(), state, reason: String::new() };
        step(&mut core, link_is(LinkState::Up));
        let reading = |n| Reading { tag: TagId(n as u32), value: over, quality: Quality::GOOD, source_us: 1_795_392_000_000_000 };
        step(&mut core, Event::Readings { readings: (0..RED).map(reading).collect() });
        let alarms: Vec<_> = core.brain().alarms().map(|alarm| alarm.id).collect();
        assert_eq!(alarms.len(), RED);
        let by = Person { name: "n".into(), role: "lead".into(), station: "s".into() };
        for note in 0..HANDLING_MAX {
            for alarm in &alarms {
                // Only the last ones are long: each note is written with all before it.
                let note_text = if note + 15 > HANDLING_MAX { "很".repeat(2_000) } else { "x".into() };
                let act = Act::Handle { alarm: *alarm, note: note_text };
                step(&mut core, Event::Operator { command: format!("{note}/{alarm:?}"), by: by.clone(), act });
            }
        }
        step(&mut core, link_is(LinkState::Down));
        assert_eq!(core.unrecorded(), None);
        let bytes: usize = core.brain().alarms().map(|alarm| serde_json::to_vec(alarm).unwrap().len()).sum();
        assert!(bytes > crate::journal::PAYLOAD_BYTES_MAX, "{bytes} bytes prove nothing");
        core.close().unwrap();
        assert!(crate::journal::verify(&data.path().join(FOLDER)).unwrap().is_whole());
    }
}
