//! Conversions between the contract's types and the brain's.
#![allow(clippy::unwrap_used)]

use super::*;

fn two(zh: &str, en: &str) -> describing::Words {
    vec![("zh-CN".into(), zh.into()), ("en".into(), en.into())]
}

fn lexicon() -> Lexicon {
    let hazard = describing::Hazard {
        id: "heat".into(),
        name: two("高温", "Heat"),
        cause: two("因", "cause"),
        consequence: two("果", "consequence"),
        action: two("停", "stop"),
        respond_s: 60,
        worst: 3,
        traits: 5,
        restate_ms: 1000,
        extra: vec![],
    };
    Lexicon {
        hazards: vec![super::hazard(&hazard).unwrap()],
        phrases: vec![phrase(&two("温度{0}，上限{1}", "{0} over {1}")).unwrap()],
        cites: vec![Some(Citation { standard: "GB 11652".into(), ..Citation::default() }), None],
        tags: vec![BoundTag { name: "TT-1".into(), unit: "Cel".into(), codes: vec![(35, words(&two("高", "high")).unwrap())] }],
        findings_max: 1,
    }
}

fn said() -> types::Finding {
    types::Finding {
        hazard: 0,
        condition: 1,
        severity: 2,
        certainty: 2,
        phrase: 0,
        numbers: vec![35.0, 34.126],
        evidence: vec![types::Evidence { input: 0, value: 35.0, at: 7, param: 0, limit: 34.0 }],
        attrs: vec![],
    }
}

fn last() -> LastQuality {
    let mut last = LastQuality::new(1);
    last.give(&[Row { handle: 0, value: 35.0, quality: Quality::LATE, source_us: 7 }]);
    last
}

#[test]
fn an_answer_becomes_words_tags_and_clauses() {
    let (findings, above) = lexicon().findings(&[said()], &last()).unwrap();
    assert_eq!(above, None);
    let f = &findings[0];
    assert_eq!(f.text, Text::Words(Words { zh: "温度35，上限34.13".into(), en: "35 over 34.13".into() }));
    assert_eq!((f.verdict, f.severity), (Verdict::Active, Severity::Yellow));
    assert_eq!(f.certainty, Certainty::Likely);
    let e = &f.evidence[0];
    assert_eq!((e.tag.as_str(), e.unit.as_str()), ("TT-1", "Cel"));
    assert_eq!((e.quality, e.limit), (Quality::LATE, Some(34.0)));
    assert_eq!(e.meaning.as_ref().map(|words| words.en.as_str()), Some("high"));
    assert_eq!(e.citation.as_ref().unwrap().standard, "GB 11652");
}

#[test]
fn nonsense_is_named() {
    type Change = fn(&mut types::Finding);
    let cases: [(Change, &str); 5] = [
        (|f| f.numbers = vec![1.0; 60_000], "phrase \"{0} over {1}\" has the places {0} {1} and was given 60000 numbers"),
        (|f| f.hazard = 1, "hazard index 1 is out of range: 1 declared"),
        (|f| f.phrase = NONE, "phrase index 4294967295 is out of range"),
        (|f| f.evidence[0].input = 1, "input index 1 is out of range"),
        (|f| f.evidence[0].param = 2, "param index 2 is out of range"),
    ];
    for (change, expected) in cases {
        let mut f = said();
        change(&mut f);
        let error = lexicon().findings(&[f], &last()).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    let mut l = lexicon();
    let error = l.findings(&[said(), said()], &last()).unwrap_err();
    assert_eq!(error, "2 findings, at most 1 declared");
    l.findings_max = 2;
    let error = l.findings(&[said(), said()], &last()).unwrap_err();
    assert_eq!(error, "two findings for hazard `heat`");
}

#[test]
fn above_the_worst_is_kept_and_remarked() {
    let mut f = said();
    f.severity = 9; // unknown: red
    let (findings, above) = lexicon().findings(&[f], &last()).unwrap();
    assert_eq!(findings[0].severity, Severity::Red);
    assert!(above.unwrap().contains("above its declared worst, orange"));
    let mut clear = said();
    (clear.condition, clear.severity) = (0, 0);
    assert_eq!(lexicon().findings(&[clear], &last()).unwrap().1, None);
}

#[test]
fn evidence_may_be_computed_and_limitless() {
    let mut f = said();
    f.evidence[0].input = NONE;
    f.evidence[0].param = NONE;
    f.evidence[0].limit = f64::NAN;
    f.evidence = vec![f.evidence[0]; 20];
    let (findings, _) = lexicon().findings(&[f], &last()).unwrap();
    assert_eq!(findings[0].evidence.len(), EVIDENCE_MAX);
    let e = &findings[0].evidence[0];
    assert_eq!((e.tag.as_str(), e.limit), ("", None));
    assert_eq!(e.citation, None);
}

#[test]
fn unknown_codes_take_the_worst_meaning() {
    assert_eq!(verdict(200), Verdict::CannotTell);
    assert_eq!(severity(0), Severity::Red);
    assert_eq!(certainty(99), Certainty::Observed);
}

#[test]
fn a_missing_language_is_named() {
    assert_eq!(words(&two("热", " ")).unwrap_err(), "no text in en");
    assert_eq!(words(&vec![]).unwrap_err(), "no text in zh-CN");
}

#[test]
fn numbers_are_shown_as_people_read_them() {
    let cases = [
        (34.0, "34"),
        (34.126, "34.13"),
        (0.5, "0.5"),
        (100.0, "100"),
        (-0.001, "-0.001"),
        (0.000_123_4, "0.00012"),
        (0.0, "0"),
        (-0.0, "0"),
        (1_234_567.0, "1234567"),
        (f64::NAN, "?"),
        (f64::INFINITY, "inf"),
        (999_999_999_999_999.0, "999999999999999"),
        (1e15, "1e15"),
        (-1e308, "-1e308"),
    ];
    for (number, expected) in cases {
        assert_eq!(shown(number), expected);
    }
}

/// A number is put into its place and never looked through again; what is no place stays as it is written.
#[test]
fn places_are_filled_in_one_pass() {
    let filled = |text: &str, numbers: &[f64]| fill(&phrase(&two(text, text)).unwrap().words, numbers).en;
    for (text, expected) in [
        ("{0}{1}{0}", "121"),
        ("{a} {0} {", "{a} 1 {"),
        ("{{0}}", "{1}"),
        ("{2} of {0}，{1}", "{2} of 1，2"),
        ("{99999999999999999999} {-1} {+1} {}", "{99999999999999999999} {-1} {+1} {}"),
    ] {
        assert_eq!(filled(text, &[1.0, 2.0]), expected);
    }
    let fewer = types::Finding { numbers: vec![35.0], ..said() };
    let misfits = lexicon().misfits(std::slice::from_ref(&fewer));
    assert_eq!(misfits, ["phrase \"{0} over {1}\" has the places {0} {1} and was given 1 numbers"]);
    let (findings, _) = lexicon().findings(&[fewer], &last()).unwrap();
    assert_eq!(findings[0].text, Text::Words(Words { zh: "温度35，上限{1}".into(), en: "35 over {1}".into() }));
}
