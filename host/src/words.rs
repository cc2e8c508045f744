//! The translation files, for everything that is not a web page: alarm texts, CAP, the command line.
//! Owns: one key set shared with the console (`host/web/i18n`), and how people write units. Must not know: who reads it.

use brain::words::{Text, Words};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static ZH: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| parse(include_str!("../web/i18n/zh-CN.json")));
static EN: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| parse(include_str!("../web/i18n/en.json")));

fn parse(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text).expect("a flat object of texts: the tests read the same file")
}

/// Units as people write them, where that is not how machines (UCUM) do; plain counts have none. The console has the same table (`host/web/words.js`).
#[rustfmt::skip]
const UNITS: &[(&str, &str)] = &[
    ("1", ""), ("Cel", "℃"), ("[ppm]", "ppm"), ("[ppb]", "ppb"), ("[pH]", "pH"),
    ("ug/m3", "µg/m³"), ("mg/m3", "mg/m³"), ("g/m3", "g/m³"), ("kg/m3", "kg/m³"), ("mm[H2O]", "mmH₂O"),
    ("m3/h", "m³/h"), ("m3/s", "m³/s"), ("m3", "m³"), ("m/s2", "m/s²"), ("/min", "r/min"), ("deg", "°"),
    ("Ohm", "Ω"), ("MOhm", "MΩ"), ("uS/cm", "µS/cm"), ("W/m2", "W/m²"),
];

/// A value and its unit, for people.
pub fn with_unit(value: &str, unit: &str) -> String {
    let shown = UNITS.iter().find(|(ucum, _)| *ucum == unit).map_or(unit, |(_, shown)| shown);
    if shown.is_empty() { value.to_owned() } else { format!("{value} {shown}") }
}

/// Phrases that say a value, and its unit behind it: the value stands at {1}.
const VALUED: &[&str] = &["guard.fall", "guard.frozen", "guard.high", "guard.impossible", "guard.low", "guard.rise"];

/// One text in both languages with `{0}`, `{1}` ... filled in. An unknown key shows itself: a gap must be seen, not hidden.
pub fn phrase(key: &str, args: &[String]) -> Words {
    let mut args = args.to_vec();
    if let [_, value, unit, ..] = args.as_mut_slice()
        && VALUED.contains(&key)
    {
        *value = with_unit(value, unit);
    }
    let fill = |table: &BTreeMap<String, String>| filled(table.get(key).map_or(key, String::as_str), &args);
    Words { zh: fill(&ZH), en: fill(&EN) }
}

/// The text with `{0}`, `{1}` ... replaced. What an argument says is no place for another.
fn filled(text: &str, args: &[String]) -> String {
    let mut out = String::with_capacity(text.len() + args.iter().map(String::len).sum::<usize>());
    let mut parts = text.split('{');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let place = part.split_once('}').and_then(|(place, rest)| Some((args.get(place.parse::<usize>().ok()?)?, rest)));
        match place {
            Some((arg, rest)) => out.extend([arg.as_str(), rest]),
            None => out.extend(["{", part]),
        }
    }
    out
}

/// What an alarm says, finished.
pub fn render(text: &Text) -> Words {
    match text {
        Text::Words(words) => words.clone(),
        Text::Phrase { key, args } => phrase(key, args),
    }
}

/// Anybody's text as text of a page to print, lines kept.
pub fn safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\n', "<br>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_units_as_they_write_them() {
        for (unit, en) in [
            ("Cel", "T-1 is 23.4 ℃, at or above 20"),
            ("%LEL", "T-1 is 23.4 %LEL, at or above 20"),
            ("1", "T-1 is 23.4, at or above 20"),
        ] {
            let words = phrase("guard.high", &["T-1", "23.4", unit, "20"].map(str::to_owned));
            assert_eq!(words.en, en);
            assert!(words.zh.contains(&with_unit("23.4", unit)) && !words.zh.contains("Cel"), "{}", words.zh);
        }
    }

    /// One table: that of the pages says the same.
    #[test]
    fn the_pages_write_units_alike() {
        let pages = include_str!("../web/words.js");
        let table = pages.split_once("const UNITS = {").and_then(|(_, rest)| rest.split_once("};")).expect("a table").0;
        let pairs: Vec<_> =
            table.split(", ").flat_map(|part| part.split(",\n")).filter_map(|pair| pair.split_once(": ")).collect();
        let bare = |text: &str| text.trim().trim_matches(['"', ',']).to_owned();
        let theirs: BTreeMap<_, _> = pairs.into_iter().map(|(ucum, shown)| (bare(ucum), bare(shown))).collect();
        let ours: BTreeMap<_, _> = UNITS.iter().map(|(ucum, shown)| ((*ucum).to_owned(), (*shown).to_owned())).collect();
        assert_eq!(theirs, ours);
    }
}
