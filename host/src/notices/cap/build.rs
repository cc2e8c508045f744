//! A notice as a CAP message, and replies to messages. What the bureau reads is decided here.
//! The same notice always gives the same bytes: a resend must be the message it repeats.
//! Must not know: how a message travels, what becomes of it.

mod accident;

use super::xml::is_xml_char;
use super::{
    Area, Category, Certainty, EXPIRES_S_MAX, GEOCODE_DIVISION, HEADLINE_CHARS_MAX, Info, Message, MsgType, Pair, ResponseType,
    Scope, Severity, Status, Triple, Urgency, json, time, write,
};
use crate::config::types::{CapChannel, Form};
use crate::words::{phrase, render, with_unit};
use brain::alarm::{Alarm, Condition, Handling, Instruction};
use brain::finding::Evidence;
use brain::notice::{Digested, Notice, NoticeKind, Reason};
use brain::shelf::{Hidden, Shelf};
use brain::site::{Citation, Mode};
use brain::words::{Text, Words};

/// Longest text of one element, characters. With [`HANDLING_MAX`] it keeps a message far below what a receiver takes.
const TEXT_CHARS_MAX: usize = 4000;
/// Alarms of a digest that are described; the parameters name all of them.
const DIGEST_LINES: usize = 20;
/// Longest text of one line of a description or one parameter, characters.
const LINE_CHARS_MAX: usize = 500;
/// Longest words of who took an instruction, characters: there may be many, and all of them are told.
const NOTE_CHARS_MAX: usize = 120;
/// Newest notes of handling that are told, and newest instructions taken.
const HANDLING_MAX: usize = 4;

/// The bytes that go to the receiver, unsigned, in the form it wants.
pub fn build(notice: &Notice, channel: &CapChannel) -> String {
    build_anchored(notice, channel, None)
}

/// Name of the parameter that carries a head of the plant's record, one JSON line: kept by the receiver, it shows later whether the record was cut
/// or made again.
pub const ANCHOR: &str = "safety-brain:anchor";

/// Parameters that say which instruction of the receiver somebody at the plant took: the name of its message, who, when, and their words.
pub const INSTRUCTION: &str = "instruction";
/// See [`INSTRUCTION`].
pub const TAKEN_BY: &str = "instructionTakenBy";
/// See [`INSTRUCTION`].
pub const TAKEN_AT: &str = "instructionTakenAt";
/// See [`INSTRUCTION`].
pub const TAKEN_NOTE: &str = "instructionTakenNote";
pub use accident::{ACCIDENT, CLOCK};

/// Parameters that say the number of a message in its plant's series, which only rises, and the lowest that the receiver is still owed: none below it comes any
/// more that is no old one.
pub const NUMBER: &str = "noticeNumber";
/// See [`NUMBER`].
pub const OWED_FROM: &str = "noticesOwedFrom";
/// Parameter that says why the message was made, in one word.
pub const REASON: &str = "reason";

/// As [`build`], with a head of the plant's record in it.
pub fn build_anchored(notice: &Notice, channel: &CapChannel, anchor: Option<&str>) -> String {
    let mut message = compose(notice, channel);
    for (info, anchor) in message.infos.iter_mut().zip(std::iter::repeat(anchor)) {
        info.parameters.extend(anchor.map(|line| Pair { name: ANCHOR.to_owned(), value: line.to_owned() }));
    }
    match channel.form {
        Form::Xml => write(&message),
        Form::Json => json::write(&message),
    }
}

/// The message of a notice, before it is written.
pub fn compose(notice: &Notice, channel: &CapChannel) -> Message {
    let triple = |r: &brain::notice::Reference| {
        Triple { sender: notice.sender.clone(), identifier: r.identifier.clone(), sent: time::text(r.sent) }.to_string()
    };
    let references: Vec<String> = notice.references.iter().map(triple).collect();
    let numbers = [(NUMBER, notice.id.0), (OWED_FROM, notice.floor)].map(|(name, number)| (name.to_owned(), number.to_string()));
    let numbers = numbers.map(|(name, value)| Pair { name, value });
    let info = |language, pick| {
        let mut info = Voice { notice, channel, language, pick }.info();
        info.parameters.extend(numbers.iter().filter(|_| notice.floor > 0).cloned());
        info
    };
    Message {
        identifier: notice.identifier.clone(),
        sender: notice.sender.clone(),
        sent: time::text(notice.at),
        status: Status::of(notice.mode),
        msg_type: match notice.kind {
            NoticeKind::Alert => MsgType::Alert,
            NoticeKind::Update => MsgType::Update,
            NoticeKind::Cancel => MsgType::Cancel,
        },
        source: None,
        scope: Scope::Restricted,
        restriction: Some(both(&phrase("cap.restriction", &[]))),
        addresses: None,
        codes: Vec::new(),
        note: note(notice),
        references: (!references.is_empty()).then(|| references.join(" ")),
        incidents: Some(incident(notice).to_owned()),
        infos: vec![info("zh-CN", |w| &w.zh), info("en-US", |w| &w.en)],
        signatures: 0,
    }
}

/// The alarm's name for the receiver: the notice's identifier without its own number, where it has one of ours.
fn incident(notice: &Notice) -> &str {
    if !notice.incident.is_empty() {
        return &notice.incident;
    }
    let identifier = &notice.identifier;
    identifier.rsplit_once('.').map_or(identifier, |(chain, _)| chain)
}

/// What is not real says so; what ends says why.
fn note(notice: &Notice) -> Option<String> {
    let mut parts = Vec::new();
    match notice.mode {
        Mode::Actual => {}
        Mode::Exercise => parts.push(both(&phrase("cap.note.exercise", &[incident(notice).to_owned()]))),
        Mode::Test => parts.push(both(&phrase("cap.note.test", &[]))),
    }
    if notice.kind == NoticeKind::Cancel {
        parts.push(both(&phrase(&reason_key(notice.reason), &[])));
        let retracted = notice.alarm.accident.as_ref().and_then(|accident| accident.retracted.as_ref());
        if let Some(by) = retracted {
            parts.push(clean(&format!("{}: {}", by.by.name, by.note), LINE_CHARS_MAX));
        } else if let Some(last) = notice.alarm.handling.last() {
            parts.push(clean(&format!("{}: {}", last.by.name, last.note), LINE_CHARS_MAX));
        }
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What the alarm says. Names of rules are the plant's own affair: nobody outside knows them.
fn said(text: &Text) -> Words {
    match text {
        Text::Phrase { key, .. } if key == "guard.blind" || key == "guard.quarantine" => phrase("cap.guard.blind", &[]),
        Text::Phrase { key, .. } if key == "guard.skipped" => phrase("cap.guard.skipped", &[]),
        Text::Phrase { .. } | Text::Words(_) => render(text),
    }
}

fn reason_key(reason: Reason) -> String {
    format!("cap.reason.{}", reason.word())
}

/// One notice told in one language.
struct Voice<'a> {
    notice: &'a Notice,
    channel: &'a CapChannel,
    language: &'static str,
    pick: fn(&Words) -> &String,
}

impl Voice<'_> {
    fn info(&self) -> Info {
        let alarm = &self.notice.alarm;
        if let Some(accident) = &alarm.accident {
            return self.accident(accident);
        }
        let lasts_s = i64::from(self.channel.expires_s.min(EXPIRES_S_MAX));
        let expires = self.notice.at.saturating_add(lasts_s * 1_000_000);
        let title = self.name(&alarm.title, &alarm.key.hazard);
        let zone = self.name(&self.notice.zone, &alarm.key.zone);
        // Two alarms of one hazard in one place are told apart by what they are about.
        let about = if alarm.key.object.is_empty() { title.clone() } else { format!("{title} {}", alarm.key.object) };
        let headline = self.say("cap.headline", &[self.level(), zone, about]);
        Info {
            language: Some(self.language.to_owned()),
            categories: categories(&alarm.key.hazard),
            event: title,
            responses: self.responses(),
            urgency: self.urgency(),
            severity: match alarm.severity {
                brain::Severity::Red => Severity::Extreme,
                brain::Severity::Orange => Severity::Severe,
                brain::Severity::Yellow => Severity::Moderate,
                brain::Severity::Blue => Severity::Minor,
            },
            certainty: match alarm.certainty {
                brain::finding::Certainty::Observed => Certainty::Observed,
                brain::finding::Certainty::Likely => Certainty::Likely,
                brain::finding::Certainty::Possible => Certainty::Possible,
                brain::finding::Certainty::Unlikely => Certainty::Unlikely,
            },
            audience: None,
            event_codes: vec![Pair { name: "safety-brain:hazard".to_owned(), value: clean(&alarm.key.hazard, LINE_CHARS_MAX) }],
            effective: Some(time::text(self.notice.at)),
            onset: Some(time::text(alarm.raised_at)),
            expires: Some(time::text(expires)),
            sender_name: Some(self.name(&self.notice.site, &self.notice.sender)),
            headline: Some(clean(&format!("{}{headline}", self.prefix()), HEADLINE_CHARS_MAX)),
            description: Some(clean(&self.description().join("\n"), TEXT_CHARS_MAX)),
            instruction: some(clean((self.pick)(&alarm.guide.action), TEXT_CHARS_MAX)),
            web: None,
            contact: None,
            parameters: self.parameters(),
            resources: Vec::new(),
            areas: vec![self.area()],
        }
    }

    fn say(&self, key: &str, args: &[String]) -> String {
        (self.pick)(&phrase(key, args)).clone()
    }

    /// A title, or the stable name where nobody gave one.
    fn name(&self, words: &Words, or: &str) -> String {
        some(clean((self.pick)(words), LINE_CHARS_MAX)).unwrap_or_else(|| or.to_owned())
    }

    fn level(&self) -> String {
        self.say(&format!("severity.{}", self.notice.alarm.severity.word()), &[])
    }

    /// What is not real says so first, then what is over: a list of headlines must not be misread.
    fn prefix(&self) -> String {
        let unreal = self.unreal();
        let over = match self.notice.kind {
            NoticeKind::Cancel if self.notice.reason == Reason::Ended => self.say("cap.prefix.ended", &[]),
            NoticeKind::Cancel => self.say("cap.prefix.closed", &[]),
            NoticeKind::Alert | NoticeKind::Update if self.over() => self.say("cap.prefix.cleared", &[]),
            // Of an alarm that is known: whoever reads the headline alone must not take it for another one.
            NoticeKind::Update => self.say("cap.prefix.update", &[self.why()]),
            NoticeKind::Alert => String::new(),
        };
        let unrecorded = if self.notice.unrecorded { self.say("cap.prefix.unrecorded", &[]) } else { String::new() };
        unreal + &over + &unrecorded
    }

    /// Why it is told, in a word or two.
    fn why(&self) -> String {
        let aside = match self.notice.alarm.shelf.hidden().filter(|_| self.notice.reason == Reason::Suppressed) {
            Some(Hidden::Service) => "cap.why.service",
            Some(Hidden::Design) => "cap.why.design",
            Some(Hidden::Shelf) => "cap.why.shelf",
            None => return self.say(&format!("ui.reason.{}", self.notice.reason.word()), &[]),
        };
        self.say(aside, &[])
    }

    /// What puts the alarm aside at the plant: who looked away, by what right, and until when.
    fn aside(&self) -> Vec<String> {
        let Shelf { shelved, by_design, out_of_service } = &self.notice.alarm.shelf;
        let service = out_of_service.iter().map(|of| {
            let by = of.second.iter().fold(of.by.name.clone(), |by, second| format!("{by}, {}", second.name));
            self.say("cap.aside.service", &[by, of.permit.clone(), of.measure.clone(), time::text(of.until)])
        });
        let design = by_design.iter().map(|of| {
            let name = self.name(&of.title, &of.name);
            self.say("cap.aside.design", &[name, of.approved_by.join(", "), time::text(of.until)])
        });
        let shelf =
            shelved.iter().map(|of| self.say("cap.aside.shelf", &[of.by.name.clone(), of.reason.clone(), time::text(of.until)]));
        service.chain(design).chain(shelf).collect()
    }

    fn unreal(&self) -> String {
        match self.notice.mode {
            Mode::Actual => String::new(),
            Mode::Exercise => self.say("cap.prefix.exercise", &[]),
            Mode::Test => self.say("cap.prefix.test", &[]),
        }
    }

    fn over(&self) -> bool {
        self.notice.kind == NoticeKind::Cancel || self.notice.alarm.condition == Condition::Cleared
    }

    fn urgency(&self) -> Urgency {
        match self.notice.alarm.severity {
            _ if self.over() => Urgency::Past,
            brain::Severity::Red | brain::Severity::Orange => Urgency::Immediate,
            brain::Severity::Yellow => Urgency::Expected,
            brain::Severity::Blue => Urgency::Future,
        }
    }

    fn responses(&self) -> Vec<ResponseType> {
        match self.notice.alarm.severity {
            _ if self.notice.kind == NoticeKind::Cancel => vec![ResponseType::AllClear],
            _ if self.over() => vec![ResponseType::Monitor],
            brain::Severity::Red => vec![ResponseType::Evacuate, ResponseType::Execute],
            brain::Severity::Orange => vec![ResponseType::Avoid, ResponseType::Execute],
            brain::Severity::Yellow => vec![ResponseType::Execute],
            brain::Severity::Blue => vec![ResponseType::Monitor],
        }
    }

    fn description(&self) -> Vec<String> {
        let alarm = &self.notice.alarm;
        let line = |text: &str| clean(text, LINE_CHARS_MAX);
        let mut lines = vec![line((self.pick)(&said(&alarm.text)))];
        lines.extend(alarm.evidence.iter().map(|e| line(&self.evidence(e))));
        let state = match alarm.condition {
            Condition::Active => "cap.state.active",
            Condition::Cleared => "cap.state.cleared",
        };
        let since = match alarm.condition {
            Condition::Active => alarm.raised_at,
            Condition::Cleared => alarm.cleared_at.unwrap_or(alarm.changed_at),
        };
        lines.push(self.say(state, &[time::text(since), alarm.occurrences.to_string()]));
        if alarm.held {
            lines.push(self.say("cap.state.held", &[]));
        }
        for (key, words) in [("cap.cause", &alarm.guide.cause), ("cap.consequence", &alarm.guide.consequence)] {
            if let Some(text) = some(line((self.pick)(words))) {
                lines.push(self.say(key, &[text]));
            }
        }
        match &alarm.acknowledged {
            None => lines.push(self.say("cap.acknowledged.no", &[])),
            Some(ack) => {
                lines.push(line(&self.say("cap.acknowledged.by", &[ack.by.name.clone(), time::text(ack.at), ack.note.clone()])))
            }
        }
        lines.extend(self.aside().iter().map(|aside| line(aside)));
        if alarm.handling.is_empty() {
            lines.push(self.say("cap.handling.none", &[]));
        }
        let skipped = alarm.handling.len().saturating_sub(HANDLING_MAX);
        for h in &alarm.handling[skipped..] {
            lines.push(line(&self.say("cap.handling.by", &[h.by.name.clone(), time::text(h.at), h.note.clone()])));
        }
        let taken = taken(alarm).collect::<Vec<_>>();
        for (told, by) in &taken[taken.len().saturating_sub(HANDLING_MAX)..] {
            let args = [told.note.clone(), by.by.name.clone(), time::text(by.at), by.note.clone()];
            lines.push(line(&self.say("cap.instruction.taken", &args)));
        }
        let why = self.say(&reason_key(self.notice.reason), &[]);
        lines.push(self.say("cap.why", &[why]));
        if !self.notice.duty.is_empty() {
            lines.push(line(&self.say("cap.duty", &[self.notice.duty.join(", ")])));
        }
        if !self.notice.digest.is_empty() {
            lines.push(self.say("cap.digest", &[self.notice.digest.len().to_string()]));
            lines.extend(self.notice.digest.iter().take(DIGEST_LINES).map(|told| line(&self.digested(told))));
        }
        lines
    }

    fn digested(&self, told: &Digested) -> String {
        let (level, why) =
            (self.say(&format!("severity.{}", told.severity.word()), &[]), self.say(&reason_key(told.reason), &[]));
        let (zone, title) = ((self.pick)(&told.zone).to_owned(), (self.pick)(&told.title).to_owned());
        self.say("cap.digested", &[told.alarm.0.to_string(), level, zone, title, why, time::text(told.at)])
    }

    fn evidence(&self, e: &Evidence) -> String {
        let quality = self.say(&format!("quality.{}", e.quality.word()), &[]);
        let limit = match e.limit {
            None => self.say("cap.evidence.no_limit", &[]),
            Some(limit) => {
                let clause = match e.citation.as_ref().map(clause) {
                    Some(clause) if !clause.is_empty() => clause,
                    _ => self.say("cap.evidence.no_clause", &[]),
                };
                let limit = with_unit(&plain(limit), &e.unit);
                self.say("cap.evidence.limit", &[limit, clause])
            }
        };
        let value = match &e.meaning {
            Some(meaning) => self.say("cap.evidence.meaning", &[self.name(meaning, "-"), plain(e.value)]),
            None => with_unit(&plain(e.value), &e.unit),
        };
        self.say("cap.evidence", &[e.tag.clone(), value, limit, quality, time::text(e.at)])
    }

    /// Facts for machines; the same in both languages. The second and later rows of evidence are `tag.2`, `value.2` ..., and so are those of what the
    /// receiver told the plant to do and somebody there took.
    fn parameters(&self) -> Vec<Pair> {
        let alarm = &self.notice.alarm;
        let mut rows: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, value: String| rows.push((name.to_owned(), value));
        add("warningLevel", alarm.severity.word().to_owned());
        add("alarm", alarm.id.0.to_string());
        add(REASON, self.notice.reason.word().to_owned());
        add("rule", alarm.plugin.clone());
        add("digest", alarm.digest.clone());
        add("zone", alarm.key.zone.clone());
        if self.notice.area.is_some_and(|area| area.converted) {
            add("areaDatum", "GCJ-02".to_owned());
        }
        add("openedAt", time::text(alarm.opened_at));
        add("occurrences", alarm.occurrences.to_string());
        add("believable", (!alarm.held).to_string());
        add("unrecorded", self.notice.unrecorded.to_string());
        if self.notice.times_doubtful {
            add("timesDoubtful", "true".to_owned());
        }
        add("acknowledged", alarm.acknowledged.is_some().to_string());
        if let Some(ack) = &alarm.acknowledged {
            add("acknowledgedBy", format!("{} ({})", ack.by.name, ack.by.role));
            add("acknowledgedAt", time::text(ack.at));
        }
        for (i, told) in self.notice.digest.iter().enumerate() {
            let (zone, title) = (&told.zone.zh, &told.title.zh);
            add(
                &format!("also.{}", i + 1),
                format!("{} {} {zone} {title} {}", told.alarm.0, told.severity.word(), time::text(told.at)),
            );
        }
        add("handlingNotes", alarm.handling.len().to_string());
        for (i, (told, by)) in taken(alarm).enumerate() {
            let nth = nth(i);
            add(&format!("{INSTRUCTION}{nth}"), told.message.clone());
            add(&format!("{TAKEN_BY}{nth}"), format!("{} ({})", by.by.name, by.by.role));
            add(&format!("{TAKEN_AT}{nth}"), time::text(by.at));
            add(&format!("{TAKEN_NOTE}{nth}"), clean(&by.note, NOTE_CHARS_MAX));
        }
        for (i, e) in alarm.evidence.iter().enumerate() {
            let nth = nth(i);
            let mut add = |name: &str, value: String| add(&format!("{name}{nth}"), value);
            add("tag", e.tag.clone());
            add("value", plain(e.value));
            add("unit", e.unit.clone());
            add("limit", e.limit.map(plain).unwrap_or_default());
            add("clause", e.citation.as_ref().map(clause).unwrap_or_default());
            add("quality", e.quality.word().to_owned());
        }
        rows.into_iter()
            .map(|(name, value)| Pair { name, value: clean(&value, LINE_CHARS_MAX) })
            .filter(|pair| !pair.value.is_empty())
            .collect()
    }

    fn area(&self) -> Area {
        let site = self.name(&self.notice.site, &self.notice.sender);
        let zone = self.name(&self.notice.zone, &self.notice.alarm.key.zone);
        let circle = |a: &brain::site::Area| format!("{},{} {}", a.latitude, a.longitude, a.radius_km);
        let division = self.channel.division.clone();
        Area {
            description: clean(&format!("{site} {zone}"), LINE_CHARS_MAX),
            polygons: Vec::new(),
            circles: self.notice.area.iter().map(circle).collect(),
            geocodes: some(division).map(|value| Pair { name: GEOCODE_DIVISION.to_owned(), value }).into_iter().collect(),
            altitude: None,
            ceiling: None,
        }
    }
}

/// Instructions that have a name and were taken, and by whom.
fn taken(alarm: &Alarm) -> impl Iterator<Item = (&Instruction, &Handling)> {
    let named = alarm.escalation.instructions.iter().filter(|told| !told.message.is_empty());
    named.filter_map(|told| Some((told, told.taken.as_ref()?)))
}

/// What stands behind the name of a parameter that there is one of for each of several things, counted from 0.
pub(in crate::notices) fn nth(i: usize) -> String {
    if i == 0 { String::new() } else { format!(".{}", i + 1) }
}

/// Every alarm is one of safety; the family of its hazard says what else.
fn categories(hazard: &str) -> Vec<Category> {
    let family = hazard.split('.').next().unwrap_or_default();
    match (family, hazard) {
        (_, "gas.toxic") => vec![Category::Safety, Category::CBRNE],
        ("fw" | "gas", _) => vec![Category::Safety, Category::Fire],
        ("pipe" | "station" | "tank", _) => vec![Category::Safety, Category::Infra],
        _ => vec![Category::Safety],
    }
}

/// `GB/T 50493-2019 5.1.2`, as far as it is known.
fn clause(citation: &Citation) -> String {
    let standard = match citation.edition.as_str() {
        "" => citation.standard.clone(),
        edition => format!("{}-{edition}", citation.standard),
    };
    format!("{standard} {}", citation.clause).trim().to_owned()
}

/// One element cannot hold two languages any other way.
fn both(words: &Words) -> String {
    format!("{} / {}", words.zh, words.en)
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Fit for an element: no blanks around, one kind of line end, no character XML forbids, no longer than `chars_max`. What was cut shows.
fn clean(text: &str, chars_max: usize) -> String {
    let bare = text.trim();
    // So are nearly all, and a message has a hundred of them.
    if bare.len() <= chars_max && bare.chars().all(|c| c != '\r' && is_xml_char(c)) {
        return bare.to_owned();
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut out: String = text.trim().chars().map(|c| if is_xml_char(c) { c } else { '\u{fffd}' }).take(chars_max + 1).collect();
    if out.chars().count() > chars_max {
        out = out.chars().take(chars_max - 1).collect();
        out.push('…');
    }
    out
}

/// An answer to a message.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// True = Ack: received and accepted. False = Error: refused, `note` says why.
    pub accepted: bool,
    /// Unique for `sender` for ever.
    pub identifier: &'a str,
    /// Who answers: a name it owns.
    pub sender: &'a str,
    /// When.
    pub at: brain::Micros,
    /// In words; a person's answer as [`crate::notices::answer`] reads it.
    pub note: &'a str,
}

/// The bytes of a reply to `to`.
pub fn build_reply(reply: &Reply, to: &Message) -> String {
    write(&compose_reply(reply, to))
}

/// A reply to `to`, with the status of what it answers, for its sender only.
pub fn compose_reply(reply: &Reply, to: &Message) -> Message {
    Message {
        identifier: reply.identifier.to_owned(),
        sender: reply.sender.to_owned(),
        sent: time::text(reply.at),
        status: to.status,
        msg_type: if reply.accepted { MsgType::Ack } else { MsgType::Error },
        source: None,
        scope: Scope::Private,
        restriction: None,
        addresses: Some(to.sender.clone()),
        codes: Vec::new(),
        note: some(clean(reply.note, TEXT_CHARS_MAX)),
        references: Some(Triple::of(to).to_string()),
        incidents: to.incidents.clone(),
        infos: Vec::new(),
        signatures: 0,
    }
}

/// A number as people read it: what came as 32 bits is written with the digits of 32 bits, not with the noise of 64.
fn plain(value: f64) -> String {
    let narrow = value as f32;
    if f64::from(narrow) == value { narrow.to_string() } else { value.to_string() }
}
