//! A simulated plant: publishes over real MQTT and answers real Modbus TCP, both on loopback.
//! Owns: the script as data ([`SCRIPT`]): which point, where it is read, how its value runs.
//! Must not know: the program that watches it, its configuration, what it makes of the values.
//!
//! | Tag | Where | What |
//! |---|---|---|
//! | `TT-301` `TT-302` | MQTT `plant/<tag>` | air of the mixing room, °C |
//! | `HU-301` | MQTT | humidity of the mixing room, % |
//! | `PC-301` | MQTT | people in the mixing room (quota 2) |
//! | `TT-401` | MQTT | air of the press room, °C: freezes |
//! | `PC-401` | MQTT | people in the press room (quota 6) |
//! | `WX-001` | MQTT | thunderstorm, 0 or 1 |
//! | `TT-501` | MQTT | air of the store, °C: falls silent |
//! | `GT-101` `GT-102` `GT-103` | unit 1, input registers 0, 2, 4, f32 ABCD | combustible gas, %LEL |
//! | `PT-101` | unit 1, input register 6, f32 ABCD | gas line, kPa (nominal 300) |
//! | `FT-101` | unit 1, holding register 0, u16, scale 0.1 | gas line flow, m3/h |
//! | `XV-101` | unit 1, discrete input 0 | gas line valve open |
//!
//! An MQTT payload is `{"v": 23.41, "t": 1767323045123}`: value, and milliseconds since 1970. The value of a point is a pure function
//! of seed and script time, so both protocols need no shared state and the same seed gives the same plant.

use anyhow::{Context, Result};
use rumqttc::{AsyncClient, MqttOptions, QoS};
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

/// Seconds after which the script starts again. What goes wrong goes wrong in the first minute; the rest is calm.
pub const CYCLE_S: f64 = 900.0;
/// Seconds of script between two publishes of a tag.
const PERIOD_S: f64 = 1.0;
/// Modbus unit that answers.
const UNIT: u8 = 1;

/// Where a point is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Topic `plant/<tag>`.
    Mqtt,
    /// Two input registers from here, f32, ABCD.
    Input(u16),
    /// One holding register, tenths.
    Holding(u16),
    /// One discrete input.
    Discrete(u16),
}

/// How a value runs over one cycle: straight lines between corners, noise on top.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Tag.
    pub tag: &'static str,
    /// Where it is read.
    pub at: At,
    /// (second, value); held before the first and after the last.
    pub corners: &'static [(f64, f64)],
    /// Largest deviation.
    pub noise: f64,
    /// Smallest step of the value.
    pub step: f64,
    /// The value stands still from, to.
    pub frozen: Option<(f64, f64)>,
    /// Nothing is published from, to.
    pub silent: Option<(f64, f64)>,
}

const fn point(
    tag: &'static str,
    at: At,
    corners: &'static [(f64, f64)],
    noise: f64,
    step: f64,
) -> Point {
    Point {
        tag,
        at,
        corners,
        noise,
        step,
        frozen: None,
        silent: None,
    }
}

/// The whole plant.
pub const SCRIPT: &[Point] = &[
    point(
        "TT-301",
        At::Mqtt,
        &[(8.0, 25.0), (35.0, 36.5), (150.0, 36.5), (300.0, 25.0)],
        0.15,
        0.01,
    ),
    point(
        "TT-302",
        At::Mqtt,
        &[(8.0, 24.6), (40.0, 33.2), (150.0, 33.2), (300.0, 24.6)],
        0.15,
        0.01,
    ),
    point(
        "HU-301",
        At::Mqtt,
        &[(0.0, 66.0), (60.0, 62.0), (300.0, 66.0)],
        0.6,
        0.01,
    ),
    point(
        "PC-301",
        At::Mqtt,
        &[
            (3.0, 1.0),
            (4.0, 2.0),
            (12.0, 2.0),
            (13.0, 4.0),
            (160.0, 4.0),
            (161.0, 2.0),
            (240.0, 2.0),
            (241.0, 1.0),
        ],
        0.0,
        1.0,
    ),
    Point {
        frozen: Some((10.0, 260.0)),
        ..point("TT-401", At::Mqtt, &[(0.0, 23.5)], 0.15, 0.01)
    },
    point(
        "PC-401",
        At::Mqtt,
        &[
            (0.0, 4.0),
            (50.0, 4.0),
            (51.0, 5.0),
            (400.0, 5.0),
            (401.0, 3.0),
        ],
        0.0,
        1.0,
    ),
    point(
        "WX-001",
        At::Mqtt,
        &[(420.0, 0.0), (421.0, 1.0), (540.0, 1.0), (541.0, 0.0)],
        0.0,
        1.0,
    ),
    Point {
        silent: Some((10.0, 260.0)),
        ..point("TT-501", At::Mqtt, &[(0.0, 19.0)], 0.1, 0.01)
    },
    point(
        "GT-101",
        At::Input(0),
        &[(15.0, 2.0), (45.0, 58.0), (170.0, 58.0), (240.0, 2.0)],
        0.4,
        0.01,
    ),
    point(
        "GT-102",
        At::Input(2),
        &[(18.0, 1.5), (48.0, 54.0), (170.0, 54.0), (240.0, 1.5)],
        0.4,
        0.01,
    ),
    point("GT-103", At::Input(4), &[(0.0, 2.2)], 0.4, 0.01),
    point(
        "PT-101",
        At::Input(6),
        &[
            (15.0, 300.0),
            (45.0, 248.0),
            (120.0, 240.0),
            (170.0, 240.0),
            (260.0, 300.0),
        ],
        0.5,
        0.01,
    ),
    point(
        "FT-101",
        At::Holding(0),
        &[
            (15.0, 120.0),
            (45.0, 165.0),
            (90.0, 165.0),
            (95.0, 0.0),
            (240.0, 0.0),
            (260.0, 120.0),
        ],
        0.8,
        0.1,
    ),
    point(
        "XV-101",
        At::Discrete(0),
        &[(90.0, 1.0), (91.0, 0.0), (239.0, 0.0), (240.0, 1.0)],
        0.0,
        1.0,
    ),
];

impl Point {
    /// The value at a script time, or none while nothing is published. `seed` decides the noise, nothing else.
    pub fn value(&self, seed: u64, seconds: f64) -> Option<f64> {
        let t = seconds.rem_euclid(CYCLE_S);
        let within = |span: Option<(f64, f64)>| span.filter(|(from, to)| (*from..*to).contains(&t));
        if within(self.silent).is_some() {
            return None;
        }
        let seconds = match within(self.frozen) {
            Some((from, _)) => seconds - t + from,
            None => seconds,
        };
        let smooth = self.line(seconds.rem_euclid(CYCLE_S));
        let noisy = smooth + self.noise * deviation(seed, self.tag, seconds);
        Some(((noisy / self.step).round() * self.step).max(0.0))
    }

    fn line(&self, t: f64) -> f64 {
        let after = self.corners.partition_point(|(second, _)| *second <= t);
        match (
            after.checked_sub(1).map(|i| self.corners[i]),
            self.corners.get(after),
        ) {
            (Some((t0, v0)), Some((t1, v1))) => v0 + (v1 - v0) * (t - t0) / (t1 - t0),
            (Some((_, held)), None) | (None, Some(&(_, held))) => held,
            (None, None) => f64::NAN,
        }
    }
}

/// -1 to 1, mostly near 0; new every half second of script.
fn deviation(seed: u64, tag: &str, seconds: f64) -> f64 {
    let half_seconds = (seconds * 2.0).floor() as i64 as u64;
    let name = tag.bytes().fold(0u64, |hash, b| {
        hash.wrapping_mul(31).wrapping_add(u64::from(b))
    });
    let unit = |salt: u64| {
        let bits = mix(seed ^ mix(name ^ mix(half_seconds.wrapping_add(salt << 60))));
        (bits >> 11) as f64 / (1u64 << 53) as f64
    };
    unit(1) + unit(2) - 1.0
}

/// The finalizer of SplitMix64: every bit of the input moves every bit of the output.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

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
pub async fn run(
    mqtt_port: u16,
    modbus: TcpListener,
    seed: u64,
    speed: f64,
    stop: CancellationToken,
) -> Result<()> {
    anyhow::ensure!(
        speed > 0.0 && speed.is_finite(),
        "speed {speed} must be above 0"
    );
    let clock = Clock {
        started: Instant::now(),
        seed,
        speed,
    };
    tokio::select! {
        published = publish(mqtt_port, clock) => published,
        served = serve(modbus, clock) => served.context("the simulated plant's Modbus server"),
        () = stop.cancelled() => Ok(()),
    }
}

async fn publish(port: u16, clock: Clock) -> Result<()> {
    let mut options = MqttOptions::new("demo-plant", Ipv4Addr::LOCALHOST.to_string(), port);
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut connection) = AsyncClient::new(options, 256);
    let period = Duration::from_secs_f64((PERIOD_S / clock.speed).clamp(0.1, 10.0));
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            polled = connection.poll() => {
                if let Err(error) = polled {
                    tracing::warn!(%error, "the simulated plant lost its broker");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            _ = tick.tick() => {
                for point in SCRIPT.iter().filter(|p| p.at == At::Mqtt) {
                    let Some(value) = clock.value(point) else { continue };
                    let sent = client.try_publish(format!("plant/{}", point.tag), QoS::AtLeastOnce, false, payload(value));
                    if let Err(error) = sent {
                        tracing::warn!(%error, tag = point.tag, "the simulated plant lost a value");
                    }
                }
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
        .serve(
            &connected,
            |error| tracing::debug!(%error, "the simulated plant's Modbus server lost a client"),
        )
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
            Request::ReadInputRegisters(from, count) => self
                .words(from, count, input)
                .map(Response::ReadInputRegisters),
            Request::ReadHoldingRegisters(from, count) => self
                .words(from, count, holding)
                .map(Response::ReadHoldingRegisters),
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
            SCRIPT
                .iter()
                .find_map(|p| table(p.at, self.0.value(p)?, address))
        };
        (0..count)
            .map(|i| word(i).ok_or(ExceptionCode::IllegalDataAddress))
            .collect()
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
