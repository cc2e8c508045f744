//! From registers and bits to one reading's value and quality. Pure and total.
//! Must not know: connections, units, plans.

use crate::config::types::{ModbusPoint, ModbusType, WordOrder};
use brain::Quality;

/// Full, fitting data of one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// Functions 3 and 4.
    Registers(Vec<u16>),
    /// Functions 1 and 2.
    Bits(Vec<bool>),
}

/// How many registers or bits a value takes.
pub(super) fn width(kind: ModbusType) -> u16 {
    match kind {
        ModbusType::Bool | ModbusType::U16 | ModbusType::I16 => 1,
        ModbusType::U32 | ModbusType::I32 | ModbusType::F32 => 2,
    }
}

/// The value of `point` that begins `at` items into `data`. Data too short for it is a failed read, never a value.
pub(super) fn value(point: &ModbusPoint, data: &Data, at: usize) -> (f64, Quality) {
    let Some(bits) = bits(point, data, at) else {
        return (f64::NAN, Quality::BAD);
    };
    if point.no_value == Some(bits) {
        return (f64::NAN, Quality::SENSOR_FAILURE);
    }
    let raw = match point.kind {
        ModbusType::Bool => f64::from(u8::from(bits != 0)),
        ModbusType::U16 | ModbusType::U32 => f64::from(bits),
        ModbusType::I16 => f64::from(bits as u16 as i16),
        ModbusType::I32 => f64::from(bits as i32),
        ModbusType::F32 => f64::from(f32::from_bits(bits)),
    };
    let value = raw * point.scale + point.offset;
    let quality = if value.is_finite() { Quality::GOOD } else { Quality::IMPOSSIBLE };
    (value, quality)
}

/// The raw pattern, most significant byte first.
fn bits(point: &ModbusPoint, data: &Data, at: usize) -> Option<u32> {
    match data {
        Data::Bits(bits) => bits.get(at).map(|bit| u32::from(*bit)),
        Data::Registers(words) if width(point.kind) == 1 => words.get(at).map(|word| u32::from(*word)),
        Data::Registers(words) => {
            let [a, b] = words.get(at)?.to_be_bytes();
            let [c, d] = words.get(at + 1)?.to_be_bytes();
            Some(u32::from_be_bytes(match point.order {
                WordOrder::Abcd => [a, b, c, d],
                WordOrder::Cdab => [c, d, a, b],
                WordOrder::Badc => [b, a, d, c],
                WordOrder::Dcba => [d, c, b, a],
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::modbus::tests::point;
    use ModbusType::{Bool, F32, I16, I32, U16, U32};
    use WordOrder::{Abcd, Badc, Cdab, Dcba};

    #[test]
    fn types_and_orders() {
        let pi = 3.140_625_f64; // 0x4049_0000: exact
        for (kind, order, words, want) in [
            (U16, Abcd, vec![0xFFFE], 65_534.0),
            (I16, Dcba, vec![0xFFFE], -2.0),
            (Bool, Abcd, vec![0x0100], 1.0),
            (U32, Abcd, vec![0x0102, 0x0304], 16_909_060.0),
            (U32, Cdab, vec![0x0304, 0x0102], 16_909_060.0),
            (U32, Badc, vec![0x0201, 0x0403], 16_909_060.0),
            (U32, Dcba, vec![0x0403, 0x0201], 16_909_060.0),
            (I32, Abcd, vec![0xFFFF, 0xFFFE], -2.0),
            (F32, Abcd, vec![0x4049, 0x0000], pi),
            (F32, Cdab, vec![0x0000, 0x4049], pi),
            (F32, Badc, vec![0x4940, 0x0000], pi),
            (F32, Dcba, vec![0x0000, 0x4940], pi),
        ] {
            let p = crate::config::types::ModbusPoint { kind, order, ..point(0) };
            assert_eq!(value(&p, &Data::Registers(words), 0), (want, Quality::GOOD), "{kind:?} {order:?}");
        }
        let p = crate::config::types::ModbusPoint { kind: Bool, ..point(0) };
        assert_eq!(value(&p, &Data::Bits(vec![false, true]), 1), (1.0, Quality::GOOD));
    }

    #[test]
    fn what_is_no_value_is_never_a_number() {
        let with = |kind, no_value| crate::config::types::ModbusPoint { kind, no_value, scale: 0.5, offset: -1.0, ..point(0) };
        let registers = |words: &[u16]| Data::Registers(words.to_vec());
        for (p, data, want) in [
            (with(U16, Some(0x8000)), registers(&[0x8000]), Quality::SENSOR_FAILURE),
            (with(F32, Some(0x7FC0_0000)), registers(&[0x7FC0, 0]), Quality::SENSOR_FAILURE),
            (with(F32, None), registers(&[0x7FC0, 0]), Quality::IMPOSSIBLE),
            (with(F32, None), registers(&[0x7F80, 0]), Quality::IMPOSSIBLE),
            (with(U32, None), registers(&[1]), Quality::BAD),
            (with(U16, None), Data::Bits(vec![]), Quality::BAD),
        ] {
            let (value, quality) = value(&p, &data, 0);
            assert!(!value.is_finite() && quality == want, "{value} {quality:?} for {data:?}");
        }
        assert_eq!(value(&with(U16, Some(0x8000)), &registers(&[100]), 0), (49.0, Quality::GOOD));
    }
}
