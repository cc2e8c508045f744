//! Links: what is subscribed, polled or read, and how it becomes values of tags.
//! Must not know: what the values mean.

use super::plant::LONGEST_MS;
use super::reader::Reader;
use super::scalar::{is_plain, show, shown, whole};
use super::types::{
    Calendar, CalendarPoint, JsonPoint, Link, LinkKind, Modbus, ModbusPoint, ModbusTable, ModbusType, Mqtt, MqttVersion, Payload,
    Recording, RecordingTime, TagFrom, TimeFormat, Topic, Values, WordOrder,
};
use super::{Names, tls};
use brain::{Micros, TagId};
use std::borrow::Cow;
use toml::Spanned;
use toml::de::DeValue;

/// What a link must know of a tag.
pub(super) struct Known {
    pub(super) link: usize,
    pub(super) period_ms: u64,
    pub(super) range: (f64, f64),
}

/// In the order of `names.tags`; None where the tag is at fault.
type Tags = [Option<Known>];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Mqtt,
    Modbus,
    Calendar,
    Recording,
}

/// Reads one `[[link]]`, and the tags it brings.
pub(super) fn link(table: &Reader<'_>, names: &Names, tags: &Tags, warnings: &mut Vec<String>) -> Option<(Link, Vec<TagId>)> {
    let name = table.name("name");
    let kinds = [("mqtt", Kind::Mqtt), ("modbus", Kind::Modbus), ("calendar", Kind::Calendar), ("recording", Kind::Recording)];
    let kind = table.choice("kind", &kinds, None);
    let position = name.as_ref().and_then(|name| names.links.names.iter().position(|link| link == name));
    let mut bring = Bring { names, tags, link: position, brought: Vec::new() };
    // A broker that serves several sites must not take one for another.
    let own = match &name {
        Some(name) => format!("safety-brain-{}-{name}", names.site),
        None => "safety-brain-SITE-LINK".to_owned(),
    };
    let mqtt = table.case("kind", "mqtt", kind == Some(Kind::Mqtt), || mqtt(table, &mut bring, &own, warnings));
    let modbus = table.case("kind", "modbus", kind == Some(Kind::Modbus), || modbus(table, &mut bring, warnings));
    let calendar = table.case("kind", "calendar", kind == Some(Kind::Calendar), || calendar(table, &mut bring));
    let recording = table.case("kind", "recording", kind == Some(Kind::Recording), || recording(table, &mut bring));
    if kind.is_none() {
        table.pardon("kind");
    }
    let field = mqtt.map(LinkKind::Mqtt).or(modbus.map(LinkKind::Modbus));
    let kind = field.or(calendar.map(LinkKind::Calendar)).or(recording.map(LinkKind::Recording));
    Some((Link { name: name?, kind: kind? }, bring.brought))
}

/// Gathers the tags a link brings: a tag belongs to one link, and comes from one place in it.
struct Bring<'n> {
    names: &'n Names,
    tags: &'n Tags,
    link: Option<usize>,
    brought: Vec<TagId>,
}

impl Bring<'_> {
    fn known(&self, tag: TagId) -> Option<&Known> {
        self.tags.get(tag.0 as usize)?.as_ref()
    }

    fn tag(&mut self, table: &Reader<'_>, key: &str, name: &str) -> Option<TagId> {
        let id = TagId(table.resolve(key, "tag", name, &self.names.tags.names)? as u32);
        if let Some(known) = self.known(id).filter(|known| Some(known.link) != self.link) {
            let found = format!("{name:?}, whose link is {:?}", self.names.links.names[known.link]);
            table.fault(key, found, "a tag of this link", None);
        } else if self.brought.contains(&id) {
            table.fault(key, format!("{name:?}, which this link brings already"), "each tag once", None);
        }
        self.brought.push(id);
        Some(id)
    }

    /// Tags of this link that nothing named so far brings.
    fn rest(&self) -> Vec<TagId> {
        let mine = |tag: &TagId| self.known(*tag).is_some_and(|known| Some(known.link) == self.link);
        let all = (0..self.tags.len()).map(|index| TagId(index as u32));
        all.filter(|tag| mine(tag) && !self.brought.contains(tag)).collect()
    }
}

/// `host`, and what may be said about crossing the network unprotected.
pub(super) fn host(table: &Reader<'_>, tls: bool, warnings: &mut Vec<String>) -> Option<String> {
    let host = table.text("host");
    let insecure = table.flag("insecure", false);
    let host = host?;
    let name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if host.parse::<std::net::IpAddr>().is_err() && !host.chars().all(name) {
        table.fault("host", shown(&host), "a host name or an IP address alone, the port in port = ...", None);
        return None;
    }
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
        warnings.push(format!(
            "{}:{}: the connection to {host} is not encrypted (insecure = true)",
            place.file.display(),
            place.line
        ));
    }
    Some(host)
}

fn mqtt(table: &Reader<'_>, bring: &mut Bring<'_>, own_id: &str, warnings: &mut Vec<String>) -> Option<Mqtt> {
    let tls = tls::client(table);
    let host = host(table, table.has("tls"), warnings);
    let port = table.whole("port", (1, 65_535), Some(if tls.is_some() { 8883 } else { 1883 }));
    let version = table.choice("version", &[("3.1.1", MqttVersion::V311), ("5", MqttVersion::V5)], Some(MqttVersion::V311));
    let client_id = table.text_or("client_id", own_id);
    let (username, password) = (table.text_if("username"), table.secret("password"));
    let keep_alive = table.duration("keep_alive", (5_000, 3_600_000), Some(5_000));
    let packet = table.whole("packet_bytes_max", (1_024, 268_435_455), Some(1 << 20));
    let topics = table.tables("topic", true, |topic| self::topic(topic, bring)).into_iter().collect::<Option<Vec<_>>>();
    for (index, topic) in topics.iter().flatten().enumerate() {
        if topics.iter().flatten().take(index).any(|other| other.filter == topic.filter) {
            let found = format!("filter {:?} twice", topic.filter);
            table.fault("topic", found, "each filter once, its values in [[link.topic.point]]", None);
        }
    }
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
        topics: topics?,
    })
}

fn topic(table: &Reader<'_>, bring: &mut Bring<'_>) -> Option<Topic> {
    let filter = table.text("filter");
    if let Some(bad) = filter.as_ref().filter(|filter| !legal_filter(filter)) {
        let allowed =
            "an MQTT filter: `+` and `#` stand alone in a level, `#` only at the end, a shared one is $share/GROUP/FILTER";
        table.fault("filter", format!("{bad:?}"), allowed, None);
    }
    let json = table.choice("payload", &[("scalar", false), ("json", true)], None);
    // A filter at fault says nothing about its levels.
    let within = filter.as_deref().unwrap_or("#");
    let scalar = table.case("payload", "scalar", json == Some(false), || scalar_payload(table, bring, within));
    let document = table.case("payload", "json", json == Some(true), || json_payload(table, bring, within));
    if json.is_none() {
        table.pardon("payload");
    }
    Some(Topic { filter: filter?, payload: scalar.or(document)? })
}

fn scalar_payload(table: &Reader<'_>, bring: &mut Bring<'_>, filter: &str) -> Option<Payload> {
    let tag = tag_from(table, bring, filter);
    let values = values(table, bring, tag.as_ref());
    Some(Payload::Scalar { tag: tag?, values })
}

fn json_payload(table: &Reader<'_>, bring: &mut Bring<'_>, filter: &str) -> Option<Payload> {
    let time = table.table_of("time", false).map(|of| {
        let formats = [
            ("s", TimeFormat::Seconds),
            ("ms", TimeFormat::Milliseconds),
            ("us", TimeFormat::Microseconds),
            ("rfc3339", TimeFormat::Rfc3339),
        ];
        let (pointer, format) = (pointer(&of, "pointer", true), of.choice("format", &formats, None));
        table.done("time", of);
        pointer.zip(format)
    });
    let mut points = table.tables("point", false, |of| point(of, bring, filter));
    // One value per document needs no list.
    if !table.has("point") {
        points.push(only_point(table, bring, filter));
    }
    let points = points.into_iter().collect::<Option<_>>()?;
    Some(Payload::Json { points, time: time.map_or(Some(None), |time| time.map(Some))? })
}

fn point(table: &Reader<'_>, bring: &mut Bring<'_>, filter: &str) -> Option<JsonPoint> {
    let tag = tag_from(table, bring, filter);
    let (value, quality) = (pointer(table, "value", true), pointer(table, "quality", false));
    let values = values(table, bring, tag.as_ref());
    Some(JsonPoint { tag: tag?, value: value?, quality, values })
}

/// The only value of a document, written in the topic itself: required where there is no list, which the description cannot say.
fn only_point(table: &Reader<'_>, bring: &mut Bring<'_>, filter: &str) -> Option<JsonPoint> {
    let tag = tag_from(table, bring, filter);
    let (value, quality) = (pointer(table, "value", false), pointer(table, "quality", false));
    let values = values(table, bring, tag.as_ref());
    if !table.has("value") && !table.describes() {
        let allowed = "a JSON Pointer to the value, or [[link.topic.point]] for several";
        table.fault("value", "nothing", allowed, None);
    }
    Some(JsonPoint { tag: tag?, value: value?, quality, values })
}

/// `values = { RUNNING = 1, STOPPED = 0 }`: what the words of the field stand for.
fn values(table: &Reader<'_>, bring: &Bring<'_>, from: Option<&TagFrom>) -> Values {
    let tags: Vec<TagId> = match from {
        Some(TagFrom::Fixed(tag)) => vec![*tag],
        Some(TagFrom::Level(_, names)) => names.values().copied().collect(),
        None => Vec::new(),
    };
    let mut words = 0;
    let values = table.named("values", false, |of, word, written| {
        words += 1;
        code(of, bring, &tags, word, written)
    });
    if table.has("values") && words == 0 {
        table.fault(
            "values",
            "no word",
            "what each word of the field stands for, for example { RUNNING = 1, STOPPED = 0 }",
            None,
        );
    }
    values
}

/// Longest word of the field, bytes.
const WORD_BYTES_MAX: usize = 64;

/// One word's code, inside the range of every tag that it may be sent for.
fn code(table: &Reader<'_>, bring: &Bring<'_>, tags: &[TagId], word: &str, written: &DeValue<'_>) -> Option<u32> {
    if word.trim() != word || word.is_empty() || word.len() > WORD_BYTES_MAX || !is_plain(word) {
        table.fault(word, shown(word), "a word of 1 to 64 bytes as the field sends it, without spaces around it", None);
    }
    let code = whole(written).and_then(|code| u32::try_from(code).ok());
    let Some(code) = code else {
        table.fault(word, show(written), "its code, a whole number from 0 to 4294967295", None);
        return None;
    };
    let outside = |tag: &&TagId| {
        bring.known(**tag).is_some_and(|Known { range: (low, high), .. }| !(*low..=*high).contains(&f64::from(code)))
    };
    if let Some((tag, Known { range: (low, high), .. })) =
        tags.iter().find(outside).and_then(|tag| Some((tag, bring.known(*tag)?)))
    {
        let found = format!("{code}, which is impossible for {}", bring.names.tags.names[tag.0 as usize]);
        table.fault(word, found, format!("a code inside the range of its tag, {low} to {high}"), None);
    }
    Some(code)
}

fn pointer(table: &Reader<'_>, key: &'static str, required: bool) -> Option<String> {
    let pointer = if required { table.text(key) } else { table.text_if(key) }?;
    let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !pointer.starts_with('/') || !escapes {
        table.fault(
            key,
            format!("{pointer:?}"),
            "a JSON Pointer, for example \"/v\" or \"/values/0\"; `~` in a name is written ~0, `/` is written ~1",
            None,
        );
    }
    Some(pointer)
}

/// `tag = "NAME"`, or `tag_level = n`: that level of the topic is the tag's name, or a key of `tags` where the field has other names.
fn tag_from(table: &Reader<'_>, bring: &mut Bring<'_>, filter: &str) -> Option<TagFrom> {
    let (name, level) = (table.text_if("tag"), table.whole_if("tag_level", (0, 63)));
    let listed = table.named("tags", false, |of, word, value| match value.as_str() {
        Some(name) => bring.tag(of, word, name),
        None => {
            of.fault(word, show(value), "the name of a tag", None);
            None
        }
    });
    if table.describes() {
        return None;
    }
    if table.has("tag") == table.has("tag_level") {
        let allowed = "tag = \"NAME\", or tag_level = the topic level that names it";
        table.fault("tag", "neither or both of tag and tag_level", allowed, None);
        return None;
    }
    if let Some(name) = name {
        if table.has("tags") {
            table.fault("tags", "names of topic levels", "them beside tag_level only", None);
        }
        return bring.tag(table, "tag", &name).map(TagFrom::Fixed);
    }
    let level = usize::try_from(level?).ok()?;
    let levels: Vec<&str> = filter.split('/').collect();
    let under_hash = levels.iter().position(|of| *of == "#").is_some_and(|hash| hash <= level);
    if levels.get(level) != Some(&"+") && !under_hash {
        let allowed = format!("a level of {filter:?}, counted from 0, that is `+` or under `#`: any other is always the same");
        table.fault("tag_level", level.to_string(), allowed, None);
    }
    if table.has("tags") {
        return Some(TagFrom::Level(level, listed));
    }
    let rest = bring.rest();
    // A tag at fault may be the one: its own fault says why it is not here.
    if rest.is_empty() && bring.tags.iter().all(Option::is_some) {
        let allowed = "tags with this link that nothing else brings, or tags = { word = \"TAG\" }";
        table.fault("tag_level", "no tag left to name", allowed, None);
    }
    bring.brought.extend(&rest);
    let names = &bring.names.tags.names;
    Some(TagFrom::Level(level, rest.into_iter().map(|tag| (names[tag.0 as usize].clone(), tag)).collect()))
}

fn legal_filter(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    // A shared subscription is `$share/GROUP/FILTER`.
    if levels[0] == "$share" && (last < 2 || levels[1].is_empty() || levels[1].contains(['+', '#'])) {
        return false;
    }
    levels.iter().enumerate().all(|(i, level)| !level.contains(['+', '#']) || *level == "+" || (*level == "#" && i == last))
}

fn modbus(table: &Reader<'_>, bring: &mut Bring<'_>, warnings: &mut Vec<String>) -> Option<Modbus> {
    // Plain Modbus TCP has no encryption: it is for loopback and the plant's own closed network.
    let host = host(table, false, warnings);
    let port = table.whole("port", (1, 65_535), Some(502));
    let timeout = table.duration("timeout", (50, 60_000), Some(1_000));
    let gap = table.whole("gap_max", (0, 100), Some(8));
    let mut before: Vec<ModbusPoint> = Vec::new();
    let points = table.tables("point", true, |of| {
        let point = modbus_point(of, bring)?;
        let same = |other: &&ModbusPoint| other.unit == point.unit && other.table == point.table && touch(other, &point);
        if let Some(other) = before.iter().find(same) {
            let found = format!("{}, which {} reads already", point.address, bring.names.tags.names[other.tag.0 as usize]);
            of.fault("address", found, "each register for one tag: the same sensor under two names is no second sensor", None);
        }
        before.push(point.clone());
        Some(point)
    });
    let points = points.into_iter().collect::<Option<_>>();
    let (port, gap_max) = (u16::try_from(port?).ok()?, u16::try_from(gap?).ok()?);
    Some(Modbus { host: host?, port, timeout_ms: timeout?, gap_max, points: points? })
}

/// Whether two values share a register.
fn touch(one: &ModbusPoint, other: &ModbusPoint) -> bool {
    let end = |of: &ModbusPoint| {
        u32::from(of.address) + if matches!(of.kind, ModbusType::U32 | ModbusType::I32 | ModbusType::F32) { 2 } else { 1 }
    };
    u32::from(one.address) < end(other) && u32::from(other.address) < end(one)
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
    let (scale, offset) = (table.number("scale", (-1e12, 1e12), Some(1.0)), table.number("offset", (-1e12, 1e12), Some(0.0)));
    if scale.is_some_and(|scale| scale.abs() < 1e-12) {
        table.fault(
            "scale",
            "nothing, or as good as nothing",
            "what one step of the register means: with 0 every value is the same",
            None,
        );
    }
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
    if kind.is_some() && !wide && table.has("order") {
        table.fault("order", "an order for one register", "none: it is for u32, i32 and f32", None);
    }
    if kind.is_some() && !wide && no_value.is_some_and(|bits| bits > u32::from(u16::MAX)) {
        table.fault("no_value", "more than 16 bits", "the pattern of one register, 0 to 65535", None);
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
        // A tag at fault has no period; nothing is read by such a file.
        period_ms: bring.known(tag)?.period_ms,
    })
}

fn calendar(table: &Reader<'_>, bring: &mut Bring<'_>) -> Option<Calendar> {
    let points = table.tables("schedule", true, |of| {
        let tag = of.text("tag").and_then(|name| bring.tag(of, "tag", &name));
        let windows = of.tables("window", true, window).into_iter().collect::<Option<Vec<_>>>();
        Some((CalendarPoint { tag: tag?, windows: windows? }, bring.known(tag?)?.period_ms))
    });
    let (points, periods): (Vec<_>, Vec<_>) = points.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
    Some(Calendar { period_ms: periods.into_iter().min()?, points })
}

/// `from` to before `until`.
fn window(table: &Reader<'_>) -> Option<(Micros, Micros)> {
    let moment = |key: &'static str| {
        let text = table.text(key)?;
        match text.parse::<jiff::Timestamp>() {
            Ok(moment) => Some(moment.as_microsecond()),
            Err(_) => {
                table.fault(key, format!("{text:?}"), "RFC 3339 with an offset, for example \"2027-07-01T00:00:00+08:00\"", None);
                None
            }
        }
    };
    let (from, until) = (moment("from"), moment("until"));
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        table.fault("until", "a window that ends before it begins", "a time after `from`", None);
    }
    from.zip(until)
}

fn recording(table: &Reader<'_>, bring: &mut Bring<'_>) -> Option<Recording> {
    let separator = table.text_or("separator", ",");
    if separator.len() != 1 {
        table.fault("separator", format!("{separator:?}"), "one character, for example \",\" or \";\"", None);
    }
    let time = table.table_of("time", true).and_then(|of| {
        let time = recording_time(&of);
        table.done("time", of);
        time
    });
    let columns = table.named("columns", true, |of, column, value| {
        let Some(name) = value.as_str() else {
            of.fault(column, show(value), "the name of a tag", None);
            return None;
        };
        bring.tag(of, column, name)
    });
    let values = table.named("values", false, |of, column, written| {
        let words = written.as_table().filter(|words| !words.is_empty());
        let Some((words, tag)) = words.zip(columns.get(column)) else {
            let allowed = "a column of `columns` and its words, for example { pump = { RUNNING = 1, STOPPED = 0 } }";
            of.fault(column, show(written), allowed, None);
            return None;
        };
        let code = |(word, code): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            Some((word.get_ref().to_string(), self::code(of, bring, &[*tag], word.get_ref(), code.get_ref())?))
        };
        Some((*tag, words.iter().filter_map(code).collect::<Values>()))
    });
    let values = values.into_values().collect();
    Some(Recording { separator: *separator.as_bytes().first()?, time: time?, columns: columns.into_iter().collect(), values })
}

/// 2000-01-01: where a recording without a clock begins unless the site file says otherwise.
const START: jiff::Timestamp = jiff::Timestamp::constant(946_684_800, 0);

/// `columns` with a `pattern` and a `zone`, or `every` with a `start`.
fn recording_time(table: &Reader<'_>) -> Option<RecordingTime> {
    let (columns, pattern) = (table.texts("columns", false), table.text_if("pattern"));
    let (every, start) = (table.duration_if("every", (1, LONGEST_MS)), table.text_if("start"));
    if let Some(bad) = pattern.as_ref().filter(|pattern| !legal_pattern(pattern)) {
        let allowed = "%+ (RFC 3339), or a strptime pattern of a full date and time, for example \"%Y-%m-%d %H:%M:%S\"";
        table.fault("pattern", format!("{bad:?}"), allowed, None);
    }
    let named = table.text_if("zone");
    let zone = named.as_deref().map(|zone| jiff::fmt::strtime::parse("%:z", zone).ok().and_then(|parts| parts.offset()));
    if zone == Some(None) {
        let allowed = "the zone of times that name none, for example \"+08:00\"";
        table.fault("zone", format!("{:?}", named.unwrap_or_default()), allowed, None);
    }
    let first = start.as_ref().map(|start| start.parse::<jiff::Timestamp>());
    if let Some(Err(_)) = first {
        table.fault("start", format!("{:?}", start.unwrap_or_default()), "RFC 3339, for example \"2000-01-01T00:00:00Z\"", None);
    }
    if table.describes() {
        return None;
    }
    let has = |keys: &[&str]| keys.iter().any(|key| table.has(key));
    let (of_columns, of_steps) = (has(&["columns", "pattern", "zone"]), has(&["every", "start"]));
    if of_columns == of_steps {
        let found = "neither or both of columns and every";
        table.fault("columns", found, "columns with a pattern, or every with a start", None);
        return None;
    }
    let needed = if of_columns { "columns" } else { "every" };
    if !table.has(needed) {
        table.fault(needed, "nothing", "columns with a pattern, or every with a start", None);
    }
    if of_columns {
        let pattern = pattern.unwrap_or_else(|| "%+".to_owned());
        return Some(RecordingTime::Columns { names: columns, pattern, zone: zone.flatten() });
    }
    let start_us = first.unwrap_or(Ok(START)).ok()?.as_microsecond();
    Some(RecordingTime::Every { ms: every?, start_us })
}

/// True for `%+` (RFC 3339), and for a pattern that reads back the time it wrote.
fn legal_pattern(pattern: &str) -> bool {
    use jiff::fmt::strtime;
    let time = jiff::civil::date(2017, 12, 22).at(10, 49, 41, 0);
    let round = || {
        let text = strtime::format(pattern, jiff::tz::Offset::UTC.to_timestamp(time).ok()?).ok()?;
        Some(strtime::parse(pattern, &text).ok()?.to_datetime().ok()? == time)
    };
    pattern == "%+" || round() == Some(true)
}
