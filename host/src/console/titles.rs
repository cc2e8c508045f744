//! What machines call things, as people call them: names of the site file become titles, and what a network or a disk said gets a sentence in the
//! reader's language around it. Must not know: where it is shown.

use crate::words::{phrase, render};
use brain::site::Site;
use brain::words::{Text, Words};
use std::collections::BTreeMap;

/// Titles by name.
#[derive(Clone, Debug, Default)]
pub struct Titles {
    audiences: BTreeMap<String, Words>,
    hazards: BTreeMap<String, Words>,
    /// A rule has no title: its name, and where it watches.
    rules: BTreeMap<String, Words>,
}

impl Titles {
    /// Of this site.
    pub fn of(site: &Site) -> Titles {
        let rules = site.rules.iter().map(|rule| {
            let (name, zone) = (&rule.name, &site.zones[rule.zone].title);
            let words = Words { zh: format!("{name}（{}）", zone.zh), en: format!("{name} ({})", zone.en) };
            (name.clone(), words)
        });
        let hazards = site.rules.iter().flat_map(|rule| &rule.hazards).map(|hazard| (hazard.id.clone(), hazard.title.clone()));
        Titles {
            audiences: site.audiences.iter().map(|audience| (audience.name.clone(), audience.title.clone())).collect(),
            hazards: hazards.collect(),
            rules: rules.collect(),
        }
    }

    /// An audience; one that has left the site file is called by its name.
    pub fn audience(&self, name: &str) -> Words {
        known(&self.audiences, name)
    }

    /// What an alarm says.
    pub fn text(&self, text: &Text) -> Words {
        let Text::Phrase { key, args } = text else { return render(text) };
        let (zh, en) =
            args.iter().enumerate().map(|(n, arg)| self.argument(key, n, arg)).map(|words| (words.zh, words.en)).unzip();
        let (zh, en): (Vec<String>, Vec<String>) = (zh, en);
        Words { zh: phrase(key, &zh).zh, en: phrase(key, &en).en }
    }

    fn argument(&self, key: &str, place: usize, arg: &str) -> Words {
        match (key, place) {
            ("guard.blind" | "guard.quarantine" | "guard.skipped", 0) => known(&self.rules, arg),
            ("guard.blind" | "guard.quarantine" | "guard.skipped", 1) => known(&self.hazards, arg),
            ("guard.rejected" | "guard.undelivered" | "guard.full" | "guard.unstaffed", 0) => self.audience(arg),
            ("guard.link" | "guard.undelivered" | "guard.heartbeat", 1) | ("guard.rejected", 2) => reason(arg),
            _ => Words::same(arg),
        }
    }
}

fn known(titles: &BTreeMap<String, Words>, name: &str) -> Words {
    titles.get(name).cloned().unwrap_or_else(|| Words::same(name))
}

/// What stands in an error of the network, and what it means for people; the first that is found.
const MEANINGS: &[(&str, &str)] = &[
    ("not accepted", "reason.unaccepted"),
    ("refused", "reason.refused"),
    ("closed", "reason.closed"),
    ("reset by peer", "reason.closed"),
    ("broken pipe", "reason.closed"),
    ("timed out", "reason.silent"),
    ("timeout", "reason.silent"),
    ("sent nothing", "reason.silent"),
    ("no unit answers", "reason.silent"),
    ("unreachable", "reason.unreachable"),
    ("no route", "reason.unreachable"),
    ("dns", "reason.unreachable"),
    ("connected to", "reason.connected"),
    ("answers", "reason.connected"),
    ("http ", "reason.http"),
];

/// Why something does or does not work, in a sentence, with what was said behind it.
pub fn reason(said: &str) -> Words {
    if said.is_empty() || said == "-" {
        return Words::same(said);
    }
    let lower = said.to_lowercase();
    let found = MEANINGS.iter().find(|(sign, _)| lower.contains(sign));
    phrase(found.map_or("reason.other", |(_, key)| key), &[said.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_network_said_gets_a_sentence_in_both_languages() {
        for (said, zh) in [
            ("Mqtt state: Connection closed by peer abruptly", "对方断开了连接"),
            ("Connection refused (os error 111)", "对方拒绝连接"),
            ("no unit answers; last: timed out", "没有应答"),
            ("connected to 127.0.0.1:1883", "已连接"),
            ("arrived, and not accepted by the receiver's system", "尚未受理"),
            ("HTTP 503: desk is full", "对方答复"),
            ("something nobody foresaw", "报告"),
        ] {
            let words = reason(said);
            assert!(words.zh.contains(zh) && words.zh.contains(said), "{words:?}");
            assert!(words.en.contains(said), "{words:?}");
        }
        assert_eq!(reason(""), Words::same(""));
        for (_, key) in MEANINGS {
            assert_ne!(phrase(key, &[]).zh, *key);
        }
    }

    #[test]
    fn names_become_titles_and_unknown_ones_stay() {
        let words = |zh: &str, en: &str| Words { zh: zh.into(), en: en.into() };
        let mut titles = Titles::default();
        titles.audiences.insert("bureau".into(), words("应急局", "The bureau"));
        titles.hazards.insert("fw.temp.stop".into(), words("室温超停产限", "Room too warm"));
        titles.rules.insert("press".into(), words("press（压药工房）", "press (Press room)"));
        let text = |key: &str, args: &[&str]| {
            titles.text(&Text::Phrase { key: key.into(), args: args.iter().map(|arg| (*arg).to_owned()).collect() })
        };
        let blind = text("guard.blind", &["press", "fw.temp.stop"]);
        assert!(blind.zh.contains("压药工房") && blind.zh.contains("室温超停产限") && !blind.zh.contains("fw."), "{blind:?}");
        assert!(blind.en.contains("Press room") && blind.en.contains("Room too warm"), "{blind:?}");
        for key in ["guard.quarantine", "guard.skipped"] {
            let told = text(key, &["press", "fw.temp.stop", "08:00:01"]);
            assert!(told.zh.contains("室温超停产限") && !told.zh.contains("fw.") && !told.en.contains("fw."), "{told:?}");
        }
        let late = text("guard.undelivered", &["bureau", "timed out"]);
        assert!(late.zh.contains("应急局") && late.zh.contains("没有应答"), "{late:?}");
        assert!(text("guard.blind", &["gone", "x.y"]).zh.contains("x.y"));
        assert!(text("guard.silent", &["bureau", "9"]).zh.contains("bureau"), "a tag may be called like an audience");
    }
}
