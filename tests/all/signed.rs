//! Signatures of messages against two programs that are not ours: xmlsec1 (Debian) and signxml (PyPI). Each verifies what we sign, refuses it once a byte
//! of it is changed, and signs what we verify, written as others write XML. Skipped, loudly, where one is not installed; with `CI=true` that fails.
#![allow(clippy::unwrap_used)]

use crate::configuration;
use crate::process::{Process, eventually, free_port, loud, root};
use crate::receiver::Receiver;
use crate::site::{Site, get, post};
use safety_brain::config::types::Trusted;
use safety_brain::key::{Certificate, Certified};
use safety_brain::notices::cap::{self, Reply};
use safety_brain::notices::{Unproved, proved};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

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
            loud(&format!("no {self:?} ({remedy})"));
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

fn safety_brain(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(arguments).current_dir(folder).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

/// A running plant with a key, a unit code and a place from a Chinese map: its message is signed, named and placed accordingly, and of the answers only the
/// one that the bureau signed is taken.
#[test]
fn signed_messages_leave_a_plant_and_signed_answers_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    for (name, sender) in [("plant", "test@plant.example"), ("bureau", SENDER)] {
        let (good, said) = safety_brain(folder.path(), &["cap", "keygen", "--out", name, "--sender", sender]);
        assert!(good && said.contains("sha256:"), "{said}");
        let (again, said) = safety_brain(folder.path(), &["cap", "keygen", "--out", name, "--sender", sender]);
        assert!(!again && said.contains("exists already"), "{said}");
    }
    let (receiver, console) = (Receiver::start(0), free_port());
    let more = "timeout = \"2s\"\nunit_code = \"43018100000000\"\nsign = { key = \"plant.key\", certificate = \"plant.crt\" }\n\
                [[trusted]]\nname = \"bureau\"\nsender = \"duty@bureau.example\"\ncertificate = \"bureau.crt\"\n";
    let site = Site { mqtt: free_port(), modbus: None, bureau: receiver.port, console }.toml();
    let all = "after = { blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }";
    let site = site.replace("after = { red = \"0s\" }", all).replace("timeout = \"2s\"\n", more);
    let site = site.replace("longitude = 113.63 }", "longitude = 113.63, datum = \"gcj02\" }");
    let (file, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    std::fs::write(&file, site).unwrap();
    let plant = Process::safety_brain(&["run", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    let (identifier, bytes) = eventually("a message to the bureau", Duration::from_secs(60), || {
        let heard = receiver.heard();
        let of = heard.iter().next().ok_or("nothing yet")?;
        Ok((of.0.clone(), of.1.first().cloned().unwrap()))
    });
    assert!(identifier.starts_with("43018100000000_") && identifier.len() == 31, "{identifier}");
    let incident = bytes.split("<incidents>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    assert!(incident.starts_with("test.") && incident.ends_with(".1"), "{incident}");
    assert!(bytes.contains("<value>GCJ-02</value>"), "{bytes}");
    assert!(!bytes.contains("<circle>28.15,113.63 "), "{bytes}");
    std::fs::write(folder.path().join("message.xml"), &bytes).unwrap();
    std::fs::write(folder.path().join("changed.xml"), bytes.replacen("Actual<", "Test<", 1)).unwrap();
    for (message, certificate, wanted) in [
        ("message.xml", "plant.crt", Ok("Alert 43018100000000_")),
        ("message.xml", "bureau.crt", Err("forged")),
        ("changed.xml", "plant.crt", Err("not what was signed")),
        ("site.toml", "plant.crt", Err("near byte")),
    ] {
        let (good, said) = safety_brain(folder.path(), &["cap", "verify", message, "--certificate", certificate]);
        let words = wanted.unwrap_or_else(|words| words);
        assert!(good == wanted.is_ok() && said.contains(words), "{message} {certificate}: {said}");
    }

    let about = cap::parse(bytes.as_bytes()).unwrap();
    let at = cap::time::read(&about.sent).unwrap();
    let reply =
        cap::build_reply(&Reply { accepted: true, identifier: "b.9", sender: SENDER, at, note: "值班员 甲; 已派人" }, &about);
    let signed_by = |name: &str| {
        let of = |ending: &str| folder.path().join(format!("{name}.{ending}"));
        cap::sign(&reply, &Certified::read(&of("key"), &of("crt")).unwrap()).unwrap()
    };
    for (body, wanted) in [(reply.clone(), false), (signed_by("plant"), false), (signed_by("bureau"), true)] {
        let status = post(console, "/api/v1/cap", cap::MEDIA_TYPE, &body);
        assert_eq!(status < 300, wanted, "{status} for {body}");
    }
    // Somebody at the plant takes it: the bureau hears that, too. All that left the plant is good before both strangers.
    let alarms = get(console, "/api/v1/alarms?state=active").unwrap();
    for alarm in alarms["items"].as_array().unwrap() {
        let path = format!("/api/v1/alarms/{}/acknowledge", alarm["id"].as_str().unwrap());
        assert!(post(console, &path, "application/json", "{\"note\":\"x\"}") < 300, "{alarm}");
    }
    let messages = eventually("an alert and an update", Duration::from_secs(60), || {
        let bodies: Vec<String> = receiver.heard().into_values().flatten().collect();
        let kinds =
            ["Alert", "Update"].map(|kind| bodies.iter().filter(|body| body.contains(&format!("<msgType>{kind}<"))).count());
        if kinds.iter().all(|count| *count > 0) { Ok(bodies) } else { Err(format!("{kinds:?}")) }
    });
    for tool in [Tool::Xmlsec1, Tool::Signxml].into_iter().filter(|tool| tool.is_here()) {
        for (text, good) in messages.iter().flat_map(|body| [(body.clone(), true), (body.replacen("Actual<", "Test<", 1), false)])
        {
            let message = folder.path().join("left.xml");
            std::fs::write(&message, &text).unwrap();
            let output = tool.verify("ec", &message, &folder.path().join("plant.crt"));
            assert_eq!(output.status.success(), good, "{tool:?}: {}\n{text}", String::from_utf8_lossy(&output.stderr));
        }
    }
    plant.terminate();
}

#[test]
fn signed_messages_need_a_site_file_that_says_all_it_must() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ["a", "b"].map(|name| {
        let of = |ending: &str| folder.path().join(format!("{name}.{ending}"));
        Certified::create(&of("key"), &of("crt"), "x").unwrap();
        (of("key").display().to_string(), of("crt").display().to_string())
    });
    let [(key, certificate), (_, other)] = &keys;
    let sign =
        |key: &str, certificate: &str| format!("timeout = \"5s\"\nsign = {{ key = {key:?}, certificate = {certificate:?} }}");
    let trust = |what: &str| format!("[[trusted]]\nname = \"bureau\"\nsender = \"duty@bureau.example\"\n{what}\n[site]\n");
    let area = "longitude = 113.6300, radius_km = 0.2";
    /// Key and remedy of the fault.
    type Wanted<'a> = Result<(), (&'a str, &'a str)>;
    let cases: Vec<(&str, String, Wanted)> = vec![
        ("timeout = \"5s\"", sign(key, certificate), Ok(())),
        ("timeout = \"5s\"", sign(key, other), Err(("audience.bureau.sign.key", "cap keygen"))),
        ("timeout = \"5s\"", sign("gone.key", certificate), Err(("audience.bureau.sign.key", "gone.key"))),
        ("timeout = \"5s\"", sign(certificate, certificate), Err(("audience.bureau.sign.key", "chmod 600"))),
        ("timeout = \"5s\"", sign(key, certificate) + "\nform = \"json\"", Err(("audience.bureau.sign", "site's own key"))),
        ("timeout = \"5s\"", "form = \"json\"".into(), Ok(())),
        ("timeout = \"5s\"", "unit_code = \"430181000000001\"".into(), Err(("audience.bureau.unit_code", "14 digits"))),
        (
            "timeout = \"5s\"",
            "division = \"430181\"\nunit_code = \"11000000000000\"".into(),
            Err(("audience.bureau.unit_code", "begin with")),
        ),
        ("[site]\n", trust(&format!("certificate = {certificate:?}")), Ok(())),
        ("[site]\n", trust(""), Err(("trusted.bureau.certificate", "found nothing"))),
        ("[site]\n", trust(&format!("certificate = {key:?}")), Err(("trusted.bureau.certificate", "PEM"))),
        (area, format!("{area}, datum = \"gcj02\""), Ok(())),
        (area, format!("{area}, datum = \"bd09\""), Err((".area.datum", "gcj02"))),
        ("latitude = 28.1500", "datum = \"gcj02\", latitude = 58.15".into(), Err((".area.datum", "place in China"))),
    ];
    for (from, to, wanted) in cases {
        let loaded = configuration::changed(|text| {
            assert!(text.contains(from), "{from:?}");
            text.replacen(from, &to, 1)
        });
        match (loaded, wanted) {
            (Ok(()), Ok(())) => {}
            (Err(faults), Err((key, remedy))) => {
                let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
                let found = faults.iter().any(|fault| fault.key.contains(key) && fault.to_string().contains(remedy));
                assert!(found, "{to}: no fault of {key} with {remedy:?}: {said:?}");
            }
            (loaded, wanted) => panic!("{to}: {wanted:?}, but {loaded:?}"),
        }
    }
}
