//! What a rule needs and what it may say, built step by step. Must not know: any particular rule.

use crate::Severity;
use crate::contract::describing as wire;

/// One text in both languages: 简体中文, then English.
pub type Words = (&'static str, &'static str);

/// A claim lapses when it was not said again for this long, milliseconds; [`crate::Watch`] repeats well inside it.
const RESTATE_MS: u64 = 60_000;

fn words((zh, en): Words) -> Vec<(String, String)> {
    vec![("zh-CN".into(), zh.into()), ("en".into(), en.into())]
}

/// Everything the host and a person learn about a rule before it runs.
#[derive(Clone, Debug)]
pub struct Description(pub(crate) wire::Description);

impl Description {
    /// `id`: lower-case letters, digits, `-`. `about`: one sentence.
    pub fn new(id: &str, version: &str, vendor: &str, name: Words, about: Words) -> Description {
        Description(wire::Description {
            id: id.into(),
            version: version.into(),
            vendor: vendor.into(),
            name: words(name),
            about: words(about),
            inputs: Vec::new(),
            params: Vec::new(),
            hazards: Vec::new(),
            phrases: Vec::new(),
            wants: wire::Wants {
                tick_ms: 1000,
                deadline_ms: 10,
                fuel_per_call: 2_000_000,
                fuel_per_row: 20_000,
                memory_kib: 4096,
                snapshot_kib: 64,
                findings: 16,
            },
            state_version: 1,
            extra: Vec::new(),
        })
    }
    /// Adds an input.
    #[must_use]
    pub fn input(mut self, input: Input) -> Description {
        self.0.inputs.push(input.0);
        self
    }
    /// Adds a parameter.
    #[must_use]
    pub fn param(mut self, param: Param) -> Description {
        self.0.params.push(param.0);
        self
    }
    /// Adds a hazard.
    #[must_use]
    pub fn hazard(mut self, hazard: Hazard) -> Description {
        self.0.hazards.push(hazard.0);
        self
    }
    /// Adds a sentence with places `{0}`, `{1}` ... for numbers.
    #[must_use]
    pub fn phrase(mut self, id: &str, text: Words) -> Description {
        self.0.phrases.push(wire::Phrase { id: id.into(), text: words(text) });
        self
    }
    /// Version of the saved state, 1 unless said. Raise it when [`crate::Rule::snapshot`] changes its layout.
    #[must_use]
    pub fn state_version(mut self, version: u32) -> Description {
        self.0.state_version = version;
        self
    }
    /// An error unless this is the version of the saved state.
    pub fn understands(&self, version: u32) -> Result<(), String> {
        match self.0.state_version {
            own if own == version => Ok(()),
            own => Err(format!("the saved state has version {version}; this rule keeps version {own}")),
        }
    }
    /// Fuel for one call and one row, where the defaults (2 000 000 and 20 000) are not enough.
    #[must_use]
    pub fn fuel(mut self, per_call: u64, per_row: u64) -> Description {
        self.0.wants.fuel_per_call = per_call;
        self.0.wants.fuel_per_row = per_row;
        self
    }
    /// Called without readings when so long none came, milliseconds; 1000 unless said, 0 = never.
    #[must_use]
    pub fn tick_ms(mut self, tick_ms: u64) -> Description {
        self.0.wants.tick_ms = tick_ms;
        self
    }
    /// Processor time of one call, milliseconds; 10 unless said, 100 at most.
    #[must_use]
    pub fn deadline_ms(mut self, deadline_ms: u32) -> Description {
        self.0.wants.deadline_ms = deadline_ms;
        self
    }
    /// Linear memory, KiB; 4096 unless said, 65536 at most.
    #[must_use]
    pub fn memory_kib(mut self, kib: u32) -> Description {
        self.0.wants.memory_kib = kib;
        self
    }
    /// Largest snapshot, KiB; 64 unless said, 1024 at most.
    #[must_use]
    pub fn snapshot_kib(mut self, kib: u32) -> Description {
        self.0.wants.snapshot_kib = kib;
        self
    }
    /// Findings of one call; 16 unless said, 1024 at most.
    #[must_use]
    pub fn findings(mut self, most: u32) -> Description {
        self.0.wants.findings = most;
        self
    }
}

/// One state of a coded input: an equipment state, what a camera saw, a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The number that stands for it in readings.
    pub value: u32,
    /// What people call it.
    pub name: Words,
}

/// A quantity the rule reads.
#[derive(Clone, Debug)]
pub struct Input(wire::Input);

impl Input {
    /// `quantity` and `unit` must be those of the bound tags; an empty quantity takes any. One tag unless said.
    pub fn new(id: &str, name: Words, quantity: &str, unit: &str) -> Input {
        Input(wire::Input {
            id: id.into(),
            name: words(name),
            quantity: quantity.into(),
            unit: unit.into(),
            low: f64::NAN,
            high: f64::NAN,
            least: 1,
            most: 1,
            silent_ms: 0,
            history: 0,
            codes: Vec::new(),
            extra: Vec::new(),
        })
    }
    /// An input that has states instead of a measured value; see [`crate::Latest::any_code`]. Tags must range within the codes.
    pub fn coded(id: &str, name: Words, quantity: &str, codes: &[Code]) -> Input {
        let mut input = Input::new(id, name, quantity, "1");
        let values = || codes.iter().map(|code| f64::from(code.value));
        (input.0.low, input.0.high) = (values().fold(f64::NAN, f64::min), values().fold(f64::NAN, f64::max));
        input.0.codes = codes.iter().map(|code| wire::Code { value: code.value, name: words(code.name) }).collect();
        input
    }
    /// An input that is off, code 0, or on, code 1, with what people call the two; see [`crate::Latest::any_on`].
    pub fn switch(id: &str, name: Words, quantity: &str, off: Words, on: Words) -> Input {
        Input::coded(id, name, quantity, &[Code { value: 0, name: off }, Code { value: 1, name: on }])
    }
    /// Values the rule can compute with, inclusive, in the unit of the input; `NaN` = open. A plant refuses a tag whose range goes beyond. So what
    /// lies outside is always [`crate::Quality::IMPOSSIBLE`]: not believed, and possible danger on its side ([`crate::Latest::counts`]).
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Input {
        (self.0.low, self.0.high) = (low, high);
        self
    }
    /// How many tags may be bound.
    #[must_use]
    pub fn tags(mut self, least: u32, most: u32) -> Input {
        (self.0.least, self.0.most) = (least, most);
        self
    }
    /// Rows of each tag that the host keeps for [`crate::history`], 4096 at most; none unless said.
    #[must_use]
    pub fn history(mut self, rows: u32) -> Input {
        self.0.history = rows;
        self
    }
    /// Tags must come at least this often, milliseconds.
    #[must_use]
    pub fn every_ms(mut self, silent_ms: u64) -> Input {
        self.0.silent_ms = silent_ms;
        self
    }
}

/// The clause a default comes from, and how far it is trusted.
#[derive(Clone, Debug)]
pub struct Citation(wire::Citation);

impl Citation {
    fn new(standard: &str, edition: &str, confidence: &str, note: &str) -> Citation {
        Citation(wire::Citation {
            standard: standard.into(),
            edition: edition.into(),
            clause: String::new(),
            jurisdiction: "CN".into(),
            effective: String::new(),
            confidence: confidence.into(),
            note: note.into(),
        })
    }
    /// The clause itself was read.
    pub fn clause(standard: &str, edition: &str, clause: &str, note: &str) -> Citation {
        let mut cite = Citation::new(standard, edition, "clause", note);
        cite.0.clause = clause.into();
        cite
    }
    /// The number was read in another text that names the standard.
    pub fn secondary(standard: &str, edition: &str, note: &str) -> Citation {
        Citation::new(standard, edition, "secondary", note)
    }
    /// The number is remembered; to be checked before a plant relies on it.
    pub fn recalled(standard: &str, edition: &str, note: &str) -> Citation {
        Citation::new(standard, edition, "recalled", note)
    }
    /// No source: the vendor's own default.
    pub fn own(note: &str) -> Citation {
        let mut cite = Citation::new("", "", "own", note);
        cite.0.jurisdiction.clear();
        cite
    }
}

/// A setting of the site.
#[derive(Clone, Debug)]
pub struct Param(wire::Param);

impl Param {
    fn new(id: &str, name: Words, kind: u8) -> Param {
        Param(wire::Param {
            id: id.into(),
            name: words(name),
            kind,
            unit: String::new(),
            low: f64::NAN,
            high: f64::NAN,
            choices: Vec::new(),
            required: false,
            number: f64::NAN,
            text: String::new(),
            numbers: Vec::new(),
            cites: Vec::new(),
            extra: Vec::new(),
        })
    }
    /// A number.
    pub fn number(id: &str, name: Words, default: f64) -> Param {
        let mut param = Param::new(id, name, 1);
        param.0.number = default;
        param
    }
    /// A number that may be left out; see [`crate::Start::given`].
    pub fn optional(id: &str, name: Words) -> Param {
        Param::new(id, name, 1)
    }
    /// A whole number.
    pub fn integer(id: &str, name: Words, default: u32) -> Param {
        let mut param = Param::new(id, name, 2);
        param.0.number = default.into();
        param
    }
    /// A whole number that may be left out.
    pub fn optional_integer(id: &str, name: Words) -> Param {
        Param::new(id, name, 2)
    }
    /// Whole milliseconds, also since 1970-01-01 UTC; may be left out.
    pub fn optional_ms(id: &str, name: Words) -> Param {
        let mut param = Param::new(id, name, 7);
        param.0.unit = "ms".into();
        param
    }
    /// Yes or no; see [`crate::Start::flag`].
    pub fn flag(id: &str, name: Words, default: bool) -> Param {
        let mut param = Param::new(id, name, 3);
        param.0.number = f64::from(u8::from(default));
        param
    }
    /// A text.
    pub fn text(id: &str, name: Words, default: &str) -> Param {
        let mut param = Param::new(id, name, 4);
        param.0.text = default.into();
        param
    }
    /// One of several words; the site must choose.
    pub fn choice(id: &str, name: Words, choices: &[&str]) -> Param {
        let mut param = Param::new(id, name, 5);
        param.0.choices = choices.iter().map(|&c| c.into()).collect();
        param.0.required = true;
        param
    }
    /// Unit of the value.
    #[must_use]
    pub fn unit(mut self, unit: &str) -> Param {
        self.0.unit = unit.into();
        self
    }
    /// Allowed range, inclusive; `NaN` = open.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Param {
        (self.0.low, self.0.high) = (low, high);
        self
    }
    /// Where the default comes from. The first citation is shown beside the limit.
    #[must_use]
    pub fn cite(mut self, citation: Citation) -> Param {
        self.0.cites.push(citation.0);
        self
    }
}

/// A danger the rule can report, with what a person needs beside the alarm.
#[derive(Clone, Debug)]
pub struct Hazard(wire::Hazard);

impl Hazard {
    /// `worst`: the highest level the rule may claim. Cause, consequence and action must be given too.
    pub fn new(id: &str, worst: Severity, name: Words) -> Hazard {
        Hazard(wire::Hazard {
            id: id.into(),
            name: words(name),
            cause: Vec::new(),
            consequence: Vec::new(),
            action: Vec::new(),
            respond_s: 0,
            worst: worst as u8,
            traits: 0,
            restate_ms: RESTATE_MS,
            extra: Vec::new(),
        })
    }
    /// 原因: why it happens.
    #[must_use]
    pub fn cause(mut self, cause: Words) -> Hazard {
        self.0.cause = words(cause);
        self
    }
    /// 后果: what follows.
    #[must_use]
    pub fn consequence(mut self, consequence: Words) -> Hazard {
        self.0.consequence = words(consequence);
        self
    }
    /// 处置: what to do.
    #[must_use]
    pub fn action(mut self, action: Words) -> Hazard {
        self.0.action = words(action);
        self
    }
    /// 时限: seconds within which somebody must have acted.
    #[must_use]
    pub fn respond_s(mut self, seconds: u32) -> Hazard {
        self.0.respond_s = seconds;
        self
    }
    /// A person must release it after it has cleared.
    #[must_use]
    pub fn latches(mut self) -> Hazard {
        self.0.traits |= 4;
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::testing::Bench;
    use crate::*;

    /// Says what it sees of a level that lies between 0 and 100, while its pump runs.
    struct Tank(Latest, Latest, Watch);

    impl Rule for Tank {
        fn describe() -> Description {
            let words = ("x", "x");
            Description::new("tank", "1.0.0", "Example", words, words)
                .input(Input::new("level", words, "level", "%").range(0.0, 100.0).tags(1, 2))
                .input(Input::switch("pump", words, "state", ("停", "stopped"), ("转", "running")))
                .hazard(Hazard::new("full", Severity::Red, words).cause(words).consequence(words).action(words))
                .phrase("level", ("{0}", "{0}"))
        }
        fn new(start: Start) -> Result<Tank, Vec<Fault>> {
            Ok(Tank(start.latest("level"), start.latest("pump"), Watch::new("full").blind_s(0)))
        }
        fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding> {
            let Tank(level, pump, full) = self;
            level.take(readings);
            pump.take(readings);
            let seen = match (pump.any_on(), level.doubted()) {
                (Some(false), _) => Level::Clear,
                (Some(true), 0) => Level::Danger(Severity::Red),
                _ => Level::CannotTell,
            };
            let highest = level.highest().map_or(f64::NAN, |row| row.value);
            full.tell(at, View::new(seen, "level").numbers([highest])).into_iter().collect()
        }
        state!(0, 1, 2);
    }

    #[test]
    fn what_lies_outside_an_inputs_range_or_is_no_state_of_a_switch_is_not_believed() {
        let (red, blind) = (Condition::Active, Condition::CannotTell);
        for (level, pump, condition, highest) in [
            (50.0, 1.0, red, 50.0),
            (0.0, 1.0, red, 0.0),
            (100.0, 1.0, red, 100.0),
            (100.1, 1.0, blind, 100.1), // counts on the side of danger all the same
            (-0.1, 1.0, blind, f64::NAN),
            (50.0, 0.0, Condition::Clear, 50.0),
            (50.0, 0.5, blind, 50.0),
            (50.0, -1.0, blind, 50.0),
        ] {
            let mut line = Bench::<Tank>::new().bind("level", 1).bind("pump", 1).start().unwrap();
            let said = line.rows(0.0, &[("level", level, Quality::GOOD), ("pump", pump, Quality::GOOD)]);
            let said: Vec<_> = said.iter().map(|f| (f.condition, f.numbers[0].to_bits())).collect();
            assert_eq!(said, [(condition, highest.to_bits())], "{level} {pump}");
        }
    }

    /// As a plant has it.
    #[test]
    fn a_case_whose_tag_ranges_beyond_its_input_is_told() {
        let faults = |range: &str| {
            let rows =
                "rows = \"time,input,value,quality\\n0,level,50,\\n0,pump,0,\"\nexpect = \"from,to,hazard,level\"\nuntil = 1\n";
            let case = format!("about = \"x\"\n{rows}range = {{ level = {range} }}\n");
            crate::testing::case_faults::<Tank>(&crate::cases::Case::parse(&case).unwrap())
        };
        assert_eq!(faults("[0, 100]"), [""; 0], "the control");
        assert_eq!(faults("[0, 120]"), ["case:3: `level` ranges over 0 to 120; its input takes a range inside 0 to 100"]);
    }
}
