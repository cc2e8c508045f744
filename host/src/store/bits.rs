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

/// Takes `count` numbers from the front of `bytes`, in place of what `into` held.
pub fn take(bytes: &mut &[u8], count: usize, into: &mut Vec<u64>) -> anyhow::Result<()> {
    into.clear();
    into.reserve(count);
    let (low, rest) = bytes.split_first().context("a list of numbers is cut short")?;
    ensure!(*low < 64, "a list of numbers has {low} low bits");
    let low = u32::from(*low);
    let mut at = 0usize;
    while into.len() < count {
        let word = word(rest, at);
        let run = (!word).trailing_zeros();
        if run >= RUN_MAX as u32 {
            at += RUN_MAX as usize;
            let length = bits(rest, at, ESCAPED_BITS as u32) as u32 + 1;
            at += ESCAPED_BITS as usize;
            into.push(bits(rest, at, length));
            at += length as usize;
        } else if low == 0 && run == 0 {
            // What does not change is a zero per number.
            let zeros = (word.trailing_zeros().min(WORD_BITS) as usize).min(count - into.len());
            into.resize(into.len() + zeros, 0);
            at += zeros;
        } else {
            ensure!(u64::from(run).leading_zeros() >= low, "a number in a list is too large");
            at += run as usize + 1;
            let rest_of_it = if run + 1 + low <= WORD_BITS { word >> (run + 1) & mask(low) } else { bits(rest, at, low) };
            into.push(u64::from(run) << low | rest_of_it);
            at += low as usize;
        }
        ensure!(at <= rest.len() * 8, "a list of numbers is cut short");
    }
    *bytes = &rest[at.div_ceil(8)..];
    Ok(())
}

/// Bits that [`word`] gives at least.
const WORD_BITS: u32 = 57;

/// The bits from number `at` on, the first lowest; zeros behind the end.
fn word(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at / 8..).unwrap_or_default();
    let word = match bytes.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    word >> (at % 8)
}

/// So many bits, at most 64, from number `at` on.
fn bits(bytes: &[u8], at: usize, count: u32) -> u64 {
    let first = word(bytes, at) & mask(count.min(32));
    if count <= 32 { first } else { first | (word(bytes, at + 32) & mask(count - 32)) << 32 }
}

fn mask(bits: u32) -> u64 {
    if bits == 0 { 0 } else { u64::MAX >> (64 - bits) }
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
                let mut taken = vec![7];
                take(&mut rest, list.len(), &mut taken).unwrap();
                prop_assert_eq!(&taken, list);
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..100), count in 0usize..200) {
            let _ = take(&mut &bytes[..], count, &mut vec![]);
        }
    }
}
