//! Times of the week by the plant's clock: working calendars, and rosters of who is on duty. Plain data from the site file, and questions about a
//! moment. Must not know: which clock says the moment, who is told, who took over from whom (that is `duty`).

use crate::reading::Micros;
use crate::words::Words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The plant's clock is this far ahead of UTC: one time holds for all of China.
pub const LOCAL_US: Micros = 8 * 3_600_000_000;
const MINUTE_US: Micros = 60_000_000;
const DAY_US: Micros = 1_440 * MINUTE_US;

/// A stretch of the day on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Days on which it begins, Monday first.
    pub days: [bool; 7],
    /// Minute of the day from which it holds, 0 to 1439.
    pub from: u16,
    /// Minute of the day at which it no longer holds, 1 to 1440; not after `from` = on the next day.
    pub to: u16,
}

impl Window {
    /// When the stretch began that this moment of the plant's clock lies in. `counts`: whether it begins on that day (days since 1970-01-01).
    fn begun(&self, local: Micros, counts: impl Fn(i64) -> bool) -> Option<Micros> {
        let (day, minute) = (local.div_euclid(DAY_US), local.rem_euclid(DAY_US) / MINUTE_US);
        let (from, to) = (Micros::from(self.from), Micros::from(self.to));
        let over_midnight = to <= from;
        let began = if minute >= from && (over_midnight || minute < to) && counts(day) {
            Some(day)
        } else if over_midnight && minute < to && counts(day - 1) {
            Some(day - 1)
        } else {
            None
        };
        began.map(|day| day * DAY_US + from * MINUTE_US)
    }

    fn on_weekday(&self, day: i64) -> bool {
        // 1970-01-01 was a Thursday.
        self.days[(day + 3).rem_euclid(7) as usize]
    }
}

/// The next moment after this one at which any of them may begin or end; midnight at the latest.
fn next_look<'w>(windows: impl Iterator<Item = &'w Window>, local: Micros) -> Micros {
    let midnight = local.div_euclid(DAY_US) * DAY_US;
    let minutes = windows.flat_map(|window| [window.from, window.to]);
    let edges = minutes.map(|minute| midnight + Micros::from(minute) * MINUTE_US).filter(|edge| *edge > local);
    edges.fold(midnight + DAY_US, Micros::min)
}

/// Hours of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// Name from the site file, unique.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// It holds within any of these.
    pub windows: Vec<Window>,
    /// First and last day of each stretch on which none begins, as days since 1970-01-01.
    pub holidays: Vec<(i64, i64)>,
    /// Days on which all of them begin, whatever the day of the week and the holidays say (调休上班).
    pub workdays: Vec<(i64, i64)>,
}

impl Calendar {
    /// Whether it holds at this moment of the plant's clock.
    pub fn holds(&self, local: Micros) -> bool {
        let listed = |days: &[(i64, i64)], day: i64| days.iter().any(|(first, last)| (*first..=*last).contains(&day));
        let counts =
            |window: &Window, day: i64| listed(&self.workdays, day) || (window.on_weekday(day) && !listed(&self.holidays, day));
        self.windows.iter().any(|window| window.begun(local, |day| counts(window, day)).is_some())
    }

    /// When to look again: it does not change before.
    pub fn next_look(&self, local: Micros) -> Micros {
        next_look(self.windows.iter(), local)
    }
}

/// Days that a crew works in turn (倒班): the same again and again, whatever the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    /// A day on which it begins, as days since 1970-01-01.
    pub from: i64,
    /// Whether the crew works on each day of it; at least one, [`Cycle::DAYS_MAX`] at most.
    pub days: Vec<bool>,
}

impl Cycle {
    /// Twelve weeks.
    pub const DAYS_MAX: usize = 84;

    fn is_on(&self, day: i64) -> bool {
        let many = self.days.len() as i64;
        many > 0 && self.days[day.saturating_sub(self.from).rem_euclid(many) as usize]
    }
}

/// Who is on duty at some time of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// Name from the site file, unique in the roster.
    pub name: String,
    /// When.
    pub window: Window,
    /// On which of those days; none = on each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<Cycle>,
    /// Names of the persons, at least one.
    pub people: Vec<String>,
}

impl Shift {
    fn begins_on(&self, day: i64) -> bool {
        self.window.on_weekday(day) && self.cycle.as_ref().is_none_or(|cycle| cycle.is_on(day))
    }
}

/// A duty roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Name from the site file, unique.
    pub name: String,
    /// What people call it.
    pub title: Words,
    /// Where none runs, nobody is on duty.
    pub shifts: Vec<Shift>,
    /// Persons who may take over though no shift names them.
    pub stand_ins: Vec<String>,
    /// A shift is over only when somebody has taken over from it; told where nobody has for so long, seconds. None = the plan alone counts.
    pub hand_over_s: Option<u32>,
}

impl Roster {
    /// The shifts that run at this moment of the plant's clock, by number, and when they began.
    pub fn running(&self, local: Micros) -> Vec<(usize, Micros)> {
        let begun = |shift: &Shift| shift.window.begun(local, |day| shift.begins_on(day));
        self.shifts.iter().enumerate().filter_map(|(number, shift)| Some((number, begun(shift)?))).collect()
    }

    /// The persons of these shifts, each once.
    pub fn people_of(&self, shifts: &[(usize, Micros)]) -> Vec<String> {
        let named = shifts.iter().filter_map(|(number, _)| self.shifts.get(*number)).flat_map(|shift| &shift.people);
        once(named)
    }

    /// Everybody whom it names, each once.
    pub fn everybody(&self) -> Vec<String> {
        once(self.shifts.iter().flat_map(|shift| &shift.people).chain(&self.stand_ins))
    }

    /// When to look again: no shift begins or ends before.
    pub fn next_look(&self, local: Micros) -> Micros {
        next_look(self.shifts.iter().map(|shift| &shift.window), local)
    }

    /// Minutes of the day at which its shifts begin, ascending, each once.
    pub fn begins(&self) -> Vec<u16> {
        self.shifts.iter().map(|shift| shift.window.from).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// When other shifts run after this moment, and who is on duty then; none where that is not within a year.
    pub fn next(&self, local: Micros) -> Option<(Micros, Vec<String>)> {
        let (now, end) = (self.running(local), local.saturating_add(366 * DAY_US));
        let looks = std::iter::successors(Some(self.next_look(local)), |at| Some(self.next_look(*at)));
        let mut shifts = looks.take_while(|at| *at <= end).map(|at| (at, self.running(at)));
        shifts.find(|(_, then)| *then != now).map(|(at, then)| (at, self.people_of(&then)))
    }

    /// The first stretch in which nobody is on duty, as moments of the plant's clock: in the week from Monday, 1970-01-05, or where crews work in
    /// turn, in the year from the last beginning of a cycle. None where somebody always is.
    pub fn hole(&self) -> Option<(Micros, Micros)> {
        let cycles = self.shifts.iter().filter_map(|shift| shift.cycle.as_ref());
        let (first, days) = cycles.map(|cycle| cycle.from).max().map_or((4, 7), |from| (from, 366));
        let (mut at, end) = (first * DAY_US, (first + days) * DAY_US);
        while !self.running(at).is_empty() {
            at = self.next_look(at);
            if at >= end {
                return None;
            }
        }
        let from = at;
        while at < end && self.running(at).is_empty() {
            at = self.next_look(at);
        }
        Some((from, at))
    }
}

fn once<'n>(names: impl Iterator<Item = &'n String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(name.as_str())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A moment of the plant's clock; day 4 is Monday, 1970-01-05.
    fn moment(day: i64, hour: i64, minute: i64) -> Micros {
        day * DAY_US + (hour * 60 + minute) * MINUTE_US
    }

    fn window(days: &str, from: u16, to: u16) -> Window {
        let mut on = [false; 7];
        days.bytes().for_each(|day| on[usize::from(day - b'1')] = true);
        Window { days: on, from: from * 60, to: to * 60 }
    }

    #[test]
    fn a_calendar_knows_weekdays_nights_holidays_and_workdays() {
        let calendar = Calendar {
            name: "office".into(),
            title: Words::same("office"),
            windows: vec![window("12345", 8, 12), window("12345", 14, 18), window("5", 22, 6)],
            holidays: vec![(5, 6)],
            workdays: vec![(9, 9)],
        };
        let table = [
            (moment(4, 7, 59), false),
            (moment(4, 8, 0), true),
            (moment(4, 11, 59), true),
            (moment(4, 12, 0), false),
            (moment(4, 17, 0), true),
            (moment(5, 9, 0), false), // Tuesday and Wednesday are holidays
            (moment(6, 15, 0), false),
            (moment(7, 15, 0), true),
            (moment(8, 22, 0), true), // Friday night
            (moment(9, 5, 59), true),
            (moment(9, 6, 0), false),
            (moment(9, 9, 0), true),  // Saturday is worked
            (moment(9, 23, 0), true), // and all windows begin on it
            (moment(10, 9, 0), false),
        ];
        for (at, holds) in table {
            assert_eq!(calendar.holds(at), holds, "day {} minute {}", at / DAY_US, at % DAY_US / MINUTE_US);
        }
        // Between two looks nothing changes.
        let mut at = moment(3, 0, 0) + 7;
        let mut looks = 0;
        while at < moment(12, 0, 0) {
            let next = calendar.next_look(at);
            assert!(next > at && next - at <= DAY_US);
            for between in [(at + next) / 2, next - 1] {
                assert_eq!(calendar.holds(between), calendar.holds(at), "{at} to {next}");
            }
            (at, looks) = (next, looks + 1);
        }
        assert!(looks > 9 * 4, "{looks}");
    }

    #[test]
    fn a_roster_names_who_is_on_duty_and_its_holes() {
        let shift = |name: &str, window, people: &[&str]| Shift {
            name: name.into(),
            window,
            cycle: None,
            people: people.iter().map(|name| (*name).to_owned()).collect(),
        };
        let mut roster = Roster {
            name: "officers".into(),
            title: Words::same("officers"),
            shifts: vec![
                shift("day", window("12345", 8, 20), &["ann", "bob"]),
                shift("night", window("1234567", 20, 8), &["cid"]),
                shift("both", window("3", 0, 24), &["ann"]),
            ],
            stand_ins: vec!["dan".into()],
            hand_over_s: None,
        };
        let on = |roster: &Roster, at| roster.people_of(&roster.running(at)).join(" ");
        assert_eq!(on(&roster, moment(4, 8, 0)), "ann bob");
        assert_eq!(on(&roster, moment(4, 20, 0)), "cid");
        assert_eq!(on(&roster, moment(5, 7, 59)), "cid");
        assert_eq!(on(&roster, moment(6, 7, 0)), "cid ann");
        assert_eq!(on(&roster, moment(6, 9, 0)), "ann bob");
        assert_eq!(on(&roster, moment(9, 12, 0)), "", "Saturday noon");
        assert_eq!(roster.hole(), Some((moment(9, 8, 0), moment(9, 20, 0))));
        assert_eq!(roster.everybody().join(" "), "ann bob cid dan");
        let next = |roster: &Roster, at| roster.next(at).map(|(at, people)| (at, people.join(" ")));
        assert_eq!(next(&roster, moment(4, 8, 0)), Some((moment(4, 20, 0), "cid".into())));
        assert_eq!(next(&roster, moment(5, 21, 7)), Some((moment(6, 0, 0), "cid ann".into())), "one comes beside another");
        assert_eq!(next(&roster, moment(9, 7, 0)), Some((moment(9, 8, 0), String::new())), "nobody comes on Saturday");
        assert_eq!(next(&roster, moment(9, 9, 0)), Some((moment(9, 20, 0), "cid".into())));
        assert_eq!(next(&Roster { shifts: vec![], ..roster.clone() }, moment(4, 8, 0)), None);
        // The same shift on another day is another one.
        assert_ne!(roster.running(moment(4, 9, 0)), roster.running(moment(5, 9, 0)));
        roster.shifts[0].window.days = [true; 7];
        assert_eq!(roster.hole(), None);
    }
    /// Four crews, three shifts (四班三运转): two early, two late, two night, two off.
    #[test]
    fn crews_work_in_turn() {
        let cycle =
            |crew: i64, turn: usize| Some(Cycle { from: 20_000 + 2 * crew, days: (0..8).map(|day| day / 2 == turn).collect() });
        let hours = [("early", 0, 8), ("late", 8, 16), ("night", 16, 24)];
        let shifts = (0..4).flat_map(|crew| hours.iter().enumerate().map(move |(turn, hours)| (crew, turn, *hours)));
        let shift = |(crew, turn, (name, from, to)): (i64, usize, (&str, u16, u16))| Shift {
            name: format!("{name} {crew}"),
            window: window("1234567", from, to),
            cycle: cycle(crew, turn),
            people: vec![format!("crew {crew}")],
        };
        let mut roster = Roster {
            name: "crews".into(),
            title: Words::same("crews"),
            shifts: shifts.map(shift).collect(),
            stand_ins: vec![],
            hand_over_s: None,
        };
        let on = |roster: &Roster, day, hour| roster.people_of(&roster.running(moment(day, hour, 0))).join(" ");
        for day in 19_000..21_000 {
            let each: BTreeSet<String> = [1, 9, 17].iter().map(|hour| on(&roster, day, *hour)).collect();
            assert!(each.len() == 3 && each.iter().all(|crew| crew.len() == 6), "day {day}: {each:?}");
        }
        assert_eq!(
            ["crew 0", "crew 3", "crew 2"],
            [1, 9, 17].map(|hour| on(&roster, 20_000, hour)).each_ref().map(String::as_str)
        );
        assert_eq!("crew 0", on(&roster, 20_009, 1), "again after eight days");
        assert_eq!(roster.hole(), None);
        // A crew that leaves a day out leaves a hole, which is found in the year from the last beginning.
        roster.shifts[0].cycle.as_mut().unwrap().days[1] = false;
        assert_eq!(roster.hole(), Some((moment(20_009, 0, 0), moment(20_009, 8, 0))));
    }
}
