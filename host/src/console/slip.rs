//! 接报单: one notice as a sheet to print and sign, in both languages. Owns: what stands on it. Must not know: how a notice travels, the store.

use super::access::Caller;
use super::api::Shared;
use super::asked::id;
use super::problem::{Code, Problem};
use super::shape::{Time, time};
use super::{Ask, view::View};
use crate::words::{phrase, render, safe, with_unit};
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use brain::alarm::Condition;
use brain::notice::OutboxRow;
use brain::site::Mode;
use brain::words::Words;
use brain::{Micros, NoticeId};
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 serif;max-width:19cm;margin:1em auto}h1{text-align:center;font-size:22px}\
    table{border-collapse:collapse;width:100%}th,td{border:1px solid #000;padding:4px 8px;text-align:left;vertical-align:top}\
    th{width:9em;font-weight:normal;background:#eee}.blank td{height:2.2cm}.unreal{border:3px solid #000;text-align:center;font-weight:bold}\
    @page{size:A4 portrait;margin:1.5cm}@media print{body{margin:0}th{background:none}}";

/// The sheet of a notice, as far as it has come by now.
pub(super) async fn slip(
    State(console): Shared,
    Extension(by): Extension<Caller>,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    let number = id(&number)?;
    let view = console.view();
    let row = match view.notices.get(&number) {
        Some(row) => OutboxRow::clone(row),
        None => {
            let before = number.checked_add(1).map(NoticeId);
            let (rows, _) = console.query(&by, |reply| Ask::Notices { before, limit: 1, reply }).await?;
            let found = rows.into_iter().find(|row| row.notice.id.0 == number);
            found.ok_or_else(|| Problem::new(Code::Unknown, format!("there is no notice {number}")))?
        }
    };
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page(&row, &view)).into_response())
}

fn both(key: &str, args: &[String]) -> String {
    two(&phrase(key, args))
}

fn two(words: &Words) -> String {
    if words.zh == words.en { words.zh.clone() } else { format!("{} {}", words.zh, words.en) }
}

fn moment(at: Option<Micros>) -> String {
    let Time(text) = time(at.unwrap_or(0));
    text.map_or_else(|| "—".to_owned(), |text| text.replace('T', " ").chars().take(19).collect())
}

fn page(row: &OutboxRow, view: &View) -> String {
    let (notice, title) = (&row.notice, both("slip.title", &[]));
    let mut out = format!(
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>{0} {1}</title><style>{STYLE}</style></head><body><h1>{0}</h1>",
        safe(&title),
        safe(&notice.identifier)
    );
    if notice.mode != Mode::Actual {
        let _ = write!(out, "<p class=\"unreal\">{}</p>", safe(&both("slip.unreal", &[])));
    }
    out += "<table>";
    for (key, text) in told(row, view) {
        let _ = write!(out, "<tr><th>{}</th><td>{}</td></tr>", safe(&both(key, &[])), safe(&text));
    }
    // What people write on it with a pen.
    for key in ["slip.opinion", "slip.disposal", "slip.signature"] {
        let _ = write!(out, "<tr class=\"blank\"><th>{}</th><td></td></tr>", safe(&both(key, &[])));
    }
    out + "</table></body></html>\n"
}

fn told(row: &OutboxRow, view: &View) -> Vec<(&'static str, String)> {
    let (notice, alarm) = (&row.notice, &row.notice.alarm);
    let evidence = alarm.evidence.iter().map(|e| {
        let limit = e.limit.map_or_else(|| "—".to_owned(), |limit| with_unit(&limit.to_string(), &e.unit));
        let value = match &e.meaning {
            Some(meaning) => two(meaning),
            None => with_unit(&e.value.to_string(), &e.unit),
        };
        let quality = both(&format!("quality.{}", e.quality.word()), &[]);
        both("slip.evidence", &[e.tag.clone(), value, limit, quality, moment(Some(e.at))])
    });
    let state = match alarm.condition {
        Condition::Active => both("slip.active", &[]),
        Condition::Cleared => both("slip.cleared", &[moment(alarm.cleared_at)]),
    };
    let person = |by: &brain::alarm::Person, at: Micros| format!("{} {}", by.name, moment(Some(at)));
    let handling = alarm.handling.iter().map(|h| format!("{} {}", person(&h.by, h.at), h.note));
    let joined = |lines: Vec<String>| if lines.is_empty() { "—".to_owned() } else { lines.join("\n") };
    vec![
        ("slip.identifier", notice.identifier.clone()),
        ("slip.unit", format!("{} ({})", two(&notice.site), notice.sender)),
        (
            "slip.time",
            format!(
                "{} {}\n{} {}",
                both("slip.opened", &[]),
                moment(Some(alarm.opened_at)),
                both("slip.sent", &[]),
                moment(Some(notice.at))
            ),
        ),
        ("slip.place", two(&notice.zone)),
        ("slip.level", both(&format!("severity.{}", alarm.severity.word()), &[])),
        ("slip.what", format!("{}\n{}\n{state}", two(&alarm.title), two(&render(&alarm.text)))),
        ("slip.values", joined(evidence.collect())),
        ("slip.consequence", two(&alarm.guide.consequence)),
        ("slip.action", two(&alarm.guide.action)),
        ("slip.acknowledged", alarm.acknowledged.as_ref().map_or_else(|| "—".to_owned(), |ack| person(&ack.by, ack.at))),
        ("slip.handling", joined(handling.collect())),
        ("slip.receiver", two(&view.titles.audience(&notice.audience))),
        ("slip.received", moment(row.received_at)),
        ("slip.accepted", moment(row.accepted_at)),
        ("slip.person", row.acknowledged.as_ref().map_or_else(|| "—".to_owned(), |(by, at)| person(by, *at))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use brain::notice::{Delivery, Notice};

    #[test]
    fn a_sheet_says_who_what_and_who_took_it_and_nothing_on_it_is_markup() {
        let text = include_str!("../../../tests/fuzz/corpus/cap-notice/alert");
        let mut notice: Notice = serde_json::from_str(text).unwrap();
        notice.zone.zh = "3号<b>工房".to_owned();
        let by = brain::alarm::Person { name: "值班员甲".to_owned(), role: "bureau".to_owned(), station: String::new() };
        let row = OutboxRow {
            made_at: None,
            delivery: Delivery::Acknowledged,
            attempts: 1,
            due_at: 0,
            received_at: Some(notice.at),
            accepted_at: None,
            acknowledged: Some((by, notice.at)),
            last_error: String::new(),
            message: None,
            again: false,
            notice,
        };
        let page = page(&row, &View::default());
        for words in ["接报单", "test.1.2", "3号&lt;b&gt;工房", "值班员甲", "@page", "处置"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains("<b>") && !page.contains("slip."), "{page}");
        assert!(page.contains("class=\"unreal\""), "a test says that it is one");
    }
}
