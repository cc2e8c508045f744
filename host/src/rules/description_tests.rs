//! What is wrong with a description is said with its place and the way to write it; what is only strange is remarked on.
use super::*;

fn two() -> describing::Words {
    vec![("zh-CN".into(), "字".into()), ("en".into(), "word".into())]
}

fn param(kind: u8) -> describing::Param {
    describing::Param {
        id: "p".into(),
        name: two(),
        kind,
        unit: String::new(),
        low: f64::NAN,
        high: f64::NAN,
        choices: vec![],
        required: false,
        number: f64::NAN,
        text: String::new(),
        numbers: vec![],
        cites: vec![],
        extra: vec![],
    }
}

fn cite() -> describing::Citation {
    describing::Citation {
        standard: "s".into(),
        edition: String::new(),
        clause: String::new(),
        jurisdiction: String::new(),
        effective: String::new(),
        confidence: "own".into(),
        note: String::new(),
    }
}

fn good() -> describing::Description {
    let input = describing::Input {
        id: "level".into(),
        name: two(),
        quantity: "level".into(),
        unit: "%".into(),
        low: f64::NAN,
        high: f64::NAN,
        least: 1,
        most: 1,
        silent_ms: 0,
        history: 0,
        codes: vec![],
        extra: vec![],
    };
    let hazard = describing::Hazard {
        id: "full".into(),
        name: two(),
        cause: two(),
        consequence: two(),
        action: two(),
        respond_s: 60,
        worst: 3,
        traits: 0,
        restate_ms: 0,
        extra: vec![],
    };
    let limit = describing::Param { number: 90.0, low: 0.0, high: 100.0, unit: "%".into(), cites: vec![cite()], ..param(1) };
    let text = vec![("zh-CN".into(), "液位{0}，上限{1}".into()), ("en".into(), "Level {0}, limit {1}".into())];
    describing::Description {
        id: "tank".into(),
        version: "1.0.0".into(),
        vendor: "v".into(),
        name: two(),
        about: two(),
        inputs: vec![input],
        params: vec![limit],
        hazards: vec![hazard],
        phrases: vec![describing::Phrase { id: "said".into(), text }],
        wants: describing::Wants {
            tick_ms: 0,
            deadline_ms: 0,
            fuel_per_call: 0,
            fuel_per_row: 0,
            memory_kib: 0,
            snapshot_kib: 0,
            findings: 0,
        },
        state_version: 1,
        extra: vec![],
    }
}

type Change = fn(&mut describing::Description);

#[test]
fn what_is_wrong_is_named_with_its_place_and_the_way_to_write_it() {
    assert_eq!((errors(&good()), remarks(&good())), (vec![], vec![]), "the control");
    let cases: [(Change, &str); 25] = [
        (
            |d| d.inputs[0].name.clear(),
            "input `level`: name: no text in zh-CN; in Rust `Input::new(\"level\", (\"简体中文\", \"English\"), ...)`",
        ),
        (|d| d.hazards[0].cause.clear(), "hazard `full`: cause: no text in zh-CN; in Rust `.cause((\"简体中文\", \"English\"))`"),
        (|d| d.hazards[0].worst = 7, "hazard `full`: worst: 7 is no severity (1 blue to 4 red)"),
        (|d| d.params[0].number = 120.0, "param `p`: default 120: its own bounds are 0 to 100"),
        (|d| d.params[0].low = 200.0, "param `p`: bounds 200 to 100: the lower one comes first"),
        (|d| d.params = vec![describing::Param { number: 1.5, ..param(2) }], "param `p`: default 1.5: a whole number"),
        (
            |d| d.params = vec![describing::Param { choices: vec!["a".into(), "b".into()], text: "c".into(), ..param(5) }],
            "param `p`: default \"c\": one of a, b",
        ),
        (
            |d| d.params = vec![describing::Param { numbers: vec![1.0, -1.0], low: 0.0, ..param(6) }],
            "param `p`: default -1: its own bounds are 0 to NaN",
        ),
        (|d| d.params[0].kind = 9, "param `p`: kind 9 is unknown (1 to 7)"),
        (
            |d| d.phrases[0].text[1].1 = "Level {0}, limit {9}".into(),
            "phrase `said` in en: it has a place {9} and none for {1}; they count from {0}",
        ),
        (|d| d.phrases[0].text[1].1 = "Level {0}".into(), "phrase `said`: zh-CN and en have not the same places for numbers"),
        (
            |d| d.phrases[0].text[1].1 = format!("{{0}}{{1}}{}", "x".repeat(120_000)),
            "phrase `said` in en: 120006 bytes, at most 2048; say it in fewer words",
        ),
        (
            |d| d.phrases[0].text.iter_mut().for_each(|(_, text)| *text = "{0}".repeat(17)),
            "phrase `said` in zh-CN: 17 places for numbers, at most 16",
        ),
        (
            |d| d.hazards[0].action[0].1 = "字".repeat(1366),
            "hazard `full`: action in zh-CN: 4098 bytes, at most 4096; say it in fewer words",
        ),
        (
            |d| d.params[0].cites = vec![describing::Citation { note: "n".repeat(1025), ..cite() }],
            "param `p`: note of a citation: 1025 bytes, at most 1024; say it in fewer words",
        ),
        (
            |d| d.inputs[0].quantity = "q".repeat(129),
            concat!(
                "quantity of an input, `qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
                "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq`: 129 bytes, at most 128; say it in fewer words"
            ),
        ),
        (
            |d| d.inputs[0].codes = (0..257).map(|value| describing::Code { value, name: two() }).collect(),
            "input `level`: 257 codes, at most 256",
        ),
        (|d| d.vendor.push_str("\nsigned"), "vendor: holds the hidden character U+000A; leave it out"),
        (|d| d.name[1].1.push_str("\ndigest   sha256:00"), "name in en: holds the hidden character U+000A; leave it out"),
        (|d| d.vendor.push_str("\u{1b}[2K"), "vendor: holds the hidden character U+001B; leave it out"),
        (
            |d| d.hazards[0].name[1].1.push('\u{202e}'),
            "hazard `full`: name in en: holds the hidden character U+202E; leave it out",
        ),
        (|d| d.inputs.push(d.inputs[0].clone()), "input `level`: ids are unique and not empty"),
        (|d| d.inputs[0].least = 2, "input `level`: 2 to 1 tags: the smaller number comes first"),
        (|d| (d.inputs[0].low, d.inputs[0].high) = (2.0, 1.0), "input `level`: range 2 to 1: the lower one comes first"),
        (|d| d.wants.deadline_ms = 101, "wants deadline-ms 101, at most 100"),
    ];
    for (change, expected) in cases {
        let mut described = good();
        change(&mut described);
        assert_eq!(errors(&described), [expected]);
    }
}

#[test]
fn what_is_only_strange_is_remarked_on() {
    let cases: [(Change, &str); 4] = [
        (|d| d.params[0].cites.clear(), "param `p`: nobody can see where its default comes from"),
        (
            |d| d.inputs[0].unit = "percent".into(),
            "input `level`: unit `percent` is none that every plant knows; did you mean `%`? A plant binds no tag to it unless its site file declares that",
        ),
        (
            |d| d.params[0].unit = "°C".into(),
            "param `p`: unit `°C` is none that every plant knows; did you mean `Cel`? It is only shown beside the value.",
        ),
        (|d| d.hazards[0].respond_s = 0, "hazard `full`: respond-s is 0"),
    ];
    for (change, expected) in cases {
        let mut described = good();
        change(&mut described);
        let told = remarks(&described);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?}");
        assert!(errors(&described).is_empty(), "a site may know better");
    }
}
