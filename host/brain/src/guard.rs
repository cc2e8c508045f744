//! The built-in guards: limits, silence, frozen, impossible values, lost links. They work with every plug-in dead.
//! Must not know: rules, who is told.

use crate::alarm::{Alarm, AlarmKey, Source};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::delay::{Delay, Seen};
use crate::event::{Effect, LinkState};
use crate::finding::{Certainty, Evidence};
use crate::life::Claim;
use crate::reading::{Micros, Quality};
use crate::site::{Limit, LimitKind, Severity, Site, Tag};
use crate::table::TagState;
use crate::timer::{Timer, ms};
use crate::words::Text;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A tag's own fault, and a lost link, clear after this long without one, so that a loose contact is one alarm and not a hundred.
const FAULT_OFF_US: Micros = 10_000_000;
/// Rates are taken over this long (three periods of a slow tag), and over no less than [`RATE_LEAST_US`].
const RATE_WINDOW_US: Micros = 60_000_000;
const RATE_LEAST_US: Micros = 10_000_000;
/// Points kept per tag with a rate limit: a fast tag's are thinned out, so that they reach over the whole window.
const RATE_POINTS_MAX: Micros = 128;

/// What the guards remember of one tag.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Watch {
    /// Same order as the tag's limits.
    limits: Vec<Delay>,
    /// Bad values.
    fault: Delay,
    /// Recent believed values, for limits on the rate; empty where there are none.
    recent: VecDeque<(Micros, f64)>,
    rated: bool,
    /// Dangerous readings of limits that count them, by position of the limit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    counted: BTreeMap<usize, VecDeque<Micros>>,
}

impl Watch {
    /// What was seen before a stop ends nothing: the wait to fall begins again with the next value, however long the stop is said to have been.
    pub(crate) fn doubt(&mut self) {
        for delay in self.limits.iter_mut().chain([&mut self.fault]).filter(|delay| delay.on) {
            delay.see(0, Seen::Doubt, 0, 0);
        }
    }

    pub(crate) fn new(tag: &Tag) -> Self {
        let rated = tag.limits.iter().any(|limit| matches!(limit.kind, LimitKind::Rise | LimitKind::Fall));
        Watch {
            limits: vec![Delay::default(); tag.limits.len()],
            fault: Delay::default(),
            recent: VecDeque::new(),
            rated,
            counted: BTreeMap::new(),
        }
    }

    /// Was it made for this tag?
    pub(crate) fn fits(&self, tag: &Tag) -> bool {
        self.limits.len() == tag.limits.len()
    }

    /// A fresh one for a tag whose limits changed. What an alarm stands for (by hazard) counts as reached until it is seen not to be.
    pub(crate) fn standing<'a>(tag: &Tag, alarm: impl Fn(&str) -> Option<&'a Alarm>) -> Self {
        let mut watch = Watch::new(tag);
        for (limit, delay) in tag.limits.iter().zip(&mut watch.limits) {
            delay.on = alarm(&limit.hazard).is_some_and(|alarm| limit.severity <= alarm.severity);
        }
        watch.fault.on = alarm(Builtin::Impossible.id()).is_some();
        watch
    }

    /// Change per minute over the window; none before there is enough of it.
    fn rate(&mut self, tag: &Tag, state: &TagState) -> Option<f64> {
        let (at, value) = (state.now.source_us, state.now.value);
        if state.now.quality.is_bad() || !value.is_finite() {
            return None;
        }
        let window = RATE_WINDOW_US.max(ms(tag.period_ms).saturating_mul(3));
        if self.recent.back().is_some_and(|(t, _)| *t > at) {
            self.recent.clear(); // the source's clock went back
        }
        while self.recent.front().is_some_and(|(t, _)| at - t > window) {
            self.recent.pop_front();
        }
        if self.recent.back().is_none_or(|(t, _)| at - t >= window / RATE_POINTS_MAX) {
            self.recent.push_back((at, value));
        }
        let (first, from) = *self.recent.front()?;
        (at - first >= RATE_LEAST_US).then(|| (value - from) / ((at - first) as f64 / 60e6))
    }
}

/// One dangerous reading is not yet danger where the limit counts them: a button, a camera.
fn counted(limit: &Limit, on: bool, now: Micros, seen: Seen, times: &mut VecDeque<Micros>) -> Seen {
    if seen != Seen::Danger || on {
        return seen;
    }
    times.push_back(now);
    while times.len() as u64 > limit.count || times.front().is_some_and(|at| now - at > ms(limit.count_within_ms)) {
        times.pop_front();
    }
    if times.len() as u64 >= limit.count { Seen::Danger } else { Seen::Well }
}

/// Is this value dangerous? Written so that NaN is.
fn seen(limit: &Limit, on: bool, value: f64, rate: Option<f64>, quality: Quality) -> Seen {
    let back = if on { limit.deadband } else { 0.0 };
    let danger = match (limit.kind, rate) {
        (LimitKind::High, _) => !(value < limit.value - back),
        (LimitKind::Low, _) => !(value > limit.value + back),
        (LimitKind::Rise, Some(rate)) => !(rate < limit.value - back),
        (LimitKind::Fall, Some(rate)) => !(-rate < limit.value - back),
        (LimitKind::Rise | LimitKind::Fall, None) => return Seen::Doubt,
    };
    match quality {
        // A value that is no number tells nothing of this limit; losing sight is its own alarm.
        _ if value.is_nan() => Seen::Doubt,
        // A crossed limit is never hidden by doubt about the value.
        _ if danger => Seen::Danger,
        quality if quality.is_good() => Seen::Well,
        _ => Seen::Doubt,
    }
}

impl Brain {
    /// A new value of a tag stands in the table.
    pub(crate) fn guard_value(&mut self, id: u32, out: &mut Vec<Effect>) {
        let now = self.now;
        let (tag, state) = (&self.site.tags[id as usize], &self.table[id as usize]);
        let watch = &mut self.watches[id as usize];
        let (value, quality) = (state.now.value, state.now.quality);
        let rate = if watch.rated { watch.rate(tag, state) } else { None };
        let mut changed = false;
        for (index, (limit, delay)) in tag.limits.iter().zip(&mut watch.limits).enumerate() {
            let (on_us, off_us) = (ms(limit.on_delay_ms), ms(limit.off_delay_ms));
            let mut seen = seen(limit, delay.on, value, rate, quality);
            if limit.count > 1 {
                seen = counted(limit, delay.on, now, seen, watch.counted.entry(index).or_default());
            }
            changed |= delay.see(now, seen, on_us, off_us);
            if let Some(due) = delay.due(on_us, off_us) {
                self.timers.at(due, Timer::Limit(id, index as u32));
            }
        }
        // Standing still has an alarm of its own.
        let seen = if quality.is_bad() && quality != Quality::FROZEN { Seen::Danger } else { Seen::Well };
        let fault = watch.fault.see(now, seen, 0, FAULT_OFF_US);
        if let Some(due) = watch.fault.due(0, FAULT_OFF_US) {
            self.timers.at(due, Timer::Fault(id));
        }
        self.believe(id, !quality.is_bad(), out);
        // While danger stands its alarm says how far it has come: by values that are danger themselves.
        let reaches = |limit: &Limit| self::seen(limit, false, value, rate, quality) == Seen::Danger;
        let limits = self.site.tags[id as usize].limits.iter().zip(&self.watches[id as usize].limits);
        if changed
            || (value.is_finite() && !quality.is_bad() && limits.into_iter().any(|(limit, delay)| delay.on && reaches(limit)))
        {
            self.tell_limits(id, out);
        }
        if fault {
            self.tell_fault(id, out);
        }
        self.logic(id, out);
    }

    /// The delay of a limit may be over.
    pub(crate) fn limit_due(&mut self, id: u32, index: u32, out: &mut Vec<Effect>) {
        let limit = &self.site.tags[id as usize].limits[index as usize];
        let (on_us, off_us) = (ms(limit.on_delay_ms), ms(limit.off_delay_ms));
        if self.watches[id as usize].limits[index as usize].ripen(self.now, on_us, off_us) {
            self.tell_limits(id, out);
        }
    }

    /// The delay of a tag's fault may be over.
    pub(crate) fn fault_due(&mut self, id: u32, out: &mut Vec<Effect>) {
        if self.watches[id as usize].fault.ripen(self.now, 0, FAULT_OFF_US) {
            self.tell_fault(id, out);
        }
    }

    /// Has the tag been silent too long?
    pub(crate) fn silent_due(&mut self, id: u32, out: &mut Vec<Effect>) {
        let tag = &self.site.tags[id as usize];
        let state = &mut self.table[id as usize];
        let due = state.waiting_since.saturating_add(ms(tag.silent_ms));
        let link_up = self.links[tag.link].as_ref().is_none_or(|link| link.state != LinkState::Down);
        if state.silent || !link_up {
            return;
        }
        if due > self.now {
            self.timers.at(due, Timer::Silent(id));
            return;
        }
        state.silent = true;
        if state.now.count > 0 {
            state.now.quality = state.now.quality.worst(Quality::SILENT);
        }
        let seconds = (self.now - state.waiting_since) / 1_000_000;
        let args = vec![tag.name.clone(), seconds.to_string()];
        let claim = self.tag_claim(id, Builtin::Silent, "guard.silent", args);
        self.claim(claim, out);
        self.lose(id, out);
    }

    /// Has the tag stood still too long?
    pub(crate) fn frozen_due(&mut self, id: u32, out: &mut Vec<Effect>) {
        let tag = &self.site.tags[id as usize];
        let Some(limit) = tag.frozen_ms else { return };
        let state = &mut self.table[id as usize];
        if !state.frozen && state.stands_still(tag, self.now) && !state.silent {
            state.frozen = true;
            state.now.quality = state.now.quality.worst(Quality::FROZEN);
            let seconds = (self.now - state.same_since) / 1_000_000;
            let args = vec![tag.name.clone(), number(state.now.value), tag.unit.clone(), seconds.to_string()];
            let claim = self.tag_claim(id, Builtin::Frozen, "guard.frozen", args);
            self.claim(claim, out);
            self.lose(id, out);
        }
        let state = &self.table[id as usize];
        let next = state.same_since.saturating_add(ms(limit)).max(self.now + 1_000_000);
        self.timers.at(next, Timer::Frozen(id));
    }

    /// A value came: silence, and standing still if it moved, are over.
    pub(crate) fn guard_arrival(&mut self, id: u32, was_silent: bool, was_frozen: bool, out: &mut Vec<Effect>) {
        let silent_ms = self.site.tags[id as usize].silent_ms;
        if was_silent || self.table[id as usize].now.count == 1 {
            self.timers.at(self.now.saturating_add(ms(silent_ms)), Timer::Silent(id));
        }
        if was_silent {
            self.clear(&self.tag_key(id, Builtin::Silent), out);
        }
        if was_frozen && !self.table[id as usize].frozen {
            self.clear(&self.tag_key(id, Builtin::Frozen), out);
        }
    }

    /// A link changed. `was_up`: it was not down before, so that what it says now excuses no silence.
    pub(crate) fn guard_link(&mut self, link: usize, was_up: bool, state: LinkState, reason: &str, out: &mut Vec<Effect>) {
        let tags: Vec<u32> = (0..self.site.tags.len() as u32).filter(|id| self.site.tags[*id as usize].link == link).collect();
        let Some(first) = tags.first().copied() else { return };
        let key = self.link_key(link, first);
        match state {
            LinkState::Down => {
                self.timers.drop_all(|timer| timer == Timer::Link(link as u32));
                for id in &tags {
                    let state = &mut self.table[*id as usize];
                    state.now.quality = state.now.quality.worst(Quality::LINK_LOST);
                    self.lose(*id, out);
                }
                let severity =
                    tags.iter().map(|id| self.site.tags[*id as usize].blind_severity).max().unwrap_or(Severity::Yellow);
                let text =
                    Text::Phrase { key: "guard.link".into(), args: vec![self.site.links[link].clone(), reason.to_owned()] };
                let claim = builtin(Builtin::Link, key, severity, text, Vec::new());
                self.claim(claim, out);
            }
            LinkState::Up | LinkState::Saturated => {
                if !was_up {
                    self.timers.at(self.now.saturating_add(FAULT_OFF_US), Timer::Link(link as u32));
                }
                for id in tags.into_iter().filter(|_| !was_up) {
                    self.table[id as usize].waiting_since = self.now;
                    self.table[id as usize].same_since = self.now;
                    let due = self.now.saturating_add(ms(self.site.tags[id as usize].silent_ms));
                    self.timers.at(due, Timer::Silent(id));
                }
            }
        }
    }

    /// The link came up and has not fallen since.
    pub(crate) fn link_due(&mut self, link: u32, out: &mut Vec<Effect>) {
        let Some(first) = self.site.tags.iter().position(|tag| tag.link == link as usize) else { return };
        self.clear(&self.link_key(link as usize, first as u32), out);
    }

    /// Alarms that rest on this tag are held while it cannot be believed.
    fn believe(&mut self, id: u32, well: bool, out: &mut Vec<Effect>) {
        if self.doubted[id as usize] == !well {
            return;
        }
        self.doubted[id as usize] = !well;
        if !well {
            // A limit whose tag goes out of sight may still rise (doubt is danger) but does not fall: its wait begins again.
            for delay in self.watches[id as usize].limits.iter_mut().filter(|delay| delay.on) {
                delay.see(self.now, Seen::Doubt, 0, 0);
            }
        }
        let hazards: Vec<String> = self.site.tags[id as usize].limits.iter().map(|limit| limit.hazard.clone()).collect();
        for hazard in hazards {
            let key = self.limit_key(id, &hazard);
            self.hold(&key, !well, out);
        }
    }

    /// A tag is lost without a reading that says so: its rules are told.
    fn lose(&mut self, id: u32, out: &mut Vec<Effect>) {
        if !self.doubted[id as usize] {
            self.believe(id, false, out);
            self.collect(id, self.table[id as usize].shown());
            self.consult(out);
        }
        self.logic(id, out);
    }

    fn tell_limits(&mut self, id: u32, out: &mut Vec<Effect>) {
        let tag = &self.site.tags[id as usize];
        let on = &self.watches[id as usize].limits;
        let mut hazards: Vec<&str> = tag.limits.iter().map(|limit| limit.hazard.as_str()).collect();
        hazards.sort_unstable();
        hazards.dedup();
        let mut claims = Vec::new();
        let mut cleared = Vec::new();
        for hazard in hazards {
            let worst = tag
                .limits
                .iter()
                .zip(on)
                .filter(|(limit, delay)| limit.hazard == hazard && delay.on)
                .max_by_key(|(limit, _)| limit.severity);
            match worst {
                Some((limit, _)) => claims.push(self.limit_claim(id, limit)),
                None => cleared.push(self.limit_key(id, hazard)),
            }
        }
        for claim in claims {
            let key = claim.key.clone();
            self.claim(claim, out);
            self.hold(&key, self.doubted[id as usize], out);
        }
        for key in cleared {
            self.clear(&key, out);
        }
    }

    fn tell_fault(&mut self, id: u32, out: &mut Vec<Effect>) {
        if self.watches[id as usize].fault.on {
            let (tag, now) = (&self.site.tags[id as usize], &self.table[id as usize].now);
            let args = vec![tag.name.clone(), number(now.value), tag.unit.clone(), number(tag.low), number(tag.high)];
            let claim = self.tag_claim(id, Builtin::Impossible, "guard.impossible", args);
            self.claim(claim, out);
        } else {
            self.clear(&self.tag_key(id, Builtin::Impossible), out);
        }
    }

    fn limit_claim(&self, id: u32, limit: &Limit) -> Claim {
        let (tag, now) = (&self.site.tags[id as usize], &self.table[id as usize].now);
        let key = match limit.kind {
            LimitKind::High => "guard.high",
            LimitKind::Low => "guard.low",
            LimitKind::Rise => "guard.rise",
            LimitKind::Fall => "guard.fall",
        };
        let args = vec![tag.name.clone(), number(now.value), tag.unit.clone(), number(limit.value)];
        let evidence = Evidence { limit: Some(limit.value), citation: Some(limit.citation.clone()), ..self.evidence(id) };
        Claim {
            key: self.limit_key(id, &limit.hazard),
            title: limit.title.clone(),
            plugin: "guard".to_owned(),
            digest: String::new(),
            severity: limit.severity,
            latches: limit.latches,
            managed: limit.managed,
            may_suppress: limit.may_suppress,
            certainty: Certainty::Likely,
            text: Text::Phrase { key: key.to_owned(), args },
            evidence: vec![evidence],
            guide: limit.guide.clone(),
        }
    }

    fn tag_claim(&self, id: u32, hazard: Builtin, phrase: &str, args: Vec<String>) -> Claim {
        let severity = self.site.tags[id as usize].blind_severity;
        let text = Text::Phrase { key: phrase.to_owned(), args };
        builtin(hazard, self.tag_key(id, hazard), severity, text, vec![self.evidence(id)])
    }

    fn evidence(&self, id: u32) -> Evidence {
        let (tag, now) = (&self.site.tags[id as usize], &self.table[id as usize].now);
        let (tag, unit) = (tag.name.clone(), tag.unit.clone());
        Evidence {
            tag,
            unit,
            value: now.value,
            meaning: None,
            at: now.source_us,
            quality: now.quality,
            limit: None,
            citation: None,
        }
    }

    fn tag_key(&self, id: u32, hazard: Builtin) -> AlarmKey {
        self.limit_key(id, hazard.id())
    }

    pub(crate) fn limit_key(&self, id: u32, hazard: &str) -> AlarmKey {
        limit_key(&self.site, &self.site.tags[id as usize], hazard)
    }

    fn link_key(&self, link: usize, tag: u32) -> AlarmKey {
        let zone = self.site.zones[self.site.tags[tag as usize].zone].name.clone();
        AlarmKey { source: Source::Guard, hazard: Builtin::Link.id().to_owned(), zone, object: self.site.links[link].clone() }
    }
}

/// What makes the alarms of a tag's limit the same.
pub(crate) fn limit_key(site: &Site, tag: &Tag, hazard: &str) -> AlarmKey {
    let zone = site.zones[tag.zone].name.clone();
    AlarmKey { source: Source::Guard, hazard: hazard.to_owned(), zone, object: tag.name.clone() }
}

/// A claim of one of the brain's own hazards.
pub(crate) fn builtin(hazard: Builtin, key: AlarmKey, severity: Severity, text: Text, evidence: Vec<Evidence>) -> Claim {
    Claim {
        key,
        title: hazard.title(),
        plugin: "guard".to_owned(),
        digest: String::new(),
        severity,
        latches: false,
        managed: false,
        may_suppress: false,
        certainty: Certainty::Observed,
        text,
        evidence,
        guide: hazard.guide(),
    }
}

/// A value as people read it: at most two decimals, none that say nothing.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
