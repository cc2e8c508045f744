//! Words of the field as the codes of a tag. Must not know: topics, documents, what a code means.

use crate::config::types::Values;
use brain::Quality;

/// Longest word that is repeated to people, characters.
const SHOWN_CHARS: usize = 64;

/// What a word stands for. One that the site file does not know is no number and bad, with what to say of it: it may mean danger.
pub(super) fn code(word: &str, values: &Values) -> (f64, Quality, Option<String>) {
    let word = word.trim();
    match values.get(word) {
        Some(code) => (f64::from(*code), Quality::GOOD, None),
        None => {
            let known = values.keys().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
            let shown: String = word.chars().take(SHOWN_CHARS).collect();
            (f64::NAN, Quality::BAD, Some(format!("{shown:?} is none of the words in `values`: {known}")))
        }
    }
}
