//! The format of timeline cases: what it means, and what it refuses.
#![allow(clippy::unwrap_used)]
use super::*;

const HEAD: &str = "about = 'x'\n";

fn parsed(text: &str) -> Result<Case, String> {
    Case::written("votes.toml", text, |name| Err(format!("no {name}")))
}

fn tables(more: &str, rows: &str, expect: &str) -> Result<Case, String> {
    parsed(&format!(
        "{HEAD}{more}\nrows = '''\ntime,input,value,quality\n{rows}'''\nexpect = '''\nfrom,to,hazard,level\n{expect}'''\n"
    ))
}

#[test]
fn rows_are_repeated_until_they_change() {
    let case = tables("range = { a = [0, 10] }\nuntil = 4", "0,a,1,\n2,a,11,\n2,a/1,,failed\n3.5,a,3,late\n", "").unwrap();
    let seen: Vec<_> = case.batches(0).unwrap().into_iter().map(|(s, rows)| (s, rows.len(), rows[0].value)).collect();
    assert_eq!(seen, [(0.0, 1, 1.0), (1.0, 1, 1.0), (2.0, 2, 11.0), (3.0, 2, 11.0), (3.5, 1, 3.0), (4.0, 2, 3.0)]);
    let (_, last) = case.batches(0).unwrap().pop().unwrap();
    assert_eq!(last[0].quality, Quality::LATE);
    assert_eq!(last[1].quality, Quality::SENSOR_FAILURE);
    assert_eq!(case.batches(0).unwrap()[2].1[0].quality, Quality::IMPOSSIBLE, "outside its range");
    assert_eq!(case.tags().iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["a", "a/1"]);
}

#[test]
fn without_repeats_time_passes_in_ticks() {
    let case = tables("every = 0\nuntil = 3", "0,a,1,\n1.5,a,2,\n", "").unwrap();
    let seen: Vec<_> = case.batches(1000).unwrap().into_iter().map(|(s, rows)| (s, rows.len())).collect();
    assert_eq!(seen, [(0.0, 1), (1.0, 0), (1.5, 1), (2.0, 0), (3.0, 0)]);
}

#[test]
fn intervals_begin_and_end_with_findings() {
    let red = Level::Danger(Severity::Red);
    let said = [(1.0, "h", Level::Clear), (3.0, "h", red), (23.0, "h", red), (30.0, "h", Level::Clear), (40.0, "g", red)];
    let said = spans(said, 50.0);
    let case = |expect: &str| tables("until = 50", "0,a,1,\n", expect).unwrap();
    assert_eq!(case("3,30,h,red\n40,,g,red\n").faults(&said), [""; 0]);
    assert_eq!(case("30,50,h,clear\n3,30,h,red\n40,,g,red\n").faults(&said), [""; 0], "clear may be asked for");
    let controls = [("3,31,h,red\n40,,g,red\n", 2), ("3,30,h,orange\n40,,g,red\n", 2), ("3,30,h,red\n", 1), ("", 2)];
    for (expect, faults) in controls {
        assert_eq!(case(expect).faults(&said).len(), faults, "{expect}");
    }
    assert_eq!(case("3,31,h,red\n40,,g,red\n").faults(&said)[0], "votes.toml:9: expected and not said: h red from 3 to 31 s");
    let near = tables("until = 50\nwithin = 1", "0,a,1,\n", "2,31,h,red\n40,,g,red\n").unwrap();
    assert_eq!(near.faults(&said), [""; 0]);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let wrong = [
        (tables("", "0,a,x,\n", ""), "votes.toml:5: column `value`: `x`: invalid float literal"),
        (tables("", "0,a,1,\n1,a\n", ""), "votes.toml:6: 2 columns, and the head has 4: time,input,value,quality"),
        (
            tables("", "0,a,20,5,\n", ""),
            "votes.toml:5: 5 columns, and the head has 4: time,input,value,quality; where a number has a decimal comma",
        ),
        (
            tables("", "0,a,\"20,5\",\n", ""),
            "votes.toml:5: column `value`: `20,5`: invalid float literal; if that is a decimal comma, write 20.5",
        ),
        (
            parsed("about = 'x'\nrows = 'time;input;value'\nexpect = 'from,to,hazard,level'"),
            "votes.toml:2: the columns are separated by ';': write commas between them, and a point in numbers: time,input,value",
        ),
        (
            tables("params = { limit = { at = 3 } }", "", ""),
            "a param takes true or false, a number, a text, or a list of numbers",
        ),
        (tables("", "0,a,,good\n", ""), "its quality is a bad one"),
        (tables("", "0,a,1,fine\n", ""), "quality `fine`: good, doubtful"),
        (tables("", "0,a/x,1,\n", ""), "input `a/x`"),
        (tables("", "2,a,1,\n1,a,1,\n", ""), "votes.toml:6: time goes back from 2 to 1"),
        (tables("", "0,a,1,\n", "5,5,h,red\n"), "votes.toml:9: from 5 to 5"),
        (tables("", "0,a,1,\n", "5,6,h,purple\n"), "level `purple`: clear, cannot-tell"),
        (tables("evry = 1", "0,a,1,\n", ""), "evry"),
        (tables("every = -1", "0,a,1,\n", ""), "0 or more"),
        (tables("until = 10", "0,a,1,\n30,a,1,\n", ""), "votes.toml:6: 30 s lies behind the end of the case, `until` = 10"),
        (tables("until = 10", "0,a,1,\n", "10,,h,red\n"), "votes.toml:9: 10 s lies behind"),
        (
            tables("range = { b = [0, 10] }", "0,a,1,\n1,a/1,1,\n", ""),
            "votes.toml:2: range of `b`: no row of the table is of such an input or tag: a, a/1",
        ),
        (tables("range = { \"a/1\" = [0, 10] }", "0,a,1,\n", ""), "range of `a/1`: no row"),
        (tables("range = { a = [10, 0] }", "0,a,1,\n", ""), "range of `a`: 10 to 0: the lower one comes first"),
        (tables("", "0,a,x,\n1,a\n", "5,6,h,purple\n"), "\nvotes.toml:6: 2 columns"),
        (tables("", "0,a,x,\n1,a\n", "5,6,h,purple\n"), "\nvotes.toml:10: level `purple`"),
        (parsed("about = 'x'\nrows = 'time,input,value,quality'"), "either `expect` or `expect_file`"),
        (parsed("about = 'x'\nrows_file = 'r.csv'"), "no r.csv"),
    ];
    for (case, expected) in wrong {
        let error = case.unwrap_err();
        assert!(error.contains(expected), "{error}: {expected}");
    }
    let endless = tables("every = 0.000001\nuntil = 1000", "0,a,1,\n", "").unwrap();
    assert!(endless.batches(0).unwrap_err().contains("at most 1000000"));
}

#[test]
fn a_key_that_a_fault_is_about_has_a_place() {
    let case = tables("params = {\n limit = 3,\n votes = 2 }", "0,a,1,\n1,b/1,1,\n2,b,1,\n", "").unwrap();
    for (key, place) in [
        ("params.limit", "votes.toml:3"),
        ("params.votes", "votes.toml:4"),
        ("params.missing", "votes.toml:3"),
        ("inputs.a", "votes.toml:7"),
        ("inputs.b", "votes.toml:8"),
        ("inputs.missing", "votes.toml:6"),
        ("plugin", "votes.toml"),
    ] {
        assert_eq!(case.place(key), place, "{key}");
    }
    assert_eq!(tables("", "0,a,1,\n", "").unwrap().place("params.missing"), "votes.toml");
}

#[test]
fn a_hazard_that_is_not_described_is_named_with_those_that_are() {
    let case = tables("", "0,a,1,\n", "5,6,hot,red\n6,7,hto,red\n").unwrap();
    assert_eq!(case.unknown_hazards(&["hot", "cold"]), ["votes.toml:10: `hto` is no hazard of the rule: hot, cold"]);
}
