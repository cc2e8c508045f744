//! The scenario file of a drill (演练): what the sensors will show, who takes part and what is expected, read beside the site file it is for, all
//! faults at once. Must not know: how it is played, how a report is made of it.

use super::fault::Fault;
use super::reader::{Faults, Reader, Text};
use super::scalar::{nearest, number, show};
use super::types::Config;
use brain::TagId;
use brain::site::{Severity, Tag};
use brain::words::Words;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Longest drill, milliseconds.
const DURATION_MAX_MS: u64 = 86_400_000;
/// How far a value wavers that must not stand still, as a part of its range.
const WAVER: f64 = 1e-4;

/// A scenario that fits its site.
#[derive(Clone, Debug)]
pub struct Drill {
    /// Its name: part of every identifier of its messages.
    pub id: String,
    /// What people call it.
    pub title: Words,
    /// How long it goes on, milliseconds.
    pub duration_ms: u64,
    /// Audiences that take part; nobody else is told anything.
    pub audiences: Vec<String>,
    /// What each tag shows: one per tag of the site.
    pub tracks: Vec<Track>,
    /// What ought to happen, in file order.
    pub expected: Vec<Expected>,
}

/// What one tag shows during a drill.
#[derive(Clone, Debug)]
pub struct Track {
    /// Which.
    pub tag: TagId,
    /// How often it is told, milliseconds.
    pub period_ms: u64,
    /// Where nothing has happened yet, in the tag's unit.
    pub normal: f64,
    /// Added to every other value, so that it does not seem frozen; 0 where the site file lets it stand still.
    pub waver: f64,
    /// By time.
    pub steps: Vec<Step>,
}

/// A change of one tag.
#[derive(Clone, Debug)]
pub struct Step {
    /// Milliseconds after the beginning.
    pub at_ms: u64,
    /// What it becomes.
    pub to: To,
}

/// What a tag becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum To {
    /// This value, reached evenly after so many milliseconds.
    Value(f64, u64),
    /// A sensor that says itself that it failed.
    Bad,
    /// A sensor that says nothing any more.
    Silent,
}

/// What ought to happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Hazard of the alarm.
    pub hazard: String,
    /// Zone of the alarm.
    pub zone: String,
    /// Level that it reaches at least; none = any.
    pub level: Option<Severity>,
    /// From when on, milliseconds of the scenario: `raised_within` counts from here.
    pub from_ms: u64,
    /// The alarm stands after this at most, milliseconds.
    pub raised_within_ms: u64,
    /// A named person of the plant took it this long after that at most, milliseconds; none = nobody has to.
    pub acknowledged_within_ms: Option<u64>,
    /// Audiences that it reached.
    pub told: Vec<String>,
}

/// Reads and checks a scenario for a site.
///
/// # Errors
/// Every fault found, in no particular order.
pub fn load(path: &Path, config: &Config) -> Result<Drill, Vec<Fault>> {
    of(&super::read(path).map_err(|fault| vec![fault])?, config)
}

pub(super) fn of(text: &Text, config: &Config) -> Result<Drill, Vec<Fault>> {
    let document = text.parse()?;
    let faults = Faults::default();
    let drill = {
        let root = Reader::root(text, Some(document.get_ref()), &faults);
        let drill = drill(&root, config);
        root.finish();
        drill
    };
    match (drill, faults.into_inner()) {
        (Some(drill), faults) if faults.is_empty() => Ok(drill),
        (_, faults) => Err(faults),
    }
}

fn names<T>(of: &[T], name: impl Fn(&T) -> &str) -> Vec<String> {
    of.iter().map(|one| name(one).to_owned()).collect()
}

fn drill(root: &Reader<'_>, config: &Config) -> Option<Drill> {
    let site = &config.site;
    let tags = names(&site.tags, |tag| &tag.name);
    let all = names(&site.audiences, |audience| &audience.name);
    let (id, title) = (root.name("id"), root.words("title", true));
    let duration_ms = root.duration("duration", (1_000, DURATION_MAX_MS), None);
    let audiences = root.refers_all("audiences", "audience", &all);
    let part: Vec<String> = audiences.iter().flatten().map(|at| all[*at].clone()).collect();
    let normal = normal(root, &site.tags);
    let within = duration_ms.unwrap_or(DURATION_MAX_MS);
    let steps = root.tables("step", true, |table| step(table, &tags, within));
    let first = steps.iter().flatten().map(|(_, step)| step.at_ms).min().unwrap_or(0);
    let expected = root.tables("expect", true, |table| expected(table, config, &part, (first, within)));
    let mut steps: Vec<(usize, Step)> = super::whole(steps)?;
    steps.sort_by_key(|(_, step)| step.at_ms);
    let track = |(at, (tag, normal)): (usize, (&Tag, f64))| {
        let step = (tag.high - tag.low) * WAVER;
        let waver = if tag.frozen_ms.is_none() {
            0.0
        } else if normal + step > tag.high {
            -step
        } else {
            step
        };
        let steps = steps.iter().filter(|(of, _)| *of == at).map(|(_, step)| step.clone()).collect();
        Some(Track { tag: TagId(u32::try_from(at).ok()?), period_ms: tag.period_ms, normal, waver, steps })
    };
    let tracks = site.tags.iter().zip(normal?).enumerate().map(track).collect::<Option<_>>()?;
    audiences?;
    Some(Drill { id: id?, title: title?, duration_ms: duration_ms?, audiences: part, tracks, expected: super::whole(expected)? })
}

/// The value of every tag while nothing happens: by its name, else by its quantity.
fn normal(root: &Reader<'_>, tags: &[Tag]) -> Option<Vec<f64>> {
    let known = || tags.iter().flat_map(|tag| [tag.name.as_str(), tag.quantity.as_str()]);
    let mut sound = true;
    let values = root.named("normal", true, |table, key, value| {
        let read = number(value);
        let of = |tag: &&Tag| tag.name == key || (tag.quantity == key && !tags.iter().any(|other| other.name == key));
        let meant: Vec<&Tag> = tags.iter().filter(of).collect();
        if meant.is_empty() {
            table.fault(
                key,
                format!("{key:?}"),
                "the name of a tag of the site file, or a quantity of one",
                nearest(key, known()),
            );
        }
        if read.is_none() {
            table.fault(key, show(value), "a number", None);
        }
        sound &= read.is_some() && !meant.is_empty();
        read
    });
    let value = |tag: &Tag| {
        let value = values.get(&tag.name).or_else(|| values.get(&tag.quantity)).copied();
        match value {
            None => {
                let allowed = format!("{} = NUMBER, or {} = NUMBER for all tags of that quantity", tag.name, tag.quantity);
                root.fault("normal", format!("no value for the tag {}", tag.name), allowed, None);
            }
            Some(value) if !(value >= tag.low && value <= tag.high) => {
                let allowed = format!("a value in the range of {}, {} to {} {}", tag.name, tag.low, tag.high, tag.unit);
                root.fault("normal", format!("{value} for the tag {}", tag.name), allowed, None);
            }
            Some(_) => {}
        }
        value
    };
    let values: Vec<Option<f64>> = tags.iter().map(value).collect();
    super::whole(values).filter(|_| sound)
}

fn step(table: &Reader<'_>, tags: &[String], duration_ms: u64) -> Option<(usize, Step)> {
    let (tag, at_ms) = (table.refers("tag", "tag", tags), table.duration("at", (0, duration_ms), None));
    let value = table.number_if("value", (-1e12, 1e12));
    let ramp_ms = table.duration("ramp", (0, DURATION_MAX_MS), Some(0));
    let lost = table.choice("quality", &[("", None), ("bad", Some(To::Bad)), ("silent", Some(To::Silent))], Some(None))?;
    if lost.is_some() && table.has("ramp") {
        table.fault("ramp", "a ramp beside a quality", "a ramp beside a value alone: a sensor fails all at once", None);
    }
    let to = match (value, lost) {
        (Some(value), None) => Some(To::Value(value, ramp_ms?)),
        (None, Some(lost)) => Some(lost),
        (None, None) if table.has("value") => None,
        (both, _) => {
            let found = if both.is_some() { "a value beside a quality" } else { "neither value nor quality" };
            table.fault("value", found, "value = NUMBER, or quality = \"bad\" or \"silent\"", None);
            None
        }
    };
    Some((tag?, Step { at_ms: at_ms?, to: to? }))
}

fn expected(table: &Reader<'_>, config: &Config, part: &[String], (first, duration_ms): (u64, u64)) -> Option<Expected> {
    let site = &config.site;
    let zones = names(&site.zones, |zone| &zone.name);
    let (hazard, zone) = (table.name("hazard"), table.refers("zone", "zone", &zones));
    let levels = Severity::ALL.map(|level| (level.word(), Some(level)));
    let words = [&[("", None)][..], &levels[..]].concat();
    let level = table.choice("level", &words, Some(None));
    let from_ms = table.duration("from", (0, duration_ms), Some(first));
    let raised = table.duration("raised_within", (1, DURATION_MAX_MS), None);
    let acknowledged_within_ms = table.duration_if("acknowledged_within", (1, DURATION_MAX_MS));
    let told = if table.has("told") { table.refers_all("told", "audience that takes part", part) } else { Some(vec![]) };
    if let (Some(hazard), Some(zone)) = (&hazard, zone) {
        let of_zone = site.tags.iter().filter(|tag| tag.zone == zone);
        let limits: Vec<&str> = of_zone.flat_map(|tag| tag.limits.iter().map(|limit| limit.hazard.as_str())).collect();
        // What a rule can report is known only when it has been admitted.
        let ruled = config.rules.iter().any(|rule| rule.zone == zone);
        if !ruled && !limits.contains(&hazard.as_str()) && !hazard.starts_with("device.") {
            let allowed = format!("a hazard of a limit in {}, or device.*", zones[zone]);
            table.fault("hazard", format!("{hazard:?}"), allowed, nearest(hazard, limits.into_iter()));
        }
    }
    Some(Expected {
        hazard: hazard?,
        zone: zones[zone?].clone(),
        level: level?,
        from_ms: from_ms?,
        raised_within_ms: raised?,
        acknowledged_within_ms,
        told: told?.into_iter().map(|at| part[at].clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "id = \"leak\"\ntitle = { zh = \"泄漏\", en = \"Leak\" }\nduration = \"5min\"\naudiences = [\"crew\"]\n\
        [normal]\ngas = 1\nmethane = 0\nPT-101 = 280\n\
        [[step]]\nat = \"10s\"\ntag = \"MH-007\"\nvalue = 3\nramp = \"20s\"\n\
        [[expect]]\nhazard = \"manhole.ch4\"\nzone = \"manhole-7\"\nlevel = \"orange\"\nraised_within = \"1min\"\ntold = \"crew\"\n";

    fn read(text: &str) -> Result<Drill, Vec<String>> {
        let site = super::super::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gas-district.toml")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("drill.toml");
        std::fs::write(&path, text).unwrap();
        load(&path, &site).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_tag_has_a_track_and_steps_are_in_order() {
        let drill =
            read(&GOOD.replace("[[expect]]", "[[step]]\nat = \"5s\"\ntag = \"MH-007\"\nquality = \"silent\"\n[[expect]]"))
                .unwrap();
        let normal: Vec<f64> = drill.tracks.iter().map(|track| track.normal).collect();
        assert_eq!(normal, [1.0, 1.0, 280.0, 0.0]);
        let steps: Vec<(u64, To)> = drill.tracks[3].steps.iter().map(|step| (step.at_ms, step.to)).collect();
        assert_eq!(steps, [(5_000, To::Silent), (10_000, To::Value(3.0, 20_000))]);
        let expected = &drill.expected[0];
        assert_eq!(
            (expected.from_ms, expected.raised_within_ms, expected.told.as_slice()),
            (5_000, 60_000, &["crew".to_owned()][..])
        );
    }

    #[test]
    fn all_faults_at_once_each_with_place_and_remedy() {
        for (from, to, wants) in [
            ("methane = 0\n", "", vec!["no value for the tag MH-007", "methane = NUMBER"]),
            ("methane = 0", "methan = 0", vec!["did you mean `methane`", "no value for the tag MH-007"]),
            ("PT-101 = 280", "PT-101 = 2800", vec!["2800 for the tag PT-101", "0 to 1000"]),
            ("value = 3\n", "", vec!["neither value nor quality"]),
            ("value = 3\n", "value = 3\nquality = \"bad\"\n", vec!["a value beside a quality"]),
            ("at = \"10s\"", "at = \"10min\"", vec![":10: step.MH-007.at", "0ms to 5min"]),
            ("told = \"crew\"", "told = \"bureau\"", vec!["audience that takes part"]),
            ("manhole.ch4", "manhole.ch5", vec!["did you mean `manhole.ch4`"]),
            ("[\"crew\"]", "[\"crews\"]", vec!["did you mean `crew`"]),
            ("raised_within = \"1min\"\n", "", vec!["expect.manhole.ch4.raised_within: found nothing"]),
            ("id = \"leak\"", "id = \"le ak\"\nidd = 1", vec!["id: found \"le ak\"", "idd: found an unknown key"]),
            ("id = \"leak\"\n", "", vec!["id: found nothing"]),
            ("title = { zh = \"泄漏\", en = \"Leak\" }", "title = { zh = \"泄漏\" }", vec!["title.en: found nothing"]),
            ("duration = \"5min\"", "duration = \"5 minutes\"", vec!["duration: found \"5 minutes\""]),
            ("duration = \"5min\"", "duration = \"2d\"", vec!["duration: found", "1s to 1d"]),
            ("[\"crew\"]", "[]", vec!["audiences: found"]),
            ("methane = 0", "methane = \"none\"", vec!["normal.methane: found \"none\"; allowed: a number"]),
            ("MH-007\"", "MH-008\"", vec!["step.MH-008.tag", "did you mean `MH-007`"]),
            ("at = \"10s\"\n", "", vec!["step.MH-007.at: found nothing"]),
            ("value = 3", "value = \"3\"", vec!["step.MH-007.value: found \"3\""]),
            ("ramp = \"20s\"", "ramp = 20", vec!["step.MH-007.ramp: found 20"]),
            ("value = 3\nramp = \"20s\"", "quality = \"broken\"", vec!["step.MH-007.quality: found \"broken\"", "\"bad\""]),
            ("value = 3\n", "quality = \"bad\"\n", vec!["step.MH-007.ramp: found a ramp beside a quality"]),
            ("hazard = \"manhole.ch4\"\n", "", vec!["hazard: found nothing"]),
            ("zone = \"manhole-7\"", "zone = \"manhole-8\"", vec!["expect.manhole.ch4.zone", "did you mean `manhole-7`"]),
            ("level = \"orange\"", "level = \"purple\"", vec!["expect.manhole.ch4.level: found \"purple\"", "orange, red"]),
            ("raised_within = \"1min\"", "raised_within = \"0s\"", vec!["expect.manhole.ch4.raised_within", "1ms"]),
            ("level =", "from = \"6min\"\nlevel =", vec!["expect.manhole.ch4.from: found", "0ms to 5min"]),
            ("level =", "acknowledged_within = true\nlevel =", vec!["expect.manhole.ch4.acknowledged_within: found true"]),
            ("told = \"crew\"", "told = [\"crew\", 7]", vec!["expect.manhole.ch4.told"]),
            ("[[step]]", "[step]", vec!["step: found"]),
            ("[[expect]]", "[[expects]]", vec!["expects: found an unknown key"]),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let faults = read(&GOOD.replacen(from, to, 1)).unwrap_err().join("\n");
            for want in wants {
                assert!(faults.contains(want), "{to:?}: {want}\n{faults}");
            }
        }
        assert!(read(GOOD).is_ok(), "the control");
    }
}
