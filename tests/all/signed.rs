//! Signatures of messages against two programs that are not ours: xmlsec1 (Debian) and signxml (PyPI). Each verifies what we sign, refuses it once a byte
//! of it is changed, and signs what we verify, written as others write XML. Skipped, loudly, where one is not installed; with `CI=true` that fails.
#![allow(clippy::unwrap_used)]

use crate::process::root;
use safety_brain::config::types::Trusted;
use safety_brain::key::{Certificate, Certified};
use safety_brain::notices::cap::{self, Reply};
use safety_brain::notices::{Unproved, proved};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SENDER: &str = "duty@bureau.example";

/// A program that signs and verifies XML.
#[derive(Clone, Copy, Debug)]
enum Tool {
    Xmlsec1,
    Signxml,
}

impl Tool {
    fn is_here(self) -> bool {
        let (mut command, remedy) = match self {
            Tool::Xmlsec1 => (Command::new("xmlsec1"), "Debian: xmlsec1"),
            Tool::Signxml => (Command::new("python3"), "pip install signxml"),
        };
        let here = match self {
            Tool::Xmlsec1 => command.arg("--version"),
            Tool::Signxml => command.args(["-c", "import signxml"]),
        };
        let here = here.output().is_ok_and(|output| output.status.success());
        assert!(here || std::env::var("CI").is_err(), "CI needs {self:?} ({remedy})");
        if !here {
            eprintln!("SKIPPED: no {self:?} ({remedy})");
        }
        here
    }

    fn verify(self, kind: &str, message: &Path, certificate: &Path) -> Output {
        match self {
            Tool::Xmlsec1 => {
                let mut command = Command::new("xmlsec1");
                command.args(["--verify", "--enabled-reference-uris", "empty", "--pubkey-cert-pem"]);
                command.arg(certificate).arg(message).output().unwrap()
            }
            Tool::Signxml => peer().args(["verify", kind]).args([message, certificate]).output().unwrap(),
        }
    }

    /// Signs `text`, which has no signature.
    fn sign(self, kind: &str, text: &str, folder: &Path, party: &Party) -> String {
        let (from, to) = (folder.join("from.xml"), folder.join("to.xml"));
        let output = match self {
            Tool::Xmlsec1 => {
                let at = text.rfind("</").unwrap();
                std::fs::write(&from, format!("{}{}{}", &text[..at], template(kind), &text[at..])).unwrap();
                let pair = format!("{},{}", party.key.display(), party.certificate.display());
                let mut command = Command::new("xmlsec1");
                command.args(["--sign", "--privkey-pem", &pair, "--output"]).arg(&to).arg(&from).output().unwrap()
            }
            Tool::Signxml => {
                std::fs::write(&from, text).unwrap();
                peer().args(["sign", kind]).args([&from, &to, &party.key, &party.certificate]).output().unwrap()
            }
        };
        assert!(output.status.success(), "{self:?} does not sign: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(to).unwrap()
    }
}

fn peer() -> Command {
    let mut command = Command::new("python3");
    command.arg(root().join("tests/peers/xml_signature.py"));
    command
}

/// What xmlsec1 fills in.
fn template(kind: &str) -> String {
    let method = if kind == "ec" { "ecdsa" } else { "rsa" };
    format!(
        "<dsig:Signature xmlns:dsig='http://www.w3.org/2000/09/xmldsig#'><dsig:SignedInfo>\n<dsig:CanonicalizationMethod \
         Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/><dsig:SignatureMethod \
         Algorithm='http://www.w3.org/2001/04/xmldsig-more#{method}-sha256'/>\n<dsig:Reference URI=''><dsig:Transforms><dsig:Transform \
         Algorithm='http://www.w3.org/2000/09/xmldsig#enveloped-signature'/><dsig:Transform \
         Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/></dsig:Transforms><dsig:DigestMethod \
         Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/><dsig:DigestValue/></dsig:Reference></dsig:SignedInfo>\
         <dsig:SignatureValue/><dsig:KeyInfo><dsig:X509Data/></dsig:KeyInfo></dsig:Signature>\n"
    )
}

struct Party {
    key: PathBuf,
    certificate: PathBuf,
}

impl Party {
    /// A P-256 key of our own making, or an RSA key of OpenSSL's.
    fn make(kind: &str, folder: &Path) -> Party {
        let party = Party { key: folder.join(format!("{kind}.key")), certificate: folder.join(format!("{kind}.crt")) };
        if kind == "ec" {
            Certified::create(&party.key, &party.certificate, SENDER).unwrap();
            return party;
        }
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=duty", "-keyout"]);
        let output = command.arg(&party.key).arg("-out").arg(&party.certificate).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        party
    }

    fn trusted(&self) -> Trusted {
        let certificates = Certificate::all(&std::fs::read(&self.certificate).unwrap()).unwrap();
        Trusted { name: "bureau".into(), sender: SENDER.into(), certificates, key: None }
    }
}

fn ack() -> String {
    let to = cap::parse(OTHERS[0].1.as_bytes()).unwrap();
    cap::build_reply(
        &Reply {
            accepted: true,
            identifier: "b.2",
            sender: SENDER,
            at: 1_767_323_045_000_000,
            note: "值班员 甲; <&> \"已派人\"",
        },
        &to,
    )
}

/// One message, as others write XML.
const OTHERS: &[(&str, &str)] = &[
    (
        "plain",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"><identifier>b.1</identifier>\
         <sender>duty@bureau.example</sender><sent>2026-01-02T11:04:05+08:00</sent><status>Test</status><msgType>Ack</msgType>\
         <scope>Private</scope><addresses>p</addresses><note>值班员 甲</note></alert>",
    ),
    (
        "prefixes, comments, CDATA, entities, attributes, carriage returns",
        "<c:alert xmlns:unused='urn:u' xmlns:c='urn:oasis:names:tc:emergency:cap:1.2' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
         xsi:schemaLocation='a &amp;&#9;&quot;\n b' xsi:noNamespaceSchemaLocation=\"'&gt;\"><!-- c -->\r\n <c:identifier \
         xmlns:c='urn:oasis:names:tc:emergency:cap:1.2'>b<![CDATA[<1>&]]>&amp;&#x4e2d;</c:identifier>\r\n<sender \
         xmlns='urn:oasis:names:tc:emergency:cap:1.2'>duty@bureau<!-- x -->.example</sender><c:sent>2026-01-02T11:04:05+08:00</c:sent>\
         <c:status xmlns:d='urn:d'>Test</c:status><c:msgType>Ack</c:msgType><c:scope>Private</c:scope><c:addresses>&#13;&lt;p&gt;\t\"</c:addresses>\
         <c:code></c:code><c:code/></c:alert>",
    ),
];

/// The first character of the note becomes another one.
fn changed(text: &str) -> String {
    text.replacen("Test<", "Actual<", 1)
}

#[test]
fn signed_messages_are_verified_by_two_strangers_and_theirs_by_us() {
    for tool in [Tool::Xmlsec1, Tool::Signxml].into_iter().filter(|tool| tool.is_here()) {
        for kind in ["ec", "rsa"] {
            let folder = tempfile::tempdir().unwrap();
            let (party, message) = (Party::make(kind, folder.path()), folder.path().join("message.xml"));
            let ours = cap::sign(&ack(), &Certified::read(&party.key, &party.certificate).unwrap()).unwrap();
            for (text, good) in [(ours.clone(), true), (changed(&ours), false)] {
                std::fs::write(&message, text).unwrap();
                let output = tool.verify(kind, &message, &party.certificate);
                let said = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.success(), good, "{tool:?} {kind}: {said}");
            }
            for (about, text) in OTHERS {
                let theirs = tool.sign(kind, text, folder.path(), &party);
                let proved_now = proved(theirs.as_bytes(), [&party.trusted()]);
                let proved_now = proved_now.unwrap_or_else(|error| panic!("{tool:?} {kind} {about}: {error}\n{theirs}"));
                assert_eq!(proved_now.message, cap::parse(text.as_bytes()).unwrap(), "{tool:?} {kind} {about}");
                let refused = proved(changed(&theirs).as_bytes(), [&party.trusted()]);
                assert!(matches!(refused, Err(Unproved::Unreadable(_))), "{tool:?} {kind} {about}: {refused:?}");
            }
        }
    }
}
