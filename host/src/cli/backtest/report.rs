//! What a back-test says of differences and cost, for people and for programs. Must not know: how it was run.

use super::compare::{Compared, alone};
use super::job::{By, Cost};
use super::source::Walked;
use crate::cli::intervals::Interval;
use crate::links::recording::BadCells;
use brain::Micros;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Findings of one version alone that are listed for each rule and recording; the findings themselves stand in front.
const ALONE_SHOWN: usize = 10;

/// Everything.
#[derive(Debug, Default)]
pub struct Report {
    /// A, and B where it is a version.
    versions: Vec<Version>,
    /// B is what really happened.
    actual: bool,
    /// By recording and rule.
    pub ran: Vec<Ran>,
    from: Option<Micros>,
    to: Option<Micros>,
    from_where: &'static str,
    missing: Vec<String>,
    notes: Vec<String>,
    bad_cells: Vec<BadCells>,
}

/// A version that was tried.
#[derive(Clone, Debug, Default)]
pub struct Version {
    /// `id@version`.
    pub called: String,
    /// Of its component.
    pub digest: String,
    /// Memory that it may have.
    pub memory_kib: usize,
}

/// What came of one rule of the site file on one recording.
#[derive(Debug, Default)]
pub struct Ran {
    /// Name of the rule.
    pub place: String,
    /// Name of the recording.
    pub file: String,
    /// By version.
    pub by: Vec<By>,
    /// What really happened, where that was asked for.
    pub actual: Option<Vec<Interval>>,
    /// By hazard, where there are two to compare.
    pub compared: Option<BTreeMap<String, Compared>>,
}

impl Report {
    /// Nothing was gone through yet.
    pub fn of(versions: Vec<Version>, actual: bool) -> Report {
        Report { versions, actual, ..Report::default() }
    }

    /// Adds what was gone through.
    pub fn walked(&mut self, walked: &Walked) {
        self.from = Some(self.from.map_or(walked.from, |from| from.min(walked.from)));
        self.to = Some(self.to.map_or(walked.to, |to| to.max(walked.to)));
        self.from_where = walked.from_where;
        self.missing.extend(walked.missing.iter().cloned());
        self.notes.extend(walked.notes.iter().cloned());
        self.bad_cells.extend(walked.bad_cells.iter().cloned());
    }

    /// For people, behind the findings.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        for (version, name) in self.versions.iter().zip(["A", "B"]) {
            lines.push(format!("{name}         {}  {}", version.called, version.digest));
        }
        if self.actual {
            lines.push("B         what really happened: the alarms of these rules".to_owned());
        }
        lines.push(format!("recorded  {} to {}, from {}", time(self.from), time(self.to), self.from_where));
        lines.extend(self.missing.iter().map(|why| format!("MISSING   {why}")));
        lines.extend(self.summed().iter().map(|((place, hazard), compared)| told(place, hazard, compared)));
        for one in &self.ran {
            lines.extend(self.alone(one));
        }
        for one in &self.ran {
            for ((by, version), name) in one.by.iter().zip(&self.versions).zip(["A", "B"]) {
                lines.extend(cost(&format!("{name} {} {}", one.place, one.file), by, version.memory_kib));
            }
        }
        if let Some(total) = self.total() {
            lines.push(format!("all       {}", speed(&total)));
        }
        lines
    }

    /// For programs. Times are microseconds.
    pub fn json(&self) -> Value {
        let version = |version: &Version| json!({"plugin": version.called, "digest": version.digest});
        let ran = |one: &Ran| {
            json!({
                "rule": one.place, "file": one.file,
                "by": one.by.iter().zip(&self.versions).map(|(by, version)| json_by(by, version)).collect::<Vec<_>>(),
                "actual": one.actual, "compared": one.compared,
            })
        };
        json!({
            "versions": self.versions.iter().map(version).collect::<Vec<_>>(), "actual": self.actual,
            "from": self.from, "to": self.to, "source": self.from_where, "missing": self.missing,
            "notes": self.notes, "bad_cells": self.bad_cells,
            "rules": self.ran.iter().map(ran).collect::<Vec<_>>(),
            "readings_per_s_per_core": self.total().map(|total| per_second(&total)),
        })
    }

    /// What only one of two found, the first of each.
    fn alone(&self, one: &Ran) -> Vec<String> {
        let found: Vec<&[Interval]> = one.by.iter().map(|by| by.found.as_slice()).chain(one.actual.as_deref()).collect();
        let [a, b] = found[..] else { return vec![] };
        let end = self.to.unwrap_or(Micros::MAX);
        let of = |name: &str, all: Vec<&Interval>| {
            let more = all.len().saturating_sub(ALONE_SHOWN);
            let shown = all.into_iter().take(ALONE_SHOWN).map(|interval| {
                let end = interval.end.map_or_else(|| "the end".to_owned(), |end| time(Some(end)));
                format!(
                    "only {name}    {} {} {} {}: {} to {end}",
                    one.place,
                    one.file,
                    interval.hazard,
                    interval.level,
                    time(Some(interval.start))
                )
            });
            let mut lines: Vec<String> = shown.collect();
            if more > 0 {
                lines.push(format!("only {name}    {} {}: and {more} more", one.place, one.file));
            }
            lines
        };
        of("A", alone(a, b, end)).into_iter().chain(of("B", alone(b, a, end))).collect()
    }

    /// All recordings together, by rule and hazard.
    fn summed(&self) -> BTreeMap<(String, String), Compared> {
        let mut summed: BTreeMap<(String, String), Compared> = BTreeMap::new();
        for one in &self.ran {
            for (hazard, compared) in one.compared.iter().flatten() {
                summed.entry((one.place.clone(), hazard.clone())).or_default().add(compared.clone());
            }
        }
        summed
    }

    fn total(&self) -> Option<Cost> {
        self.ran.iter().flat_map(|one| &one.by).map(|by| by.cost.clone()).reduce(|mut total, cost| {
            total.readings += cost.readings;
            total.calls += cost.calls;
            total.reading += cost.reading;
            total.judging += cost.judging;
            total
        })
    }
}

fn time(at: Option<Micros>) -> String {
    let time = at.and_then(|at| jiff::Timestamp::from_microsecond(at).ok());
    time.map_or_else(|| "?".to_owned(), |time| time.to_string())
}

fn seconds(us: Micros) -> String {
    format!("{:.1} s", us as f64 / 1e6)
}

fn told(place: &str, hazard: &str, compared: &Compared) -> String {
    let Compared { agree, only_a, only_b, both_us, only_a_us, only_b_us, level_differs_us, .. } = compared;
    let [both, only_a_s, only_b_s, differs] = [both_us, only_a_us, only_b_us, level_differs_us].map(|us| seconds(*us));
    let lead = compared.lead().map_or_else(String::new, |[least, middle, most]| {
        format!("; A before B by {} (median; {} to {})", seconds(middle), seconds(least), seconds(most))
    });
    format!(
        "{place} {hazard}: agree {agree} {}, {both}; only A {only_a}, {only_a_s}; only B {only_b}, {only_b_s}; other level {differs}{lead}",
        if *agree == 1 { "time" } else { "times" }
    )
}

fn cost(name: &str, by: &By, memory_kib: usize) -> Vec<String> {
    let (cost, used) = (&by.cost, by.cost.used);
    let mut lines = vec![
        format!("{name}: {}", speed(cost)),
        format!(
            "{name}: fuel at most {} of {} ({} rows); memory {} of {memory_kib} KiB",
            used.fuel,
            used.fuel_max,
            used.rows,
            used.memory >> 10
        ),
    ];
    if !cost.strikes.is_empty() {
        let kinds: Vec<String> = cost.strikes.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let first = cost.first_strike.as_ref();
        let first = first.map_or_else(String::new, |(at, what)| format!("; the first at {}: {what}", time(Some(*at))));
        lines.push(format!("{name}: STRIKES {}; batches never judged: {}{first}", kinds.join(", "), cost.skipped));
    }
    for (from, until) in &by.quarantined {
        let until = match until {
            Some(until) => format!("to {}: a plant would have let it return by itself then", time(Some(*until))),
            None => "on: a plant would not have asked it again before a person released it".to_owned(),
        };
        lines.push(format!("{name}: QUARANTINED from {} {until}", time(Some(*from))));
    }
    lines
}

fn per_second(cost: &Cost) -> f64 {
    let took = (cost.reading + cost.judging).as_secs_f64();
    if took > 0.0 { cost.readings as f64 / took } else { 0.0 }
}

fn speed(cost: &Cost) -> String {
    let each = |time: std::time::Duration| time.as_nanos() as f64 / cost.readings.max(1) as f64;
    format!(
        "{} readings, {} calls, {:.2} s of processor: {:.2} million readings/s per core; ns per reading: {:.0} to read, {:.0} to judge",
        cost.readings,
        cost.calls,
        (cost.reading + cost.judging).as_secs_f64(),
        per_second(cost) / 1e6,
        each(cost.reading),
        each(cost.judging)
    )
}

fn json_by(by: &By, version: &Version) -> Value {
    let (cost, used) = (&by.cost, by.cost.used);
    let quarantined: Vec<Value> = by.quarantined.iter().map(|(from, until)| json!({"from": from, "to": until})).collect();
    json!({
        "findings": by.found, "quarantined": quarantined,
        "cost": {
            "readings": cost.readings, "calls": cost.calls, "skipped": cost.skipped, "strikes": cost.strikes,
            "reading_s": cost.reading.as_secs_f64(), "judging_s": cost.judging.as_secs_f64(),
            "readings_per_s_per_core": per_second(cost),
            "fuel": used.fuel, "fuel_max": used.fuel_max, "rows": used.rows,
            "memory_kib": used.memory >> 10, "memory_kib_max": version.memory_kib,
        },
    })
}
