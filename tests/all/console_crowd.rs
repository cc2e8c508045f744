//! The console under a crowd: half-open connections, slow bodies, one person's many questions; and the sessions that outlive the process.

use crate::process::{Process, eventually, free_port};
use crate::site::{Site, TOKEN};
use crate::stage::{ROLES, Stage};
use safety_brain::config::types::Person;
use safety_brain::console::{Ask, Backend, View, serve};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Half-open connections: far more than are held for one address.
const CROWD: usize = 300;

/// The other side has closed it.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let read = stream.read(&mut [0; 256]);
    !matches!(&read, Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
        && (read.is_err() || read.is_ok_and(|bytes| bytes == 0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_half_open_connections_keep_nobody_out() {
    let stage = Stage::open(1);
    let host = stage.address.trim_start_matches("http://").to_owned();
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let mut watching = http.get(format!("{}/api/v1/stream", stage.address)).bearer_auth("viewer").send().await.unwrap();
    let half_open = |n: usize| {
        let mut stream = TcpStream::connect(&host).unwrap();
        let begun: &[u8] = if n % 3 == 0 { b"" } else { b"GET /api/v1/health HTTP/1.1\r\nHost: 127" };
        stream.write_all(begun).unwrap();
        stream
    };
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(half_open).collect();
    let answer = http.get(format!("{}/api/v1/health", stage.address)).timeout(Duration::from_secs(5)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "somebody else is heard at once");
    let open = tokio::task::block_in_place(|| {
        eventually("those beyond the bound are closed", Duration::from_secs(5), || {
            crowd.retain_mut(|stream| !is_closed(stream));
            if crowd.len() <= 64 { Ok(crowd.len()) } else { Err(format!("{} of {CROWD} are open", crowd.len())) }
        })
    });
    assert!(open > 0, "the newest wait for their turn to be too slow");

    let mut slow = TcpStream::connect(&host).unwrap();
    write!(slow, "POST /api/v1/session HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n{{").unwrap();
    tokio::task::block_in_place(|| {
        eventually("the slow ones are closed", Duration::from_secs(30), || {
            crowd.retain_mut(|stream| !is_closed(stream));
            if crowd.is_empty() { Ok(()) } else { Err(format!("{} are open", crowd.len())) }
        });
        let mut said = [0; 12];
        slow.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        slow.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"HTTP/1.1 408");
    });
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
    let people =
        ROLES.map(|role| Person { name: format!("a {}", role.word()), role, token_sha256: Sha256::digest(role.word()).into() });
    let backend = Backend { view, ask, people: people.to_vec(), mode: brain::site::Mode::Test, sessions: None };
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, None, backend, stop.clone()));
    (address, asked, stop)
}

#[tokio::test]
async fn console_questions_of_one_person_hold_nobody_else() {
    let (address, mut asked, stop) = open(1_000);
    let http = reqwest::Client::new();
    let get = |token: &'static str| http.get(format!("{address}/api/v1/events")).bearer_auth(token).send();
    let many: Vec<_> = (0..40).map(|_| tokio::spawn(get("viewer"))).collect();
    let mut held = Vec::new();
    while let Ok(Some(ask)) = tokio::time::timeout(Duration::from_secs(1), asked.recv()).await {
        assert!(matches!(ask, Ask::Events { .. }));
        held.push(ask);
    }
    assert_eq!(held.len(), 4, "so many of one person at a time");
    let other = tokio::spawn(get("lead"));
    assert!(matches!(asked.recv().await, Some(Ask::Events { .. })), "another person's comes through");
    let act = http.post(format!("{address}/api/v1/alarms/1/handle")).bearer_auth("operator").body("{\"note\":\"x\"}").send();
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
        let answer = tokio::spawn(http.get(format!("{address}/api/v1/notices/3/cap")).bearer_auth("viewer").send());
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
