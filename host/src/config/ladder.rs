//! When who is told: ladders, working calendars, duty rosters. Owns: what `[[ladder]]`, `[[calendar]]` and `[[roster]]` must say.
//! Must not know: how anybody is reached, what the clock shows.

use super::Names;
use super::reader::Reader;
use super::scalar::nearest;
use brain::calendar::{Calendar, Cycle, Roster, Shift, Window};
use brain::site::{Ladder, Only, Repeat, Rung, RungKind, Severity};

/// Longest deadline of a rung.
const RUNG_MAX_MS: u64 = 7 * 86_400_000;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(super) fn ladder(table: &Reader<'_>, names: &Names) -> Option<Ladder> {
    let name = table.name("name");
    let mut rungs: Vec<Rung> = Vec::new();
    let read = table.tables("rung", true, |of| {
        let rung = rung(of, names)?;
        climb(of, &rung, &rungs);
        unanswerable(of, &rung, &rungs, names);
        rungs.push(rung);
        Some(())
    });
    // A rung at fault has been told; who is left out can only be said of all of them.
    read.into_iter().collect::<Option<Vec<()>>>()?;
    Some(Ladder { name: name?, rungs })
}

/// Levels of which nobody on this ladder is told, whatever else holds.
pub(super) fn untold(ladder: &Ladder) -> impl Iterator<Item = Severity> {
    let tells = |level: Severity| ladder.rungs.iter().any(|rung| rung.after_s[level as usize].is_some() && rung.only.is_always());
    Severity::ALL.into_iter().filter(move |level| !tells(*level))
}

/// A rung beside those before it: its name once, and no sooner than an earlier rung of its kind.
fn climb(table: &Reader<'_>, rung: &Rung, before: &[Rung]) {
    let Rung { name, kind, after_s, .. } = rung;
    if before.iter().any(|other| other.name == *name) {
        table.fault("name", format!("{name:?} again"), "each rung once", None);
    }
    for level in Severity::ALL {
        let Some(mine) = after_s[level as usize] else { continue };
        let later = |other: &&Rung| other.kind == *kind && other.after_s[level as usize].is_some_and(|theirs| theirs > mine);
        // Where the time counts from something else, its place says nothing.
        let plain = |rung: &Rung| rung.only.is_always();
        if let Some(other) = before.iter().filter(|other| plain(other) && plain(rung)).find(later) {
            let found = format!("{mine}s for {}, before {:?} above it", level.word(), other.name);
            table.fault("after", found, "rungs of one kind in the order of their deadlines", None);
        }
    }
}

/// What waits for a missing answer needs somebody who was asked.
fn unanswerable(table: &Reader<'_>, rung: &Rung, before: &[Rung], names: &Names) {
    for (key, audience) in [("no_receipt", rung.only.no_receipt), ("no_answer", rung.only.no_answer)] {
        let Some(audience) = audience else { continue };
        if !before.iter().any(|other| other.audiences.contains(&audience)) {
            let found = format!("{:?}, which no rung above this one tells", names.audiences.names[audience]);
            table.fault("only", found, format!("for {key} an audience of a rung above"), None);
        }
    }
}

fn rung(table: &Reader<'_>, names: &Names) -> Option<Rung> {
    let name = table.name("name");
    let audiences = table.refers_all("audience", "audience", &names.audiences.names);
    let kinds = [
        ("at_once", RungKind::AtOnce),
        ("unacknowledged", RungKind::Unacknowledged),
        ("open", RungKind::Open),
        ("unhandled", RungKind::Unhandled),
    ];
    let kind = table.choice("kind", &kinds, None);
    let of = table.table_of("after", true)?;
    let mut after_s = [None; 4];
    for (at, level) in ["blue", "yellow", "orange", "red"].into_iter().enumerate() {
        after_s[at] = of.duration_if(level, (0, RUNG_MAX_MS)).and_then(|ms| u32::try_from(ms / 1000).ok());
    }
    let told: Vec<u32> = after_s.iter().flatten().copied().collect();
    if told.windows(2).any(|pair| pair[0] < pair[1]) {
        of.fault(
            "red",
            format!("{told:?} seconds for the levels in order"),
            "a higher level is never told later than a lower one",
            None,
        );
    }
    if told.is_empty() && !of.describes() {
        of.fault("red", "nothing", "a time for at least one level", None);
    }
    if kind == Some(RungKind::AtOnce) && told.iter().any(|seconds| *seconds > 0) {
        of.fault("red", "a deadline", "\"0s\" for every level that kind = \"at_once\" tells", None);
    }
    table.done("after", of);
    let only = only(table, names);
    let repeat = match table.table_of("repeat", false) {
        Some(of) => {
            let (every, most) = (of.duration("every", (10_000, 86_400_000), None), of.whole_if("most", (1, 100)));
            table.done("repeat", of);
            Some(Repeat { every_s: u32::try_from(every? / 1000).ok()?, most: most.and_then(|most| u32::try_from(most).ok()) })
        }
        None => None,
    };
    Some(Rung { name: name?, audiences: audiences?, kind: kind?, after_s, repeat, only: only? })
}

fn only(table: &Reader<'_>, names: &Names) -> Option<Only> {
    let Some(of) = table.table_of("only", false) else { return Some(Only::default()) };
    let calendar = |key| of.refers_if(key, "calendar", &names.calendars.names);
    let (within, outside) = (calendar("within"), calendar("outside"));
    let hazards = of.texts("hazards", false);
    let zones: Vec<Option<usize>> =
        of.texts("zones", false).iter().map(|zone| of.resolve("zones", "zone", zone, &names.zones.names)).collect();
    let audience = |key| of.refers_if(key, "audience", &names.audiences.names);
    let (no_receipt, no_answer, unreachable) = (audience("no_receipt"), audience("no_answer"), audience("unreachable"));
    if let (Some(Some(within)), Some(Some(outside))) = (within, outside)
        && within == outside
    {
        of.fault("outside", "the calendar of within", "another one: it would never speak", None);
    }
    table.done("only", of);
    Some(Only {
        within: within?,
        outside: outside?,
        hazards,
        zones: zones.into_iter().collect::<Option<_>>()?,
        no_receipt: no_receipt?,
        no_answer: no_answer?,
        unreachable: unreachable?,
    })
}

pub(super) fn calendar(table: &Reader<'_>) -> Option<Calendar> {
    let (name, title) = (table.name("name"), table.words("title", true));
    let days = days(table, true);
    let hours = table.texts("hours", true);
    if hours.is_empty() && table.has("hours") {
        table.fault("hours", "nothing", HOURS, None);
    }
    let hours: Vec<Option<(u16, u16)>> = hours.iter().map(|text| self::hours(table, text)).collect();
    let (holidays, workdays) = (dates(table, "holidays"), dates(table, "workdays"));
    let days = days?;
    let window = |(from, to)| Window { days, from, to };
    Some(Calendar {
        name: name?,
        title: title?,
        windows: hours.into_iter().map(|hours| hours.map(window)).collect::<Option<_>>()?,
        holidays: holidays?,
        workdays: workdays?,
    })
}

pub(super) fn roster(table: &Reader<'_>, names: &Names) -> Option<Roster> {
    let (name, title) = (table.name("name"), table.words("title", true));
    let hand_over = table.duration_if("hand_over", (60_000, 7_200_000));
    // Who takes over signs in for it.
    let known = |of: &Reader<'_>, key: &'static str, people: &[String]| {
        if hand_over.is_some() {
            for person in people {
                of.resolve(key, "person", person, &names.people.names);
            }
        }
    };
    let stand_ins = table.texts("stand_ins", false);
    known(table, "stand_ins", &stand_ins);
    let mut seen: Vec<String> = Vec::new();
    let shifts = table.tables("shift", true, |of| {
        let (name, days, text) = (of.name("name"), days(of, false), of.text("hours"));
        let hours = text.and_then(|text| hours(of, &text));
        let (cycle, people) = (cycle(of), of.texts("people", true));
        if people.is_empty() && of.has("people") {
            of.fault("people", "nobody", "the names of those on duty, at least one", None);
        }
        known(of, "people", &people);
        if let Some(again) = name.as_ref().filter(|name| seen.contains(name)) {
            of.fault("name", format!("{again:?} again"), "each shift once", None);
        }
        seen.extend(name.clone());
        let (from, to) = hours?;
        Some(Shift { name: name?, window: Window { days: days?, from, to }, cycle: cycle?, people })
    });
    let hand_over_s = hand_over.and_then(|ms| u32::try_from(ms / 1000).ok());
    Some(Roster { name: name?, title: title?, shifts: shifts.into_iter().collect::<Option<_>>()?, stand_ins, hand_over_s })
}

/// The turn of a crew: a letter for each day.
fn cycle(table: &Reader<'_>) -> Option<Option<Cycle>> {
    let Some(of) = table.table_of("cycle", false) else { return Some(None) };
    let (from, text) = (of.text("from"), of.text("days"));
    let first = from.as_ref().and_then(|text| date(text));
    if let (Some(text), None) = (&from, first) {
        of.fault("from", format!("{text:?}"), "a day on which it begins, like \"2027-01-01\"", None);
    }
    let days = text.as_ref().map(|text| text.chars().map(|day| "X-".find(day)).collect::<Option<Vec<_>>>());
    let days = days.map(|days| days.filter(|days| days.len() <= Cycle::DAYS_MAX && days.contains(&0)));
    if let (Some(text), Some(None)) = (&text, &days) {
        let allowed = "a letter for each day, X where the crew works and - where not, up to 84, for example \"XX------\"";
        of.fault("days", format!("{text:?}"), allowed, None);
    }
    table.done("cycle", of);
    Some(Some(Cycle { from: first?, days: days??.into_iter().map(|letter| letter == 0).collect() }))
}

/// Days of the week; all of them where they may be left out.
fn days(table: &Reader<'_>, required: bool) -> Option<[bool; 7]> {
    let named = table.texts("days", required);
    if !table.has("days") {
        return (!required).then_some([true; 7]);
    }
    let mut days = [false; 7];
    for name in &named {
        match DAYS.iter().position(|day| day == name) {
            Some(day) => days[day] = true,
            None => {
                table.fault("days", format!("{name:?}"), format!("some of {}", DAYS.join(", ")), nearest(name, DAYS.into_iter()));
                return None;
            }
        }
    }
    if named.is_empty() {
        table.fault("days", "nothing", format!("some of {}", DAYS.join(", ")), None);
    }
    Some(days)
}

const HOURS: &str = "hours of the day like \"08:00-12:00\"; \"20:00-08:00\" ends on the next day, \"00:00-24:00\" is all day";

/// Minutes of the day from which and up to which.
fn hours(table: &Reader<'_>, text: &str) -> Option<(u16, u16)> {
    let minute = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let number = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
        let (hour, minute) = (number(hour)?, number(minute)?);
        (minute < 60 && hour * 60 + minute <= 1_440).then_some(hour * 60 + minute)
    };
    let read = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
    let legal = read.filter(|(from, to)| *from < 1_440 && *to > 0 && from != to);
    if legal.is_none() {
        table.fault("hours", format!("{text:?}"), HOURS, None);
    }
    legal
}

/// A day, as days since 1970-01-01.
fn date(text: &str) -> Option<i64> {
    let date = text.trim().parse::<jiff::civil::Date>().ok()?;
    jiff::civil::date(1970, 1, 1).until(date).ok().map(|span| i64::from(span.get_days()))
}

/// Days and stretches of days, as days since 1970-01-01.
fn dates(table: &Reader<'_>, key: &'static str) -> Option<Vec<(i64, i64)>> {
    let stretch = |text: &String| {
        let (first, last) = text.split_once('/').unwrap_or((text, text));
        let read = date(first).zip(date(last)).filter(|(first, last)| first <= last);
        if read.is_none() {
            let allowed = "a day like \"2027-01-01\", or the first and last of several like \"2027-02-05/2027-02-11\"";
            table.fault(key, format!("{text:?}"), allowed, None);
        }
        read
    };
    table.texts(key, false).iter().map(stretch).collect::<Vec<_>>().into_iter().collect()
}
