//! A component at work without a plant: bound to tags that exist nowhere, with the limits, the sandbox and the checks of every plant. For `plugin test` and
//! `plugin bench`. Must not know: where rows come from, what a finding should have been.

use super::admission::{Admitted, ITS_OWN, bind, dry_run};
use super::fit::fit;
use super::history::History;
use super::instance::Instance;
use super::package::Package;
use super::sandbox::Pulse;
use super::strike::Strike;
use crate::config::Fault;
use crate::config::types::{Limits, Origin, Param, Rule};
use brain::event::Row;
use brain::reading::{Micros, TagId};
use brain::site::{Ladder, Rung, RungKind, Severity, Site, Tag};
use brain::words::Words;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Ends of a range that nobody gave.
const RANGE: (f64, f64) = (-1e12, 1e12);

/// A tag of a trial.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Its name.
    pub tag: String,
    /// The input that it is bound to.
    pub input: String,
    /// Its range; infinite: as wide as the input allows.
    pub range: (f64, f64),
}

/// A rule that may start.
pub struct Trial {
    admitted: Admitted,
    handles: BTreeMap<String, u32>,
}

/// What a call of so many rows costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Rows of one call.
    pub rows: usize,
    /// Wall-clock time of one call, nanoseconds; the median.
    pub ns: f64,
    /// Fuel of one call, the most seen.
    pub fuel: u64,
    /// Fuel that it may use.
    pub fuel_max: u64,
}

impl Trial {
    /// Binds the component and runs it once without rows, as admission does.
    ///
    /// # Errors
    /// Everything for which a plant would refuse it; the keys are `inputs.air`, `params.limit`, and no place is said.
    pub fn new(package: &Arc<Package>, tags: &[Bound], params: BTreeMap<String, Param>) -> Result<Trial, Vec<Fault>> {
        let d = &package.description;
        let mut site = site();
        let mut inputs: BTreeMap<String, Vec<TagId>> = BTreeMap::new();
        for bound in tags {
            let declared = d.inputs.iter().find(|input| input.id == bound.input);
            let (low, high) = (bound.range.0.max(RANGE.0), bound.range.1.min(RANGE.1));
            let within = |end: f64, own: f64, open: bool| if open && own.is_finite() { own } else { end };
            inputs.entry(bound.input.clone()).or_default().push(TagId(site.tags.len() as u32));
            site.tags.push(Tag {
                name: bound.tag.clone(),
                title: Words::same(&bound.tag),
                zone: 0,
                link: 0,
                unit: declared.map(|input| input.unit.clone()).unwrap_or_default(),
                quantity: declared.map(|input| input.quantity.clone()).unwrap_or_default(),
                low: declared.map_or(low, |input| within(low, input.low, bound.range.0.is_infinite())),
                high: declared.map_or(high, |input| within(high, input.high, bound.range.1.is_infinite())),
                period_ms: declared.map_or(1000, |input| if input.silent_ms > 0 { input.silent_ms.min(1000) } else { 1000 }),
                silent_ms: 10_000,
                frozen_ms: None,
                max_per_s: None,
                limits: vec![],
                blind_severity: Severity::Blue,
            });
        }
        let rule = Rule {
            name: "trial".to_owned(),
            plugin: d.id.clone(),
            version: d.version.clone(),
            publisher: None,
            digest: None,
            back_from: None,
            interpreted: false,
            zone: 0,
            inputs,
            params,
            // No site: what it asks for it gets.
            limits: Limits::MOST,
            origin: Origin::default(),
            lines: BTreeMap::new(),
        };
        let told = |faults: Vec<Fault>| {
            let key = |key: &str| key.trim_start_matches("rule.trial.").to_owned();
            faults.into_iter().map(|fault| Fault { key: key(&fault.key), ..fault }).collect::<Vec<_>>()
        };
        let fitted = fit(&rule, (&site, &[]), d).map_err(told)?;
        let handles = fitted.inputs.iter().enumerate().map(|(handle, id)| (site.tags[id.0 as usize].name.clone(), handle as u32));
        let handles = handles.collect();
        let admitted = bind(&site, &rule, package.clone(), fitted);
        dry_run(&rule, &admitted.plan).map_err(told)?;
        Ok(Trial { admitted, handles })
    }

    /// As [`Trial::new`], with tags and settings that are made up: the fewest tags that it takes, but one, and of each setting that it requires a value
    /// which its description allows. The inner error: what the plug-in itself has against what was made up.
    ///
    /// # Errors
    /// Everything else for which a plant would refuse it.
    pub fn made_up(package: &Arc<Package>) -> Result<Result<Trial, Vec<String>>, Vec<String>> {
        let d = &package.description;
        let takes_none = d.inputs.iter().all(|input| input.least == 0);
        let mut tags = Vec::new();
        for (index, input) in d.inputs.iter().enumerate() {
            let count = if takes_none && index == 0 { input.most.min(1) } else { input.least };
            let range = (f64::NEG_INFINITY, f64::INFINITY);
            tags.extend((0..count).map(|n| Bound { tag: format!("{}-{n}", input.id), input: input.id.clone(), range }));
        }
        let params = d.params.iter().filter(|param| param.required).map(|param| (param.id.clone(), some_value(param)));
        match Trial::new(package, &tags, params.collect()) {
            Ok(trial) => Ok(Ok(trial)),
            Err(why) => {
                let (own, why) = (why.iter().all(|why| why.found.contains(ITS_OWN)), why.iter().map(Fault::to_string).collect());
                if own { Ok(Err(why)) } else { Err(why) }
            }
        }
    }

    /// A fresh instance, with strikes, snapshots and recovery as in a plant.
    pub fn instance(&self) -> Instance {
        Instance::new(&self.admitted)
    }

    /// What stands for a tag in rows.
    pub fn handle(&self, tag: &str) -> Option<u32> {
        self.handles.get(tag).copied()
    }

    /// Gives the rows again and again in calls of `size`, for about `time`, each a second after the one before. Returns the costs, and the linear
    /// memory in use at the end, KiB.
    ///
    /// # Errors
    /// What it did wrong.
    pub fn cost(&self, rows: &[Row], size: usize, time: Duration) -> Result<(Cost, usize), Strike> {
        let plan = &self.admitted.plan;
        let history = Arc::new(Mutex::new(History::new(plan.keep.iter().copied())));
        let mut sandbox = plan.sandbox(history.clone(), Pulse::default())?;
        let (mut at, mut next) = (rows.first().map_or(0, |row| row.source_us), rows.iter().cycle());
        let start = super::bindings::export::Start { at, ..plan.start.clone() };
        let refused = |faults: Vec<super::bindings::export::Fault>| Strike {
            kind: brain::event::StrikeKind::Nonsense,
            detail: format!("refused to start: {}", faults.first().map_or("", |fault| fault.text.as_str())),
        };
        sandbox.init(&start)?.map_err(refused)?;
        let (began, mut took, mut fuel) = (Instant::now(), Vec::new(), 0);
        while began.elapsed() < time || took.len() < 16 {
            at += 1_000_000 as Micros;
            let batch: Vec<Row> = next.by_ref().take(size).map(|row| Row { source_us: at, ..*row }).collect();
            history.lock().unwrap_or_else(std::sync::PoisonError::into_inner).give(&batch);
            let columns = super::bindings::columns(&batch);
            let call = Instant::now();
            sandbox.evaluate(at, &columns)?;
            took.push(call.elapsed().as_nanos() as f64);
            fuel = fuel.max(sandbox.fuel_used(size));
            sandbox.take_lines();
        }
        took.sort_by(f64::total_cmp);
        let cost = Cost { rows: size, ns: took[took.len() / 2], fuel, fuel_max: sandbox.fuel_for(size) };
        Ok((cost, sandbox.memory_bytes() >> 10))
    }
}

/// Kinds as in `param.kind` of the contract.
fn some_value(param: &super::bindings::describing::Param) -> Param {
    let number = [param.low, param.high].into_iter().find(|bound| bound.is_finite()).unwrap_or(1.0);
    match param.kind {
        3 => Param::Flag(false),
        4 => Param::Text("text".to_owned()),
        5 => Param::Text(param.choices.first().cloned().unwrap_or_default()),
        6 => Param::Numbers(vec![number]),
        2 | 7 => Param::Number(number.ceil()),
        _ => Param::Number(number),
    }
}

/// One zone, one ladder that tells somebody of everything.
fn site() -> Site {
    let rung = Rung::new("trial", 0, RungKind::AtOnce, [Some(0); 4]);
    let ladders = vec![Ladder { name: "trial".into(), rungs: vec![rung] }];
    Site { links: vec!["trial".into()], ladders, ..Site::plain("trial", "trial") }
}
