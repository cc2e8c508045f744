//! Reports on the alarm system itself: figures per shift, day or month, as a table for machines and as a page to print.
//! Owns: periods by the plant's calendar and how figures are written. Must not know: where the history is kept, what figures mean.

use crate::words::{phrase, safe};
use brain::event::Change;
use brain::figures::{Figures, Offender, Tally, unwatched};
use brain::words::Words;
use brain::{Alarm, Micros};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The plant's clock.
const BEIJING: jiff::tz::Offset = jiff::tz::offset(8);
const HOUR_US: Micros = 3_600_000_000;
/// Periods of one report, at most: a month of shifts, a year of days.
pub const PERIODS_MAX: usize = 400;

/// What one row of a report stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// All of it.
    Whole,
    /// From where a shift of the site's first roster begins to the next; without one, from 00:00, 08:00 and 16:00.
    Shift,
    /// From midnight.
    Day,
    /// From the first.
    Month,
}

impl By {
    /// The period that holds a moment: its first moment, and that of the next one. `shifts`: minutes of the day at which one begins.
    fn period(self, at: Micros, (from, to): (Micros, Micros), shifts: &[u16]) -> (Micros, Micros) {
        let Some(civil) = jiff::Timestamp::from_microsecond(at).ok().map(|stamp| BEIJING.to_datetime(stamp)) else {
            return (from, to);
        };
        let moment = |civil: jiff::civil::DateTime| BEIJING.to_timestamp(civil).map_or(at, |stamp| stamp.as_microsecond());
        let midnight = moment(civil.date().at(0, 0, 0, 0));
        match self {
            By::Whole => (from, to),
            By::Shift => {
                let begin = |day: Micros, minute: u16| midnight + day * 24 * HOUR_US + Micros::from(minute) * (HOUR_US / 60);
                let edges = (-1..=1).flat_map(|day| shifts.iter().map(move |minute| begin(day, *minute)));
                let (before, behind): (Vec<_>, Vec<_>) = edges.partition(|edge| *edge <= at);
                (before.last().copied().unwrap_or(from), behind.first().copied().unwrap_or(to))
            }
            By::Day => (midnight, midnight + 24 * HOUR_US),
            By::Month => {
                let first = civil.date().first_of_month();
                let next = first.last_of_month().tomorrow().unwrap_or(first);
                (moment(first.at(0, 0, 0, 0)), moment(next.at(0, 0, 0, 0)))
            }
        }
    }
}

/// Figures of one period.
#[derive(Clone, Debug, Serialize)]
pub struct Period {
    /// Its first moment, wall clock, microseconds.
    pub from: Micros,
    /// The first one behind it.
    pub to: Micros,
    /// UTC dates that it touches and of which something is missing: its figures may be too low.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// Its figures.
    pub figures: Figures,
}

impl Period {
    /// Notes a UTC date of which something is missing.
    fn lacks(&mut self, day: &str) {
        let first = day.parse::<jiff::civil::Date>().ok();
        let first = first.and_then(|date| jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok());
        // What is no date is said of all: too much is better than nothing.
        let (from, to) = first.map_or((Micros::MIN, Micros::MAX), |first| {
            let from = first.as_microsecond();
            (from, from + 24 * HOUR_US)
        });
        if self.from < to && from < self.to {
            self.incomplete.push(day.to_owned());
        }
    }
}

/// A report in the making.
pub struct Periods {
    tallies: BTreeMap<Micros, (Micros, Tally)>,
    /// When nothing was watched.
    unwatched: Vec<(Micros, Micros)>,
}

impl Periods {
    /// For the time from `from` to `to`, wall clock. `shifts`: minutes of the day at which one begins, ascending; none = every eight hours. None where that
    /// is more than [`PERIODS_MAX`] periods, or nothing.
    pub fn new(by: By, from: Micros, to: Micros, shifts: &[u16]) -> Option<Periods> {
        let shifts = if shifts.is_empty() { &[0, 480, 960] } else { shifts };
        let mut tallies = BTreeMap::new();
        let mut at = from;
        while at < to {
            let (first, next) = by.period(at, (from, to), shifts);
            tallies.insert(first.max(from), (next.min(to), Tally::default()));
            if tallies.len() > PERIODS_MAX || next <= at {
                return None;
            }
            at = next;
        }
        (from < to).then_some(Periods { tallies, unwatched: vec![] })
    }

    /// What happened to an alarm, with the times that people read. What lies outside is passed over.
    pub fn take(&mut self, at: Micros, change: Change, alarm: &Alarm) {
        self.unwatched.extend(unwatched(change, alarm).map(|gap| (at.saturating_sub(gap), at)));
        if let Some((_, (to, tally))) = self.tallies.range_mut(..=at).next_back()
            && at < *to
        {
            tally.take(at, change, alarm);
        }
    }

    /// The report, oldest first. `incomplete`: UTC dates of which something is missing in the history, which begins at `begins`.
    pub fn finish(mut self, incomplete: &[String], begins: Micros) -> Vec<Period> {
        self.unwatched.push((Micros::MIN, begins));
        let period = |(from, (to, tally)): (Micros, (Micros, Tally))| {
            let stops = self.unwatched.iter().map(|(first, last)| ((*last).min(to) - (*first).max(from)).max(0));
            let watched = (to - from - stops.sum::<Micros>()).max(0);
            let mut period = Period { from, to, incomplete: vec![], figures: tally.finish(watched, to) };
            incomplete.iter().for_each(|day| period.lacks(day));
            period
        };
        self.tallies.into_iter().map(period).collect()
    }
}

/// One figure: its word, how it is written, what it should be, and whether it is not.
type Row = (&'static str, fn(&Figures) -> String, &'static str, fn(&Figures) -> bool);

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn percent(share: f64) -> String {
    format!("{} %", short(share * 100.0))
}

/// What there is none of is not nothing.
fn or_dash(figure: Option<f64>, write: fn(f64) -> String) -> String {
    figure.map_or("-".to_owned(), write)
}

fn named(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(name, count)| format!("{name}: {count}")).collect::<Vec<_>>().join("; ")
}

/// What people call it; its identifier where nobody gave it a title.
fn named_hazard(top: &Offender) -> String {
    let Words { zh, en } = &top.title;
    match (zh.is_empty(), zh == en) {
        (true, _) => top.hazard.clone(),
        (_, true) => zh.clone(),
        (_, false) => format!("{zh} {en}"),
    }
}

fn waited(figures: &Figures, level: usize) -> String {
    let of = &figures.acknowledged[level];
    if of.count == 0 { "-".to_owned() } else { format!("{} / {} / {}", short(of.p50_s), short(of.p90_s), short(of.max_s)) }
}

/// Every figure in the order of the report; targets as in the secondary texts of EEMUA 191 and ISA-18.2.
const ROWS: &[Row] = &[
    ("annunciated", |f| f.annunciated.to_string(), "", |_| false),
    ("watched_h", |f| short(f.watched_h), "", |_| false),
    ("per_10min", |f| or_dash(f.per_10min, short), "≤ 1", |f| f.per_10min.is_some_and(|rate| rate > 1.0)),
    ("peak_minute", |f| f.peak_minute.to_string(), "≤ 2", |f| f.peak_minute > 2),
    ("peak_10min", |f| f.peak_10min.to_string(), "< 10", |f| f.peak_10min >= 10),
    ("peak_hour", |f| f.peak_hour.to_string(), "≤ 15", |f| f.peak_hour > 15),
    ("flood_share", |f| or_dash(f.flood_share, percent), "< 1 %", |f| f.flood_share.is_some_and(|share| share >= 0.01)),
    ("floods", |f| f.floods.to_string(), "0", |f| f.floods > 0),
    ("blue", |f| f.by_level[0].to_string(), "", |_| false),
    ("yellow", |f| f.by_level[1].to_string(), "", |_| false),
    ("orange", |f| f.by_level[2].to_string(), "", |_| false),
    ("red", |f| f.by_level[3].to_string(), "", |_| false),
    // About so much is meant: fewer is no merit and more no fault.
    ("high_share", |f| percent(f.high_share), "5 %", |_| false),
    ("chattering", |f| f.chattering.to_string(), "0", |f| f.chattering > 0),
    ("fleeting", |f| f.fleeting.to_string(), "0", |f| f.fleeting > 0),
    ("stale", |f| f.stale.to_string(), "< 5", |f| f.stale >= 5),
    ("reopened", |f| f.reopened.to_string(), "", |_| false),
    ("no_action_share", |f| percent(f.no_action_share), "", |_| false),
    ("top_share", |f| percent(f.top_share), "≤ 5 %", |f| f.top_share > 0.05),
    ("ack_blue", |f| waited(f, 0), "", |_| false),
    ("ack_yellow", |f| waited(f, 1), "", |_| false),
    ("ack_orange", |f| waited(f, 2), "", |_| false),
    ("ack_red", |f| waited(f, 3), "", |_| false),
    ("shelves_by", |f| named(&f.shelves_by), "", |_| false),
    ("suppressed", |f| f.suppressed.to_string(), "", |_| false),
    ("suppressed_red", |f| f.suppressed_red.to_string(), "0", |f| f.suppressed_red > 0),
    ("closed_by_cause", |f| named(&f.closed_by_cause), "", |_| false),
];

/// What figures should be, by their words; those without a target are left out.
pub fn targets() -> BTreeMap<&'static str, &'static str> {
    ROWS.iter().filter(|(_, _, target, _)| !target.is_empty()).map(|(word, _, target, _)| (*word, *target)).collect()
}

/// Words of the figures that are not what they should be.
pub fn missed(figures: &Figures) -> Vec<&'static str> {
    ROWS.iter().filter(|(.., misses)| misses(figures)).map(|(word, ..)| *word).collect()
}

fn time(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at)
        .map_or_else(|_| at.to_string(), |stamp| BEIJING.to_datetime(stamp).strftime("%Y-%m-%d %H:%M").to_string())
}

/// A field of a table for spreadsheets; what a program would take for a formula is made text.
fn field(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) && text.len() > 1 { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A line per period, a column per figure; UTF-8 with the mark that spreadsheets want.
pub fn csv(periods: &[Period]) -> String {
    let mut out = String::from("\u{feff}from,to");
    ROWS.iter().for_each(|(word, ..)| out.extend([",", word]));
    out += ",top,incomplete\r\n";
    for period in periods {
        let top = period.figures.top.iter().map(|top| format!("{}/{}/{}: {}", top.zone, top.hazard, top.object, top.count));
        let values = ROWS
            .iter()
            .map(|(_, value, ..)| value(&period.figures))
            .chain([top.collect::<Vec<_>>().join("; "), period.incomplete.join("; ")]);
        let fields = [time(period.from), time(period.to)].into_iter().chain(values).map(|value| field(&value));
        out += &fields.collect::<Vec<_>>().join(",");
        out += "\r\n";
    }
    out
}

/// A page to print: a column per period, a row per figure beside its target, and what was shown most often.
pub fn html(title: &str, periods: &[Period]) -> String {
    let words = |key: &str| {
        let words = phrase(&format!("performance.{key}"), &[]);
        safe(&format!("{} {}", words.zh, words.en))
    };
    let mut out = format!(
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>{0}</title><style>body{{font:13px sans-serif}}table{{border-collapse:\
         collapse;margin:1em 0}}td,th{{border:1px solid #888;padding:3px 6px;text-align:left}}@page{{size:A4 landscape}}</style></head>\
         <body><h1>{0} · {1}</h1>",
        safe(title),
        words("title")
    );
    // A page of A4 holds so many columns.
    for some in periods.chunks(7) {
        let _ = write!(
            out,
            "<table border=\"1\" cellspacing=\"0\"><thead><tr><th>{}</th><th>{}</th>",
            words("figure"),
            words("target")
        );
        for period in some {
            let _ = write!(out, "<th>{}<br>{}</th>", time(period.from), time(period.to));
        }
        out += "</tr></thead><tbody>";
        for (word, value, target, misses) in ROWS {
            let _ = write!(out, "<tr><td>{}</td><td>{}</td>", words(word), safe(target));
            for period in some {
                let written = safe(&value(&period.figures));
                let _ = if misses(&period.figures) {
                    write!(out, "<td><b>{written}</b></td>")
                } else {
                    write!(out, "<td>{written}</td>")
                };
            }
            out += "</tr>";
        }
        let _ = write!(out, "<tr><td>{}</td><td></td>", words("top"));
        for period in some {
            let rows = period.figures.top.iter();
            let rows =
                rows.map(|top| safe(format!("{} {} {} × {}", top.zone, named_hazard(top), top.object, top.count).trim_start()));
            let _ = write!(out, "<td>{}</td>", rows.collect::<Vec<_>>().join("<br>"));
        }
        if some.iter().any(|period| !period.incomplete.is_empty()) {
            let _ = write!(out, "</tr><tr><td>{}</td><td></td>", words("incomplete"));
            some.iter().for_each(|period| out += &format!("<td>{}</td>", safe(&period.incomplete.join(", "))));
        }
        out += "</tr></tbody></table>";
    }
    out + &format!("<p>{}</p></body></html>\n", words("note"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 00:00 +08:00.
    const MIDNIGHT: Micros = 1_795_363_200_000_000;

    #[test]
    fn periods_follow_the_plants_calendar() {
        for (by, hours, expected) in [
            (By::Whole, 30, vec![3, 33]),
            (By::Shift, 30, vec![3, 8, 16, 24, 32, 33]),
            (By::Day, 30, vec![3, 24, 33]),
            (By::Month, 24 * 10, vec![3, 24 * 8, 243]),
        ] {
            let (from, to) = (MIDNIGHT + 3 * HOUR_US, MIDNIGHT + (3 + hours) * HOUR_US);
            let report = Periods::new(by, from, to, &[]).unwrap().finish(&[], 0);
            let mut edges: Vec<Micros> = report.iter().map(|period| period.from).collect();
            edges.extend(report.last().map(|period| period.to));
            assert_eq!(edges.iter().map(|at| (at - MIDNIGHT) / HOUR_US).collect::<Vec<_>>(), expected, "{by:?}");
            assert!(report.windows(2).all(|two| two[0].to == two[1].from));
        }
        assert!(Periods::new(By::Whole, 5, 5, &[]).is_none() && Periods::new(By::Shift, 0, MIDNIGHT, &[]).is_none());
        // Twelve hours from half past seven.
        let (from, to) = (MIDNIGHT, MIDNIGHT + 24 * HOUR_US);
        let report = Periods::new(By::Shift, from, to, &[450, 1170]).unwrap().finish(&[], 0);
        let edges: Vec<Micros> = report.iter().map(|period| (period.from - MIDNIGHT) / (HOUR_US / 60)).collect();
        assert_eq!(edges, [0, 450, 1170]);
    }

    /// A stop is in each period that it lies in, whichever the start after it belongs to; and so is the time before the record.
    #[test]
    fn what_was_not_watched_is_not_counted() {
        let mut periods = Periods::new(By::Day, MIDNIGHT, MIDNIGHT + 72 * HOUR_US, &[]).unwrap();
        periods.unwatched.push((MIDNIGHT + 47 * HOUR_US, MIDNIGHT + 50 * HOUR_US));
        let report = periods.finish(&[], MIDNIGHT + 30 * HOUR_US);
        assert_eq!(report.iter().map(|period| period.figures.watched_h).collect::<Vec<_>>(), [0.0, 17.0, 22.0]);
        assert_eq!(report.iter().map(|period| period.figures.per_10min).collect::<Vec<_>>(), [None, Some(0.0), Some(0.0)]);
        assert!(csv(&report).lines().nth(1).unwrap().contains(",0,0,-,"), "{}", csv(&report));
    }

    #[test]
    fn every_figure_has_words_and_stands_in_both_forms() {
        for word in ROWS.iter().map(|(word, ..)| *word).chain(["title", "figure", "target", "top", "incomplete", "note"]) {
            let key = format!("performance.{word}");
            let words = phrase(&key, &[]);
            assert!(words.zh != key && words.en != key, "{key}");
        }
        let mut periods =
            Periods::new(By::Day, MIDNIGHT, MIDNIGHT + 48 * HOUR_US, &[]).unwrap().finish(&["2026-11-23".to_owned()], 0);
        periods[0].figures.shelves_by.insert("=cmd, \"x\" <b>".to_owned(), 3);
        let title = Words { zh: "可燃气体".into(), en: "Gas <b>".into() };
        let [zone, hazard, object] = ["hall", "gas.lel", "P1"].map(str::to_owned);
        periods[0].figures.top.push(Offender { zone, hazard, title, object, count: 7 });
        let table = csv(&periods);
        assert!(table.contains("hall/gas.lel/P1: 7"), "a table is for machines: {table}");
        assert_eq!(table.lines().count(), 3);
        assert!(table.contains("\"'=cmd, \"\"x\"\" <b>: 3\""), "{table}");
        assert!(table.lines().skip(1).all(|line| line.ends_with(",2026-11-23")), "a UTC day lies in two of the plant's: {table}");
        let page = html("厂 <A>", &periods);
        assert_eq!(page.matches("<td>2026-11-23</td>").count(), 2, "{page}");
        assert!(page.contains("hall 可燃气体 Gas &lt;b&gt; P1 × 7"), "a page is for people: {page}");
        assert!(page.contains("厂 &lt;A&gt;") && !page.contains("<b>") && page.contains("2026-11-23 00:00"), "{page}");
    }

    #[test]
    fn what_is_not_as_it_should_be_is_marked() {
        let targets = targets();
        let words: Vec<&str> = ROWS.iter().map(|(word, ..)| *word).collect();
        assert!(missed(&Figures::default()).is_empty(), "a calm plant misses nothing");
        let bad = Figures {
            per_10min: Some(1.01),
            peak_minute: 3,
            peak_10min: 10,
            peak_hour: 16,
            flood_share: Some(0.01),
            floods: 1,
            chattering: 1,
            fleeting: 1,
            stale: 5,
            top_share: 0.06,
            suppressed_red: 1,
            ..Figures::default()
        };
        let missed = missed(&bad);
        assert!(missed.iter().all(|word| targets.contains_key(word) && words.contains(word)), "{missed:?}");
        // The share of orange and red is about right or not: no bound.
        assert_eq!(missed.len(), targets.len() - 1, "{missed:?} of {targets:?}");
        let edge = Figures {
            per_10min: Some(1.0),
            peak_minute: 2,
            peak_10min: 9,
            peak_hour: 15,
            stale: 4,
            top_share: 0.05,
            ..Figures::default()
        };
        assert!(super::missed(&edge).is_empty(), "at the target is well");
        let mut periods = Periods::new(By::Day, MIDNIGHT, MIDNIGHT + 24 * HOUR_US, &[]).unwrap().finish(&[], 0);
        periods[0].figures = bad;
        assert!(html("厂", &periods).contains("<td><b>16</b></td>"));
    }
}
