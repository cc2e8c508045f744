//! A tree of elements to a [`Message`]: the elements of the schema in the schema's order.
//! Must not know: XML beyond its tree (that is `xml`), whether what a message says makes sense (that is `check`).

use super::xml::{self, Child, Element, Space};
use super::{
    Area, CapError, Category, Certainty, Info, Message, MsgType, Pair, Resource, ResponseType, Scope, Severity, Status, Urgency,
};

/// Reads one message.
pub fn parse(bytes: &[u8]) -> Result<Message, CapError> {
    let root = xml::read(bytes)?.root;
    if root.local() != "alert" || root.space != Space::Cap {
        return shape(root.local(), "the root must be <alert>");
    }
    alert(root)
}

fn shape<T>(place: &str, what: impl Into<String>) -> Result<T, CapError> {
    Err(CapError::Shape { place: place.to_owned(), what: what.into() })
}

/// The children of one element, taken in the schema's order.
struct Parts {
    place: String,
    rest: std::iter::Peekable<std::vec::IntoIter<Element>>,
}

impl Parts {
    fn of(node: Element) -> Result<Parts, CapError> {
        if !node.text().trim_ascii().is_empty() {
            return shape(node.local(), "text between elements");
        }
        let (place, children) = (node.local().to_owned(), node.children.into_iter());
        let elements = children.filter_map(|child| if let Child::Element(element) = child { Some(element) } else { None });
        Ok(Parts { place, rest: elements.collect::<Vec<_>>().into_iter().peekable() })
    }

    fn next(&mut self, name: &str) -> Option<Element> {
        self.rest.next_if(|n| n.local() == name && n.space == Space::Cap)
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

    fn each<T>(&mut self, name: &str, read: impl Fn(Element) -> Result<T, CapError>) -> Result<Vec<T>, CapError> {
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
            Some(found) => format!("<{name}> must stand where <{}> stands", found.local()),
            None => format!("<{name}> is missing at the end"),
        }
    }

    /// Nothing may be left.
    fn end(mut self) -> Result<(), CapError> {
        match self.rest.next() {
            None => Ok(()),
            Some(node) => shape(&self.place, format!("<{}> is unknown, repeated or out of order", node.local())),
        }
    }
}

fn leaf(node: Element) -> Result<String, CapError> {
    match node.elements().next() {
        None => Ok(node.text()),
        Some(child) => shape(node.local(), format!("<{}> inside an element of text", child.local())),
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

fn alert(node: Element) -> Result<Message, CapError> {
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
        signatures: std::iter::from_fn(|| parts.rest.next_if(|n| n.space == Space::Signature)).count(),
    };
    parts.end()?;
    Ok(message)
}

fn info(node: Element) -> Result<Info, CapError> {
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

fn pair(node: Element) -> Result<Pair, CapError> {
    let mut parts = Parts::of(node)?;
    let pair = Pair { name: parts.one("valueName")?, value: parts.one("value")? };
    parts.end()?;
    Ok(pair)
}

fn resource(node: Element) -> Result<Resource, CapError> {
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

fn area(node: Element) -> Result<Area, CapError> {
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
