//! The checked configuration: every value is legal, every name is resolved to an index. Built only by `check`.
//! Must not know: TOML, files, how any of it is used.

mod channel;
mod rule;
mod values;

pub use channel::{
    Annunciator, Bot, Broker, Channel, Drive, Encoding, FIELDS, Gateway, Mail, MailSecurity, MqttChannel, Nats, Part, Template,
    Vendor, Webhook,
};
pub use rule::{Param, Rule};
pub use values::{Values, values_of};

pub use super::limits::Limits;
use crate::key::{Certificate, Certified};
use brain::site::Site;
use brain::{Micros, TagId};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// A site file that has passed every check.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the brain decides with. `site.rules` is empty: rules are filled in after admission.
    pub site: Site,
    /// Who runs the plant.
    pub company: Company,
    /// Same order as `site.links`.
    pub links: Vec<Link>,
    /// In file order.
    pub rules: Vec<Rule>,
    /// Whose rules may run.
    pub publishers: Vec<Publisher>,
    /// Folder of `<id>-<version>.sbrule` bundles.
    pub plugins_dir: PathBuf,
    /// Rules without a publisher run too, as bare components `<id>-<version>.wasm`. For development: every page says so.
    pub allow_unsigned: bool,
    /// Same order as `site.audiences`.
    pub channels: Vec<Channel>,
    /// Whose signed answers are believed; an answer of such a sender must be signed.
    pub trusted: Vec<Trusted>,
    /// Who notices outside when the program is silent.
    pub watchers: Vec<Watcher>,
    /// Who may sign in.
    pub people: Vec<Person>,
    /// Where and how much is kept.
    pub storage: Storage,
    /// The screen and the API.
    pub console: Console,
    /// Things a person should know that are not faults (an insecure link, a red rule without a guard).
    pub warnings: Vec<String>,
}

impl Config {
    /// Whose signature the bundle of a rule must bear; none = nobody's.
    pub fn publisher_of(&self, rule: &Rule) -> Option<&Publisher> {
        rule.publisher.and_then(|index| self.publishers.get(index))
    }
}

/// Who runs the plant, for reports of accidents; what is empty is left to be written by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Company {
    /// 统一社会信用代码, 18 characters.
    pub code: String,
    /// Registered name.
    pub name: String,
    /// Where.
    pub address: String,
    /// What it does and who owns it.
    pub nature: String,
    /// What it makes or stores, and how much.
    pub capacity: String,
    /// Licences with their numbers.
    pub licences: String,
    /// Who is called, and how.
    pub contact: String,
}

/// A secret from a file or the environment. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }
    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Certificates for one end of a TLS connection; files exist and parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Who we trust, PEM.
    pub ca: PathBuf,
    /// Our certificate chain and key, PEM, for mutual TLS.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// One owned connection to the field.
#[derive(Clone, Debug)]
pub struct Link {
    /// Name from the site file.
    pub name: String,
    /// How it speaks.
    pub kind: LinkKind,
}

/// Protocols.
#[derive(Clone, Debug)]
pub enum LinkKind {
    /// An MQTT broker we subscribe at.
    Mqtt(Mqtt),
    /// A Modbus TCP device or gateway we poll. Read-only.
    Modbus(Modbus),
    /// What the wall calendar says, as values that rules can be bound to.
    Calendar(Calendar),
    /// Columns of a recorded CSV file; the file is named on the command line of `replay`.
    Recording(Recording),
    /// What the scenario of a drill says, in the place of the field; never in a site file.
    Scenario(Scenario),
}

/// The scenario of a drill as a link.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Said when it begins, for the record.
    pub about: String,
    /// How much faster than written it is played, > 0.
    pub speed: f64,
    /// What each tag shows.
    pub tracks: Vec<super::drill::Track>,
}

/// Windows of the wall calendar, as 0 and 1.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// How often each value is told, milliseconds: the shortest period of its tags.
    pub period_ms: u64,
    /// One per value.
    pub points: Vec<CalendarPoint>,
}

/// One value of a calendar.
#[derive(Clone, Debug)]
pub struct CalendarPoint {
    /// Whose value.
    pub tag: TagId,
    /// 1 within any of these, else 0: from the first to before the second, microseconds since 1970-01-01 UTC by the wall clock.
    pub windows: Vec<(Micros, Micros)>,
}

/// MQTT protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MqttVersion {
    /// 3.1.1.
    V311,
    /// 5.
    V5,
}

/// An MQTT subscription link.
#[derive(Clone, Debug)]
pub struct Mqtt {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// 3.1.1 by default.
    pub version: MqttVersion,
    /// Fixed: the session in the broker belongs to it. `safety-brain-<site id>-<link>` unless the site file names another.
    pub client_id: String,
    /// Sign-in.
    pub username: Option<String>,
    /// Sign-in.
    pub password: Option<Secret>,
    /// Seconds, >= 5.
    pub keep_alive_s: u16,
    /// Largest packet accepted, bytes.
    pub packet_bytes_max: usize,
    /// Encrypted unless loopback or `insecure = true`.
    pub tls: Option<Tls>,
    /// What to subscribe, QoS 1.
    pub topics: Vec<Topic>,
}

/// One subscription and how to read its payloads.
#[derive(Clone, Debug)]
pub struct Topic {
    /// MQTT filter.
    pub filter: String,
    /// How to read.
    pub payload: Payload,
}

/// How a payload becomes readings.
#[derive(Clone, Debug)]
pub enum Payload {
    /// The whole payload is one value: a number, or true/false/on/off/1/0.
    Scalar {
        /// Whose value.
        tag: TagFrom,
        /// What its words stand for.
        values: Values,
    },
    /// JSON Pointers into one document.
    Json {
        /// One per value.
        points: Vec<JsonPoint>,
        /// Pointer to the source time, and how it is written.
        time: Option<(String, TimeFormat)>,
    },
}

/// Where the tag of a payload comes from.
#[derive(Clone, Debug)]
pub enum TagFrom {
    /// Always this one.
    Fixed(TagId),
    /// The topic level with this index (from 0) names it; unknown names are counted, never created.
    Level(usize, BTreeMap<String, TagId>),
}

/// One value inside a JSON document.
#[derive(Clone, Debug)]
pub struct JsonPoint {
    /// Whose value.
    pub tag: TagFrom,
    /// JSON Pointer (RFC 6901).
    pub value: String,
    /// Pointer to a quality: `good`/`bad` text, true/false, or an OPC code (192 good).
    pub quality: Option<String>,
    /// What its words stand for.
    pub values: Values,
}

/// How a source time is written; declared, never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TimeFormat {
    Seconds,
    Milliseconds,
    Microseconds,
    Rfc3339,
}

/// A Modbus TCP link: one connection, polled by one owner.
#[derive(Clone, Debug)]
pub struct Modbus {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// For one answer.
    pub timeout_ms: u64,
    /// Registers that may be read in vain to merge two reads.
    pub gap_max: u16,
    /// What to read.
    pub points: Vec<ModbusPoint>,
}

/// Modbus tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModbusTable {
    /// Function 1.
    Coil,
    /// Function 2.
    Discrete,
    /// Function 3.
    Holding,
    /// Function 4.
    Input,
}

/// How registers make a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ModbusType {
    Bool,
    U16,
    I16,
    U32,
    I32,
    F32,
}

/// Byte order of a two-register value: A is the most significant byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum WordOrder {
    Abcd,
    Cdab,
    Badc,
    Dcba,
}

/// One polled value.
#[derive(Clone, Debug)]
pub struct ModbusPoint {
    /// Whose value.
    pub tag: TagId,
    /// Unit identifier.
    pub unit: u8,
    /// Which table.
    pub table: ModbusTable,
    /// Zero-based address on the wire.
    pub address: u16,
    /// How to read it.
    pub kind: ModbusType,
    /// Order for 32-bit kinds.
    pub order: WordOrder,
    /// `value = raw * scale + offset`.
    pub scale: f64,
    /// `value = raw * scale + offset`.
    pub offset: f64,
    /// Raw bit pattern that means "no value".
    pub no_value: Option<u32>,
    /// How often; taken from the tag.
    pub period_ms: u64,
}

/// A recorded CSV file as a link.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Field separator.
    pub separator: u8,
    /// Where a row's time comes from.
    pub time: RecordingTime,
    /// Which columns are whose values.
    pub columns: Vec<(String, TagId)>,
    /// What the words of a column stand for, by its tag.
    pub values: BTreeMap<TagId, Values>,
}

/// A recorded row's time.
#[derive(Clone, Debug)]
pub enum RecordingTime {
    /// The file has a clock.
    Columns {
        /// One or more columns, joined by a space.
        names: Vec<String>,
        /// A `strptime` pattern that they fit.
        pattern: String,
        /// Zone of times that name none; without it they are taken as UTC, and that is told.
        zone: Option<jiff::tz::Offset>,
    },
    /// No clock in the file: rows are this far apart, from a start.
    Every {
        /// Milliseconds between rows.
        ms: u64,
        /// First row, microseconds UTC.
        start_us: i64,
    },
}

/// Somebody whose signature the site believes.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// Unique name.
    pub name: String,
    /// `ed25519:<hex>`.
    pub key: String,
    /// What of theirs must not run any more: `sha256:<hex>` of a component, or `id@version`.
    pub revoked: Vec<String>,
    /// Interfaces of the contract that their rules may call.
    pub imports: Vec<String>,
}

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// As given on the command line or in `include`.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

/// Whose signed messages are believed.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// Unique name.
    pub name: String,
    /// CAP sender.
    pub sender: String,
    /// Any of these proves a message in XML.
    pub certificates: Vec<Certificate>,
    /// `ed25519:<hex>`: proves a message in JSON; none = they are not believed.
    pub key: Option<String>,
}

/// A receiver of CAP over HTTP(S).
#[derive(Clone, Debug)]
pub struct CapChannel {
    /// `https://...`, or `http://` on loopback.
    pub url: String,
    /// Bearer token.
    pub token: Option<Secret>,
    /// Private CA and our certificate.
    pub tls: Option<Tls>,
    /// For one try.
    pub timeout_ms: u64,
    /// How long one message is valid; at most an hour.
    pub expires_s: u32,
    /// GB/T 2260 division code for `geocode`; empty = none.
    pub division: String,
    /// Where heads of the journal's chain are kept beside the messages, if anywhere.
    pub anchors: Option<Anchors>,
    /// Signs each message in XML; none = they go unsigned. Those in JSON are signed with the site's own key, if there is one.
    pub signer: Option<Arc<Certified>>,
    /// How messages are written.
    pub form: Form,
    /// CAP sender of the receiver's machine: a CAP answer of anybody else is none; none = it is not looked at.
    pub sender: Option<String>,
}

/// How messages to a receiver are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// CAP 1.2.
    Xml,
    /// The same elements as JSON.
    Json,
}

/// Where heads of the journal's chain are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchors {
    /// `https://...`, or `http://` on loopback.
    pub url: String,
    /// Time between two heads.
    pub every_s: u32,
}

/// Somebody outside the machine who hears regularly that the plant is watched, and acts when that stops.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// Unique name.
    pub name: String,
    /// `https://...`, or `http://` on loopback.
    pub url: String,
    /// A GET without a body, as public watchdog services take it; else a POST of how the plant is.
    pub bare: bool,
    /// Bearer token.
    pub token: Option<Secret>,
    /// Private CA and our certificate.
    pub tls: Option<Tls>,
    /// Time between two heartbeats.
    pub every_s: u32,
    /// For one try.
    pub timeout_ms: u64,
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See.
    Viewer,
    /// See, acknowledge, handle.
    Operator,
    /// Operator, and reset, close, release.
    Lead,
    /// Look after the machine; not an operator.
    Admin,
    /// Answer reports.
    Bureau,
    /// A plant, at the bureau it reports to.
    Plant,
    /// A gateway of calls, short messages or cards: brings what people answered there.
    Gateway,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 7] = [Role::Viewer, Role::Operator, Role::Lead, Role::Admin, Role::Bureau, Role::Plant, Role::Gateway];

    /// The word in JSON, the site file and translation keys.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Lead => "lead",
            Role::Admin => "admin",
            Role::Bureau => "bureau",
            Role::Plant => "plant",
            Role::Gateway => "gateway",
        }
    }
}

/// Somebody with a token.
#[derive(Clone, Debug)]
pub struct Person {
    /// Name as it stands in the journal.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// SHA-256 of the token.
    pub token_sha256: [u8; 32],
    /// Telephone numbers and user names by which gateways know this person; nobody else's.
    pub known_as: Vec<String>,
    /// What a gateway may bring; nothing of anybody else.
    pub brings: Brings,
}

/// Whose answers a gateway may bring, and how they were given.
#[derive(Clone, Debug, Default)]
pub struct Brings {
    /// How they were given.
    pub forms: Vec<AnswerForm>,
    /// To whose messages, by audience, and the names of the people who are told there by number or roster: only they answer those.
    pub audiences: BTreeMap<String, Vec<String>>,
}

/// How somebody answered at a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerForm {
    /// A key pressed in a call.
    Voice,
    /// A short message.
    Sms,
    /// The button of a card.
    Card,
}

/// Where and how much is kept.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Root of journal, store, plug-in cache. Relative to the site file.
    pub data_dir: PathBuf,
    /// Size of one journal segment.
    pub segment_bytes: u64,
    /// Days of readings and events kept in the store.
    pub days: u32,
    /// Most bytes that all files of the journal take before records are pruned early.
    pub journal_bytes: u64,
    /// Days that every record stays in the journal, while there is room.
    pub journal_days: u32,
    /// Days that the journal keeps events with their proof.
    pub events_days: u32,
}

/// The screen and the API.
#[derive(Clone, Debug)]
pub struct Console {
    /// Loopback unless TLS is configured.
    pub bind: SocketAddr,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
}
