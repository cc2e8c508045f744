//! Figures of the alarm system over HTTP: the history from the store, page by page, and the report made of it.
//! Must not know: what figures mean, how the store keeps its rows.

use super::access::Caller;
use super::asked::Asked;
use super::problem::{Code, Problem};
use super::shape::{Time, time};
use super::{Ask, Console, Which};
use crate::performance::{By, PERIODS_MAX, Period, Periods, csv, html, missed, targets};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use brain::event::{Entry, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows of the history asked for at a time, and pages of them at most.
const ROWS: usize = 1_000;
const PAGES_MAX: usize = 100;
/// What is looked at where nothing is said: a week.
const SPAN_US: i64 = 7 * 86_400_000_000;

/// Which stretch of time.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PerformanceAsked {
    /// `whole`, `shift`, `day` (default) or `month`, by the plant's clock.
    by: Option<By>,
    /// RFC 3339; default: a week before `to`.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    from: Option<jiff::Timestamp>,
    /// RFC 3339; default: now.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    to: Option<jiff::Timestamp>,
}

/// Figures of one period.
#[derive(Serialize, JsonSchema)]
pub(super) struct Row {
    from: Time,
    to: Time,
    /// As `safety-brain alarms report --format json` prints them.
    figures: Value,
    /// Names of the figures that are not what they should be.
    missed: Vec<&'static str>,
    /// UTC dates that are not whole in the store: the figures may be too low. Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    incomplete: Vec<String>,
}

/// A report.
#[derive(Serialize, JsonSchema)]
pub(super) struct Report {
    items: Vec<Row>,
    /// What figures should be, by name; those without a target are left out.
    targets: BTreeMap<&'static str, &'static str>,
}

async fn report(console: &Console, by: &Caller, asked: PerformanceAsked) -> Result<Vec<Period>, Problem> {
    let view = console.view();
    let to = asked.to.map_or(view.at + 1, |to| to.as_microsecond());
    let from = asked.from.map_or(to.saturating_sub(SPAN_US), |from| from.as_microsecond());
    let long =
        || Problem::new(Code::Range, format!("`from` comes before `to`, and a report holds {PERIODS_MAX} periods at most"));
    let shifts = view.duties.first().map(|duty| duty.begins.as_slice()).unwrap_or_default();
    let by_period = asked.by.unwrap_or(By::Day);
    let mut periods = Periods::new(by_period, from, to, shifts).ok_or_else(|| long().with("most_days", PERIODS_MAX))?;
    let any = Which { kind: None, alarm: None, zone: None, from: None, to: None };
    let first = console.query(by, |reply| Ask::Events { after: 0, limit: 1, which: any, reply }).await?;
    let begins = first.rows.first().map_or(to, |row| row.at);
    let (mut after, mut incomplete) = (0, Vec::new());
    for _ in 0..PAGES_MAX {
        let which = Which { kind: Some("alarm".to_owned()), alarm: None, zone: None, from: Some(from), to: Some(to) };
        let found = console.query(by, |reply| Ask::Events { after, limit: ROWS, which, reply }).await?;
        for row in &found.rows {
            let Ok(Entry::Outcome { outcome, .. }) = serde_json::from_str(&row.body) else { continue };
            for outcome in outcome {
                if let Outcome::Alarm { change, alarm } = outcome {
                    periods.take(row.at, change, &view.clock.alarm(&alarm));
                }
            }
        }
        incomplete.extend(found.incomplete);
        match found.next {
            Some(next) => after = next,
            None => {
                incomplete.sort();
                incomplete.dedup();
                return Ok(periods.finish(&incomplete, begins));
            }
        }
    }
    let detail = "more happened in this time than a page can count: ask for less, or use `safety-brain alarms report`";
    Err(Problem::new(Code::Range, detail).with("most_days", PERIODS_MAX))
}

type Shared = State<Arc<Console>>;

pub(super) async fn rows(
    State(console): Shared,
    Extension(by): Extension<Caller>,
    Asked(asked): Asked<PerformanceAsked>,
) -> Result<Json<Report>, Problem> {
    let row = |period: Period| Row {
        from: time(period.from),
        to: time(period.to),
        figures: json!(period.figures),
        missed: missed(&period.figures),
        incomplete: period.incomplete,
    };
    let items = report(&console, &by, asked).await?.into_iter().map(row).collect();
    Ok(Json(Report { items, targets: targets() }))
}

pub(super) async fn table(
    State(console): Shared,
    Extension(by): Extension<Caller>,
    Asked(asked): Asked<PerformanceAsked>,
) -> Result<Response, Problem> {
    let periods = report(&console, &by, asked).await?;
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"performance.csv\""),
    ];
    Ok((head, csv(&periods)).into_response())
}

pub(super) async fn page(
    State(console): Shared,
    Extension(by): Extension<Caller>,
    Asked(asked): Asked<PerformanceAsked>,
) -> Result<Response, Problem> {
    let title = console.view().site.zh.clone();
    let periods = report(&console, &by, asked).await?;
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html(&title, &periods)).into_response())
}
