//! Which registers are read together. Pure.
//! Must not know: connections, time, values.

use super::decode::width;
use crate::config::types::{ModbusPoint, ModbusTable};

/// Most registers in one answer (Modbus application protocol V1.1b3, 6.3).
const REGISTERS_MAX: u32 = 125;
/// Most coils or discrete inputs in one answer (the same, 6.1).
const BITS_MAX: u32 = 2000;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// Unit identifier.
    pub(super) unit: u8,
    /// Which table.
    pub(super) table: ModbusTable,
    /// First item.
    pub(super) address: u16,
    /// How many items.
    pub(super) count: u16,
    /// Indices of the points it serves, by address. Never empty.
    pub(super) points: Vec<usize>,
}

/// Merges neighbouring points of one period into requests: a gap of at most `gap_max` items is read in vain; no value is ever split
/// over two requests, since its halves could then be of different moments.
pub(super) fn plan(points: &[ModbusPoint], mut chosen: Vec<usize>, gap_max: u16) -> Vec<Read> {
    chosen.sort_by_key(|&i| (points[i].unit, points[i].table, points[i].address, i));
    let mut reads: Vec<Read> = Vec::new();
    for index in chosen {
        let point = &points[index];
        let (first, end) = span(point);
        if let Some(read) = reads.last_mut().filter(|r| r.unit == point.unit && r.table == point.table) {
            let read_end = u32::from(read.address) + u32::from(read.count);
            let merged = end.max(read_end) - u32::from(read.address);
            if first <= read_end + u32::from(gap_max) && merged <= items_max(point.table) {
                read.count = merged as u16; // at most 2000
                read.points.push(index);
                continue;
            }
        }
        reads.push(Read {
            unit: point.unit,
            table: point.table,
            address: point.address,
            count: width(point.kind),
            points: vec![index],
        });
    }
    reads
}

impl Read {
    /// Two requests for the halves of the points; none where there is only one point.
    pub(super) fn halves(&self, points: &[ModbusPoint]) -> Option<[Read; 2]> {
        let (low, high) = self.points.split_at(self.points.len() / 2);
        (!low.is_empty()).then(|| [low, high].map(|part| self.narrowed(points, part)))
    }

    fn narrowed(&self, points: &[ModbusPoint], part: &[usize]) -> Read {
        // By address, so the first begins first; a wide value before the last may still end after it.
        let address = points[part[0]].address;
        let end = part.iter().map(|&i| span(&points[i]).1).max().unwrap_or_default();
        Read { address, count: (end - u32::from(address)) as u16, points: part.to_vec(), ..*self }
    }
}

fn span(point: &ModbusPoint) -> (u32, u32) {
    let first = u32::from(point.address);
    (first, first + u32::from(width(point.kind)))
}

fn items_max(table: ModbusTable) -> u32 {
    match table {
        ModbusTable::Coil | ModbusTable::Discrete => BITS_MAX,
        ModbusTable::Holding | ModbusTable::Input => REGISTERS_MAX,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::types::ModbusType;
    use crate::links::modbus::tests::point;
    use proptest::prelude::*;

    fn shape(points: &[ModbusPoint], gap: u16) -> Vec<(u8, u16, u16, usize)> {
        let reads = plan(points, (0..points.len()).collect(), gap);
        reads.iter().map(|r| (r.unit, r.address, r.count, r.points.len())).collect()
    }

    #[test]
    fn merges_up_to_the_gap_and_never_over_units_or_tables() {
        let at = |address| point(address);
        assert_eq!(shape(&[at(10), at(0), at(5)], 4), [(1, 0, 11, 3)]);
        assert_eq!(shape(&[at(10), at(0), at(5)], 3), [(1, 0, 1, 1), (1, 5, 1, 1), (1, 10, 1, 1)]);
        let other_unit = ModbusPoint { unit: 2, ..at(1) };
        let other_table = ModbusPoint { table: ModbusTable::Input, ..at(1) };
        assert_eq!(shape(&[at(0), other_table, other_unit], 8), [(1, 0, 1, 1), (1, 1, 1, 1), (2, 1, 1, 1)]);
        let same = [at(3), at(3)];
        assert_eq!(shape(&same, 0), [(1, 3, 1, 2)]);
    }

    #[test]
    fn cuts_at_125_registers_without_splitting_a_value() {
        let wide = |address| ModbusPoint { kind: ModbusType::F32, ..point(address) };
        let points: Vec<_> = (0..100).map(|i| wide(i * 2)).collect();
        assert_eq!(shape(&points, 0), [(1, 0, 124, 62), (1, 124, 76, 38)]);
        let coil = |address| ModbusPoint { table: ModbusTable::Coil, kind: ModbusType::Bool, ..point(address) };
        assert_eq!(shape(&[coil(0), coil(1999), coil(2000)], 2000), [(1, 0, 2000, 2), (1, 2000, 1, 1)]);
        assert_eq!(shape(&[wide(65_534)], 8), [(1, 65_534, 2, 1)]);
    }

    #[test]
    fn halves_go_down_to_single_points() {
        let points: Vec<_> = [0, 1, 9].map(point).into();
        let [whole] = plan(&points, vec![0, 1, 2], 8).try_into().unwrap();
        let [low, high] = whole.halves(&points).unwrap();
        assert_eq!((low.address, low.count, high.address, high.count), (0, 1, 1, 9));
        assert!(low.halves(&points).is_none());
        assert!(high.halves(&points).unwrap().iter().all(|r| r.count == 1));
    }

    proptest! {
        #[test]
        fn every_point_is_read_whole_and_once(items in prop::collection::vec((0u8..3, 0u16..600, any::<bool>()), 1..80), gap in 0u16..200) {
            let points: Vec<_> = items.iter().map(|&(unit, address, wide)| ModbusPoint {
                unit, kind: if wide { ModbusType::U32 } else { ModbusType::I16 }, ..point(address)
            }).collect();
            let mut seen = vec![0; points.len()];
            for read in plan(&points, (0..points.len()).collect(), gap) {
                prop_assert!(read.count >= 1 && read.count <= 125);
                for &i in &read.points {
                    seen[i] += 1;
                    let (first, end) = span(&points[i]);
                    prop_assert!(points[i].unit == read.unit && first >= read.address.into());
                    prop_assert!(end <= u32::from(read.address) + u32::from(read.count));
                }
            }
            prop_assert!(seen.iter().all(|&n| n == 1));
        }
    }
}
