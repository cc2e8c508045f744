//! Rules on screens and in the API: which component runs in the place of each, what runs beside it and how the two compare, and the steps from one to
//! the other. Owns: their shapes and routes. Must not know: how a bundle is admitted, what a step does.

use super::api::{Answer, Shared, act};
use super::asked::{Command, Sent, arrived, words};
use super::problem::{Code, Problem};
use super::shape::{Done, Time, time};
use super::view::RuleRow;
use super::{Ask, BUNDLE_MAX};
use axum::Json;
use axum::extract::{Path, Request, State};
use brain::stages::{Candidate, Compared, Decided, Grave, Proposal, Span, Stages, Step};
use brain::{Act, Clock, Micros};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest that a bundle may take to arrive.
const BUNDLE_ARRIVES: Duration = Duration::from_secs(120);

/// Where a rule is in its life, with the times that people read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Life {
    /// What the site file names: `id@version` and digest.
    pub site: (String, String),
    /// Who signed the active one, where people promoted it.
    pub publisher: String,
    /// Who put the active one there; none = the site file alone.
    pub promoted: Option<Decided>,
    /// Who took it out of use.
    pub disabled: Option<Decided>,
    /// Waits for a second person.
    pub proposal: Option<Proposal>,
    /// Installed.
    pub next: Option<Beside>,
    /// Ran before.
    pub before: Option<Beside>,
}

/// A component beside the active one.
#[derive(Clone, Debug, PartialEq)]
pub struct Beside {
    plugin: String,
    digest: String,
    publisher: String,
    untested: bool,
    by: String,
    since: Micros,
    ended: String,
    rolled_back: bool,
    shadow: Option<Compares>,
}

/// One that runs, compared with the active one.
#[derive(Clone, Debug, PartialEq)]
struct Compares {
    since: Micros,
    until: Micros,
    strikes: u64,
    last_strike: String,
    judged: bool,
    hazards: Vec<(String, Compared)>,
}

impl Life {
    /// As the brain has it.
    pub fn of(stages: &Stages, now: Micros, clock: &Clock) -> Life {
        let decided = |one: &Option<Decided>| one.clone().map(|one| Decided { at: clock.wall(one.at), ..one });
        let proposal = stages.proposal.clone().map(|one| Proposal { until: clock.wall(one.until), ..one });
        let span = |span: Span| Span { first: clock.wall(span.first), last: clock.wall(span.last), ..span };
        let compared = |(hazard, seen): (&String, &Compared)| {
            let mut seen = seen.clone().until(now);
            for one in [&mut seen.agree, &mut seen.only_active, &mut seen.only_shadow, &mut seen.severity] {
                *one = span(*one);
            }
            (hazard.clone(), seen)
        };
        let beside = |one: &Candidate| Beside {
            plugin: one.about.plugin.clone(),
            digest: one.about.digest.clone(),
            publisher: one.publisher.clone(),
            untested: one.about.untested,
            by: one.by.name.clone(),
            since: clock.wall(one.since),
            ended: one.ended.clone(),
            rolled_back: one.rolled_back,
            shadow: one.shadow.as_ref().map(|shadow| Compares {
                since: clock.wall(shadow.since),
                until: clock.wall(shadow.until.unwrap_or(0)),
                strikes: shadow.strikes,
                last_strike: shadow.last_strike.clone(),
                judged: shadow.judged,
                hazards: shadow.compared.iter().map(compared).collect(),
            }),
        };
        Life {
            site: (stages.base.plugin.clone(), stages.base.digest.clone()),
            publisher: stages.publisher.clone(),
            promoted: decided(&stages.promoted),
            disabled: decided(&stages.disabled),
            proposal,
            next: stages.next.as_ref().map(beside),
            before: stages.before.as_ref().map(beside),
        }
    }
}

/// What runs in the place of a rule.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It judges.
    Active,
    /// Out of use for its failures.
    Quarantined,
    /// Out of use because people said so.
    Disabled,
    /// Its component could not be loaded at the start.
    Lost,
}

/// One rule.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Rule {
    name: String,
    /// `id@version` of the component that runs.
    plugin: String,
    digest: String,
    zone: String,
    stage: Stage,
    quarantined: bool,
    /// When its quarantine ends by itself; none: a person releases it.
    returns_at: Option<Time>,
    strikes: u64,
    last_strike: String,
    assessed_at: Time,
    consulted_at: Time,
    /// `id@version` that the site file names; another one runs where people promoted it.
    site_plugin: String,
    /// Who signed the one that runs; empty = nobody.
    publisher: String,
    /// Nobody signed the one that runs.
    unsigned: bool,
    /// Its publisher signed the one that runs without running its cases.
    untested: bool,
    /// Who put the one that runs there, by promoting it or by going back to it; null where the site file alone did. What runs is that of the site file where
    /// `plugin` is `site_plugin`.
    promoted: Option<Decision>,
    /// Who took it out of use.
    disabled: Option<Decision>,
    /// A step that waits for a second person.
    proposal: Option<Proposed>,
    /// Installed, not active.
    next: Option<Other>,
    /// The one that ran before.
    before: Option<Other>,
}

/// Who decided something.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Decision {
    by: String,
    /// Who approved it; null where one person was enough.
    second: Option<String>,
    at: Time,
    note: String,
    /// Why it was promoted although it did not run as a shadow, or had judged nothing as one, or gone back to although people had gone back from it; empty =
    /// that was not said.
    despite: String,
    /// It was gone back to.
    back: bool,
}

/// A step that waits for a second person.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Proposed {
    what: What,
    digest: String,
    by: String,
    note: String,
    /// Why it shall be promoted although it does not run as a shadow, or has judged nothing as one; empty = that is not said.
    despite: String,
    /// Lapses then.
    until: Time,
}

/// A component that may run in the rule's place.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Other {
    /// `id@version`.
    plugin: String,
    digest: String,
    /// Who signed it; empty = nobody.
    publisher: String,
    /// Who installed it, or ended its time as the active one.
    by: String,
    since: Time,
    /// It runs beside the active one, and nobody is alarmed; null = it does not run.
    shadow: Option<Shadow>,
    /// Why its last shadow ended by itself; empty if none did.
    ended: String,
    /// It ran, and people went back from it.
    rolled_back: bool,
    /// Nobody signed it.
    unsigned: bool,
    /// Its publisher signed it without running its cases.
    untested: bool,
}

/// A component at work beside the active one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Shadow {
    since: Time,
    /// Ends by itself then; null = not by itself.
    until: Time,
    strikes: u64,
    last_strike: String,
    /// It has judged readings since it was loaded; before that it is promoted only where `despite` says why.
    judged: bool,
    /// By hazard; those that neither has claimed are missing.
    compared: Vec<Comparison>,
}

/// One hazard, as the active one and the shadow saw it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Comparison {
    hazard: String,
    /// Times that the active one claimed it, and the shadow too in that time; how long both did.
    agree: Stretches,
    /// Times that only the active one claimed it; how long it did alone.
    only_active: Stretches,
    /// Times that only the shadow claimed it; how long it did alone.
    only_shadow: Stretches,
    /// Stretches in which both claimed it, at different levels.
    severity: Stretches,
    /// How much later the shadow began, where they agreed; null = they never did.
    lead: Option<Lead>,
}

/// How much later than the active one the shadow began, seconds; negative = earlier.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Lead {
    least_s: f64,
    median_s: f64,
    greatest_s: f64,
}

/// How often danger was seen, and how long; counted as `backtest` does: a time is danger without a break, at whatever levels.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Stretches {
    times: u64,
    /// Together, seconds.
    seconds: f64,
    first: Time,
    last: Time,
}

/// One rule. `publishers`: who signed what the site file names, by rule.
pub fn rule(rule: &RuleRow, publishers: &BTreeMap<String, String>) -> Rule {
    let decision = |one: &Option<Decided>| {
        one.as_ref().map(|one| Decision {
            by: one.by.name.clone(),
            second: one.second.as_ref().map(|by| by.name.clone()),
            at: time(one.at),
            note: one.note.clone(),
            despite: one.despite.clone(),
            back: one.back,
        })
    };
    let Life { site, publisher, promoted, disabled, proposal, next, before } = &rule.life;
    // What the brain knows is who signed what people installed.
    let signed = |digest: &str, by: &str| {
        let named = publishers.get(&rule.name).filter(|_| by.is_empty() && digest == site.1);
        named.cloned().unwrap_or_else(|| by.to_owned())
    };
    let publisher = signed(&rule.digest, publisher);
    let other = |one: &Beside| other(one, signed(&one.digest, &one.publisher));
    Rule {
        name: rule.name.clone(),
        plugin: rule.plugin.clone(),
        digest: rule.digest.clone(),
        zone: rule.zone.clone(),
        stage: match (disabled.is_some(), rule.lost, rule.quarantined) {
            (true, ..) => Stage::Disabled,
            (false, true, _) => Stage::Lost,
            (false, false, true) => Stage::Quarantined,
            (false, false, false) => Stage::Active,
        },
        quarantined: rule.quarantined,
        returns_at: rule.returns_us.map(time),
        strikes: rule.strikes,
        last_strike: rule.last_strike.clone(),
        assessed_at: time(rule.assessed_us),
        consulted_at: time(rule.consulted_us),
        site_plugin: site.0.clone(),
        unsigned: publisher.is_empty(),
        untested: rule.untested,
        publisher,
        promoted: decision(promoted),
        disabled: decision(disabled),
        proposal: proposal.as_ref().map(|one| Proposed {
            what: one.what.into(),
            digest: one.digest.clone(),
            by: one.by.name.clone(),
            note: one.note.clone(),
            despite: one.despite.clone().unwrap_or_default(),
            until: time(one.until),
        }),
        next: next.as_ref().map(other),
        before: before.as_ref().map(other),
    }
}

fn other(one: &Beside, publisher: String) -> Other {
    let stretches = |span: Span| Stretches {
        times: span.times,
        seconds: span.us as f64 / 1e6,
        first: time(span.first),
        last: time(span.last),
    };
    let compared = |(hazard, seen): &(String, Compared)| Comparison {
        hazard: hazard.clone(),
        agree: stretches(seen.agree),
        only_active: stretches(seen.only_active),
        only_shadow: stretches(seen.only_shadow),
        severity: stretches(seen.severity),
        lead: seen.lead().map(|us| us.map(|us| us as f64 / 1e6)).map(|[least_s, median_s, greatest_s]| Lead {
            least_s,
            median_s,
            greatest_s,
        }),
    };
    Other {
        plugin: one.plugin.clone(),
        digest: one.digest.clone(),
        unsigned: publisher.is_empty(),
        untested: one.untested,
        publisher,
        by: one.by.clone(),
        since: time(one.since),
        ended: one.ended.clone(),
        rolled_back: one.rolled_back,
        shadow: one.shadow.as_ref().map(|shadow| Shadow {
            since: time(shadow.since),
            until: time(shadow.until),
            strikes: shadow.strikes,
            last_strike: shadow.last_strike.clone(),
            judged: shadow.judged,
            compared: shadow.hazards.iter().map(compared).collect(),
        }),
    }
}

/// A step that may take two persons.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The installed one becomes the active one.
    Promote,
    /// The one that ran before becomes the active one.
    RollBack,
    /// Nothing runs in the rule's place.
    Disable,
}

impl From<Grave> for What {
    fn from(what: Grave) -> What {
        match what {
            Grave::Promote => What::Promote,
            Grave::RollBack => What::RollBack,
            Grave::Disable => What::Disable,
        }
    }
}

/// What shall become of a rule. `digest` is the component that the person has seen: where another one stands there now, nothing is done.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "step", deny_unknown_fields)]
pub enum StepAsked {
    /// Run the installed one, or the one that ran before, beside the active one.
    Shadow {
        /// Which component.
        digest: String,
        /// In the person's words.
        #[serde(default, deserialize_with = "words")]
        #[schemars(length(max = 2000))]
        note: String,
    },
    /// Give the installed one up.
    Withdraw {
        /// Which component.
        digest: String,
        /// In the person's words.
        #[serde(default, deserialize_with = "words")]
        #[schemars(length(max = 2000))]
        note: String,
    },
    /// The installed one becomes the active one. It must run as a shadow and have judged readings as one, or `despite` says why it shall be promoted all the
    /// same.
    Promote {
        /// Which component.
        digest: String,
        /// In the person's words.
        #[serde(default, deserialize_with = "words")]
        #[schemars(length(max = 2000))]
        note: String,
        /// Why, although it does not run as a shadow, as it never did or was thrown out, or has judged nothing yet.
        #[serde(default, deserialize_with = "words")]
        #[schemars(length(max = 2000))]
        despite: String,
    },
    /// The one that ran before becomes the active one. Where people rolled back from it, `despite` says why it shall come back.
    RollBack {
        /// Which component.
        digest: String,
        /// Why, although people rolled back from it.
        #[serde(default, deserialize_with = "words")]
        #[schemars(length(max = 2000))]
        despite: String,
        /// In the person's words.
        #[serde(default, deserialize_with = "words")]
        #[schemars(length(max = 2000))]
        note: String,
    },
    /// Take the rule out of use: an alarm says so for as long as it lasts.
    Disable {
        /// The component that runs.
        digest: String,
        /// Why; needed.
        #[serde(default, deserialize_with = "words")]
        #[schemars(length(max = 2000))]
        note: String,
    },
    /// Put it back to work.
    Enable,
    /// Do what another person proposed.
    Approve {
        /// As proposed.
        what: What,
        /// As proposed.
        digest: String,
    },
}

impl From<StepAsked> for Step {
    fn from(asked: StepAsked) -> Step {
        match asked {
            StepAsked::Shadow { digest, note } => Step::Shadow { digest, note },
            StepAsked::Withdraw { digest, note } => Step::Withdraw { digest, note },
            StepAsked::Promote { digest, note, despite } => {
                Step::Grave { what: Grave::Promote, digest, note, despite: Some(despite) }
            }
            StepAsked::RollBack { digest, note, despite } => {
                Step::Grave { what: Grave::RollBack, digest, note, despite: Some(despite) }
            }
            StepAsked::Disable { digest, note } => Step::Grave { what: Grave::Disable, digest, note, despite: None },
            StepAsked::Enable => Step::Enable,
            StepAsked::Approve { what, digest } => {
                let what = match what {
                    What::Promote => Grave::Promote,
                    What::RollBack => Grave::RollBack,
                    What::Disable => Grave::Disable,
                };
                Step::Approve { what, digest }
            }
        }
    }
}

pub(super) async fn step(
    State(console): Shared,
    command: Command,
    Path(rule): Path<String>,
    Sent(asked): Sent<StepAsked>,
) -> Answer<Done> {
    act(&console, command, Act::Rule { rule, step: asked.into() }).await
}

/// Takes the bytes of a bundle. Answered once it has passed admission and is on disk.
pub(super) async fn install(
    State(console): Shared,
    Command { key, by, .. }: Command,
    Path(rule): Path<String>,
    request: Request,
) -> Answer<Done> {
    let bundle = arrived(request, BUNDLE_ARRIVES).await?.to_vec();
    if bundle.is_empty() {
        return Err(Problem::new(Code::Body, format!("no bytes: send the bundle itself as the body, at most {BUNDLE_MAX}")));
    }
    let admitted = console.ask(|reply| Ask::Install { rule, bundle, command: key, by, reply }).await?;
    let refused = |reasons: Vec<String>| Problem::new(Code::Bundle, reasons.join("\n")).with("reasons", reasons);
    let seq = admitted.map_err(refused)??;
    Ok(Json(Done { seq: seq.to_string() }))
}
