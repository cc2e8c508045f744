//! The judge of every fault test, a stranger: the publisher's log, the receiver's log, `journal export` and `journal verify`, nothing else.
//! Must not know: any type of the host.

use crate::process::eventually;
use crate::publisher::Published;
use crate::receiver::Receiver;
use crate::site::get;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A notice this young at the stop may still have been on its way.
const IN_HAND_US: u64 = 10_000_000;

/// What the journal says happened.
#[derive(Default)]
pub struct Account {
    /// Records, numbered from 1 without a hole.
    pub records: u64,
    /// Numbers the counter tag brought.
    pub counts: BTreeSet<u64>,
    /// Occurrences of the probes' alarms.
    pub rises: u64,
    /// Identifier -> kind of every notice to the bureau.
    pub told: BTreeMap<String, String>,
    /// Hazards of which there was an alarm.
    pub hazards: BTreeSet<String>,
    /// Acts of people that were done.
    pub acts: u64,
    /// Stretches without a record that ended.
    pub gaps: u64,
    /// Alarms the bureau was told of.
    alarms: BTreeSet<String>,
    /// Values of a probe that came too late to be believed: what they should have raised or ended is not counted.
    late: u64,
    /// Numbers of the counter and of the probes, as the last start gave them out.
    count: Option<u64>,
    probes: BTreeSet<u64>,
    holes: Vec<String>,
    /// When each notice to the bureau was made, and the last record: microseconds UTC.
    told_at: BTreeMap<String, u64>,
    at: u64,
}

impl Account {
    /// Reads the whole export.
    pub fn of(data: &Path) -> Account {
        let mut account = Account::default();
        export(data, |record| account.take(&record));
        account
    }

    fn take(&mut self, record: &Value) {
        self.records += 1;
        self.at = record["at"].as_u64().unwrap();
        if record["seq"].as_u64() != Some(self.records) {
            self.holes.push(format!("record {} stands in place {}", record["seq"], self.records));
        }
        let event = &record["entry"]["event"];
        if event["event"] == "started" {
            let named = |begin: &str| {
                let tags = event["tags"].as_array().into_iter().flatten().enumerate();
                let these = tags.filter(|(_, tag)| tag.as_str().unwrap().starts_with(begin));
                these.map(|(place, _)| place as u64).collect::<BTreeSet<u64>>()
            };
            (self.count, self.probes) = (named("COUNT").first().copied(), named("PROBE"));
        }
        self.gaps += u64::from(event["event"] == "recorded");
        for reading in event["readings"].as_array().into_iter().flatten() {
            let tag = reading["tag"].as_u64();
            if tag == self.count {
                self.counts.insert(reading["value"].as_f64().unwrap() as u64);
            }
            self.late += u64::from(tag.is_some_and(|tag| self.probes.contains(&tag)) && reading["quality"] != 0);
        }
        for outcome in outcomes(record) {
            self.outcome(outcome);
        }
    }

    fn outcome(&mut self, outcome: &Value) {
        let opened = matches!(outcome["change"].as_str(), Some("opened" | "reopened"));
        let key = &outcome["alarm"]["key"];
        if outcome["outcome"] == "alarm" {
            self.hazards.insert(key["hazard"].as_str().unwrap().to_owned());
            self.rises += u64::from(opened && key["hazard"] == "test.high");
        }
        if outcome["outcome"] == "told" && outcome["notice"]["bureau"] == true {
            let notice = &outcome["notice"];
            let text = |name: &str| notice[name].as_str().unwrap().to_owned();
            self.told.insert(text("identifier"), text("kind"));
            self.told_at.insert(text("identifier"), self.at);
            self.alarms.insert(notice["alarm"]["id"].to_string());
        }
        self.acts += u64::from(outcome["outcome"] == "answer" && outcome["refused"].is_null());
    }

    /// What was promised and is not so; empty = all of it holds.
    pub fn faults(&self, published: Published, receiver: &Receiver) -> Vec<String> {
        let mut faults = self.holes.clone();
        let lost: Vec<u64> = (0..published.readings).filter(|n| !self.counts.contains(n)).collect();
        if let [first, ..] = lost[..] {
            faults.push(format!("{} readings that the broker was rid of are not in the journal, the first {first}", lost.len()));
        }
        // What rose in a gap is on record as it stood at the end of it.
        let as_many = self.rises <= published.rises && self.rises + self.late >= published.rises;
        if self.gaps == 0 && !as_many {
            let Account { rises, late, .. } = self;
            faults.push(format!(
                "the probes rose {} times, and there are {rises} occurrences ({late} values were late)",
                published.rises
            ));
        }
        let heard = receiver.heard();
        for (identifier, bodies) in &heard {
            if !self.told.contains_key(identifier) {
                faults.push(format!("{identifier} left the machine and is not in the journal"));
            }
            if bodies.len() != 1 {
                faults.push(format!("{identifier} was sent with different bytes on different tries"));
            }
        }
        let due = |at: &u64| self.at - at > IN_HAND_US;
        let open = self.told_at.iter().filter(|(id, at)| due(at) && !heard.contains_key(*id));
        faults.extend(open.map(|(id, _)| format!("{id} was not received")));
        let alerts = self.told.values().filter(|kind| *kind == "alert").count();
        if alerts != self.alarms.len() {
            faults.push(format!("{alerts} Alerts of {} alarms", self.alarms.len()));
        }
        faults
    }
}

/// Every record of a journal, oldest first.
pub fn export(data: &Path, mut each: impl FnMut(Value)) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_safety-brain"))
        .args(["journal", "export", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        each(serde_json::from_str(&line.unwrap()).unwrap());
    }
    assert!(child.wait().unwrap().success(), "journal export of {}", data.display());
}

/// What a record says was decided.
pub fn outcomes(record: &Value) -> impl Iterator<Item = &Value> {
    record["entry"]["outcome"]["outcome"].as_array().into_iter().flatten()
}

/// `journal verify`: nothing, or what it objects to.
pub fn verify(data: &Path) -> Result<(), String> {
    let out = Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(["journal", "verify", "--data"]).arg(data).output().unwrap();
    let said = || format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if out.status.success() { Ok(()) } else { Err(said()) }
}

/// Part of the daemon -> whether it works, once it watches the plant.
pub fn health(console: u16) -> Result<BTreeMap<String, bool>, String> {
    let health = get(console, "/api/v1/health")?;
    let part = |part: &Value| Some((part["name"].as_str()?.to_owned(), part["ok"].as_bool()?));
    let parts: BTreeMap<_, _> = health["parts"].as_array().into_iter().flatten().filter_map(part).collect();
    if parts.get("brain") == Some(&true) { Ok(parts) } else { Err(health.to_string()) }
}

/// Waits until the daemon judges, and says how long after `began` that was.
pub fn ready(console: u16, began: Instant) -> Duration {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match health(console) {
            Ok(_) => return began.elapsed(),
            Err(why) => assert!(Instant::now() < until, "not ready in 30 s: {why}"),
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Waits until the broker has a session for the daemon: what is published from here on is owed.
pub fn wait_for_link(console: u16) {
    eventually("the MQTT link is up", Duration::from_secs(30), || {
        let links = get(console, "/api/v1/links")?.to_string();
        if links.contains("\"up\"") { Ok(()) } else { Err(links) }
    });
}

/// Waits until the last reading is judged.
pub fn wait_for_last(console: u16, readings: u64, most: Duration) {
    eventually("the backlog is worked through", most, || {
        let tags = get(console, "/api/v1/tags")?;
        let count = tags["items"].as_array().into_iter().flatten().find(|tag| tag["name"] == "COUNT").ok_or(tags.to_string())?;
        if count["value"].as_f64() == Some((readings - 1) as f64) { Ok(()) } else { Err(count["value"].to_string()) }
    });
}

/// Waits until the receiver has every notice that the journal has.
pub fn wait_for_notices(data: &Path, receiver: &Receiver) {
    let told = Account::of(data).told;
    eventually("every notice is received", Duration::from_secs(120), || {
        let heard = receiver.heard();
        let open: Vec<_> = told.keys().filter(|id| !heard.contains_key(*id)).collect();
        if open.is_empty() { Ok(()) } else { Err(format!("not received: {open:?}")) }
    });
}
