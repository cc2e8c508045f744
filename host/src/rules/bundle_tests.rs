//! Bundles that are whole, cut, swapped and forged.
#![allow(clippy::unwrap_used)]

use super::*;

const COMPONENT: &[u8] = b"\0asm-not-really";

fn manifest(key: &Key) -> Manifest {
    Manifest {
        id: "room".into(),
        version: "1.2.0".into(),
        vendor: "Acme".into(),
        contract: "safety-brain:rule@1.0.0".into(),
        digest: digest_of(COMPONENT),
        imports: vec!["log".into()],
        publisher: key.public(),
        tool: "test".into(),
        untested: false,
    }
}

fn key() -> (tempfile::TempDir, Key) {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::create(&folder.path().join("acme.key")).unwrap();
    (folder, key)
}

fn of(key: &Key, manifest: &Manifest) -> Vec<u8> {
    write(key, &serde_json::to_vec(manifest).unwrap(), COMPONENT)
}

fn refusal(bytes: &[u8]) -> String {
    format!("{:#}", Bundle::read(bytes).expect_err("must be refused"))
}

#[test]
fn a_bundle_gives_back_what_was_signed() {
    let (_folder, key) = key();
    let bytes = of(&key, &manifest(&key));
    let bundle = Bundle::read(&bytes).unwrap();
    assert_eq!((&bundle.manifest, bundle.component), (&manifest(&key), COMPONENT));
    bundle.verify(&key.public()).unwrap();
}

#[test]
fn a_bundle_cut_anywhere_is_refused_and_says_so() {
    let (_folder, key) = key();
    let bytes = of(&key, &manifest(&key));
    for length in 0..bytes.len() {
        let why = refusal(&bytes[..length]);
        assert!(why.contains(&format!("ends after {length} ")) && why.contains("copy it again"), "{length}: {why}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(refusal(&longer).contains("1 byte stands behind its signature"));
}

#[test]
fn every_changed_byte_is_noticed() {
    let (_folder, key) = key();
    let bytes = of(&key, &manifest(&key));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let verified = Bundle::read(&changed).and_then(|bundle| bundle.verify(&key.public()));
        assert!(verified.is_err(), "byte {at}");
    }
}

#[test]
fn each_refusal_names_its_reason_and_a_remedy() {
    let (_folder, key) = key();
    let good = of(&key, &manifest(&key));
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let other = write(&key, &serde_json::to_vec(&manifest(&key)).unwrap(), b"another component");
    let cases: [(Vec<u8>, [&str; 2]); 7] = [
        (b"PK\x03\x04 a zip file of some kind".to_vec(), ["no bundle of a rule", "plugin sign"]),
        (with(7, &[2]), ["form 2 of a bundle, and this program reads form 1", "sign it again"]),
        (with(8, &0_u32.to_le_bytes()), ["manifest is said to have 0 bytes", "damaged"]),
        (with(8, &u32::MAX.to_le_bytes()), ["manifest is said to have 4294967295 bytes", "damaged"]),
        (with(12, &u32::MAX.to_le_bytes()), ["component is said to have 4294967295 bytes", "strip debug"]),
        (write(&key, br#"{"id":"room","new":1}"#, COMPONENT), ["its manifest is not one that", "plugin sign"]),
        (other, ["its manifest names sha256:", "copy it again from its publisher"]),
    ];
    for (bytes, parts) in cases {
        let why = refusal(&bytes);
        assert!(parts.iter().all(|part| why.contains(part)), "{parts:?} in: {why}");
    }
}

/// At its bound it is read like any other; over it, or filled with what no publisher says, it is refused in a few words.
#[test]
fn a_manifest_of_64_kib_is_read_or_refused_in_a_few_words() {
    let (_folder, key) = key();
    let filled = |manifest: &Manifest, bytes: usize| {
        let text = serde_json::to_string(manifest).unwrap();
        write(&key, (text.clone() + &" ".repeat(bytes - text.len())).as_bytes(), COMPONENT)
    };
    let full = filled(&manifest(&key), MANIFEST_BYTES_MAX);
    let bundle = Bundle::read(&full).unwrap();
    bundle.verify(&key.public()).unwrap();
    assert_eq!(bundle.manifest, manifest(&key));
    let over = refusal(&filled(&manifest(&key), MANIFEST_BYTES_MAX + 1));
    assert!(over.contains("its manifest is said to have 65537 bytes, 1 to 65536 are allowed"), "{over}");
    let long = || "x".repeat(60 << 10);
    let hostile = [
        serde_json::to_string(&Manifest { id: long(), ..manifest(&key) }).unwrap(),
        serde_json::to_string(&Manifest { vendor: "\u{1b}[2J".into(), ..manifest(&key) }).unwrap(),
        serde_json::to_string(&Manifest { imports: vec!["log".into(); 9_000], ..manifest(&key) }).unwrap(),
        format!("{{\"{}\":1}}", long()),
        format!("{{\"id\":\"{}", long()),
        "[".repeat(MANIFEST_BYTES_MAX),
        "{\"id\":".repeat(9_000),
    ];
    for manifest in hostile {
        assert!(manifest.len() <= MANIFEST_BYTES_MAX);
        let why = refusal(&write(&key, manifest.as_bytes(), COMPONENT));
        assert!(why.contains("its manifest is not one that") && why.contains("copy it again"), "{why}");
        assert!(why.len() < 300 && !why.contains('\u{1b}'), "{} bytes: {why}", why.len());
    }
}

#[test]
fn an_untested_bundle_says_so_under_its_signature_and_an_older_one_is_read() {
    let (_folder, key) = key();
    let untested = of(&key, &Manifest { untested: true, ..manifest(&key) });
    let bundle = Bundle::read(&untested).unwrap();
    bundle.verify(&key.public()).unwrap();
    assert!(bundle.manifest.untested);
    let tested = serde_json::to_string(&manifest(&key)).unwrap();
    assert!(!tested.contains("untested"), "as it was before the word was there: {tested}");
    assert!(!Bundle::read(&of(&key, &manifest(&key))).unwrap().manifest.untested);
}

#[test]
fn a_manifest_that_asks_for_what_no_rule_may_have_is_refused() {
    let (_folder, key) = key();
    let asks = |import: &str| Manifest { imports: vec![import.into()], ..manifest(&key) }.foreign();
    assert_eq!(asks("history"), None);
    assert!(asks("wasi:clocks/wall-clock").is_some_and(|why| why.contains("wasi:clocks") && why.contains("log and history")));
}

#[test]
fn only_the_publisher_named_and_asked_for_is_believed() {
    let ((_folder, acme), (_other, mallory)) = (key(), key());
    let verify = |bytes: &[u8], public: &str| Bundle::read(bytes).unwrap().verify(public).map_err(|e| e.to_string());
    assert!(verify(&of(&mallory, &manifest(&mallory)), &acme.public()).unwrap_err().contains("it is signed by"));
    let forged = of(&mallory, &manifest(&acme));
    assert!(verify(&forged, &acme.public()).unwrap_err().contains("its signature is not that of"));
    assert!(verify(&of(&acme, &manifest(&acme)), "").is_err());
}
