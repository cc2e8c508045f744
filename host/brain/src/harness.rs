//! What the table tests share: a site in a few lines, and timelines such as `("5 gas=60", "gas.high opened red")`.
//! Between two rows the clock ticks every second, and what a tick brings must stand in the table too: only what is listed happens.
//! Must not know: private fields. A test sees what the shell sees.

use crate::alarm::{Cause, Closing, Person};
use crate::duty::DutyChange;
use crate::event::{Change, LinkState, Row, StoragePart, StrikeKind};
use crate::finding::{Certainty, Finding, Verdict};
use crate::notice::NoticeKind;
use crate::site::*;
use crate::stages::{Aside, Grave, Step};
use crate::words::{Text, Words};
use crate::{Act, AlarmId, Brain, Effect, Event, Micros, NoticeId, Quality, Reading, TagId};

/// Second 0 of every timeline; late enough that a source may speak of the time before.
const ZERO: Micros = 1_000_000_000_000;
const SECOND: f64 = 1e6;

/// Says a test's figures on the real standard error, which the test harness does not swallow.
pub(crate) fn tell(figures: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{figures}");
}

/// Brain time of a second of the timeline.
pub(crate) fn at(seconds: f64) -> Micros {
    ZERO + (seconds * SECOND) as Micros
}

/// One hall on one link `bus`, with nobody to tell.
pub(crate) fn plant(tags: Vec<Tag>) -> Site {
    Site { sender: "plant@example.test".into(), tags, links: vec!["bus".into()], ..Site::plain("plant", "hall") }
}

/// The tag `gas` with these limits.
pub(crate) fn gas(limits: &[Limit]) -> Tag {
    Tag { limits: limits.to_vec(), ..Tag::plain("gas") }
}

/// A limit without deadband and delays; its hazard is `gas.high`, `gas.low`, `gas.rise` or `gas.fall`.
pub(crate) fn limit(kind: LimitKind, value: f64, severity: Severity) -> Limit {
    let hazard = match kind {
        LimitKind::High => "gas.high",
        LimitKind::Low => "gas.low",
        LimitKind::Rise => "gas.rise",
        LimitKind::Fall => "gas.fall",
    };
    Limit::plain(hazard, kind, value, severity)
}

/// The rule `watch` over all tags, never asked without readings.
pub(crate) fn rule(hazards: Vec<Hazard>, inputs: u32) -> Rule {
    Rule {
        name: "watch".into(),
        plugin: "watch@1".into(),
        digest: String::new(),
        zone: 0,
        inputs: (0..inputs).map(TagId).collect(),
        tick_ms: 0,
        hazards,
        untested: false,
        bundle: String::new(),
    }
}

/// A hazard of that rule, without a lease.
pub(crate) fn hazard(id: &str, worst: Severity) -> Hazard {
    let (title, guide) = (Words::same(id), Guide::default());
    Hazard { id: id.into(), title, guide, worst, latches: false, managed: false, may_suppress: false, restate_ms: 0 }
}

/// The plant's ladder: who, when they are told, seconds for blue, yellow, orange, red. `bureau` is the authority.
pub(crate) fn ladder(site: &mut Site, rungs: &[(&str, RungKind, [Option<u32>; 4])]) {
    for (audience, (name, kind, after_s)) in rungs.iter().enumerate() {
        site.ladders[0].rungs.push(Rung::new(name, audience, *kind, *after_s));
        site.audiences.push(Audience::new(name, Words::same(*name), *name == "bureau"));
    }
}

/// One tag `gas` (yellow from 20, orange from 40, red from 60 on), suppressed by design while `pig` is 1.
pub(crate) fn pigged(latches: bool) -> Site {
    let levels = [(20.0, Severity::Yellow), (40.0, Severity::Orange), (60.0, Severity::Red)];
    let levels = levels.map(|(value, severity)| Limit { latches, ..limit(LimitKind::High, value, severity) });
    let suppression = Suppression {
        name: "pigging".into(),
        title: Words::same("pigging"),
        zone: 0,
        hazards: vec!["gas.high".into()],
        tag: TagId(1),
        above: true,
        value: 1.0,
        most_s: 36_000,
        approved_by: ["ann".into(), "bob".into()],
    };
    Site { suppressions: vec![suppression], ..plant(vec![gas(&levels), Tag::plain("pig")]) }
}

/// A brain at its place in a timeline.
pub(crate) struct Timeline {
    pub(crate) brain: Brain,
    site: Site,
    seconds: f64,
    commands: u32,
    /// Receivers answer every notice at once; rows then show who was told, not how it travelled.
    answering: bool,
    record: Vec<(Micros, Event)>,
}

/// Feeds `rows` to a new brain and compares all that happens with what the table says.
#[track_caller]
pub(crate) fn timeline(site: &Site, rows: &[(&str, &str)]) -> Timeline {
    let mut timeline = Timeline::new(site);
    timeline.check(rows);
    timeline
}

/// Feeds `rows` to a new brain and compares what the first tag shows after each.
#[track_caller]
pub(crate) fn shown(site: &Site, rows: &[(&str, &str)]) {
    let mut timeline = Timeline::new(site);
    for (row, expected) in rows {
        timeline.row(row);
        let now = timeline.brain.tag(TagId(0));
        assert_eq!(format!("{} {}", now.value, now.quality.word()), *expected, "after {row:?}");
    }
}

impl Timeline {
    pub(crate) fn new(site: &Site) -> Timeline {
        let (brain, site) = (Brain::new(site.clone()), site.clone());
        Timeline { brain, site, seconds: 0.0, commands: 0, answering: false, record: Vec::new() }
    }

    /// The same, where every notice has its receipt at once.
    pub(crate) fn answering(site: &Site) -> Timeline {
        Timeline { answering: true, ..Timeline::new(site) }
    }

    /// Goes on with more rows.
    #[track_caller]
    pub(crate) fn check(&mut self, rows: &[(&str, &str)]) {
        let mut got = Vec::new();
        for (row, _) in rows {
            got.extend(self.row(row));
        }
        let lines =
            |rows: Vec<(&str, &str)>| rows.iter().map(|(row, effects)| format!("{row} => {effects}\n")).collect::<String>();
        let got = lines(got.iter().map(|(row, effects)| (row.as_str(), effects.as_str())).collect());
        let expected = lines(rows.to_vec());
        assert!(got == expected, "what happened:\n{got}\nwhat the table says:\n{expected}");
    }

    /// One event and what it brought, without ticks before it.
    pub(crate) fn only(&mut self, seconds: f64, what: &str) -> String {
        self.seconds = seconds;
        let event = self.event(what);
        self.step(&event)
    }

    /// The event of a row, at its second.
    pub(crate) fn at_second(&mut self, seconds: f64, what: &str) -> Event {
        self.seconds = seconds;
        self.event(what)
    }

    /// The program dies and comes back: a new brain is fed the record.
    pub(crate) fn crash(&mut self) {
        self.brain = Brain::new(self.site.clone());
        for (at, event) in &self.record {
            self.brain.step(*at, event);
        }
    }

    /// The plant goes on under another site; a start must follow.
    pub(crate) fn reconfigure(&mut self, site: &Site) {
        (self.brain, self.site) = (self.brain.reconfigured(site.clone()), site.clone());
    }

    /// One row, and before it the ticks that brought something.
    fn row(&mut self, row: &str) -> Vec<(String, String)> {
        let (seconds, what) = row.split_once(' ').expect("seconds, then what happens");
        let to: f64 = seconds.parse().expect("seconds");
        let mut happened = Vec::new();
        while self.seconds + 1.0 < to && !matches!(what, "start") {
            self.seconds = (self.seconds + 1.0).floor();
            let effects = self.step(&Event::Tick);
            if !effects.is_empty() {
                happened.push((format!("{} tick", self.seconds), effects));
            }
        }
        happened.push((row.to_owned(), self.only(to, what)));
        happened
    }

    fn step(&mut self, event: &Event) -> String {
        let mut effects = self.feed(event);
        let mut read = 0;
        while self.answering && read < effects.len() {
            if let Effect::Tell { notice, .. } = &effects[read] {
                let receipt = Event::Receipt { notice: notice.id, code: "200".into(), accepted: false };
                effects.extend(self.feed(&receipt).into_iter().filter(|effect| matches!(effect, Effect::Tell { .. })));
            }
            read += 1;
        }
        effects.iter().map(|effect| self.word(effect)).collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn feed(&mut self, event: &Event) -> Vec<Effect> {
        let at = at(self.seconds);
        self.record.push((at, event.clone()));
        self.brain.step(at, event)
    }

    fn event(&mut self, what: &str) -> Event {
        let words: Vec<&str> = what.split(' ').collect();
        let number = || words[1].parse().expect("a number");
        let (alarm, notice) = (|| AlarmId(number()), || NoticeId(number()));
        let by = |name: &str| Person { name: name.into(), role: "officer".into(), station: "test".into() };
        let (rule, detail) = ("watch".to_owned(), String::new());
        match words[0] {
            "start" => Event::started(self.site.tags.iter().map(|tag| tag.name.clone()).collect()),
            "stop" => Event::Stopped,
            "ended" => Event::ExerciseEnded { whole: true },
            "tick" => Event::Tick,
            "link" => {
                let state = match words[1] {
                    "up" => LinkState::Up,
                    "down" => LinkState::Down,
                    "saturated" => LinkState::Saturated,
                    other => panic!("link {other}?"),
                };
                Event::Link { link: "bus".into(), state, reason: "test".into() }
            }
            "aside" | "idle" | "trap" => {
                let said = match words[0] {
                    "aside" | "idle" => {
                        let findings = words[2..].iter().map(|word| finding(word)).collect();
                        Aside::Findings { findings, judged: words[0] == "aside" }
                    }
                    _ => Aside::Strike { kind: StrikeKind::Trap, detail },
                };
                Event::Aside { rule, digest: digest_of(words[1]), said }
            }
            "lost" => Event::RuleLost { rule, digest: digest_of(words[1]), detail: "gone".into() },
            "install" | "shadow" | "withdraw" | "promote" | "despite" | "back" | "forth" | "disable" | "enable" | "approve" => {
                let digest = words.get(1).map_or(String::new(), |word| digest_of(word));
                let despite = Some(if ["despite", "forth"].contains(&words[0]) { "no time" } else { "" }.to_owned());
                let grave = |what| Step::Grave { what, digest: digest.clone(), note: "looked".into(), despite };
                let step = match words[0] {
                    "install" => Step::Install { publisher: "acme".into(), about: Box::new(self.bundle(words[1], &words[2..])) },
                    "shadow" => Step::Shadow { digest, note: "looked".into() },
                    "withdraw" => Step::Withdraw { digest, note: "looked".into() },
                    "promote" | "despite" => grave(Grave::Promote),
                    "back" | "forth" => grave(Grave::RollBack),
                    "disable" => grave(Grave::Disable),
                    "enable" => Step::Enable,
                    _ => Step::Approve { what: if words[2] == "promote" { Grave::Promote } else { Grave::Disable }, digest },
                };
                let who = if words[0] == "approve" { words[3] } else { "ann" };
                self.commands += 1;
                Event::Operator { command: self.commands.to_string(), by: by(who), act: Act::Rule { rule, step } }
            }
            "rule" => Event::Assessed { rule, findings: words[1..].iter().map(|word| finding(word)).collect() },
            "skip" => Event::Strike { rule, kind: StrikeKind::Skipped, detail: words[1..].join(" ") },
            "strike" => Event::Strike { rule, kind: StrikeKind::Trap, detail },
            "receipt" => Event::Receipt { notice: notice(), code: "200".into(), accepted: false },
            "failed" => Event::Undelivered { notice: notice(), detail: "503".into(), rejected: false },
            "rejected" => Event::Undelivered { notice: notice(), detail: "400".into(), rejected: true },
            "accepted" => Event::Answered {
                notice: notice(),
                accepted: true,
                by: by("duty"),
                note: String::new(),
                instruction: false,
                message: String::new(),
            },
            "refused" => Event::Answered {
                notice: notice(),
                accepted: false,
                by: by("duty"),
                note: "no".into(),
                instruction: false,
                message: String::new(),
            },
            "accept" => Event::Receipt { notice: notice(), code: "200".into(), accepted: true },
            "clock" => Event::Clock {
                since: ZERO,
                ahead: (words[1].parse::<f64>().expect("hours") * 3_600.0 * SECOND) as Micros,
                wrong: words.len() > 2,
            },
            "over" | "take" => {
                // `over crew ann bob`: ann hands over to bob; `take crew bob 1 2`: bob takes over with alarms 1 and 2.
                let alarms = || words[3..].iter().map(|id| AlarmId(id.parse().expect("an alarm"))).collect();
                let change = if words[0] == "over" {
                    DutyChange::HandOver { to: words[3].into() }
                } else {
                    DutyChange::TakeOver { alarms: alarms() }
                };
                self.commands += 1;
                let act = Act::Duty { roster: words[1].into(), change, note: words[0].into() };
                Event::Operator { command: self.commands.to_string(), by: by(words[2]), act }
            }
            "journal" => Event::Storage { part: StoragePart::Journal, well: words[1] == "well", detail },
            "room" => {
                let days = |word: &str| (word != "-").then(|| word.parse().expect("days"));
                Event::Growth {
                    free: words[1].parse().expect("percent"),
                    disk_days: days(words[2]),
                    journal_days: days(words[3]),
                    room: None,
                }
            }
            "told" => {
                let (by, note, message) = (by("duty"), format!("do {}", words[2]), words[2].to_owned());
                Event::Answered { notice: notice(), accepted: true, by, note, instruction: true, message }
            }
            "ack" | "note" | "heed" | "reset" | "close" | "release" | "shelve" | "once" | "unshelve" | "out" | "second"
            | "in" => {
                let note = "looked".to_owned();
                let (who, act) = match words[0] {
                    "ack" => ("ann", Act::Acknowledge { alarm: alarm(), severity: None, occurrence: None, note }),
                    "note" => ("ann", Act::Handle { alarm: alarm(), note }),
                    "heed" => ("ann", Act::TakeInstruction { alarm: alarm(), message: words[2].to_owned(), note }),
                    "reset" => ("ann", Act::Reset { alarm: alarm(), note }),
                    "close" => ("bob", Act::Close { alarm: alarm(), note, closing: Some(closing()) }),
                    "shelve" | "once" => {
                        let (for_s, one_shot) = (words[2].parse().expect("seconds"), words[0] == "once");
                        ("ann", Act::Shelve { alarm: alarm(), for_s, one_shot, severity: None, occurrence: None, note })
                    }
                    "unshelve" => ("ann", Act::Unshelve { alarm: alarm(), note }),
                    "out" | "second" => {
                        let (tag, for_s) = (words[1].to_owned(), words[2].parse().expect("seconds"));
                        let who = if words[0] == "out" { "ann" } else { "bob" };
                        (who, Act::TakeOut { tag, for_s, permit: "P-7".into(), measure: "a portable detector".into() })
                    }
                    "in" => ("ann", Act::PutBack { tag: words[1].to_owned(), note }),
                    _ => ("ann", Act::ReleaseRule { rule }),
                };
                self.commands += 1;
                Event::Operator { command: self.commands.to_string(), by: by(who), act }
            }
            _ => Event::Readings { readings: words.iter().map(|word| self.reading(word)).collect() },
        }
    }

    /// Another version of the rule `watch`, with these hazards, or those of the site's.
    fn bundle(&self, version: &str, hazards: &[&str]) -> Rule {
        let old = &self.site.rules[0];
        let named = hazards.iter().map(|id| hazard(id, Severity::Red)).collect();
        let hazards = if hazards.is_empty() { old.hazards.clone() } else { named };
        Rule { plugin: format!("watch@{}", &version[1..]), digest: digest_of(version), hazards, ..old.clone() }
    }

    /// `gas=10`, `gas=10~late` with the link's quality, `gas=10@3` measured at second 3.
    fn reading(&self, word: &str) -> Reading {
        let (name, rest) = word.split_once('=').unwrap_or_else(|| panic!("{word}?"));
        let (rest, source) = rest.split_once('@').map_or((rest, self.seconds), |(rest, at)| (rest, at.parse().expect("seconds")));
        let (value, quality) = rest.split_once('~').unwrap_or((rest, "good"));
        let quality = (0..=u8::MAX).map(Quality).find(|known| known.word() == quality).expect("a quality word");
        let tag = self.site.tags.iter().position(|tag| tag.name == name).unwrap_or_else(|| panic!("no tag {name}"));
        let value = value.parse().expect("a value");
        Reading { tag: TagId(tag as u32), value, quality, source_us: at(source) }
    }

    fn word(&self, effect: &Effect) -> String {
        match effect {
            Effect::Alarm { alarm, change } => {
                let alarm = self.brain.alarm(*alarm).expect("an alarm that changed is known");
                let level = alarm.severity_now.word();
                let how = match change {
                    Change::Opened => format!("opened {level}"),
                    Change::Reopened => format!("reopened {level}"),
                    Change::Raised => format!("raised {level}"),
                    Change::Lowered => format!("lowered {level}"),
                    Change::Cleared => "cleared".into(),
                    Change::Held if alarm.held => "held".into(),
                    Change::Held => "believed".into(),
                    Change::Acknowledged => "acknowledged".into(),
                    Change::Reset => "reset".into(),
                    Change::Handled => "handled".into(),
                    Change::Accident => "accident".into(),
                    Change::Closed => "closed".into(),
                    Change::Shelved => "shelved".into(),
                    Change::Unshelved => "unshelved".into(),
                    Change::Suppressed => "suppressed".into(),
                    Change::Restored => "restored".into(),
                    Change::Nuisance if alarm.stale => "stale".into(),
                    Change::Nuisance if alarm.chattering => "chattering".into(),
                    Change::Nuisance => "quiet".into(),
                    Change::Escalated => "escalated".into(),
                    Change::Recorded => "recorded".into(),
                };
                format!("{} {how}", alarm.key.hazard)
            }
            Effect::Tell { notice, attempt, .. } => {
                let kind = match notice.kind {
                    NoticeKind::Alert => "alert",
                    NoticeKind::Update => "update",
                    NoticeKind::Cancel => "cancel",
                };
                let (number, to, reason) = (notice.id.0, &notice.audience, format!("{:?}", notice.reason).to_lowercase());
                let again = if *attempt > 1 { format!(" try {attempt}") } else { String::new() };
                format!("{kind} {number} to {to}: {reason}{again}")
            }
            Effect::Delivery { notice } => {
                let row = self.brain.notice(*notice).expect("a notice that moved is known");
                format!("notice {} {}", notice.0, format!("{:?}", row.delivery).to_lowercase())
            }
            Effect::Consult { rule, rows, .. } => {
                let rows: Vec<String> = rows.iter().map(|row| self.asked(*rule, row)).collect();
                format!("ask {}", rows.join(" ")).trim_end().to_owned()
            }
            Effect::Quarantine { on, .. } => if *on { "quarantined" } else { "released" }.into(),
            Effect::RunBeside { digest, heir_of, .. } => format!("run {} as heir of {}", self.or_v1(digest), self.or_v1(heir_of)),
            Effect::EndBeside { digest, .. } => format!("end {}", self.or_v1(digest)),
            Effect::Test { audience } => format!("test {audience}"),
            Effect::Rule { change, digest, .. } => format!("{} {}", self.or_v1(digest), format!("{change:?}").to_lowercase()),
            Effect::Answer { result: Ok(()), .. } => "done".into(),
            Effect::Answer { result: Err(refusal), .. } => refusal.to_string(),
        }
    }

    /// The rule that the site names has no digest here.
    fn or_v1<'d>(&self, digest: &'d str) -> &'d str {
        if digest.is_empty() { "v1" } else { digest }
    }

    fn asked(&self, rule: usize, row: &Row) -> String {
        let tag = self.site.rules[rule].inputs[row.handle as usize];
        let mark = if row.quality.is_good() { String::new() } else { format!("~{}", row.quality.word()) };
        format!("{}={}{mark}", self.site.tags[tag.0 as usize].name, row.value)
    }
}

fn digest_of(version: &str) -> String {
    if version == "v1" { String::new() } else { version.to_owned() }
}

fn closing() -> Closing {
    Closing { cause: Some(Cause::Equipment), evidence: "photo 1".into() }
}

/// `leak=red`, `leak=clear`, `leak=unknown`.
fn finding(word: &str) -> Finding {
    let (hazard, says) = word.split_once('=').unwrap_or_else(|| panic!("{word}?"));
    let level = Severity::ALL.into_iter().find(|level| level.word() == says);
    let verdict = match (says, level) {
        (_, Some(_)) => Verdict::Active,
        ("clear", _) => Verdict::Clear,
        ("unknown", _) => Verdict::CannotTell,
        _ => panic!("{word}?"),
    };
    Finding {
        hazard: hazard.into(),
        verdict,
        severity: level.unwrap_or(Severity::Blue),
        certainty: Certainty::Likely,
        text: Text::Words(Words::same(hazard)),
        evidence: vec![],
    }
}
