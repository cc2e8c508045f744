//! A notice as values for templates and as a text for people, in both languages. All of it comes from the CAP message of the notice: what a chat says
//! is what the bureau reads. Kept as words: the same on every try. Must not know: channels, how anything is sent.

use super::cap;
use crate::config::types::{CapChannel, FIELDS, Form};
use crate::words::phrase;
use brain::notice::{Notice, NoticeKind};
use brain::site::Mode;
use std::collections::BTreeMap;

/// Longest short text: one part of an SMS in UCS-2.
pub const SHORT_CHARS_MAX: usize = 70;

/// Every value of [`FIELDS`].
pub type Fields = BTreeMap<String, String>;

/// One notice in words.
struct Told<'a> {
    notice: &'a Notice,
    message: cap::Message,
}

/// The values of a notice.
pub fn of(notice: &Notice) -> Fields {
    let told = Told { notice, message: message(notice) };
    FIELDS.iter().map(|field| ((*field).to_owned(), told.field(field))).collect()
}

/// A text for people: first what it is, in both languages, then all that is known of it, then its number. Where `bytes_max` leaves no room for all of
/// it the middle is cut, and says so.
pub fn text(notice: &Notice, bytes_max: usize) -> String {
    let told = Told { notice, message: message(notice) };
    let mut head = vec![told.field("headline.zh"), told.field("headline.en")];
    if !notice.digest.is_empty() {
        head.push(both("notice.also", &[notice.digest.len().to_string()]));
    }
    let head = head.join("\n");
    let tail = both("notice.number", std::slice::from_ref(&notice.identifier));
    let body = format!("{}\n\n{}", told.field("text.zh"), told.field("text.en"));
    let room = bytes_max.saturating_sub(head.len() + tail.len() + 4);
    format!("{head}\n\n{}\n\n{tail}", cut(&body, room, &both("notice.cut", &[])))
}

/// The headline, in Chinese.
pub fn headline(notice: &Notice) -> String {
    Told { notice, message: message(notice) }.field("headline.zh")
}

fn message(notice: &Notice) -> cap::Message {
    let (url, division) = (String::new(), String::new());
    let (token, tls, anchors, signer, form, sender) = (None, None, None, None, Form::Xml, None);
    cap::compose(notice, &CapChannel { url, token, tls, timeout_ms: 0, expires_s: 3600, division, anchors, signer, form, sender })
}

fn both(key: &str, args: &[String]) -> String {
    let words = phrase(key, args);
    format!("{} {}", words.zh, words.en)
}

/// As much of a text as fits, whole lines where there are any, and `mark` behind it where not all does.
fn cut(text: &str, bytes_max: usize, mark: &str) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let room = bytes_max.saturating_sub(mark.len() + 1);
    let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let end = text[..end].rfind('\n').filter(|line| *line > end / 2).unwrap_or(end);
    format!("{}\n{mark}", &text[..end])
}

impl Told<'_> {
    fn field(&self, field: &str) -> String {
        let (notice, alarm) = (self.notice, &self.notice.alarm);
        let (name, chinese) = match field.rsplit_once('.') {
            Some((name, language)) => (name, language == "zh"),
            None => (field, true),
        };
        let info = self.message.infos.get(usize::from(!chinese));
        let pick = |words: &brain::words::Words| if chinese { words.zh.clone() } else { words.en.clone() };
        match name {
            "alarm" => alarm.id.0.to_string(),
            "also" => notice.digest.len().to_string(),
            "audience" => notice.audience.clone(),
            "duty" => notice.duty.join(", "),
            "identifier" => notice.identifier.clone(),
            "kind" => match notice.kind {
                NoticeKind::Alert => "alert".to_owned(),
                NoticeKind::Update => "update".to_owned(),
                NoticeKind::Cancel => "cancel".to_owned(),
            },
            "mode" => match notice.mode {
                Mode::Actual => "actual".to_owned(),
                Mode::Exercise => "exercise".to_owned(),
                Mode::Test => "test".to_owned(),
            },
            // As the journal writes it.
            "reason" => serde_json::to_value(notice.reason).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
            "severity" => alarm.severity.word().to_owned(),
            "time" => cap::time::text(notice.at),
            "level" => pick(&phrase(&format!("severity.{}", alarm.severity.word()), &[])),
            "site" => pick(&notice.site),
            "title" => pick(&alarm.title),
            "zone" => pick(&notice.zone),
            "headline" => info.and_then(|info| info.headline.clone()).unwrap_or_default(),
            "text" => {
                let all = info.into_iter().flat_map(|info| [info.description.clone(), info.instruction.clone()]);
                all.flatten().collect::<Vec<_>>().join("\n")
            }
            "short" => self.short(chinese),
            _ => String::new(),
        }
    }

    /// One part of an SMS. What it is about and nothing more: an SMS passes many hands.
    fn short(&self, chinese: bool) -> String {
        let pick = |key: &str, args: &[String]| {
            let words = phrase(key, args);
            if chinese { words.zh } else { words.en }
        };
        let also = match self.notice.digest.len() {
            0 => String::new(),
            others => pick("notice.also.short", &[others.to_string()]),
        };
        // `2026-01-02T11:04:05+08:00`: hours and minutes, of the alarm: those of the message differ each time, as if it were another one.
        let time = cap::time::text(self.notice.alarm.raised_at).get(11..16).unwrap_or_default().to_owned();
        let tail = format!("{also} {time}");
        let headline = self.field(if chinese { "headline.zh" } else { "headline.en" });
        let room = SHORT_CHARS_MAX.saturating_sub(tail.chars().count());
        match headline.chars().count() > room {
            true => headline.chars().take(room.saturating_sub(1)).chain(['…']).chain(tail.chars()).collect(),
            false => headline + &tail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notices::sample;
    use brain::notice::{Digested, NoticeId, Reason};
    use brain::{AlarmId, Severity};

    #[test]
    fn every_field_says_something_and_a_short_one_is_one_part_without_figures() {
        let mut notice = sample::notice();
        notice.duty = vec!["李某".to_owned()];
        let fields = of(&notice);
        assert_eq!(fields.keys().map(String::as_str).collect::<Vec<_>>(), FIELDS, "in this order, so that none is there twice");
        for (field, value) in &fields {
            assert!(!value.is_empty(), "{field}");
        }
        assert!(fields["headline.zh"].contains("报警") && fields["text.zh"].contains("停产撤人"), "{fields:?}");
        notice.zone.zh = "很长的名字".repeat(40);
        for fields in [&fields, &of(&notice)] {
            for short in [&fields["short.zh"], &fields["short.en"]] {
                assert!(short.chars().count() <= SHORT_CHARS_MAX && !short.contains("36.5"), "{short}");
            }
        }
    }

    #[test]
    fn a_text_keeps_its_head_and_its_number_whatever_the_room() {
        let mut notice = sample::notice();
        let told = |n| Digested {
            notice: NoticeId(n),
            alarm: AlarmId(n),
            title: sample::words("库房超温", "Store too warm"),
            zone: notice.zone.clone(),
            severity: Severity::Yellow,
            reason: Reason::Opened,
            at: notice.at,
        };
        notice.digest = (100..300).map(told).collect();
        let whole = text(&notice, usize::MAX);
        assert!(whole.starts_with(&headline(&notice)) && !whole.contains(&phrase("notice.cut", &[]).zh), "{whole}");
        for room in [600, 2048, 4096] {
            let some = text(&notice, room);
            assert!(some.len() <= room, "{} of {room}", some.len());
            assert!(some.starts_with(&headline(&notice)) && some.ends_with(&both("notice.number", &["demo.7.12".to_owned()])));
            assert!(some.contains(&phrase("notice.cut", &[]).zh) && some.contains("200"), "{some}");
        }
    }
}
