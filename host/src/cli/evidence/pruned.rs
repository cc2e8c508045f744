//! Readings that the journal no longer has: which stretches of the windows they are of, and what the store still has of them.
//! Must not know: how the journal and the store keep anything.

use super::about;
use super::file::{Kept, Pruned, Row, Series};
use crate::store;
use brain::Micros;
use std::collections::BTreeSet;
use std::path::Path;

/// The parts of the windows that lie in pruned stretches, in order, each time once.
pub fn gone(windows: &[(Micros, Micros)], pruned: &[(Micros, Micros)]) -> Vec<(Micros, Micros)> {
    let within = |(from, to): &(Micros, Micros)| {
        let part = |(a, b): &(Micros, Micros)| ((*from).max(*a), (*to).min(*b));
        pruned.iter().map(part).filter(|(from, to)| from < to).collect::<Vec<_>>()
    };
    let mut parts: Vec<_> = windows.iter().flat_map(within).collect();
    parts.sort_unstable();
    let mut gone: Vec<(Micros, Micros)> = vec![];
    for (from, to) in parts {
        match gone.last_mut() {
            Some((_, end)) if *end >= from => *end = to.max(*end),
            Some(_) | None => gone.push((from, to)),
        }
    }
    gone
}

/// What the store has of these stretches, or why it has not.
pub fn stored(
    data: &Path,
    scratch: &Path,
    stretches: &[(Micros, Micros)],
    tags: &BTreeSet<String>,
    sites: &[Kept],
) -> Vec<Pruned> {
    if stretches.is_empty() {
        return vec![];
    }
    let tags: Vec<String> = tags.iter().cloned().collect();
    let unit = |tag: &str| about::unit(sites, tag);
    let of = |&(from, to): &(Micros, Micros)| {
        let kept = store::readings(&data.join(store::FOLDER), scratch, &tags, from, to);
        let (rows, missing) = kept.map_or_else(|why| (vec![], vec![format!("{why:#}")]), |kept| (kept.tags, kept.missing));
        let row =
            |point: &store::Point| Row { at: point.at, source_us: point.source_us, value: point.value, quality: point.quality.0 };
        let series =
            rows.iter().map(|(tag, rows)| Series { tag: tag.clone(), unit: unit(tag), rows: rows.iter().map(row).collect() });
        Pruned { from, to, series: series.collect(), missing }
    };
    stretches.iter().map(of).collect()
}

/// What a reader must know of such a stretch.
pub fn told(pruned: &Pruned, time: impl Fn(Micros) -> String) -> String {
    let (from, to) = (time(pruned.from), time(pruned.to));
    let rows: usize = pruned.series.iter().map(|series| series.rows.len()).sum();
    let mut told =
        format!("readings of {from} to {to} are no longer in the journal (its journal_days or journal_gib had passed): ");
    told += &match (rows, pruned.missing.is_empty()) {
        (0, true) => "the store has none of these tags either".to_owned(),
        (0, false) => "missing".to_owned(),
        (rows, _) => {
            format!("{rows} were taken from the store, which the chain does not cover: the signature alone vouches for them")
        }
    };
    pruned.missing.iter().for_each(|why| told += &format!("; {why}"));
    told
}

/// What is wrong with such a stretch: it holds what it cannot.
pub fn fault(pruned: &Pruned, tags: &BTreeSet<String>) -> Option<String> {
    // The store knows arrival to the millisecond below.
    let from = pruned.from - 1_000;
    let outside =
        |series: &&Series| !tags.contains(&series.tag) || series.rows.iter().any(|row| !(from..=pruned.to).contains(&row.at));
    let outside = pruned.series.iter().find(outside)?;
    Some(format!("the readings of {} that the store is said to have had are not of the alarm's tags and time", outside.tag))
}
