//! The life of a rule without a restart: which component runs in its place, which one runs beside it and is only compared, and who decided so.
//! Owns: the steps and who may take them. Must not know: files, signatures, how components run or are warmed.
//!
//! A place (zone, inputs, parameters) belongs to the site file. What changes here is the component in it: `next` was installed, `before` ran last.
//! Either may run beside the active one, on the same rows: its shadow.

mod compare;
mod facts;
mod swap;

pub use compare::{Compared, Span};
pub(crate) use facts::danger;
pub use facts::{Aside, Candidate, Decided, Grave, Proposal, RuleChange, Shadow, Stages, Step};
pub(crate) use swap::carried;

use crate::alarm::{AlarmKey, Person, Source};
use crate::brain::Brain;
use crate::builtin::Builtin;
use crate::event::{Effect, Refusal, StrikeKind};
use crate::guard::builtin;
use crate::reading::Micros;
use crate::rule::struck;
use crate::site::{Rule, Severity};
use crate::timer::Timer;
use crate::words::Text;

/// The one that ran before goes on as a shadow for so long: to go back is then to go back to living state.
pub const REGRET_US: Micros = 86_400_000_000;
/// How long a second person has to approve.
pub const PROPOSED_FOR_US: Micros = 3_600_000_000;

impl Brain {
    /// Where a rule is in its life, by index in the site.
    pub fn stages(&self, rule: usize) -> Option<&Stages> {
        self.stages.get(rule)
    }

    /// Runs this component beside the active one of its rule?
    pub fn is_shadow(&self, rule: usize, digest: &str) -> bool {
        let runs = |one: &Candidate| one.about.digest == digest && one.shadow.is_some();
        self.stages.get(rule).is_some_and(|stages| stages.candidates().any(runs))
    }

    /// A person takes a step.
    pub(crate) fn rule_step(&mut self, name: &str, by: &Person, step: &Step, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let rule = self.site.rules.iter().position(|known| known.name == name).ok_or(Refusal::Unknown)?;
        match step {
            Step::Install { publisher, about } => self.install(rule, by, publisher, about, out),
            Step::Shadow { digest, .. } => self.begin_shadow(rule, digest, out),
            Step::Withdraw { digest, .. } => {
                let gone = self.stages[rule].next.take_if(|one| one.about.digest == *digest);
                let gone = gone.ok_or_else(|| self.stands(rule, Grave::Promote))?;
                self.dismiss(rule, gone, RuleChange::Withdrawn, out);
                Ok(())
            }
            Step::Grave { what, digest, note, despite } => {
                self.may(rule, *what, digest, note)?;
                self.is_tried(rule, *what, despite.as_deref())?;
                let despite = despite.clone().map(|despite| despite.trim().to_owned());
                let decided = Decided {
                    by: by.clone(),
                    second: None,
                    at: self.now,
                    note: note.clone(),
                    despite: despite.clone().unwrap_or_default(),
                    back: *what == Grave::RollBack,
                };
                if !self.site.two_persons {
                    return self.do_grave(rule, *what, decided, out);
                }
                let until = self.now.saturating_add(PROPOSED_FOR_US);
                let (what, note) = (*what, note.clone());
                self.stages[rule].proposal =
                    Some(Proposal { what, digest: digest.clone(), by: by.clone(), note, despite, until });
                self.timers.at(until, Timer::Stage(rule as u32));
                self.tell_change(rule, RuleChange::Proposed, digest, out);
                Err(Refusal::Proposed)
            }
            Step::Approve { what, digest } => {
                let stands = |one: &&Proposal| one.what == *what && one.digest == *digest;
                let proposal = self.stages[rule].proposal.as_ref().filter(stands).cloned();
                let proposal = proposal.ok_or(Refusal::NotYet { missing: "proposal".into() })?;
                if proposal.by.name == by.name {
                    return Err(Refusal::NotYet { missing: "second_person".into() });
                }
                self.may(rule, *what, digest, &proposal.note)?;
                self.is_tried(rule, *what, proposal.despite.as_deref())?;
                let decided = Decided {
                    by: proposal.by,
                    second: Some(by.clone()),
                    at: self.now,
                    note: proposal.note,
                    despite: proposal.despite.unwrap_or_default(),
                    back: *what == Grave::RollBack,
                };
                self.do_grave(rule, *what, decided, out)
            }
            Step::Enable => self.enable(rule, out),
        }
    }

    fn install(&mut self, rule: usize, by: &Person, publisher: &str, about: &Rule, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let active = &self.site.rules[rule];
        let known = self.stages[rule].candidates().any(|one| one.about.digest == about.digest);
        if known || about.digest == active.digest {
            return Err(Refusal::Already);
        }
        // The rows on their way are numbered by the active one's inputs.
        if (&about.name, about.zone, &about.inputs) != (&active.name, active.zone, &active.inputs) {
            return Err(Refusal::NotYet { missing: "same_inputs".into() });
        }
        if let Some(gone) = self.stages[rule].next.take() {
            self.dismiss(rule, gone, RuleChange::Withdrawn, out);
        }
        let (about, publisher, by) = (about.clone(), publisher.to_owned(), by.clone());
        let digest = about.digest.clone();
        let since = self.now;
        self.stages[rule].next =
            Some(Candidate { about, publisher, by, since, shadow: None, ended: String::new(), rolled_back: false });
        self.tell_change(rule, RuleChange::Installed, &digest, out);
        Ok(())
    }

    fn begin_shadow(&mut self, rule: usize, digest: &str, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let heir_of = self.site.rules[rule].digest.clone();
        let superseded = self.stands(rule, Grave::Promote);
        let now = self.now;
        let one = self.stages[rule].candidates_mut().find(|one| one.about.digest == digest).ok_or(superseded)?;
        if one.shadow.is_some() {
            return Err(Refusal::Already);
        }
        one.shadow = Some(Shadow::new(now, &one.about));
        one.ended.clear();
        out.push(Effect::RunBeside { rule, digest: digest.to_owned(), heir_of });
        self.compare_anew(rule);
        self.timers.at(now, Timer::Ask(rule as u32));
        self.tell_change(rule, RuleChange::Shadowed, digest, out);
        if self.rules[rule].now.is_out() {
            // It inherits nothing.
            self.tell_lost(out);
        }
        Ok(())
    }

    /// A component leaves for good.
    fn dismiss(&mut self, rule: usize, gone: Candidate, change: RuleChange, out: &mut Vec<Effect>) {
        if gone.shadow.is_some() {
            out.push(Effect::EndBeside { rule, digest: gone.about.digest.clone() });
        }
        let proposal = &mut self.stages[rule].proposal;
        proposal.take_if(|proposal| proposal.digest == gone.about.digest);
        let (plugin, digest) = (gone.about.plugin, gone.about.digest);
        out.push(Effect::Rule { rule, change, plugin, digest });
    }

    /// Whether the step can be taken at all, as things stand.
    fn may(&self, rule: usize, what: Grave, digest: &str, note: &str) -> Result<(), Refusal> {
        let stages = &self.stages[rule];
        let is = |one: &Option<Candidate>| one.as_ref().is_some_and(|one| one.about.digest == digest);
        let stands = match what {
            Grave::Promote => is(&stages.next),
            Grave::RollBack => is(&stages.before),
            Grave::Disable => self.site.rules[rule].digest == digest,
        };
        if !stands {
            return Err(self.stands(rule, what));
        }
        match (what, stages.disabled.is_some()) {
            (Grave::Disable, true) => Err(Refusal::Already),
            (Grave::Promote | Grave::RollBack, true) => Err(Refusal::NotYet { missing: "enable".into() }),
            (Grave::Disable, false) if note.trim().is_empty() => Err(Refusal::NotYet { missing: "note".into() }),
            (Grave::Disable | Grave::Promote | Grave::RollBack, false) => Ok(()),
        }
    }

    /// What is promoted runs as a shadow and has judged readings as one, or the person says why not: one that was thrown out would be out of use a
    /// moment later, and of one that judged nothing nobody knows more than of one that never ran. Nor does one come back from which people rolled back,
    /// as a step that is sent twice would bring it.
    fn is_tried(&self, rule: usize, what: Grave, despite: Option<&str>) -> Result<(), Refusal> {
        if despite.is_none_or(|despite| !despite.trim().is_empty()) {
            return Ok(());
        }
        let stages = &self.stages[rule];
        if what == Grave::RollBack && stages.before.as_ref().is_some_and(|before| before.rolled_back) {
            return Err(Refusal::NotYet { missing: "despite".into() });
        }
        let Some(next) = stages.next.as_ref().filter(|_| what == Grave::Promote) else { return Ok(()) };
        match &next.shadow {
            Some(shadow) if shadow.judged => Ok(()),
            Some(_) => Err(Refusal::NotYet { missing: "judged".into() }),
            None => Err(Refusal::Untried { ended: next.ended.clone() }),
        }
    }

    /// What stands where the person meant another one.
    fn stands(&self, rule: usize, what: Grave) -> Refusal {
        let stages = &self.stages[rule];
        let digest = |one: &Option<Candidate>| one.as_ref().map_or(String::new(), |one| one.about.digest.clone());
        Refusal::Superseded {
            digest: match what {
                Grave::Promote => digest(&stages.next),
                Grave::RollBack => digest(&stages.before),
                Grave::Disable => self.site.rules[rule].digest.clone(),
            },
        }
    }

    fn do_grave(&mut self, rule: usize, what: Grave, decided: Decided, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        self.stages[rule].proposal = None;
        match what {
            Grave::Promote => self.promote(rule, decided, out),
            Grave::RollBack => self.roll_back(rule, decided, out),
            Grave::Disable => self.disable(rule, decided, out),
        }
        Ok(())
    }

    fn disable(&mut self, rule: usize, decided: Decided, out: &mut Vec<Effect>) {
        let now = &mut self.rules[rule].now;
        now.disabled = true;
        out.push(Effect::Quarantine { rule, on: true });
        let about = &self.site.rules[rule];
        let digest = about.digest.clone();
        let mut who = decided.by.name.clone();
        if let Some(second) = &decided.second {
            who = format!("{who}, {}", second.name);
        }
        let text = Text::Phrase { key: "guard.disabled".into(), args: vec![about.name.clone(), who, decided.note.clone()] };
        for hazard in 0..about.hazards.len() {
            let key = self.rule_key(rule, hazard);
            self.hold(&key, true, out);
            self.lease(rule, hazard, None);
        }
        self.claim(builtin(Builtin::Disabled, self.about_key(rule, Builtin::Disabled), Severity::Orange, text, Vec::new()), out);
        self.stages[rule].disabled = Some(decided);
        self.compare_anew(rule);
        self.tell_change(rule, RuleChange::Disabled, &digest, out);
    }

    /// Back to work, out of a quarantine too: a person decided so. Its alarm stands until it has answered.
    fn enable(&mut self, rule: usize, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let now = &mut self.rules[rule].now;
        if self.stages[rule].disabled.take().is_none() {
            // A quarantine is none of people's doing, and ends by another act.
            return Err(if now.quarantined { Refusal::NotYet { missing: "release".into() } } else { Refusal::Already });
        }
        (now.disabled, now.quarantined) = (false, false);
        (now.returns_at, now.returned) = (None, false);
        self.back_to_work(rule, out);
        let digest = self.site.rules[rule].digest.clone();
        self.tell_change(rule, RuleChange::Enabled, &digest, out);
        Ok(())
    }

    /// What it says beside the active one: recorded and compared, never an alarm.
    pub(crate) fn aside(&mut self, name: &str, digest: &str, said: &Aside, out: &mut Vec<Effect>) {
        let Some(rule) = self.site.rules.iter().position(|rule| rule.name == name) else { return };
        let now = self.now;
        let Some(one) = self.stages[rule].candidates_mut().find(|one| one.about.digest == digest) else { return };
        let Some(shadow) = &mut one.shadow else { return };
        match said {
            Aside::Findings { findings, judged } => {
                shadow.judged |= judged;
                for finding in findings {
                    let Some(hazard) = one.about.hazards.iter().position(|hazard| hazard.id == finding.hazard) else { continue };
                    let says = danger(finding, one.about.hazards[hazard].worst);
                    shadow.says[hazard] = Some(finding.clone());
                    shadow.compared.entry(finding.hazard.clone()).or_default().hear(now, None, Some(says));
                }
            }
            Aside::Strike { kind, detail } => {
                shadow.strikes += 1;
                if *kind != StrikeKind::Skipped || shadow.last_strike.is_empty() {
                    shadow.last_strike = format!("{kind:?}: {detail}");
                }
                if matches!(kind, StrikeKind::Overrun | StrikeKind::Skipped) {
                    return;
                }
                if struck(&mut shadow.recent, now, &self.site.quarantine) {
                    let why = shadow.last_strike.clone();
                    self.end_shadow(rule, digest, why, out);
                }
            }
        }
    }

    fn end_shadow(&mut self, rule: usize, digest: &str, why: String, out: &mut Vec<Effect>) {
        let Some(one) = self.stages[rule].candidates_mut().find(|one| one.about.digest == digest) else { return };
        if one.shadow.take().is_some() {
            one.ended = why;
            out.push(Effect::EndBeside { rule, digest: digest.to_owned() });
            self.tell_change(rule, RuleChange::ShadowEnded, digest, out);
        }
    }

    /// A proposal may have lapsed, or a time of regret may be over.
    pub(crate) fn stage_due(&mut self, rule: u32, out: &mut Vec<Effect>) {
        let (rule, now) = (rule as usize, self.now);
        if let Some(lapsed) = self.stages[rule].proposal.take_if(|proposal| proposal.until <= now) {
            self.tell_change(rule, RuleChange::Lapsed, &lapsed.digest, out);
        }
        let over = |one: &&Candidate| one.shadow.as_ref().and_then(|shadow| shadow.until).is_some_and(|until| until <= now);
        let over: Vec<String> = self.stages[rule].candidates().filter(over).map(|one| one.about.digest.clone()).collect();
        for digest in over {
            self.end_shadow(rule, &digest, String::new(), out);
        }
    }

    pub(crate) fn tell_change(&mut self, rule: usize, change: RuleChange, digest: &str, out: &mut Vec<Effect>) {
        let (active, stages) = (&self.site.rules[rule], &self.stages[rule]);
        let all = stages.candidates().map(|one| &one.about).chain([active, &stages.base]);
        let plugin = all.filter(|about| about.digest == digest).map(|about| about.plugin.clone()).next().unwrap_or_default();
        out.push(Effect::Rule { rule, change, plugin, digest: digest.to_owned() });
    }

    /// An alarm of the brain's own about a rule.
    pub(crate) fn about_key(&self, rule: usize, what: Builtin) -> AlarmKey {
        let about = &self.site.rules[rule];
        let zone = self.site.zones[about.zone].name.clone();
        AlarmKey { source: Source::Guard, hazard: what.id().to_owned(), zone, object: about.name.clone() }
    }
}

#[cfg(test)]
mod tests;
