//! What a rule is started with: the bound tags and the site's settings, by name. Must not know: what a rule makes of them.

use crate::{Description, Latest, Limit, Severity, Side, contract};

/// A bound tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Names the tag in readings and evidence.
    pub handle: u32,
    /// Name in the site file.
    pub tag: String,
    /// Engineering range.
    pub low: f64,
    /// Upper end of the range.
    pub high: f64,
    /// Expected time between rows.
    pub period_ms: u64,
}

/// Why a rule refuses to start.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(crate) part: Part,
    /// What is wrong and how to mend it.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Rule,
    Input(&'static str),
    Param(&'static str),
}

impl Fault {
    /// The rule as a whole.
    pub fn rule(text: impl Into<String>) -> Fault {
        Fault { part: Part::Rule, text: text.into() }
    }
    /// One input.
    pub fn input(id: &'static str, text: impl Into<String>) -> Fault {
        Fault { part: Part::Input(id), text: text.into() }
    }
    /// One parameter.
    pub fn param(id: &'static str, text: impl Into<String>) -> Fault {
        Fault { part: Part::Param(id), text: text.into() }
    }
}

/// What one rule of a site is started with. Asking for a name that the description does not have is a mistake in the rule and panics.
#[derive(Clone, Debug)]
pub struct Start {
    start: contract::Start,
    description: Description,
}

impl Start {
    pub(crate) fn new(start: contract::Start, description: Description) -> Start {
        Start { start, description }
    }
    /// Name of the zone.
    pub fn zone(&self) -> &str {
        &self.start.zone
    }
    /// The tags bound to an input, in the site file's order.
    #[track_caller]
    pub fn places(&self, input: &str) -> Vec<Place> {
        let inputs = &self.description.0.inputs;
        let index = inputs.iter().position(|i| i.id == input);
        let names = || inputs.iter().map(|i| i.id.as_str()).collect::<Vec<_>>().join(", ");
        let Some(index) = index else { panic!("input `{input}` is not described; described are: {}", names()) };
        let bound = self.start.bindings.iter();
        bound
            .filter(|b| b.input as usize == index)
            .map(|b| Place { handle: b.handle, tag: b.tag.clone(), low: b.low, high: b.high, period_ms: b.period_ms })
            .collect()
    }
    /// The latest-value table of an input, empty so far.
    #[track_caller]
    pub fn latest(&self, input: &str) -> Latest {
        Latest::new(&self.places(input))
    }
    /// Refusals of tags that end before the limit: what they cannot measure would never be seen. The limit is the parameter `param`.
    #[track_caller]
    pub fn out_of_reach(&self, input: &'static str, side: Side, param: &str) -> Vec<Fault> {
        let limit = self.number(param);
        let short = |p: &Place| match side {
            Side::High => p.high <= limit,
            Side::Low => p.low >= limit,
        };
        let fault = |p: Place| {
            let text = format!("tag `{}` ranges over {} to {} and never gets past `{param}`, {limit}", p.tag, p.low, p.high);
            Fault::input(input, text)
        };
        self.places(input).into_iter().filter(short).map(fault).collect()
    }
    /// A parameter as a limit of one level.
    #[track_caller]
    pub fn limit(&self, param: &'static str, side: Side, severity: Severity) -> Limit {
        Limit { value: self.number(param), param, side, severity, band: 0.0 }
    }
    /// An input and the limit its tags are held against; refused where a tag ends before the limit.
    #[track_caller]
    pub fn judged(&self, input: &'static str, limit: Limit) -> Result<(Latest, Limit), Vec<Fault>> {
        match self.out_of_reach(input, limit.side, limit.param) {
            faults if faults.is_empty() => Ok((self.latest(input), limit)),
            faults => Err(faults),
        }
    }
    /// A number, an integer, milliseconds, or a flag as 0 or 1; `NaN` where an optional one was left out.
    #[track_caller]
    pub fn number(&self, param: &str) -> f64 {
        self.setting(param).number
    }
    /// The same, or `None` where it was left out.
    #[track_caller]
    pub fn given(&self, param: &str) -> Option<f64> {
        Some(self.number(param)).filter(|n| n.is_finite())
    }
    /// A flag.
    #[track_caller]
    pub fn flag(&self, param: &str) -> bool {
        self.number(param) == 1.0
    }
    /// A text or a choice.
    #[track_caller]
    pub fn text(&self, param: &str) -> &str {
        &self.setting(param).text
    }
    #[track_caller]
    fn setting(&self, param: &str) -> &contract::Setting {
        let params = &self.description.0.params;
        let index = params.iter().position(|p| p.id == param);
        let setting = self.start.settings.iter().find(|s| index == Some(s.param as usize));
        let names = || params.iter().map(|p| p.id.as_str()).collect::<Vec<_>>().join(", ");
        match setting {
            Some(setting) => setting,
            None if index.is_some() => panic!("the host sent no setting for param `{param}`"),
            None => panic!("param `{param}` is not described; described are: {}", names()),
        }
    }
}
