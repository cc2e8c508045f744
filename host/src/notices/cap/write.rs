//! A [`Message`] as XML: the same message always gives the same bytes. Elements in the schema's order, one per line.
//! Must not know: where a message comes from.

use super::{Area, Info, Message, NAMESPACE, Pair, Resource};
use quick_xml::escape::partial_escape;

/// The whole document, UTF-8. Signatures are not written: [`super::sign`] puts one into it.
pub fn write(message: &Message) -> String {
    let mut xml = Xml { text: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), depth: 1 };
    xml.text.push_str(&format!("<alert xmlns=\"{NAMESPACE}\">\n"));
    xml.leaf("identifier", &message.identifier);
    xml.leaf("sender", &message.sender);
    xml.leaf("sent", &message.sent);
    xml.leaf("status", message.status.word());
    xml.leaf("msgType", message.msg_type.word());
    xml.maybe("source", &message.source);
    xml.leaf("scope", message.scope.word());
    xml.maybe("restriction", &message.restriction);
    xml.maybe("addresses", &message.addresses);
    xml.each("code", &message.codes);
    xml.maybe("note", &message.note);
    xml.maybe("references", &message.references);
    xml.maybe("incidents", &message.incidents);
    for info in &message.infos {
        xml.branch("info", |xml| write_info(xml, info));
    }
    xml.text.push_str("</alert>\n");
    xml.text
}

fn write_info(xml: &mut Xml, info: &Info) {
    xml.maybe("language", &info.language);
    for category in &info.categories {
        xml.leaf("category", category.word());
    }
    xml.leaf("event", &info.event);
    for response in &info.responses {
        xml.leaf("responseType", response.word());
    }
    xml.leaf("urgency", info.urgency.word());
    xml.leaf("severity", info.severity.word());
    xml.leaf("certainty", info.certainty.word());
    xml.maybe("audience", &info.audience);
    xml.pairs("eventCode", &info.event_codes);
    xml.maybe("effective", &info.effective);
    xml.maybe("onset", &info.onset);
    xml.maybe("expires", &info.expires);
    xml.maybe("senderName", &info.sender_name);
    xml.maybe("headline", &info.headline);
    xml.maybe("description", &info.description);
    xml.maybe("instruction", &info.instruction);
    xml.maybe("web", &info.web);
    xml.maybe("contact", &info.contact);
    xml.pairs("parameter", &info.parameters);
    for resource in &info.resources {
        xml.branch("resource", |xml| write_resource(xml, resource));
    }
    for area in &info.areas {
        xml.branch("area", |xml| write_area(xml, area));
    }
}

fn write_resource(xml: &mut Xml, resource: &Resource) {
    xml.leaf("resourceDesc", &resource.description);
    xml.leaf("mimeType", &resource.mime_type);
    xml.maybe("size", &resource.size);
    xml.maybe("uri", &resource.uri);
    xml.maybe("derefUri", &resource.deref_uri);
    xml.maybe("digest", &resource.digest);
}

fn write_area(xml: &mut Xml, area: &Area) {
    xml.leaf("areaDesc", &area.description);
    xml.each("polygon", &area.polygons);
    xml.each("circle", &area.circles);
    xml.pairs("geocode", &area.geocodes);
    xml.maybe("altitude", &area.altitude);
    xml.maybe("ceiling", &area.ceiling);
}

struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    fn indent(&mut self) {
        self.text.extend(std::iter::repeat_n("  ", self.depth));
    }
    fn leaf(&mut self, name: &str, text: &str) {
        self.indent();
        self.text.extend(["<", name, ">", &partial_escape(text), "</", name, ">\n"]);
    }
    fn maybe(&mut self, name: &str, text: &Option<String>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }
    fn each(&mut self, name: &str, texts: &[String]) {
        for text in texts {
            self.leaf(name, text);
        }
    }
    fn pairs(&mut self, name: &str, pairs: &[Pair]) {
        for pair in pairs {
            self.branch(name, |xml| {
                xml.leaf("valueName", &pair.name);
                xml.leaf("value", &pair.value);
            });
        }
    }
    fn branch(&mut self, name: &str, content: impl FnOnce(&mut Xml)) {
        self.indent();
        self.text.extend(["<", name, ">\n"]);
        self.depth += 1;
        content(self);
        self.depth -= 1;
        self.indent();
        self.text.extend(["</", name, ">\n"]);
    }
}
