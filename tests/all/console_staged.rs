//! The console before a real brain: pages of lists, refusals with what stands now, stations, sessions, trends, the description, and what a view costs.

use crate::contract::Contract;
use crate::stage::{CALM, DANGER, Stage, plant};
use brain::calendar::{Roster, Shift, Window};
use brain::{Brain, Event, Micros, Quality, Reading, TagId};
use reqwest::header::{COOKIE, SET_COOKIE};
use safety_brain::console::{Facts, View};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Caller<'s> {
    stage: &'s Stage,
    http: reqwest::Client,
}

impl Caller<'_> {
    fn of(stage: &Stage) -> Caller<'_> {
        Caller { stage, http: reqwest::Client::new() }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.stage.address)).timeout(Duration::from_secs(30))
    }

    /// As the lead.
    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.request(method, path).bearer_auth("lead-of-the-stage");
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind.contains("problem"), status >= 400, "{method} {path}: {status} is {kind}");
        (status, answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call("get", path, Value::Null).await
    }

    /// Every row of a list, page by page.
    async fn all(&self, path: &str, cursor: &str, limit: usize, from: Option<&str>) -> Vec<Value> {
        let (mut rows, mut next) = (Vec::new(), from.map(|at| format!("&{cursor}={at}")).unwrap_or_default());
        loop {
            let (status, page) = self.get(&format!("{path}limit={limit}{next}")).await;
            assert_eq!(status, 200, "{path}: {page}");
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{path}: {} rows where {limit} were asked for", items.len());
            rows.extend(items.iter().cloned());
            match page["next"].as_str() {
                Some(at) => next = format!("&{cursor}={at}"),
                None => return rows,
            }
        }
    }
}

fn names(rows: &[Value], field: &str) -> BTreeSet<String> {
    rows.iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_lists_hide_nothing() {
    let stage = Stage::open(1_500);
    {
        let mut actors = stage.actors();
        actors.read(0..1_500, DANGER);
        (0..1_200).for_each(|_| drop(actors.step(brain::Event::Tick)));
        actors.publish();
    }
    let caller = Caller::of(&stage);
    for (path, cursor, field, rows) in [
        ("/api/v1/alarms?", "before", "id", 1_500),
        ("/api/v1/alarms?state=active&", "before", "id", 1_500),
        ("/api/v1/alarms?state=all&", "before", "id", 1_500),
        ("/api/v1/tags?", "after", "name", 1_500),
        ("/api/v1/notices?", "before", "id", 3_000),
        ("/api/v1/events?", "after", "seq", 1_203),
        ("/api/v1/zones?", "after", "name", 1),
        ("/api/v1/links?", "after", "name", 1),
        ("/api/v1/rules?", "after", "name", 0),
    ] {
        for limit in [97, 1_000] {
            let all = caller.all(path, cursor, limit, None).await;
            assert_eq!((all.len(), names(&all, field).len()), (rows, rows), "{path} by {limit}");
        }
        let (_, page) = caller.get(path).await;
        let shown = page["items"].as_array().unwrap().len();
        assert_eq!(page["next"].is_null(), shown == rows, "{path}: {shown} rows of {rows} without a word of more");
        let (status, problem) = caller.get(&format!("{path}{cursor}=x")).await;
        assert!(matches!(problem["code"].as_str(), Some("cursor" | "query")) && status >= 400, "{path}: {status} {problem}");
    }
    for (path, total) in [("/api/v1/alarms?limit=3", 1_500), ("/api/v1/tags?limit=3", 1_500), ("/api/v1/notices?limit=3", 3_000)]
    {
        assert_eq!(caller.get(path).await.1["total"], total, "{path}");
    }
    // What was received waits no more.
    assert_eq!(caller.all("/api/v1/notices?waiting=true&", "before", 97, None).await.len(), 3_000);
    stage.actors().told("crew", |notice| brain::Event::Receipt { notice, code: "200".into(), accepted: false });
    stage.actors().publish();
    for limit in [97, 1_000] {
        let waiting = caller.all("/api/v1/notices?waiting=true&", "before", limit, None).await;
        assert_eq!((waiting.len(), names(&waiting, "id").len()), (1_500, 1_500), "by {limit}");
        assert!(waiting.iter().all(|notice| notice["audience"] == "bureau" && notice["waiting"] == true));
    }
    assert_eq!(caller.get("/api/v1/notices?waiting=true&limit=3").await.1["total"], 1_500);
    let order = caller.all("/api/v1/alarms?", "before", 1_000, None).await;
    let levels: Vec<&str> = order.iter().map(|alarm| alarm["severity"].as_str().unwrap()).collect();
    let expected: Vec<&str> = ["red", "orange", "yellow", "blue"].iter().flat_map(|level| [*level; 375]).collect();
    assert_eq!(levels, expected, "the most urgent first");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_pages_of_alarms_stay_right_while_alarms_come_and_go() {
    let stage = Stage::open(80);
    stage.actors().read(0..40, DANGER);
    stage.actors().publish();
    let caller = Caller::of(&stage);
    let (_, first) = caller.get("/api/v1/alarms?limit=10").await;
    let before = names(first["items"].as_array().unwrap(), "id");
    // Ten more red ones come, and one that was seen already is taken: it goes to the end.
    stage.actors().read(40..80, DANGER);
    stage.actors().publish();
    let taken = first["items"][0]["id"].as_str().unwrap();
    assert_eq!(caller.call("post", &format!("/api/v1/alarms/{taken}/acknowledge"), json!({})).await.0, 200);
    let rest = caller.all("/api/v1/alarms?", "before", 10, first["next"].as_str()).await;
    let seen: BTreeSet<String> = before.union(&names(&rest, "id")).cloned().collect();
    let of_the_first_forty = (1..=40).map(|id| id.to_string()).filter(|id| seen.contains(id)).count();
    assert_eq!(of_the_first_forty, 40, "none that stood at the beginning is missed");
    assert_eq!(caller.get("/api/v1/alarms?limit=1").await.1["total"], 80, "and the total tells of those that came above");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_what_has_cleared_stands_below_what_is_active() {
    let stage = Stage::open(8);
    stage.actors().read(0..8, DANGER);
    stage.actors().read(6..8, CALM);
    stage.actors().publish();
    let caller = Caller::of(&stage);
    // By ones, so that the cursor is proved too. T2 and T6 are orange, T3 and T7 red; the later ones have cleared.
    let rows = caller.all("/api/v1/alarms?", "before", 1, None).await;
    let order: Vec<&str> = rows.iter().map(|alarm| alarm["object"].as_str().unwrap()).collect();
    assert_eq!(order[..4], ["T3", "T7", "T2", "T6"], "{rows:#?}");
    stage.close().await;
}

#[test]
fn console_health_says_whether_the_bureau_hears() {
    const SECOND: Micros = 1_000_000;
    let mut brain = Brain::new(plant(8));
    let mut view = View::default();
    let mut at = |at: Micros, events: &[Event]| {
        events.iter().for_each(|event| drop(brain.step(at * SECOND, event)));
        view = View::of(&brain, &view, Facts { durable: 0, health: vec![] });
        let part = view.health.iter().find(|part| part.name == "notices").unwrap().clone();
        let last = view.notices.values().rev().find(|row| row.notice.bureau).map(|row| row.notice.id);
        (part.ok, part.detail, last)
    };
    let names = (0..8).map(|n| format!("T{n}")).collect();
    let danger = |n, at| Event::Readings {
        readings: vec![Reading { tag: TagId(n), value: DANGER, quality: Quality::GOOD, source_us: at * SECOND }],
    };
    let (ok, ..) = at(1, &[Event::started(names)]);
    assert!(ok, "nothing to tell");
    let (ok, _, first) = at(2, &[danger(2, 2)]);
    assert!(ok && first.is_some(), "just made");
    let first = first.unwrap();
    let failed = |detail: &str, rejected| Event::Undelivered { notice: first, detail: detail.into(), rejected };
    let (ok, detail, _) = at(64, &[failed("Too many open files", false), Event::Tick]);
    assert!(!ok && detail.contains("no receipt for 62 s: Too many open files"), "{detail}");
    let (ok, detail, _) = at(65, &[failed("HTTP 400", true)]);
    assert!(!ok && detail.contains("refused") && detail.contains("HTTP 400"), "{detail}");
    let (ok, _, second) = at(66, &[danger(3, 66)]);
    assert!(!ok && second != Some(first), "one more on its way mends nothing");
    let (ok, detail, _) = at(67, &[Event::Receipt { notice: second.unwrap(), code: "200".into(), accepted: false }]);
    assert!(ok, "one that was made later and taken does: {detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_refusals_say_what_stands_now_and_what_is_missing() {
    let stage = Stage::open(4);
    stage.actors().read(0..4, DANGER);
    stage.actors().publish();
    let caller = Caller::of(&stage);
    let (_, list) = caller.get("/api/v1/alarms").await;
    let red = list["items"][0]["id"].as_str().unwrap().to_owned();
    let of = |verb: &str| format!("/api/v1/alarms/{red}/{verb}");
    for (path, body, expected) in [
        (
            of("acknowledge"),
            json!({"severity": "blue"}),
            json!({"status": 409, "code": "moved", "severity": "red", "occurrence": 1}),
        ),
        (
            of("acknowledge"),
            json!({"occurrence": 0}),
            json!({"status": 409, "code": "moved", "severity": "red", "occurrence": 1}),
        ),
        (of("close"), json!({"note": "x"}), json!({"status": 409, "code": "not_yet", "missing": "cleared"})),
        (of("handle"), json!({"note": ""}), json!({"status": 409, "code": "not_yet", "missing": "note"})),
        (of("acknowledge"), json!({"severity": "red", "occurrence": 1}), json!({"seq": "4"})),
        (of("acknowledge"), json!({}), json!({"status": 409, "code": "already"})),
        ("/api/v1/alarms/99/acknowledge".into(), json!({}), json!({"status": 404, "code": "unknown"})),
        ("/api/v1/rules/none/release".into(), json!({}), json!({"status": 404, "code": "unknown"})),
        (of("acknowledge"), json!({"note": "x".repeat(300_000)}), json!({"status": 413, "code": "too_large"})),
        ("/api/v1/nothing".into(), json!({}), json!({"status": 404, "code": "route"})),
        ("/api/v1/tags".into(), json!({}), json!({"status": 405, "code": "method"})),
    ] {
        let (_, answer) = caller.call("post", &path, body.clone()).await;
        for (field, value) in expected.as_object().unwrap() {
            if field != "seq" {
                assert_eq!(&answer[field], value, "{path} {body}: {answer}");
            } else {
                assert!(answer["seq"].is_string(), "{path} {body}: {answer}");
            }
        }
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_a_command_says_where_it_came_from() {
    let stage = Stage::open(4);
    stage.actors().read(0..4, DANGER);
    stage.actors().publish();
    let caller = Caller::of(&stage);
    for (alarm, name, station) in [("1", None, "127.0.0.1"), ("2", Some("%E4%B8%9C%E9%97%A8%E5%B2%97"), "东门岗 (127.0.0.1)")]
    {
        let mut request = caller.request("post", &format!("/api/v1/alarms/{alarm}/acknowledge")).bearer_auth("lead-of-the-stage");
        if let Some(name) = name {
            request = request.header("safety-brain-station", name);
        }
        assert_eq!(request.body("{}").send().await.unwrap().status(), 200);
        let (_, detail) = caller.get(&format!("/api/v1/alarms/{alarm}")).await;
        assert_eq!(detail["acknowledgement"]["station"], station);
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_a_session_is_no_token_and_ends_at_sign_out() {
    let stage = Stage::open(1);
    let caller = Caller::of(&stage);
    let refused = caller.request("post", "/api/v1/session").body(json!({"token": "nobody"}).to_string()).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key(SET_COOKIE)), (401, false));
    let sign_in = || async {
        let answer = caller
            .request("post", "/api/v1/session")
            .body(json!({"token": "lead-of-the-stage"}).to_string())
            .send()
            .await
            .unwrap();
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        assert_eq!(answer.json::<Value>().await.unwrap()["name"], "a lead");
        cookie
    };
    let cookie = sign_in().await;
    let (pair, rest) = cookie.split_once("; ").unwrap();
    assert_eq!(rest, "HttpOnly; SameSite=Strict; Path=/");
    assert!(!pair.contains("lead") && pair.len() > 70, "opaque: {pair}");
    let other = sign_in().await;
    assert_ne!(pair, other.split(';').next().unwrap(), "every sign-in has its own");

    let with = |cookie: &str, method: &str, path: &str| caller.request(method, path).header(COOKIE, cookie).send();
    assert_eq!(with(pair, "get", "/api/v1/alarms").await.unwrap().status(), 200);
    let name = pair.split('=').next().unwrap();
    for forged in [format!("{name}=lead"), format!("{name}="), "x=1".into()] {
        let answer = with(&forged, "get", "/api/v1/alarms").await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["code"].clone()),
            (401, json!("sign_in")),
            "{forged}"
        );
    }
    let watching = with(pair, "get", "/api/v1/stream").await.unwrap();
    let gone = with(pair, "delete", "/api/v1/session").await.unwrap();
    assert_eq!(gone.status(), 204);
    assert!(gone.headers()[SET_COOKIE].to_str().unwrap().ends_with("Max-Age=0"));
    assert_eq!(
        with(pair, "get", "/api/v1/alarms").await.unwrap().status(),
        401,
        "a stolen cookie is worth nothing after sign-out"
    );
    let ended = tokio::time::timeout(Duration::from_secs(5), watching.text()).await.expect("its stream ends with it").unwrap();
    assert!(ended.contains("event: snapshot") && !ended.contains("event: bye"), "{ended}");
    assert_eq!(with(&other, "get", "/api/v1/alarms").await.unwrap().status(), 200, "the other session goes on");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_a_trend_of_nothing_is_refused() {
    let stage = Stage::open(30);
    stage.actors().read(0..30, CALM);
    stage.actors().read(0..30, DANGER);
    stage.actors().publish();
    let caller = Caller::of(&stage);
    for (tag, query, status, expected) in [
        ("T7", "", 200, json!({})),
        ("T7", "?points=9", 200, json!({})),
        ("T7x", "", 404, json!({"code": "unknown_tag", "tag": "T7x", "nearest": "T7"})),
        (
            "T7",
            "?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            422,
            json!({"code": "range", "most_days": 400, "from": "2026-01-02T08:00:00.000+08:00"}),
        ),
        ("T7", "?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", 422, json!({"code": "range"})),
        ("T7", "?from=1990-01-01T00:00:00Z", 422, json!({"code": "range"})),
        ("T7", "?from=9000-01-01T00:00:00Z&to=9000-01-02T00:00:00Z", 422, json!({"code": "range"})),
        ("T7", "?from=-009999-01-02T01:59:59Z", 422, json!({"code": "range"})),
        ("T7", "?from=yesterday", 400, json!({"code": "query"})),
        ("T7", "?form=2026-01-01T00:00:00Z", 400, json!({"code": "query"})),
    ] {
        let (got, answer) = caller.get(&format!("/api/v1/tags/{tag}/series{query}")).await;
        assert_eq!(got, status, "{tag}{query}: {answer}");
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&answer[field], value, "{tag}{query}: {answer}");
        }
        if status == 200 {
            assert_eq!(answer["items"].as_array().unwrap().len(), 2, "{answer}");
        }
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_answers_are_what_the_description_says() {
    let mut site = plant(8);
    let (always, person) = (Window { days: [true; 7], from: 0, to: 1_440 }, || vec!["a lead".to_owned()]);
    site.rosters = vec![Roster {
        name: "officers".into(),
        title: brain::words::Words::same("officers"),
        shifts: vec![Shift { name: "all".into(), window: always, cycle: None, people: person() }],
        stand_ins: vec!["a operator".into()],
        hand_over_s: Some(60),
    }];
    let stage = Stage::of(site);
    stage.actors().read(0..8, DANGER);
    stage.actors().publish();
    let caller = Caller::of(&stage);
    let contract = Contract::of(caller.get("/api/v1/openapi.json").await.1);
    let red = caller.get("/api/v1/alarms").await.1["items"][0]["id"].as_str().unwrap().to_owned();
    let verb = |verb: &str| (format!("/api/v1/alarms/{{id}}/{verb}"), format!("/api/v1/alarms/{red}/{verb}"));
    let (acknowledge, handle, close) = (verb("acknowledge"), verb("handle"), verb("close"));
    let mut judged = 0;
    for (method, path, asked, body) in [
        ("get", "/api/v1/alarms", "/api/v1/alarms?limit=3", Value::Null),
        ("get", "/api/v1/alarms", "/api/v1/alarms?state=all", Value::Null),
        ("get", "/api/v1/alarms", "/api/v1/alarms?state=none", Value::Null),
        ("post", &acknowledge.0, &acknowledge.1, json!({"note": "在现场", "severity": "red", "occurrence": 1})),
        ("post", &acknowledge.0, &acknowledge.1, json!({})),
        ("post", &handle.0, &handle.1, json!({"note": "阀门已关"})),
        ("post", &close.0, &close.1, json!({"note": "x"})),
        ("get", "/api/v1/alarms/{id}", &format!("/api/v1/alarms/{red}"), Value::Null),
        ("get", "/api/v1/alarms/{id}", "/api/v1/alarms/99", Value::Null),
        ("get", "/api/v1/tags", "/api/v1/tags", Value::Null),
        ("get", "/api/v1/tags/{tag}/series", "/api/v1/tags/T1/series", Value::Null),
        ("get", "/api/v1/tags/{tag}/series", "/api/v1/tags/none/series", Value::Null),
        ("get", "/api/v1/links", "/api/v1/links", Value::Null),
        ("get", "/api/v1/rules", "/api/v1/rules", Value::Null),
        ("get", "/api/v1/notices", "/api/v1/notices", Value::Null),
        ("get", "/api/v1/notices", "/api/v1/notices?waiting=true", Value::Null),
        ("get", "/api/v1/outbox", "/api/v1/outbox", Value::Null),
        ("post", "/api/v1/rosters/{roster}/hand-over", "/api/v1/rosters/officers/hand-over", json!({"to": "a operator"})),
        ("get", "/api/v1/duty", "/api/v1/duty", Value::Null),
        ("get", "/api/v1/performance", "/api/v1/performance?by=shift", Value::Null),
        ("get", "/api/v1/events", "/api/v1/events", Value::Null),
        ("get", "/api/v1/zones", "/api/v1/zones", Value::Null),
        ("get", "/api/v1/session", "/api/v1/session", Value::Null),
        ("post", "/api/v1/session", "/api/v1/session", json!({"token": "viewer-of-the-stage"})),
        ("get", "/api/v1/health", "/api/v1/health", Value::Null),
    ] {
        let (status, answer) = caller.call(method, asked, body.clone()).await;
        assert_eq!(contract.faults(method, path, status, &answer), [""; 0], "{answer}");
        if !body.is_null() {
            assert_eq!(contract.body_faults(method, path, &body), [""; 0]);
            assert!(!contract.body_faults(method, path, &json!({"nope": 1})).is_empty(), "{path} takes what it does not know");
        }
        judged += 1;
    }
    assert_eq!(judged, 25);
    let roster = &caller.get("/api/v1/duty").await.1["rosters"][0];
    assert_eq!((&roster["offer"]["to"], &roster["people"]), (&json!("a operator"), &json!(["a lead", "a operator"])));
    assert_eq!(roster["next"]["people"], json!(["a lead"]), "the next day's shift: {roster}");
    // The judge finds what is wrong.
    let (_, good) = caller.get("/api/v1/alarms?limit=1").await;
    for (field, wrong) in
        [("severity", json!("purple")), ("id", json!(7)), ("opened_at", json!(0)), ("more", json!(1)), ("title", json!("x"))]
    {
        let mut answer = good.clone();
        answer["items"][0][field] = wrong;
        assert!(!contract.faults("get", "/api/v1/alarms", 200, &answer).is_empty(), "a wrong {field} passes");
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_the_stream_tells_what_changed_and_nothing_else() {
    let stage = Stage::open(100);
    stage.actors().read(0..50, DANGER);
    stage.actors().publish();
    let caller = Caller::of(&stage);
    let mut stream = caller.request("get", "/api/v1/stream").bearer_auth("viewer-of-the-stage").send().await.unwrap();
    let mut said = Vec::new();
    let mut read = async |until: &str| {
        while !String::from_utf8_lossy(&said).contains(until) {
            let chunk =
                tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await.unwrap_or_else(|_| panic!("no {until}"));
            said.extend_from_slice(&chunk.unwrap().unwrap());
        }
        String::from_utf8_lossy(&std::mem::take(&mut said)).into_owned()
    };
    // What was raised just before may still come as a delta before the second beat.
    read("event: beat").await;
    read("event: beat").await;
    // Two beats, some twenty views: nothing changed, nothing is said.
    let quiet = read("event: beat").await + &read("event: beat").await;
    assert!(!quiet.contains("event: delta"), "a delta though nothing happened");
    stage.actors().read(50..51, DANGER);
    let told = read("event: delta").await + &read("event: beat").await;
    let data = told.split("event: delta\ndata: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let delta: Value = serde_json::from_str(data).unwrap();
    let numbers: Vec<&str> = delta["alarms"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((numbers, delta["gone"].clone()), (vec!["51"], json!([])), "one alarm came, one is told");
    stage.close().await;
}

/// The figures are printed; what must hold everywhere is that an alarm that stands is not touched at all.
#[test]
fn console_an_alarm_that_stands_costs_nothing() {
    let site = crate::stage::plant(10_000);
    let names: Vec<String> = site.tags.iter().map(|tag| tag.name.clone()).collect();
    let facts = || Facts { durable: 0, health: Vec::new() };
    let timed = |work: &mut dyn FnMut()| {
        let mut best = Duration::MAX;
        for _ in 0..20 {
            let began = Instant::now();
            work();
            best = best.min(began.elapsed());
        }
        best
    };
    for alarms in [0_u32, 100, 10_000] {
        let mut brain = brain::Brain::new(site.clone());
        let start = 1_800_000_000_000_000_i64;
        let reading = |n: u32, value: f64, source_us| brain::Reading {
            tag: brain::TagId(n),
            value,
            quality: brain::Quality::GOOD,
            source_us,
        };
        drop(brain.step(start, &brain::Event::started(names.clone())));
        let readings = (0..10_000).map(|n| reading(n, if n < alarms { DANGER } else { CALM }, start)).collect();
        drop(brain.step(start, &brain::Event::Readings { readings }));
        let before = View::of(&brain, &View::default(), facts());
        assert_eq!(before.alarms.len(), alarms as usize);

        let untouched = timed(&mut || {
            let now = View::of(&brain, &before, facts());
            assert!(Arc::ptr_eq(&now.alarms, &before.alarms) && Arc::ptr_eq(&now.notices, &before.notices));
        });
        // As if everything had to be looked at: what every view cost before.
        let looked_at = View { marks: None, ..before.clone() };
        let compared = timed(&mut || {
            let now = View::of(&brain, &looked_at, facts());
            assert!(Arc::ptr_eq(&now.alarms, &before.alarms), "nothing differs, so everything is shared");
        });
        // One alarm comes or goes: all others are the same objects.
        let mut brain = brain.clone();
        let other = if alarms == 10_000 { CALM } else { DANGER };
        drop(brain.step(start + 1, &brain::Event::Readings { readings: vec![reading(9_999, other, start + 1)] }));
        let now = View::of(&brain, &before, facts());
        let kept =
            now.alarms.iter().filter(|(number, alarm)| before.alarms.get(number).is_some_and(|known| Arc::ptr_eq(known, alarm)));
        assert_eq!(kept.count(), if alarms == 10_000 { 9_999 } else { alarms as usize });
        println!(
            "{alarms} open alarms, 10,000 tags: a view takes {untouched:?} where nothing changed, {compared:?} where all is compared"
        );
        if alarms == 10_000 {
            assert!(untouched < compared / 2, "{untouched:?} for nothing against {compared:?} for everything");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_a_key_is_for_one_command_and_words_have_an_end() {
    let stage = Stage::open(2);
    {
        let mut actors = stage.actors();
        actors.read(0..2, DANGER);
        actors.publish();
    }
    let caller = Caller::of(&stage);
    let acknowledge = async |alarm: u64, note: &str| {
        let request = caller.request("post", &format!("/api/v1/alarms/{alarm}/acknowledge")).bearer_auth("lead-of-the-stage");
        let answer = request.header("idempotency-key", "k1").body(json!({"note": note}).to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["code"].clone())
    };
    assert_eq!(acknowledge(1, "seen").await.0, 200);
    assert_eq!(acknowledge(1, "seen").await.0, 200, "a repetition is answered as the first was");
    assert_eq!(acknowledge(2, "seen").await, (422, json!("other_command")));
    assert_eq!(acknowledge(1, "something else").await, (422, json!("other_command")));
    stage.actors().publish();
    let (_, second) = caller.get("/api/v1/alarms/2").await;
    assert_eq!(second["acknowledged"], json!(false), "{second}");
    let (status, refused) = caller.call("post", "/api/v1/alarms/2/handle", json!({"note": "很".repeat(2_001)})).await;
    assert_eq!((status, &refused["code"]), (422, &json!("body")), "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("2001 characters, at most 2000"), "{refused}");
    stage.close().await;
}
