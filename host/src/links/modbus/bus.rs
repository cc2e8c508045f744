//! One Modbus TCP connection that can only read. The only file that knows the client library.
//! Must not know: plans, points, quality.
//!
//! A [`Bus`] is used up by every read and given back only with an answer that fits: after anything else (silence, a wrong header, a wrong
//! length, a closed stream) the next answer could belong to this request, so the connection must not live on. Values are never taken
//! out of an error.

use super::decode::Data;
use super::plan::Read;
use crate::config::types::ModbusTable;
use std::fmt::Debug;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
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

/// Why a connection had to be given up. The texts are for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Poison {
    /// The other side closed it: nothing more can come.
    Closed(String),
    /// Silence, or an answer that does not fit: the right one may still be on its way, through a gateway even into the next connection.
    Unfit(String),
}

impl Bus {
    /// Connects. The error is for people.
    pub(super) async fn connect(host: &str, port: u16, limit: Duration) -> Result<Bus, String> {
        let stream = timeout(limit, TcpStream::connect((host, port)))
            .await
            .map_err(|_| format!("no connection within {} ms", limit.as_millis()))?
            .map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        Ok(Bus::over(stream))
    }

    /// A connection that is open already.
    pub(super) fn over(stream: impl AsyncRead + AsyncWrite + Debug + Unpin + Send + 'static) -> Bus {
        Bus(tcp::attach(stream))
    }

    /// Asks once. After an error the connection is closed.
    pub(super) async fn read(mut self, read: &Read, limit: Duration) -> Result<(Bus, Answer), Poison> {
        let (address, items) = (read.address, read.count);
        let request = match read.table {
            ModbusTable::Coil => Request::ReadCoils(address, items),
            ModbusTable::Discrete => Request::ReadDiscreteInputs(address, items),
            ModbusTable::Holding => Request::ReadHoldingRegisters(address, items),
            ModbusTable::Input => Request::ReadInputRegisters(address, items),
        };
        self.0.set_slave(Slave(read.unit));
        let unit = read.unit;
        let unfit = |what: &str| Poison::Unfit(format!("unit {unit} sent {what}"));
        let answer = timeout(limit, self.0.call(request))
            .await
            .map_err(|_| Poison::Unfit(format!("no answer from unit {unit} within {} ms", limit.as_millis())))?;
        match answer {
            Ok(Ok(response)) => match data(read, response) {
                Some(data) => Ok((self, Answer::Data(data))),
                None => Err(unfit("an answer of the wrong length")),
            },
            Ok(Err(exception)) => Ok((self, Answer::Exception(exception.into()))),
            // The text of a mismatch shows stale values; what matters is that it did not fit.
            Err(tokio_modbus::Error::Protocol(_)) => Err(unfit("an answer to another question")),
            Err(tokio_modbus::Error::Transport(error)) => Err(match error.kind() {
                ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                    unfit(&format!("an answer that is not Modbus: {error}"))
                }
                // The library gives the operating system's last error for a closed stream, whatever it was.
                _ => Poison::Closed(format!("the connection ended while unit {unit} was asked")),
            }),
        }
    }
}

/// Only an answer of exactly the right kind and length is data.
fn data(read: &Read, response: Response) -> Option<Data> {
    let wanted = usize::from(read.count);
    match (read.table, response) {
        (ModbusTable::Holding, Response::ReadHoldingRegisters(words))
        | (ModbusTable::Input, Response::ReadInputRegisters(words))
            if words.len() == wanted =>
        {
            Some(Data::Registers(words))
        }
        // Bits come in whole bytes.
        (ModbusTable::Coil, Response::ReadCoils(mut bits)) | (ModbusTable::Discrete, Response::ReadDiscreteInputs(mut bits))
            if bits.len() == wanted.next_multiple_of(8) =>
        {
            bits.truncate(wanted);
            Some(Data::Bits(bits))
        }
        _ => None,
    }
}
