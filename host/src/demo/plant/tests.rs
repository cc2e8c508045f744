//! A real MQTT and a real Modbus client can hear the plant.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::demo::broker;
use rumqttc::{Event, Packet};
use std::collections::BTreeSet;
use tokio_modbus::prelude::*;

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
    while !matches!(connection.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}

    let stop = CancellationToken::new();
    let plant = tokio::spawn(run(port, modbus, 7, 1.0, stop.clone()));
    let wanted: BTreeSet<String> = SCRIPT.iter().filter(|p| p.at == At::Mqtt).map(|p| format!("plant/{}", p.tag)).collect();
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
    assert_eq!(device.read_input_registers(7, 2).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
    assert_eq!(device.write_single_register(0, 1).await.unwrap(), Err(ExceptionCode::IllegalFunction));
    stop.cancel();
    plant.await.unwrap().unwrap();
}
