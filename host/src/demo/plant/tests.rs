//! The script tells the promised story, and a real MQTT and Modbus client can hear it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::demo::broker;
use rumqttc::{Event, Packet};
use std::collections::BTreeSet;
use tokio_modbus::prelude::*;

fn value(tag: &str, seconds: f64) -> Option<f64> {
    let point = SCRIPT.iter().find(|p| p.tag == tag).unwrap();
    point.value(7, seconds)
}

fn number(tag: &str, seconds: f64) -> f64 {
    value(tag, seconds).unwrap()
}

#[test]
fn the_first_minute_has_everything_and_then_it_calms() {
    assert_eq!(
        (
            number("PC-301", 0.0),
            number("PC-301", 8.0),
            number("PC-301", 20.0)
        ),
        (1.0, 2.0, 4.0)
    );
    assert!(number("TT-301", 0.0) < 26.0 && number("TT-301", 40.0) > 34.0);
    assert!(number("GT-101", 50.0) > 50.0 && number("GT-102", 50.0) > 50.0);
    assert!(number("GT-103", 50.0) < 5.0 && number("PT-101", 50.0) < 260.0);
    assert_ne!(value("TT-401", 8.0), value("TT-401", 9.0));
    assert_eq!(value("TT-401", 12.0), value("TT-401", 200.0));
    assert!(value("TT-501", 9.0).is_some() && value("TT-501", 11.0).is_none());
    let calm = |tag| number(tag, 700.0);
    assert!(calm("TT-301") < 26.0 && calm("GT-101") < 5.0 && calm("PC-301") == 1.0);
    assert!(value("TT-501", 700.0).is_some());
    assert_ne!(value("TT-401", 700.0), value("TT-401", 701.0));
}

#[test]
fn a_seed_is_a_plant() {
    let point = SCRIPT.iter().find(|p| p.tag == "TT-302").unwrap();
    let line = |seed| -> Vec<_> { (0..50).map(|t| point.value(seed, f64::from(t))).collect() };
    assert_eq!(line(1), line(1));
    assert_ne!(line(1), line(2));
    for point in SCRIPT {
        for t in 0..2000 {
            let value = point.value(3, f64::from(t));
            assert!(value.is_none_or(f64::is_finite), "{} at {t}", point.tag);
        }
    }
}

#[tokio::test]
async fn it_speaks_mqtt_and_modbus() {
    let port = broker::free_port().unwrap();
    broker::start(port).await.unwrap();
    let taken = broker::start(port).await.unwrap_err();
    assert!(taken.to_string().contains("taken"), "{taken}");

    let modbus = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = modbus.local_addr().unwrap();
    let mut options = MqttOptions::new("listener", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut connection) = AsyncClient::new(options, 10);
    client.subscribe("plant/#", QoS::AtLeastOnce).await.unwrap();
    while !matches!(
        connection.poll().await.unwrap(),
        Event::Incoming(Packet::SubAck(_))
    ) {}

    let stop = CancellationToken::new();
    let plant = tokio::spawn(run(port, modbus, 7, 10.0, stop.clone()));
    let wanted: BTreeSet<String> = SCRIPT
        .iter()
        .filter(|p| p.at == At::Mqtt)
        .map(|p| format!("plant/{}", p.tag))
        .collect();
    let mut heard = BTreeSet::new();
    while heard != wanted {
        if let Event::Incoming(Packet::Publish(publish)) = connection.poll().await.unwrap() {
            let json: serde_json::Value = serde_json::from_slice(&publish.payload).unwrap();
            assert!(json["v"].is_number() && json["t"].is_u64(), "{json}");
            heard.insert(publish.topic);
        }
    }

    let mut device = tcp::connect_slave(address, Slave(1)).await.unwrap();
    let words = device.read_input_registers(0, 8).await.unwrap().unwrap();
    let pressure = f32::from_bits(u32::from(words[6]) << 16 | u32::from(words[7]));
    assert!((200.0..=310.0).contains(&pressure), "{pressure}");
    assert!(device.read_holding_registers(0, 1).await.unwrap().unwrap()[0] <= 1700);
    device.read_discrete_inputs(0, 1).await.unwrap().unwrap();
    assert_eq!(
        device.read_input_registers(7, 2).await.unwrap(),
        Err(ExceptionCode::IllegalDataAddress)
    );
    assert_eq!(
        device.write_single_register(0, 1).await.unwrap(),
        Err(ExceptionCode::IllegalFunction)
    );
    stop.cancel();
    plant.await.unwrap().unwrap();
}
