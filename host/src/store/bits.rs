//! Lists of numbers, most of them small, in few bits: Rice code with an escape. Must not know: what the numbers are.
//!
//! One byte says how many low bits of a number stand as they are; the rest of it is a run of ones ended by a zero. A run of
//! [`RUN_MAX`] ones is the escape: six bits of length less one, then the number itself.

use anyhow::{Context, ensure};

const RUN_MAX: u64 = 20;
const ESCAPED_BITS: u64 = 6;

/// Appends numbers to `out`, padded to whole bytes.
pub fn put(out: &mut Vec<u8>, numbers: &[u64]) {
    let low = best_low(numbers);
    out.push(low as u8);
    let (mut word, mut used) = (0u128, 0u32);
    let mut push = |value: u64, bits: u32| {
        word |= u128::from(value) << used;
        used += bits;
        while used >= 8 {
            out.push(word as u8);
            word >>= 8;
            used -= 8;
        }
    };
    for number in numbers {
        let run = number >> low;
        if run < RUN_MAX {
            push((1 << run) - 1, run as u32 + 1);
            push(number & ((1 << low) - 1), low);
        } else {
            let length = 64 - number.leading_zeros();
            push((1 << RUN_MAX) - 1, RUN_MAX as u32);
            push(u64::from(length - 1), ESCAPED_BITS as u32);
            push(*number, length);
        }
    }
    push(0, 7);
}

/// Takes `count` numbers from the front of `bytes`.
pub fn take(bytes: &mut &[u8], count: usize) -> anyhow::Result<Vec<u64>> {
    let (low, rest) = bytes.split_first().context("a list of numbers is cut short")?;
    ensure!(*low < 64, "a list of numbers has {low} low bits");
    let mut at = 0usize;
    let mut bit = |n: u32| -> anyhow::Result<u64> {
        let mut value = 0;
        for i in 0..n {
            let byte = rest.get(at / 8).context("a list of numbers is cut short")?;
            value |= u64::from(byte >> (at % 8) & 1) << i;
            at += 1;
        }
        Ok(value)
    };
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        let mut run = 0;
        while run < RUN_MAX && bit(1)? == 1 {
            run += 1;
        }
        numbers.push(if run < RUN_MAX {
            ensure!(run.leading_zeros() >= u32::from(*low), "a number in a list is too large");
            run << low | bit(u32::from(*low))?
        } else {
            let length = bit(ESCAPED_BITS as u32)? as u32 + 1;
            bit(length)?
        });
    }
    *bytes = &rest[at.div_ceil(8)..];
    Ok(numbers)
}

/// Low bits that make the list shortest, among those that suit its middle.
fn best_low(numbers: &[u64]) -> u32 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let middle = sorted.get(sorted.len() / 2).map_or(0, |m| 64 - m.leading_zeros());
    let cost = |low: u32| -> u64 {
        let one = |n: &u64| match n >> low {
            run if run < RUN_MAX => run + 1 + u64::from(low),
            _ => RUN_MAX + ESCAPED_BITS + u64::from(64 - n.leading_zeros()),
        };
        numbers.iter().map(one).sum()
    };
    (middle.saturating_sub(2)..=(middle + 1).min(63)).min_by_key(|low| cost(*low)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(small in prop::collection::vec(0u64..200, 0..300), large in prop::collection::vec(any::<u64>(), 0..60)) {
            let mixed = [&small[..], &large[..]].concat();
            let mut out = vec![];
            for list in [&small, &large, &mixed] {
                put(&mut out, list);
            }
            let mut rest = &out[..];
            for list in [&small, &large, &mixed] {
                prop_assert_eq!(&take(&mut rest, list.len()).unwrap(), list);
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..100), count in 0usize..200) {
            let _ = take(&mut &bytes[..], count);
        }
    }
}
