//! An MQTT 3.1.1 broker inside the process, for the demonstration only.
//! Must not know: who publishes or subscribes.
//!
//! It keeps nothing on disk, drops the oldest messages of a slow subscriber without a word and cannot be stopped: its thread dies with
//! the process. Never a place to test a durability claim, never part of `run`.

use anyhow::{Context, Result};
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::TcpStream;

/// Times the new broker is knocked at, and the pause between: 5 s in all.
const KNOCKS: u32 = 100;
const KNOCK_EVERY: Duration = Duration::from_millis(50);

/// A port of loopback that nobody listens on now. The broker cannot be asked which port it got, so it must be told one.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}

/// Starts the broker on `127.0.0.1:port` and returns once it takes connections. An error says that the port is taken.
pub async fn start(port: u16) -> Result<()> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // The broker itself only logs a port that is taken, and never comes up.
    drop(TcpListener::bind(listen).with_context(|| format!("MQTT port {listen} is taken"))?);
    let mut broker = Broker::new(config(listen));
    std::thread::Builder::new().name("demo-broker".to_owned()).spawn(move || {
        if let Err(error) = broker.start() {
            tracing::error!(%error, "the demonstration's broker stopped");
        }
    })?;
    for _ in 0..KNOCKS {
        if TcpStream::connect(listen).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(KNOCK_EVERY).await;
    }
    anyhow::bail!("the demonstration's broker did not come up on {listen}")
}

fn config(listen: SocketAddr) -> Config {
    let settings = ServerSettings {
        name: "demo-mqtt".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 10_000,
            max_payload_size: 256 * 1024,
            max_inflight_count: 200,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    };
    Config {
        // The default segments of 100 MB each would fill the memory of a small machine.
        router: RouterConfig {
            max_connections: 64,
            max_outgoing_packet_count: 200,
            max_segment_size: 1024 * 1024,
            max_segment_count: 4,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("1".to_owned(), settings)])),
        ..Config::default()
    }
}
