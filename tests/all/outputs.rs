//! Channels that are no web server: an MQTT broker, a mail server, a relay; each a stranger or the real program. And the program as a whole with channels of
//! several kinds: what they bring, what they never say. Must not know: how a message is made.

use crate::channels::{channel, notice, refused, site};
use crate::gateway::{Time, wecom};
use crate::postbox::{Postbox, Rules};
use crate::process::{Process, broker, eventually, free_port, mosquitto, peer_or_skip};
use crate::siren::{Relay, Siren};
use crate::site::{Site, get, post, text};
use brain::notice::{Notice, Reason};
use brain::site::Mode;
use safety_brain::notices::{Courier, Delivered, cap, channels::words};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

const TITLE: &str = "title = { zh = \"外\", en = \"outside\" }";

fn audience(name: &str, keys: &str) -> String {
    format!("[[audience]]\nname = \"{name}\"\n{TITLE}\n{keys}\n")
}

fn receipt(delivered: Delivered) -> String {
    match delivered {
        Delivered::Receipt { code, accepted: false } => code,
        other => panic!("{other:?}"),
    }
}

fn failed(delivered: Delivered) -> (String, bool) {
    match delivered {
        Delivered::Failed { detail, rejected } => (detail, rejected),
        other => panic!("{other:?}"),
    }
}

/// A reader of one topic; what it reads.
fn reader(port: u16, topic: &'static str) -> mpsc::Receiver<String> {
    let (told, heard) = mpsc::sync_channel(10);
    let (up, begun) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut options = rumqttc::MqttOptions::new("reader", "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut connection) = rumqttc::Client::new(options, 10);
        client.subscribe(topic, rumqttc::QoS::AtLeastOnce).unwrap();
        for event in connection.iter().map_while(Result::ok) {
            match event {
                rumqttc::Event::Incoming(rumqttc::Packet::SubAck(_)) => up.send(()).unwrap(),
                rumqttc::Event::Incoming(rumqttc::Packet::Publish(of)) => {
                    let text = String::from_utf8(of.payload.to_vec()).unwrap();
                    if told.send(text).is_err() {
                        return;
                    }
                }
                _ => {}
            }
        }
    });
    begun.recv_timeout(Duration::from_secs(10)).expect("the reader is there");
    heard
}

#[tokio::test]
async fn outputs_cap_over_mqtt_comes_whole_and_its_receipt_is_the_brokers() {
    let program = mosquitto();
    if !peer_or_skip("mqtt channel", "mosquitto", program.is_some()) {
        return;
    }
    let program = program.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_broker, port) = broker(program, folder.path());
    let of = |port: u16| {
        audience(
            "district",
            &format!("channel = \"mqtt\"\nbureau = true\nhost = \"127.0.0.1\"\nport = {port}\ndivision = \"430181\""),
        )
    };
    let config = site(folder.path(), &of(port)).unwrap_or_else(|faults| panic!("{faults:?}"));
    let heard = reader(port, "safety-brain/v1/demo/cap");
    let (channel, notice) = (channel(&config, "district"), notice());
    let words = words(&notice, &channel, Some("{\"seq\":1}")).unwrap();
    let courier = Courier::of(&channel, None, &[]).unwrap().unwrap();
    assert_eq!(receipt(courier.deliver(&notice, words.clone(), 1).await), "PUBACK safety-brain/v1/demo/cap");
    let came = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(came, words);
    let message = cap::parse(came.as_bytes()).unwrap();
    assert!(cap::check(&message).is_empty() && came.contains("430181"), "{came}");
    // Nobody there: tried again.
    let config = site(folder.path(), &of(free_port())).unwrap();
    let nobody = Courier::of(&self::channel(&config, "district"), None, &[]).unwrap().unwrap();
    let (detail, rejected) = failed(nobody.deliver(&notice, words, 1).await);
    assert!(!rejected && detail.contains("refused"), "{detail}");
}

const POST: Rules = Rules { user: "plant", password: "post-pass-6d1e", mailbox: "duty@example.cn" };

fn mail(folder: &Path, port: u16, more: &str) -> String {
    std::fs::write(folder.join("post.password"), POST.password).unwrap();
    let login = "username = \"plant\"\npassword = { file = \"post.password\" }\nfrom = \"plant-0001@example.cn\"";
    audience("office", &format!("channel = \"mail\"\nhost = \"127.0.0.1\"\nport = {port}\n{login}\n{more}"))
}

#[tokio::test]
async fn outputs_a_mail_is_one_message_however_often_it_is_tried() {
    let (folder, post) = (tempfile::tempdir().unwrap(), Postbox::start(POST, None));
    let of =
        |more: &str| site(folder.path(), &mail(folder.path(), post.port, more)).unwrap_or_else(|faults| panic!("{faults:?}"));
    let config = of("security = \"plain\"\nto = [\"duty@example.cn\"]");
    let (channel, notice) = (channel(&config, "office"), notice());
    let words = words(&notice, &channel, None).unwrap();
    let courier = Courier::of(&channel, None, &[]).unwrap().unwrap();
    for attempt in 1..3 {
        let code = receipt(courier.deliver(&notice, words.clone(), attempt).await);
        assert!(code.starts_with("SMTP 250") && code.contains("7F3A"), "{code}");
    }
    let taken = post.taken.lock().unwrap().clone();
    assert!(taken.len() == 2 && taken[0] == taken[1], "the same bytes");
    let (to, message) = &taken[0];
    assert_eq!(to, &["duty@example.cn"]);
    assert!(message.contains(&format!("Message-ID: <{}@example.cn>", notice.identifier)), "{message}");
    assert!(message.contains("Date: Fri, 2 Jan 2026 07:50:10 +0800"), "that of the notice: {message}");
    // A mailbox that is none is refused for good; a wrong password may heal, and is not shown.
    let strange = of("security = \"plain\"\nto = [\"nobody@example.cn\"]");
    let strange = Courier::of(&self::channel(&strange, "office"), None, &[]).unwrap().unwrap();
    assert!(failed(strange.deliver(&notice, words.clone(), 1).await).1);
    std::fs::write(folder.path().join("post.password"), "post-pass-wrong").unwrap();
    let text = mail(folder.path(), post.port, "security = \"plain\"\nto = [\"duty@example.cn\"]");
    std::fs::write(folder.path().join("post.password"), "post-pass-wrong").unwrap();
    let wrong = site(folder.path(), &text).unwrap();
    let wrong = Courier::of(&self::channel(&wrong, "office"), None, &[]).unwrap().unwrap();
    let (detail, rejected) = failed(wrong.deliver(&notice, words, 1).await);
    assert!(!rejected && detail.contains("535") && !detail.contains("post-pass"), "{detail}");
}

/// One that says nothing, or nothing after the message: each try ends, so that the next one finds its place free.
#[tokio::test]
async fn outputs_a_mail_server_that_falls_silent_is_not_waited_for() {
    for last in ["", "DATA"] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let (mut lines, mut stream) = (BufReader::new(stream.try_clone().unwrap()).lines(), stream);
            if !last.is_empty() {
                write!(stream, "220 post.example\r\n").unwrap();
                while let Some(Ok(line)) = lines.next() {
                    write!(stream, "{}\r\n", if line == last { "354 go on" } else { "250 AUTH PLAIN" }).unwrap();
                    if line == last {
                        break;
                    }
                }
            }
            // Until the other side hangs up.
            lines.map_while(Result::ok).count()
        });
        let folder = tempfile::tempdir().unwrap();
        let text = mail(folder.path(), port, "security = \"plain\"\ntimeout = \"500ms\"\nto = [\"duty@example.cn\"]");
        let config = site(folder.path(), &text).unwrap_or_else(|faults| panic!("{faults:?}"));
        let channel = channel(&config, "office");
        let words = words(&notice(), &channel, None).unwrap();
        let courier = Courier::of(&channel, None, &[]).unwrap().unwrap();
        let (detail, rejected) = failed(courier.deliver(&notice(), words, 1).await);
        assert!(!rejected && detail.contains("within 500 ms"), "{detail}");
        assert_eq!(server.join().unwrap() > 5, !last.is_empty(), "the message came, or nothing was asked of it");
    }
}

#[tokio::test]
async fn outputs_a_mail_server_must_show_a_certificate_that_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let other = rcgen::KeyPair::generate().unwrap();
    let stranger = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&other).unwrap();
    std::fs::write(folder.path().join("post.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("stranger.pem"), stranger.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let post = Postbox::start(POST, Some(Arc::new(config)));
    for (ca, taken) in [("post.pem", true), ("stranger.pem", false)] {
        let more = format!("ca = \"{ca}\"\nto = [\"duty@example.cn\"]");
        let config = site(folder.path(), &mail(folder.path(), post.port, &more)).unwrap_or_else(|faults| panic!("{faults:?}"));
        let channel = channel(&config, "office");
        let words = words(&notice(), &channel, None).unwrap();
        let delivered = Courier::of(&channel, None, &[]).unwrap().unwrap().deliver(&notice(), words, 1).await;
        assert_eq!(matches!(delivered, Delivered::Receipt { .. }), taken, "{ca}: {delivered:?}");
    }
}

fn siren(port: u16, more: &str) -> String {
    let place = format!("[outputs]\nallow = [\"127.0.0.1:{port}/3/16\"]\n");
    place
        + &audience(
            "siren",
            &format!(
                "channel = \"annunciator\"\nmodbus = {{ host = \"127.0.0.1\", port = {port}, unit = 3, coil = 16, timeout = \"2s\" }}\nsound = \"1s\"\n{more}"
            ),
        )
}

async fn sounded(courier: &Courier, notice: &Notice) -> Delivered {
    courier.deliver(notice, String::new(), 1).await
}

#[tokio::test]
async fn outputs_an_annunciator_sounds_says_so_and_rests() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Siren::start(Relay::Works, 3, 16);
    let config = site(folder.path(), &siren(relay.port, "")).unwrap_or_else(|faults| panic!("{faults:?}"));
    let courier = Courier::of(&channel(&config, "siren"), None, &[]).unwrap().unwrap();
    let mut told = notice();
    assert_eq!(told.mode, Mode::Test);
    assert!(receipt(sounded(&courier, &told).await).contains("no real danger"));
    assert!(relay.switched().is_empty(), "a test sounds nothing unless the site file says so");
    told.mode = Mode::Actual;
    let code = receipt(sounded(&courier, &told).await);
    assert!(code.contains("coil 16 of unit 3") && code.contains("reads back on"), "{code}");
    // Somebody took it: silent at once.
    told.reason = Reason::Acknowledged;
    assert!(receipt(sounded(&courier, &told).await).contains("reads back off"));
    assert_eq!((relay.switched(), relay.is_on()), (vec![true, false], false));
    // Nobody takes it: silent by itself.
    told.reason = Reason::Repeated;
    receipt(sounded(&courier, &told).await);
    tokio::task::spawn_blocking(move || {
        eventually("it rests", Duration::from_secs(30), || if relay.is_on() { Err("it sounds".to_owned()) } else { Ok(()) });
        assert_eq!(relay.strayed(), 0, "nothing but its coil is touched");
    })
    .await
    .unwrap();
    // A burnt contact, and nobody there, are no receipts.
    for (relay, said) in [(Some(Siren::start(Relay::Stuck, 3, 16)), "reads back otherwise"), (None, "refused")] {
        let port = relay.as_ref().map_or_else(free_port, |relay| relay.port);
        let config = site(folder.path(), &siren(port, "")).unwrap();
        let courier = Courier::of(&channel(&config, "siren"), None, &[]).unwrap().unwrap();
        let (detail, rejected) = failed(sounded(&courier, &told).await);
        assert!(!rejected && detail.contains(said), "{detail}");
    }
}

/// A beacon on a topic: it says on another topic what it does; what it was told, in order.
fn beacon(port: u16) -> mpsc::Receiver<String> {
    let (told, heard) = mpsc::sync_channel(10);
    let (up, begun) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let (client, mut connection) = rumqttc::Client::new(rumqttc::MqttOptions::new("beacon", "127.0.0.1", port), 10);
        client.subscribe("beacon/set", rumqttc::QoS::AtLeastOnce).unwrap();
        for event in connection.iter().map_while(Result::ok) {
            match event {
                rumqttc::Event::Incoming(rumqttc::Packet::SubAck(_)) => up.send(()).unwrap(),
                rumqttc::Event::Incoming(rumqttc::Packet::Publish(of)) => {
                    client.try_publish("beacon/state", rumqttc::QoS::AtLeastOnce, false, of.payload.to_vec()).unwrap();
                    let _ = told.send(String::from_utf8(of.payload.to_vec()).unwrap());
                }
                _ => {}
            }
        }
    });
    begun.recv_timeout(Duration::from_secs(10)).expect("the beacon is there");
    heard
}

#[tokio::test]
async fn outputs_an_annunciator_on_a_topic_says_so_and_rests() {
    let test = "outputs_an_annunciator_on_a_topic_says_so_and_rests";
    let program = mosquitto();
    if !peer_or_skip(test, "mosquitto", program.is_some()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_broker, port) = broker(program.unwrap(), folder.path());
    let heard = beacon(port);
    let courier = |topic: &str, state: &str| {
        let place = format!("[outputs]\nallow = [\"127.0.0.1:{port}/{topic}\"]\n");
        let mqtt = format!("mqtt = {{ host = \"127.0.0.1\", port = {port}, topic = \"{topic}\", timeout = \"2s\"{state} }}");
        let text = place + &audience("beacon", &format!("channel = \"annunciator\"\n{mqtt}\nsound = \"60s\""));
        let config = site(folder.path(), &text).unwrap_or_else(|faults| panic!("{faults:?}"));
        Courier::of(&channel(&config, "beacon"), None, &[]).unwrap().unwrap()
    };
    let told = |reason: Reason| Notice { mode: Mode::Actual, reason, ..notice() };
    let works = courier("beacon/set", ", state = \"beacon/state\"");
    let code = receipt(sounded(&works, &told(Reason::Opened)).await);
    assert_eq!(code, "beacon/set on, beacon/state says so");
    assert_eq!(receipt(sounded(&works, &told(Reason::Acknowledged)).await), "beacon/set off, beacon/state says so");
    let without = courier("beacon/set", "");
    assert_eq!(receipt(sounded(&without, &told(Reason::Opened)).await), "beacon/set on, PUBACK, no read-back");
    // Nobody hears what is said there, and a broker that takes it proves nothing of a beacon.
    let (detail, rejected) = failed(sounded(&courier("other/set", ", state = \"other/state\""), &told(Reason::Opened)).await);
    assert!(!rejected && detail.contains("no answer of the device"), "{detail}");
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["ON", "OFF", "ON"]);
}

#[test]
fn outputs_at_fault_are_told_with_place_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let good = siren(1502, "") + &mail(folder.path(), 2525, "security = \"plain\"\nto = [\"duty@example.cn\"]");
    site(folder.path(), &good).unwrap_or_else(|faults| panic!("{faults:?}"));
    for (from, to, key, remedy) in [
        ("allow = [\"127.0.0.1:1502/3/16\"]", "allow = [\"127.0.0.1:1502/3/17\"]", "audience.siren.modbus.coil", "never written"),
        (", coil = 16", "", "audience.siren.modbus.coil", "65535"),
        ("modbus = {", "relay = {", "audience.siren.modbus", "neither or both"),
        ("channel = \"annunciator\"", "bureau = true\nchannel = \"annunciator\"", "audience.siren.channel", "\"cap\""),
        ("\"duty@example.cn\"", "\"duty example.cn\"", "audience.office.to", "mail address"),
        ("\"duty@example.cn\"", "\"duty@example.cn\\nBcc: x@y.cn\"", "audience.office.to", "list of texts"),
        ("password = { file = \"post.password\" }", "", "audience.office.username", "both"),
        ("host = \"127.0.0.1\"\nport = 2525", "host = \"mail.example.cn\"\nport = 2525", "audience.office.host", "insecure"),
    ] {
        refused(folder.path(), &good, (from, to), key, remedy);
    }
    // Of two audiences with one siren each would silence the other's alarm.
    let second = siren(1502, "").split_once("[[audience]]").unwrap().1.replace("name = \"siren\"", "name = \"horn\"");
    let twice = format!("{good}\n[[audience]]{second}");
    let said = refused(folder.path(), &twice, ("name = \"horn\"", "name = \"horn\""), "audience.horn.channel", "as many rungs");
    assert!(said.contains("127.0.0.1:1502/3/16, which \"siren\" at ") && said.contains(" switches too"), "{said}");
    // What a link reads belongs to the process.
    let taken = good.replace("1502", "502").replace("unit = 3", "unit = 1").replace("502/3/16", "502/1/16");
    let point = "[[link.point]]\ntag = \"XV-101\"\ntable = \"discrete\"\naddress = 0";
    let demo = std::fs::read_to_string(crate::process::root().join("configs/demo.toml")).unwrap();
    assert!(demo.contains(point));
    let demo = demo.replace(point, &point.replace("discrete", "coil").replace("address = 0", "address = 16"));
    let path = folder.path().join("coil.toml");
    std::fs::write(&path, format!("{demo}\n{taken}")).unwrap();
    let faults = safety_brain::config::load(&path).unwrap_err();
    assert!(faults.iter().any(|fault| fault.to_string().contains("which link \"gate-rtu\" reads")), "{faults:?}");
}

/// The program as a whole: a siren and a bot are told of an alarm, the siren is tested by a person, all of it is on record, and no secret is anywhere.
#[test]
fn outputs_of_the_running_program_are_told_and_tested_and_no_secret_leaves() {
    const KEY: &str = "wecom-key-run-91c3";
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    let (relay, group, console) = (Siren::start(Relay::Works, 3, 16), wecom(Time::Real, KEY), free_port());
    std::fs::write(folder.path().join("group.url"), format!("http://127.0.0.1:{}/send?key={KEY}", group.port)).unwrap();
    let bureau = crate::receiver::Receiver::start(0);
    // Nothing listens for the link: that is an alarm of its own.
    let site = Site { mqtt: free_port(), modbus: None, bureau: bureau.port, console }.toml();
    let rung = "[[ladder.rung]]\nname = \"loud\"\naudience = [\"siren\", \"group\"]\nkind = \"at_once\"\nafter = { blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }\n";
    let group_of = audience("group", "channel = \"wecom\"\nhook = { file = \"group.url\" }");
    std::fs::write(&file, format!("{site}\n{}{group_of}{rung}", siren(relay.port, ""))).unwrap();
    let arguments = ["run", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let environment = [("SAFETY_BRAIN_LOG", "trace".to_owned())];
    let running = Process::start_in(env!("CARGO_BIN_EXE_safety-brain"), &arguments, &environment);
    eventually("the siren sounded and the group heard", Duration::from_secs(60), || {
        let said = group.heard().iter().filter(|(asked, ..)| asked.body.contains("报警")).count();
        if relay.switched().contains(&true) && said > 0 { Ok(()) } else { Err(format!("{said}")) }
    });
    let way = |name: &str| -> Result<serde_json::Value, String> {
        let outbox = get(console, "/api/v1/outbox")?;
        let ways = outbox["ways"].as_array().ok_or("no ways")?.clone();
        ways.into_iter().find(|way| way["audience"] == name).ok_or(format!("{outbox}"))
    };
    assert!(way("siren").unwrap()["annunciator"] == true && way("siren").unwrap()["tested_at"].is_null());
    // A test of what is none is refused; that of the siren is answered by the siren.
    assert_eq!(post(console, "/api/v1/annunciators/group/test", "application/json", "{}"), 404);
    assert_eq!(post(console, "/api/v1/annunciators/siren/test", "application/json", "{}"), 200);
    eventually("the test is answered", Duration::from_secs(30), || {
        let way = way("siren")?;
        if way["tested_well"] == true { Ok(()) } else { Err(format!("{way}")) }
    });
    let events = eventually("the test is on record", Duration::from_secs(30), || {
        let events = text(console, "/api/v1/events?kind=tested")?;
        if events.contains("reads back on") { Ok(events) } else { Err(events) }
    });
    let notices = text(console, "/api/v1/notices").unwrap();
    let slip = text(console, "/api/v1/notices/1/slip.html").unwrap();
    assert!(slip.contains("接报单"), "{slip}");
    assert_eq!(relay.strayed(), 0);
    let said = running.said().join("\n");
    assert!(said.lines().count() > 10, "the log says something:\n{said}");
    running.terminate();
    let mut records = Vec::new();
    for entry in std::fs::read_dir(data.join("journal")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            records.extend(std::fs::read(path).unwrap());
        }
    }
    assert!(records.len() > 1_000);
    for (place, text) in
        [("log", said.as_bytes()), ("events", events.as_bytes()), ("notices", notices.as_bytes()), ("journal", &records)]
    {
        assert!(!text.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "the key of the bot stands in the {place}");
    }
}
