//! What `check` warns of in a file without a fault: quotas that nobody judges, sensors that nobody would miss, a red alarm that nobody could end.
//! The shipped site files give none of these warnings.

use crate::process::root;
use safety_brain::config::load;

/// Warnings of a shipped file after a change of its text.
fn warnings(name: &str, changes: &[(&str, &str)]) -> Vec<String> {
    let mut text = std::fs::read_to_string(root().join("configs").join(name)).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from:?}");
        text = text.replacen(from, to, 1);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    std::fs::write(&path, text).unwrap();
    let config = load(&path).unwrap_or_else(|faults| panic!("{}", faults.iter().map(|f| format!("{f}\n")).collect::<String>()));
    config.warnings
}

/// A shipped file, changes, and the beginning of what must be said of it; the file as shipped does not say it.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const CASES: &[Case] = &[
    ("fireworks-plant.toml", &[("mass = [\"WT-401\"], ", "")], "zone press-4: quota kg = 20 is judged by nothing"),
    ("fireworks-plant.toml", &[("quota_people = 6, ", "")], "zone press-4: quota people = 6 is judged by nothing"),
    ("fireworks-plant.toml", &[("kg = 5 }", "kg = 5, machines = 1 }")], "zone mix-3: quota machines = 1 is judged by nothing"),
    ("fireworks-plant.toml", &[("zone = \"press-4\"\ninputs", "zone = \"store-5\"\ninputs")], "zone press-4: quota people"),
    ("fireworks-plant.toml", &[("frozen = \"30min\"\nmax_per_s", "max_per_s")], "tag TT-301: no frozen"),
    ("gas-district.toml", &[("frozen = \"8h\"\n", "")], "tag GT-101: no frozen"),
    ("gas-district.toml", &[("frozen = \"30min\"\n", "")], "tag PT-101: no frozen"),
    ("gas-district.toml", &[("frozen = \"8h\"\n", "frozen = \"8h\"\nsilent = \"366d\"\n")], "tag GT-101: silent = 366d"),
    (
        "gas-district.toml",
        &[("[[watcher]]\nname = \"bureau\"\nurl = \"https://bureau.example.cn/alive\"\n", "")],
        "no [[watcher]]",
    ),
    (
        "gas-district.toml",
        &[(
            "[[ladder]]",
            "[[roster]]\nname = \"o\"\ntitle = { zh = \"o\", en = \"o\" }\n[[roster.shift]]\nname = \"d\"\nhours = \"00:00-20:00\"\npeople = [\"a\"]\n[[ladder]]",
        )],
        "roster o: nobody is on duty from Monday 20:00 to Tuesday 00:00",
    ),
    (
        "gas-district.toml",
        &[(
            "[[ladder]]",
            "[[roster]]\nname = \"o\"\ntitle = { zh = \"o\", en = \"o\" }\n[[roster.shift]]\nname = \"d\"\nhours = \"00:00-24:00\"\npeople = [\"a\"]\ncycle = { from = \"2027-01-01\", days = \"XX-\" }\n[[ladder]]",
        )],
        "roster o: nobody is on duty from 2027-01-03 00:00 to 2027-01-04 00:00",
    ),
    (
        "gas-district.toml",
        &[("# orange and red, until a named person at the bureau takes it\n", "\nonly = { hazards = [\"gas\"] }\n")],
        "ladder standard: red reaches no",
    ),
    (
        "gas-district.toml",
        &[("repeat = { every = \"5min\" }", ""), ("{ every = \"10min\" }", "{ every = \"10min\", most = 3 }")],
        "ladder standard: a red alarm that nobody takes is called of so many times and then no more",
    ),
    ("gas-district.toml", &[("role = \"lead\"", "role = \"operator\"")], "no person with role lead: nobody can reset or close"),
];

#[test]
fn advice_is_given_where_it_is_needed_and_not_where_it_is_not() {
    for (name, changes, said) in CASES {
        let found = |warnings: &[String]| warnings.iter().any(|warning| warning.starts_with(said));
        let shipped = warnings(name, &[]);
        assert!(!found(&shipped), "{name} as shipped: {shipped:#?}");
        let changed = warnings(name, changes);
        assert!(found(&changed), "{said:?} is not among {changed:#?}");
    }
}

#[test]
fn advice_names_the_plants_that_prove_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for token in ["changqing.token", "gas-east.token"] {
        std::fs::write(folder.path().join(token), "sb_a_token_of_the_tests").unwrap();
    }
    // A public key of RFC 8032, 7.1.
    let key = "key = \"ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"";
    let text = std::fs::read_to_string(root().join("configs/bureau.toml")).unwrap().replacen("# key = \"ed25519:...\"", key, 1);
    let path = folder.path().join("bureau.toml");
    std::fs::write(&path, text).unwrap();
    let faults =
        |faults: Vec<safety_brain::config::Fault>| -> String { faults.iter().map(|fault| format!("{fault}\n")).collect() };
    let config = safety_brain::config::bureau::load(&path).map_err(faults).unwrap();
    let unproved: Vec<_> = config.warnings.iter().filter(|said| said.contains("no certificate and no key")).collect();
    assert!(unproved.len() == 1 && unproved[0].starts_with("plant gas-east: "), "{:?}", config.warnings);
}

#[test]
fn advice_takes_a_limit_of_the_plant_for_a_judge() {
    let limit = |value: &str| {
        let words = "{ zh = \"满\", en = \"full\" }";
        format!(
            "range = [0, 50]\nperiod = \"5s\"\n[[tag.limit]]\nhazard = \"people\"\ntitle = {words}\nkind = \"high\"\nvalue = {value}\nseverity = \"red\"\n\
             citation = {{ confidence = \"own\" }}\ncause = {words}\nconsequence = {words}\naction = {words}\n"
        )
    };
    let judged = |value: &str| {
        let changes = [
            ("quota_people = 2, ", ""),
            ("unit = \"1\"\nquantity = \"people\"\nrange = [0, 50]\nperiod = \"5s\"\nblind = \"orange\"\n", "PEOPLE"),
            ("PEOPLE", &format!("unit = \"1\"\nquantity = \"people\"\nblind = \"orange\"\n{}", limit(value))),
        ];
        !warnings("fireworks-plant.toml", &changes).iter().any(|said| said.starts_with("zone mix-3: quota people"))
    };
    assert!(judged("3"), "three is one more than the quota");
    assert!(!judged("4"), "a limit above the quota and one leaves it unjudged");
}

/// What lies still for days by its nature is no frozen sensor, and an hour of silence is fair for a tag that comes every ten minutes.
#[test]
fn advice_leaves_resting_and_slow_tags_alone() {
    let said = warnings("fireworks-plant.toml", &[]);
    for quiet in ["PC-301", "WT-301", "MC-301", "WX-001"] {
        assert!(!said.iter().any(|warning| warning.contains(quiet)), "{quiet}: {said:#?}");
    }
    let slow = ("period = \"5s\"\nfrozen = \"8h\"\n", "period = \"10min\"\nsilent = \"1h\"\nfrozen = \"8h\"\n");
    assert!(!warnings("gas-district.toml", &[slow]).iter().any(|warning| warning.contains("GT-101: silent")));
}
