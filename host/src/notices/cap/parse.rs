//! Bytes to a [`Message`], for bytes that anybody may have sent: bounded size and depth, no document type, no entities but the five,
//! UTF-8 only, and the elements of the schema in the schema's order.
//! Must not know: whether what a message says makes sense (that is `check`).

use super::{
    Area, CapError, Category, Certainty, Info, Message, MsgType, NAMESPACE, Pair, Resource, ResponseType, Scope, Severity,
    Status, Urgency,
};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

/// Largest message taken.
pub const BYTES_MAX: usize = 256 * 1024;
/// Deepest element taken; CAP itself needs five, a signature a few more.
pub const DEPTH_MAX: usize = 32;

const XMLDSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Reads one message.
pub fn parse(bytes: &[u8]) -> Result<Message, CapError> {
    if bytes.len() > BYTES_MAX {
        return Err(CapError::TooLarge(bytes.len()));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|e| CapError::Xml { at: e.valid_up_to() as u64, what: "not UTF-8".to_owned() })?;
    let root = tree(text.strip_prefix('\u{feff}').unwrap_or(text))?;
    if root.name != "alert" || root.signature {
        return shape(&root.name, "the root must be <alert>");
    }
    alert(root)
}

/// An element of CAP with its text or its children.
struct Node {
    name: String,
    text: String,
    children: Vec<Node>,
    signature: bool,
}

fn shape<T>(place: &str, what: impl Into<String>) -> Result<T, CapError> {
    Err(CapError::Shape { place: place.to_owned(), what: what.into() })
}

// ---- XML to a tree

fn tree(text: &str) -> Result<Node, CapError> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        let at = reader.buffer_position();
        let fail = |what: String| CapError::Xml { at, what };
        let (space, event) = reader.read_resolved_event().map_err(|e| fail(e.to_string()))?;
        match event {
            Event::Start(start) => {
                if root.is_some() {
                    return Err(fail("a second root element".to_owned()));
                }
                if open.len() == DEPTH_MAX {
                    return Err(fail(format!("deeper than {DEPTH_MAX} elements")));
                }
                let inside = open.last().is_some_and(|parent| parent.signature);
                open.push(element(&start, &space, inside).map_err(fail)?);
            }
            Event::End(_) => {
                let Some(node) = open.pop() else {
                    return Err(fail("an end without a start".to_owned()));
                };
                match open.last_mut() {
                    Some(parent) if parent.signature => {}
                    Some(parent) => parent.children.push(node),
                    None => root = Some(node),
                }
            }
            Event::Text(part) => add(&mut open, &part.xml10_content()).map_err(fail)?,
            Event::CData(part) if !open.is_empty() => {
                add(&mut open, &part.xml10_content()).map_err(fail)?;
            }
            Event::GeneralRef(name) if !open.is_empty() => {
                let c = reference(&name).map_err(fail)?;
                add(&mut open, c.encode_utf8(&mut [0; 4])).map_err(fail)?;
            }
            Event::CData(_) | Event::GeneralRef(_) => {
                return Err(fail("text outside the root element".to_owned()));
            }
            Event::DocType(_) => {
                return Err(fail("a document type is not taken".to_owned()));
            }
            Event::Decl(decl) => declaration(&decl).map_err(fail)?,
            Event::Comment(_) | Event::PI(_) => {}
            Event::Empty(_) => return Err(fail("an empty element not expanded".to_owned())),
            Event::Eof if open.is_empty() => {
                return root.ok_or_else(|| fail("no element".to_owned()));
            }
            Event::Eof => return Err(fail("the message ends inside an element".to_owned())),
        }
    }
}

fn element(start: &BytesStart, space: &ResolveResult, inside: bool) -> Result<Node, String> {
    let name = start.local_name().as_ref().to_owned();
    let within = |wanted: &str| matches!(space, ResolveResult::Bound(Namespace(s)) if *s == wanted);
    let signature = inside || within(XMLDSIG);
    if !signature && !within(NAMESPACE) {
        return Err(format!("<{name}> is not in the namespace {NAMESPACE} of CAP 1.2"));
    }
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        let key: &str = attribute.key.as_ref();
        if !signature && !key.starts_with("xmlns") && !key.starts_with("xsi:") {
            return Err(format!("<{name}> has no attribute {key:?}"));
        }
    }
    Ok(Node { name, text: String::new(), children: Vec::new(), signature })
}

fn add(open: &mut [Node], text: &str) -> Result<(), String> {
    if let Some(c) = text.chars().find(|c| !is_xml_char(*c)) {
        return Err(format!("the character U+{:04X} is not allowed in XML", u32::from(c)));
    }
    match open.last_mut() {
        Some(node) => {
            node.text.push_str(text);
            Ok(())
        }
        None if text.trim_ascii().is_empty() => Ok(()),
        None => Err("text outside the root element".to_owned()),
    }
}

/// What XML 1.0 lets stand in a text.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn reference(name: &BytesRef) -> Result<char, String> {
    let known = match &*name.xml10_content() {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => name.resolve_char_ref().map_err(|e| e.to_string())?,
    };
    known.ok_or_else(|| format!("the entity &{}; is not taken: only lt, gt, amp, apos, quot and numbers", name.xml10_content()))
}

fn declaration(decl: &BytesDecl) -> Result<(), String> {
    let version = decl.version().map_err(|e| e.to_string())?;
    if version != "1.0" {
        return Err(format!("XML version {version:?}; only 1.0 is taken"));
    }
    match decl.encoding() {
        None => Ok(()),
        Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(Ok(name)) => Err(format!("encoding {name:?}; only UTF-8 is taken")),
        Some(Err(e)) => Err(e.to_string()),
    }
}

// ---- a tree to a message

/// The children of one element, taken in the schema's order.
struct Parts {
    place: String,
    rest: std::iter::Peekable<std::vec::IntoIter<Node>>,
}

impl Parts {
    fn of(node: Node) -> Result<Parts, CapError> {
        if !node.text.trim_ascii().is_empty() {
            return shape(&node.name, "text between elements");
        }
        Ok(Parts { place: node.name, rest: node.children.into_iter().peekable() })
    }

    fn next(&mut self, name: &str) -> Option<Node> {
        self.rest.next_if(|n| n.name == name && !n.signature)
    }

    fn maybe(&mut self, name: &str) -> Result<Option<String>, CapError> {
        self.next(name).map(leaf).transpose()
    }

    fn one(&mut self, name: &str) -> Result<String, CapError> {
        match self.maybe(name)? {
            Some(text) => Ok(text),
            None => {
                let what = self.instead_of(name);
                shape(&self.place, what)
            }
        }
    }

    fn each<T>(&mut self, name: &str, read: impl Fn(Node) -> Result<T, CapError>) -> Result<Vec<T>, CapError> {
        std::iter::from_fn(|| self.next(name)).map(read).collect()
    }

    fn word<T: Copy>(&mut self, name: &str, all: &[T], word: fn(T) -> &'static str) -> Result<T, CapError> {
        choose(name, &self.one(name)?, all, word)
    }

    fn words<T: Copy>(&mut self, name: &str, all: &[T], word: fn(T) -> &'static str) -> Result<Vec<T>, CapError> {
        self.each(name, |node| choose(name, &leaf(node)?, all, word))
    }

    fn instead_of(&mut self, name: &str) -> String {
        match self.rest.peek() {
            Some(found) => format!("<{name}> must stand where <{}> stands", found.name),
            None => format!("<{name}> is missing at the end"),
        }
    }

    /// Nothing may be left.
    fn end(mut self) -> Result<(), CapError> {
        match self.rest.next() {
            None => Ok(()),
            Some(node) => shape(&self.place, format!("<{}> is unknown, repeated or out of order", node.name)),
        }
    }
}

fn leaf(node: Node) -> Result<String, CapError> {
    match node.children.first() {
        None => Ok(node.text),
        Some(child) => shape(&node.name, format!("<{}> inside an element of text", child.name)),
    }
}

fn choose<T: Copy>(name: &str, text: &str, all: &[T], word: fn(T) -> &'static str) -> Result<T, CapError> {
    match all.iter().find(|value| word(**value) == text) {
        Some(value) => Ok(*value),
        None => {
            let allowed: Vec<_> = all.iter().map(|value| word(*value)).collect();
            let short: String = text.chars().take(40).collect();
            shape(name, format!("{short:?} is not one of {}", allowed.join(", ")))
        }
    }
}

fn alert(node: Node) -> Result<Message, CapError> {
    let mut parts = Parts::of(node)?;
    let message = Message {
        identifier: parts.one("identifier")?,
        sender: parts.one("sender")?,
        sent: parts.one("sent")?,
        status: parts.word("status", Status::ALL, Status::word)?,
        msg_type: parts.word("msgType", MsgType::ALL, MsgType::word)?,
        source: parts.maybe("source")?,
        scope: parts.word("scope", Scope::ALL, Scope::word)?,
        restriction: parts.maybe("restriction")?,
        addresses: parts.maybe("addresses")?,
        codes: parts.each("code", leaf)?,
        note: parts.maybe("note")?,
        references: parts.maybe("references")?,
        incidents: parts.maybe("incidents")?,
        infos: parts.each("info", info)?,
        signatures: std::iter::from_fn(|| parts.rest.next_if(|n| n.signature)).count(),
    };
    parts.end()?;
    Ok(message)
}

fn info(node: Node) -> Result<Info, CapError> {
    let mut parts = Parts::of(node)?;
    let info = Info {
        language: parts.maybe("language")?,
        categories: parts.words("category", Category::ALL, Category::word)?,
        event: parts.one("event")?,
        responses: parts.words("responseType", ResponseType::ALL, ResponseType::word)?,
        urgency: parts.word("urgency", Urgency::ALL, Urgency::word)?,
        severity: parts.word("severity", Severity::ALL, Severity::word)?,
        certainty: parts.word("certainty", Certainty::ALL, Certainty::word)?,
        audience: parts.maybe("audience")?,
        event_codes: parts.each("eventCode", pair)?,
        effective: parts.maybe("effective")?,
        onset: parts.maybe("onset")?,
        expires: parts.maybe("expires")?,
        sender_name: parts.maybe("senderName")?,
        headline: parts.maybe("headline")?,
        description: parts.maybe("description")?,
        instruction: parts.maybe("instruction")?,
        web: parts.maybe("web")?,
        contact: parts.maybe("contact")?,
        parameters: parts.each("parameter", pair)?,
        resources: parts.each("resource", resource)?,
        areas: parts.each("area", area)?,
    };
    if info.categories.is_empty() {
        return shape("info", "<category> is missing");
    }
    parts.end()?;
    Ok(info)
}

fn pair(node: Node) -> Result<Pair, CapError> {
    let mut parts = Parts::of(node)?;
    let pair = Pair { name: parts.one("valueName")?, value: parts.one("value")? };
    parts.end()?;
    Ok(pair)
}

fn resource(node: Node) -> Result<Resource, CapError> {
    let mut parts = Parts::of(node)?;
    let resource = Resource {
        description: parts.one("resourceDesc")?,
        mime_type: parts.one("mimeType")?,
        size: parts.maybe("size")?,
        uri: parts.maybe("uri")?,
        deref_uri: parts.maybe("derefUri")?,
        digest: parts.maybe("digest")?,
    };
    parts.end()?;
    Ok(resource)
}

fn area(node: Node) -> Result<Area, CapError> {
    let mut parts = Parts::of(node)?;
    let area = Area {
        description: parts.one("areaDesc")?,
        polygons: parts.each("polygon", leaf)?,
        circles: parts.each("circle", leaf)?,
        geocodes: parts.each("geocode", pair)?,
        altitude: parts.maybe("altitude")?,
        ceiling: parts.maybe("ceiling")?,
    };
    parts.end()?;
    Ok(area)
}
