//! CAP 1.2 (OASIS Common Alerting Protocol): the types of a message, in the order of its elements.
//! Owns: what a message is and how it is written, read and judged.
//! Must not know: HTTP, the outbox, alarms (only `build` does).
//!
//! `build` makes a [`Message`] of a notice, `write` its bytes, `parse` reads bytes (`xml`), `check` judges what the schema lets through; `signature` signs
//! the bytes and holds them against a certificate, both over their canonical form (`canon`).

mod build;
mod canon;
mod check;
pub mod json;
mod parse;
mod signature;
pub mod time;
mod write;
mod xml;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(in crate::notices) use build::nth;
pub use build::{
    ACCIDENT, ANCHOR, CLOCK, INSTRUCTION, NUMBER, OWED_FROM, REASON, Reply, TAKEN_AT, TAKEN_BY, TAKEN_NOTE, build,
    build_anchored, build_reply, compose, compose_reply,
};
pub use check::{check, skew};
pub use parse::parse;
pub use signature::{Signed, sign, sign_again};
pub use write::write;
pub use xml::{BYTES_MAX, DEPTH_MAX};

/// XML namespace of CAP 1.2.
pub const NAMESPACE: &str = "urn:oasis:names:tc:emergency:cap:1.2";
/// Media type of a CAP message.
pub const MEDIA_TYPE: &str = "application/cap+xml";
/// Media type of its JSON form.
pub const JSON_MEDIA_TYPE: &str = "application/json";
/// Name of the geocode that carries a Chinese division code (GB/T 2260).
pub const GEOCODE_DIVISION: &str = "GB/T 2260";
/// Longest headline, characters: CAP 1.2 section 3.2.2 asks for no more.
pub const HEADLINE_CHARS_MAX: usize = 160;
/// Longest life of one message, seconds: an open alarm is renewed before.
pub const EXPIRES_S_MAX: u32 = 3600;

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapError {
    /// More than [`BYTES_MAX`].
    #[error("a message of {0} bytes; at most {BYTES_MAX} are taken")]
    TooLarge(usize),
    /// Not XML as we take it: broken, too deep, with a document type or an entity of its own.
    #[error("near byte {at}: {what}")]
    Xml {
        /// Offset into the message.
        at: u64,
        /// What is wrong, and what is allowed.
        what: String,
    },
    /// Not the JSON form of a message.
    #[error("JSON: {0}")]
    Json(String),
    /// XML, but not the elements of CAP 1.2 in their order.
    #[error("in <{place}>: {what}")]
    Shape {
        /// Element.
        place: String,
        /// What is wrong, and what is allowed.
        what: String,
    },
    /// Its signature cannot be verified, or does not belong to it.
    #[error("Signature: {0}")]
    Signature(String),
    /// CAP, but it must not be acted on.
    #[error("refused: {}", .0.join("; "))]
    Refused(Vec<String>),
}

/// An enumeration of the schema: variants are the schema's own words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($word:ident),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[allow(missing_docs)] // CAP's own words
        pub enum $name { $($word),+ }

        impl $name {
            /// All, in the order of the schema.
            pub const ALL: &[$name] = &[$($name::$word),+];
            /// As written in a message.
            pub fn word(self) -> &'static str {
                match self { $($name::$word => stringify!($word)),+ }
            }
        }
    };
}

words! {
    /// Whether the message is real.
    Status { Actual, Exercise, System, Test, Draft }
}

impl Status {
    /// Whether what it tells is real, an exercise or a test; none: it tells of no danger at all.
    pub fn mode(self) -> Option<brain::site::Mode> {
        match self {
            Status::Actual => Some(brain::site::Mode::Actual),
            Status::Exercise => Some(brain::site::Mode::Exercise),
            Status::Test => Some(brain::site::Mode::Test),
            Status::System | Status::Draft => None,
        }
    }

    /// That of what tells of something real, of an exercise or of a test.
    pub fn of(mode: brain::site::Mode) -> Status {
        match mode {
            brain::site::Mode::Actual => Status::Actual,
            brain::site::Mode::Exercise => Status::Exercise,
            brain::site::Mode::Test => Status::Test,
        }
    }
}

words! {
    /// What the message does.
    MsgType { Alert, Update, Cancel, Ack, Error }
}
words! {
    /// Who may see it.
    Scope { Public, Restricted, Private }
}
words! {
    /// Kind of event.
    Category { Geo, Met, Safety, Security, Rescue, Fire, Health, Env, Transport, Infra, CBRNE, Other }
}
words! {
    /// What people should do.
    ResponseType { Shelter, Evacuate, Prepare, Execute, Avoid, Monitor, Assess, AllClear, None }
}
words! {
    /// How soon.
    Urgency { Immediate, Expected, Future, Past, Unknown }
}
words! {
    /// How bad.
    Severity { Extreme, Severe, Moderate, Minor, Unknown }
}
words! {
    /// How sure.
    Certainty { Observed, Likely, Possible, Unlikely, Unknown }
}

/// One message. Texts and times are kept exactly as written: a reply must repeat them, and `check` must see what is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    /// Unique for the sender for ever.
    pub identifier: String,
    /// A name the sender owns.
    pub sender: String,
    /// When, see [`time`].
    pub sent: String,
    /// Whether it is real.
    pub status: Status,
    /// What it does.
    pub msg_type: MsgType,
    /// Where the sender has it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Who may see it.
    pub scope: Scope,
    /// The rule of a Restricted message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restriction: Option<String>,
    /// The receivers of a Private message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<String>,
    /// Handling codes.
    #[serde(rename = "code", default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Purpose or reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// `sender,identifier,sent` triples between spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<String>,
    /// Names of the incidents it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incidents: Option<String>,
    /// One per language.
    #[serde(rename = "info", default, skip_serializing_if = "Vec::is_empty")]
    pub infos: Vec<Info>,
    /// XML signatures found. What they say is read by [`Signed`] alone.
    #[serde(skip)]
    pub signatures: usize,
}

/// The content in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Info {
    /// RFC 3066 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Never empty.
    #[serde(rename = "category")]
    #[schemars(length(min = 1))]
    pub categories: Vec<Category>,
    /// What happened.
    pub event: String,
    /// What to do, as words of the standard.
    #[serde(rename = "responseType", default, skip_serializing_if = "Vec::is_empty")]
    pub responses: Vec<ResponseType>,
    /// How soon.
    pub urgency: Urgency,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub certainty: Certainty,
    /// Who is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Codes of the event.
    #[serde(rename = "eventCode", default, skip_serializing_if = "Vec::is_empty")]
    pub event_codes: Vec<Pair>,
    /// From when the message holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<String>,
    /// From when the event is expected or seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<String>,
    /// Until when the message holds. Not an all-clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Who speaks, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_name: Option<String>,
    /// One line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// All that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What to do, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// Address of more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<String>,
    /// Whom to call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Machine-readable facts.
    #[serde(rename = "parameter", default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Pair>,
    /// Files that belong to it.
    #[serde(rename = "resource", default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// Where.
    #[serde(rename = "area", default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<Area>,
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pair {
    /// `valueName`.
    #[serde(rename = "valueName")]
    pub name: String,
    /// `value`.
    pub value: String,
}

/// A file that belongs to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource {
    /// For people.
    #[serde(rename = "resourceDesc")]
    pub description: String,
    /// Media type.
    pub mime_type: String,
    /// Bytes, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Where to fetch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The content itself, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deref_uri: Option<String>,
    /// SHA-1, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A place. Coordinates are WGS-84, latitude first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Area {
    /// For people.
    #[serde(rename = "areaDesc")]
    pub description: String,
    /// `lat,lon lat,lon ...`, closed.
    #[serde(rename = "polygon", default, skip_serializing_if = "Vec::is_empty")]
    pub polygons: Vec<String>,
    /// `lat,lon km`.
    #[serde(rename = "circle", default, skip_serializing_if = "Vec::is_empty")]
    pub circles: Vec<String>,
    /// Codes of the place.
    #[serde(rename = "geocode", default, skip_serializing_if = "Vec::is_empty")]
    pub geocodes: Vec<Pair>,
    /// Feet above sea level, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<String>,
    /// Feet above sea level, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<String>,
}

/// One earlier message, as `references` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Triple {
    /// Its sender.
    pub sender: String,
    /// Its identifier.
    pub identifier: String,
    /// Its time, exactly as it was written.
    pub sent: String,
}

impl Message {
    /// The messages it refers to; the first text that is no triple is the error.
    pub fn triples(&self) -> Result<Vec<Triple>, String> {
        let triple = |text: &str| {
            let parts: Vec<&str> = text.split(',').collect();
            match parts[..] {
                [sender, identifier, sent] if ![sender, identifier, sent].contains(&"") => {
                    Ok(Triple { sender: sender.to_owned(), identifier: identifier.to_owned(), sent: sent.to_owned() })
                }
                _ => Err(text.to_owned()),
            }
        };
        self.references.as_deref().unwrap_or_default().split_ascii_whitespace().map(triple).collect()
    }
}

impl Triple {
    /// How a notice of ours is referred to.
    pub fn to(notice: &brain::Notice) -> Triple {
        Triple { sender: notice.sender.clone(), identifier: notice.identifier.clone(), sent: time::text(notice.at) }
    }

    /// How a later message refers to this one.
    pub fn of(message: &Message) -> Triple {
        Triple { sender: message.sender.clone(), identifier: message.identifier.clone(), sent: message.sent.clone() }
    }
}

impl std::fmt::Display for Triple {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{},{}", self.sender, self.identifier, self.sent)
    }
}

#[cfg(test)]
mod tests;
