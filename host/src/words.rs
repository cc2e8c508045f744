//! The translation files, for everything that is not a web page: alarm texts, CAP, the command line.
//! Owns: one key set shared with the console (`host/web/i18n`). Must not know: who reads it.

use brain::words::{Text, Words};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static ZH: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| parse(include_str!("../web/i18n/zh-CN.json")));
static EN: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| parse(include_str!("../web/i18n/en.json")));

fn parse(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text).expect("a flat object of texts: the tests read the same file")
}

/// One text in both languages with `{0}`, `{1}` ... filled in. An unknown key shows itself: a gap must be seen, not hidden.
pub fn phrase(key: &str, args: &[String]) -> Words {
    let fill = |table: &BTreeMap<String, String>| {
        let mut text = table.get(key).cloned().unwrap_or_else(|| key.to_owned());
        for (i, arg) in args.iter().enumerate() {
            text = text.replace(&format!("{{{i}}}"), arg);
        }
        text
    };
    Words { zh: fill(&ZH), en: fill(&EN) }
}

/// What an alarm says, finished.
pub fn render(text: &Text) -> Words {
    match text {
        Text::Words(words) => words.clone(),
        Text::Phrase { key, args } => phrase(key, args),
    }
}
