//! Links: what is subscribed, polled or read, and how it becomes values of tags.
//! Must not know: what the values mean.

use super::Names;
use super::plant::LONGEST_MS;
use super::reader::Reader;
use super::types::{
    JsonPoint, Link, LinkKind, Modbus, ModbusPoint, ModbusTable, ModbusType, Mqtt, MqttVersion, Origin, Payload, Recording,
    RecordingTime, TagFrom, TimeFormat, Tls, Topic, WordOrder,
};
use brain::TagId;
use std::collections::BTreeMap;

/// Tags known so far: name, period, index of their link.
type Tags = [(String, u64, usize)];

/// One link, the tags it brings, and where it stands.
pub(super) type Linked = (Link, Vec<TagId>, Origin);

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Mqtt,
    Modbus,
    Recording,
}

/// Reads one `[[link]]`.
pub(super) fn link(table: &Reader<'_>, names: &Names, tags: &Tags, warnings: &mut Vec<String>) -> Option<Linked> {
    let name = table.name("name");
    let kind = table.choice("kind", &[("mqtt", Kind::Mqtt), ("modbus", Kind::Modbus), ("recording", Kind::Recording)], None);
    let mut bring =
        Bring { names, tags, link: name.as_ref().and_then(|n| names.links.iter().position(|l| l == n)), brought: Vec::new() };
    let wants = |of| kind == Some(of) || table.describes();
    let mqtt = if wants(Kind::Mqtt) { mqtt(table, &mut bring, name.as_deref().unwrap_or_default(), warnings) } else { None };
    let modbus = if wants(Kind::Modbus) { modbus(table, &mut bring, warnings) } else { None };
    let recording = if wants(Kind::Recording) { recording(table, &mut bring) } else { None };
    let kind = mqtt.map(LinkKind::Mqtt).or(modbus.map(LinkKind::Modbus)).or(recording.map(LinkKind::Recording));
    Some((Link { name: name?, kind: kind? }, bring.brought, table.origin()))
}

/// Gathers the tags a link brings; a tag belongs to one link.
struct Bring<'n> {
    names: &'n Names,
    tags: &'n Tags,
    link: Option<usize>,
    brought: Vec<TagId>,
}

impl Bring<'_> {
    fn tag(&mut self, table: &Reader<'_>, key: &str, name: &str) -> Option<TagId> {
        let index = table.resolve(key, "tag", name, &self.names.tags)?;
        // A tag that is itself at fault is not among those known: one fault is enough.
        if let Some((_, _, link)) = self.tags.iter().find(|(known, ..)| known == name)
            && Some(*link) != self.link
        {
            table.fault(key, format!("{name:?}, whose link is {}", self.names.links[*link]), "a tag of this link", None);
        }
        let id = TagId(index as u32);
        self.brought.push(id);
        Some(id)
    }

    fn period(&self, tag: TagId) -> u64 {
        let name = &self.names.tags[tag.0 as usize];
        self.tags.iter().find(|(known, ..)| known == name).map_or(1_000, |(_, period, _)| *period)
    }
}

/// `host`, and what may be said about crossing the network unprotected.
fn host(table: &Reader<'_>, tls: bool, warnings: &mut Vec<String>) -> Option<String> {
    let host = table.text("host");
    let insecure = table.flag("insecure", false);
    let host = host?;
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !loopback && !tls && !insecure {
        table.fault(
            "host",
            format!("{host:?} without encryption"),
            "tls = { ca = ... }, a loopback host, or insecure = true",
            None,
        );
    } else if !loopback && !tls {
        let place = table.origin();
        warnings.push(format!("{}:{}: the link to {host} is not encrypted (insecure = true)", place.file.display(), place.line));
    }
    Some(host)
}

/// Certificates; the files must exist.
pub(super) fn tls(table: &Reader<'_>) -> Option<Tls> {
    let of = table.table_of("tls", false)?;
    let (ca, certificate, key) = (of.text("ca"), of.text_if("certificate"), of.text_if("key"));
    for (name, path) in [("ca", &ca), ("certificate", &certificate), ("key", &key)] {
        if let Some(path) = path.as_ref().map(|path| of.beside(path)).filter(|path| !path.exists()) {
            of.fault(name, format!("{}: no such file", path.display()), "a PEM file", None);
        }
    }
    if certificate.is_some() != key.is_some() {
        of.fault("certificate", "only one of certificate and key", "both, for mutual TLS, or neither", None);
    }
    let identity = certificate.zip(key).map(|(certificate, key)| (of.beside(&certificate), of.beside(&key)));
    let tls = ca.map(|ca| Tls { ca: of.beside(&ca), identity });
    table.done("tls", of);
    tls
}

fn mqtt(table: &Reader<'_>, bring: &mut Bring<'_>, name: &str, warnings: &mut Vec<String>) -> Option<Mqtt> {
    let tls = tls(table);
    let host = host(table, tls.is_some(), warnings);
    let port = table.whole("port", (1, 65_535), Some(if tls.is_some() { 8883 } else { 1883 }));
    let version = table.choice("version", &[("3.1.1", MqttVersion::V311), ("5", MqttVersion::V5)], Some(MqttVersion::V311));
    let client_id = table.text_or("client_id", &format!("safety-brain-{name}"));
    let (username, password) = (table.text_if("username"), table.secret("password"));
    let keep_alive = table.duration("keep_alive", (5_000, 3_600_000), Some(5_000));
    let packet = table.whole("packet_bytes_max", (1_024, 268_435_455), Some(1 << 20));
    let topics = table.tables("topic", true, |topic| self::topic(topic, bring));
    Some(Mqtt {
        host: host?,
        port: u16::try_from(port?).ok()?,
        version: version?,
        client_id,
        username,
        password,
        keep_alive_s: u16::try_from(keep_alive? / 1000).ok()?,
        packet_bytes_max: usize::try_from(packet?).ok()?,
        tls,
        topics,
    })
}

fn topic(table: &Reader<'_>, bring: &mut Bring<'_>) -> Option<Topic> {
    let filter = table.text("filter");
    if let Some(bad) = filter.as_ref().filter(|filter| !legal_filter(filter)) {
        table.fault(
            "filter",
            format!("{bad:?}"),
            "an MQTT filter: `+` and `#` stand alone in a level, `#` only at the end",
            None,
        );
    }
    let json = table.choice("payload", &[("scalar", false), ("json", true)], None);
    let levels = filter.as_deref().unwrap_or_default().split('/').count();
    let time = table.table_of("time", false).and_then(|of| {
        let formats = [
            ("s", TimeFormat::Seconds),
            ("ms", TimeFormat::Milliseconds),
            ("us", TimeFormat::Microseconds),
            ("rfc3339", TimeFormat::Rfc3339),
        ];
        let (pointer, format) = (pointer(&of, "pointer", true), of.choice("format", &formats, None));
        table.done("time", of);
        Some((pointer?, format?))
    });
    let payload = if json == Some(true) || table.describes() {
        let mut points = table.tables("point", false, |of| point(of, bring, levels, true));
        // One value per document needs no list.
        if points.is_empty() || table.describes() {
            points.extend(point(table, bring, levels, true));
        }
        Payload::Json { points, time }
    } else {
        Payload::Scalar { tag: tag_from(table, bring, levels)? }
    };
    json?;
    Some(Topic { filter: filter?, payload })
}

fn point(table: &Reader<'_>, bring: &mut Bring<'_>, levels: usize, required: bool) -> Option<JsonPoint> {
    let tag = tag_from(table, bring, levels);
    let (value, quality) = (pointer(table, "value", required), pointer(table, "quality", false));
    Some(JsonPoint { tag: tag?, value: value?, quality })
}

fn pointer(table: &Reader<'_>, key: &'static str, required: bool) -> Option<String> {
    let pointer = if required { table.text(key) } else { table.text_if(key) }?;
    if !pointer.starts_with('/') {
        table.fault(key, format!("{pointer:?}"), "a JSON Pointer, for example \"/v\" or \"/values/0\"", None);
    }
    Some(pointer)
}

/// `tag = "NAME"`, or `tag_level = n` with the names that may stand in that level of the topic.
fn tag_from(table: &Reader<'_>, bring: &mut Bring<'_>, levels: usize) -> Option<TagFrom> {
    let (name, level) = (table.text_if("tag"), table.whole_if("tag_level", (0, 63)));
    let listed = table.texts("tags", false);
    match (name, level) {
        (Some(name), None) => bring.tag(table, "tag", &name).map(TagFrom::Fixed),
        (None, Some(level)) => {
            let level = usize::try_from(level).ok()?;
            if level >= levels {
                table.fault("tag_level", level.to_string(), format!("a level of the filter, 0 to {}", levels - 1), None);
            }
            let all: Vec<String> = if listed.is_empty() {
                let mine = bring.tags.iter().filter(|(_, _, link)| Some(*link) == bring.link);
                mine.map(|(name, ..)| name.clone()).collect()
            } else {
                listed
            };
            let table_of: BTreeMap<String, TagId> =
                all.iter().filter_map(|name| bring.tag(table, "tags", name).map(|tag| (name.clone(), tag))).collect();
            Some(TagFrom::Level(level, table_of))
        }
        _ if table.describes() => None,
        _ => {
            table.fault(
                "tag",
                "neither or both of tag and tag_level",
                "tag = \"NAME\", or tag_level = the topic level that names it",
                None,
            );
            None
        }
    }
}

fn legal_filter(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    levels.iter().enumerate().all(|(i, level)| !level.contains(['+', '#']) || *level == "+" || (*level == "#" && i == last))
}

fn modbus(table: &Reader<'_>, bring: &mut Bring<'_>, warnings: &mut Vec<String>) -> Option<Modbus> {
    // Plain Modbus TCP has no encryption: it is for loopback and the plant's own closed network.
    let host = host(table, false, warnings);
    let port = table.whole("port", (1, 65_535), Some(502));
    let timeout = table.duration("timeout", (50, 60_000), Some(1_000));
    let gap = table.whole("gap_max", (0, 100), Some(8));
    let points = table.tables("point", true, |of| modbus_point(of, bring));
    let (port, gap_max) = (u16::try_from(port?).ok()?, u16::try_from(gap?).ok()?);
    Some(Modbus { host: host?, port, timeout_ms: timeout?, gap_max, points })
}

fn modbus_point(table: &Reader<'_>, bring: &mut Bring<'_>) -> Option<ModbusPoint> {
    let tag = table.text("tag").and_then(|name| bring.tag(table, "tag", &name));
    let unit = table.whole("unit", (0, 247), Some(1));
    let tables = [
        ("coil", ModbusTable::Coil),
        ("discrete", ModbusTable::Discrete),
        ("holding", ModbusTable::Holding),
        ("input", ModbusTable::Input),
    ];
    let of = table.choice("table", &tables, None);
    let address = table.whole("address", (0, 65_535), None);
    let types = [
        ("bool", ModbusType::Bool),
        ("u16", ModbusType::U16),
        ("i16", ModbusType::I16),
        ("u32", ModbusType::U32),
        ("i32", ModbusType::I32),
        ("f32", ModbusType::F32),
    ];
    let kind = table.choice("type", &types, None);
    let orders = [("abcd", WordOrder::Abcd), ("cdab", WordOrder::Cdab), ("badc", WordOrder::Badc), ("dcba", WordOrder::Dcba)];
    let order = table.choice("order", &orders, Some(WordOrder::Abcd));
    let (scale, offset) =
        (table.number("scale", (f64::MIN, f64::MAX), Some(1.0)), table.number("offset", (f64::MIN, f64::MAX), Some(0.0)));
    let no_value = table.whole_if("no_value", (0, i64::from(u32::MAX))).and_then(|n| u32::try_from(n).ok());
    let bits = matches!(of, Some(ModbusTable::Coil | ModbusTable::Discrete));
    if let (Some(kind), Some(_)) = (kind, of)
        && bits != (kind == ModbusType::Bool)
    {
        table.fault(
            "type",
            "a type that this table does not hold",
            "bool for coil and discrete; u16, i16, u32, i32 or f32 for holding and input",
            None,
        );
    }
    let wide = matches!(kind, Some(ModbusType::U32 | ModbusType::I32 | ModbusType::F32));
    if wide && address == Some(65_535) {
        table.fault("address", "65535", "an address whose second register is 65535 or less", None);
    }
    let tag = tag?;
    Some(ModbusPoint {
        tag,
        unit: u8::try_from(unit?).ok()?,
        table: of?,
        address: u16::try_from(address?).ok()?,
        kind: kind?,
        order: order?,
        scale: scale?,
        offset: offset?,
        no_value,
        period_ms: bring.period(tag),
    })
}

fn recording(table: &Reader<'_>, bring: &mut Bring<'_>) -> Option<Recording> {
    let separator = table.text_or("separator", ",");
    if separator.len() != 1 {
        table.fault("separator", format!("{separator:?}"), "one character, for example \",\" or \";\"", None);
    }
    let time = table.table_of("time", true).and_then(|of| {
        let (columns, pattern) = (of.texts("columns", false), of.text_or("pattern", "%+"));
        let (every, start) = (of.duration_if("every", (1, LONGEST_MS)), of.text_or("start", "2000-01-01T00:00:00Z"));
        let start = start.parse::<jiff::Timestamp>();
        if start.is_err() && !of.describes() {
            of.fault("start", "a text that is no time", "RFC 3339, for example \"2000-01-01T00:00:00Z\"", None);
        }
        let time = match (columns.is_empty(), every) {
            (false, None) => Some(RecordingTime::Columns(columns, pattern)),
            (true, Some(ms)) => start.ok().map(|start| RecordingTime::Every { ms, start_us: start.as_microsecond() }),
            _ if of.describes() => None,
            _ => {
                of.fault(
                    "columns",
                    "neither or both of columns and every",
                    "columns with a pattern, or every with a start",
                    None,
                );
                None
            }
        };
        table.done("time", of);
        time
    });
    let columns = table.named("columns", true, |of, column, value| {
        let Some(name) = value.as_str() else {
            of.fault(column, super::reader::show(value), "the name of a tag", None);
            return None;
        };
        bring.tag(of, column, name)
    });
    Some(Recording { separator: *separator.as_bytes().first()?, time: time?, columns: columns.into_iter().collect() })
}
