//! One try against a receiver that says what it is told to: what counts as a receipt, what is tried again, what is given up.
#![allow(clippy::unwrap_used)]

use super::super::cap::{Reply, build_reply, parse};
use super::super::sample;
use super::*;
use crate::config::types::{Secret, Tls};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

const ANCHOR: &str = "{\"seq\":1}\n";
/// That of [`sample::notice`].
fn sent() -> Sent<'static> {
    Sent { identifier: "demo.7.12", mode: Mode::Test }
}

fn text() -> String {
    super::cap::build(&sample::notice(), &sample::channel("http://x"))
}

/// Answers one request with `response` and returns the request.
fn exchange(mut stream: impl Read + Write, response: &str) -> String {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    loop {
        let n = stream.read(&mut part).unwrap_or(0);
        request.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&request);
        if n == 0 || text.contains("</alert>") || text.ends_with(ANCHOR) || text.ends_with("}]}") {
            break;
        }
    }
    let _ = stream.write_all(response.as_bytes());
    let _ = stream.flush();
    String::from_utf8(request).unwrap()
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn receiver(response: String) -> (String, JoinHandle<String>) {
    let (listener, port) = listen();
    let one = std::thread::spawn(move || exchange(listener.accept().unwrap().0, &response));
    (format!("http://127.0.0.1:{port}/cap"), one)
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

async fn told(response: String) -> Delivered {
    let (url, one) = receiver(response);
    let deliverer = Deliverer::new(sample::channel(&url)).unwrap();
    let delivered = deliverer.deliver(Some(sent()), text()).await;
    one.join().unwrap();
    delivered
}

fn reply(accepted: bool, to: &brain::Notice, note: &str) -> String {
    let message = super::cap::compose(to, &sample::channel("http://x"));
    let reply = Reply { accepted, identifier: "b.1", sender: "duty@bureau.example", at: to.at, note };
    build_reply(&reply, &message)
}

#[tokio::test]
async fn every_status_has_its_meaning() {
    let cases = [
        ("200 OK", "receipt"),
        ("202 Accepted", "receipt"),
        ("204 No Content", "receipt"),
        ("302 Found", "again"),
        ("400 Bad Request", "rejected"),
        ("401 Unauthorized", "again"),
        ("403 Forbidden", "again"),
        ("404 Not Found", "again"),
        ("408 Request Timeout", "again"),
        ("413 Content Too Large", "rejected"),
        ("415 Unsupported Media Type", "rejected"),
        ("422 Unprocessable Content", "rejected"),
        ("429 Too Many Requests", "again"),
        ("500 Internal Server Error", "again"),
        ("503 Service Unavailable", "again"),
    ];
    for (status, wanted) in cases {
        let got = match told(response(status, "")).await {
            Delivered::Receipt { .. } => "receipt",
            Delivered::Failed { rejected: true, .. } => "rejected",
            Delivered::Failed { rejected: false, .. } => "again",
        };
        assert_eq!(got, wanted, "{status}");
    }
}

#[tokio::test]
async fn a_cap_reply_in_the_body_is_believed_over_the_status() {
    let ours = sample::notice();
    let other = sample::follow_up(brain::notice::NoticeKind::Update, brain::notice::Reason::Raised);
    let ok = |body: String| told(response("200 OK", &body));
    assert_eq!(ok(reply(true, &ours, "")).await, Delivered::Receipt { code: "HTTP 200 CAP Ack b.1".to_owned(), accepted: true });
    // A person's answer in the body is still no more than a receipt.
    assert!(matches!(ok(reply(true, &ours, "值班员 甲; 已接收")).await, Delivered::Receipt { .. }));
    assert!(matches!(
        ok(reply(false, &ours, "not our district")).await,
        Delivered::Failed { rejected: true, detail } if detail.contains("not our district")
    ));
    assert!(matches!(
        ok(reply(true, &other, "")).await,
        Delivered::Failed { rejected: false, detail } if detail.contains("another message")
    ));
    assert!(matches!(ok("thank you".to_owned()).await, Delivered::Receipt { .. }));
}

/// The status says whether another try can help, the CAP Error why, in either form.
#[tokio::test]
async fn a_cap_error_beside_a_status_says_why() {
    let error = reply(false, &sample::notice(), "references: not ours");
    let json = cap::json::write(&parse(error.as_bytes()).unwrap());
    for body in [error, json] {
        for (status, given_up) in [("422 Unprocessable Content", true), ("403 Forbidden", false)] {
            let Delivered::Failed { detail, rejected } = told(response(status, &body)).await else { panic!("{status}") };
            assert_eq!((detail, rejected), (format!("HTTP {}: CAP Error: references: not ours", &status[..3]), given_up));
        }
    }
}

/// Where the bureau's certificate is pinned, an answer that is signed otherwise is no answer; one that is not signed counts for its line.
#[tokio::test]
async fn a_signed_answer_is_believed_from_its_sender_alone() {
    let folder = tempfile::tempdir().unwrap();
    let party = |name: &str| {
        let [key, certificate] = ["key", "crt"].map(|end| folder.path().join(format!("{name}.{end}")));
        crate::key::Certified::create(&key, &certificate, name).unwrap()
    };
    let (ours, theirs, ack) = (party("ours"), party("theirs"), reply(true, &sample::notice(), ""));
    let signed = |by| cap::sign(&ack, by).unwrap();
    let pinned = |sender: &str| crate::config::types::Trusted {
        name: "bureau".into(),
        sender: sender.into(),
        certificates: vec![ours.certificate().clone()],
        key: None,
    };
    let bureau = "duty@bureau.example";
    for (what, pinned, body, taken) in [
        ("its own signature", vec![pinned(bureau)], signed(&ours), true),
        ("none", vec![pinned(bureau)], ack.clone(), false),
        ("none, and nothing is pinned for it", vec![pinned("other@bureau.example")], ack.clone(), true),
        ("a stranger's", vec![pinned(bureau)], signed(&theirs), false),
        ("changed under it", vec![pinned(bureau)], signed(&ours).replacen("b.1", "b.7", 1), false),
        ("nothing is pinned for it", vec![pinned("other@bureau.example")], signed(&theirs), true),
        ("nothing is pinned", vec![], signed(&theirs), true),
    ] {
        let (url, one) = receiver(response("200 OK", &body));
        let deliverer = Deliverer::new(sample::channel(&url)).unwrap().trusting(&pinned);
        let delivered = deliverer.deliver(Some(sent()), text()).await;
        let request = one.join().unwrap().to_lowercase();
        assert!(request.contains("accept: application/cap+xml, application/json;q=0.5"), "{request}");
        let accepted = matches!(delivered, Delivered::Receipt { accepted: true, .. });
        assert_eq!(accepted, taken, "{what}: {delivered:?}");
        assert!(taken || matches!(&delivered, Delivered::Failed { rejected: false, .. }), "{what}: {delivered:?}");
    }
}

/// An answer to a drill is none to what is real, nor is another bureau's, however well it is signed; why stands in what the try came to.
#[tokio::test]
async fn an_answer_of_another_status_or_sender_is_no_receipt() {
    use cap::{Message, MsgType, Status};
    let folder = tempfile::tempdir().unwrap();
    let [key, certificate] = ["key", "crt"].map(|end| folder.path().join(format!("other.{end}")));
    let other = crate::key::Certified::create(&key, &certificate, "other").unwrap();
    let pinned = |sender: &str| crate::config::types::Trusted {
        name: "other".into(),
        sender: sender.into(),
        certificates: vec![other.certificate().clone()],
        key: None,
    };
    let (bureau, theirs) = ("duty@bureau.example", "city@bureau.example");
    let trusted = [pinned(theirs), pinned(bureau)];
    let changed = |change: &dyn Fn(&mut Message)| {
        let mut message = parse(reply(true, &sample::notice(), "").as_bytes()).unwrap();
        change(&mut message);
        cap::sign(&cap::write(&message), &other).unwrap()
    };
    let of = |status, kind, sender: &str| changed(&|m| (m.status, m.msg_type, m.sender) = (status, kind, sender.to_owned()));
    for (what, body, named, why) in [
        ("the bureau's own", of(Status::Test, MsgType::Ack, bureau), Some(bureau), None),
        (
            "a drill's",
            of(Status::Exercise, MsgType::Ack, bureau),
            Some(bureau),
            Some("of status Exercise, and what was sent is Test"),
        ),
        ("a real one's", of(Status::Actual, MsgType::Ack, bureau), None, Some("of status Actual")),
        ("a heartbeat's", of(Status::System, MsgType::Ack, bureau), None, Some("of status System")),
        ("another's", of(Status::Test, MsgType::Ack, theirs), Some(bureau), Some("only \"duty@bureau.example\" answers")),
        (
            "another's refusal",
            of(Status::Test, MsgType::Error, theirs),
            Some(bureau),
            Some("only \"duty@bureau.example\" answers"),
        ),
        ("another's, and nobody is named", of(Status::Test, MsgType::Ack, theirs), None, None),
    ] {
        let (url, one) = receiver(response("200 OK", &body));
        let channel = CapChannel { sender: named.map(str::to_owned), ..sample::channel(&url) };
        let delivered = Deliverer::new(channel).unwrap().trusting(&trusted).deliver(Some(sent()), text()).await;
        one.join().unwrap();
        match (&delivered, why) {
            (Delivered::Receipt { accepted: true, .. }, None) => {}
            (Delivered::Failed { detail, rejected: false }, Some(why)) => assert!(detail.contains(why), "{what}: {detail}"),
            _ => panic!("{what}: {delivered:?}"),
        }
    }
}

#[tokio::test]
async fn broken_and_endless_answers_are_no_receipt() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort".to_owned();
    let endless = response("200 OK", &"x".repeat(300 * 1024));
    for bad in [cut, endless, "HTTP/1.1 ".to_owned(), String::new()] {
        let short: String = bad.chars().take(40).collect();
        let delivered = told(bad).await;
        assert!(matches!(delivered, Delivered::Failed { rejected: false, .. }), "{short:?}: {delivered:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_says_why() {
    let (listener, port) = listen();
    drop(listener);
    let channel = sample::channel(&format!("http://127.0.0.1:{port}/cap"));
    match Deliverer::new(channel).unwrap().deliver(Some(sent()), text()).await {
        Delivered::Failed { detail, rejected: false } => {
            assert!(detail.to_lowercase().contains("refused"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_resend_is_the_same_message_with_the_token() {
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let (url, one) = receiver(response("200 OK", ""));
        let mut channel = sample::channel(&url);
        channel.token = Some(Secret::new("s3cret"));
        Deliverer::new(channel).unwrap().deliver(Some(sent()), text()).await;
        let request = one.join().unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        assert!(head.contains("authorization: bearer s3cret"), "{head}");
        assert!(head.contains("content-type: application/cap+xml"), "{head}");
        parse(body.as_bytes()).unwrap();
        bodies.push(body.to_owned());
    }
    assert_eq!(bodies[0], bodies[1]);
}

/// Certificates of one private authority, as files.
struct Paper {
    folder: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    ca: rcgen::Certificate,
}

impl Paper {
    fn new() -> Paper {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        Paper { folder, issuer: rcgen::Issuer::new(params, key), ca }
    }

    fn leaf(&self) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn tls(&self) -> Tls {
        let (certificate, key) = self.leaf();
        let [ca, chain, secret] = ["ca.pem", "us.pem", "us.key"].map(|f| self.folder.path().join(f));
        std::fs::write(&chain, certificate.pem()).unwrap();
        std::fs::write(&secret, key.serialize_pem()).unwrap();
        Tls { ca, identity: Some((chain, secret)) }
    }

    /// A receiver that takes one client, with a certificate of this authority only.
    fn receiver(&self) -> (String, JoinHandle<String>) {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let (certificate, key) = self.leaf();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let (listener, port) = listen();
        let one = std::thread::spawn(move || {
            let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let stream = rustls::StreamOwned::new(session, listener.accept().unwrap().0);
            exchange(stream, &response("200 OK", ""))
        });
        (format!("https://127.0.0.1:{port}/cap"), one)
    }
}

#[tokio::test]
async fn both_ends_show_their_certificates() {
    let (ours, theirs) = (Paper::new(), Paper::new());
    let cases = [
        ("of one authority", ours.tls(), true),
        ("no certificate of ours", Tls { identity: None, ..ours.tls() }, false),
        ("a stranger's authority", theirs.tls(), false),
    ];
    for (name, tls, taken) in cases {
        let (url, one) = ours.receiver();
        let mut channel = sample::channel(&url);
        channel.tls = Some(tls);
        let delivered = Deliverer::new(channel).unwrap().deliver(Some(sent()), text()).await;
        one.join().unwrap();
        assert_eq!(matches!(delivered, Delivered::Receipt { .. }), taken, "{name}: {delivered:?}");
    }
}

#[test]
fn a_bad_certificate_file_is_named_at_the_start() {
    let paper = Paper::new();
    let mut channel = sample::channel("https://127.0.0.1:1/cap");
    let mut tls = paper.tls();
    std::fs::write(&tls.ca, "not PEM").unwrap();
    channel.tls = Some(tls.clone());
    let error = format!("{:#}", Deliverer::new(channel.clone()).unwrap_err());
    assert!(error.contains("ca.pem") && error.contains("no certificate"), "{error}");
    tls.ca = paper.folder.path().join("absent.pem");
    channel.tls = Some(tls);
    let error = format!("{:#}", Deliverer::new(channel).unwrap_err());
    assert!(error.contains("absent.pem"), "{error}");
}

#[tokio::test]
async fn a_web_page_is_no_receipt() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>";
    let delivered = told(page.to_owned()).await;
    assert!(matches!(&delivered, Delivered::Failed { detail, rejected: false } if detail.contains("web page")), "{delivered:?}");
}

/// A head of the record goes to its own address with the channel's token; only a plain success is one.
#[tokio::test]
async fn a_head_of_the_record_is_kept_or_it_is_said_why_not() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
    for (response, wanted) in [
        (response("204 No Content", ""), Ok(())),
        (response("404 Not Found", ""), Err("HTTP 404".to_owned())),
        (page, Err("HTTP 200 with a web page: something else answers there".to_owned())),
    ] {
        let (url, one) = receiver(response);
        let mut channel = sample::channel("http://127.0.0.1:1/cap");
        channel.token = Some(Secret::new("t"));
        let deliverer = Deliverer::new(channel.clone()).unwrap();
        assert_eq!(deliverer.keep(ANCHOR.to_owned()).await, Ok(()), "nobody keeps them: nothing to do");
        channel.anchors = Some(crate::config::types::Anchors { url, every_s: 600 });
        assert_eq!(Deliverer::new(channel).unwrap().keep(ANCHOR.to_owned()).await, wanted);
        let request = one.join().unwrap().to_ascii_lowercase();
        assert!(request.contains("authorization: bearer t") && request.ends_with(ANCHOR), "{request}");
    }
}

/// A receiver of JSON gets the bytes with a signature over them beside, proves the sender by them, and answers in the same form.
#[tokio::test]
async fn json_goes_with_a_signature_over_its_very_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(Key::of(folder.path()).unwrap());
    let of = Reply { accepted: true, identifier: "b.2", sender: "duty@bureau.example", at: sample::notice().at, note: "" };
    let ack = build_reply(&of, &cap::compose(&sample::notice(), &sample::channel("http://x")));
    let ack = cap::json::write(&parse(ack.as_bytes()).unwrap());
    let (url, one) = receiver(response("200 OK", &ack));
    let channel = CapChannel { form: Form::Json, ..sample::channel(&url) };
    let text = cap::build(&sample::notice(), &channel);
    let delivered = Deliverer::new(channel).unwrap().signing(Some(Arc::clone(&key))).deliver(Some(sent()), text.clone()).await;
    assert_eq!(delivered, Delivered::Receipt { code: "HTTP 200 CAP Ack b.2".to_owned(), accepted: true });
    let request = one.join().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, text);
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header(KEY_HEADER), key.public());
    let plant = crate::config::types::Trusted {
        name: "plant".into(),
        sender: sample::notice().sender,
        certificates: vec![],
        key: Some(key.public()),
    };
    let signature = Some(header(SIGNATURE_HEADER));
    let proved = |body: &str, signature| crate::notices::proved_json(body.as_bytes(), signature, [&plant]);
    assert_eq!(proved(body, signature).unwrap().message, cap::compose(&sample::notice(), &sample::channel("http://x")));
    assert!(matches!(proved(body, None), Err(crate::notices::Unproved::Unsigned(_))));
    assert!(matches!(proved(&body.replace("Test", "Actual"), signature), Err(crate::notices::Unproved::Forged(_))));
}
