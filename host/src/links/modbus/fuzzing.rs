//! What a device may send, as functions of bytes. See [`crate::fuzzing`].

use super::bus::{Answer, Bus};
use super::decode::{Data, value};
use super::plan::Read;
use crate::config::types::{ModbusPoint, ModbusTable, ModbusType, WordOrder};
use brain::TagId;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without I/O");
}

const TABLES: [ModbusTable; 4] = [ModbusTable::Coil, ModbusTable::Discrete, ModbusTable::Holding, ModbusTable::Input];

/// Which table and how many items are asked for, then the device's answers to three such requests, as they come over the wire. Whatever is taken
/// for data must stand in the frame that answers this very request: transaction, unit, function and length.
pub fn frames(bytes: &[u8]) -> bool {
    let Some(([table, items], sent)) = bytes.split_first_chunk::<2>() else { return false };
    let (table, count) = (TABLES[usize::from(table % 4)], 1 + u16::from(*items % 125));
    let read = Read { unit: 1, table, address: 7, count, points: vec![0] };
    let mut bus = Bus::over(tokio::io::join(std::io::Cursor::new(sent.to_vec()), tokio::io::sink()));
    let mut rest = sent;
    for transaction in 0..3u16 {
        let answer = RUNTIME.with(|runtime| runtime.block_on(bus.read(&read, Duration::from_secs(1))));
        let Ok((next, answer)) = answer else { return transaction > 0 };
        let frame = frame(&mut rest).expect("an answer without a frame");
        assert_eq!(frame[..2], transaction.to_be_bytes(), "the answer to another request");
        assert_eq!((&frame[2..4], frame[6]), (&[0, 0][..], 1), "another protocol or unit");
        let function = TABLES.iter().position(|known| *known == table).unwrap_or_default() as u8 + 1;
        match answer {
            Answer::Data(data) => {
                assert_eq!(frame[7], function, "the answer to another function");
                let payload = match &data {
                    Data::Bits(bits) => {
                        assert_eq!(bits.len(), usize::from(count), "another number of bits");
                        bits.len().div_ceil(8)
                    }
                    Data::Registers(words) => {
                        let sent: Vec<u16> = frame[9..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
                        assert_eq!(words, &sent, "other values than were sent");
                        usize::from(count) * 2
                    }
                };
                assert_eq!((usize::from(frame[8]), frame.len()), (payload, payload + 9), "an answer of another length");
            }
            // What follows it is passed over by the library: an exception carries no value.
            Answer::Exception(code) => assert_eq!(frame[7..9], [function | 0x80, code], "an exception that was not sent"),
        }
        bus = next;
    }
    true
}

/// The next whole frame, by the length in its own header.
fn frame<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = rest.get(4..6).map(|length| usize::from(u16::from_be_bytes([length[0], length[1]])))?;
    let (frame, behind) = rest.split_at_checked(length + 6)?;
    *rest = behind;
    Some(frame)
}

/// Kind, order, place, scale and the pattern of no value, then registers. What is no number is never good.
pub fn registers(bytes: &[u8]) -> bool {
    let Some(([kind, order, at, scale @ ..], words)) = bytes.split_first_chunk::<12>() else { return false };
    let kinds = [ModbusType::Bool, ModbusType::U16, ModbusType::I16, ModbusType::U32, ModbusType::I32, ModbusType::F32];
    let orders = [WordOrder::Abcd, WordOrder::Cdab, WordOrder::Badc, WordOrder::Dcba];
    let f32_at = |at: usize| f32::from_be_bytes([scale[at], scale[at + 1], scale[at + 2], scale[at + 3]]);
    let point = ModbusPoint {
        tag: TagId(0),
        unit: 1,
        table: ModbusTable::Holding,
        address: 0,
        kind: kinds[usize::from(kind % 6)],
        order: orders[usize::from(order % 4)],
        scale: f32_at(0).into(),
        offset: f32_at(4).into(),
        no_value: (scale[8] & 1 == 1).then_some(0x8000),
        period_ms: 1000,
    };
    let words: Vec<u16> = words.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let (value, quality) = value(&point, &Data::Registers(words), usize::from(*at));
    assert!(value.is_finite() || quality.is_bad(), "{value} is {quality:?}");
    quality.is_good()
}
