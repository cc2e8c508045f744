//! Names of messages after GB/T 35965.1: `ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N`: 14 digits that the authority gives to a plant, a second by the plant's clock,
//! and a digit. Ten for each second; the next ones take the seconds behind it, and none is given twice, wherever the clock goes.
//! Must not know: which message has which name.

use crate::calendar::LOCAL_US;
use crate::reading::Micros;
use serde::{Deserialize, Serialize};

/// Names of one second.
const PER_SECOND: u8 = 10;
/// What four digits of a year can say.
const SECONDS: std::ops::RangeInclusive<i64> = 0..=253_402_300_799;

/// The last name given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Names {
    /// By the plant's clock, since 1970-01-01 00:00 there.
    second: i64,
    number: u8,
}

impl Names {
    /// A name that was never given, for what is told at this moment of the wall clock.
    pub(crate) fn give(&mut self, code: &str, wall: Micros) -> String {
        let second = wall.saturating_add(LOCAL_US).div_euclid(1_000_000).clamp(*SECONDS.start(), *SECONDS.end());
        *self = match *self {
            last if second > last.second => Names { second, number: 0 },
            last if last.number + 1 < PER_SECOND => Names { number: last.number + 1, ..last },
            last => Names { second: last.second + 1, number: 0 },
        };
        let (day, clock) = (self.second.div_euclid(86_400), self.second.rem_euclid(86_400));
        let (year, month, date) = civil(day);
        let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
        format!("{code}_{year:04}{month:02}{date:02}{hour:02}{minute:02}{second:02}_{}", self.number)
    }
}

/// Year, month and day of the month of a day since 1970-01-01.
fn civil(day: i64) -> (i64, i64, i64) {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    // Days of the years before this one, since the year 1.
    let before = |year: i64| (year - 1) * 365 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let since = day + before(1970);
    let guess = 1 + since * 400 / 146_097;
    let year = if since >= before(guess + 1) {
        guess + 1
    } else if since < before(guess) {
        guess - 1
    } else {
        guess
    };
    let mut left = since - before(year);
    let february = if leap(year) { 29 } else { 28 };
    for (month, days) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if left < days {
            return (year, month, left + 1);
        }
        left -= days;
    }
    (year, 12, 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const CODE: &str = "43018100000000";
    /// 2026-01-02 11:04:05 in Beijing.
    const AT: Micros = 1_767_323_045_000_000;

    #[test]
    fn a_name_is_the_code_the_second_and_a_digit() {
        let mut names = Names::default();
        assert_eq!(names.give(CODE, AT + 999_999), "43018100000000_20260102110405_0");
        assert_eq!(names.give(CODE, AT), "43018100000000_20260102110405_1");
        assert_eq!(names.give(CODE, AT + 1_000_000), "43018100000000_20260102110406_0");
        for (second, wanted) in [
            (0, "19700101080000"),
            (951839999, "20000229235959"),
            (1677600000, "20230301000000"),
            (1735574400, "20241231000000"),
            (4107513600, "21000301000000"),
            (13574577600, "24000229120000"),
            (Micros::MAX / 1_000_000, "99991231235959"),
        ] {
            assert_eq!(Names::default().give(CODE, second * 1_000_000), format!("{CODE}_{wanted}_0"));
        }
    }

    /// Bursts, a clock that is set back by a day, and one that is set forth: never the same name, and none from before the last.
    #[test]
    fn no_name_is_given_twice() {
        let (mut names, mut given) = (Names::default(), BTreeSet::new());
        let steps = [0, 0, 1, -86_400, -86_399, 3_600, 0];
        for step in steps {
            for _ in 0..35 {
                let name = names.give(CODE, AT + step * 1_000_000);
                assert!(given.last().is_none_or(|last| *last < name), "{name} behind {:?}", given.last());
                assert!(given.insert(name));
            }
        }
        assert_eq!(given.len(), steps.len() * 35);
    }
}
