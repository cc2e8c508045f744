//! Notices that are told: how many are remembered, and which of them go first. Must not know: how one is told, what it says.

use crate::brain::Brain;
use crate::notice::{NoticeId, OutboxRow};
use std::collections::{BTreeMap, BTreeSet};

/// Settled notices remembered for screens, beside those that people may still answer.
pub(crate) const SETTLED_MAX: usize = 2_000;
/// So many settle at least before it is looked again what may be forgotten.
pub(crate) const FORGOTTEN_AT_ONCE: usize = 256;

impl Brain {
    /// A settled notice is kept for screens and for answers.
    pub(crate) fn remember(&mut self, id: NoticeId) {
        if let Some(row) = self.outbox.get_mut(&id) {
            row.message = None;
        }
        self.settled.push_back(id);
        // The more there are that nothing may take away, the more rarely: what a look costs is all of them.
        let rarely = FORGOTTEN_AT_ONCE.max((self.settled.len() / 4).next_power_of_two());
        if self.settled.len() > SETTLED_MAX && self.settled.len().is_multiple_of(rarely) {
            self.forget_settled();
        }
    }

    /// The lowest number that is owed to this audience, of those that were given: what has come or was given up is not told again.
    pub(crate) fn floor(&mut self, audience: usize) -> u64 {
        let name = &self.site.audiences[audience].name;
        // Nothing below is owed again, so nobody looks there twice.
        let from = NoticeId(self.floors[audience]);
        let owed = self.outbox.values_from(from).find(|row| row.is_owed() && row.notice.audience == *name);
        self.floors[audience] = owed.map_or(self.next_notice, |row| row.notice.id.0);
        self.floors[audience]
    }

    /// Settled notices go, oldest first: those of closed alarms before all others. What each audience was told last of an alarm that is not closed
    /// stays, however many such there are: people answer it.
    fn forget_settled(&mut self) {
        let mut last_told: BTreeMap<_, NoticeId> = BTreeMap::new();
        let is_open = |row: &OutboxRow| self.alarms.get(&row.notice.alarm.id).is_some_and(|alarm| !alarm.closed);
        let rows = |id: &NoticeId| self.outbox.get(id).map(|row| (*id, row));
        for (id, row) in self.settled.iter().filter_map(rows).filter(|(_, row)| row.attempts > 0 && is_open(row)) {
            let last = last_told.entry((row.notice.alarm.id, &row.notice.audience, row.notice.is_of_accident())).or_insert(id);
            *last = id.max(*last);
        }
        let last_told: BTreeSet<NoticeId> = last_told.into_values().collect();
        let may_go = self.settled.iter().copied().filter(|id| !last_told.contains(id));
        let (open, closed): (Vec<_>, Vec<_>) = may_go.partition(|id| self.outbox.get(id).is_some_and(is_open));
        let surplus = self.settled.len().saturating_sub(SETTLED_MAX);
        let gone: BTreeSet<NoticeId> = closed.into_iter().chain(open).take(surplus).collect();
        self.settled.retain(|id| !gone.contains(id));
        for id in gone {
            self.outbox.remove(&id);
        }
    }
}
