//! TOML values as plain ones: texts, numbers, spans of time, what is shown of them, and the name most like another.
//! Must not know: tables, keys, faults.

use toml::de::DeValue;

/// What [`filled`] takes.
pub(super) const FILLED: &str =
    "a text of 1 to 4096 characters that can be seen: no line break, nothing hidden, nothing that turns the direction";
const TEXT_CHARS_MAX: usize = 4096;

/// A text that says something, and nothing but what is seen.
pub(super) fn filled(value: &DeValue<'_>) -> Option<String> {
    value.as_str().filter(|text| !text.trim().is_empty() && is_plain(text)).map(str::to_owned)
}

/// No control, no mark that hides or turns what stands beside it, and no book.
pub(super) fn is_plain(text: &str) -> bool {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    !text.contains(hidden) && text.chars().count() <= TEXT_CHARS_MAX
}

/// A number as written, whole or not; NaN and infinities are no limits.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    let float = || value.as_float()?.as_str().replace('_', "").parse::<f64>().ok();
    whole(value).map(|n| n as f64).or_else(float).filter(|n| n.is_finite())
}

/// A whole number in any of TOML's notations.
pub(super) fn whole(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// Most values of a list that are shown.
const SHOWN_MAX: usize = 4;

/// What stands there, short enough to read.
pub(super) fn show(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => shown(text),
        DeValue::Integer(number) if number.as_str().is_empty() => "a number without digits".to_owned(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Array(all) => {
            let first: Vec<String> = all.iter().take(SHOWN_MAX).map(|item| show(item.get_ref())).collect();
            format!("[{}{}]", first.join(", "), if all.len() > SHOWN_MAX { ", ..." } else { "" })
        }
        other => format!("a TOML {}", other.type_str()),
    }
}

/// A text as it stands, short enough to read, what is hidden in it spelled out.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// `30s` as milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "min" => 60e3,
        "h" => 3_600e3,
        "d" => 86_400e3,
        _ => return None,
    };
    let number = Some(number).filter(|n| n.starts_with(|c: char| c.is_ascii_digit()))?;
    let ms = number.parse::<f64>().ok()? * factor;
    (ms.is_finite() && (0.0..1e15).contains(&ms)).then_some(ms.round() as u64)
}

/// The shortest way to write a span of time.
pub(super) fn span(ms: u64) -> String {
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)] {
        if ms >= size && ms.is_multiple_of(size) {
            return format!("{}{unit}", ms / size);
        }
    }
    format!("{ms}ms")
}

/// The known name most like `found`, if one is like it at all.
pub(crate) fn nearest<'n>(found: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    let known: Vec<&str> = known.collect();
    let distance = |name: &str| strsim::damerau_levenshtein(&found.to_lowercase(), &name.to_lowercase());
    let near = known.iter().copied().min_by_key(|name| (distance(name), *name));
    let near = near.filter(|name| distance(name) <= 1 + found.chars().count() / 3);
    // `temp` for `temperature`, and the other way round.
    let begun = || known.iter().copied().find(|name| !found.is_empty() && (name.starts_with(found) || found.starts_with(name)));
    near.or_else(begun).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_like_another_by_few_slips_or_as_its_beginning() {
        let known = ["air", "temperature", "limit"];
        for (found, meant) in [
            ("ari", Some("air")),
            ("Limit", Some("limit")),
            ("temp", Some("temperature")),
            ("limit_low_threshold", Some("limit")),
            ("pressure", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, known.into_iter()).as_deref(), meant, "{found}");
        }
        assert_eq!(nearest("air", [].into_iter()), None);
    }
}
