//! The ladder as the site file gives it: rungs, what they wait for, and whom they tell. Plain data.
//! Must not know: when a rung speaks (that is `escalation`), how an audience is reached.

use crate::reading::Micros;
use crate::words::Words;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A limit by the second is a pace, not a share.
pub(crate) const SECOND_US: Micros = 1_000_000;

/// Who is told, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// Name from the site file.
    pub name: String,
    /// In order of climbing.
    pub rungs: Vec<Rung>,
}

/// When a rung speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RungKind {
    /// As soon as the alarm opens (or is raised).
    AtOnce,
    /// At its deadline, if nobody has acknowledged.
    Unacknowledged,
    /// At its deadline if the condition is active or nobody has acknowledged, acknowledged or not.
    Open,
    /// At its deadline, while it needs anybody, if nobody has noted since it rose what was done: acknowledged or not.
    Unhandled,
}

/// One step of a ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Name from the site file, unique in the ladder.
    pub name: String,
    /// Indexes into [`crate::Site::audiences`], told side by side; never empty.
    #[serde(rename = "audience", with = "one_or_more")]
    pub audiences: Vec<usize>,
    /// When it speaks.
    pub kind: RungKind,
    /// Seconds after opening for blue, yellow, orange, red. None = this level never reaches the rung.
    pub after_s: [Option<u32>; 4],
    /// Told again until somebody answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// When and where it speaks at all.
    #[serde(default, skip_serializing_if = "Only::is_always")]
    pub only: Only,
}

impl Rung {
    /// A rung that tells one audience, once, always and everywhere.
    pub fn new(name: &str, audience: usize, kind: RungKind, after_s: [Option<u32>; 4]) -> Rung {
        Rung { name: name.to_owned(), audiences: vec![audience], kind, after_s, repeat: None, only: Only::default() }
    }
}

/// How often a rung tells again what nobody has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// Seconds from one to the next.
    pub every_s: u32,
    /// Times, beside the first; none = until somebody answers, of orange and red, and never of what is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u32>,
}

/// What must hold for a rung to speak: all that is said here. Where the clock cannot be believed, every calendar holds, and so does its opposite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Only {
    /// Index into [`crate::Site::calendars`]: it waits until that holds.
    pub within: Option<usize>,
    /// Index into [`crate::Site::calendars`]: it waits until that does not hold.
    pub outside: Option<usize>,
    /// Hazards or their families (`gas` is all of `gas.*`); empty = all.
    pub hazards: Vec<String>,
    /// Indexes into [`crate::Site::zones`]; empty = all.
    pub zones: Vec<usize>,
    /// Index into [`crate::Site::audiences`]: no machine there has the last word that a rung
    /// had for it on this alarm. The time counts from that word; before it there is nothing to miss.
    pub no_receipt: Option<usize>,
    /// Index into [`crate::Site::audiences`]: no named person there has answered that word.
    pub no_answer: Option<usize>,
    /// Index into [`crate::Site::audiences`]: every try to reach it has failed for a while, or nobody is on duty there.
    pub unreachable: Option<usize>,
}

impl Only {
    /// Nothing must hold.
    pub fn is_always(&self) -> bool {
        *self == Only::default()
    }
}

/// Somebody outside the brain who can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// Name from the site file.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// True for the authority outside the company.
    pub bureau: bool,
    /// Index into [`crate::Site::rosters`]: who is on duty there. None = it is always there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roster: Option<usize>,
    /// Messages in any 60 s that its channel takes; none = as many as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// The same in any second, beside `per_minute`; none = as many as that leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// The same in any hour; none = as many as the other limits leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<u32>,
    /// The same in any 24 hours; none = as many as the other limits leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
    /// How many numbers it has of which one is called at each try: its limits then count for each number by itself. 1 = they count for its channel.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub numbers: u32,
    /// That a machine has a message is not enough: it is told again until the receiver's system says that it accepts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_accept: bool,
    /// How long one message is valid, seconds; while the alarm is open the next one goes in time.
    #[serde(default = "hour", skip_serializing_if = "is_hour")]
    pub valid_s: u32,
    /// The plant's 14 digits in names of messages after GB/T 35965.1; none = names of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// It is a siren or beacon, and can be tested.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub annunciator: bool,
}

fn one() -> u32 {
    1
}

fn is_one(numbers: &u32) -> bool {
    *numbers == one()
}

fn hour() -> u32 {
    3_600
}

fn is_hour(valid_s: &u32) -> bool {
    *valid_s == hour()
}

impl Audience {
    /// Messages that its channel, or each of its numbers, takes, each with the stretch in which they count; none = as many as there are.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (u32, Micros)> {
        let all = [(self.per_second, SECOND_US), (self.per_minute, 60 * SECOND_US)];
        let all = all.into_iter().chain([(self.per_hour, 3_600 * SECOND_US), (self.per_day, 86_400 * SECOND_US)]);
        all.filter_map(|(most, stretch)| Some((most?, stretch)))
    }

    /// An audience that is always there and takes whatever comes.
    pub fn new(name: &str, title: Words, bureau: bool) -> Audience {
        let (roster, per_minute, per_second, per_hour, per_day) = (None, None, None, None, None);
        let name = name.to_owned();
        Audience {
            name,
            title,
            bureau,
            roster,
            per_minute,
            per_second,
            per_hour,
            per_day,
            numbers: one(),
            must_accept: false,
            valid_s: hour(),
            code: None,
            annunciator: false,
        }
    }
}

/// Four numbers, written as one where they are the same: as version 0.1.0 wrote it.
pub(crate) mod alike {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Form {
        All(usize),
        Each([usize; 4]),
    }

    pub(crate) fn serialize<S: Serializer>(of: &[usize; 4], to: S) -> Result<S::Ok, S::Error> {
        if of.iter().all(|one| *one == of[0]) { Form::All(of[0]) } else { Form::Each(*of) }.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[usize; 4], D::Error> {
        Ok(match Form::deserialize(from)? {
            Form::All(all) => [all; 4],
            Form::Each(each) => each,
        })
    }
}

/// A list, written as its only entry where there is one: as version 0.1.0 wrote it.
mod one_or_more {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(usize),
        More(Vec<usize>),
    }

    pub(super) fn serialize<S: Serializer>(of: &[usize], to: S) -> Result<S::Ok, S::Error> {
        if let [one] = of { Form::One(*one) } else { Form::More(of.to_vec()) }.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<usize>, D::Error> {
        Ok(match Form::deserialize(from)? {
            Form::One(one) => vec![one],
            Form::More(more) => more,
        })
    }
}
