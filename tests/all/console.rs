//! The console alone, over HTTP, before a daemon that knows nothing: who may do what, what is refused and how, and the end of a stream.

use crate::stage::token;
use safety_brain::config::types::{Company, Person, Role};
use safety_brain::console::{Ask, Backend, View, serve};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

const ROLES: [Role; 6] = [Role::Viewer, Role::Operator, Role::Lead, Role::Admin, Role::Bureau, Role::Gateway];

struct Bench {
    address: String,
    http: reqwest::Client,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<anyhow::Result<()>>,
    view: watch::Sender<Arc<View>>,
}

fn start() -> Bench {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let person = |role: Role| Person {
        name: format!("a {}", role.word()),
        role,
        token_sha256: Sha256::digest(token(role)).into(),
        known_as: vec![],
        brings: Default::default(),
    };
    let (view, seen) = watch::channel(Arc::new(View::default()));
    let (ask, mut asked) = mpsc::channel::<Ask>(16);
    // A daemon whose journal takes nothing: every question is dropped unanswered.
    tokio::spawn(async move { while asked.recv().await.is_some() {} });
    let backend = Backend {
        view: seen,
        ask,
        people: ROLES.map(person).to_vec(),
        company: Company::default(),
        mode: brain::site::Mode::Test,
        unsigned: true,
        publishers: Default::default(),
        sessions: None,
    };
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, None, backend, stop.clone()));
    Bench { address, http: reqwest::Client::new(), stop, served, view }
}

impl Bench {
    async fn call(&self, method: &str, path: &str, role: Option<Role>, body: Option<&str>) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.address)).timeout(Duration::from_secs(10));
        if let Some(role) = role {
            request = request.bearer_auth(token(role));
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        if path.ends_with("/stream") && status == 200 {
            return (status, Value::Null);
        }
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
    }
}

/// Who may use a route, written down again by hand.
fn allowed(method: &str, path: &str, role: Role) -> bool {
    match (method, path) {
        ("post", "/api/v1/cap") => role == Role::Bureau,
        ("post", "/api/v1/call-backs") => role == Role::Gateway,
        ("post", path)
            if [
                "/acknowledge",
                "/accident",
                "/accident/told",
                "/handle",
                "/shelve",
                "/unshelve",
                "/hand-over",
                "/take-over",
                "/take",
            ]
            .iter()
            .any(|act| path.ends_with(act)) =>
        {
            matches!(role, Role::Operator | Role::Lead)
        }
        ("post", _) => role == Role::Lead,
        _ => !matches!(role, Role::Bureau | Role::Gateway),
    }
}

#[tokio::test]
async fn console_every_route_and_every_role() {
    let bench = start();
    let (_, document) = bench.call("get", "/api/v1/openapi.json", None, None).await;
    let paths: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_value(document["paths"].clone()).unwrap();
    let mut closed = 0;
    for (path, methods) in &paths {
        let url = path.replace("{id}", "1").replace("{tag}", "T").replace("{rule}", "r");
        for (method, about) in methods {
            if about["security"] == json!([]) {
                continue;
            }
            closed += 1;
            let (status, problem) = bench.call(method, &url, None, None).await;
            assert_eq!((status, problem["code"].as_str()), (401, Some("sign_in")), "{method} {path} without a token");
            for role in ROLES {
                let (status, problem) = bench.call(method, &url, Some(role), None).await;
                let refused = status == 403 && problem["code"] == "forbidden";
                assert_eq!(!refused, allowed(method, path, role), "{method} {path} as {role:?}: {status} {problem}");
            }
        }
    }
    assert!(closed >= 17, "only {closed} routes need a right");
    bench.stop.cancel();
}

#[tokio::test]
async fn console_says_what_is_wrong_and_what_would_be_right() {
    let bench = start();
    let lead = Some(Role::Lead);
    let acknowledge = "/api/v1/alarms/1/acknowledge";
    for (path, body, status, code) in [
        (acknowledge, "{\"note\":1}", 422, "body"),
        (acknowledge, "{\"notes\":\"x\"}", 422, "body"),
        (acknowledge, "{", 400, "json"),
        ("/api/v1/alarms/one/acknowledge", "{}", 404, "unknown"),
        (acknowledge, "{}", 503, "not_recorded"),
    ] {
        let (got, problem) = bench.call("post", path, lead, Some(body)).await;
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{path} {body}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
    }
    let foreign = bench
        .http
        .post(format!("{}{acknowledge}", bench.address))
        .bearer_auth("lead-of-the-stage")
        .header("origin", "http://elsewhere.example");
    assert_eq!(foreign.body("{}").send().await.unwrap().status().as_u16(), 403, "a command from another site");
    let other = bench.http.get(format!("{}/", bench.address)).header("host", "rebound.example");
    assert_eq!(other.send().await.unwrap().status().as_u16(), 421, "another name for loopback");
    for (scheme, status) in [("Bearer", 200), ("bearer", 200), ("BEARER", 200), ("Basic", 401)] {
        let asked = bench
            .http
            .get(format!("{}/api/v1/session", bench.address))
            .header("authorization", format!("{scheme} lead-of-the-stage"));
        assert_eq!(asked.send().await.unwrap().status().as_u16(), status, "{scheme}");
    }
    let page = bench.http.get(format!("{}/", bench.address)).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'self'"));
    bench.stop.cancel();
}

#[tokio::test]
async fn console_is_not_well_before_it_was_told_and_a_stream_says_goodbye() {
    let bench = start();
    let (_, health) = bench.call("get", "/api/v1/health", None, None).await;
    assert_eq!(health["ok"], false, "nobody has said yet that anything works");
    let view = View { seq: 1, made: Some(std::time::Instant::now()), ..View::default() };
    bench.view.send_replace(Arc::new(view));
    let (_, health) = bench.call("get", "/api/v1/health", None, None).await;
    assert_eq!(health["ok"], true);
    let stream =
        bench.http.get(format!("{}/api/v1/stream", bench.address)).bearer_auth("viewer-of-the-stage").send().await.unwrap();
    bench.stop.cancel();
    let said = tokio::time::timeout(Duration::from_secs(5), stream.text()).await.expect("the stream ends").unwrap();
    for event in ["event: hello", "event: snapshot", "event: bye", "\"unsigned\":true"] {
        assert!(said.contains(event), "{event} is not in {said}");
    }
    tokio::time::timeout(Duration::from_secs(5), bench.served).await.expect("the console ends").unwrap().unwrap();
}

#[tokio::test]
async fn console_under_tls_binds_the_session_to_it() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (_view, seen) = watch::channel(Arc::new(View::default()));
    let (ask, _asked) = mpsc::channel(1);
    let person = Person {
        name: "a".into(),
        role: Role::Viewer,
        token_sha256: Sha256::digest("viewer-of-the-stage").into(),
        known_as: vec![],
        brings: Default::default(),
    };
    let backend = Backend {
        view: seen,
        ask,
        people: vec![person],
        company: Company::default(),
        mode: brain::site::Mode::Actual,
        unsigned: false,
        publishers: Default::default(),
        sessions: None,
    };
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, Some((certificate, key)), backend, stop.clone()));
    let trusted = reqwest::Certificate::from_pem(own.cert.pem().as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
    let path = format!("{address}/api/v1/session");
    let answer = http.post(&path).body(json!({"token": "viewer-of-the-stage"}).to_string()).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.starts_with("__Host-safety-brain=") && cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/; Secure"),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap();
    for (sent, status) in [(pair.to_owned(), 200), (pair.replace("__Host-", ""), 401)] {
        let answer = http.get(&path).header("cookie", &sent).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{sent}");
    }
    stop.cancel();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn console_beyond_loopback_needs_tls() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let (_view, seen) = watch::channel(Arc::new(View::default()));
    let (ask, _asked) = mpsc::channel(1);
    let backend = Backend {
        view: seen,
        ask,
        people: Vec::new(),
        company: Company::default(),
        mode: brain::site::Mode::Actual,
        unsigned: false,
        publishers: Default::default(),
        sessions: None,
    };
    let refused = serve(listener, None, backend, CancellationToken::new()).await.unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
}
