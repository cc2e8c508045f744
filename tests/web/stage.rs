//! The stage of the Rust tests for a browser: prints where it is, then does what standard input says, one line each, and says `done`. Ends with its input.
//! Must not know: what the browser looks for.
//!
//! `stage <tags>`: the plant of the Rust tests; `stage <tags> furnished`: with a cause and its consequences, a roster and a siren.
//! `danger <from> <to>` and `calm <from> <to>` (tags from..to), `stall`, `go`, `tick`, `received <audience>` and `refused <audience>` (what is still to be
//! told it), `tested <well|ill>` (the siren), `install <n>`, `shadow <n>`, `promote <n>` and `roll_back <n>` (the version n of the rule; 1 runs at first).
#![allow(clippy::unwrap_used)]

#[path = "../all/stage.rs"]
mod stage;

use brain::alarm::Person;
use brain::calendar::{Roster, Shift, Window};
use brain::site::{Audience, Group, Rule, Site};
use brain::stages::{Grave, Step};
use brain::words::Words;
use brain::{Act, Event, TagId};
use stage::{Actors, CALM, DANGER, ROLES, Stage, plant, token};
use std::io::BufRead;

/// Tags at the end that have one cause: the first of them is it.
const OF_ONE_CAUSE: usize = 6;

/// A plant with all that the Rust tests of a console can do without. Of its last tags n modulo 4 is 2, 3, 0, 1, 2, 3 where there are 4 m of them: an orange
/// cause, and consequences of every level. The lead is on duty at all hours, and may hand over to the operator.
fn furnished(tags: usize) -> Site {
    let mut site = plant(tags);
    for (n, tag) in site.tags.iter_mut().skip(tags - OF_ONE_CAUSE).enumerate() {
        let (hazard, title) =
            if n == 0 { ("fan.stopped", ("风机停转", "fan stopped")) } else { ("temp.high", ("温度高", "too warm")) };
        tag.limits[0].hazard = hazard.into();
        tag.limits[0].title = words(title.0, title.1);
    }
    site.groups = vec![Group {
        name: "ventilation".into(),
        title: words("通风", "ventilation"),
        zone: None,
        hazards: vec!["fan.stopped".into(), "temp.high".into()],
        parent: "fan.stopped".into(),
    }];
    let always = Window { days: [true; 7], from: 0, to: 1_440 };
    site.rosters = vec![Roster {
        name: "officers".into(),
        title: words("安全员", "Safety officers"),
        shifts: vec![Shift { name: "all".into(), window: always, cycle: None, people: vec!["a lead".into()] }],
        stand_ins: vec!["a operator".into()],
        hand_over_s: Some(2),
    }];
    site.rules = vec![version("1")];
    site.audiences.push(Audience { annunciator: true, ..Audience::new("siren", words("汽笛", "Siren"), false) });
    site
}

fn words(zh: &str, en: &str) -> Words {
    Words { zh: zh.into(), en: en.into() }
}

/// A version of the one rule.
fn version(n: &str) -> Rule {
    Rule {
        name: "leak".into(),
        plugin: format!("leak@{n}.0.0"),
        digest: format!("sha256:{n}"),
        zone: 0,
        inputs: vec![TagId(0)],
        tick_ms: 0,
        hazards: vec![],
        untested: false,
        bundle: String::new(),
    }
}

/// What somebody does to the rule.
fn step_of(how: &str, n: &str) -> Step {
    let (Rule { digest, .. }, note) = (version(n), "试运行一周".to_owned());
    let grave =
        |what, despite: &str| Step::Grave { what, digest: digest.clone(), note: note.clone(), despite: Some(despite.into()) };
    match how {
        "install" => Step::Install { publisher: "acme".into(), about: Box::new(Rule { untested: true, ..version(n) }) },
        "shadow" => Step::Shadow { digest, note },
        "promote" => grave(Grave::Promote, "旧版本误报"),
        _ => grave(Grave::RollBack, ""),
    }
}

fn perform(line: &str, actors: &mut Actors) {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["danger", from, to] => actors.read(from.parse().unwrap()..to.parse().unwrap(), DANGER),
        ["calm", from, to] => actors.read(from.parse().unwrap()..to.parse().unwrap(), CALM),
        ["stall"] => actors.stalled = true,
        ["go"] => actors.stalled = false,
        ["lost", n] => {
            let detail = "its file is damaged".to_owned();
            actors.step(Event::RuleLost { rule: "leak".into(), digest: version(n).digest, detail });
        }
        ["tick"] => drop(actors.step(Event::Tick)),
        ["received", audience] => actors.told(audience, |notice| Event::Receipt { notice, code: "200".into(), accepted: true }),
        ["refused", audience] => {
            let detail = || "connection refused".to_owned();
            actors.told(audience, |notice| Event::Undelivered { notice, detail: detail(), rejected: false });
        }
        [how @ ("install" | "shadow" | "promote" | "roll_back"), n] => {
            let act = Act::Rule { rule: "leak".into(), step: step_of(how, n) };
            actors.step(Event::Operator {
                command: format!("{how} {n}"),
                by: Person { name: "a lead".into(), role: "lead".into(), station: "here".into() },
                act,
            });
        }
        ["tested", how] => {
            let (well, detail) =
                (*how == "well", format!("coil 16 reads back {}", if *how == "well" { "on" } else { "otherwise" }));
            actors.step(Event::Tested { audience: "siren".into(), well, detail });
        }
        _ => panic!("{line:?} is no line of the play"),
    }
    actors.publish();
}

#[tokio::main]
async fn main() {
    let mut asked = std::env::args().skip(1);
    let tags = asked.next().map_or(600, |tags| tags.parse().unwrap());
    let stage = if asked.next().is_some() { Stage::of(furnished(tags)) } else { Stage::open(tags) };
    println!("{}/#token={}", stage.address, token(ROLES[2]));
    let reading = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines() {
            perform(&line.unwrap(), &mut stage.actors());
            println!("done");
        }
        stage
    });
    reading.await.unwrap().close().await;
}
