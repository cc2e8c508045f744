//! Metrics for Prometheus, made from the view. Must not know: HTTP.

use super::view::View;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, String)>;

/// OpenMetrics text of the present.
pub(super) fn text(view: &View) -> String {
    let mut registry = Registry::with_prefix("safety_brain");
    let mut gauge = |name: &str, help: &str, values: Vec<(Labels, i64)>| {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        registry.register(name, help, family);
    };
    let open = |word: &str| view.alarms.values().filter(|a| a.is_listed() && a.severity.word() == word).count() as i64;
    let levels = ["blue", "yellow", "orange", "red"];
    gauge("alarms", "Listed alarms by severity", levels.iter().map(|w| (vec![("severity", (*w).to_owned())], open(w))).collect());
    gauge("readings", "Readings judged since the journal began", vec![(vec![], view.readings as i64)]);
    gauge("durable_sequence", "Highest record on disk", vec![(vec![], view.durable as i64)]);
    gauge("brain_time_seconds", "Brain time", vec![(vec![], view.at / 1_000_000)]);
    gauge("outbox_waiting", "Notices without a receipt", vec![(vec![], view.waiting().count() as i64)]);
    let bad = view.tags.iter().filter(|tag| tag.quality.is_bad()).count() as i64;
    gauge("tags_bad", "Tags that cannot be believed", vec![(vec![], bad)]);
    let strikes = view.rules.iter().map(|rule| (vec![("rule", rule.name.clone())], rule.strikes as i64)).collect();
    gauge("rule_strikes", "Failures of a rule", strikes);
    let parts = view.health.iter().map(|part| (vec![("part", part.name.to_owned())], i64::from(part.ok))).collect();
    gauge("part_ok", "1 = the part works", parts);
    let mut out = String::new();
    encode(&mut out, &registry).expect("a String takes everything");
    out
}
