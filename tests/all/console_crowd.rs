//! The console under a crowd: half-open connections, slow bodies, one person's many questions; and the sessions that outlive the process.

use crate::process::{Process, eventually, free_port};
use crate::site::{Site, TOKEN};
use crate::stage::{ROLES, Stage, token};
use safety_brain::config::types::{Company, Person};
use safety_brain::console::{Ask, Backend, View, serve};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Error, ErrorKind};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Half-open connections: far more than are held for one address.
const CROWD: usize = 300;

/// Drops those that the other side has closed, until `most` are left.
async fn left_open(crowd: &mut Vec<TcpStream>, most: usize, within: Duration) {
    let wait = async {
        while crowd.len() > most {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let is_open = |read: Result<usize, Error>| matches!(read, Err(e) if e.kind() == ErrorKind::WouldBlock);
            crowd.retain(|stream| is_open(stream.try_read(&mut [0; 256])));
        }
    };
    let ended = tokio::time::timeout(within, wait).await;
    ended.unwrap_or_else(|_| panic!("{} of {CROWD} are open after {within:?}, {most} may be", crowd.len()));
}

// On one thread, as in the daemon: connections are let in in the order in which they came.
#[tokio::test]
async fn console_half_open_connections_keep_nobody_out() {
    let stage = Stage::open(1);
    let host = stage.address.trim_start_matches("http://").to_owned();
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let mut watching =
        http.get(format!("{}/api/v1/stream", stage.address)).bearer_auth("viewer-of-the-stage").send().await.unwrap();
    let mut crowd = Vec::new();
    for n in 0..CROWD {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let begun: &[u8] = if n % 3 == 0 { b"" } else { b"GET /api/v1/health HTTP/1.1\r\nHost: 127" };
        // It may have had to make room already.
        let _ = stream.write_all(begun).await;
        crowd.push(stream);
    }
    let answer = http.get(format!("{}/api/v1/health", stage.address)).timeout(Duration::from_secs(10)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "somebody else is heard at once");
    left_open(&mut crowd, 64, Duration::from_secs(10)).await;

    let mut slow = TcpStream::connect(&host).await.unwrap();
    let begun = format!("POST /api/v1/session HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n{{");
    slow.write_all(begun.as_bytes()).await.unwrap();
    left_open(&mut crowd, 0, Duration::from_secs(40)).await;
    let mut said = [0; 12];
    tokio::time::timeout(Duration::from_secs(40), slow.read_exact(&mut said)).await.expect("an answer").unwrap();
    assert_eq!(&said, b"HTTP/1.1 408");
    let beat = tokio::time::timeout(Duration::from_secs(10), watching.chunk()).await.expect("a frame").unwrap();
    assert!(beat.is_some(), "a stream of somebody known goes on");
    stage.close().await;
}

/// The console before a daemon that hands every question to the test.
fn open(asks: usize) -> (String, mpsc::Receiver<Ask>, CancellationToken) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (_, view) = watch::channel(Arc::new(View::default()));
    let (ask, asked) = mpsc::channel(asks);
    let people = ROLES.map(|role| Person {
        name: format!("a {}", role.word()),
        role,
        token_sha256: Sha256::digest(token(role)).into(),
        known_as: vec![],
        brings: Default::default(),
    });
    let backend = Backend {
        view,
        ask,
        people: people.to_vec(),
        company: Company::default(),
        mode: brain::site::Mode::Test,
        unsigned: false,
        publishers: Default::default(),
        sessions: None,
    };
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, None, backend, stop.clone()));
    (address, asked, stop)
}

#[tokio::test]
async fn console_questions_of_one_person_hold_nobody_else() {
    let (address, mut asked, stop) = open(1_000);
    let http = reqwest::Client::new();
    let get = |token: &'static str| http.get(format!("{address}/api/v1/events")).bearer_auth(token).send();
    let many: Vec<_> = (0..40).map(|_| tokio::spawn(get("viewer-of-the-stage"))).collect();
    let mut held = Vec::new();
    while let Ok(Some(ask)) = tokio::time::timeout(Duration::from_secs(1), asked.recv()).await {
        assert!(matches!(ask, Ask::Events { .. }));
        held.push(ask);
    }
    assert_eq!(held.len(), 4, "so many of one person at a time");
    let other = tokio::spawn(get("lead-of-the-stage"));
    assert!(matches!(asked.recv().await, Some(Ask::Events { .. })), "another person's comes through");
    let act = http
        .post(format!("{address}/api/v1/alarms/1/handle"))
        .bearer_auth("operator-of-the-stage")
        .body("{\"note\":\"x\"}")
        .send();
    let act = tokio::spawn(act);
    let Some(Ask::Act { reply, .. }) = asked.recv().await else { panic!("no act") };
    reply.send(Ok(7)).unwrap();
    assert_eq!(act.await.unwrap().unwrap().json::<Value>().await.unwrap(), json!({"seq": "7"}));
    drop(held);
    assert!(asked.recv().await.is_some(), "and then the next of the first one's");
    other.abort();
    many.iter().for_each(tokio::task::JoinHandle::abort);
    stop.cancel();
}

#[tokio::test]
async fn console_a_store_that_fails_is_no_unknown_notice() {
    let (address, mut asked, stop) = open(1);
    let http = reqwest::Client::new();
    for (found, status, code) in [(Err("gone".to_owned()), 503, "store"), (Ok(None), 404, "unknown")] {
        let answer = tokio::spawn(http.get(format!("{address}/api/v1/notices/3/cap")).bearer_auth("viewer-of-the-stage").send());
        let Some(Ask::CapOf { reply, .. }) = asked.recv().await else { panic!("another question") };
        reply.send(found).unwrap();
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], code);
    }
    stop.cancel();
}

#[test]
fn console_a_session_outlives_a_kill_and_ends_with_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let (site, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    let console = free_port();
    let text = Site { mqtt: free_port(), modbus: None, bureau: free_port(), console }.toml();
    std::fs::write(&site, &text).unwrap();
    let arguments = ["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("http://127.0.0.1:{console}/api/v1/session");
    let status = |cookie: &str| {
        let request = reqwest::Client::new().get(&url).header("cookie", cookie).send();
        let answer = runtime.block_on(request).map_err(|error| error.to_string())?;
        Ok::<u16, String>(answer.status().as_u16())
    };

    let first = Process::safety_brain(&arguments);
    let cookie = eventually("a session", Duration::from_secs(60), || {
        let body = json!({ "token": TOKEN }).to_string();
        let answer = runtime.block_on(reqwest::Client::new().post(&url).body(body).send()).map_err(|error| error.to_string())?;
        let cookie = answer.headers().get("set-cookie").ok_or("no cookie")?.to_str().unwrap();
        Ok(cookie.split(';').next().unwrap().to_owned())
    });
    eventually("the session on disk", Duration::from_secs(10), || {
        let kept = std::fs::read_to_string(data.join("sessions.json")).map_err(|error| error.to_string())?;
        let id = cookie.split('=').nth(1).unwrap();
        assert!(!kept.contains(id) && !kept.contains(TOKEN), "only hashes are kept");
        if kept.contains("测试") { Ok(()) } else { Err(kept) }
    });
    first.kill();
    let second = Process::safety_brain(&arguments);
    assert_eq!(eventually("the console", Duration::from_secs(60), || status(&cookie)), 200, "signed in as before");
    second.kill();

    let hash = |token: &str| Sha256::digest(token).iter().map(|b| format!("{b:02x}")).collect::<String>();
    std::fs::write(&site, text.replace(&hash(TOKEN), &hash("another"))).unwrap();
    let third = Process::safety_brain(&arguments);
    assert_eq!(eventually("the console", Duration::from_secs(60), || status(&cookie)), 401, "its token is no more");
    third.kill();
}
