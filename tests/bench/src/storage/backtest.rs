//! A rule over packed readings: `safety-brain backtest` as it is, beside the same rule compiled natively and called with the same rows from the same
//! blocks. Must not know: how either goes about it.

use super::native::started;
use super::readings::{Shape, plant};
use super::shelf::START;
use anyhow::{Context, ensure};
use brain::event::{Entry, Event, Record, Row};
use brain::feed::{Feed, Turn};
use brain::site::Rule as Bound;
use safety_brain::config;
use safety_brain::journal::{self, Journal};
use safety_brain::store::{self, Batches, Merge, Past};
use safety_brain_sdk::{Quality, Reading, Rule};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const TITLE: &str = "{ zh = \"b\", en = \"b\" }";

/// Inputs of the rule with quantity, unit, and how many tags of one instance are bound to them.
type Layout = &'static [(&'static str, &'static str, &'static str, usize)];

/// A few detectors of one kind, and all that one instance takes.
const LAYOUTS: [(&str, Layout); 2] = [
    ("16 of one kind", &[("gas", "gas", "%LEL", 16)]),
    (
        "56 of five kinds",
        &[
            ("gas", "gas", "%LEL", 16),
            ("toxic", "toxic", "mg/m3", 16),
            ("raw", "raw", "1", 16),
            ("pressure", "pressure", "kPa", 4),
            ("people", "people", "1", 4),
        ],
    ),
];

/// Readings per second and core through the reference rule, in its sandbox and natively.
pub fn through_a_rule(place: &Path, quick: bool, program: &Path, rule: &Path) -> anyhow::Result<Vec<String>> {
    let mut missed = Vec::new();
    let (tags, seconds) = if quick { (112, 600) } else { (1_000, 6 * 3_600) };
    println!("{tags} tags at 1 Hz for {seconds} s; readings/s per core, and ns per reading to unpack and merge, and to judge.\n");
    println!("| values | tags of a rule | readings | sandbox | unpack | judge | native | judge | ratio of judging |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, shape) in [("slowly changing", Shape::Slow), ("noisy, three decimals", Shape::Noisy)] {
        let data = place.join("data");
        std::fs::create_dir_all(&data)?;
        let (journal, _) = Journal::open(&data.join(journal::FOLDER), "bench", journal::SEGMENT_BYTES_MIN)?;
        journal.close()?;
        let read = |from: u64, last: u64, most: usize| {
            let records = plant(shape, tags as u64, from.saturating_sub(2)..seconds).filter(|record| record.seq >= from);
            let records = records.take_while(|record| record.seq <= last).take(most).map(calm).collect();
            Ok(store::Batch { records, ..store::Batch::default() })
        };
        store::rebuild(&data.join(store::FOLDER), u32::MAX, None, seconds + 1, read)?;
        for (kind, layout) in LAYOUTS {
            let file = place.join("site.toml");
            std::fs::write(&file, site(tags, layout))?;
            let out = Command::new(program)
                .args(["backtest", "--json", "--allow-unsigned", "--config"])
                .arg(&file)
                .arg("--bundle")
                .arg(rule)
                .arg("--data")
                .arg(&data)
                .output()
                .with_context(|| format!("cannot run {}", program.display()))?;
            ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            let told: serde_json::Value = serde_json::from_slice(&out.stdout)?;
            let costs: Vec<_> = told["rules"].as_array().into_iter().flatten().map(|rule| &rule["by"][0]["cost"]).collect();
            let sum = |what: &str| costs.iter().filter_map(|cost| cost[what].as_f64()).sum::<f64>();
            let (readings, unpack, judge) = (sum("readings"), sum("reading_s"), sum("judging_s"));
            let rate = readings / (unpack + judge) / 1e6;
            // A quick run is there to see that it runs.
            if !quick && !(rate >= 5.0) {
                missed.push(format!("{name}, {kind}: {rate:.2} million readings/s per core, target 5"));
            }
            let native = native(&file, &data, layout)?;
            println!(
                "| {name} | {kind} | {readings} | {:.2} M/s | {:.0} | {:.0} | {:.2} M/s | {:.0} | {:.2} |",
                readings / (unpack + judge) / 1e6,
                unpack / readings * 1e9,
                judge / readings * 1e9,
                native.readings / (native.unpack + native.judge) / 1e6,
                native.judge / native.readings * 1e9,
                judge / readings / (native.judge / native.readings)
            );
        }
        std::fs::remove_dir_all(&data)?;
    }
    println!();
    Ok(missed)
}

/// Clean air: what moves stays as it is, near nothing.
fn calm(mut record: Record) -> Record {
    if let Entry::Event(Event::Readings { readings }) = &mut record.entry {
        readings.iter_mut().for_each(|reading| reading.value = ((reading.value % 20.0) * 1000.0).round() / 1000.0);
    }
    record
}

fn site(tags: usize, layout: Layout) -> String {
    let mut file = format!(
        "[site]\nid = \"bench\"\ntitle = {TITLE}\nsender = \"bench@plant.example\"\nmode = \"test\"\n[[zone]]\nname = \"hall\"\ntitle = {TITLE}\nladder = \"all\"\nquota = {{ people = 1000 }}\n\
         [[link]]\nname = \"field\"\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\n[[link.topic]]\nfilter = \"b/+\"\npayload = \"scalar\"\ntag_level = 1\n\
         [[audience]]\nname = \"crew\"\ntitle = {TITLE}\nchannel = \"console\"\n[[ladder]]\nname = \"all\"\n[[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\n\
         kind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n"
    );
    let each: usize = layout.iter().map(|(.., count)| count).sum();
    for rule in 0..tags / each {
        let mut next = rule * each;
        let mut inputs = vec![];
        for (input, quantity, unit, count) in layout {
            let names: Vec<String> = (next..next + count).map(|tag| format!("t{tag}")).collect();
            next += count;
            for name in &names {
                let _ = write!(
                    file,
                    "[[tag]]\nname = \"{name}\"\ntitle = {TITLE}\nzone = \"hall\"\nlink = \"field\"\nunit = \"{unit}\"\nquantity = \"{quantity}\"\nrange = [0, 1000]\nperiod = \"1s\"\n"
                );
            }
            inputs.push(format!("{input} = {names:?}"));
        }
        let _ = write!(
            file,
            "[[rule]]\nname = \"gas-{rule}\"\nplugin = \"gas-detector@0.1.0\"\nzone = \"hall\"\ninputs = {{ {} }}\nparams = {{ al = 400, ah = 500 }}\n",
            inputs.join(", ")
        );
    }
    file
}

/// What the native rule took, seconds.
#[derive(Default)]
struct Native {
    readings: f64,
    unpack: f64,
    judge: f64,
}

fn native(site: &Path, data: &Path, layout: Layout) -> anyhow::Result<Native> {
    let config = config::load(site).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    let past = Past::open(&data.join(store::FOLDER))?;
    let day = past.day(START / 86_400_000_000)?;
    let (mut native, mut findings) = (Native::default(), 0);
    for rule in &config.rules {
        let inputs: Vec<_> = layout.iter().flat_map(|(input, ..)| rule.inputs[*input].clone()).collect();
        let bound = Bound {
            name: rule.name.clone(),
            plugin: String::new(),
            digest: String::new(),
            zone: 0,
            inputs,
            tick_ms: 1000,
            hazards: vec![],
            untested: false,
            bundle: String::new(),
        };
        let mut feed = Feed::new(&config.site, &bound);
        let inputs: Vec<_> = layout.iter().map(|(input, .., count)| (*input, *count)).collect();
        let mut detector = started(&inputs, &[("al", 400.0), ("ah", 500.0)])?;
        let mut rows: Vec<Reading> = vec![];
        let mut ask = |at: i64, turn: Turn<'_>| {
            let Turn::Asked(given) = turn else { return 0 };
            rows.clear();
            let row =
                |row: &Row| Reading { handle: row.handle, value: row.value, quality: Quality(row.quality.0), at: row.source_us };
            rows.extend(given.iter().map(row));
            findings += detector.evaluate(at, &rows).len();
            0
        };
        let mut lap = Instant::now();
        let names: Vec<String> = feed.tags().map(|(_, name)| name.to_owned()).collect();
        let blocks = names.iter().map(|tag| day.blocks(tag, &(0..i64::MAX))).collect::<anyhow::Result<_>>()?;
        let (mut merge, mut batches, mut begun) = (Merge::new(blocks, 0..i64::MAX)?, Batches::default(), false);
        while merge.next(4096, &mut batches)? {
            native.unpack += lap.elapsed().as_secs_f64();
            lap = Instant::now();
            native.readings += batches.readings.len() as f64;
            for (at, readings) in batches.iter() {
                if !std::mem::replace(&mut begun, true) {
                    feed.start(at, &mut ask);
                }
                feed.pass(at, &mut ask);
                feed.take(at, readings.iter().copied(), &mut ask);
            }
            native.judge += lap.elapsed().as_secs_f64();
            lap = Instant::now();
        }
    }
    ensure!(findings > 0, "a rule that says nothing did nothing");
    Ok(native)
}
