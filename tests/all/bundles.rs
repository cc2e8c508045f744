//! Whose rules a plant runs: bundles that are whole, signed, granted and not revoked; everything else is refused with the thing, the place and the remedy.
//! The guest is the well-behaved one of the hostile tests. Must not know: how a bundle is laid out.

use crate::hostile::{CACHE, ENGINE, GUESTS, VERSION, config, rule};
use brain::reading::TagId;
use safety_brain::config::types::{Config, Publisher, Rule};
use safety_brain::key::Key;
use safety_brain::rules::compile::{Limits, apart};
use safety_brain::rules::{Admitted, Cache, Depot, Package, Versions, admit, bundle};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const GUEST: &str = "well-behaved";

static COMPONENT: LazyLock<(Vec<u8>, Package)> = LazyLock::new(|| {
    let bytes = fs::read(GUESTS.join(Package::file_name(GUEST, VERSION))).unwrap();
    let package = Package::from_bytes(&ENGINE, &bytes, Some(&CACHE)).unwrap();
    (bytes, package)
});

/// One rule of one publisher, as its plant trusts it.
struct Plant {
    folder: tempfile::TempDir,
    config: Config,
    versions: Versions,
}

impl Plant {
    fn new() -> Plant {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::create(&folder.path().join("acme.key")).unwrap();
        let (bytes, package) = &*COMPONENT;
        fs::write(folder.path().join(bundle::file_name(GUEST, VERSION)), bundle::sign(&key, package, bytes, false)).unwrap();
        let mut config = config(vec![rule(GUEST)]);
        let imports = ["log", "history"].map(str::to_owned).to_vec();
        config.publishers = vec![Publisher { name: "acme".into(), key: key.public(), revoked: vec![], imports }];
        config.rules[0].publisher = Some(0);
        config.plugins_dir = folder.path().to_owned();
        config.allow_unsigned = false;
        let versions = Versions::of(folder.path(), false);
        Plant { folder, config, versions }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join(bundle::file_name(GUEST, VERSION))
    }

    fn cut(&self, length: usize) {
        fs::write(self.file(), &fs::read(self.file()).unwrap()[..length]).unwrap();
    }

    fn admit(&self) -> Result<Vec<Admitted>, String> {
        let faults = admit(&ENGINE, &self.config, Some(&CACHE), &self.versions);
        faults.map_err(|faults| faults.iter().map(|fault| format!("{fault}\n")).collect())
    }
}

/// A bundle of the same component that somebody else signed.
fn forged(folder: &Path) -> Vec<u8> {
    let key = Key::create(&folder.join("mallory.key")).unwrap();
    bundle::sign(&key, &COMPONENT.1, &COMPONENT.0, false)
}

/// What is changed, the key that is told, and what is said of the thing, the place and the remedy.
type Case = (&'static str, fn(&mut Plant), &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "no bundle",
        |plant| fs::remove_file(plant.file()).unwrap(),
        "plugin",
        &["well-behaved-1.0.0.sbrule does not exist", "the publisher's bundle, copied into"],
    ),
    (
        "another name",
        |plant| plant.config.rules[0].plugin = "well-behavd".into(),
        "plugin",
        &["well-behavd-1.0.0.sbrule does not exist", "did you mean `well-behaved@1.0.0`?"],
    ),
    (
        "cut in the head",
        |plant| plant.cut(9),
        "plugin",
        &["well-behaved-1.0.0.sbrule: it ends after 9 bytes, inside its head", "copy it again"],
    ),
    ("cut in the manifest", |plant| plant.cut(100), "plugin", &["it ends after 100 of", "copy it again"]),
    ("cut in the component", |plant| plant.cut(5000), "plugin", &["it ends after 5000 of", "copy it again"]),
    (
        "cut in the signature",
        |plant| plant.cut(fs::read(plant.file()).unwrap().len() - 1),
        "plugin",
        &["it ends after", "copy it again"],
    ),
    (
        "a component changed",
        |plant| {
            let mut bytes = fs::read(plant.file()).unwrap();
            bytes[5000] ^= 1;
            fs::write(plant.file(), bytes).unwrap();
        },
        "plugin",
        &["its component is sha256:", "the file was changed; copy it again from its publisher"],
    ),
    (
        "a signature changed",
        |plant| {
            let mut bytes = fs::read(plant.file()).unwrap();
            let at = bytes.len() - 1;
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            fs::write(plant.file(), bytes).unwrap();
        },
        "publisher",
        &["well-behaved-1.0.0.sbrule: its signature is not that of ed25519:", "with the signature of [[publisher]] \"acme\""],
    ),
    (
        "the wrong key",
        |plant| fs::write(plant.file(), forged(plant.folder.path())).unwrap(),
        "publisher",
        &["it is signed by ed25519:", "take the publisher's own bundle, or the right key"],
    ),
    (
        "no publisher",
        |plant| plant.config.rules[0].publisher = None,
        "publisher",
        &[
            "nobody vouches for this rule",
            "publisher = the name of the [[publisher]] who signed well-behaved-1.0.0.sbrule",
            "--allow-unsigned",
        ],
    ),
    (
        "a bare component in its place",
        |plant| fs::write(plant.file(), &COMPONENT.0).unwrap(),
        "plugin",
        &["this is no bundle of a rule", "plugin sign"],
    ),
    (
        "revoked by version",
        |plant| plant.config.publishers[0].revoked = vec!["well-behaved@1.0.0".into()],
        "plugin",
        &["`well-behaved@1.0.0` is revoked at [[publisher]] \"acme\"", "a version that is not revoked"],
    ),
    (
        "revoked by digest",
        |plant| plant.config.publishers[0].revoked = vec![COMPONENT.1.digest.clone()],
        "plugin",
        &["is revoked at [[publisher]] \"acme\"", "a version that is not revoked"],
    ),
    (
        "imports more than granted",
        |plant| plant.config.publishers[0].imports = vec![],
        "plugin",
        &["asks for ", "history, which [[publisher]] \"acme\" is not granted", "under the publisher's `imports`"],
    ),
    (
        "another digest",
        |plant| plant.config.rules[0].digest = Some(format!("sha256:{}", "0".repeat(64))),
        "digest",
        &["but the component is sha256:", "review this one and write its digest"],
    ),
    (
        "an older version",
        |plant| {
            let mut later = rule(GUEST);
            later.version = "1.0.1".into();
            plant.versions.remember([(&later, None)]).unwrap();
        },
        "plugin",
        &["`well-behaved@1.0.0`, and this rule has run at 1.0.1 before", "rule-versions.json", "`back_from = \"1.0.1\"`"],
    ),
    (
        "another component under a version that has run",
        |plant| {
            let ran = plant.config.rules[0].clone();
            plant.versions.remember([(&ran, Some("sha256:7"))]).unwrap();
        },
        "plugin",
        &["`well-behaved@1.0.0` with the component sha256:", "run at 1.0.0 as sha256:7 before", "or a later version"],
    ),
    (
        "an unknown input",
        |plant| {
            plant.config.rules[0].inputs.insert("vlues".into(), vec![TagId(0)]);
        },
        "inputs.vlues",
        &["an unknown name", "did you mean `values`?"],
    ),
    ("a missing input", |plant| plant.config.rules[0].inputs.clear(), "inputs.values", &["0 tags", "allowed: "]),
];

#[test]
fn bundles_every_refusal_names_thing_place_and_remedy() {
    assert_eq!(Plant::new().admit().unwrap().len(), 1, "the control: the good one is taken");
    for (what, change, key, parts) in CASES {
        let mut plant = Plant::new();
        change(&mut plant);
        let said = plant.admit().err().unwrap_or_else(|| panic!("{what}: taken"));
        let place = format!("site.toml:1: rule.well-behaved.{key}: found ");
        assert!(
            said.lines().any(|line| line.starts_with(&place) && parts.iter().all(|part| line.contains(part))),
            "{what}: {parts:?} at {place}\n{said}"
        );
    }
}

#[test]
fn bundles_faults_of_all_kinds_are_told_at_once() {
    let mut plant = Plant::new();
    plant.config.publishers[0].revoked = vec!["well-behaved@1.0.0".into()];
    plant.config.publishers[0].imports.clear();
    let mut unsigned = rule(GUEST);
    unsigned.name = "second".into();
    plant.config.rules.push(unsigned);
    let said = plant.admit().err().unwrap();
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn bundles_an_older_version_runs_where_the_site_file_says_so() {
    let mut plant = Plant::new();
    let mut later = rule(GUEST);
    later.version = "1.0.1".into();
    plant.versions.remember([(&later, None)]).unwrap();
    assert!(plant.admit().is_err());
    plant.config.rules[0].back_from = Some("1.0.1".into());
    plant.admit().unwrap();
}

/// More bytes than any rule without an interpreter, and nothing else about it changed: a section that nobody reads.
#[test]
fn bundles_a_component_with_an_interpreter_needs_the_word_of_the_site() {
    let mut plant = Plant::new();
    (plant.config.allow_unsigned, plant.config.rules[0].publisher) = (true, None);
    let padded = [COMPONENT.0.clone(), section(0, &[&[1, b'x'][..], &vec![0; 4 << 20]].concat())].concat();
    fs::write(plant.folder.path().join(Package::file_name(GUEST, VERSION)), padded).unwrap();
    let said = plant.admit().err().unwrap();
    let parts = ["site.toml:1: rule.well-behaved.interpreted: found nothing", "carries an interpreter", "`interpreted = true`"];
    assert!(parts.iter().all(|part| said.contains(part)) && said.lines().count() == 1, "{said}");
    plant.config.rules[0].interpreted = true;
    let said = plant.admit().err().unwrap_or_default();
    assert!(!said.contains("rule.well-behaved.interpreted"), "{said}");
}

/// What was installed is held against the site file of each start: a revocation of meanwhile counts.
#[test]
fn bundles_what_was_installed_and_is_revoked_is_not_taken_up_again() {
    let mut plant = Plant::new();
    let bytes = fs::read(plant.file()).unwrap();
    let depot = |plant: &Plant| {
        let versions = Versions::of(plant.folder.path(), false);
        Depot::of(plant.folder.path(), ENGINE.clone(), plant.config.clone(), (None, versions), &[])
    };
    let rule = plant.config.rules[0].name.clone();
    let (_, about) = depot(&plant).install(&rule, &bytes).unwrap();
    depot(&plant).load(&rule, &about, &about.inputs).unwrap();
    // Rows that reach it by other tags would be judged as something else.
    let why = depot(&plant).load(&rule, &about, &[]).unwrap_err();
    assert!(why.contains("takes the tags in another order"), "{why}");
    plant.config.publishers[0].revoked = vec![about.digest.clone()];
    let why = depot(&plant).load(&rule, &about, &about.inputs).unwrap_err();
    assert!(why.contains("is revoked at [[publisher]] \"acme\"") && why.contains("site.toml:1"), "{why}");
    let why = depot(&plant).install(&rule, &bytes).unwrap_err().concat();
    assert!(why.contains("is revoked at [[publisher]]"), "{why}");
}

/// Each file that was installed stays as it was, whoever signs the same component for another rule or once more.
#[test]
fn bundles_that_are_installed_stand_beside_each_other() {
    let mut plant = Plant::new();
    let key = Key::create(&plant.folder.path().join("bolt.key")).unwrap();
    let imports = ["log", "history"].map(str::to_owned).to_vec();
    plant.config.publishers.push(Publisher { name: "bolt".into(), key: key.public(), revoked: vec![], imports });
    let other = Rule { name: "other".into(), publisher: Some(1), ..plant.config.rules[0].clone() };
    plant.config.rules.push(other);
    let of_bolt = |untested| bundle::sign(&key, &COMPONENT.1, &COMPONENT.0, untested);
    let installs = [(0, fs::read(plant.file()).unwrap()), (1, of_bolt(true)), (1, of_bolt(false))];
    let depot = || {
        let versions = Versions::of(plant.folder.path(), false);
        Depot::of(plant.folder.path(), ENGINE.clone(), plant.config.clone(), (None, versions), &[])
    };
    let first = depot();
    let installed = installs.map(|(rule, bytes)| {
        let name = plant.config.rules[rule].name.clone();
        let (_, about) = first.install(&name, &bytes).unwrap();
        (name, about)
    });
    assert_eq!([false, true, false], installed.each_ref().map(|(_, about)| about.untested));
    let again = || {
        installed.each_ref().map(|(name, about)| {
            let depot = depot();
            depot.load(name, about, &about.inputs).map(|()| depot.get(name, &about.digest).unwrap().rule.untested)
        })
    };
    assert_eq!(again(), [Ok(false), Ok(true), Ok(false)]);
    // What no rule names any more goes, and nothing else does.
    depot().sweep([&installed[0].1, &installed[2].1]);
    let [acme, untested, bolt] = again();
    assert!(acme == Ok(false) && bolt == Ok(false) && untested.is_err(), "{untested:?}");
}

/// What lies in the cache becomes machine code: what somebody else wrote there is compiled again, and not a byte of it is used.
#[test]
fn bundles_a_compiled_rule_that_was_changed_is_compiled_again() {
    let data = tempfile::tempdir().unwrap();
    let cache = Cache::of(data.path()).unwrap();
    let (bytes, _) = &*COMPONENT;
    let open = || Package::from_bytes(&ENGINE, bytes, Some(&cache)).unwrap().digest;
    let digest = open();
    let entries = fs::read_dir(data.path().join("cache")).unwrap();
    let [file] = &entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()[..] else { panic!("one file") };
    let good = fs::read(file).unwrap();
    let (mut bent, half) = (good.clone(), good.len() / 2);
    bent[half] ^= 1;
    for bad in [bent, good[..half].to_vec(), vec![]] {
        fs::write(file, bad).unwrap();
        assert_eq!(open(), digest);
        assert!(fs::read(file).unwrap() == good, "the good one is in its place again");
    }
    let written = fs::metadata(file).unwrap().modified().unwrap();
    open();
    assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), written, "the control: the good one is used as it lies");
}

/// A number as WebAssembly writes it.
fn leb(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A section of a module or component.
pub fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(body.len()), body].concat()
}

/// A component with one module of one function with so many additions.
fn huge(additions: usize) -> Vec<u8> {
    let code = [&[0][..], &[0x41, 0], &[0x41, 1, 0x6a].repeat(additions), &[0x1a, 0x0b]].concat();
    let body = [&leb(code.len())[..], &code].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        section(10, &[&[1][..], &body].concat()),
    ]
    .concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat()
}

#[test]
fn bundles_a_component_that_is_too_much_for_the_compiler_is_refused_by_its_bounds() {
    let program = Path::new(env!("CARGO_BIN_EXE_safety-brain"));
    let refused = |limits, component: &[u8]| format!("{:#}", apart(program, limits, component).unwrap_err());
    let small = huge(10);
    assert!(!apart(program, Limits::of(small.len()), &small).unwrap().is_empty(), "the control: a small one is compiled");
    let (memory_mib, seconds) = (96, 1);
    let why = refused(Limits { memory_mib, seconds: 600 }, &huge(1_000_000));
    assert!(why.contains("compiling it takes more than 96 MiB; make the component smaller"), "{why}");
    let why = refused(Limits { memory_mib: 8 << 10, seconds }, &huge(1_300_000));
    assert!(why.contains("compiling it takes more than 1 s of processor time; make the component smaller"), "{why}");
    let why = refused(Limits::of(4), b"\0asm");
    assert!(!why.contains("died") && !why.is_empty(), "{why}");
    let why = format!("{:#}", apart(Path::new("/nowhere/safety-brain"), Limits::of(4), b"").unwrap_err());
    assert!(why.contains("/nowhere/safety-brain cannot be started to compile a rule"), "{why}");
}
