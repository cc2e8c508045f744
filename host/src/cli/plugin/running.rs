//! The `plugin` commands that speak to a running daemon: what runs in the place of each rule, and the steps from one component to another.
//! Owns: the requests, and what people read. Must not know: how a step is decided; it asks the API as everybody does.

use crate::rules::{self, visible};
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use reqwest::{Certificate, Client, Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest answer: an interpreted rule compiles for half a minute.
const ANSWER_MAX: Duration = Duration::from_secs(300);
/// How often, and how many times, it is looked whether what was done is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(100);
const SHOWN_WITHIN: usize = 50;

/// Which daemon, and in whose name.
#[derive(Debug, Args)]
pub(super) struct To {
    /// Where the console listens
    #[arg(long, value_name = "URL", env = "SAFETY_BRAIN_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// File with your token: the steps are on record in your name
    #[arg(long, value_name = "FILE", env = "SAFETY_BRAIN_TOKEN_FILE")]
    token_file: PathBuf,
    /// Certificate of the console's authority, PEM, where the system does not know it
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// A rule of the running plant.
#[derive(Debug, Args)]
pub(super) struct Of {
    /// Name of the [[rule]]
    rule: String,
    #[command(flatten)]
    to: To,
}

/// A step that names the component it is about.
#[derive(Debug, Args)]
pub(super) struct About {
    #[command(flatten)]
    of: Of,
    /// Only if this component stands there; without it, the one that stands there now
    #[arg(long, value_name = "sha256:HEX")]
    digest: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "WHY")]
    note: Option<String>,
}

/// A promotion, or the way back.
#[derive(Debug, Args)]
pub(super) struct Change {
    #[command(flatten)]
    about: About,
    /// Although it does not run as a shadow, has judged no reading as one, or is one from which people rolled back. Why, for the record
    #[arg(long, value_name = "WHY", value_parser = NonEmptyStringValueParser::new())]
    despite: Option<String>,
}

/// A step that is never taken without a reason.
#[derive(Debug, Args)]
pub(super) struct Reasoned {
    #[command(flatten)]
    of: Of,
    /// Only if this component runs there; without it, the one that runs now
    #[arg(long, value_name = "sha256:HEX")]
    digest: Option<String>,
    /// Why, for the record and in the alarm
    #[arg(long, value_name = "WHY", value_parser = NonEmptyStringValueParser::new())]
    note: String,
}

/// What waits for a second person.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum What {
    /// The installed one shall run
    Promote,
    /// The one that ran before shall run
    #[value(name = ROLLBACK, alias = "roll-back")]
    Rollback,
    /// Nothing shall run
    Disable,
}

/// What the step back is called here; the API and the record say `roll_back`.
const ROLLBACK: &str = "rollback";

/// Where in a rule of the list the component stands that a step is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Installed.
    Next,
    /// Ran before.
    Before,
    /// Runs.
    Active,
}

/// Prints every rule and what may run in its place.
pub(super) fn list(to: &To, as_json: bool) -> Result<()> {
    super::super::work(async {
        let rules = Daemon::of(to)?.rules().await?;
        match as_json {
            true => println!("{:#}", Value::Array(rules)),
            false => rules.iter().for_each(|rule| print!("{}", text(rule))),
        }
        Ok(())
    })
}

/// Sends a bundle.
pub(super) fn install(of: &Of, file: &Path) -> Result<()> {
    ensure!(file.is_file(), "{} is no file: name the bundle, ID-VERSION.sbrule, that its publisher signed", file.display());
    let bundle = rules::read(file)?;
    let read = rules::bundle::Bundle::read(&bundle).ok();
    // Whether that key is believed is for the plant to say; that it was changed since is known here.
    if let Some(read) = &read {
        read.verify(&read.manifest.publisher).with_context(|| file.display().to_string())?;
    }
    let manifest = read.map(|bundle| bundle.manifest);
    if manifest.as_ref().is_some_and(|manifest| manifest.untested) {
        eprintln!("warning: {}: {}", file.display(), rules::bundle::UNTESTED);
    }
    let digest = manifest.map(|manifest| manifest.digest).unwrap_or_default();
    super::super::work(async {
        let daemon = Daemon::of(&of.to)?;
        let before = daemon.rule(&of.rule).await?;
        if let Some(stands) = stands_already(&before, &digest) {
            bail!("{}: {stands}", file.display());
        }
        daemon.post(&of.rule, "install", bundle, "application/octet-stream").await.with_context(|| file.display().to_string())?;
        daemon.show(&of.rule, &before).await
    })
}

/// How the one that ran before comes back.
fn back(name: &str, before: &Value) -> String {
    match before["rolled_back"] == true {
        true => format!("people rolled back from it, `plugin rollback {name} --despite \"why\"`"),
        false => format!("`plugin rollback {name}`"),
    }
}

/// Digest of the component in this place of a rule.
fn stands(rule: &Value, place: Place) -> Result<&str> {
    let (name, nothing) = (rule["name"].as_str().unwrap_or_default(), "nothing is installed beside what runs");
    let (at, missing) = match (place, rule["before"]["plugin"].as_str()) {
        (Place::Next, Some(before)) => (
            &rule["next"]["digest"],
            format!(
                "{nothing}; {before} stands as the one that ran before: {}, or `plugin install` another",
                back(name, &rule["before"])
            ),
        ),
        (Place::Next, None) => (&rule["next"]["digest"], format!("{nothing}: `plugin install` first")),
        (Place::Before, _) => (&rule["before"]["digest"], "nothing ran before what runs now".to_owned()),
        (Place::Active, _) => (&rule["digest"], "nothing runs".to_owned()),
    };
    at.as_str().with_context(|| format!("{name}: {missing}"))
}

/// A digest that no component of the rule has is a slip of the pen, and not one that another has taken the place of.
fn is_there(rule: &Value, digest: &str) -> Result<()> {
    let all = [("runs", rule), ("is installed", &rule["next"]), ("ran before", &rule["before"])];
    let there = || all.iter().filter_map(|(how, one)| Some((*how, one["plugin"].as_str()?, one["digest"].as_str()?)));
    let told = || there().map(|(how, plugin, digest)| format!("{plugin} {digest} {how}")).collect::<Vec<_>>().join(", ");
    ensure!(
        there().any(|(.., known)| known == digest),
        "{}: no version with the digest {digest:?} is installed here; {}; `plugin list` shows them",
        rule["name"].as_str().unwrap_or_default(),
        told()
    );
    Ok(())
}

/// Where this component stands in the rule already, and what can be done with it there.
fn stands_already(rule: &Value, digest: &str) -> Option<String> {
    let (name, is) = (rule["name"].as_str().unwrap_or_default(), |place: &Value| place["digest"] == digest);
    let plugin = |place: &Value| place["plugin"].as_str().unwrap_or_default().to_owned();
    if is(rule) {
        Some(format!("already: {} ({}) is what runs in {name}", plugin(rule), signed(rule)))
    } else if is(&rule["next"]) {
        let next = &rule["next"];
        Some(format!(
            "already: {} ({}) is installed in {name}: `plugin shadow {name}`, or `plugin withdraw {name}` first, where this file shall stand in its place",
            plugin(next),
            signed(next)
        ))
    } else if is(&rule["before"]) {
        let before = &rule["before"];
        Some(format!(
            "already: {} ({}) stands as the one that ran before: {}",
            plugin(before),
            signed(before),
            back(name, before)
        ))
    } else {
        None
    }
}

/// Takes a step that is about the component in this place.
pub(super) fn step(about: &About, step: &str, place: Place) -> Result<()> {
    let About { of, digest, note } = about;
    taken(of, digest.as_deref(), place, json!({"step": step, "note": note.clone().unwrap_or_default()}))
}

/// Another one shall run.
pub(super) fn change(change: &Change, step: &str, place: Place) -> Result<()> {
    let Change { about: About { of, digest, note }, despite } = change;
    let words = |words: &Option<String>| words.clone().unwrap_or_default();
    taken(of, digest.as_deref(), place, json!({"step": step, "note": words(note), "despite": words(despite)}))
}

/// Nothing shall run.
pub(super) fn disable(reasoned: &Reasoned) -> Result<()> {
    let Reasoned { of, digest, note } = reasoned;
    taken(of, digest.as_deref(), Place::Active, json!({"step": "disable", "note": note}))
}

fn taken(of: &Of, digest: Option<&str>, place: Place, mut body: Value) -> Result<()> {
    super::super::work(async {
        let daemon = Daemon::of(&of.to)?;
        let rule = daemon.rule(&of.rule).await?;
        // Where nothing stands, no digest would do.
        let stands = stands(&rule, place)?;
        digest.map_or(Ok(()), |digest| is_there(&rule, digest))?;
        body["digest"] = json!(digest.unwrap_or(stands));
        daemon.step(&of.rule, &body).await
    })
}

/// Puts a quarantined rule back to work.
pub(super) fn release(of: &Of) -> Result<()> {
    super::super::work(async {
        let daemon = Daemon::of(&of.to)?;
        let before = daemon.rule(&of.rule).await?;
        ensure!(
            before["quarantined"] == true,
            "{}: it is not in quarantine, so there is nothing to release; `plugin list` shows how it stands",
            of.rule
        );
        daemon.post(&of.rule, "release", b"{}".to_vec(), "application/json").await?;
        daemon.show(&of.rule, &before).await
    })
}

/// Puts a disabled rule back to work.
pub(super) fn enable(of: &Of) -> Result<()> {
    super::super::work(async { Daemon::of(&of.to)?.step(&of.rule, &json!({"step": "enable"})).await })
}

/// Agrees to what another person proposed: to this step and this component, and to no other.
pub(super) fn approve(of: &Of, what: What, digest: Option<&str>) -> Result<()> {
    let word = match what {
        What::Promote => "promote",
        What::Rollback => "roll_back",
        What::Disable => "disable",
    };
    super::super::work(async {
        let daemon = Daemon::of(&of.to)?;
        let rule = daemon.rule(&of.rule).await?;
        digest.map_or(Ok(()), |digest| is_there(&rule, digest))?;
        let proposed = rule["proposal"]["digest"].as_str();
        let Some(digest) = digest.or(proposed) else {
            bail!("{}: no step waits for approval; `plugin list` shows what does", of.rule)
        };
        daemon.step(&of.rule, &json!({"step": "approve", "what": word, "digest": digest})).await
    })
}

/// The API of a daemon, for one person.
struct Daemon {
    client: Client,
    url: String,
    token: String,
    token_file: PathBuf,
}

impl Daemon {
    fn of(to: &To) -> Result<Daemon> {
        let place = || format!("{} cannot be read: it must hold the token of a person of the site file", to.token_file.display());
        let token = std::fs::read_to_string(&to.token_file).with_context(place)?.trim().to_owned();
        ensure!(!token.is_empty(), "{} is empty: it must hold the token of a person of the site file", to.token_file.display());
        // No redirects and no proxy: the token goes to that console or nowhere.
        let mut client = Client::builder().timeout(ANSWER_MAX).redirect(reqwest::redirect::Policy::none()).no_proxy();
        if let Some(ca) = &to.ca {
            let place = || format!("{} holds no certificate as PEM", ca.display());
            client =
                client.tls_certs_only(Certificate::from_pem_bundle(&std::fs::read(ca).with_context(place)?).with_context(place)?);
        } else if to.url.starts_with("http://") {
            client = client.tls_certs_only([]);
        }
        // A second provider in the process is nobody's fault here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Daemon {
            client: client.build()?,
            url: to.url.trim_end_matches('/').to_owned(),
            token,
            token_file: to.token_file.clone(),
        })
    }

    async fn ask(&self, method: Method, path: &str, body: Vec<u8>, kind: &str) -> Result<Value> {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        let sent = request.header("content-type", kind).body(body).send().await;
        let response = sent.map_err(|error| match error.is_builder() {
            true => anyhow!("--url {:?} is no address of a console; for example http://127.0.0.1:8080", self.url),
            false => anyhow!(error).context(format!("{} does not answer: is the daemon running, and is --url right?", self.url)),
        })?;
        let status = response.status();
        let answer = json_of(response).await?;
        if status.is_success() {
            return Ok(answer);
        }
        ensure!(
            status != StatusCode::UNAUTHORIZED,
            "{} does not know the token in {}: it must be that of a [[person]] of that plant's site file, whose hash stands there as token_sha256",
            self.url,
            self.token_file.display()
        );
        bail!("{}", refused(answer["code"].as_str().unwrap_or(status.as_str()), &answer))
    }

    async fn rules(&self) -> Result<Vec<Value>> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let mut page = self.ask(Method::GET, &format!("/api/v1/rules{after}"), vec![], "application/json").await?;
            all.append(page["items"].as_array_mut().context("something else than a console answers there")?);
            match page["next"].as_str() {
                Some(next) => after = format!("?after={next}"),
                None => return Ok(all),
            }
        }
    }

    async fn rule(&self, name: &str) -> Result<Value> {
        let all = self.rules().await?;
        let names = || all.iter().filter_map(|rule| rule["name"].as_str()).collect::<Vec<_>>().join(", ");
        all.iter()
            .find(|rule| rule["name"] == name)
            .cloned()
            .with_context(|| format!("no rule {name:?} runs there; there are: {}", names()))
    }

    async fn post(&self, rule: &str, route: &str, body: Vec<u8>, kind: &str) -> Result<Value> {
        let name = percent_encoding::utf8_percent_encode(rule, percent_encoding::NON_ALPHANUMERIC);
        self.ask(Method::POST, &format!("/api/v1/rules/{name}/{route}"), body, kind).await
    }

    async fn step(&self, rule: &str, body: &Value) -> Result<()> {
        let before = self.rule(rule).await?;
        match self.post(rule, "step", body.to_string().into_bytes(), "application/json").await {
            Ok(_) => self.show(rule, &before).await,
            // Not done yet, and not refused.
            Err(error) if error.to_string().starts_with("proposed:") => {
                println!("{error:#}");
                self.show(rule, &before).await
            }
            Err(error) => Err(error.context(rule.to_owned())),
        }
    }

    /// As it stands now: what the API shows is a moment behind the record.
    async fn show(&self, rule: &str, before: &Value) -> Result<()> {
        let parts = |rule: &Value| {
            let paths = [
                "/digest",
                "/stage",
                "/promoted",
                "/next/digest",
                "/next/shadow/since",
                "/before/digest",
                "/before/shadow/since",
                "/proposal/until",
            ];
            paths.map(|path| rule.pointer(path).cloned())
        };
        for _ in 0..SHOWN_WITHIN {
            let now = self.rule(rule).await?;
            if parts(&now) != parts(before) {
                print!("{}", text(&now));
                return Ok(());
            }
            tokio::time::sleep(SHOWN_EVERY).await;
        }
        println!("{rule}: done, and on record; `plugin list` will show it");
        Ok(())
    }
}

/// A refusal for people, said once. Codes and fields are those of the API.
fn refused(code: &str, answer: &Value) -> String {
    let detail = answer["detail"].as_str().unwrap_or_default();
    let missing = match answer["missing"].as_str().filter(|_| code == "not_yet") {
        Some("second_person") => "it takes another person than the one who proposed it",
        Some("proposal") => "no such step waits for approval; `plugin list` shows what does",
        Some("enable") => "the rule is disabled: `plugin enable` first",
        Some("release") => "the rule is in quarantine, not disabled: `plugin release` puts it back to work",
        Some("same_inputs") => "it must take the same inputs in the same order as the one that runs",
        Some("note") => "say why: `--note`",
        Some("despite") => {
            "people rolled back from it: `plugin rollback --despite \"why\"` if it shall run again all the same; `plugin list` shows what runs now"
        }
        Some("judged") => {
            "its shadow has judged no reading since it was loaded, so nobody knows how it does here: wait until `plugin list` says that it has, or \
             `plugin promote --despite \"why\"`"
        }
        Some(_) | None => "",
    };
    match (code, missing) {
        ("untried", _) => format!("{detail}: `plugin shadow`, or `plugin promote --despite \"why\"`"),
        (_, "") if detail.starts_with(&code.replace('_', " ")) => detail.to_owned(),
        (_, "") => format!("{code}: {detail}"),
        (_, missing) => missing.to_owned(),
    }
}

async fn json_of(response: Response) -> Result<Value> {
    let (status, bytes) = (response.status(), response.bytes().await?);
    serde_json::from_slice(&bytes).with_context(|| format!("HTTP {status}: something else than a console answers there"))
}

/// The same without what could look like a line of this program: people wrote some of it.
fn seen(value: &Value) -> Value {
    match value {
        Value::String(text) => visible(text).into(),
        Value::Array(items) => items.iter().map(seen).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), seen(value))).collect::<Map<_, _>>().into(),
        plain => plain.clone(),
    }
}

/// A rule for people.
fn text(rule: &Value) -> String {
    let rule = &seen(rule);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let [name, plugin, digest, stage] = ["name", "plugin", "digest", "stage"].map(|key| word(&rule[key]));
    let mut text = format!("{name}: {plugin} {digest}, {}, {stage}\n", signed(rule));
    if rule["quarantined"] == true {
        let (strikes, last) = (many(&rule["strikes"], "strike"), word(&rule["last_strike"]));
        let returns = rule["returns_at"].as_str().map(|at| format!("returns by itself once, at {at}; ")).unwrap_or_default();
        text += &format!(
            "  in quarantine after {strikes}, the last: {last}; {returns}`plugin release {name}` puts it back to work\n"
        );
    }
    if stage == "lost" {
        text += "  its component could not be loaded: an alarm of this rule says why; what mends it is taken up at the next start of the program\n";
    }
    let promoted = if rule["promoted"]["back"] == true { "rolled back to" } else { "promoted" };
    for (key, what) in [("promoted", promoted), ("disabled", "disabled")] {
        let one = &rule[key];
        if one.is_object() {
            let second = one["second"].as_str().map(|by| format!(", approved by {by}")).unwrap_or_default();
            let despite = one["despite"].as_str().filter(|why| !why.is_empty());
            let despite = despite.map(|why| format!("; all the same, because: {why}")).unwrap_or_default();
            text +=
                &format!("  {what} by {}{second} at {} {}{despite}\n", word(&one["by"]), word(&one["at"]), word(&one["note"]));
        }
    }
    for (key, what) in [("next", "installed"), ("before", "ran before")] {
        let one = &rule[key];
        if one.is_object() {
            let back =
                if one["rolled_back"] == true { format!(", rolled back at {}", word(&one["since"])) } else { String::new() };
            let [plugin, digest, by] = ["plugin", "digest", "by"].map(|key| word(&one[key]));
            text += &format!("  {what}: {plugin} {digest}, {}, by {by}{back}{}\n", signed(one), shadow(one, key == "next"));
        }
    }
    let proposal = &rule["proposal"];
    if proposal.is_object() {
        let (by, until) = (word(&proposal["by"]), word(&proposal["until"]));
        let what = proposal["what"].as_str().map_or("", |what| if what == "roll_back" { ROLLBACK } else { what });
        text += &format!("  waits for a second person until {until}: {what} {}, proposed by {by}\n", word(&proposal["digest"]));
    }
    text
}

/// How much the active one was earlier, where they agreed.
fn lead(lead: &Value) -> String {
    let [least, median, greatest] = ["least_s", "median_s", "greatest_s"].map(|key| lead[key].as_f64());
    match (least, median, greatest) {
        (Some(least), Some(median), Some(greatest)) => {
            format!("; active before shadow by {median:.1} s (median; {least:.1} s to {greatest:.1} s)")
        }
        _ => String::new(),
    }
}

/// Who vouches for a component.
fn signed(one: &Value) -> String {
    match one["publisher"].as_str().filter(|by| !by.is_empty()) {
        Some(by) if one["untested"] == true => format!("signed by {by}, UNTESTED"),
        Some(by) => format!("signed by {by}"),
        None => "UNSIGNED".to_owned(),
    }
}

/// A count of the API, with its word.
fn many(count: &Value, what: &str) -> String {
    super::counted(count.as_u64().unwrap_or_default() as usize, what)
}

fn shadow(one: &Value, is_next: bool) -> String {
    let shadow = &one["shadow"];
    if !shadow.is_object() {
        let ended = one["ended"].as_str().unwrap_or_default();
        return if ended.is_empty() { String::new() } else { format!("; its shadow ended: {ended}") };
    }
    let judged = match shadow["judged"] == true {
        _ if !is_next => "",
        true => "has judged readings, ",
        false => "has judged no reading since it was loaded, ",
    };
    let since = shadow["since"].as_str().unwrap_or_default();
    let mut text = format!("; shadow since {since}, {judged}{}", many(&shadow["strikes"], "strike"));
    for row in shadow["compared"].as_array().into_iter().flatten() {
        let part = |key: &str| {
            format!("{}, {:.1} s", many(&row[key]["times"], "time"), row[key]["seconds"].as_f64().unwrap_or_default())
        };
        text += &format!(
            "\n    {}: agree {}; only active {}; only shadow {}; other level {:.1} s{}",
            row["hazard"].as_str().unwrap_or_default(),
            part("agree"),
            part("only_active"),
            part("only_shadow"),
            row["severity"]["seconds"].as_f64().unwrap_or_default(),
            lead(&row["lead"])
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_does_not_look_like_a_line_of_the_list() {
        let promoted = json!({"by": "one", "at": "now", "note": "well\nheat: hot@9.9.9, signed by acme, active\r\u{1b}[2K"});
        let rule = json!({"name": "heat", "plugin": "hot@1.0.0", "digest": "sha256:1", "stage": "lost", "promoted": promoted});
        let text = text(&rule);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0] == "heat: hot@1.0.0 sha256:1, UNSIGNED, lost" && lines[1].contains("could not be loaded"), "{text}");
        assert!(lines[2].starts_with("  promoted by one at now well heat: hot@9.9.9"), "{text}");
    }
}
