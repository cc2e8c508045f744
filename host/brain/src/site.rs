//! The plant as the brain knows it: zones, tags, limits, rules. Built once from the checked site file; plain data.
//! Must not know: TOML, addresses, secrets, channels.

use crate::calendar::{Calendar, Roster};
pub use crate::ladder::{Audience, Ladder, Only, Repeat, Rung, RungKind};
use crate::reading::TagId;
use crate::words::{Words, number};
use serde::{Deserialize, Serialize};

/// Suggested level of an alarm (建议等级). Order is danger: blue < yellow < orange < red.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Ⅳ 一般.
    Blue,
    /// Ⅲ 较重.
    Yellow,
    /// Ⅱ 严重.
    Orange,
    /// Ⅰ 特别严重.
    Red,
}

impl Severity {
    /// All four, least first.
    pub const ALL: [Severity; 4] = [Severity::Blue, Severity::Yellow, Severity::Orange, Severity::Red];
    /// One step less danger; blue stays blue. The level at which the loss of a red hazard's eyes is told.
    #[must_use]
    pub fn one_below(self) -> Severity {
        match self {
            Severity::Red => Severity::Orange,
            Severity::Orange => Severity::Yellow,
            Severity::Yellow | Severity::Blue => Severity::Blue,
        }
    }
    /// The word used in JSON and in translation keys.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Blue => "blue",
            Severity::Yellow => "yellow",
            Severity::Orange => "orange",
            Severity::Red => "red",
        }
    }
}

/// The clause a limit comes from, and how far we trust that we read it right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// For example `GB/T 50493`.
    pub standard: String,
    /// For example `2019`.
    pub edition: String,
    /// Clause number; empty means the clause was not seen.
    pub clause: String,
    /// `CN`, `CN-43` (Hunan), a city.
    pub jurisdiction: String,
    /// `clause`, `secondary`, `recalled` or `own`.
    pub confidence: String,
    /// Anything a reader must know.
    pub note: String,
}

/// What a person needs beside an alarm: why it happens, what follows, what to do, and how much time there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guide {
    /// 原因.
    pub cause: Words,
    /// 后果.
    pub consequence: Words,
    /// 处置.
    pub action: Words,
    /// 时限, seconds; 0 = not stated.
    pub respond_s: u32,
}

/// Whether what leaves is real. Decided at start, never by a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The plant.
    Actual,
    /// A drill.
    Exercise,
    /// A channel test, or the demonstration.
    Test,
}

/// The whole plant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Stable identifier, part of every notice.
    pub id: String,
    /// What people call it.
    pub title: Words,
    /// CAP `sender`: a name the plant owns.
    pub sender: String,
    /// Real, drill or demonstration.
    pub mode: Mode,
    /// Places people can be in.
    pub zones: Vec<Zone>,
    /// Measured points; a [`TagId`] is an index here.
    pub tags: Vec<Tag>,
    /// Names of the links; [`Tag::link`] is an index here.
    pub links: Vec<String>,
    /// Bound rules.
    pub rules: Vec<Rule>,
    /// Who is told, in order. [`Zone::ladder`] holds indexes into this.
    pub ladders: Vec<Ladder>,
    /// Who a rung tells. [`Rung::audiences`] are indexes here.
    pub audiences: Vec<Audience>,
    /// Hours of work. [`Only::within`] is an index here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<Calendar>,
    /// Who is on duty. [`Audience::roster`] is an index here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rosters: Vec<Roster>,
    /// Logics that suppress alarms by design.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppressions: Vec<Suppression>,
    /// Alarms that belong to one cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// To promote, roll back or disable a rule takes two persons.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub two_persons: bool,
    /// When a rule is out of use for its failures, and when it returns.
    #[serde(default = "Quarantine::by_hand", skip_serializing_if = "Quarantine::is_by_hand")]
    pub quarantine: Quarantine,
}

/// When a rule is out of use for its failures, and when it returns by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// So many strikes ...
    pub strikes: u32,
    /// ... within so many seconds.
    pub within_s: u32,
    /// After so many seconds it returns by itself, once: out of the second one a person must let it. None: a person alone.
    pub return_after_s: Option<u32>,
}

impl Quarantine {
    /// Three strikes in a minute, back once after ten (own default).
    pub const USUAL: Quarantine = Quarantine { return_after_s: Some(600), ..Quarantine::BY_HAND };
    /// The same, and back by a person alone: what holds for a site on record that says nothing of it.
    pub const BY_HAND: Quarantine = Quarantine { strikes: 3, within_s: 60, return_after_s: None };

    fn by_hand() -> Quarantine {
        Quarantine::BY_HAND
    }

    fn is_by_hand(&self) -> bool {
        *self == Quarantine::BY_HAND
    }
}

impl Site {
    /// Whether every index in it names something. What the site file gives always does; a snapshot may be from elsewhere.
    pub(crate) fn holds_together(&self) -> bool {
        let (zones, tags, audiences) = (self.zones.len(), self.tags.len(), self.audiences.len());
        let within = |of: &Option<usize>, many: usize| of.is_none_or(|index| index < many);
        let is_tag = |tag: &TagId| (tag.0 as usize) < tags;
        let rung = |rung: &Rung| {
            let only = &rung.only;
            rung.audiences.iter().all(|audience| *audience < audiences)
                && [&only.no_receipt, &only.no_answer, &only.unreachable].iter().all(|of| within(of, audiences))
                && [&only.within, &only.outside].iter().all(|of| within(of, self.calendars.len()))
                && only.zones.iter().all(|zone| *zone < zones)
        };
        zones > 0
            && self.zones.iter().flat_map(|zone| &zone.ladder).all(|ladder| *ladder < self.ladders.len())
            && self.tags.iter().all(|tag| tag.zone < zones && tag.link < self.links.len())
            && self.rules.iter().all(|rule| rule.zone < zones && rule.inputs.iter().all(is_tag))
            && self.ladders.iter().flat_map(|ladder| &ladder.rungs).all(rung)
            && self.audiences.iter().all(|audience| within(&audience.roster, self.rosters.len()))
            && self.suppressions.iter().all(|about| about.zone < zones && is_tag(&about.tag))
            && self.groups.iter().all(|group| within(&group.zone, zones))
    }
}

pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A logic by which alarms of a zone are expected, and are suppressed while it holds: a line that is pigged, a detector in its function check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suppression {
    /// Name from the site file, unique.
    pub name: String,
    /// What people call the state of the plant in which it holds.
    pub title: Words,
    /// Index into [`Site::zones`].
    pub zone: usize,
    /// Hazards it suppresses there, whoever finds them.
    pub hazards: Vec<String>,
    /// The tag that says so: it holds on good values alone.
    pub tag: TagId,
    /// True: holds at or above the value; false: at or below it.
    pub above: bool,
    /// In the tag's unit.
    #[serde(with = "number")]
    pub value: f64,
    /// It ends by itself after this, seconds, until the logic was false once.
    pub most_s: u32,
    /// The two persons who approved it.
    pub approved_by: [String; 2],
}

/// Alarms of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Name from the site file, unique.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// Index into [`Site::zones`]; none = wherever they are.
    pub zone: Option<usize>,
    /// Hazards that belong to it.
    pub hazards: Vec<String>,
    /// The one of them that is the cause of the others; empty where none is.
    pub parent: String,
}

/// A place in the plant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// Stable name.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// `1.1`, `1.3` or empty.
    pub building_class: String,
    /// Static risk class of the place (重大 较大 一般 低); not a severity.
    pub risk_class: String,
    /// 定员, people; none where nobody counts.
    pub quota_people: Option<u32>,
    /// 定量, kg of explosive.
    pub quota_kg: Option<f64>,
    /// 定机, machines.
    pub quota_machines: Option<u32>,
    /// For blue, yellow, orange, red: index into [`Site::ladders`].
    #[serde(with = "crate::ladder::alike")]
    pub ladder: [usize; 4],
    /// WGS-84 circle, for the bureau.
    pub area: Option<Area>,
}

/// A WGS-84 circle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Kilometres, > 0.
    pub radius_km: f64,
    /// The place was given in GCJ-02: right within some metres.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub converted: bool,
}

/// One measured point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tag {
    /// Stable name, unique in the site.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// Index into [`Site::zones`].
    pub zone: usize,
    /// Index into [`Site::links`].
    pub link: usize,
    /// UCUM-like unit as shown: `Cel`, `%LEL`, `kPa`, `1`.
    pub unit: String,
    /// Quantity word: `temperature`, `people` ...
    pub quantity: String,
    /// Engineering range, inclusive. Outside = impossible.
    #[serde(with = "number")]
    pub low: f64,
    /// Upper end of the range.
    #[serde(with = "number")]
    pub high: f64,
    /// Expected time between readings.
    pub period_ms: u64,
    /// Silent after this; at least three periods and 10 s unless the file says otherwise.
    pub silent_ms: u64,
    /// Same value for longer than this = frozen; never judged at the bottom of the range. None = the value may stand still.
    pub frozen_ms: Option<u64>,
    /// Fastest change physics allows, units per second; faster = doubtful.
    pub max_per_s: Option<f64>,
    /// Built-in limits.
    pub limits: Vec<Limit>,
    /// Severity at which losing sight of this tag is told.
    pub blind_severity: Severity,
}

/// Which side of a limit is dangerous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Dangerous at or above the value.
    High,
    /// Dangerous at or below the value.
    Low,
    /// Dangerous when rising by the value or more per minute.
    Rise,
    /// Dangerous when falling by the value or more per minute.
    Fall,
}

/// A threshold of a built-in guard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Hazard identifier, for example `pipe.pressure`. Several limits of one tag may share a hazard at rising severities.
    pub hazard: String,
    /// What people call the hazard.
    pub title: Words,
    /// Which side is dangerous.
    pub kind: LimitKind,
    /// In the tag's unit (per minute for rise and fall). The limit itself is dangerous.
    pub value: f64,
    /// Suggested level once reached.
    pub severity: Severity,
    /// Acts on the clearing side only, tag unit, >= 0.
    pub deadband: f64,
    /// Danger must hold this long before the alarm opens.
    pub on_delay_ms: u64,
    /// Absence of danger must hold this long before the alarm clears.
    pub off_delay_ms: u64,
    /// Somebody must go and look before it is over.
    pub latches: bool,
    /// Never shelved (ISA-18.2 highly managed).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub managed: bool,
    /// May be suppressed by design even at red, or where highly managed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_suppress: bool,
    /// Dangerous readings it takes, within [`Limit::count_within_ms`], before one counts; 0 and 1 = each counts. For buttons and cameras.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub count: u64,
    /// The window of the count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub count_within_ms: u64,
    /// Where the number comes from.
    pub citation: Citation,
    /// What to do.
    pub guide: Guide,
}

/// A hazard that a rule can report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hazard {
    /// Stable identifier.
    pub id: String,
    /// What people call it.
    pub title: Words,
    /// What to do.
    pub guide: Guide,
    /// Highest severity the rule may claim.
    pub worst: Severity,
    /// Somebody must go and look before it is over.
    pub latches: bool,
    /// Never shelved (ISA-18.2 highly managed).
    pub managed: bool,
    /// May be suppressed by design even at red, or where highly managed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_suppress: bool,
    /// Lease of a claim that is not clear; not restated in time = blind. 0 = no lease.
    pub restate_ms: u64,
}

/// An instance of a plug-in bound to a zone, inputs and parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Name from the site file, unique.
    pub name: String,
    /// `id@version` of the plug-in.
    pub plugin: String,
    /// `sha256:...` of the component.
    pub digest: String,
    /// Index into [`Site::zones`].
    pub zone: usize,
    /// Bound tags; the position is the handle the rule knows.
    pub inputs: Vec<TagId>,
    /// Called with no rows when this long has passed since the last call; 0 = never.
    pub tick_ms: u64,
    /// What it can report, in the order of its description.
    pub hazards: Vec<Hazard>,
    /// Its publisher signed it without running its cases, and the bundle says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untested: bool,
    /// `sha256:...` of the file that people installed; empty = of the site file, or installed before files had names of their own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bundle: String,
}
