//! What the host says of itself, as alarms: a failed disk, a failed store, heads of the chain that nobody keeps, heartbeats that nobody hears.
//! Must not know: files, how a record is kept.

use crate::alarm::{AlarmKey, Condition, Source};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::Effect;
use crate::guard::builtin;
use crate::site::Severity;
use crate::words::Text;
use serde::{Deserialize, Serialize};

/// Where the durable side of the host stands. A full or dying disk is an event a person sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoragePart {
    /// The record of truth.
    Journal,
    /// The query side.
    Store,
    /// The list of versions at which rules have run.
    Versions,
}

impl Brain {
    /// A part of the durable side failed, or works again.
    pub(crate) fn storage(&mut self, part: StoragePart, well: bool, detail: &str, out: &mut Vec<Effect>) {
        let (hazard, phrase, severity) = match part {
            StoragePart::Journal => (Builtin::Journal, "guard.storage.journal", Severity::Red),
            StoragePart::Store => (Builtin::Store, "guard.storage.store", Severity::Yellow),
            StoragePart::Versions => (Builtin::Versions, "guard.storage.versions", Severity::Orange),
        };
        let zone = self.site.zones.first().map(|zone| zone.name.clone()).unwrap_or_default();
        let key = AlarmKey { source: Source::Guard, hazard: hazard.id().to_owned(), zone, object: String::new() };
        if well {
            self.clear(&key, out);
        } else {
            let text = Text::Phrase { key: phrase.to_owned(), args: vec![detail.to_owned()] };
            self.claim(builtin(hazard, key, severity, text, Vec::new()), out);
        }
    }

    /// Only a head of the chain kept elsewhere can show that the record was cut or made again: that none is kept is told.
    pub(crate) fn anchored(&mut self, audience: &str, well: bool, detail: &str, out: &mut Vec<Effect>) {
        self.outside(Builtin::Anchor, "guard.anchor", audience, well, detail, out);
    }

    /// Only somebody outside notices that the host is dead: that nobody would is told.
    pub(crate) fn heartbeat(&mut self, watcher: &str, well: bool, detail: &str, out: &mut Vec<Effect>) {
        self.outside(Builtin::Heartbeat, "guard.heartbeat", watcher, well, detail, out);
    }

    fn outside(&mut self, hazard: Builtin, phrase: &str, who: &str, well: bool, detail: &str, out: &mut Vec<Effect>) {
        let zone = self.site.zones.first().map(|zone| zone.name.clone()).unwrap_or_default();
        let key = AlarmKey { source: Source::Guard, hazard: hazard.id().to_owned(), zone, object: who.to_owned() };
        if well {
            self.clear(&key, out);
        } else {
            let text = Text::Phrase { key: phrase.to_owned(), args: vec![who.to_owned(), detail.to_owned()] };
            self.claim(builtin(hazard, key, Severity::Yellow, text, Vec::new()), out);
        }
    }

    /// Watchers that heartbeats do not reach.
    pub fn unwatched(&self) -> Vec<&str> {
        self.failing(Builtin::Heartbeat)
    }

    /// Audiences that heads of the chain do not reach.
    pub fn unanchored(&self) -> Vec<&str> {
        self.failing(Builtin::Anchor)
    }

    fn failing(&self, hazard: Builtin) -> Vec<&str> {
        let standing = self.open.iter().filter(|(key, id)| {
            let active = || self.alarms.get(id).is_some_and(|alarm| alarm.condition == Condition::Active);
            key.source == Source::Guard && key.hazard == hazard.id() && active()
        });
        standing.map(|(key, _)| key.object.as_str()).collect()
    }
}
