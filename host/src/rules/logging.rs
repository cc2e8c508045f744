//! What a rule logs: a few lines get through, a flood ends the call.
//! Must not know: WebAssembly, where lines go.

use super::foreign::visible;
use brain::reading::Micros;
use std::fmt;
use tracing::Level;

/// Log lines let through at once, and per second after that.
const BURST: f64 = 20.0;
const PER_S: f64 = 3.0;
/// Lines that are not shown within [`FLOOD_US`] of batch time, from one call to the next, after which the call is ended (own default). A rule that
/// is loud for a moment is told what was not shown; one that never stops is struck, and in quarantine before its log is of no use to anybody.
const UNSHOWN_MAX: u64 = 1000;
const FLOOD_US: Micros = 60_000_000;
/// Bytes of one log line that are kept.
const LINE_BYTES_MAX: usize = 512;

/// One line a rule logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// As the rule says.
    pub level: Level,
    /// At most 512 bytes.
    pub text: String,
}

/// More lines than any rule needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flood {
    /// In one call: more than so many.
    Call(u32),
    /// From call to call.
    Lasting,
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flood::Call(most) => write!(f, "logged more than {most} lines in one call"),
            Flood::Lasting => write!(
                f,
                "logged {UNSHOWN_MAX} lines more than are shown within {} s: {PER_S} lines a second after a burst of {BURST}",
                FLOOD_US / 1_000_000
            ),
        }
    }
}

/// Token bucket in the time of batches, so that a replay shows the same lines.
pub(super) struct Logging {
    pub(super) lines: Vec<Line>,
    tokens: f64,
    at: Micros,
    calls: u32,
    /// Log calls within one call of the guest after which it is ended.
    calls_max: u32,
    /// Not shown since a line was.
    muted: u64,
    /// Not shown since the flood began that is counted.
    unshown: u64,
    flood_began: Micros,
    /// The last line of level error in this call, shown or not: why it panics, where it does.
    last_words: Option<String>,
}

impl Logging {
    pub(super) fn new(calls_max: u32) -> Logging {
        Logging {
            lines: Vec::new(),
            tokens: BURST,
            at: Micros::MIN,
            calls: 0,
            calls_max,
            muted: 0,
            unshown: 0,
            flood_began: Micros::MIN,
            last_words: None,
        }
    }

    /// Time passed.
    pub(super) fn refill(&mut self, at: Micros) {
        let passed_s = at.saturating_sub(self.at).max(0) as f64 / 1e6;
        self.tokens = (self.tokens + passed_s * PER_S).min(BURST);
        self.at = at;
        if at.saturating_sub(self.flood_began) >= FLOOD_US {
            (self.unshown, self.flood_began) = (0, at);
        }
    }

    /// Lines that nobody was told of: not shown, and no line was since.
    pub(super) fn muted(&self) -> u64 {
        self.muted
    }

    /// A new call of the guest: it may log again.
    pub(super) fn begin_call(&mut self) {
        self.calls = 0;
        self.last_words = None;
    }

    /// The last line of level error in this call.
    pub(super) fn last_words(&self) -> Option<&str> {
        self.last_words.as_deref()
    }

    /// Takes one line, as the rule gave it.
    pub(super) fn line(&mut self, level: u8, mut text: String) -> Result<(), Flood> {
        self.calls += 1;
        if self.calls > self.calls_max {
            return Err(Flood::Call(self.calls_max));
        }
        text.truncate(text.floor_char_boundary(LINE_BYTES_MAX));
        let text = visible(&text);
        if level >= 3 {
            self.last_words = Some(text.clone());
        }
        if self.tokens < 1.0 {
            self.muted += 1;
            self.unshown += 1;
            return if self.unshown > UNSHOWN_MAX { Err(Flood::Lasting) } else { Ok(()) };
        }
        self.tokens -= 1.0;
        if self.muted > 0 {
            self.lines
                .push(Line { level: Level::WARN, text: format!("{} lines were not shown", std::mem::take(&mut self.muted)) });
        }
        let level = match level {
            0 => Level::DEBUG,
            1 => Level::INFO,
            2 => Level::WARN,
            _ => Level::ERROR,
        };
        self.lines.push(Line { level, text });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_lines_then_three_a_second() {
        let mut l = Logging::new(1000);
        l.refill(1_000_000);
        for _ in 0..30 {
            l.line(1, "x".into()).expect("not yet a flood");
        }
        assert_eq!((l.lines.len(), l.muted), (20, 10));
        l.refill(2_000_000);
        for _ in 0..5 {
            l.line(1, "y".into()).expect("not yet a flood");
        }
        // three more, and the remark about those that were not shown
        assert_eq!((l.lines.len(), l.muted), (24, 2));
        assert_eq!(l.lines[20].text, "10 lines were not shown");
    }

    #[test]
    fn a_flood_ends_the_call_and_long_lines_are_cut_between_characters() {
        let mut l = Logging::new(1000);
        l.line(9, "火".repeat(200)).expect("one line");
        assert_eq!(l.lines[0].level, Level::ERROR);
        assert_eq!(l.lines[0].text.len(), 510);
        assert_eq!(l.last_words().map(str::len), Some(510));
        l.begin_call();
        assert_eq!(l.last_words(), None);
        let ended = (0..=1000).find_map(|_| l.line(0, String::new()).err());
        assert_eq!(ended, Some(Flood::Call(1000)));
    }

    /// Just under what ends a call, for ever: struck within seconds. A loud minute is not.
    #[test]
    fn a_flood_that_lasts_is_ended_and_a_loud_rule_is_not() {
        let ended_at = |lines: usize| {
            let mut l = Logging::new(1000);
            (0..600).find(|second| {
                l.begin_call();
                l.refill(second * 1_000_000);
                (0..lines).any(|_| l.line(1, "x".into()) == Err(Flood::Lasting))
            })
        };
        assert_eq!(ended_at(998), Some(1));
        assert_eq!(ended_at(25), Some(46));
        assert_eq!(ended_at(15), None, "twelve a second too many");
    }
}
