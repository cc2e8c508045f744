//! Values beyond the range of their tag, and tags that are lost while in danger: the brain, and the reference rules as components in their
//! sandboxes. What was alarmed is never taken back by the tags that saw nothing. Must not know: links, the journal.

use crate::process::root;
use brain::event::{Change, LinkState};
use brain::notice::Reason;
use brain::{Brain, Effect, Event, Micros, Quality, Reading, TagId};
use safety_brain::config;
use safety_brain::rules::{Admitted, Cache, Compiler, Engine, Instance, Versions, admit, build};
use std::path::PathBuf;
use std::sync::LazyLock;

const SECOND: Micros = 1_000_000;
const ZERO: Micros = 1_800_000_000 * SECOND;

/// The demonstration's site file with its own folder of plug-ins, as text.
static SITE: LazyLock<String> = LazyLock::new(|| {
    let plugins = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("beyond");
    std::fs::create_dir_all(&plugins).unwrap();
    for plugin in ["gas-detector", "fireworks-room"] {
        build::build_plugin(&ENGINE, &root().join("plugins").join(plugin), &plugins).unwrap();
    }
    let demo = std::fs::read_to_string(root().join("configs/demo.toml")).unwrap();
    format!("{demo}\n[plugins]\ndir = {plugins:?}\nallow_unsigned = true\n")
});

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::start(Compiler::Apart(env!("CARGO_BIN_EXE_safety-brain").into())).unwrap());

/// Admits the rules of a site file, or says what `check` says.
fn admitted(text: &str) -> Result<(brain::site::Site, Vec<Admitted>), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    std::fs::write(&path, text).unwrap();
    let lines = |faults: Vec<config::Fault>| faults.iter().map(|fault| format!("{fault}\n")).collect::<String>();
    let config = config::load(&path).map_err(lines)?;
    let cache = Cache::of(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("beyond-data")).unwrap();
    let admitted = admit(&ENGINE, &config, Some(&cache), &Versions::default()).map_err(lines)?;
    let mut site = config.site;
    site.rules = admitted.iter().map(|one| one.rule.clone()).collect();
    Ok((site, admitted))
}

/// A plant at work: every tag sends each second what it last sent, every rule is asked and heard.
struct Plant {
    brain: Brain,
    rules: Vec<Instance>,
    admitted: Vec<Admitted>,
    second: i64,
    values: Vec<f64>,
    /// Tags that send nothing.
    silent: Vec<usize>,
    /// What became of alarms: hazard, zone, change.
    changes: Vec<(String, String, Change)>,
    /// What the bureau was told: hazard, why.
    told: Vec<(String, Reason)>,
}

impl Plant {
    fn open() -> Plant {
        let (site, admitted) = admitted(&SITE).unwrap();
        let calm = |name: &str| match name {
            "PC-301" | "PC-401" => 1.0,
            "HU-301" => 70.0,
            "PT-101" => 300.0,
            name if name.starts_with("TT") => 25.0,
            name if name.starts_with("GT") => 2.0,
            _ => 0.0,
        };
        let values = site.tags.iter().map(|tag| calm(&tag.name)).collect();
        let rules = admitted.iter().map(Instance::new).collect();
        let (brain, changes, told, silent) = (Brain::new(site), Vec::new(), Vec::new(), Vec::new());
        let mut plant = Plant { brain, rules, admitted, second: 0, values, silent, changes, told };
        plant.start();
        plant
    }

    /// The program starts: links come up, rules know nothing.
    fn start(&mut self) {
        self.rules = self.admitted.iter().map(Instance::new).collect();
        let tags = self.brain.site().tags.iter().map(|tag| tag.name.clone()).collect();
        self.happened(Event::started(tags));
        for link in self.brain.site().links.clone() {
            self.happened(Event::Link { link, state: LinkState::Up, reason: String::new() });
        }
    }

    fn happened(&mut self, event: Event) {
        let mut waiting = vec![event];
        while let Some(event) = waiting.pop() {
            for effect in self.brain.step(ZERO + self.second * SECOND, &event) {
                match effect {
                    Effect::Consult { rule, at, rows } => {
                        let answer = self.rules[rule].evaluate(at, &rows);
                        assert!(answer.strikes.is_empty(), "{:?}", answer.strikes);
                        let rule = self.brain.site().rules[rule].name.clone();
                        waiting.push(Event::Assessed { rule, findings: answer.findings });
                    }
                    Effect::Alarm { alarm, change } => {
                        let key = &self.brain.alarm(alarm).unwrap().key;
                        self.changes.push((key.hazard.clone(), key.zone.clone(), change));
                    }
                    Effect::Tell { notice, .. } if notice.bureau => {
                        self.told.push((notice.alarm.key.hazard.clone(), notice.reason));
                    }
                    Effect::Tell { .. }
                    | Effect::Delivery { .. }
                    | Effect::Answer { .. }
                    | Effect::Quarantine { .. }
                    | Effect::RunBeside { .. }
                    | Effect::EndBeside { .. }
                    | Effect::Test { .. }
                    | Effect::Rule { .. } => {}
                }
            }
        }
    }

    fn tag(&self, name: &str) -> usize {
        self.brain.site().tags.iter().position(|tag| tag.name == name).unwrap()
    }

    fn set(&mut self, values: &[(&str, f64)]) {
        for (name, value) in values {
            let tag = self.tag(name);
            self.values[tag] = *value;
        }
    }

    /// Seconds go by.
    fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.second += 1;
            let source_us = ZERO + self.second * SECOND;
            // Real values are never that still: none of these is frozen.
            let wave = if self.second % 2 == 0 { 0.0 } else { 0.01 };
            let reading = |(tag, value): (usize, &f64)| {
                let still = ["PC", "WX", "XV"].iter().any(|kind| self.brain.site().tags[tag].name.starts_with(kind));
                let value = if still { *value } else { *value + wave };
                Reading { tag: TagId(tag as u32), value, quality: Quality::GOOD, source_us }
            };
            let readings = self.values.iter().enumerate().filter(|(tag, _)| !self.silent.contains(tag)).map(reading).collect();
            self.happened(Event::Readings { readings });
            self.happened(Event::Tick);
        }
    }

    /// The level at which a rule's hazard stands in a zone; none: it does not.
    fn stands(&self, hazard: &str, zone: &str) -> Option<&'static str> {
        let mut alarms = self.brain.alarms().filter(|alarm| alarm.key.hazard == hazard && alarm.key.zone == zone);
        alarms.find(|alarm| alarm.condition == brain::alarm::Condition::Active).map(|alarm| alarm.severity_now.word())
    }

    fn cleared(&self, hazard: &str) -> bool {
        let change = self.changes.iter().any(|(of, _, change)| of == hazard && *change == Change::Cleared);
        change || self.told.iter().any(|(of, why)| of == hazard && *why == Reason::Cleared)
    }
}

#[test]
fn beyond_its_range_a_detector_takes_no_red_alarm_back() {
    for end in ["past its range", "no number", "silent"] {
        let mut plant = Plant::open();
        plant.run(10);
        assert_eq!(plant.stands("gas.lel", "gate-1"), None);
        plant.set(&[("GT-101", 60.0)]);
        plant.run(20);
        assert_eq!(plant.stands("gas.lel", "gate-1"), Some("red"));
        assert!(plant.told.contains(&("gas.lel".into(), Reason::Opened)), "{:?}", plant.told);
        match end {
            "past its range" => plant.set(&[("GT-101", 105.0)]),
            "no number" => plant.set(&[("GT-101", f64::NAN)]),
            _ => plant.silent.push(plant.tag("GT-101")),
        }
        plant.run(150);
        // The program starts again, and its rules with it.
        plant.start();
        plant.run(150);
        assert!(!plant.cleared("gas.lel"), "{end}: {:?}", plant.told);
        assert_eq!(plant.stands("gas.lel", "gate-1"), Some("red"), "{end}");
        // The control: seen in clean air again, it is over.
        plant.silent.clear();
        plant.set(&[("GT-101", 2.0)]);
        plant.run(150);
        assert!(plant.cleared("gas.lel"), "{end}: {:?}", plant.changes);
    }
}

#[test]
fn beyond_their_range_all_detectors_and_a_hot_room_are_alarms() {
    let mut plant = Plant::open();
    plant.run(10);
    plant.set(&[("GT-101", 105.0), ("GT-102", 110.0), ("GT-103", 120.0), ("TT-401", 95.0)]);
    plant.run(30);
    assert_eq!(plant.stands("gas.lel", "gate-1"), Some("red"));
    assert_eq!(plant.stands("fw.temp.stop", "press-4"), Some("orange"));
    let alarm = plant.brain.alarms().find(|alarm| alarm.key.hazard == "gas.lel").unwrap();
    assert_eq!(alarm.certainty, brain::finding::Certainty::Possible);
    assert!(plant.told.contains(&("gas.lel".into(), Reason::Opened)));
}

#[test]
fn beyond_reach_of_a_tag_a_limit_is_refused_by_check() {
    let changed = |tag: &str, from: &str, to: &str| {
        let at = SITE.find(&format!("[[tag]]\nname = {tag:?}")).unwrap();
        let (before, rest) = SITE.split_at(at);
        format!("{before}{}", rest.replacen(from, to, 1))
    };
    for (tag, from, to, said) in [
        ("TT-401", "[-20, 80]", "[-20, 33]", "rule.press-room.inputs.temperature"),
        ("PC-301", "[0, 50]", "[0, 2]", "rule.mixing-room.inputs.people"),
        ("GT-102", "[0, 100]", "[0, 50]", "rule.gate-gas.inputs.gas"),
    ] {
        let faults = admitted(&changed(tag, from, to)).err().unwrap_or_default();
        assert!(faults.contains(said) && faults.contains(tag), "{tag} {to}: {faults:?}");
    }
    assert!(admitted(&SITE).is_ok());
}
