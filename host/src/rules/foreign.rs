//! Texts that strangers wrote and people read: short, and nothing in them that is not seen. Must not know: what they say.

/// Bytes of a text that a rule gives at work, where it says why it refused something.
const BYTES_MAX: usize = 512;

/// It is not seen, or changes what is seen beside it: a control character, one that breaks lines or turns the direction of what follows, or a tag.
pub(crate) fn is_hidden(c: char) -> bool {
    let turns = matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks_or_tags = matches!(c, '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || turns || breaks_or_tags
}

/// The text in one line, with a mark where something was hidden.
pub(crate) fn visible(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ").replace(is_hidden, "\u{fffd}")
}

/// The beginning of the text, visible.
pub(super) fn beginning(text: &str) -> String {
    let end = text.floor_char_boundary(BYTES_MAX);
    visible(&text[..end]) + if end < text.len() { " ..." } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_marked_and_what_is_long_is_cut() {
        assert_eq!(visible("甲烷 5 %LEL"), "甲烷 5 %LEL");
        assert_eq!(visible("a\u{1b}[2Kb\u{202e}c\nd"), "a\u{fffd}[2Kb\u{fffd}c d");
        assert_eq!(beginning("short"), "short");
        let long = "测".repeat(BYTES_MAX);
        assert_eq!(beginning(&long), format!("{} ...", "测".repeat(BYTES_MAX / 3)));
    }
}
