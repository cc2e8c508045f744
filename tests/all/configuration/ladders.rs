//! Site files that say who is told and when: as they should be, and each mistake. Must not know: what the rest of a site file says.

use super::{changed, configs, lines};

/// Ladders with all that a rung may say, calendars, rosters, watchers: as they should be, and each mistake with its key and remedy.
#[test]
fn configuration_ladders_calendars_rosters_and_watchers_say_all_they_must() {
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let person = good.split("[[person]]\nname = \"").nth(1).unwrap().split('"').next().unwrap();
    let title = r#"title = { zh = "试", en = "t" }"#;
    let all = r#"after = { blue = "0s", yellow = "0s", orange = "0s", red = "0s" }"#;
    let text = format!(
        "[[calendar]]\nname = \"office\"\n{title}\ndays = [\"mon\", \"fri\"]\nhours = [\"08:00-12:00\", \"22:00-06:00\"]\n\
         holidays = [\"2027-01-01\", \"2027-02-05/2027-02-11\"]\nworkdays = [\"2027-02-20\"]\n\
         [[roster]]\nname = \"officers\"\n{title}\nhand_over = \"15min\"\nstand_ins = [\"{person}\"]\n\
         [[roster.shift]]\nname = \"day\"\nhours = \"08:00-20:00\"\npeople = [\"{person}\"]\n\
         cycle = {{ from = \"2027-01-01\", days = \"XX------\" }}\n\
         [[watcher]]\nname = \"outside\"\nurl = \"http://127.0.0.1:9/alive\"\nmethod = \"get\"\nevery = \"60s\"\n\
         [[audience]]\nname = \"duty\"\n{title}\nchannel = \"cap\"\nurl = \"http://127.0.0.1:9/duty\"\nroster = \"officers\"\nper_minute = 20\nmust_accept = true\n\
         [[ladder]]\nname = \"loud\"\n[[ladder.rung]]\nname = \"first\"\naudience = [\"duty\", \"crew\"]\nkind = \"at_once\"\n{all}\n\
         repeat = {{ every = \"30s\", most = 5 }}\n\
         [[ladder.rung]]\nname = \"second\"\naudience = \"bureau\"\nkind = \"unacknowledged\"\n\
         after = {{ red = \"60s\" }}\nonly = {{ within = \"office\", hazards = [\"gas\"], zones = [\"mix-3\"], no_receipt = \"duty\", no_answer = \"crew\", unreachable = \"duty\" }}\n"
    );
    let with = |text: &str| changed(|good| format!("{}\n{text}", good.replacen("ladder = \"standard\"", LADDERS, 1)));
    with(&text).unwrap_or_else(|faults| panic!("{}", lines(&faults)));
    for (from, to, key, remedy) in [
        ("[\"mon\", \"fri\"]", "[\"mon\", \"fir\"]", "calendar.office.days", "did you mean `fri`"),
        ("\"08:00-12:00\"", "\"8-12\"", "calendar.office.hours", "08:00-12:00"),
        ("\"08:00-12:00\"", "\"08:00-24:30\"", "calendar.office.hours", "08:00-12:00"),
        ("\"2027-01-01\"", "\"2027-02-30\"", "calendar.office.holidays", "2027-01-01"),
        ("2027-02-05/2027-02-11", "2027-02-11/2027-02-05", "calendar.office.holidays", "first and last"),
        ("people = [\"", "people = [\"no-", "roster.officers.shift.day.people", "a person of this file"),
        (&format!("people = [\"{person}\"]"), "people = []", "roster.officers.shift.day.people", "at least one"),
        ("hand_over = \"15min\"", "hand_over = \"5s\"", "roster.officers.hand_over", "1min"),
        ("hours = \"08:00-20:00\"", "hours = \"08:00-08:00\"", "roster.officers.shift.day.hours", "all day"),
        ("from = \"2027-01-01\"", "from = \"2027-13-01\"", "roster.officers.shift.day.cycle.from", "2027-01-01"),
        ("\"XX------\"", "\"--------\"", "roster.officers.shift.day.cycle.days", "X where the crew works"),
        ("\"XX------\"", "\"XXoo\"", "roster.officers.shift.day.cycle.days", "X where the crew works"),
        ("method = \"get\"", "method = \"head\"", "watcher.outside.method", "post"),
        ("every = \"60s\"", "every = \"60s\"\ntimeout = \"90s\"", "watcher.outside.timeout", "1min"),
        ("every = \"60s\"", "every = \"2s\"", "watcher.outside.timeout", "at most every"),
        ("127.0.0.1:9/alive", "10.1.1.1/alive", "watcher.outside.url", "https"),
        ("roster = \"officers\"", "roster = \"oficers\"", "audience.duty.roster", "did you mean `officers`"),
        ("per_minute = 20", "per_minute = 0", "audience.duty.per_minute", "6000"),
        ("[\"duty\", \"crew\"]", "[\"duty\", \"duty\"]", "ladder.loud.rung.first.audience", "each audience once"),
        ("[\"duty\", \"crew\"]", "[]", "ladder.loud.rung.first.audience", "list of them"),
        ("every = \"30s\", most", "every = \"1s\", most", "rung.first.repeat.every", "10s"),
        ("within = \"office\"", "within = \"office\", outside = \"office\"", "rung.second.only.outside", "another one"),
        ("within = \"office\"", "within = \"ofice\"", "rung.second.only.within", "did you mean `office`"),
        ("zones = [\"mix-3\"]", "zones = [\"mix-9\"]", "rung.second.only.zones", "a zone of this file"),
        ("no_answer = \"crew\"", "no_answer = \"manager\"", "rung.second.only", "a rung above"),
        (all, "after = { orange = \"0s\", red = \"0s\" }", "ladder.loud.rung", "for every level"),
    ] {
        assert!(text.contains(from), "{from:?}");
        let faults = with(&text.replacen(from, to, 1)).expect_err(to);
        let said = lines(&faults);
        let found =
            faults.iter().find(|fault| fault.key.contains(key)).unwrap_or_else(|| panic!("{to:?}: no fault of {key}:\n{said}"));
        assert!(found.to_string().contains(remedy) && found.origin.line > 0, "{to:?}: {remedy:?} is not in {found}");
    }
}

/// A ladder for each level.
const LADDERS: &str = r#"ladder = { blue = "loud", yellow = "standard", orange = "standard", red = "standard" }"#;
