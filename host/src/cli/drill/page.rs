//! The report of a drill for people: as text, and as a page to print. Must not know: journals.

use super::report::{Act, Check, End, Moment, Relief, Report, Row, Told, Verdict};
use crate::words::{phrase, safe};
use brain::words::Words;
use std::fmt::Write;

/// One thing in both languages, Chinese first.
fn both(words: &Words) -> String {
    if words.zh == words.en { words.zh.clone() } else { format!("{} {}", words.zh, words.en) }
}

fn say(key: &str, args: &[String]) -> String {
    both(&phrase(&format!("drill.{key}"), args))
}

fn word(key: &str) -> String {
    say(key, &[])
}

/// What stands above everything that a drill prints.
pub fn heading(id: &str, title: &Words) -> String {
    format!("{} · {}", say("heading", &[id.to_owned()]), both(title))
}

fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    if seconds < 10.0 {
        format!("{seconds} s")
    } else if whole < 120 {
        format!("{whole} s")
    } else if whole.is_multiple_of(60) {
        format!("{} min", whole / 60)
    } else {
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

fn clock(moment: &Moment) -> String {
    moment.time.get(11..19).unwrap_or(&moment.time).to_owned()
}

fn day(moment: &Moment) -> String {
    moment.time.get(..19).unwrap_or(&moment.time).replace('T', " ")
}

/// A person, what they are, and after how long.
fn act(act: &Act) -> String {
    let role = both(&phrase(&format!("role.{}", act.by.role), &[]));
    let note = if act.note.is_empty() { String::new() } else { format!(": {}", act.note) };
    let refused = if act.agreed { String::new() } else { format!(" {}", word("refused")) };
    let after = say("after", &[span(act.took_s)]);
    format!("{} {} ({role}){refused}, {after}{note}", clock(&act.at), act.by.name)
}

fn level(level: brain::Severity) -> String {
    both(&phrase(&format!("severity.{}", level.word()), &[]))
}

fn mark(met: bool) -> String {
    if met { format!("✓ {}", word("met")) } else { format!("✗ {}", word("unmet")) }
}

/// How one thing that was expected went.
fn went(check: &Check) -> String {
    let by = check.by.as_ref().map(|by| format!("{}, ", by.name)).unwrap_or_default();
    let took = check.took_s.map_or_else(|| word("never"), |took| say("after", &[span(took)]));
    let within = check.within_s.map(|within| format!(" ({})", say("within", &[span(within)]))).unwrap_or_default();
    format!("{} {by}{took}{within}", if check.met { "✓" } else { "✗" })
}

/// Title and value of each line about one expected thing.
fn of_verdict(of: &Verdict) -> Vec<(String, String)> {
    let mut lines = vec![(word("raised"), went(&of.raised))];
    lines.extend(of.acknowledged.as_ref().map(|check| (word("acknowledged"), went(check))));
    lines.extend(of.told.iter().map(|(audience, check)| (format!("{} {}", word("told"), both(audience)), went(check))));
    lines
}

fn titled(of: &Verdict, report: &Report) -> String {
    let title = report.alarms.iter().find(|row| Some(row.id) == of.alarm);
    let name = title.map_or_else(|| of.hazard.clone(), |row| both(&row.title));
    let least = of.level.map(|least| format!(", {} {}", word("at_least"), level(least))).unwrap_or_default();
    format!("{} · {name}{least}", both(&of.zone))
}

/// What became of one message.
fn fate(told: &Told) -> String {
    let mut parts = Vec::new();
    match (&told.received, told.superseded) {
        (_, true) => parts.push(word("superseded")),
        (Some(at), _) => parts.push(format!("{} {}", word("arrived"), clock(at))),
        (None, _) => parts.push(word("not_arrived")),
    }
    parts.extend(told.accepted.as_ref().map(|at| format!("{} {}", word("accepted"), clock(at))));
    parts.extend(told.answered.as_ref().map(|of| format!("{} {}", word("answered"), act(of))));
    parts.extend(told.failed.clone());
    parts.join("; ")
}

/// An audience, and who was on duty there.
fn whom(told: &Told) -> String {
    let duty = if told.duty.is_empty() { String::new() } else { format!(" ({})", told.duty.join(", ")) };
    format!("{}{duty}", both(&told.audience))
}

/// A step of a hand-over: title and value.
fn relieved(of: &Relief) -> (String, String) {
    let role = both(&phrase(&format!("role.{}", of.by.role), &[]));
    let said = match &of.to {
        Some(to) => say("offers", std::slice::from_ref(to)),
        None => say("takes", &[of.alarms.to_string()]),
    };
    let note = if of.note.is_empty() { String::new() } else { format!(": {}", of.note) };
    (both(&of.roster), format!("{} {} ({role}) {said}{note}", clock(&of.at), of.by.name))
}

fn reason(told: &Told) -> String {
    let key = serde_json::to_value(told.reason).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
    both(&phrase(&format!("cap.reason.{key}"), &[]))
}

/// What people did about an alarm: title and value of each line.
fn acts(row: &Row) -> Vec<(String, String)> {
    let list = |key: &str, acts: &[Act]| acts.iter().map(|of| (word(key), act(of))).collect::<Vec<_>>();
    let mut lines = list("acknowledged", &row.acknowledged);
    if lines.is_empty() {
        lines.push((word("acknowledged"), format!("✗ {}", word("nobody"))));
    }
    lines.extend(list("handled", &row.handled));
    lines.extend(row.cleared.as_ref().map(|at| (word("cleared"), clock(at))));
    lines.extend(row.closed.as_ref().map(|of| (word("closed"), act(of))));
    lines
}

fn name(row: &Row) -> String {
    let object = if row.object.is_empty() { String::new() } else { format!(" {}", row.object) };
    format!("{} · {}{object} · {}", both(&row.zone), both(&row.title), level(row.level))
}

fn people(of: &[super::Named]) -> String {
    if of.is_empty() { word("none") } else { of.iter().map(|of| both(&of.title)).collect::<Vec<_>>().join(", ") }
}

/// Whether an audience knows that it is over.
fn end(of: &End) -> String {
    if of.owed == 0 {
        return format!("✓ {}", say("end_told", &[of.told.to_string()]));
    }
    let failed = of.failed.as_ref().map(|failed| format!(" ({failed})")).unwrap_or_default();
    format!("✗ {}{failed}", say("end_owed", &[of.owed.to_string()]))
}

/// The facts above everything else: title and value.
fn facts(report: &Report) -> Vec<(String, String)> {
    let missed = report.expected.iter().filter(|of| !of.met).count();
    let counts = [(report.expected.len() - missed).to_string(), report.expected.len().to_string()];
    let cut = if report.whole { String::new() } else { format!(" — {}", word("cut")) };
    let mut lines = vec![
        (word("result"), format!("{} {}", if missed == 0 { "✓" } else { "✗" }, say("count", &counts))),
        (word("nobody_answered"), report.nobody_answered.len().to_string()),
        (word("site"), format!("{} ({})", both(&report.site), report.site_id)),
        (word("begun"), day(&report.begun)),
        (word("ended"), format!("{}{cut}", day(&report.ended))),
        (word("part"), people(&report.takes_part)),
        (word("absent"), people(&report.told_nothing)),
    ];
    if !report.over {
        lines.push((word("end"), format!("✗ {}", word("going_on"))));
    }
    lines.extend(report.end.iter().map(|of| (format!("{} {}", word("end"), both(&of.audience)), end(of))));
    if report.speed != 1.0 {
        lines.push((word("speed"), format!("× {}", report.speed)));
    }
    lines
}

/// For a terminal.
pub fn text(report: &Report) -> String {
    let mut out = format!("{}\n{}\n\n", word("title"), heading(&report.drill, &report.title));
    let lines = |out: &mut String, of: Vec<(String, String)>| {
        of.iter().for_each(|(title, value)| *out += &format!("  {title}: {value}\n"));
    };
    lines(&mut out, facts(report));
    let _ = write!(out, "\n{}\n", word("expected"));
    for of in &report.expected {
        let _ = writeln!(out, "{} {}", mark(of.met), titled(of, report));
        lines(&mut out, of_verdict(of));
    }
    let _ = write!(out, "\n{}\n", word("alarms"));
    for row in &report.alarms {
        let _ = writeln!(out, "{} {}", clock(&row.raised), name(row));
        lines(&mut out, acts(row));
        for told in &row.told {
            let _ = writeln!(out, "    {} {}: {}; {}", clock(&told.at), whom(told), reason(told), fate(told));
        }
    }
    if report.alarms.is_empty() {
        let _ = writeln!(out, "  {}", word("none"));
    }
    if !report.duty.is_empty() {
        let _ = write!(out, "\n{}\n", word("duty"));
        lines(&mut out, report.duty.iter().map(relieved).collect());
    }
    out + "\n" + &word("note") + "\n"
}

fn table(out: &mut String, head: &[String], rows: &[Vec<String>]) {
    *out += "<table><thead><tr>";
    head.iter().for_each(|cell| *out += &format!("<th>{}</th>", safe(cell)));
    *out += "</tr></thead><tbody>";
    for row in rows {
        *out += "<tr>";
        row.iter().for_each(|cell| *out += &format!("<td>{}</td>", safe(cell)));
        *out += "</tr>";
    }
    *out += "</tbody></table>";
}

fn list(out: &mut String, lines: &[(String, String)]) {
    *out += "<table class=\"facts\"><tbody>";
    lines.iter().for_each(|(title, value)| *out += &format!("<tr><th>{}</th><td>{}</td></tr>", safe(title), safe(value)));
    *out += "</tbody></table>";
}

/// A page to print.
pub fn html(report: &Report) -> String {
    let mut out = format!(
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>{0}</title><style>body{{font:13px sans-serif;margin:1.5em}}\
         h1{{font-size:20px}}h2{{font-size:16px;margin-top:1.5em}}h3{{font-size:14px;margin:1em 0 .3em}}.drill{{border:3px double #000;padding:.5em;font-weight:bold;\
         font-size:16px}}table{{border-collapse:collapse;margin:.4em 0;width:100%}}td,th{{border:1px solid #888;padding:3px 6px;text-align:left;\
         vertical-align:top}}.facts th{{width:14em;font-weight:normal}}section{{break-inside:avoid}}@page{{size:A4}}</style></head>\
         <body><h1>{1}</h1><p class=\"drill\">{0}</p>",
        safe(&heading(&report.drill, &report.title)),
        safe(&word("title"))
    );
    list(&mut out, &facts(report));
    let _ = write!(out, "<h2>{}</h2>", safe(&word("expected")));
    for of in &report.expected {
        let _ = write!(out, "<section><h3>{} · {}</h3>", safe(&mark(of.met)), safe(&titled(of, report)));
        list(&mut out, &of_verdict(of));
        out += "</section>";
    }
    let _ = write!(out, "<h2>{}</h2>", safe(&word("alarms")));
    for row in &report.alarms {
        let _ = write!(out, "<section><h3>{} · {}</h3>", clock(&row.raised), safe(&name(row)));
        list(&mut out, &acts(row));
        let cells = |told: &Told| vec![clock(&told.at), whom(told), reason(told), fate(told)];
        let rows: Vec<Vec<String>> = row.told.iter().map(cells).collect();
        table(&mut out, &["at", "whom", "why", "fate"].map(word), &rows);
        out += "</section>";
    }
    if report.alarms.is_empty() {
        let _ = write!(out, "<p>{}</p>", safe(&word("none")));
    }
    if !report.duty.is_empty() {
        let _ = write!(out, "<h2>{}</h2>", safe(&word("duty")));
        list(&mut out, &report.duty.iter().map(relieved).collect::<Vec<_>>());
    }
    let _ = writeln!(out, "<p>{}</p></body></html>", safe(&word("note")));
    out
}
