//! What the schema of CAP lets through and must not be acted on. Every rule here was seen to pass the OASIS schema.
//! Must not know: what was received before (duplicates, unknown references), how a refusal is told.

use super::{
    Area, EXPIRES_S_MAX, GEOCODE_DIVISION, HEADLINE_CHARS_MAX, Info, Message, MsgType, Resource, Scope, Severity, Status, Triple,
    time,
};
use brain::Micros;

/// Longest identifier or sender, characters.
const NAME_CHARS_MAX: usize = 200;
/// A message sent this long before or after it came is worth a remark: an outbox drained, or a clock is wrong.
const SKEW_S_MAX: i64 = 300;
/// Most corners of a polygon: the crossing test is quadratic.
const CORNERS_MAX: usize = 1000;

/// All faults, each naming the element and the remedy. Empty = may be acted on.
pub fn check(message: &Message) -> Vec<String> {
    let mut faults = Vec::new();
    header(message, &mut faults);
    references(message, &mut faults);
    match message.msg_type {
        MsgType::Alert | MsgType::Update if message.infos.is_empty() => {
            faults.push("info: an Alert or Update needs at least one".to_owned());
        }
        MsgType::Ack | MsgType::Error if !message.infos.is_empty() => {
            faults.push("info: an Ack or Error must not have one".to_owned());
        }
        _ => {}
    }
    languages(&message.infos, &mut faults);
    for one in &message.infos {
        info(message, one, &mut faults);
    }
    faults
}

/// A remark, never a refusal, on a message whose `sent` is far from `now`.
pub fn skew(message: &Message, now: Micros) -> Option<String> {
    let sent = time::read(&message.sent).ok()?;
    let late_s = now.saturating_sub(sent) / 1_000_000;
    match late_s {
        s if s > SKEW_S_MAX => Some(format!("sent {s} s before it came")),
        s if s < -SKEW_S_MAX => Some(format!("sent {} s in the future", -s)),
        _ => None,
    }
}

fn header(m: &Message, faults: &mut Vec<String>) {
    for (element, text) in [("identifier", &m.identifier), ("sender", &m.sender)] {
        if !is_name(text) {
            faults.push(format!("{element}: needs 1 to {NAME_CHARS_MAX} characters, none of them a blank, comma, < or &"));
        }
    }
    if is_gb_identifier(&m.identifier) && time::read(&gb_time(&m.identifier)).is_err() {
        faults
            .push(format!("identifier: {:?} is of the form of GB/T 35965.1, but names no second of the calendar", m.identifier));
    }
    if let Err(fault) = time::read(&m.sent) {
        faults.push(format!("sent: {fault}"));
    }
    match m.status {
        Status::Draft => faults.push("status: a Draft must not be sent".to_owned()),
        Status::Exercise if is_blank(&m.note) => {
            faults.push("note: an Exercise must name itself here".to_owned());
        }
        _ => {}
    }
    match m.scope {
        Scope::Public => faults.push("scope: Public is refused; use Restricted".to_owned()),
        Scope::Restricted if is_blank(&m.restriction) => {
            faults.push("restriction: a Restricted message must say who may see it".to_owned());
        }
        Scope::Private if is_blank(&m.addresses) => {
            faults.push("addresses: a Private message must name its receivers".to_owned());
        }
        _ => {}
    }
    let texts = [
        ("source", &m.source),
        ("restriction", &m.restriction),
        ("addresses", &m.addresses),
        ("note", &m.note),
        ("references", &m.references),
        ("incidents", &m.incidents),
    ];
    not_empty(&texts, faults);
    if m.msg_type == MsgType::Error && m.note.is_none() {
        faults.push("note: an Error must say why".to_owned());
    }
    if m.signatures > 1 {
        faults.push(format!("Signature: {} of them; at most one", m.signatures));
    }
}

fn references(m: &Message, faults: &mut Vec<String>) {
    let triples = match m.triples() {
        Ok(triples) => triples,
        Err(text) => {
            let short: String = text.chars().take(80).collect();
            faults.push(format!("references: {short:?} is not sender,identifier,sent"));
            return;
        }
    };
    match m.msg_type {
        MsgType::Alert if !triples.is_empty() => {
            faults.push("references: an Alert is the first of its chain".to_owned());
        }
        MsgType::Update | MsgType::Cancel | MsgType::Ack | MsgType::Error if triples.is_empty() => {
            faults.push(format!("references: {} needs at least one sender,identifier,sent", m.msg_type.word()));
        }
        _ => {}
    }
    let own_chain = matches!(m.msg_type, MsgType::Update | MsgType::Cancel);
    for triple in &triples {
        reference(m, triple, own_chain, faults);
    }
}

fn reference(m: &Message, triple: &Triple, own_chain: bool, faults: &mut Vec<String>) {
    if !is_name(&triple.sender) || !is_name(&triple.identifier) {
        faults.push(format!("references: {triple:?} names no message"));
    }
    if triple.identifier == m.identifier && triple.sender == m.sender {
        faults.push("references: the message refers to itself".to_owned());
    }
    if own_chain && triple.sender != m.sender {
        faults.push(format!(
            "references: {} may only follow messages of its own sender, not of {}",
            m.msg_type.word(),
            triple.sender
        ));
    }
    // Not by its order in time: a sender whose clock was set back has sent before what it sent after.
    if let Err(fault) = time::read(&triple.sent) {
        faults.push(format!("references: {fault}"));
    }
}

fn languages(infos: &[Info], faults: &mut Vec<String>) {
    let mut seen: Vec<String> = Vec::new();
    for info in infos {
        match &info.language {
            Some(language) if is_language(language) => {
                let language = language.to_ascii_lowercase();
                if seen.contains(&language) {
                    faults.push(format!("language: {language} twice; one info per language"));
                }
                seen.push(language);
            }
            Some(language) => faults.push(format!("language: {language:?} is not like zh-CN")),
            None => faults.push("language: must be written".to_owned()),
        }
    }
    let says = |i: &Info| (i.categories.clone(), i.urgency, i.severity, i.certainty);
    if infos.windows(2).any(|two| says(&two[0]) != says(&two[1])) {
        faults.push("info: category, urgency, severity and certainty must be the same in every language".to_owned());
    }
}

fn info(m: &Message, info: &Info, faults: &mut Vec<String>) {
    if info.event.trim().is_empty() {
        faults.push("event: must not be empty".to_owned());
    }
    let texts = [
        ("audience", &info.audience),
        ("senderName", &info.sender_name),
        ("headline", &info.headline),
        ("description", &info.description),
        ("instruction", &info.instruction),
        ("web", &info.web),
        ("contact", &info.contact),
    ];
    not_empty(&texts, faults);
    if info.headline.as_ref().is_some_and(|h| h.chars().count() > HEADLINE_CHARS_MAX) {
        faults.push(format!("headline: more than {HEADLINE_CHARS_MAX} characters"));
    }
    for (element, pairs) in [("eventCode", &info.event_codes), ("parameter", &info.parameters)] {
        if pairs.iter().any(|p| p.name.trim().is_empty() || p.value.trim().is_empty()) {
            faults.push(format!("{element}: valueName and value must not be empty"));
        }
    }
    times(m, info, faults);
    colour(info, faults);
    for one in &info.resources {
        resource(one, faults);
    }
    for one in &info.areas {
        area(m, one, faults);
    }
}

fn times(m: &Message, info: &Info, faults: &mut Vec<String>) {
    let mut at = |element: &str, text: &Option<String>| match text.as_deref().map(time::read) {
        None => None,
        Some(Ok(at)) => Some(at),
        Some(Err(fault)) => {
            faults.push(format!("{element}: {fault}"));
            None
        }
    };
    let effective = at("effective", &info.effective);
    let onset = at("onset", &info.onset);
    let expires = at("expires", &info.expires);
    let Ok(sent) = time::read(&m.sent) else {
        return; // said once, by the header
    };
    let effective = effective.unwrap_or(sent);
    if effective < sent {
        faults.push("effective: earlier than sent".to_owned());
    }
    let Some(expires) = expires else { return };
    if expires < effective {
        faults.push("expires: earlier than effective or sent".to_owned());
    }
    if onset.is_some_and(|onset| onset > expires) {
        faults.push("onset: later than expires".to_owned());
    }
    if expires.saturating_sub(sent) > i64::from(EXPIRES_S_MAX) * 1_000_000 {
        faults.push(format!("expires: more than {EXPIRES_S_MAX} s after sent"));
    }
}

/// The colour that people read must be the severity that machines read.
fn colour(info: &Info, faults: &mut Vec<String>) {
    for parameter in info.parameters.iter().filter(|p| p.name == "warningLevel") {
        let agrees = match parameter.value.as_str() {
            "red" => info.severity == Severity::Extreme,
            "orange" => info.severity == Severity::Severe,
            "yellow" => info.severity == Severity::Moderate,
            "blue" => info.severity == Severity::Minor,
            _ => false,
        };
        if !agrees {
            faults.push(format!(
                "parameter warningLevel: {:?} does not agree with severity {}; red Extreme, orange Severe, yellow Moderate, blue Minor",
                parameter.value,
                info.severity.word()
            ));
        }
    }
}

fn resource(resource: &Resource, faults: &mut Vec<String>) {
    if resource.description.trim().is_empty() || resource.mime_type.trim().is_empty() {
        faults.push("resource: resourceDesc and mimeType must not be empty".to_owned());
    }
    let size = resource.size.as_deref().map(str::parse::<u64>);
    if matches!(size, Some(Err(_))) {
        faults.push("size: must be a number of bytes, 0 or more".to_owned());
    }
    if let (Some(Ok(size)), Some(content)) = (size, &resource.deref_uri) {
        let digits = content.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=').count();
        if size != digits as u64 * 3 / 4 {
            faults.push("size: does not agree with derefUri".to_owned());
        }
    }
    let is_sha1 = |d: &String| d.len() == 40 && d.bytes().all(|b| b.is_ascii_hexdigit());
    if !resource.digest.iter().all(is_sha1) {
        faults.push("digest: must be SHA-1, 40 hexadecimal digits".to_owned());
    }
}

fn area(m: &Message, area: &Area, faults: &mut Vec<String>) {
    if area.description.trim().is_empty() {
        faults.push("areaDesc: must not be empty".to_owned());
    }
    for text in &area.circles {
        if let Err(fault) = circle(text) {
            faults.push(format!("circle: {text:?} {fault}"));
        }
    }
    for text in &area.polygons {
        if let Err(fault) = polygon(text) {
            faults.push(format!("polygon: {fault}"));
        }
    }
    for code in &area.geocodes {
        if code.name.trim().is_empty() || code.value.trim().is_empty() {
            faults.push("geocode: valueName and value must not be empty".to_owned());
        }
        if code.name == GEOCODE_DIVISION && is_gb_identifier(&m.identifier) && m.identifier[..6] != code.value {
            faults.push(format!("geocode: {:?} is not the division {} of the identifier", code.value, &m.identifier[..6]));
        }
    }
    heights(area, faults);
}

fn heights(area: &Area, faults: &mut Vec<String>) {
    let mut feet = |element: &str, text: &Option<String>| {
        let number = text.as_ref()?.trim().parse::<f64>();
        let number = number.ok().filter(|feet| feet.is_finite());
        if number.is_none() {
            faults.push(format!("{element}: must be a number of feet"));
        }
        number
    };
    let low = feet("altitude", &area.altitude);
    let high = feet("ceiling", &area.ceiling);
    if area.ceiling.is_some() && area.altitude.is_none() {
        faults.push("ceiling: needs an altitude".to_owned());
    }
    if low.zip(high).is_some_and(|(low, high)| high < low) {
        faults.push("ceiling: must not be below altitude".to_owned());
    }
}

fn circle(text: &str) -> Result<(), &'static str> {
    let (centre, radius) = text.split_once(' ').ok_or("is not lat,lon km")?;
    point(centre)?;
    match radius.parse::<f64>() {
        Ok(km) if km > 0.0 && km.is_finite() => Ok(()),
        _ => Err("needs a radius above 0 km"),
    }
}

/// Inside China's envelope: a swapped pair falls outside of it.
fn point(text: &str) -> Result<(f64, f64), &'static str> {
    let number = |t: &str| t.parse::<f64>().ok().filter(|n| n.is_finite());
    let pair = text.split_once(',').map(|(a, b)| (number(a), number(b)));
    let Some((Some(latitude), Some(longitude))) = pair else {
        return Err("is not lat,lon");
    };
    if (3.0..=54.0).contains(&latitude) && (73.0..=136.0).contains(&longitude) {
        Ok((latitude, longitude))
    } else {
        Err("is outside latitude 3 to 54, longitude 73 to 136; latitude comes first")
    }
}

fn polygon(text: &str) -> Result<(), &'static str> {
    let corners: Vec<(f64, f64)> = text.split_ascii_whitespace().map(point).collect::<Result<_, _>>()?;
    if corners.len() < 4 || corners.first() != corners.last() {
        return Err("needs at least four points, the last equal to the first");
    }
    if corners.len() > CORNERS_MAX {
        return Err("has more than 1000 points");
    }
    let sides: Vec<_> = corners.windows(2).map(|two| (two[0], two[1])).collect();
    let apart = |i: usize, j: usize| j > i + 1 && !(i == 0 && j == sides.len() - 1);
    let crossed = (0..sides.len()).any(|i| (0..sides.len()).any(|j| apart(i, j) && cross(sides[i], sides[j])));
    if crossed {
        return Err("crosses itself");
    }
    Ok(())
}

type Side = ((f64, f64), (f64, f64));

fn cross(a: Side, b: Side) -> bool {
    let turn = |p: (f64, f64), q: (f64, f64), r: (f64, f64)| ((q.0 - p.0) * (r.1 - p.1) - (q.1 - p.1) * (r.0 - p.0)).signum();
    turn(a.0, a.1, b.0) * turn(a.0, a.1, b.1) < 0.0 && turn(b.0, b.1, a.0) * turn(b.0, b.1, a.1) < 0.0
}

fn is_name(text: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '<' | '&');
    !text.is_empty() && text.chars().count() <= NAME_CHARS_MAX && !text.chars().any(forbidden)
}

/// `ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N` (GB/T 35965.1-2018).
fn is_gb_identifier(text: &str) -> bool {
    let shape = "dddddddddddddd_dddddddddddddd_d";
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(b, s)| match s {
            b'd' => b.is_ascii_digit(),
            _ => b == s,
        })
}

/// The second in such a name, as CAP writes it.
fn gb_time(name: &str) -> String {
    let (date, clock) = (&name[15..23], &name[23..29]);
    format!("{}-{}-{}T{}:{}:{}+08:00", &date[..4], &date[4..6], &date[6..], &clock[..2], &clock[2..4], &clock[4..])
}

/// As the schema's `xs:language`.
fn is_language(text: &str) -> bool {
    text.split('-').enumerate().all(|(i, part)| {
        let fits = |b: u8| b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit());
        (1..=8).contains(&part.len()) && part.bytes().all(fits)
    })
}

fn is_blank(text: &Option<String>) -> bool {
    text.as_ref().is_none_or(|t| t.trim().is_empty())
}

fn not_empty(texts: &[(&str, &Option<String>)], faults: &mut Vec<String>) {
    for (element, text) in texts {
        if text.as_ref().is_some_and(|t| t.trim().is_empty()) {
            faults.push(format!("{element}: must not be empty; leave it out"));
        }
    }
}
