//! Signed messages: what we sign is proved, and nothing else is: no changed byte, no foreign key, nothing wrapped around what was signed.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::key::{Certificate, Certified};
use crate::notices::{answer, cap, sample};
use brain::notice::{NoticeKind, Reason};

struct Party {
    _folder: tempfile::TempDir,
    key: Certified,
}

fn party() -> Party {
    let folder = tempfile::tempdir().unwrap();
    let key = Certified::create(&folder.path().join("k.key"), &folder.path().join("k.crt"), "x").unwrap();
    Party { _folder: folder, key }
}

fn trusted(sender: &str, certificates: &[&Certificate]) -> Trusted {
    Trusted {
        name: "n".into(),
        sender: sender.into(),
        certificates: certificates.iter().map(|one| (*one).clone()).collect(),
        key: None,
    }
}

const PLANT: &str = "plant@demo.example";

fn alert() -> String {
    cap::build(&sample::notice(), &sample::channel("http://x"))
}

fn reply(note: &str) -> String {
    let to = cap::compose(&sample::notice(), &sample::channel("http://x"));
    let of = cap::Reply { accepted: true, identifier: "b.2", sender: "duty@bureau.example", at: sample::notice().at, note };
    cap::build_reply(&of, &to)
}

#[test]
fn what_is_signed_is_proved_and_says_by_which_certificate() {
    let (old, new, channel) = (party(), party(), sample::channel("http://x"));
    let both = trusted(PLANT, &[old.key.certificate(), new.key.certificate()]);
    for (kind, reason) in
        [(NoticeKind::Alert, Reason::Opened), (NoticeKind::Update, Reason::Raised), (NoticeKind::Cancel, Reason::Closed)]
    {
        let notice = match kind {
            NoticeKind::Alert => sample::notice(),
            NoticeKind::Update | NoticeKind::Cancel => sample::follow_up(kind, reason),
        };
        for by in [&old.key, &new.key] {
            let text = cap::sign(&cap::build(&notice, &channel), by).unwrap();
            let proved = proved(text.as_bytes(), [&both]).unwrap();
            assert_eq!(proved.message, cap::compose(&notice, &channel));
            assert_eq!(proved.by, by.certificate().fingerprint());
            assert_eq!(cap::parse(text.as_bytes()).unwrap().signatures, 1);
        }
    }
}

#[test]
fn strangers_forgers_and_the_silent_are_told_apart() {
    let (plant, other) = (party(), party());
    let us = trusted(PLANT, &[plant.key.certificate()]);
    let them = trusted("other@demo.example", &[other.key.certificate()]);
    let text = alert();
    let signed = |by: &Party| cap::sign(&text, &by.key).unwrap();
    let told = |text: &str, trusted: &[&Trusted]| proved(text.as_bytes(), trusted.iter().copied()).unwrap_err();
    // A sender that we know may not speak for another one.
    assert_eq!(told(&signed(&other), &[&us, &them]), Unproved::Forged(PLANT.into()));
    assert_eq!(told(&signed(&plant), &[&them]), Unproved::Stranger(PLANT.into()));
    assert!(matches!(told(&text, &[&us]), Unproved::Unsigned(message) if message.sender == PLANT));
    assert!(matches!(told("", &[&us]), Unproved::Unreadable(_)));
}

/// Bytes that nothing covers (the XML declaration, the certificate that is not used) change nothing of what is meant.
#[test]
fn no_changed_byte_is_believed() {
    let plant = party();
    let us = trusted("duty@bureau.example", &[plant.key.certificate()]);
    let good = cap::sign(&reply("值班员 甲"), &plant.key).unwrap();
    let meant = proved(good.as_bytes(), [&us]).unwrap();
    let (unused, end) = (good.find("<KeyInfo>").unwrap(), good.find("</KeyInfo>").unwrap());
    let mut refused = 0;
    for at in 0..good.len() {
        for bit in [0x01, 0x04, 0x20] {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= bit;
            match proved(&bytes, [&us]) {
                Err(_) => refused += 1,
                Ok(taken) => {
                    assert_eq!(taken, meant, "byte {at} changed the meaning");
                    let covered = good[..at].contains("<alert") && !(unused..end).contains(&at);
                    let blank = good.as_bytes()[at].is_ascii_whitespace() || bytes[at].is_ascii_whitespace();
                    assert!(!covered || blank || at >= end, "byte {at} ({:?}) is not covered", &good[at..at + 1]);
                }
            }
        }
    }
    assert!(refused > good.len() * 3 / 2, "{refused} of {} refused", good.len() * 3);
}

/// Each leaves what was signed somewhere in the document and puts something else where it is read, or says that less was signed.
#[test]
fn nothing_is_wrapped_around_what_was_signed() {
    let plant = party();
    let us = trusted(PLANT, &[plant.key.certificate()]);
    let good = cap::sign(&alert(), &plant.key).unwrap();
    let (at, end) = (good.find("<Signature").unwrap(), good.find("</Signature>").unwrap() + "</Signature>".len());
    let signature = &good[at..end];
    let inner = &good[good.find("<alert").unwrap()..at];
    let evil = alert().replace("red", "blue").replace("demo.7.12", "demo.7.99");
    let within = |signature: &str| evil.replace("</alert>", &format!("{signature}</alert>"));
    let put = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let object = |inside: &str| signature.replace("</Signature>", &format!("<Object>{inside}</Object></Signature>"));
    let reference = &signature[signature.find("<Reference").unwrap()..signature.find("</SignedInfo>").unwrap()];
    let cases = [
        ("not what was signed", within(signature)),
        ("KeyInfo", within(&object(&format!("{inner}</alert>")))),
        ("KeyInfo", put("</Signature>", "<Object/></Signature>")),
        ("more than one", put("</Signature>", &format!("</Signature>{signature}"))),
        ("must stand where", alert().replacen("<identifier>", &format!("{signature}<identifier>"), 1)),
        ("URI", put("URI=\"\"", "URI=\"#a\"")),
        ("URI", put(" URI=\"\"", "")),
        ("exactly one Reference", put("</SignedInfo>", &format!("{reference}</SignedInfo>"))),
        (
            "nothing else",
            put("<Transforms>", "<Transforms><Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"/>"),
        ),
        ("not taken", put("#enveloped-signature", "#base64")),
        ("not taken", put("xmlenc#sha256", "xmldsig#sha1")),
        ("not taken", put("xmldsig-more#ecdsa-sha256", "xmldsig#hmac-sha1")),
        (
            "not taken",
            put("<CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">", "<CanonicalizationMethod>"),
        ),
        (
            "no parameters",
            put(
                "</Transform></Transforms>",
                "<InclusiveNamespaces xmlns=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"a\"/></Transform></Transforms>",
            ),
        ),
        ("processing instructions", put("<alert", "<?p x?><alert")),
        (
            "forged",
            put(
                "Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256\"",
                "Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"",
            ),
        ),
        ("forged", put("<SignatureValue>", "<SignatureValue>AAAA")),
        ("no base64", put("<SignatureValue>", "<SignatureValue>-")),
        ("document type", put("<alert", "<!DOCTYPE alert><alert")),
    ];
    for (wanted, text) in cases {
        let error = proved(text.as_bytes(), [&us]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted:?} not in {error:?}");
    }
    // Another digest in the signature is another signature.
    let digest = |text: &str| text.split("<DigestValue>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let other = party();
    let forged = cap::sign(&evil, &other.key).unwrap();
    let swapped = within(&signature.replace(&digest(&good), &digest(&forged)));
    assert_eq!(proved(swapped.as_bytes(), [&us]), Err(Unproved::Forged(PLANT.into())));
    // The control.
    assert!(proved(good.as_bytes(), [&us]).is_ok());
}

#[test]
fn a_few_bytes_cannot_ask_for_a_very_long_canonical_form() {
    let space = format!("xmlns:p=\"urn:{}\"", "x".repeat(60_000));
    let many = "<p:a/>".repeat(1_000);
    let text = reply("x").replace(
        "</alert>",
        &format!(
            "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\" {space}><SignedInfo>{many}</SignedInfo></Signature></alert>"
        ),
    );
    assert!(proved(text.as_bytes(), []).is_err());
}

/// A person's answer: a sender whose certificate is known must sign, nobody else may claim to.
#[test]
fn answers_are_signed_by_those_who_can() {
    let (bureau, other) = (party(), party());
    let us = [trusted("duty@bureau.example", &[bureau.key.certificate()])];
    let text = reply("值班员 甲; 已派人");
    let signed = cap::sign(&text, &bureau.key).unwrap();
    let forged = cap::sign(&text, &other.key).unwrap();
    assert_eq!(answer(signed.as_bytes(), &us).unwrap().by.name, "甲");
    assert_eq!(answer(text.as_bytes(), &[]).unwrap().by.name, "甲");
    for (wanted, text, trusted) in [
        ("must be", &text, &us[..]),
        ("forged", &forged, &us[..]),
        ("nothing is trusted", &signed, &[]),
        ("not what was signed", &signed.replace("已派人", "请稍候"), &us[..]),
    ] {
        let error = answer(text.as_bytes(), trusted).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted:?} not in {error:?}");
    }
}
