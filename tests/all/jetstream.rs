//! CAP to a real NATS server with a stream, and what stands in that stream, read by its own protocol. Must not know: how a message is made.

use crate::channels::{channel, notice, site};
use crate::process::{Process, eventually, free_port, peer_or_skip};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use safety_brain::notices::{Courier, Delivered, channels::words};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TOKEN: &str = "nats-token-2b7e";

fn server() -> Option<PathBuf> {
    ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"].iter().map(PathBuf::from).find(|p| p.exists())
}

/// One question to the server, as its protocol has it.
fn asked(port: u16, subject: &str, body: &Value) -> Result<Value, String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let body = body.to_string();
    write!(
        &stream,
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"auth_token\":\"{TOKEN}\"}}\r\nSUB answer 1\r\nPUB {subject} answer {}\r\n{body}\r\n",
        body.len()
    )
    .map_err(|error| error.to_string())?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).map_err(|error| error.to_string())? == 0 || line.starts_with("-ERR") {
            return Err(line);
        }
        if line.starts_with("MSG answer") {
            let length = line.split_whitespace().last().unwrap().parse().unwrap();
            let mut payload = vec![0; length];
            reader.read_exact(&mut payload).map_err(|error| error.to_string())?;
            return serde_json::from_slice(&payload).map_err(|error| error.to_string());
        }
    }
}

fn audience(folder: &Path, port: u16, token: &str) -> String {
    std::fs::write(folder.join("nats.token"), token).unwrap();
    format!(
        "[[audience]]\nname = \"district\"\ntitle = {{ zh = \"区\", en = \"district\" }}\nchannel = \"nats\"\nbureau = true\n\
         host = \"127.0.0.1\"\nport = {port}\ntoken = {{ file = \"nats.token\" }}\ntimeout = \"5s\"\n"
    )
}

#[tokio::test]
async fn jetstream_keeps_a_message_once_however_often_it_is_tried() {
    let program = server();
    if !peer_or_skip("jetstream", "nats-server", program.is_some()) {
        return;
    }
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (port_text, store) = (port.to_string(), folder.path().join("js"));
    let arguments = ["-js", "-a", "127.0.0.1", "-p", &port_text, "-sd", store.to_str().unwrap(), "--auth", TOKEN];
    let _server = Process::start(program.unwrap(), &arguments);
    eventually("the server listens", Duration::from_secs(20), || asked(port, "$JS.API.INFO", &json!({})));
    let of = |token: &str| {
        let config = site(folder.path(), &audience(folder.path(), port, token)).unwrap_or_else(|faults| panic!("{faults:?}"));
        channel(&config, "district")
    };
    let (channel, notice) = (of(TOKEN), notice());
    let words = words(&notice, &channel, None).unwrap();
    let courier = Courier::of(&channel, None, &[]).unwrap().unwrap();
    // Nobody keeps it yet: that is no receipt, whoever may have heard it.
    let delivered = courier.deliver(&notice, words.clone(), 1).await;
    assert!(matches!(&delivered, Delivered::Failed { rejected: false, detail } if detail.contains("no stream")), "{delivered:?}");
    let stream = json!({"name": "CAPS", "subjects": ["safety-brain.v1.*.cap"], "storage": "file", "duplicate_window": 120_000_000_000_u64});
    let made = asked(port, "$JS.API.STREAM.CREATE.CAPS", &stream).unwrap();
    assert!(made["error"].is_null(), "{made}");
    for code in ["JetStream CAPS 1", "JetStream CAPS 1, which it had"] {
        let wanted = Delivered::Receipt { code: code.to_owned(), accepted: false };
        assert_eq!(courier.deliver(&notice, words.clone(), 1).await, wanted);
    }
    let kept = asked(port, "$JS.API.STREAM.MSG.GET.CAPS", &json!({"seq": 1})).unwrap();
    let decoded = |key: &str| String::from_utf8(STANDARD.decode(kept["message"][key].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(decoded("data"), words);
    assert!(decoded("hdrs").contains(&format!("Nats-Msg-Id: {}", notice.identifier)), "{kept}");
    assert_eq!(kept["message"]["subject"], "safety-brain.v1.demo.cap");
    let state = asked(port, "$JS.API.STREAM.INFO.CAPS", &json!({})).unwrap();
    assert_eq!(state["state"]["messages"], 1, "{state}");
    // Another token is told as that, and not shown.
    let wrong = Courier::of(&of("nats-token-wrong"), None, &[]).unwrap().unwrap().deliver(&notice, words, 1).await;
    assert!(matches!(&wrong, Delivered::Failed { rejected: false, detail } if !detail.contains("nats-token")), "{wrong:?}");
}
