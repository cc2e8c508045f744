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
    match (key, args.as_slice()) {
        ("guard.storage.journal" | "guard.storage.store", [said]) => storage(key, said),
        ("guard.storage.growth", [_, disk, journal]) => fill(growth(disk, journal), &args),
        _ => fill(key, &args),
    }
}

fn fill(key: &str, args: &[String]) -> Words {
    let fill = |table: &BTreeMap<String, String>| filled(table.get(key).map_or(key, String::as_str), args);
    Words { zh: fill(&ZH), en: fill(&EN) }
}

/// What a disk or a database says, and what it means for people; the first that is found.
const CAUSES: &[(&str, &str)] = &[
    ("no space left", "disk.full"),
    ("the disk is full", "disk.full"),
    ("quota", "disk.full"),
    ("read-only", "disk.read-only"),
    ("permission denied", "disk.refused"),
    ("has finished nothing", "disk.stalled"),
    ("has not come back", "disk.hangs"),
    ("input/output error", "disk.io"),
];

/// A part of the storage that failed: in the reader's language, as far as it is known what was said. A damaged record is another thing than a disk that
/// takes none.
fn storage(key: &str, said: &str) -> Words {
    let lower = said.to_lowercase();
    let said = &[said.to_owned()];
    if ["is damaged", "no snapshot can be read"].iter().any(|sign| lower.contains(sign)) && key == "guard.storage.journal" {
        return fill("guard.storage.damaged", said);
    }
    let Some((_, cause)) = CAUSES.iter().find(|(sign, _)| lower.contains(sign)) else { return fill(key, said) };
    let Words { zh, en } = fill(cause, said);
    Words { zh: fill(key, &[zh]).zh, en: fill(key, &[en]).en }
}

/// How long room lasts is said as far as it is known.
fn growth(disk: &str, journal: &str) -> &'static str {
    match (disk, journal) {
        ("-", "-") => "guard.storage.growth.free",
        (_, "-") => "guard.storage.growth.disk",
        ("-", _) => "guard.storage.growth.journal",
        (_, _) => "guard.storage.growth",
    }
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

    /// A red alarm is read by an officer: known causes in the reader's language alone, and nothing that is not known.
    #[test]
    fn what_a_disk_said_is_told_in_both_languages() {
        let journal = |said: &str| phrase("guard.storage.journal", &[said.to_owned()]);
        for (said, zh, en) in [
            (
                "the disk has finished nothing for 2 s",
                "日志无法写入：磁盘停滞，写入两秒未完成",
                "the disk has finished nothing for two seconds",
            ),
            ("cannot write /d/1.seg: No space left on device (os error 28)", "日志无法写入：磁盘已满", "the disk is full"),
            ("cannot write /d/1.seg: Read-only file system (os error 30)", "日志无法写入：磁盘只读", "the disk is read-only"),
            (
                "cannot write /d/1.seg: Input/output error (os error 5)",
                "日志无法写入：磁盘读写出错（cannot write /d/1.seg",
                "os error 5",
            ),
            ("the journal is damaged in /d/1.seg at byte 9: x; record 4 is lost", "日志有损坏", "record 4 is lost"),
            ("nobody foresaw it", "日志无法写入：nobody foresaw it", "nobody foresaw it"),
        ] {
            let words = journal(said);
            assert!(words.zh.starts_with(zh) && words.en.contains(en), "{words:?}");
        }
        let words = phrase("guard.storage.store", &["the disk is full: 0 bytes are free, and the store waits for 9".to_owned()]);
        assert_eq!(
            (words.zh.as_str(), words.en.as_str()),
            ("查询库不可用：磁盘已满", "The store is out of use: the disk is full")
        );
        for (disk, journal) in [("-", "-"), ("2", "-"), ("-", "5"), ("2", "5")] {
            let words = phrase("guard.storage.growth", &["7", disk, journal].map(str::to_owned));
            for text in [&words.zh, &words.en] {
                assert!(!text.contains('-') && !text.contains('{') && text.contains('7'), "{text}");
                assert_eq!((text.contains('2'), text.contains('5')), (disk != "-", journal != "-"), "{text}");
            }
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
