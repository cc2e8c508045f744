//! One component takes the place of another, between two batches. Rows go to whatever runs, so that none is skipped and none judged twice: the
//! change is that from this step on another one's findings count. Must not know: who may decide it.

use super::{Candidate, Decided, REGRET_US, RuleChange, Shadow, Stages};
use crate::alarm::Condition;
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::Effect;
use crate::finding::{Finding, Verdict};
use crate::guard::builtin;
use crate::rule::{RESTATE_AFTER_START_S, RuleState};
use crate::site::{Rule, Severity, Site};
use crate::timer::{Timer, ms, s};
use crate::words::Text;

impl Brain {
    pub(super) fn promote(&mut self, rule: usize, decided: Decided, out: &mut Vec<Effect>) {
        let Some(next) = self.stages[rule].next.take() else { return };
        if let Some(gone) = self.stages[rule].before.take() {
            self.dismiss(rule, gone, RuleChange::ShadowEnded, out);
        }
        self.change_over(rule, next, decided, RuleChange::Promoted, out);
    }

    pub(super) fn roll_back(&mut self, rule: usize, decided: Decided, out: &mut Vec<Effect>) {
        let Some(before) = self.stages[rule].before.take() else { return };
        self.change_over(rule, before, decided, RuleChange::RolledBack, out);
    }

    fn change_over(&mut self, rule: usize, new: Candidate, decided: Decided, change: RuleChange, out: &mut Vec<Effect>) {
        let now = self.now;
        let was_out = self.rules[rule].now.is_out();
        let (digest, old_digest) = (new.about.digest.clone(), self.site.rules[rule].digest.clone());
        if new.shadow.is_none() {
            // Not at work yet: it begins with the state of the one it follows, if it understands it, else with the rows that one saw last.
            out.push(Effect::RunBeside { rule, digest: digest.clone(), heir_of: old_digest.clone() });
        }
        let seen = new.shadow.as_ref().map(|shadow| shadow.compared.clone()).unwrap_or_default();
        let says = new.shadow.map(|shadow| shadow.says);
        let old = self.put(rule, new.about, says.is_none(), out);
        // What it said as a shadow counts from now on. A clear one must be said again: nothing is cleared by a change of components.
        for finding in says.into_iter().flatten().flatten().filter(|finding: &Finding| finding.verdict != Verdict::Clear) {
            self.take_finding(rule, &finding, out);
        }
        // The old one goes on beside it, so that the way back is open.
        let mut shadow = Shadow::new(now, &old);
        shadow.until = Some(now.saturating_add(REGRET_US));
        for (hazard, compared) in &seen {
            shadow.compared.entry(hazard.clone()).or_default().hear(now, None, Some(compared.active()));
        }
        let stages = &mut self.stages[rule];
        let publisher = std::mem::replace(&mut stages.publisher, new.publisher);
        let by = decided.by.clone();
        let shadow = (!was_out).then_some(shadow);
        if was_out {
            out.push(Effect::EndBeside { rule, digest: old_digest });
        } else {
            self.timers.at(now.saturating_add(REGRET_US), Timer::Stage(rule as u32));
        }
        let rolled_back = decided.back;
        stages.before = Some(Candidate { about: old, publisher, by, since: now, shadow, ended: String::new(), rolled_back });
        stages.promoted = Some(decided);
        self.compare_anew(rule);
        self.tell_change(rule, change, &digest, out);
    }

    /// Another component in this place, with its hazards: what stands, stands on, and must be restated. `cold`: it has not answered yet.
    fn put(&mut self, rule: usize, about: Rule, cold: bool, out: &mut Vec<Effect>) -> Rule {
        let place = &self.site.rules[rule];
        let about = Rule { zone: place.zone, inputs: place.inputs.clone(), ..about };
        let hazards = about.hazards.len();
        let old_keys: Vec<_> = (0..place.hazards.len()).map(|hazard| self.rule_key(rule, hazard)).collect();
        let old = std::mem::replace(&mut self.site.rules[rule], about);
        let mut state = RuleState::new(hazards);
        let was = &self.rules[rule];
        (state.now.restate, state.now.consulted_at) = (cold, was.now.consulted_at);
        let blind = was.blind.clone();
        self.rules[rule] = state;
        self.timers.drop_all(|timer| matches!(timer, Timer::Lease(of, _) if of as usize == rule));
        self.timers.at(self.now, Timer::Ask(rule as u32));
        let now_has = |id: &str, rules: &[Rule]| rules[rule].hazards.iter().position(|hazard| hazard.id == id);
        for (index, hazard) in old.hazards.iter().enumerate() {
            let stands = self.hold(&old_keys[index], true, out);
            match now_has(&hazard.id, &self.site.rules) {
                Some(new) => {
                    self.rules[rule].blind[new] = blind[index];
                    let lease = ms(self.site.rules[rule].hazards[new].restate_ms).max(s(RESTATE_AFTER_START_S));
                    self.lease(rule, new, stands.then_some(lease));
                }
                None if stands || blind[index] => {
                    // Nobody looks any more. It is shown until the site file or the way back says otherwise.
                    self.stages[rule].gone.push(hazard.clone());
                    let key = self.blind_key_of(rule, &hazard.id);
                    let args = vec![old.name.clone(), hazard.id.clone()];
                    let text = Text::Phrase { key: "guard.blind".into(), args };
                    self.claim(builtin(Builtin::Blind, key, hazard.worst.one_below(), text, Vec::new()), out);
                }
                None => {}
            }
        }
        // What was gone and is known again is blind until it is judged.
        let gone = std::mem::take(&mut self.stages[rule].gone);
        for hazard in gone {
            match now_has(&hazard.id, &self.site.rules) {
                Some(new) => self.rules[rule].blind[new] = true,
                None => self.stages[rule].gone.push(hazard),
            }
        }
        old
    }

    /// The component that people promoted, or one that stands by, cannot run any more; or what the site file names cannot.
    pub(crate) fn rule_lost(&mut self, name: &str, digest: &str, detail: &str, out: &mut Vec<Effect>) {
        let Some(rule) = self.site.rules.iter().position(|rule| rule.name == name) else { return };
        for slot in [false, true] {
            let stages = &mut self.stages[rule];
            let slot = if slot { &mut stages.next } else { &mut stages.before };
            if let Some(gone) = slot.take_if(|one| one.about.digest == digest) {
                self.dismiss(rule, gone, RuleChange::Withdrawn, out);
            }
        }
        let base = self.stages[rule].base.clone();
        let runs = self.site.rules[rule].digest == digest;
        match (base.digest == digest, runs) {
            (true, true) => return self.nothing_runs(rule, detail, out),
            (true, false) => return self.base_lost(rule, &base, detail, out),
            (false, false) => return,
            (false, true) => {}
        }
        let base_lost = self.about_key(rule, Builtin::BaseLost);
        let stands = self.open.get(&base_lost).and_then(|id| self.alarms.get(id));
        let base_runs = stands.is_none_or(|alarm| alarm.condition != Condition::Active);
        out.push(Effect::EndBeside { rule, digest: digest.to_owned() });
        let lost = self.site.rules[rule].plugin.clone();
        // It would run twice.
        let stages = &mut self.stages[rule];
        for slot in [&mut stages.next, &mut stages.before] {
            slot.take_if(|one| one.about.digest == base.digest);
        }
        if base_runs {
            out.push(Effect::RunBeside { rule, digest: base.digest.clone(), heir_of: digest.to_owned() });
        }
        self.put(rule, base.clone(), true, out);
        let stages = &mut self.stages[rule];
        (stages.promoted, stages.proposal) = (None, None);
        stages.publisher.clear();
        if !base_runs {
            self.tell_change(rule, RuleChange::FellBack, &base.digest, out);
            self.clear(&base_lost, out);
            return self.nothing_runs(rule, detail, out);
        }
        let text =
            Text::Phrase { key: "guard.fallback".into(), args: vec![name.to_owned(), lost, base.plugin, detail.to_owned()] };
        // It is over as soon as it is told, and stands until a person has seen it.
        let key = self.about_key(rule, Builtin::FellBack);
        self.claim(builtin(Builtin::FellBack, key.clone(), Severity::Orange, text, Vec::new()), out);
        self.clear(&key, out);
        self.tell_change(rule, RuleChange::FellBack, &base.digest, out);
    }

    /// What the site file names is lost, and what people promoted there runs: there is nothing to fall back to.
    fn base_lost(&mut self, rule: usize, base: &Rule, detail: &str, out: &mut Vec<Effect>) {
        let active = &self.site.rules[rule];
        let args = vec![active.name.clone(), base.plugin.clone(), detail.to_owned(), active.plugin.clone()];
        let text = Text::Phrase { key: "guard.base-lost".into(), args };
        self.claim(builtin(Builtin::BaseLost, self.about_key(rule, Builtin::BaseLost), Severity::Yellow, text, Vec::new()), out);
    }

    /// What the site file names is lost, and nothing runs in its place until the next start: what stands is held.
    fn nothing_runs(&mut self, rule: usize, detail: &str, out: &mut Vec<Effect>) {
        self.rules[rule].now.lost = true;
        for hazard in 0..self.site.rules[rule].hazards.len() {
            let key = self.rule_key(rule, hazard);
            self.hold(&key, true, out);
            self.lease(rule, hazard, None);
        }
        let about = &self.site.rules[rule];
        let text =
            Text::Phrase { key: "guard.lost".into(), args: vec![about.name.clone(), about.plugin.clone(), detail.to_owned()] };
        self.claim(builtin(Builtin::Lost, self.about_key(rule, Builtin::Lost), Severity::Orange, text, Vec::new()), out);
        self.compare_anew(rule);
    }

    /// A start: shadows know nothing yet, and where the site file overruled what people had promoted, that is said.
    pub(crate) fn stages_started(&mut self, out: &mut Vec<Effect>) {
        for rule in 0..self.stages.len() {
            self.stages[rule].candidates_mut().filter_map(|one| one.shadow.as_mut()).for_each(Shadow::restarted);
            if let Some(digest) = self.stages[rule].overruled.take() {
                self.tell_change(rule, RuleChange::Overruled, &digest, out);
            }
        }
    }
}

/// Rules of a changed site: where the site file still names the same component in a place, what people promoted there stays. Returns by new index
/// which rule goes on as it was.
pub(crate) fn carried(old: &Brain, new: &mut Brain) -> Vec<Option<usize>> {
    let zone = |site: &Site, rule: &Rule| site.zones[rule.zone].name.clone();
    let mut goes_on = vec![None; new.site.rules.len()];
    for (index, goes_on) in goes_on.iter_mut().enumerate() {
        let about = new.site.rules[index].clone();
        let same_place = |known: &Rule| known.name == about.name && zone(&old.site, known) == zone(&new.site, &about);
        let Some(was) = old.site.rules.iter().position(same_place) else { continue };
        let (active, stages) = (&old.site.rules[was], &old.stages[was]);
        let is = |known: &Rule| (&known.digest, &known.hazards) == (&about.digest, &about.hazards);
        let here = |known: &Rule| Rule { zone: about.zone, inputs: about.inputs.clone(), ..known.clone() };
        if is(&stages.base) {
            let mut stages = Stages { base: about.clone(), ..stages.clone() };
            stages.candidates_mut().for_each(|one| one.about = here(&one.about));
            (new.site.rules[index], new.stages[index]) = (here(active), stages);
        } else if is(active) {
            // What people promoted is what the site file names now.
            new.stages[index].disabled.clone_from(&stages.disabled);
        } else {
            let promoted = active.digest != stages.base.digest;
            new.stages[index].overruled = promoted.then(|| active.digest.clone());
            continue;
        }
        new.rules[index] = old.rules[was].clone();
        *goes_on = Some(was);
    }
    goes_on
}
