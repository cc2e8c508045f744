//! Rules as the brain sees them: when they are asked, what their answers mean, and what it means when they fail.
//! Must not know: WebAssembly, limits on time and memory, how many workers there are.

use crate::alarm::{AlarmKey, Source};
use crate::brain::{Brain, RuleNow};
use crate::builtin::Builtin;
use crate::event::{Effect, Row, StrikeKind};
use crate::finding::{EVIDENCE_MAX, Finding, Verdict};
use crate::guard::builtin;
use crate::life::Claim;
use crate::reading::Micros;
use crate::site::Quarantine;
use crate::stages::danger;
use crate::timer::{Timer, ms, s};
use crate::words::Text;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Lease of a claim carried over a restart by a rule that declares none.
pub(crate) const RESTATE_AFTER_START_S: u32 = 60;

/// One rule.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct RuleState {
    pub(crate) now: RuleNow,
    strikes: VecDeque<Micros>,
    /// Per hazard: when the claim that stands runs out.
    leases: Vec<Option<Micros>>,
    /// Per hazard: said to be blind.
    pub(crate) blind: Vec<bool>,
}

impl RuleState {
    /// Was it made for a rule with so many hazards?
    pub(crate) fn fits(&self, hazards: usize) -> bool {
        self.leases.len() == hazards && self.blind.len() == hazards
    }

    pub(crate) fn new(hazards: usize) -> Self {
        let now = RuleNow {
            quarantined: false,
            disabled: false,
            lost: false,
            restate: true,
            strikes: 0,
            last_strike: String::new(),
            assessed_at: 0,
            consulted_at: 0,
            returns_at: None,
            returned: false,
        };
        RuleState { now, strikes: VecDeque::new(), leases: vec![None; hazards], blind: vec![false; hazards] }
    }
}

/// Counts a strike. True = one too many within the time.
pub(crate) fn struck(strikes: &mut VecDeque<Micros>, now: Micros, most: &Quarantine) -> bool {
    strikes.push_back(now);
    while strikes.front().is_some_and(|at| now - at > s(most.within_s)) {
        strikes.pop_front();
    }
    strikes.len() >= most.strikes as usize
}

/// When a quarantine that begins now ends by itself: once, where nobody has ended it before.
pub(crate) fn returns_at(now: Micros, most: &Quarantine, returned: bool) -> Option<Micros> {
    most.return_after_s.filter(|_| !returned).map(|after| now.saturating_add(s(after)))
}

impl Brain {
    /// Collects the row of one tag, with this value, for its rules; [`Brain::consult`] sends them.
    pub(crate) fn collect(&mut self, id: u32, value: f64) {
        let now = &self.table[id as usize].now;
        for (rule, handle) in &self.bound[id as usize] {
            // What is out of use takes no rows; a shadow beside it does.
            if self.is_asked(*rule) {
                let row = Row { handle: *handle, value, quality: now.quality, source_us: now.source_us };
                self.rows[*rule].push(row);
            }
        }
    }

    /// Asks every rule that has rows waiting.
    pub(crate) fn consult(&mut self, out: &mut Vec<Effect>) {
        for rule in 0..self.rows.len() {
            if !self.rows[rule].is_empty() {
                let rows = std::mem::take(&mut self.rows[rule]);
                self.rules[rule].now.consulted_at = self.now;
                out.push(Effect::Consult { rule, at: self.now, rows });
            }
        }
    }

    /// Rules that know nothing yet, or heard nothing for a while, are told of the tags that are lost already: no reading will say so.
    pub(crate) fn tell_lost(&mut self, out: &mut Vec<Effect>) {
        for id in (0..self.doubted.len()).filter(|id| self.doubted[*id]).collect::<Vec<_>>() {
            self.collect(id as u32, self.table[id].shown());
        }
        self.consult(out);
    }

    /// Does anything run in its place?
    fn is_asked(&self, rule: usize) -> bool {
        !self.rules[rule].now.is_out() || self.stages[rule].candidates().any(|one| one.shadow.is_some())
    }

    /// A rule may be due to be asked without readings.
    pub(crate) fn ask_due(&mut self, rule: u32, out: &mut Vec<Effect>) {
        // Whoever wants to be asked more often, of the active one and its shadows.
        let stages = self.stages[rule as usize].candidates().filter(|one| one.shadow.is_some()).map(|one| one.about.tick_ms);
        let ticks = stages.chain([self.site.rules[rule as usize].tick_ms]);
        let Some(tick) = ticks.filter(|tick| *tick > 0).min().map(ms) else { return };
        let is_asked = self.is_asked(rule as usize);
        let state = &mut self.rules[rule as usize];
        if is_asked && self.now >= state.now.consulted_at.saturating_add(tick) {
            state.now.consulted_at = self.now;
            out.push(Effect::Consult { rule: rule as usize, at: self.now, rows: Vec::new() });
        }
        self.timers.at(state.now.consulted_at.saturating_add(tick).max(self.now + 1), Timer::Ask(rule));
    }

    /// After a start every rule must say again what it claims; until then its alarms are held.
    pub(crate) fn rules_started(&mut self, out: &mut Vec<Effect>) {
        for rule in 0..self.rules.len() {
            (self.rules[rule].now.restate, self.rules[rule].now.lost) = (true, false);
            // Told again where it is so still.
            self.clear(&self.about_key(rule, Builtin::BaseLost), out);
            self.timers.at(self.now, Timer::Ask(rule as u32));
            for hazard in 0..self.site.rules[rule].hazards.len() {
                let key = self.rule_key(rule, hazard);
                if self.hold(&key, true, out) {
                    let lease = ms(self.site.rules[rule].hazards[hazard].restate_ms).max(s(RESTATE_AFTER_START_S));
                    self.lease(rule, hazard, Some(lease));
                }
            }
        }
        self.stages_started(out);
        self.tell_lost(out);
    }

    /// A rule answered.
    pub(crate) fn assessed(&mut self, name: &str, findings: &[Finding], out: &mut Vec<Effect>) {
        let Some(rule) = self.site.rules.iter().position(|rule| rule.name == name) else { return };
        let state = &mut self.rules[rule];
        state.now.assessed_at = self.now;
        if !state.now.is_out() && std::mem::take(&mut state.now.restate) {
            // It works again: what nobody judged since the start or the quarantine is judged now.
            for hazard in 0..state.blind.len() {
                self.see_again(rule, hazard, out);
            }
            self.clear(&self.about_key(rule, Builtin::Disabled), out);
            self.clear(&self.about_key(rule, Builtin::Lost), out);
        }
        for finding in findings {
            self.take_finding(rule, finding, out);
        }
    }

    /// What the active component says of one hazard.
    pub(crate) fn take_finding(&mut self, rule: usize, finding: &Finding, out: &mut Vec<Effect>) {
        let is_out = self.rules[rule].now.is_out();
        let Some(hazard) = self.site.rules[rule].hazards.iter().position(|hazard| hazard.id == finding.hazard) else { return };
        if !is_out {
            self.compare(rule, &finding.hazard, danger(finding, self.site.rules[rule].hazards[hazard].worst));
        }
        match finding.verdict {
            // It was on its way when the rule was put out of use: danger it saw is danger, anything else is not believed.
            Verdict::Active if is_out => {
                let claim = self.rule_claim(rule, hazard, finding);
                let key = claim.key.clone();
                self.claim(claim, out);
                self.hold(&key, true, out);
            }
            Verdict::Clear | Verdict::CannotTell if is_out => {}
            Verdict::Active => {
                let claim = self.rule_claim(rule, hazard, finding);
                self.claim(claim, out);
                let key = self.rule_key(rule, hazard);
                self.hold(&key, false, out);
                let lease = self.site.rules[rule].hazards[hazard].restate_ms;
                self.lease(rule, hazard, (lease > 0).then(|| ms(lease)));
                self.see_again(rule, hazard, out);
            }
            Verdict::Clear => {
                self.lease(rule, hazard, None);
                self.clear(&self.rule_key(rule, hazard), out);
                self.see_again(rule, hazard, out);
            }
            Verdict::CannotTell => {
                self.lease(rule, hazard, None);
                let key = self.rule_key(rule, hazard);
                self.hold(&key, true, out);
                self.go_blind(rule, hazard, "guard.blind", &[], out);
            }
        }
    }

    /// A rule failed.
    pub(crate) fn strike(&mut self, name: &str, kind: StrikeKind, detail: &str, out: &mut Vec<Effect>) {
        let Some(rule) = self.site.rules.iter().position(|rule| rule.name == name) else { return };
        let state = &mut self.rules[rule];
        state.now.strikes += 1;
        // A batch is skipped because it failed twice: why it did is what its vendor needs.
        if kind != StrikeKind::Skipped || state.now.last_strike.is_empty() {
            state.now.last_strike = format!("{kind:?}: {detail}");
        }
        if state.now.is_out() && matches!(kind, StrikeKind::Overrun | StrikeKind::Skipped) {
            // It was on its way when the rule was put out of use, and what stands says more than one batch.
            return;
        }
        let unjudged = match kind {
            StrikeKind::Overrun => Some(("guard.blind", vec![])),
            StrikeKind::Skipped => Some(("guard.skipped", vec![detail.to_owned()])),
            StrikeKind::Trap
            | StrikeKind::Fuel
            | StrikeKind::Deadline
            | StrikeKind::Memory
            | StrikeKind::Result
            | StrikeKind::Log
            | StrikeKind::Nonsense => None,
        };
        if let Some((phrase, more)) = unjudged {
            state.now.restate = true;
            for hazard in 0..self.site.rules[rule].hazards.len() {
                let key = self.rule_key(rule, hazard);
                self.hold(&key, true, out);
                self.go_blind(rule, hazard, phrase, &more, out);
            }
            return;
        }
        if struck(&mut state.strikes, self.now, &self.site.quarantine) && !state.now.quarantined {
            state.now.quarantined = true;
            state.strikes.clear();
            state.now.returns_at = returns_at(self.now, &self.site.quarantine, state.now.returned);
            if let Some(at) = state.now.returns_at {
                self.timers.at(at, Timer::Return(rule as u32));
            }
            out.push(Effect::Quarantine { rule, on: true });
            for hazard in 0..self.site.rules[rule].hazards.len() {
                let key = self.rule_key(rule, hazard);
                self.hold(&key, true, out);
                self.lease(rule, hazard, None);
                // Whoever was told of a batch, or of a moment, is told again: it is worse than that.
                self.begin_anew(&self.blind_key(rule, hazard));
                self.go_blind(rule, hazard, "guard.quarantine", &[], out);
            }
            self.compare_anew(rule);
        }
    }

    /// A person puts a quarantined rule back to work. False = it was not in quarantine.
    pub(crate) fn release(&mut self, rule: usize, out: &mut Vec<Effect>) -> bool {
        let now = &mut self.rules[rule].now;
        if !std::mem::take(&mut now.quarantined) {
            return false;
        }
        (now.returns_at, now.returned) = (None, false);
        if !now.disabled {
            self.back_to_work(rule, out);
        }
        true
    }

    /// A quarantine ends by itself, once, where nobody has ended it before. Who disabled the rule meanwhile decides on both.
    pub(crate) fn return_due(&mut self, rule: usize, out: &mut Vec<Effect>) {
        let now = &mut self.rules[rule].now;
        if !now.disabled && now.returns_at.take_if(|at| *at <= self.now).is_some() {
            (now.quarantined, now.returned) = (false, true);
            self.back_to_work(rule, out);
        }
    }

    /// A fresh instance begins: what stands is held until it says it again.
    pub(crate) fn back_to_work(&mut self, rule: usize, out: &mut Vec<Effect>) {
        self.rules[rule].now.restate = true;
        out.push(Effect::Quarantine { rule, on: false });
        self.tell_lost(out);
        self.timers.at(self.now, Timer::Ask(rule as u32));
    }

    /// The lease of a claim may be over: nobody has restated it, so nobody is looking.
    pub(crate) fn lease_due(&mut self, rule: u32, hazard: u32, out: &mut Vec<Effect>) {
        let (rule, hazard) = (rule as usize, hazard as usize);
        match self.rules[rule].leases[hazard] {
            Some(until) if until <= self.now => {
                self.rules[rule].leases[hazard] = None;
                let key = self.rule_key(rule, hazard);
                self.hold(&key, true, out);
                self.go_blind(rule, hazard, "guard.blind", &[], out);
            }
            Some(until) => self.timers.at(until, Timer::Lease(rule as u32, hazard as u32)),
            None => {}
        }
    }

    pub(crate) fn lease(&mut self, rule: usize, hazard: usize, lease: Option<Micros>) {
        let had = self.rules[rule].leases[hazard].is_some();
        self.rules[rule].leases[hazard] = lease.map(|lease| self.now.saturating_add(lease));
        if let (Some(until), false) = (self.rules[rule].leases[hazard], had) {
            self.timers.at(until, Timer::Lease(rule as u32, hazard as u32));
        }
    }

    fn go_blind(&mut self, rule: usize, hazard: usize, phrase: &str, more: &[String], out: &mut Vec<Effect>) {
        self.rules[rule].blind[hazard] = true;
        let about = &self.site.rules[rule];
        let severity = about.hazards[hazard].worst.one_below();
        let args = [&[about.name.clone(), about.hazards[hazard].id.clone()], more].concat();
        let text = Text::Phrase { key: phrase.to_owned(), args };
        let claim = builtin(Builtin::Blind, self.blind_key(rule, hazard), severity, text, Vec::new());
        self.claim(claim, out);
    }

    fn see_again(&mut self, rule: usize, hazard: usize, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.rules[rule].blind[hazard]) {
            self.clear(&self.blind_key(rule, hazard), out);
        }
    }

    fn rule_claim(&self, rule: usize, hazard: usize, finding: &Finding) -> Claim {
        let about = &self.site.rules[rule];
        let hazard_about = &about.hazards[hazard];
        Claim {
            key: self.rule_key(rule, hazard),
            title: hazard_about.title.clone(),
            plugin: about.plugin.clone(),
            digest: about.digest.clone(),
            severity: finding.severity.min(hazard_about.worst),
            latches: hazard_about.latches,
            managed: hazard_about.managed,
            may_suppress: hazard_about.may_suppress,
            certainty: finding.certainty,
            text: finding.text.clone(),
            evidence: finding.evidence.iter().take(EVIDENCE_MAX).cloned().collect(),
            guide: hazard_about.guide.clone(),
        }
    }

    pub(crate) fn rule_key(&self, rule: usize, hazard: usize) -> AlarmKey {
        let about = &self.site.rules[rule];
        let zone = self.site.zones[about.zone].name.clone();
        AlarmKey {
            source: Source::Rule(about.name.clone()),
            hazard: about.hazards[hazard].id.clone(),
            zone,
            object: String::new(),
        }
    }

    fn blind_key(&self, rule: usize, hazard: usize) -> AlarmKey {
        self.blind_key_of(rule, &self.site.rules[rule].hazards[hazard].id)
    }

    /// Also of a hazard that the active component does not have.
    pub(crate) fn blind_key_of(&self, rule: usize, hazard: &str) -> AlarmKey {
        let key = self.about_key(rule, Builtin::Blind);
        AlarmKey { object: format!("{}/{hazard}", key.object), ..key }
    }
}

#[cfg(test)]
mod tests;
