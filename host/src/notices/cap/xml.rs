//! Bytes to a tree of elements, for bytes that anybody may have sent: bounded size, depth and namespaces, no document type, no entities but the five,
//! UTF-8 only; nothing but CAP outside of signatures. The one reader of XML: what is judged, what is verified and what is meant come from the same tree.
//! Must not know: which elements CAP has, what a signature says.

use super::{CapError, NAMESPACE};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

/// Largest message taken.
pub const BYTES_MAX: usize = 256 * 1024;
/// Deepest element taken; CAP itself needs five, a signature a few more.
pub const DEPTH_MAX: usize = 32;
/// Most namespaces declared around one element.
const NAMESPACES_MAX: usize = 32;
/// Namespace of XML signatures.
pub(super) const XMLDSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// A whole document.
pub(super) struct Document {
    pub(super) root: Element,
    /// Processing instructions were left out: they say nothing here, but a signature covers them.
    pub(super) instructions: bool,
}

/// Whose words an element is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Cap,
    Signature,
    /// Stands only inside a signature.
    Other,
}

/// One element, its namespaces and attributes as declared, in their order. Comments are left out.
pub(super) struct Element {
    /// As written, with its prefix.
    pub(super) name: String,
    pub(super) space: Space,
    /// Prefix ("" = the default) and namespace.
    pub(super) declared: Vec<(String, String)>,
    /// Name as written, and value.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Child>,
}

/// What stands inside an element.
pub(super) enum Child {
    Element(Element),
    /// Never beside another one.
    Text(String),
}

impl Element {
    /// The name without its prefix.
    pub(super) fn local(&self) -> &str {
        self.name.split_once(':').map_or(&self.name, |(_, local)| local)
    }

    /// Elements directly inside.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|child| match child {
            Child::Element(element) => Some(element),
            Child::Text(_) => None,
        })
    }

    /// Text directly inside.
    pub(super) fn text(&self) -> String {
        let text = |child: &'_ Child| match child {
            Child::Element(_) => String::new(),
            Child::Text(text) => text.clone(),
        };
        self.children.iter().map(text).collect()
    }

    /// Value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a document.
pub(super) fn read(bytes: &[u8]) -> Result<Document, CapError> {
    if bytes.len() > BYTES_MAX {
        return Err(CapError::TooLarge(bytes.len()));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|e| CapError::Xml { at: e.valid_up_to() as u64, what: "not UTF-8".to_owned() })?;
    tree(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn tree(text: &str) -> Result<Document, CapError> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.resolver_mut().set_max_namespace_bindings(NAMESPACES_MAX);
    let mut open: Vec<Element> = Vec::new();
    let (mut root, mut instructions) = (None, false);
    loop {
        let at = reader.buffer_position();
        let fail = |what: String| CapError::Xml { at, what };
        let (space, event) = reader.read_resolved_event().map_err(|e| fail(e.to_string()))?;
        match event {
            Event::Start(_) if root.is_some() => return Err(fail("a second root element".to_owned())),
            Event::Start(_) if open.len() == DEPTH_MAX => return Err(fail(format!("deeper than {DEPTH_MAX} elements"))),
            Event::Start(start) => {
                let inside = open.last().is_some_and(|parent| parent.space != Space::Cap);
                open.push(element(&start, &space, inside).map_err(fail)?);
            }
            Event::End(_) => match (open.pop(), open.last_mut()) {
                (Some(element), Some(parent)) => parent.children.push(Child::Element(element)),
                (Some(element), None) => root = Some(element),
                (None, _) => return Err(fail("an end without a start".to_owned())),
            },
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
            Event::Comment(_) => {}
            Event::PI(_) => instructions = true,
            Event::Empty(_) => return Err(fail("an empty element not expanded".to_owned())),
            Event::Eof if open.is_empty() => {
                let root = root.ok_or_else(|| fail("no element".to_owned()))?;
                return Ok(Document { root, instructions });
            }
            Event::Eof => return Err(fail("the message ends inside an element".to_owned())),
        }
    }
}

fn element(start: &BytesStart, space: &ResolveResult, inside: bool) -> Result<Element, String> {
    let (name, local) = (start.name().as_ref().to_owned(), start.local_name().as_ref().to_owned());
    let within = |wanted: &str| matches!(space, ResolveResult::Bound(Namespace(s)) if *s == wanted);
    let space = match space {
        _ if within(XMLDSIG) => Space::Signature,
        _ if inside => Space::Other,
        _ if within(NAMESPACE) => Space::Cap,
        _ => return Err(format!("<{local}> is not in the namespace {NAMESPACE} of CAP 1.2")),
    };
    let (mut declared, mut attributes) = (Vec::new(), Vec::new());
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        let key: &str = attribute.key.as_ref();
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| e.to_string())?.into_owned();
        allowed(&value)?;
        match key.strip_prefix("xmlns") {
            Some("") => declared.push((String::new(), value)),
            Some(prefix) if prefix.starts_with(':') && value.is_empty() => return Err(format!("{key:?} names no namespace")),
            Some(prefix) if prefix.starts_with(':') => declared.push((prefix[1..].to_owned(), value)),
            _ if space == Space::Cap && !key.starts_with("xsi:") => return Err(format!("<{local}> has no attribute {key:?}")),
            _ => attributes.push((key.to_owned(), value)),
        }
    }
    Ok(Element { name, space, declared, attributes, children: Vec::new() })
}

fn add(open: &mut [Element], text: &str) -> Result<(), String> {
    allowed(text)?;
    match open.last_mut() {
        Some(element) => {
            match element.children.last_mut() {
                Some(Child::Text(before)) => before.push_str(text),
                _ => element.children.push(Child::Text(text.to_owned())),
            }
            Ok(())
        }
        None if text.trim_ascii().is_empty() => Ok(()),
        None => Err("text outside the root element".to_owned()),
    }
}

fn allowed(text: &str) -> Result<(), String> {
    match text.chars().find(|c| !is_xml_char(*c)) {
        Some(c) => Err(format!("the character U+{:04X} is not allowed in XML", u32::from(c))),
        None => Ok(()),
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
