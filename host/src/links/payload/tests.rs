//! Tables of payloads and what becomes of them.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::config::types::JsonPoint;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NOW: Micros = 1_700_000_000_000_000;

fn scalar_topic(filter: &str, tag: u32) -> Topic {
    Topic { filter: filter.into(), payload: Payload::Scalar { tag: TagFrom::Fixed(TagId(tag)), values: Values::new() } }
}

fn json_topic(time: Option<TimeFormat>) -> Topic {
    let point = |tag, value: &str, quality: Option<&str>| JsonPoint {
        tag: TagFrom::Fixed(TagId(tag)),
        value: value.into(),
        quality: quality.map(str::to_owned),
        values: Values::new(),
    };
    let points = vec![point(1, "/v", Some("/q")), point(2, "/w/0", None)];
    Topic { filter: "j".into(), payload: Payload::Json { points, time: time.map(|f| ("/t".into(), f)) } }
}

type Short = (u32, f64, u8, Micros);

fn run(topics: &[Topic], topic: &str, payload: &str, delivery: Delivery) -> (Vec<Short>, Option<String>) {
    let mut readings = Vec::new();
    let fault = Decoder::new(topics).decode(topic, payload.as_bytes(), NOW, delivery, &mut readings).err();
    let short = |r: &Reading| (r.tag.0, r.value, r.quality.0, r.source_us - NOW);
    (readings.iter().map(short).collect(), fault)
}

#[test]
fn scalars() {
    for (payload, value, quality) in [
        ("21.5", 21.5, Quality::GOOD),
        (" -0 \n", -0.0, Quality::GOOD),
        ("1e3", 1000.0, Quality::GOOD),
        ("TRUE", 1.0, Quality::GOOD),
        ("off", 0.0, Quality::GOOD),
        ("1e400", f64::INFINITY, Quality::IMPOSSIBLE),
        ("-inf", f64::NEG_INFINITY, Quality::IMPOSSIBLE),
    ] {
        assert_eq!(scalar(payload.as_bytes()), Some((value, quality)), "{payload}");
    }
    for payload in ["NaN", "nan", "null", "---", "-"] {
        let (value, quality) = scalar(payload.as_bytes()).unwrap();
        assert!(value.is_nan() && quality == Quality::SENSOR_FAILURE, "{payload}");
    }
    for payload in ["", " ", "12 mg", "1,5", "0x10", "\u{ff11}", &"1".repeat(65)] {
        assert_eq!(scalar(payload.as_bytes()), None, "{payload}");
    }
    assert_eq!(scalar(b"\xff1"), None);
}

#[test]
fn topics_find_their_tags() {
    let names = BTreeMap::from([("t1".to_owned(), TagId(7))]);
    let by_level = Payload::Scalar { tag: TagFrom::Level(2, names), values: Values::new() };
    let topics =
        [scalar_topic("a/b", 1), Topic { filter: "$share/g/plant/+/+".into(), payload: by_level }, scalar_topic("x/#", 3)];
    let live = |topic, payload| run(&topics, topic, payload, Delivery::Live);
    assert_eq!(live("a/b", "1"), (vec![(1, 1.0, 0, 0)], None));
    assert_eq!(live("plant/z/t1", "2"), (vec![(7, 2.0, 0, 0)], None));
    assert_eq!(live("x", "3").0, [(3, 3.0, 0, 0)]);
    assert!(live("plant/z/t2", "2").1.unwrap().contains("level 2 is \"t2\""));
    assert!(live("other", "2").1.unwrap().contains("no configured filter matches"));
    assert!(live("a/b", "warm").1.unwrap().starts_with("topic a/b: not one number"));
}

#[test]
fn filters() {
    for (filter, topic, want) in [
        ("#", "a/b", true),
        ("#", "$SYS/a", false),
        ("+/a", "$SYS/a", false),
        ("$SYS/#", "$SYS/a", true),
        ("a/#", "a", true),
        ("a/#", "ab", false),
        ("a/+", "a", false),
        ("a/+", "a/", true),
        ("a/+/c", "a/b/c", true),
        ("a/+/c", "a/b/c/d", false),
    ] {
        assert_eq!(matches(filter, topic), want, "{filter} {topic}");
    }
}

#[test]
fn json_values_qualities_and_times() {
    let topics = [json_topic(Some(TimeFormat::Milliseconds))];
    let live = |payload: &str| run(&topics, "j", payload, Delivery::Live);
    let t = NOW / 1000 - 500;
    let all = |q1: u8, q2: u8, source| vec![(1, 1.5, q1, source), (2, 1.0, q2, source)];
    for (quality, code) in
        [("192", 0), ("\"Good\"", 0), ("true", 0), ("0", 128), ("false", 128), ("\"BAD\"", 128), ("64", 1), ("\"so so\"", 1)]
    {
        let got = live(&format!(r#"{{"v":1.5,"q":{quality},"w":[true],"t":{t}}}"#));
        assert_eq!(got, (all(code, 0, -500_000), None), "{quality}");
    }
    assert_eq!(live(r#"{"v":1.5,"q":192,"w":["on"]}"#).0, all(1, 1, 0), "no time where one is declared");
    let ahead = format!(r#"{{"v":1.5,"q":192,"w":[1],"t":{}}}"#, NOW / 1000 + 2001);
    assert_eq!(live(&ahead).0, all(1, 1, 0), "a time in the future is not believed");
    let (readings, fault) = live(&format!(r#"{{"w":[null],"t":{t}}}"#));
    assert!(readings.len() == 1 && readings[0].1.is_nan() && readings[0].2 == 129);
    assert_eq!(fault.unwrap(), "topic j: nothing at /v");
    assert!(live(r#"{"v":1,"v":2,"q":192,"w":[1]}"#).1.unwrap().contains("/v stands twice"));
    assert!(live("{\"v\":NaN}").1.unwrap().contains("not JSON"));
}

#[test]
fn words_are_codes_and_unknown_ones_are_bad_and_told() {
    let values: Values = [("STOPPED", 0), ("RUNNING", 1), ("故障", 2), ("true", 7)].map(|(w, c)| (w.to_owned(), c)).into();
    let scalar = Payload::Scalar { tag: TagFrom::Fixed(TagId(1)), values: values.clone() };
    let point = JsonPoint { tag: TagFrom::Fixed(TagId(2)), value: "/s".into(), quality: Some("/q".into()), values };
    let plain = JsonPoint { tag: TagFrom::Fixed(TagId(3)), value: "/v".into(), quality: None, values: Values::new() };
    let topics = [
        Topic { filter: "w".into(), payload: scalar },
        Topic { filter: "j".into(), payload: Payload::Json { points: vec![point, plain], time: None } },
    ];
    let live = |topic: &str, payload: &str| run(&topics, topic, payload, Delivery::Live);
    for (word, code) in [("STOPPED", 0.0), (" RUNNING\n", 1.0), ("故障", 2.0), ("true", 7.0)] {
        assert_eq!(live("w", word), (vec![(1, code, 0, 0)], None), "{word}");
    }
    // What is not listed is no number, even where it looks like one.
    for word in ["RUNING", "running", "1", "0", "on", "", "\u{fffd}", &"x".repeat(500)] {
        let (readings, fault) = live("w", word);
        let fault = fault.unwrap();
        assert!(readings.len() == 1 && readings[0].1.is_nan() && readings[0].2 == 128, "{word}: {readings:?}");
        assert!(fault.starts_with("topic w: ") && fault.contains("none of the words in `values`: \"RUNNING\""), "{fault}");
        assert!(fault.len() < 300, "{fault}");
    }
    for (cell, code) in [("\"RUNNING\"", 1.0), ("true", 7.0)] {
        let expected = vec![(2, code, 0, 0), (3, 5.0, 0, 0)];
        assert_eq!(live("j", &format!(r#"{{"s":{cell},"q":192,"v":5}}"#)), (expected, None), "{cell}");
    }
    for cell in ["\"LOST\"", "1", "false"] {
        let (readings, fault) = live("j", &format!(r#"{{"s":{cell},"q":192,"v":5}}"#));
        assert!(readings[0].1.is_nan() && readings[0].2 == 128 && readings[1] == (3, 5.0, 0, 0), "{readings:?}");
        assert!(fault.unwrap().starts_with("topic j: /s: "), "{cell}");
    }
    let (readings, fault) = live("j", r#"{"s":null,"q":192,"v":5}"#);
    assert!(readings[0].2 == Quality::SENSOR_FAILURE.0 && fault.is_none(), "no word at all");
}

#[test]
fn time_formats() {
    for (cell, format, want) in [
        (Cell::Number(1.7e9), TimeFormat::Seconds, Some(NOW)),
        (Cell::Number(1.7e12), TimeFormat::Milliseconds, Some(NOW)),
        (Cell::Text("1.7e15".into()), TimeFormat::Microseconds, Some(NOW)),
        (Cell::Text("2023-11-15T06:13:20+08:00".into()), TimeFormat::Rfc3339, Some(NOW)),
        (Cell::Text("2023-11-15T06:13:20".into()), TimeFormat::Rfc3339, None),
        (Cell::Number(1.7e15), TimeFormat::Seconds, None),
        (Cell::Number(-1.0), TimeFormat::Seconds, None),
        (Cell::Number(f64::NAN), TimeFormat::Seconds, None),
        (Cell::Null, TimeFormat::Seconds, None),
    ] {
        assert_eq!(source_time(&cell, format), want, "{cell:?} {format:?}");
    }
}

#[test]
fn what_the_broker_kept_does_not_look_fresh() {
    assert_eq!(run(&[scalar_topic("a", 1)], "a", "1", Delivery::Kept).0, [(1, 1.0, Quality::LATE.0, 0)]);
    let aged = |ms: i64| {
        let payload = format!(r#"{{"v":1,"q":192,"w":[1],"t":{}}}"#, NOW / 1000 - ms);
        run(&[json_topic(Some(TimeFormat::Milliseconds))], "j", &payload, Delivery::Kept).0[0].2
    };
    assert_eq!((aged(9_000), aged(11_000)), (0, Quality::LATE.0));
}

proptest! {
    /// Any bytes on any topic: readings or a fault, and never a good NaN.
    #[test]
    fn any_bytes_are_readings_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..200), json in "[\\[\\]{}:,\"vqwt0-9eE.nulNa+-]{0,60}", topic in "[aj/x]{0,4}") {
        let topics = [scalar_topic("a", 1), scalar_topic("x/#", 2), json_topic(Some(TimeFormat::Seconds)), json_topic(Some(TimeFormat::Rfc3339))];
        let decoder = Decoder::new(&topics);
        for payload in [&bytes[..], json.as_bytes()] {
            for topic in [topic.as_str(), "a", "j"] {
                let mut readings = Vec::new();
                let ok = decoder.decode(topic, payload, NOW, Delivery::Live, &mut readings).is_ok();
                prop_assert!(!ok || !readings.is_empty());
                for r in readings {
                    prop_assert!(r.value.is_finite() || r.quality.is_bad());
                }
            }
        }
    }
}
