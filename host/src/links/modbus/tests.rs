//! A scripted Modbus device that tells the truth or lies, on a port the system chose.
#![allow(clippy::unwrap_used)]

use crate::config::types::{ModbusPoint, ModbusTable, ModbusType, WordOrder};
use brain::TagId;

/// A 16-bit holding register of unit 1; the tag has the number of its address.
pub(super) fn point(address: u16) -> ModbusPoint {
    ModbusPoint {
        tag: TagId(address.into()),
        unit: 1,
        table: ModbusTable::Holding,
        address,
        kind: ModbusType::U16,
        order: WordOrder::Abcd,
        scale: 1.0,
        offset: 0.0,
        no_value: None,
        period_ms: 20,
    }
}
