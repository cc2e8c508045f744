//! What whoever runs the brain may see of it: the present of alarms, tags, links, rules and notices.
//! Must not know: how any of it came about.

use crate::alarm::{Alarm, AlarmId};
use crate::brain::{Brain, LinkNow, RuleNow, TagNow};
use crate::notice::{NoticeId, OutboxRow};
use crate::reading::{Micros, TagId};
use crate::site::Site;
use std::sync::Arc;

impl Brain {
    /// The configuration it decides with.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Time of the last step.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// All alarms that are not closed, and the closed ones still remembered, by number.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.values()
    }

    /// The same, to be held on to: the brain copies what it then changes.
    pub fn alarms_shared(&self) -> impl Iterator<Item = &Arc<Alarm>> {
        self.alarms.shared()
    }

    /// Stays the same for as long as no alarm has changed, in the life of this brain.
    pub fn alarms_mark(&self) -> u64 {
        self.alarms.mark()
    }

    /// One alarm.
    pub fn alarm(&self, id: AlarmId) -> Option<&Alarm> {
        self.alarms.get(&id)
    }

    /// One tag. Panics on an id of another configuration.
    pub fn tag(&self, tag: TagId) -> TagNow {
        self.table[tag.0 as usize].now
    }

    /// One link, by index in the site. None until it first reported.
    pub fn link(&self, link: usize) -> Option<&LinkNow> {
        self.links.get(link)?.as_ref()
    }

    /// One rule, by index in the site.
    pub fn rule(&self, rule: usize) -> Option<&RuleNow> {
        self.rules.get(rule).map(|rule| &rule.now)
    }

    /// Numbers of the next alarm and the next notice.
    pub fn next_numbers(&self) -> (u64, u64) {
        (self.next_alarm, self.next_notice)
    }

    /// Part of the name of every message, see [`crate::Event::Started`]; empty in a record that version 0.1.0 began.
    pub fn series(&self) -> &str {
        &self.series
    }

    /// No alarm and no notice gets a lower number from here on: those are, or may be, on a record that cannot be read.
    pub fn number_from(&mut self, least: u64) {
        self.next_alarm = self.next_alarm.max(least);
        self.next_notice = self.next_notice.max(least);
    }

    /// Notices still in the outbox, and the settled ones still remembered, by number.
    pub fn outbox(&self) -> impl Iterator<Item = &OutboxRow> {
        self.outbox.values()
    }

    /// The same, to be held on to.
    pub fn outbox_shared(&self) -> impl Iterator<Item = &Arc<OutboxRow>> {
        self.outbox.shared()
    }

    /// Stays the same for as long as the outbox has not changed, in the life of this brain.
    pub fn outbox_mark(&self) -> u64 {
        self.outbox.mark()
    }

    /// One notice.
    pub fn notice(&self, id: NoticeId) -> Option<&OutboxRow> {
        self.outbox.get(&id)
    }

    /// Readings of tags that the present configuration does not have, so far.
    pub fn unknown_tags(&self) -> u64 {
        self.unknown_tags
    }
}
