//! One Modbus TCP connection that can only read. The only file that knows the client library.
//! Must not know: plans, points, quality.
//!
//! A [`Bus`] is used up by every read and given back only with an answer that fits: after anything else (silence, a wrong header, a wrong
//! length, a closed stream) the next answer could belong to this request, so the connection must not live on. Values are never taken
//! out of an error.

use super::decode::Data;
use super::plan::Read;
use crate::config::types::ModbusTable;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{Request, Response};

/// An open connection with no request under way.
pub(super) struct Bus(Context);

/// What a device may properly answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Exactly what was asked for.
    Data(Data),
    /// An exception code.
    Exception(u8),
}

impl Bus {
    /// Connects. The error is for people.
    pub(super) async fn connect(host: &str, port: u16, limit: Duration) -> Result<Bus, String> {
        let stream = timeout(limit, TcpStream::connect((host, port)))
            .await
            .map_err(|_| format!("no connection within {} ms", limit.as_millis()))?
            .map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        Ok(Bus(tcp::attach(stream)))
    }

    /// Asks once. An error has poisoned the connection; it is closed by the time the error is returned.
    pub(super) async fn read(
        mut self,
        read: &Read,
        limit: Duration,
    ) -> Result<(Bus, Answer), String> {
        let (address, items) = (read.address, read.count);
        let request = match read.table {
            ModbusTable::Coil => Request::ReadCoils(address, items),
            ModbusTable::Discrete => Request::ReadDiscreteInputs(address, items),
            ModbusTable::Holding => Request::ReadHoldingRegisters(address, items),
            ModbusTable::Input => Request::ReadInputRegisters(address, items),
        };
        self.0.set_slave(Slave(read.unit));
        let answer = timeout(limit, self.0.call(request)).await.map_err(|_| {
            format!(
                "no answer from unit {} within {} ms",
                read.unit,
                limit.as_millis()
            )
        })?;
        let data = match answer {
            Ok(Ok(response)) => data(read, response)?,
            Ok(Err(exception)) => return Ok((self, Answer::Exception(exception.into()))),
            // The text of a mismatch shows stale values; what matters is that it did not fit.
            Err(tokio_modbus::Error::Protocol(_)) => {
                return Err(format!(
                    "unit {} sent an answer to another question",
                    read.unit
                ));
            }
            Err(tokio_modbus::Error::Transport(error)) => return Err(transport(read.unit, &error)),
        };
        Ok((self, Answer::Data(data)))
    }
}

/// Only an answer of exactly the right kind and length is data.
fn data(read: &Read, response: Response) -> Result<Data, String> {
    let wanted = usize::from(read.count);
    match (read.table, response) {
        (ModbusTable::Holding, Response::ReadHoldingRegisters(words))
        | (ModbusTable::Input, Response::ReadInputRegisters(words))
            if words.len() == wanted =>
        {
            Ok(Data::Registers(words))
        }
        // Bits come in whole bytes.
        (ModbusTable::Coil, Response::ReadCoils(mut bits))
        | (ModbusTable::Discrete, Response::ReadDiscreteInputs(mut bits))
            if bits.len() == wanted.next_multiple_of(8) =>
        {
            bits.truncate(wanted);
            Ok(Data::Bits(bits))
        }
        _ => Err(format!(
            "unit {} sent an answer of the wrong length",
            read.unit
        )),
    }
}

fn transport(unit: u8, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::InvalidData
        | std::io::ErrorKind::InvalidInput
        | std::io::ErrorKind::UnexpectedEof => {
            format!("unit {unit} sent an answer that is not Modbus: {error}")
        }
        // The library gives the operating system's last error for a closed stream, whatever it was.
        _ => format!("the connection ended while unit {unit} was asked"),
    }
}
