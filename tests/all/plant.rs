//! The real program between real strangers: mosquitto, a pymodbus server and a receiver of CAP. A value over its limit becomes an alarm, a message
//! to the bureau, and a named person's answer; a device that goes away becomes a finding. Must not know: any type of the host.

use crate::process::{Process, eventually, free_port, mosquitto, peer_or_skip, root};
use crate::receiver::Receiver;
use crate::site::{Site, TOKEN, get, post};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

#[test]
fn plant_with_mosquitto_and_pymodbus_from_reading_to_answer() {
    let test = "plant_with_mosquitto_and_pymodbus_from_reading_to_answer";
    let pymodbus = Command::new("python3").args(["-c", "import pymodbus"]).output().is_ok_and(|out| out.status.success());
    let broker = mosquitto();
    if !peer_or_skip(test, "mosquitto", broker.is_some())
        || !peer_or_skip(test, "pymodbus (pip install pymodbus==3.16.1)", pymodbus)
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mqtt, modbus, console) = (free_port(), free_port(), free_port());
    let conf = folder.path().join("mosquitto.conf");
    std::fs::write(&conf, format!("listener {mqtt} 127.0.0.1\nallow_anonymous true\n")).unwrap();
    let _broker = Process::start(broker.unwrap(), &["-c", conf.to_str().unwrap()]);
    let script = root().join("tests/peers/pymodbus_plant.py");
    let device = Process::start("python3", &[script.to_str().unwrap(), &modbus.to_string()]);
    for port in [mqtt, modbus] {
        eventually("the peer listens", Duration::from_secs(20), || {
            TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())
        });
    }
    let receiver = Receiver::start(0);
    let site = Site { mqtt, modbus: Some(modbus), bureau: receiver.port, console };
    let (file, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    std::fs::write(&file, site.toml()).unwrap();
    let program = Process::safety_brain(&["run", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()]);

    // Modbus: the device serves 321.5 in two registers, over its limit of 300.
    let alarm = eventually("an alarm from the Modbus value", Duration::from_secs(20), || {
        let alarms = get(console, "/api/v1/alarms?state=active")?;
        alarms["items"]
            .as_array()
            .and_then(|items| items.iter().find(|a| a["hazard"] == "test.pressure"))
            .cloned()
            .ok_or(alarms.to_string())
    });
    assert_eq!((alarm["severity"].as_str(), alarm["condition"].as_str()), (Some("red"), Some("active")));

    // MQTT: published by a foreign client.
    let publish = |value: &str| {
        let port = mqtt.to_string();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
        let payload = format!("{{\"v\":{value},\"t\":{now}}}");
        let done = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", "plant/PROBE", "-m", &payload])
            .status();
        assert!(done.unwrap().success());
    };
    publish("150");
    eventually("an alarm from the MQTT value", Duration::from_secs(20), || {
        let alarms = get(console, "/api/v1/alarms?state=active")?;
        alarms["items"]
            .as_array()
            .and_then(|items| items.iter().find(|a| a["hazard"] == "test.high"))
            .map(|_| ())
            .ok_or(alarms.to_string())
    });

    // The bureau hears of both, and a named person there answers the first.
    let identifier = eventually("the message to the bureau", Duration::from_secs(20), || {
        receiver
            .heard()
            .into_iter()
            .find(|(_, bodies)| bodies.iter().any(|b| b.contains("test.pressure")))
            .map(|(id, _)| id)
            .ok_or("nothing yet".into())
    });
    let sent = receiver.heard()[&identifier].iter().next().unwrap().clone();
    let field = |name: &str| sent.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split('<').next()).unwrap().to_owned();
    let answer = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"><identifier>bureau.1</identifier><sender>bureau@example.cn</sender>\
         <sent>{}</sent><status>{}</status><msgType>Ack</msgType><scope>Private</scope><addresses>{}</addresses><note>值班员 (测试)</note>\
         <references>{},{identifier},{}</references></alert>",
        field("sent"),
        field("status"),
        field("sender"),
        field("sender"),
        field("sent"),
    );
    assert_eq!(post(console, "/api/v1/cap", "application/cap+xml", &answer), 200, "the bureau's answer is taken");
    eventually("the bureau's answer on the alarm", Duration::from_secs(10), || {
        let alarms = get(console, "/api/v1/alarms?state=active")?;
        let known =
            alarms["items"].as_array().into_iter().flatten().any(|a| {
                a["hazard"] == "test.pressure" && a["escalation"]["bureau"] == "acknowledged" && a["acknowledged"] == false
            });
        if known { Ok(()) } else { Err(alarms.to_string()) }
    });

    // A person at the plant takes it, by name.
    let path = format!("/api/v1/alarms/{}/acknowledge", alarm["id"].as_str().unwrap());
    assert_eq!(post(console, &path, "application/json", "{\"note\":\"checked on site\"}"), 200);
    assert_eq!(post(console, &path, "application/json", "{\"notes\":\"a misspelt field\"}"), 422);

    // The device dies: a finding, not a zero and not a return to normal.
    device.kill();
    eventually("the lost device as a finding", Duration::from_secs(20), || {
        let alarms = get(console, "/api/v1/alarms?state=active")?;
        let items = alarms["items"].as_array().cloned().unwrap_or_default();
        let lost = items.iter().any(|a| a["hazard"] == "device.link");
        let stands = items.iter().any(|a| a["hazard"] == "test.pressure" && a["condition"] == "active");
        if lost && stands { Ok(()) } else { Err(alarms.to_string()) }
    });
    assert!(!TOKEN.is_empty());
    assert!(program.terminate() < Duration::from_secs(3));
}
