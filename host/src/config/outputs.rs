//! Channels that connect to something other than a web server: MQTT brokers, mail servers, annunciators; and `[outputs]`, the list of all that may ever be
//! written at the plant. Must not know: how anything is sent.

use super::duty::{Worded, worded};
use super::field::host;
use super::reader::Reader;
use super::types::{Annunciator, Broker, CapChannel, Drive, Form, Mail, MailSecurity, MqttChannel, Nats, Secret, Tls};
use super::{Names, tls};

/// `[outputs]`: what an annunciator may write, `HOST:PORT/UNIT/COIL` or `HOST:PORT/TOPIC`. Nothing else of the plant is ever written.
pub(super) fn outputs(main: &Reader<'_>) -> Vec<String> {
    let Some(table) = main.table_of("outputs", false) else { return Vec::new() };
    let allow = table.texts("allow", true);
    main.done("outputs", table);
    allow
}

fn timeout(table: &Reader<'_>) -> Option<u64> {
    table.duration("timeout", (100, 60_000), Some(10_000))
}

/// A broker under the keys of an audience; `own` is its name there unless the site file says otherwise.
fn broker(table: &Reader<'_>, own: &str, warnings: &mut Vec<String>) -> Option<Broker> {
    let tls = tls::client(table);
    let host = host(table, table.has("tls"), warnings);
    let port = table.whole("port", (1, 65_535), Some(if tls.is_some() { 8883 } else { 1883 }));
    let client_id = table.text_or("client_id", own);
    let (username, password) = (table.text_if("username"), table.secret("password"));
    let timeout_ms = timeout(table);
    let port = u16::try_from(port?).ok()?;
    Some(Broker { host: host?, port, client_id, username, password, tls, timeout_ms: timeout_ms? })
}

/// A topic to publish at: one, not a filter.
fn topic(table: &Reader<'_>, key: &'static str, text: Option<String>) -> Option<String> {
    if let Some(bad) = text.as_ref().filter(|topic| topic.contains(['+', '#']) || topic.starts_with('$')) {
        table.fault(key, format!("{bad:?}"), "one topic, without `+` and `#`, that does not begin with `$`", None);
    }
    text
}

fn own_id(names: &Names, audience: &Option<String>) -> String {
    match audience {
        Some(audience) => format!("safety-brain-{}-to-{audience}", names.site),
        None => "safety-brain-SITE-to-AUDIENCE".to_owned(),
    }
}

/// How CAP is made for something that is no web server: in XML, which bears its signature in itself.
fn cap(url: String, (token, tls): (Option<Secret>, Option<Tls>), timeout_ms: u64, worded: Worded) -> CapChannel {
    let Worded { expires_s, division, signer } = worded;
    CapChannel { url, token, tls, timeout_ms, expires_s, division, anchors: None, signer, form: Form::Xml, sender: None }
}

pub(super) fn mqtt(
    table: &Reader<'_>,
    names: &Names,
    (audience, code): (&Option<String>, Option<&str>),
    warnings: &mut Vec<String>,
) -> Option<MqttChannel> {
    let broker = broker(table, &own_id(names, audience), warnings);
    let usual = format!("safety-brain/v1/{}/cap", if table.describes() { "SITE" } else { &names.site });
    let topic = topic(table, "topic", Some(table.text_or("topic", &usual)));
    let worded = worded(table, code);
    let (broker, topic) = (broker?, topic?);
    let (url, timeout_ms) = (format!("mqtt://{}:{}/{topic}", broker.host, broker.port), broker.timeout_ms);
    let cap = cap(url, (None, None), timeout_ms, worded?);
    Some(MqttChannel { broker, topic, cap })
}

pub(super) fn nats(table: &Reader<'_>, names: &Names, code: Option<&str>, warnings: &mut Vec<String>) -> Option<Nats> {
    let tls = tls::client(table);
    let host = host(table, table.has("tls"), warnings);
    let port = table.whole("port", (1, 65_535), Some(4222));
    let (token, username, password) = (table.secret("token"), table.text_if("username"), table.secret("password"));
    if table.has("username") != table.has("password") {
        table.fault("username", "only one of username and password", "both, or neither", None);
    }
    let usual = format!("safety-brain.v1.{}.cap", if table.describes() { "SITE" } else { &names.site });
    let subject = table.text_or("subject", &usual);
    let legal = |part: &str| !part.is_empty() && !part.contains(['*', '>']) && !part.contains(char::is_whitespace);
    if !subject.split('.').all(legal) {
        table.fault("subject", format!("{subject:?}"), "words with dots between them, none of them empty, `*` or `>`", None);
    }
    let worded = worded(table, code);
    let (timeout_ms, host) = (timeout(table)?, host?);
    let port = u16::try_from(port?).ok()?;
    // An IPv6 address needs brackets before a port.
    let url = if host.contains(':') { format!("nats://[{host}]:{port}") } else { format!("nats://{host}:{port}") };
    let cap = cap(url, (token, tls), timeout_ms, worded?);
    Some(Nats { subject, login: username.zip(password), cap })
}

pub(super) fn mail(table: &Reader<'_>, warnings: &mut Vec<String>) -> Option<Mail> {
    let words = [("tls", MailSecurity::Tls), ("starttls", MailSecurity::Starttls), ("plain", MailSecurity::Plain)];
    let security = table.choice("security", &words, Some(MailSecurity::Tls));
    let ca = table.text_if("ca");
    let ca = ca.and_then(|name| tls::certificates(table, "ca", Some(name)));
    let host = host(table, security != Some(MailSecurity::Plain), warnings);
    let usual = match security {
        Some(MailSecurity::Starttls) => 587,
        Some(MailSecurity::Plain) => 25,
        Some(MailSecurity::Tls) | None => 465,
    };
    let port = table.whole("port", (1, 65_535), Some(usual));
    let (username, password) = (table.text_if("username"), table.secret("password"));
    if table.has("username") != table.has("password") {
        table.fault("username", "only one of username and password", "both, or neither", None);
    }
    let from = table.text("from").filter(|of| is_address(table, "from", of));
    let to = table.texts("to", true);
    let all = to.iter().all(|of| is_address(table, "to", of));
    if table.has("to") && to.is_empty() {
        table.fault("to", "nobody", "the addresses of who is told", None);
    }
    let timeout_ms = timeout(table);
    let port = u16::try_from(port?).ok()?;
    Some(Mail {
        host: host?,
        port,
        security: security?,
        ca,
        login: username.zip(password),
        from: from?,
        to: Some(to).filter(|_| all)?,
        timeout_ms: timeout_ms?,
    })
}

fn is_address(table: &Reader<'_>, key: &'static str, text: &str) -> bool {
    let fits = text.split_once('@').is_some_and(|(name, domain)| {
        let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c));
        plain(name) && plain(domain) && !domain.starts_with('.') && !domain.ends_with('.')
    });
    if !fits {
        table.fault(key, format!("{text:?}"), "a mail address, for example \"duty@example.cn\"", None);
    }
    fits
}

pub(super) fn annunciator(
    table: &Reader<'_>,
    names: &Names,
    audience: &Option<String>,
    warnings: &mut Vec<String>,
) -> Option<Annunciator> {
    let (sound_ms, drills) = (table.duration("sound", (1_000, 600_000), Some(60_000)), table.flag("drills", false));
    if table.has("modbus") == table.has("mqtt") && !table.describes() {
        table.fault(
            "modbus",
            "neither or both of modbus and mqtt",
            "modbus = { host, unit, coil }, or mqtt = { host, topic }",
            None,
        );
        return None;
    }
    let listed = |of: &Reader<'_>, key, drive: Option<Drive>| {
        let drive = drive?;
        let place = place(&drive);
        if !names.outputs.contains(&place) {
            let allowed = format!("[outputs] allow = [{place:?}] in the site file: what is not listed there is never written");
            of.fault(key, format!("{place}, which [outputs] does not list"), allowed, None);
        }
        Some(drive)
    };
    let coil = table.table_of("modbus", false).and_then(|of| {
        let drive = listed(&of, "coil", coil(&of, warnings));
        table.done("modbus", of);
        drive
    });
    let topic = table.table_of("mqtt", false).and_then(|of| {
        let drive = listed(&of, "topic", published(&of, names, audience, warnings));
        table.done("mqtt", of);
        drive
    });
    Some(Annunciator { drive: coil.or(topic)?, sound_ms: sound_ms?, drills })
}

/// As it stands in `[outputs]`.
pub(super) fn place(drive: &Drive) -> String {
    match drive {
        Drive::Coil { host, port, unit, coil, .. } => format!("{host}:{port}/{unit}/{coil}"),
        Drive::Topic { broker, topic, .. } => format!("{}:{}/{topic}", broker.host, broker.port),
    }
}

fn coil(table: &Reader<'_>, warnings: &mut Vec<String>) -> Option<Drive> {
    let host = host(table, false, warnings);
    let (port, unit) = (table.whole("port", (1, 65_535), Some(502)), table.whole("unit", (1, 247), Some(1)));
    let coil = table.whole("coil", (0, 65_535), None);
    let timeout_ms = timeout(table);
    Some(Drive::Coil {
        host: host?,
        port: u16::try_from(port?).ok()?,
        unit: u8::try_from(unit?).ok()?,
        coil: u16::try_from(coil?).ok()?,
        timeout_ms: timeout_ms?,
    })
}

fn published(table: &Reader<'_>, names: &Names, audience: &Option<String>, warnings: &mut Vec<String>) -> Option<Drive> {
    let broker = broker(table, &own_id(names, audience), warnings);
    let topic = topic(table, "topic", table.text("topic"));
    let payloads = (table.text_or("on", "ON"), table.text_or("off", "OFF"));
    let state = self::topic(table, "state", table.text_if("state"));
    if payloads.0 == payloads.1 {
        table.fault("off", format!("{:?}, as for on", payloads.1), "another payload than `on`", None);
    }
    if !table.has("state") && !table.describes() {
        let place = table.origin();
        warnings.push(format!("{}:{}: no state: nobody knows whether the annunciator sounds", place.file.display(), place.line));
    }
    Some(Drive::Topic { broker: Box::new(broker?), topic: topic?, payloads, state })
}
