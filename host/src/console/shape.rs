//! The JSON that other programs rely on. Owns: names and forms of every field. Must not know: HTTP, who asks.
//!
//! Times are RFC 3339 with the plant's offset, 64-bit numbers are texts, texts for people come in both languages.

use super::view::{LinkRow, Part, RuleRow, TagRow, View};
use crate::words::{phrase, render};
use brain::alarm::{Alarm, BureauState, Condition, Source};
use brain::notice::OutboxRow;
use brain::words::Words;
use brain::{Micros, site::Severity};
use serde_json::{Value, json};

/// The plant's clock.
const BEIJING: jiff::tz::Offset = jiff::tz::offset(8);

/// RFC 3339 with offset; null for "never".
pub fn time(at: Micros) -> Value {
    if at == 0 {
        return Value::Null;
    }
    match jiff::Timestamp::from_microsecond(at) {
        Ok(stamp) => json!(BEIJING.to_datetime(stamp).strftime("%Y-%m-%dT%H:%M:%S%.3f+08:00").to_string()),
        Err(_) => Value::Null,
    }
}

fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}

fn words(words: &Words) -> Value {
    json!({"zh": words.zh, "en": words.en})
}

/// One line of the alarm list.
pub fn alarm(alarm: &Alarm) -> Value {
    let evidence = alarm.evidence.first();
    let bureau = match alarm.escalation.bureau {
        BureauState::None => "none",
        BureauState::Queued => "queued",
        BureauState::Received => "received",
        BureauState::Acknowledged => "acknowledged",
    };
    let ack = alarm.acknowledged.as_ref();
    json!({
        "id": alarm.id.0.to_string(),
        "zone": alarm.key.zone,
        "rule": match &alarm.key.source { Source::Guard => "guard", Source::Rule(name) => name.as_str() },
        "plugin": alarm.plugin,
        "hazard": alarm.key.hazard,
        "object": alarm.key.object,
        "title": words(&alarm.title),
        "severity": alarm.severity.word(),
        "severity_now": alarm.severity_now.word(),
        "condition": condition(alarm.condition),
        "held": alarm.held,
        "latched": alarm.latched,
        "listed": alarm.is_listed(),
        "acknowledged": ack.is_some(),
        "acknowledged_by": ack.map(|ack| ack.by.name.clone()),
        "occurrences": alarm.occurrences,
        "opened_at": time(alarm.opened_at),
        "raised_at": time(alarm.raised_at),
        "cleared_at": time(alarm.cleared_at.unwrap_or(0)),
        "text": words(&render(&alarm.text)),
        "value": evidence.map(|e| number(e.value)),
        "limit": evidence.and_then(|e| e.limit),
        "unit": evidence.map(|e| e.unit.clone()),
        "tag": evidence.map(|e| e.tag.clone()),
        "escalation": {"rung": alarm.escalation.rung, "bureau": bureau},
    })
}

fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Active => "active",
        Condition::Cleared => "cleared",
    }
}

/// All of one alarm.
pub fn detail(of: &Alarm) -> Value {
    let mut value = alarm(of);
    let evidence: Vec<Value> = of.evidence.iter().map(|e| {
        json!({"tag": e.tag, "value": number(e.value), "unit": e.unit, "at": time(e.at), "quality": e.quality.word(), "limit": e.limit, "citation": e.citation})
    }).collect();
    let told: Vec<Value> = of.escalation.told.iter().map(|t| {
        json!({"rung": t.rung, "audience": t.audience, "occurrence": t.occurrence, "severity": t.severity.word(), "at": time(t.at), "notice": t.notice.to_string()})
    }).collect();
    let ack = of.acknowledged.as_ref().map(|ack| {
        json!({"by": ack.by.name, "role": ack.by.role, "station": ack.by.station, "at": time(ack.at), "severity": ack.severity.word(), "note": ack.note})
    });
    let handling: Vec<Value> = of.handling.iter().map(|h| json!({"by": h.by.name, "at": time(h.at), "note": h.note})).collect();
    for (key, more) in [
        ("cause", words(&of.guide.cause)),
        ("consequence", words(&of.guide.consequence)),
        ("response", words(&of.guide.action)),
        ("respond_s", json!(of.guide.respond_s)),
        ("certainty", json!(of.certainty)),
        ("digest", json!(of.digest)),
        ("closed", json!(of.closed)),
        ("evidence", json!(evidence)),
        ("told", json!(told)),
        ("acknowledgement", json!(ack)),
        ("bureau_by", json!(of.escalation.bureau_by.as_ref().map(|by| by.name.clone()))),
        ("handling", json!(handling)),
    ] {
        value[key] = more;
    }
    value
}

/// One tag.
pub fn tag(tag: &TagRow, now: Micros) -> Value {
    json!({
        "name": tag.name, "title": words(&tag.title), "zone": tag.zone, "link": tag.link, "unit": tag.unit,
        "value": number(tag.value), "quality": tag.quality.word(), "good": tag.quality.is_good(),
        "quality_text": words(&phrase(&format!("quality.{}", tag.quality.word()), &[])),
        "source_at": time(tag.source_us), "arrived_at": time(tag.arrived_us),
        "age_ms": (tag.arrived_us > 0).then(|| (now - tag.arrived_us).max(0) / 1000),
        "silent_ms": tag.silent_ms,
    })
}

/// One link.
pub fn link(link: &LinkRow) -> Value {
    json!({
        "name": link.name, "state": link.state, "reason": link.reason, "since": time(link.since),
        "malformed": link.malformed.to_string(), "malformed_sample": link.malformed_sample,
    })
}

/// One rule.
pub fn rule(rule: &RuleRow) -> Value {
    json!({
        "name": rule.name, "plugin": rule.plugin, "digest": rule.digest, "zone": rule.zone, "quarantined": rule.quarantined,
        "strikes": rule.strikes, "last_strike": rule.last_strike, "assessed_at": time(rule.assessed_us), "consulted_at": time(rule.consulted_us),
    })
}

/// One notice.
pub fn notice(row: &OutboxRow) -> Value {
    let notice = &row.notice;
    json!({
        "id": notice.id.0.to_string(), "identifier": notice.identifier, "audience": notice.audience, "bureau": notice.bureau,
        "alarm": notice.alarm.id.0.to_string(), "hazard": notice.alarm.key.hazard, "title": words(&notice.alarm.title),
        "severity": notice.alarm.severity.word(), "kind": notice.kind, "reason": notice.reason, "rung": notice.rung,
        "at": time(notice.at), "delivery": row.delivery, "attempts": row.attempts, "due_at": time(row.due_at),
        "received_at": time(row.received_at.unwrap_or(0)), "last_error": row.last_error,
        "acknowledged_by": row.acknowledged.as_ref().map(|(by, _)| by.name.clone()),
        "acknowledged_at": time(row.acknowledged.as_ref().map_or(0, |(_, at)| *at)),
    })
}

/// A brain that has not moved for this long is not watching.
const STALLED_MS: u64 = 5_000;

/// Per part whether it works, and the one word for all.
pub fn health(view: &View) -> Value {
    let stalled = view.age_ms() > STALLED_MS;
    let part = |part: &Part| match part.name {
        "brain" if stalled => json!({"name": "brain", "ok": false, "detail": format!("no decision for {} ms", view.age_ms())}),
        _ => json!({"name": part.name, "ok": part.ok, "detail": part.detail}),
    };
    let ok = !stalled && view.made.is_some() && view.health.iter().all(|part| part.ok);
    json!({"ok": ok, "at": time(view.at), "parts": view.health.iter().map(part).collect::<Vec<_>>(), "version": env!("CARGO_PKG_VERSION")})
}

/// Unacknowledged alarms by severity, and what else the strip on top counts.
pub fn counts(view: &View) -> Value {
    let open = |severity: Severity| {
        view.alarms.values().filter(|a| a.is_listed() && a.acknowledged.is_none() && a.severity == severity).count()
    };
    let good = view.tags.iter().filter(|tag| !tag.quality.is_bad()).count();
    json!({
        "red": open(Severity::Red), "orange": open(Severity::Orange), "yellow": open(Severity::Yellow), "blue": open(Severity::Blue),
        "tags_good": good, "tags_bad": view.tags.len() - good, "outbox": view.waiting().count(),
    })
}
