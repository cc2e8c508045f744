//! The report of an accident as a page to print: what the law asks for, filled in as far as the record goes, the rest left to the pen.
//! Must not know: where any of it comes from.

use super::{AccidentReport, Line};
use crate::console::history::Deed;
use crate::console::shape::{Text, Time};
use crate::words::{phrase, safe, with_unit};
use brain::site::Mode;
use std::fmt::Write;

/// Our own words, Chinese first.
fn words(key: &str) -> String {
    let words = phrase(&format!("accident.{key}"), &[]);
    safe(&format!("{} {}", words.zh, words.en))
}

/// Both languages, or one where they are the same.
fn both(text: &Text) -> String {
    if text.zh == text.en { safe(&text.zh) } else { safe(&format!("{} {}", text.zh, text.en)) }
}

/// To the second, by the plant's clock.
fn moment(at: &Time) -> String {
    at.0.as_deref().map_or_else(|| "—".to_owned(), |at| safe(&at.get(..19).unwrap_or(at).replace('T', " ")))
}

/// The page.
pub(super) fn html(report: &AccidentReport) -> String {
    let title = format!("{} · {}", both(&report.site), words("title"));
    let mut out = format!(
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>{title}</title><style>body{{font:13px sans-serif}}table{{border-collapse:\
         collapse;margin:1em 0;width:100%}}td,th{{border:1px solid #888;padding:4px 6px;text-align:left;vertical-align:top}}th{{width:24%}}\
         .pen{{color:#888}}@page{{size:A4}}</style></head><body><h1>{title}</h1>"
    );
    let unreal = match report.mode.0 {
        Mode::Actual => None,
        Mode::Exercise => Some("mode.exercise"),
        Mode::Test => Some("mode.test"),
    };
    out.extend(unreal.map(|key| format!("<h2>{}</h2>", words(key))));
    if let Some(gone) = &report.accident.retracted {
        let _ =
            write!(out, "<h2>{}</h2><p>{} {}: {}</p>", words("retracted"), moment(&gone.at), safe(&gone.by), both(&gone.what));
    }
    let _ = write!(out, "<p>{} {} · {} {}</p>", words("made"), moment(&report.made_at), words("seq"), safe(&report.seq));
    let (company, accident) = (&report.company, &report.accident);
    // Nobody has said how many: that is for the pen, and is not nobody.
    let people = |count: Option<u32>| count.map(|count| count.to_string()).unwrap_or_default();
    let rows = [
        ("company.name", safe(&company.name)),
        ("company.code", safe(&company.code)),
        ("company.address", safe(&company.address)),
        ("company.nature", safe(&company.nature)),
        ("company.capacity", safe(&company.capacity)),
        ("company.licences", safe(&company.licences)),
        ("company.contact", safe(&company.contact)),
        ("kind", words(&format!("kind.{}", accident.kind.0.word()))),
        ("grade", words(&format!("grade.{}", accident.grade.0.word()))),
        ("alarmed", moment(&report.opened_at)),
        ("declared", format!("{} {}", moment(&accident.declared_at), safe(&accident.declared_by))),
        ("place", format!("{} {}", both(&report.zone), safe(&accident.place))),
        ("course", safe(&accident.course)),
        ("dead", people(accident.dead)),
        ("injured", people(accident.injured)),
        ("missing", people(accident.missing)),
        ("at_risk", people(accident.at_risk)),
        ("loss", accident.loss_yuan.map(|loss| format!("{loss} ¥")).unwrap_or_default()),
        ("measures", safe(&accident.measures)),
        ("other", safe(&accident.other)),
        (
            "alarm",
            format!("{} · {} · {} · {}", safe(&report.alarm), both(&report.hazard), both(&report.text), safe(&report.plugin)),
        ),
    ];
    out += "<table>";
    for (key, value) in rows {
        let value = if value.trim().is_empty() { format!("<span class=\"pen\">{}</span>", words("pen")) } else { value };
        let _ = write!(out, "<tr><th>{}</th><td>{value}</td></tr>", words(key));
    }
    let _ = write!(out, "</table><h2>{}</h2><table><tr>", words("checklist"));
    ["told_whom", "due", "done", "to"].iter().for_each(|head| out += &format!("<th>{}</th>", words(head)));
    out += "</tr>";
    accident.checklist.iter().for_each(|line| out += &checked(line));
    let _ = write!(out, "</table><h2>{}</h2><table><tr>", words("evidence"));
    ["tag", "value", "quality", "limit", "measured"].iter().for_each(|head| out += &format!("<th>{}</th>", words(head)));
    out += "</tr>";
    for e in &report.evidence {
        let number =
            |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |value| safe(&with_unit(&value.to_string(), &e.unit)));
        let quality = phrase(&format!("quality.{}", e.quality), &[]);
        let _ = write!(
            out,
            "<tr><th>{}</th><td>{}</td><td>{}</td><td>{} {}</td><td>{}</td></tr>",
            safe(&e.tag),
            number(e.value),
            safe(&format!("{} {}", quality.zh, quality.en)),
            number(e.limit),
            safe(&e.clause),
            moment(&e.at)
        );
    }
    let _ = write!(out, "</table><h2>{}</h2><table>", words("timeline"));
    for Deed { at, by, what, .. } in &report.course {
        let _ = write!(out, "<tr><th>{}</th><td>{}</td><td>{}</td></tr>", moment(at), safe(by), both(what));
    }
    out += "</table>";
    for (note, holds) in [
        ("course.part", !report.course_whole),
        ("unrecorded", report.unrecorded),
        ("doubtful", report.times_doubtful),
        ("note", true),
    ] {
        if holds {
            let _ = write!(out, "<p>{}</p>", words(note));
        }
    }
    out + &format!("<p>{}</p></body></html>\n", words("signature"))
}

fn checked(line: &Line) -> String {
    let state = match (&line.done_at, line.overdue) {
        (_, true) => words("overdue"),
        (Some(_), _) => words("yes"),
        (None, _) => words("not_yet"),
    };
    let again = line.until.as_ref().map(|until| format!("<br>{} {}", words("until"), moment(until))).unwrap_or_default();
    let done = line.done_at.as_ref().map(moment).unwrap_or_default();
    format!(
        "<tr><th>{}</th><td>{}{again}</td><td>{state} {done}</td><td>{} {}</td></tr>",
        both(&line.title),
        moment(&line.due_at),
        safe(&line.to),
        safe(&line.by)
    )
}
