//! What receivers send, and what is sent to them, as functions of bytes. See [`crate::fuzzing`].

use super::received::{self, Desk, Line, Received};
use super::{answer, cap, deliver};
use crate::config::types::{CapChannel, Form};
use brain::Notice;
use brain::bureau::{Acked, Act, Again, Bureau, Event, Judged};
use reqwest::StatusCode;

/// A CAP message. What was taken is written and read as the same; whatever passes the checks can be answered.
pub fn message(bytes: &[u8]) -> bool {
    let Ok(message) = cap::parse(bytes) else { return false };
    let faults = cap::check(&message);
    let _ = (cap::skew(&message, 1_767_323_045_000_000), message.triples());
    // A signature is counted and never written.
    if message.signatures == 0 {
        assert_eq!(cap::parse(cap::write(&message).as_bytes()).as_ref(), Ok(&message), "written otherwise than read");
    }
    faults.is_empty()
}

/// A signed message: what is meant is what was signed.
pub fn signed(bytes: &[u8]) -> bool {
    let Ok(Some(signed)) = cap::Signed::read(bytes) else { return false };
    let plain = cap::parse(bytes).map(|message| cap::Message { signatures: 0, ..message });
    assert_eq!(plain.as_ref(), Ok(signed.message()), "something is wrapped around what was signed");
    true
}

/// A message in JSON. It says the same in XML, and is written as it was read.
pub fn json(bytes: &[u8]) -> bool {
    let Ok(message) = cap::json::read(bytes) else { return false };
    assert_eq!(cap::json::read(cap::json::write(&message).as_bytes()).as_ref(), Ok(&message), "written otherwise than read");
    assert_eq!(cap::parse(cap::write(&message).as_bytes()).as_ref(), Ok(&message), "XML says something else");
    true
}

/// A notice as the journal has it, JSON. What is made of it is read back as it was meant.
pub fn notice(bytes: &[u8]) -> bool {
    let Ok(notice) = serde_json::from_slice::<Notice>(bytes) else { return false };
    let (url, division) = ("http://127.0.0.1/cap".to_owned(), "430181".to_owned());
    let (token, tls, anchors, signer, form, sender) = (None, None, None, None, Form::Xml, None);
    let channel = CapChannel { url, token, tls, timeout_ms: 5000, expires_s: 1800, division, anchors, signer, form, sender };
    let composed = cap::compose(&notice, &channel);
    assert_eq!(cap::parse(cap::build(&notice, &channel).as_bytes()), Ok(composed), "read otherwise than meant");
    true
}

/// A status on two bytes, and the body of a receiver's answer; the same body as a person's answer.
pub fn reply(bytes: &[u8]) -> bool {
    let Some((status, body)) = bytes.split_first_chunk::<2>() else { return false };
    let status = StatusCode::from_u16(u16::from_be_bytes(*status) % 1000).unwrap_or(StatusCode::OK);
    let delivered =
        deliver::answered(status, "", body, Some(deliver::Sent { identifier: "demo.7.12", mode: brain::site::Mode::Test }), None);
    let receipt = matches!(delivered, deliver::Delivered::Receipt { .. });
    assert!(!receipt || status.is_success(), "{status} was taken for a receipt");
    if let Ok(answer) = answer(body, &[]) {
        assert!(!answer.references.is_empty() && !answer.by.name.is_empty(), "nobody, or about nothing: {answer:?}");
    }
    receipt
}

/// What a plant reports to a bureau. What is taken is known when it comes again, and an officer's answer to it is one that a plant reads.
pub fn report(bytes: &[u8]) -> bool {
    let line = Line { sender: "plant@demo.example", trusted: None, signature: None };
    let Ok(Received { message, report }) = received::received(bytes, line) else { return false };
    let mut bureau = Bureau::default();
    assert_eq!(bureau.judge("p", &report), Judged::New);
    let event = Event::Reported {
        plant: "p".to_owned(),
        report: Box::new(report.clone()),
        message: String::new(),
        acked: Acked::default(),
    };
    let _ = bureau.step(report.sent, &event);
    let known = bureau.judge("p", &report);
    assert!(matches!(known, Judged::Known(Again::Duplicate, 1, _)), "{known:?}");
    let desk = Desk { sender: "duty@bureau.example", identifier: "b.a1", at: 1_767_323_045_000_000, before: "" };
    let said = received::said(desk, "officer", &Act::Accept { note: String::new() }, &message, None);
    let text = said.expect("nothing is signed").expect("a plant is told");
    let heard = answer(text.as_bytes(), &[]).expect("a plant reads it");
    assert_eq!(heard.references, [cap::Triple::of(&message)]);
    true
}
