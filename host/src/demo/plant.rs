//! The simulated plant on its wires: publishes over real MQTT and answers real Modbus TCP, both on loopback.
//! Must not know: what happens in the plant (that is `script`), the program that watches it, what it makes of the values.

use super::script::{At, Point, SCRIPT};
use anyhow::{Context, Result};
use rumqttc::{AsyncClient, EventLoop, MqttOptions, QoS};
use std::future::{Ready, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tokio_util::sync::CancellationToken;

/// Seconds of script between two publishes of a tag.
const PERIOD_S: f64 = 1.0;
/// Modbus unit that answers.
const UNIT: u8 = 1;

/// Script time of a plant.
#[derive(Clone, Copy, Debug)]
struct Clock {
    started: Instant,
    seed: u64,
    speed: f64,
}

impl Clock {
    fn value(&self, point: &Point) -> Option<f64> {
        point.value(self.seed, self.started.elapsed().as_secs_f64() * self.speed)
    }
}

/// Runs the plant until `stop`: publishes at the broker on `127.0.0.1:mqtt_port`, answers Modbus on `modbus`. `speed` 1 = real time.
pub async fn run(mqtt_port: u16, modbus: TcpListener, seed: u64, speed: f64, stop: CancellationToken) -> Result<()> {
    anyhow::ensure!(speed > 0.0 && speed.is_finite(), "speed {speed} must be above 0");
    let clock = Clock { started: Instant::now(), seed, speed };
    let mut options = MqttOptions::new("demo-plant", Ipv4Addr::LOCALHOST.to_string(), mqtt_port);
    options.set_keep_alive(Duration::from_secs(5));
    let (client, connection) = AsyncClient::new(options, 256);
    tokio::select! {
        () = connect(connection) => Ok(()),
        () = publish(client, clock) => Ok(()),
        served = serve(modbus, clock) => served.context("the simulated plant's Modbus server"),
        () = stop.cancelled() => Ok(()),
    }
}

/// Keeps the connection to the broker. Never ends.
async fn connect(mut connection: EventLoop) {
    loop {
        if let Err(error) = connection.poll().await {
            tracing::warn!(%error, "the simulated plant lost its broker");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Publishes every MQTT point once a period. Never ends.
async fn publish(client: AsyncClient, clock: Clock) {
    let period = Duration::from_secs_f64((PERIOD_S / clock.speed).clamp(0.1, 10.0));
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        for point in SCRIPT.iter().filter(|p| p.at == At::Mqtt) {
            let Some(value) = clock.value(point) else {
                continue;
            };
            let topic = format!("plant/{}", point.tag);
            // A sensor does not wait for a broker that is away: its value is gone.
            if let Err(error) = client.try_publish(topic, QoS::AtLeastOnce, false, payload(value)) {
                tracing::warn!(%error, "the simulated plant could not publish");
                break;
            }
        }
    }
}

fn payload(value: f64) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |d| d.as_millis());
    // Three decimals: a multiple of a step of 0.01 is not exact in binary.
    let value = (value * 1000.0).round() / 1000.0;
    format!("{{\"v\":{value},\"t\":{ms}}}")
}

async fn serve(listener: TcpListener, clock: Clock) -> io::Result<()> {
    let connected = |stream: TcpStream, _from: SocketAddr| async move {
        stream.set_nodelay(true)?;
        Ok(Some((Registers(clock), stream)))
    };
    Server::new(listener)
        .serve(&connected, |error| tracing::debug!(%error, "the simulated plant's Modbus server lost a client"))
        .await
}

/// Answers reads from the script; refuses all else.
struct Registers(Clock);

impl Service for Registers {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        if request.slave != UNIT {
            return ready(Err(ExceptionCode::GatewayTargetDevice));
        }
        ready(match request.request {
            Request::ReadInputRegisters(from, count) => self.words(from, count, input).map(Response::ReadInputRegisters),
            Request::ReadHoldingRegisters(from, count) => self.words(from, count, holding).map(Response::ReadHoldingRegisters),
            Request::ReadDiscreteInputs(from, count) => self
                .words(from, count, discrete)
                .map(|words| Response::ReadDiscreteInputs(words.iter().map(|w| *w != 0).collect())),
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

/// Finds a word of one table: the point's value, and the point's place, to the word at an address.
type Table = fn(At, f64, u16) -> Option<u16>;

impl Registers {
    fn words(&self, from: u16, count: u16, table: Table) -> Result<Vec<u16>, ExceptionCode> {
        let word = |offset: u16| {
            let address = from.checked_add(offset)?;
            SCRIPT.iter().find_map(|p| table(p.at, self.0.value(p)?, address))
        };
        (0..count).map(|i| word(i).ok_or(ExceptionCode::IllegalDataAddress)).collect()
    }
}

fn input(at: At, value: f64, address: u16) -> Option<u16> {
    let At::Input(first) = at else { return None };
    let bits = (value as f32).to_bits();
    match address.checked_sub(first)? {
        0 => Some((bits >> 16) as u16),
        1 => Some(bits as u16),
        _ => None,
    }
}

fn holding(at: At, value: f64, address: u16) -> Option<u16> {
    (at == At::Holding(address)).then_some((value * 10.0).round() as u16)
}

fn discrete(at: At, value: f64, address: u16) -> Option<u16> {
    (at == At::Discrete(address)).then_some(u16::from(value >= 0.5))
}

#[cfg(test)]
mod tests;
