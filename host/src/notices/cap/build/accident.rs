//! An accident as the content of a message: what the law wants known, in words for people and as parameters for machines. Must not know: alarms' own
//! messages, how one travels.

use super::super::{Category, Certainty, Info, Pair, ResponseType, Severity, Urgency, time};
use super::{LINE_CHARS_MAX, TEXT_CHARS_MAX, Voice, clean, nth, some};
use brain::accident::{Accident, Facts, Kind, Owed};
use brain::notice::Reason;

/// Parameter that makes a message one of an accident: `declared` or `retracted`.
pub const ACCIDENT: &str = "accident";
/// Parameters of the law's clocks, `clock`, `clock.2` and so on: which one, by when, when it was told, and until when it is owed again and again.
pub const CLOCK: [&str; 4] = ["clock", "clockDue", "clockDone", "clockUntil"];

impl Voice<'_> {
    /// It stands until it is taken back, so it never expires.
    pub(super) fn accident(&self, of: &Accident) -> Info {
        let alarm = &self.notice.alarm;
        let over = self.is_none_after_all(of);
        let kind = self.say(&format!("accident.kind.{}", of.facts.kind.word()), &[]);
        let grade = self.say(&format!("accident.grade.{}", of.facts.grade().word()), &[]);
        let zone = self.name(&self.notice.zone, &alarm.key.zone);
        let taken_back = match (self.notice.reason, over) {
            (Reason::Ended, _) => self.say("cap.prefix.ended", &[]),
            (_, true) => self.say("cap.prefix.retracted", &[]),
            (_, false) => String::new(),
        };
        let headline = self.say("cap.accident.headline", &[zone, kind, grade]);
        Info {
            language: Some(self.language.to_owned()),
            categories: categories(of.facts.kind),
            event: self.say("accident.title", &[]),
            responses: vec![if over { ResponseType::AllClear } else { ResponseType::Execute }],
            urgency: if over { Urgency::Past } else { Urgency::Immediate },
            severity: Severity::Extreme,
            certainty: Certainty::Observed,
            audience: None,
            event_codes: vec![Pair { name: "safety-brain:hazard".to_owned(), value: clean(&alarm.key.hazard, LINE_CHARS_MAX) }],
            effective: Some(time::text(self.notice.at)),
            onset: Some(time::text(of.declared_at)),
            expires: None,
            sender_name: Some(self.name(&self.notice.site, &self.notice.sender)),
            headline: Some(clean(&format!("{}{taken_back}{headline}", self.unreal()), super::HEADLINE_CHARS_MAX)),
            description: Some(clean(&self.course(of).join("\n"), TEXT_CHARS_MAX)),
            instruction: None,
            web: None,
            contact: None,
            parameters: self.facts(of),
            resources: Vec::new(),
            areas: vec![self.area()],
        }
    }

    /// A person took it back, or the drill in which it was declared is over.
    fn is_none_after_all(&self, of: &Accident) -> bool {
        of.retracted.is_some() || self.notice.reason == Reason::Ended
    }

    /// What the law still wants told: nothing of a drill that is over.
    fn owed(&self, of: &Accident) -> Vec<Owed> {
        if self.is_none_after_all(of) { vec![] } else { of.owed() }
    }

    /// In the order of the law, the rest behind it.
    fn course(&self, of: &Accident) -> Vec<String> {
        let colon = if self.language == "zh-CN" { "：" } else { ": " };
        let row = |key: &str, value: &str| format!("{}{colon}{value}", self.say(&format!("accident.{key}"), &[]));
        let Facts { course, place, dead, injured, missing, at_risk, loss_yuan, measures, other, .. } = &of.facts;
        let mut lines = vec![row("declared", &format!("{} {}", time::text(of.declared_at), of.declared_by.name))];
        if let Some(by) = &of.retracted {
            lines.push(row("retracted", &format!("{} {} {}", time::text(by.at), by.by.name, by.note)));
        }
        let counts = [("dead", *dead), ("injured", *injured), ("missing", *missing), ("at_risk", *at_risk)];
        let unsaid = self.say("accident.unsaid", &[]);
        lines.extend(counts.iter().map(|(key, count)| row(key, &count.map_or(unsaid.clone(), |count| count.to_string()))));
        if let Some(loss) = loss_yuan.filter(|loss| *loss > 0) {
            lines.push(row("loss", &loss.to_string()));
        }
        let texts = [("course", course), ("place", place), ("measures", measures), ("other", other)];
        lines.extend(texts.iter().filter(|(_, text)| !text.trim().is_empty()).map(|(key, text)| row(key, text)));
        lines.push(row("alarm", &format!("{} {}", self.notice.alarm.id.0, self.name(&self.notice.alarm.title, ""))));
        lines.extend(self.owed(of).iter().map(|owed| {
            let told = match owed.done_at {
                Some(at) => format!("{} {}", self.say("accident.yes", &[]), time::text(at)),
                None => self.say("accident.not_yet", &[]),
            };
            format!(
                "{}{colon}{} {told}",
                self.say(&format!("accident.telling.{}", owed.what.word()), &[]),
                time::text(owed.due_at)
            )
        }));
        lines.iter().map(|text| clean(text, LINE_CHARS_MAX)).collect()
    }

    fn facts(&self, of: &Accident) -> Vec<Pair> {
        let facts = &of.facts;
        let count = |of: Option<u32>| of.map(|count| count.to_string()).unwrap_or_default();
        let state = if self.is_none_after_all(of) { "retracted" } else { "declared" };
        let mut rows: Vec<(String, String)> = [
            (ACCIDENT, state.to_owned()),
            ("accidentKind", facts.kind.word().to_owned()),
            ("accidentGrade", facts.grade().word().to_owned()),
            ("accidentDeclaredAt", time::text(of.declared_at)),
            ("accidentDeclaredBy", of.declared_by.name.clone()),
            ("dead", count(facts.dead)),
            ("injured", count(facts.injured)),
            ("missing", count(facts.missing)),
            ("atRisk", count(facts.at_risk)),
            ("lossYuan", facts.loss_yuan.map(|loss| loss.to_string()).unwrap_or_default()),
            ("alarm", self.notice.alarm.id.0.to_string()),
            (super::REASON, self.notice.reason.word().to_owned()),
            ("zone", self.notice.alarm.key.zone.clone()),
            ("handlingNotes", self.notice.alarm.handling.len().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (i, Owed { what, due_at, done_at, until }) in self.owed(of).into_iter().enumerate() {
            let of = |at: Option<i64>| at.map(time::text).unwrap_or_default();
            let values = [what.word().to_owned(), time::text(due_at), of(done_at), of(until)];
            rows.extend(CLOCK.iter().zip(values).map(|(name, value)| (format!("{name}{}", nth(i)), value)));
        }
        let pair = |(name, value): (String, String)| some(clean(&value, LINE_CHARS_MAX)).map(|value| Pair { name, value });
        rows.into_iter().filter_map(pair).collect()
    }
}

fn categories(kind: Kind) -> Vec<Category> {
    match kind {
        Kind::Fire | Kind::Explosion => vec![Category::Safety, Category::Fire],
        Kind::Poisoning => vec![Category::Safety, Category::CBRNE],
        Kind::Leak => vec![Category::Safety, Category::Env],
        Kind::Road => vec![Category::Safety, Category::Transport],
        Kind::Other => vec![Category::Safety],
    }
}
