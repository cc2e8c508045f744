//! What the words of the field stand for: the codes of a tag, as its link has them. Must not know: payloads, files, what a code means.

use super::{Link, LinkKind, Payload, TagFrom};
use brain::TagId;
use std::collections::BTreeMap;

/// Word of the field -> code. Empty: the field sends numbers.
pub type Values = BTreeMap<String, u32>;

/// What the words of a tag stand for on the link that brings it; none: it is sent as numbers.
pub fn values_of(links: &[Link], tag: TagId) -> Option<&Values> {
    let brings = |from: &TagFrom| match from {
        TagFrom::Fixed(own) => *own == tag,
        TagFrom::Level(_, names) => names.values().any(|own| *own == tag),
    };
    let found = links.iter().find_map(|link| match &link.kind {
        LinkKind::Mqtt(mqtt) => mqtt.topics.iter().find_map(|topic| match &topic.payload {
            Payload::Scalar { tag, values } => brings(tag).then_some(values),
            Payload::Json { points, .. } => points.iter().find(|point| brings(&point.tag)).map(|point| &point.values),
        }),
        LinkKind::Recording(recording) => recording.values.get(&tag),
        LinkKind::Modbus(_) | LinkKind::Calendar(_) | LinkKind::Scenario(_) => None,
    });
    found.filter(|values| !values.is_empty())
}
