//! Rules that misbehave: each is cut, counted by the right name, and replaced by a fresh instance in the same state, while its
//! neighbours notice nothing. The guests are real components, built from `tests/hostile` by the function that builds every plug-in.

use crate::module;
use brain::event::{Row, StrikeKind};
use brain::finding::Finding;
use brain::reading::{Micros, Quality, TagId};
use brain::site::{Ladder, Rung, RungKind, Severity, Site, Tag};
use brain::words::Text;
use safety_brain::config::types::{Company, Config, Console, Limits, Origin, Param, Rule, Storage};
use safety_brain::rules::{Admitted, Answer, Cache, Compiler, Engine, Instance, Package, Versions, admit, build, thread_time};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

pub const VERSION: &str = "1.0.0";
pub const TRIGGER: f64 = 666.0;
pub const SECOND: Micros = 1_000_000;

/// Folder of all guests as components, plus one bare core module. Built once.
pub static GUESTS: LazyLock<PathBuf> = LazyLock::new(|| {
    let crate_dir = crate::process::root().join("tests/hostile");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    std::fs::create_dir_all(&out).unwrap();
    for module in build::core_modules(&crate_dir, &["--examples"]).unwrap() {
        let id = module.file_stem().unwrap().to_str().unwrap().replace('_', "-");
        let module = match id.as_str() {
            "loop-start" => module::changed(&module, &out, 8, module::starting),
            "large-table" => module::changed(&module, &out, 4, |_| vec![1, 0x70, 0, 0xb0, 0xea, 0x01]), // one of functions, from 30 000 on
            // Eight of 4 000 each.
            "many-tables" => module::changed(&module, &out, 4, |_| [vec![8], [0x70, 0, 0xa0, 0x1f].repeat(8)].concat()),
            _ => module,
        };
        let component = build::encode(&module).unwrap();
        std::fs::write(out.join(Package::file_name(&id, VERSION)), component).unwrap();
        std::fs::copy(&module, out.join(Package::file_name("core-module", VERSION))).unwrap();
    }
    out
});

pub static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::start(Compiler::Apart(env!("CARGO_BIN_EXE_safety-brain").into())).unwrap());

/// Shared, so that a guest is compiled once.
pub static CACHE: LazyLock<Cache> =
    LazyLock::new(|| Cache::of(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile-data")).unwrap());

fn site() -> Site {
    let tag = Tag { high: 1000.0, unit: "1".into(), quantity: "number".into(), silent_ms: 10_000, ..Tag::plain("N-1") };
    let rung = Rung::new("officer", 0, RungKind::AtOnce, [Some(0); 4]);
    let ladders = vec![Ladder { name: "plant".into(), rungs: vec![rung] }];
    Site { tags: vec![tag], links: vec!["field".into()], ladders, ..Site::plain("plant", "room") }
}

pub fn rule(plugin: &str) -> Rule {
    Rule {
        name: plugin.into(),
        plugin: plugin.into(),
        version: VERSION.into(),
        publisher: None,
        digest: None,
        back_from: None,
        interpreted: false,
        zone: 0,
        inputs: [("values".to_owned(), vec![TagId(0)])].into(),
        params: [("level".to_owned(), Param::Number(3.0))].into(),
        limits: Limits::USUAL,
        origin: Origin { file: "site.toml".into(), line: 1 },
        lines: [].into(),
    }
}

pub fn config(rules: Vec<Rule>) -> Config {
    Config {
        site: site(),
        company: Company::default(),
        links: vec![],
        rules,
        publishers: vec![],
        plugins_dir: GUESTS.clone(),
        allow_unsigned: true,
        channels: vec![],
        trusted: vec![],
        watchers: vec![],
        people: vec![],
        storage: Storage {
            data_dir: PathBuf::new(),
            segment_bytes: 1 << 20,
            days: 1,
            journal_bytes: 1 << 30,
            journal_days: 2,
            events_days: 30,
        },
        console: Console { bind: ([127, 0, 0, 1], 0).into(), tls: None },
        warnings: vec![],
    }
}

pub fn admitted(plugins: &[&str]) -> Vec<Admitted> {
    let rules = plugins.iter().map(|plugin| rule(plugin)).collect();
    admit(&ENGINE, &config(rules), Some(&CACHE), &Versions::default()).unwrap()
}

fn instance(plugin: &str) -> Instance {
    Instance::new(&admitted(&[plugin])[0])
}

/// Of a rule that may have all that a site can grant.
fn granted(plugin: &str) -> Instance {
    let config = config(vec![Rule { limits: Limits::MOST, ..rule(plugin) }]);
    Instance::new(&admit(&ENGINE, &config, Some(&CACHE), &Versions::default()).unwrap()[0])
}

fn refused(rules: Vec<Rule>) -> Vec<String> {
    let faults = admit(&ENGINE, &config(rules), Some(&CACHE), &Versions::default());
    let faults = faults.err().expect("these must be refused");
    faults.iter().map(ToString::to_string).collect()
}

pub fn row(n: i64, value: f64) -> Row {
    Row { handle: 0, value, quality: Quality::GOOD, source_us: n }
}

fn ask(instance: &mut Instance, n: i64, value: f64) -> Answer {
    instance.evaluate(n * SECOND / 10, &[row(n, value)])
}

/// "{n} rows so far" of the first finding.
pub fn count(findings: &[Finding]) -> u64 {
    let Text::Words(words) = &findings[0].text else {
        panic!("a rule's words arrive finished");
    };
    words.en.split_once(' ').unwrap().0.parse().unwrap()
}

/// What a cut may take beyond its budget.
const GRACE: Duration = Duration::from_millis(10);
/// The time of one call where a guest asks for no other.
const DEADLINE: Duration = Duration::from_millis(10);

/// Three good rows, the trigger, one more good row: cut twice in time, named, skipped, and the count goes on where it stood.
fn is_cut(plugin: &str, kind: StrikeKind, detail: &str) {
    let mut late = Vec::new();
    // By the thread's own clock; yet on a machine that gives the ticker no processor a cut comes late, so it is told a fault when it does so each time.
    for _ in 0..3 {
        let cuts = cut(plugin, kind, detail);
        assert_eq!(cuts.len(), 2, "{plugin}: {cuts:?}");
        late.extend(cuts.into_iter().max().filter(|cut| *cut > DEADLINE + GRACE));
    }
    assert!(late.len() < 3, "{plugin} was cut too late: {late:?}");
}

/// Processor time of both tries.
fn cut(plugin: &str, kind: StrikeKind, detail: &str) -> Vec<Duration> {
    let mut instance = instance(plugin).measured();
    for n in 1..=3 {
        let answer = ask(&mut instance, n, 1.0);
        assert_eq!((count(&answer.findings), answer.strikes), (n as u64, vec![]), "{plugin}");
    }
    let answer = ask(&mut instance, 4, TRIGGER);
    assert!(answer.findings.is_empty() && answer.skipped, "{plugin}: {answer:?}");
    assert_eq!(answer.strikes.len(), 2, "{plugin}: {answer:?}");
    for strike in &answer.strikes {
        assert_eq!(strike.kind, kind, "{plugin}: {strike}");
        assert!(strike.detail.contains(detail), "{plugin}: {strike}");
    }
    let cuts = instance.take_cuts();
    let answer = ask(&mut instance, 5, 1.0);
    assert_eq!((count(&answer.findings), answer.strikes), (4, vec![]), "{plugin}");
    cuts
}

#[test]
fn an_endless_loop_is_ended_by_the_deadline() {
    is_cut("loop-evaluate", StrikeKind::Deadline, "no answer within 10 ms");
}

#[test]
fn an_endless_loop_is_ended_by_fuel() {
    is_cut("burn-fuel", StrikeKind::Fuel, "fuel");
}

#[test]
fn a_panic_is_a_trap() {
    is_cut("poison-value", StrikeKind::Trap, "unreachable");
}

#[test]
fn a_wild_store_is_a_trap() {
    is_cut("wild-store", StrikeKind::Trap, "out of bounds");
}

#[test]
fn deep_recursion_is_a_trap() {
    is_cut("deep-recursion", StrikeKind::Trap, "");
}

#[test]
fn a_memory_bomb_is_told_its_limit() {
    is_cut("memory-bomb", StrikeKind::Memory, "may have 16384 KiB");
}

#[test]
fn a_huge_result_is_not_copied() {
    is_cut("huge-result", StrikeKind::Result, "larger than any call may give");
}

#[test]
fn one_buffer_told_a_thousand_times_is_not_copied() {
    is_cut("shared-buffer", StrikeKind::Result, "larger than any call may give");
}

#[test]
fn a_log_flood_is_ended() {
    is_cut("log-flood", StrikeKind::Log, "more than 1000 lines");
}

#[test]
fn a_huge_log_line_is_not_copied() {
    is_cut("huge-log", StrikeKind::Result, "what it hands to the host, is larger than any call may give");
}

#[test]
fn more_numbers_than_a_phrase_has_places_are_nonsense() {
    let told = "phrase \"{0} rows so far\" has the places {0} and was given 60000 numbers";
    is_cut("text-bomb", StrikeKind::Nonsense, told);
}

/// Each call alone stays below what ends it; those of a minute together do not.
#[test]
fn a_log_that_never_stops_is_ended() {
    let mut instance = instance("log-drip");
    let mut strikes = Vec::new();
    for n in 1..=3 {
        strikes.push(ask(&mut instance, n, TRIGGER).strikes);
    }
    assert_eq!(strikes[0], vec![]);
    let struck: Vec<_> = strikes.concat();
    assert!(!struck.is_empty() && struck.iter().all(|strike| strike.kind == StrikeKind::Log), "{struck:?}");
    assert!(struck[0].detail.contains("lines more than are shown within 60 s"), "{struck:?}");
}

/// Cut each time, and in the end it begins again without its state.
#[test]
fn a_restore_without_end_is_ended() {
    let mut instance = instance("loop-restore");
    for n in 1..=70 {
        assert_eq!(ask(&mut instance, n, 1.0).strikes, vec![], "{n}");
    }
    let began = thread_time();
    let answer = ask(&mut instance, 71, TRIGGER);
    let took = thread_time() - began;
    assert!(answer.skipped && answer.strikes.len() > 2, "{answer:?}");
    assert!(answer.strikes[1..].iter().all(|s| s.kind == StrikeKind::Deadline || s.kind == StrikeKind::Fuel), "{answer:?}");
    assert!(took <= BOUND, "{took:?}");
    let answer = ask(&mut instance, 72, 1.0);
    assert_eq!((count(&answer.findings), answer.strikes), (1, vec![]));
}

/// Two tries of a batch and two recoveries of 250 ms, each of which ends with a call of 100 ms at most; and as much again for a slow machine.
const BOUND: Duration = Duration::from_millis(2 * (2 * 100 + 2 * (250 + 100)));

/// Within a deadline that the site granted it: what it must be given again after a failure is bounded by itself, and its state is kept.
#[test]
fn a_slow_rule_is_put_up_again_in_time_and_in_its_state() {
    let told = refused(vec![rule("slow-legal")]);
    let expected = "site.toml:1: rule.slow-legal.limits.deadline: found slow-legal@1.0.0 asks for deadline-ms 100; allowed: at most 10; \
                    `limits = { deadline = \"100ms\" }` in this rule, or the like in [plugins.limits], grants it";
    assert_eq!(told, [expected]);
    let mut instance = granted("slow-legal");
    for n in 1..=40 {
        let answer = ask(&mut instance, n, 1.0);
        assert_eq!((count(&answer.findings), answer.strikes), (n as u64, vec![]));
    }
    let began = thread_time();
    let answer = ask(&mut instance, 41, TRIGGER);
    let took = thread_time() - began;
    assert!(answer.skipped && answer.strikes.len() == 2, "{answer:?}");
    assert!(took <= BOUND, "{took:?}");
    let answer = ask(&mut instance, 42, 1.0);
    assert_eq!((count(&answer.findings), answer.strikes), (41, vec![]), "its state was kept");
}

/// Quick until it fails, slow in what it is given again: it loses its state rather than its neighbours their time.
#[test]
fn a_rule_that_is_slow_to_come_back_comes_back_without_its_state() {
    let mut instance = granted("slow-replay");
    // Past a first snapshot, so that it is restored.
    for n in 1..=127 {
        let answer = ask(&mut instance, n, 1.0);
        assert_eq!((count(&answer.findings), answer.strikes), (n as u64, vec![]));
    }
    let began = thread_time();
    let answer = ask(&mut instance, 128, TRIGGER);
    let took = thread_time() - began;
    assert!(answer.skipped, "{answer:?}");
    let told = answer.strikes.last().unwrap();
    assert!(told.kind == StrikeKind::Deadline && told.detail.contains("begins again without its state"), "{told}");
    assert!(took <= BOUND, "{took:?}");
    let answer = ask(&mut instance, 129, 1.0);
    assert_eq!((count(&answer.findings), answer.strikes), (1, vec![]), "from nothing");
}

/// What a rule's own line grants, `[plugins.limits]` need not; what nobody may have, no line grants.
#[test]
fn limits_are_those_that_the_site_grants() {
    let least = Limits { memory_kib: 512, snapshot_kib: 1, findings: 4, history: 4, log_lines: 10, ..Limits::USUAL };
    let told = refused(vec![Rule { limits: least, ..rule("well-behaved") }]);
    for (told, expected) in
        told.iter().zip(["limits.findings: found well-behaved@1.0.0 asks for findings 8; allowed: at most 4", "limits.history"])
    {
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(told.len(), 2, "{told:?}");
    // What a rule does not ask for by name it gets as far as it is granted.
    let few = Limits { log_lines: 10, ..Limits::USUAL };
    let config = config(vec![Rule { limits: few, ..rule("log-drip") }]);
    let admitted = admit(&ENGINE, &config, Some(&CACHE), &Versions::default()).unwrap();
    let strikes = ask(&mut Instance::new(&admitted[0]), 1, TRIGGER).strikes;
    assert!(strikes[0].detail.contains("more than 10 lines"), "{strikes:?}");
}

#[test]
fn asking_for_the_past_without_end_is_ended() {
    is_cut("history-flood", StrikeKind::Deadline, "no answer within 10 ms");
}

/// Eight rows were declared; an unknown handle has none.
#[test]
fn a_rule_gets_no_more_of_its_past_than_it_declared() {
    let mut instance = instance("greedy-history");
    for n in 1..=30 {
        let answer = ask(&mut instance, n, 1.0);
        assert_eq!((count(&answer.findings), answer.strikes), (n.min(8) as u64, vec![]), "{n}");
    }
}

#[test]
fn an_unknown_hazard_is_nonsense() {
    is_cut("index-out-of-range", StrikeKind::Nonsense, "hazard index 7 is out of range: 2 declared");
}

#[test]
fn too_many_findings_are_nonsense() {
    is_cut("finding-flood", StrikeKind::Nonsense, "9 findings, at most 8 declared");
}

#[test]
fn two_findings_for_one_hazard_are_nonsense() {
    is_cut("said-twice", StrikeKind::Nonsense, "two findings for hazard `first`");
}

#[test]
fn a_severity_above_the_worst_is_counted_and_still_told() {
    let mut instance = instance("above-worst");
    let answer = ask(&mut instance, 1, TRIGGER);
    assert_eq!(answer.findings[0].severity, Severity::Red);
    assert_eq!(answer.strikes.len(), 1);
    assert_eq!(answer.strikes[0].kind, StrikeKind::Nonsense);
    let answer = ask(&mut instance, 2, 1.0);
    assert_eq!((count(&answer.findings), answer.strikes), (2, vec![]));
}

/// The second try succeeds: one strike, and every finding is the one of a rule that never failed, history included.
#[test]
fn a_rule_that_fails_once_answers_as_if_nothing_had_happened() {
    for trigger in [1, 5, 63, 64, 65, 150] {
        let (mut hurt, mut whole) = (instance("trap-once"), instance("well-behaved"));
        for n in 1..=160 {
            let value = if n == trigger { TRIGGER } else { n as f64 };
            let (a, b) = (ask(&mut hurt, n, value), ask(&mut whole, n, value));
            assert!(!a.skipped, "row {n}: the second try gave an answer");
            assert_eq!(a.findings, b.findings, "row {n}, trigger {trigger}");
            assert_eq!(a.strikes.len(), usize::from(n == trigger), "row {n}: {a:?}");
        }
    }
}

/// A poison batch is not tried again in later recoveries, and what was told is not told twice.
#[test]
fn poison_stays_skipped() {
    let mut instance = instance("poison-value");
    let mut expected = 0;
    for n in 1..=200 {
        let poison = n % 7 == 0;
        let answer = ask(&mut instance, n, if poison { TRIGGER } else { 1.0 });
        assert_eq!(answer.strikes.len(), if poison { 2 } else { 0 }, "{n}");
        if !poison {
            expected += 1;
            assert_eq!(count(&answer.findings), expected, "{n}");
        }
    }
}

/// Nothing is kept that outgrows its bound; the rule goes on, in the end without its state rather than not at all.
#[test]
fn a_snapshot_that_grows_is_refused() {
    let mut instance = instance("huge-snapshot");
    let mut strikes = Vec::new();
    for n in 1..=300 {
        let value = if n == 10 { TRIGGER } else { 1.0 };
        strikes.extend(ask(&mut instance, n, value).strikes);
    }
    assert!(!strikes.is_empty());
    assert!(strikes.iter().all(|s| s.kind == StrikeKind::Result), "{strikes:?}");
    assert!(strikes[0].detail.contains("snapshot 2048 KiB, may have"), "{strikes:?}");
    let answer = ask(&mut instance, 301, 1.0);
    assert_eq!((answer.findings.len(), answer.strikes), (1, vec![]));
}

/// It is cut each time, and goes on from the last snapshot that it gave.
#[test]
fn a_snapshot_without_end_is_ended() {
    let mut instance = instance("loop-snapshot");
    let mut strikes = Vec::new();
    for n in 1..=90 {
        strikes.extend(ask(&mut instance, n, if n == 80 { TRIGGER } else { 1.0 }).strikes);
    }
    assert!(strikes.is_empty(), "no snapshot was due: {strikes:?}");
    for n in 91..=140 {
        strikes.extend(ask(&mut instance, n, 1.0).strikes);
    }
    assert!(
        !strikes.is_empty() && strikes.iter().all(|s| s.kind == StrikeKind::Fuel || s.kind == StrikeKind::Deadline),
        "{strikes:?}"
    );
}

#[test]
fn the_same_rows_give_the_same_answers() {
    let run = || {
        let mut instance = instance("poison-value");
        let value = |n| if n % 50 == 0 { TRIGGER } else { n as f64 };
        (1..=150).map(|n| ask(&mut instance, n, value(n))).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn what_must_not_start_is_refused_with_a_reason_all_at_once() {
    let mut pinned = rule("well-behaved");
    pinned.digest = Some("sha256:00".into());
    let rules = ["loop-init", "undeclared-import", "core-module", "forgetful", "deep-history", "well-behavd"];
    let more = ["phrase-bomb", "loop-describe", "huge-describe", "loop-start", "large-table", "many-tables"];
    let rules = rules.into_iter().chain(more);
    let rules = rules.map(rule).chain([pinned]).collect();
    let faults = refused(rules);
    let expected = [
        "rule.loop-init.plugin: found init: ",
        "it imports `somebody:elsewhere/clock@0.2.0`; a rule may import only log, history",
        "this is a core module, not a component; make one with `safety-brain plugin build`",
        "it does not keep its whole state",
        "input `values`: history 4097, at most 4096",
        "did you mean `well-behaved@1.0.0`?",
        "phrase `count` in zh-CN: 120000 bytes, at most 2048",
        "`describe` failed: ",
        "`describe` failed: Result: describe: its answer",
        ": instantiate",
        "`describe` failed: Memory: instantiate: asked for tables of 30000 elements in all, may have 20000",
        "`describe` failed: Memory: instantiate: asked for tables of 24000 elements in all, may have 20000",
        "rule.well-behaved.digest: found sha256:00, but the component is sha256:",
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.starts_with("site.toml:1: rule."), "{fault}");
        assert!(fault.contains(expected), "{fault}");
    }
    // Whichever is over first on this machine.
    let over = ["Deadline: instantiate: no answer within 100 ms", "Fuel: instantiate, used up its 1000000000 fuel"];
    assert!(over.iter().any(|over| faults[9].contains(over)), "{}", faults[9]);
}

#[test]
fn an_admitted_rule_brings_its_words() {
    let rule = &admitted(&["well-behaved"])[0].rule;
    assert_eq!(rule.plugin, "well-behaved@1.0.0");
    assert!(rule.digest.starts_with("sha256:"));
    assert_eq!(rule.inputs, [TagId(0)]);
    assert_eq!(rule.hazards.len(), 2);
    assert_eq!(rule.hazards[0].title.zh, "测试险情");
    assert_eq!(rule.hazards[0].worst, Severity::Orange);
}
