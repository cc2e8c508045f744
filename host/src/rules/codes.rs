//! What inputs of states may say: a value that is none of an input's declared codes is not believed, whatever its sensor says of it.
//! Must not know: what a code means, where rows come from.

use brain::event::Row;
use brain::reading::Quality;
use std::borrow::Cow;

/// The codes of each handle; none: a quantity.
#[derive(Debug)]
pub(super) struct Codes {
    by_handle: Vec<Vec<u32>>,
    some: bool,
}

impl Codes {
    pub(super) fn new(by_handle: Vec<Vec<u32>>) -> Codes {
        Codes { some: by_handle.iter().any(|codes| !codes.is_empty()), by_handle }
    }

    /// The rows as the rule may see them.
    pub(super) fn judged<'r>(&self, rows: &'r [Row]) -> Cow<'r, [Row]> {
        match self.some {
            true => rows.iter().map(|row| self.one(*row)).collect(),
            false => Cow::Borrowed(rows),
        }
    }

    /// The same of one row. Its number stays, as that of every impossible value does.
    pub(super) fn one(&self, row: Row) -> Row {
        let codes = self.by_handle.get(row.handle as usize).map_or(&[][..], Vec::as_slice);
        let known = codes.is_empty() || codes.iter().any(|code| f64::from(*code) == row.value);
        match known || row.quality.is_bad() {
            true => row,
            false => Row { quality: Quality::IMPOSSIBLE, ..row },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_declared_code_is_never_good() {
        let codes = Codes::new(vec![vec![], vec![0, 2]]);
        let (good, late, bad) = (Quality::GOOD, Quality::LATE, Quality::IMPOSSIBLE);
        for (handle, value, quality, expected) in [
            (0, 1.0, good, good),
            (1, 0.0, good, good),
            (1, 2.0, late, late),
            (1, 1.0, good, bad),
            (1, 1.0, late, bad),
            (1, 0.5, good, bad),
            (1, f64::NAN, good, bad),
            (1, 1.0, Quality::SILENT, Quality::SILENT),
            (9, 1.0, good, good),
        ] {
            let rows = [Row { handle, value, quality, source_us: 7 }];
            let seen = codes.judged(&rows);
            assert_eq!((seen[0].quality, seen[0].value.to_bits()), (expected, value.to_bits()), "{handle} {value}");
        }
        assert!(matches!(Codes::new(vec![vec![]]).judged(&[]), Cow::Borrowed(_)), "quantities cost nothing");
    }
}
