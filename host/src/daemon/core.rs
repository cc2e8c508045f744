//! The record and the decision together: what happened is appended to the journal, stepped through the brain, and what was decided is
//! appended beside it. The daemon and `replay` both run on this, so a recorded file and a live plant take the same path.
//! Must not know: tasks, connections, where effects go.

use crate::config::Config;
use crate::journal::{Journal, Opened};
use anyhow::Context;
use brain::event::{Effect, Entry, Event, Outcome};
use brain::{Brain, Micros, Site};
use std::path::Path;

/// The brain and its journal.
pub struct Core {
    brain: Brain,
    journal: Journal,
    at: Micros,
    /// Why nothing is recorded any more; the plant is still watched.
    unrecorded: Option<String>,
}

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
    /// Events fed to the new brain.
    pub events: u64,
    /// Steps whose outcome differs from what the journal says was decided then, under the same program and configuration.
    pub different: u64,
    /// Holes and damaged records passed over; each was logged.
    pub damaged: u64,
    /// Time of the last record; 0 for a new journal.
    pub last_at: Micros,
}

/// Decisions per record: a step that decides more writes several, so that none outgrows what the journal takes.
const OUTCOMES_PER_RECORD: usize = 16;

impl Core {
    /// Opens the journal and feeds all of it to a new brain. Effects of the past are not carried out again.
    ///
    /// # Errors
    /// The directory cannot be read or written, belongs to another running daemon, or holds records this program cannot read.
    pub fn open(site: Site, config: &Config, data_dir: &Path) -> anyhow::Result<(Core, Opened, Replayed)> {
        let dir = data_dir.join("journal");
        let (journal, opened) = Journal::open(&dir, &site.id, config.storage.segment_bytes)?;
        let mut core = Core { brain: Brain::new(site), journal, at: 0, unrecorded: None };
        let replayed = core.replay(&dir, &config.digest).context("cannot replay the journal")?;
        Ok((core, opened, replayed))
    }

    fn replay(&mut self, dir: &Path, digest: &str) -> anyhow::Result<Replayed> {
        let mut found = Replayed::default();
        let mut same_program = false;
        let (mut mine, mut theirs): (Vec<Outcome>, Vec<Outcome>) = Default::default();
        for record in crate::journal::read(dir, 1)? {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    tracing::error!("the journal is damaged, going on behind the hole: {error:#}");
                    found.damaged += 1;
                    continue;
                }
            };
            (found.last_at, self.at) = (record.at, record.at);
            match record.entry {
                Entry::Event(event) => {
                    found.different += u64::from(same_program && !same(&mine, &theirs));
                    theirs.clear();
                    if let Event::Started { config, version, .. } = &event {
                        same_program = config == digest && version == env!("CARGO_PKG_VERSION");
                    }
                    let effects = self.brain.step(record.at, &event);
                    mine = outcomes(&self.brain, &effects);
                    found.events += 1;
                }
                Entry::Outcome { outcome, .. } => theirs.extend(outcome),
            }
        }
        Ok(found)
    }

    /// Decides, and records what happened together with what was decided. `at` is the present; it never goes back.
    pub fn step(&mut self, at: Micros, event: Event) -> Stepped {
        self.at = self.at.max(at);
        let effects = self.brain.step(self.at, &event);
        let outcome = outcomes(&self.brain, &effects);
        let through = self.record(&Entry::Event(event), &outcome);
        Stepped { through, effects }
    }

    fn record(&mut self, event: &Entry, outcome: &[Outcome]) -> u64 {
        if self.unrecorded.is_some() {
            return 0;
        }
        let decided = |cause| {
            let entry = |outcome: &[Outcome]| Entry::Outcome { cause, outcome: outcome.to_vec() };
            outcome.chunks(OUTCOMES_PER_RECORD).map(entry).collect()
        };
        self.journal.append_with(self.at, event, decided).unwrap_or_else(|error| {
            tracing::error!("the journal is dead, going on unrecorded: {error:#}");
            self.unrecorded = Some(format!("{error:#}"));
            0
        })
    }

    /// The decisions so far.
    pub fn brain(&self) -> &Brain {
        &self.brain
    }

    /// The record.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Why nothing is recorded, if so.
    pub fn unrecorded(&self) -> Option<&str> {
        self.unrecorded.as_deref()
    }

    /// Syncs and closes the journal.
    ///
    /// # Errors
    /// The last group could not be written.
    pub fn close(self) -> anyhow::Result<()> {
        self.journal.close()
    }
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
        Effect::Tell { notice, attempt: 1 } => Some(Outcome::Told { notice: notice.clone() }),
        Effect::Delivery { notice } => {
            brain.notice(*notice).map(|row| Outcome::Delivery { notice: *notice, delivery: row.delivery })
        }
        Effect::Quarantine { rule, on } => {
            brain.site().rules.get(*rule).map(|rule| Outcome::Quarantine { rule: rule.name.clone(), on: *on })
        }
        Effect::Answer { command, result } => Some(Outcome::Answer { command: command.clone(), refused: result.clone().err() }),
        Effect::Consult { .. } | Effect::Tell { .. } => None,
    };
    effects.iter().filter_map(keep).collect()
}
