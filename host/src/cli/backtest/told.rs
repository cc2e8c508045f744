//! What a rule told, as intervals per hazard. Must not know: how it is asked.

use crate::cli::intervals::{BLIND, Interval};
use crate::rules::Answer;
use brain::Micros;
use brain::finding::{Finding, Verdict};
use brain::site::{Hazard, Severity};

/// What stands of each hazard, and what stood.
pub struct Told {
    hazards: Vec<Stands>,
    /// Nothing it said stands before it says something again.
    restate: bool,
    found: Vec<Interval>,
}

struct Stands {
    hazard: Hazard,
    danger: Option<(Severity, Micros)>,
    blind: Option<Micros>,
    /// When what it claims runs out.
    lease: Option<Micros>,
}

impl Told {
    /// Nothing was told yet.
    pub fn new(hazards: &[Hazard]) -> Told {
        let stands = |hazard: &Hazard| Stands { hazard: hazard.clone(), danger: None, blind: None, lease: None };
        Told { hazards: hazards.iter().map(stands).collect(), restate: false, found: vec![] }
    }

    /// Takes an answer as the brain takes it.
    pub fn take(&mut self, at: Micros, answer: &Answer) {
        for stands in self.hazards.iter_mut().filter(|stands| stands.lease.is_some_and(|until| until <= at)) {
            let until = stands.lease.take();
            stands.blind = stands.blind.or(until);
        }
        if answer.skipped {
            self.blind_all(at);
        }
        // The first answer without a failure says that it looks again, whatever it finds.
        if answer.findings.is_empty() && !answer.strikes.is_empty() || answer.skipped {
            return;
        }
        if std::mem::take(&mut self.restate) {
            (0..self.hazards.len()).for_each(|hazard| self.see(hazard, at));
        }
        for finding in &answer.findings {
            if let Some(hazard) = self.hazards.iter().position(|stands| stands.hazard.id == finding.hazard) {
                self.finding(hazard, at, finding);
            }
        }
    }

    /// Nobody looks any more, or not before it tells something again.
    pub fn blind_all(&mut self, at: Micros) {
        self.restate = true;
        for stands in &mut self.hazards {
            (stands.blind, stands.lease) = (stands.blind.or(Some(at)), None);
        }
    }

    /// All that was told, by its start.
    pub fn finish(mut self, end: Micros) -> Vec<Interval> {
        for stands in &mut self.hazards {
            if let Some(until) = stands.lease.filter(|until| *until <= end) {
                stands.blind = stands.blind.or(Some(until));
            }
            let open = |level, start| Interval { file: String::new(), start, end: None, level, hazard: stands.hazard.id.clone() };
            self.found.extend(stands.danger.map(|(severity, since)| open(severity.word(), since)));
            self.found.extend(stands.blind.map(|since| open(BLIND, since)));
        }
        self.found.sort_by(|a, b| (a.start, &a.hazard).cmp(&(b.start, &b.hazard)));
        self.found
    }

    fn finding(&mut self, hazard: usize, at: Micros, finding: &Finding) {
        let stands = &mut self.hazards[hazard];
        stands.lease = None;
        match finding.verdict {
            Verdict::Active => {
                let severity = finding.severity.min(stands.hazard.worst);
                if stands.danger.is_none_or(|(level, _)| level != severity) {
                    self.end(hazard, at);
                    self.hazards[hazard].danger = Some((severity, at));
                }
                self.see(hazard, at);
                let stands = &mut self.hazards[hazard];
                let lease = i64::try_from(stands.hazard.restate_ms).unwrap_or(Micros::MAX).saturating_mul(1000);
                stands.lease = (lease > 0).then(|| at.saturating_add(lease));
            }
            Verdict::Clear => {
                self.end(hazard, at);
                self.see(hazard, at);
            }
            Verdict::CannotTell => stands.blind = stands.blind.or(Some(at)),
        }
    }

    fn end(&mut self, hazard: usize, at: Micros) {
        if let Some((severity, since)) = self.hazards[hazard].danger.take() {
            self.stood(hazard, severity.word(), since, at);
        }
    }

    fn see(&mut self, hazard: usize, at: Micros) {
        if let Some(since) = self.hazards[hazard].blind.take() {
            self.stood(hazard, BLIND, since, at);
        }
    }

    fn stood(&mut self, hazard: usize, level: &'static str, start: Micros, end: Micros) {
        if start < end {
            let hazard = self.hazards[hazard].hazard.id.clone();
            self.found.push(Interval { file: String::new(), start, end: Some(end), level, hazard });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use brain::finding::Certainty;
    use brain::site::Guide;
    use brain::words::{Text, Words};

    fn hazard(id: &str, restate_ms: u64) -> Hazard {
        let (title, guide) = (Words::same(id), Guide::default());
        let worst = Severity::Orange;
        Hazard { id: id.into(), title, guide, worst, latches: false, managed: false, may_suppress: false, restate_ms }
    }

    fn said(word: &str) -> Answer {
        let (verdict, severity) = match word {
            "clear" => (Verdict::Clear, Severity::Blue),
            "blind" => (Verdict::CannotTell, Severity::Blue),
            "yellow" => (Verdict::Active, Severity::Yellow),
            _ => (Verdict::Active, Severity::Red),
        };
        let (certainty, text) = (Certainty::Observed, Text::Words(Words::same("x")));
        let finding = Finding { hazard: "leak".into(), verdict, severity, certainty, text, evidence: vec![] };
        match word {
            "" => Answer::default(),
            "skip" => Answer { skipped: true, ..Answer::default() },
            _ => Answer { findings: vec![finding], ..Answer::default() },
        }
    }

    #[test]
    fn what_is_told_stands_until_something_else_is() {
        let s = 1_000_000;
        for (restate_ms, rows, expected) in [
            (0, &[(1, "yellow"), (2, "yellow"), (4, "clear")][..], "leak yellow 1-4"),
            (0, &[(1, "clear"), (2, "yellow")], "leak yellow 2-"),
            // Above its worst it counts as its worst.
            (0, &[(1, "yellow"), (3, "red"), (5, "yellow"), (6, "clear")], "leak yellow 1-3, leak orange 3-5, leak yellow 5-6"),
            (0, &[(1, "yellow"), (3, "blind"), (5, ""), (6, "yellow"), (7, "clear")], "leak yellow 1-7, leak blind 3-6"),
            (3000, &[(1, "yellow"), (3, "yellow"), (9, ""), (10, "clear")], "leak yellow 1-10, leak blind 6-10"),
            (3000, &[(1, "yellow")], "leak yellow 1-, leak blind 4-"),
            (0, &[(1, "yellow"), (2, "skip"), (3, ""), (4, "yellow")], "leak yellow 1-, leak blind 2-3"),
        ] {
            let mut told = Told::new(&[hazard("other", 0), hazard("leak", restate_ms)]);
            rows.iter().for_each(|(second, word)| told.take(second * s, &said(word)));
            let word = |i: &Interval| {
                let end = i.end.map(|end| (end / s).to_string()).unwrap_or_default();
                format!("{} {} {}-{end}", i.hazard, i.level, i.start / s)
            };
            let of_leak: Vec<String> = told.finish(20 * s).iter().filter(|i| i.hazard == "leak").map(word).collect();
            assert_eq!(of_leak.join(", "), expected, "{rows:?}");
        }
    }
}
