//! Finds JSON Pointers (RFC 6901) in a document, in one pass and without building it. Must not know: tags, qualities, topics.

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What stands at a pointer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing.
    Missing,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; integers beyond 2^53 are rounded.
    Number(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// An object or an array.
    Compound,
    /// The same key more than once: which one is meant nobody can tell.
    Twice,
}

/// Pointers to look for, as a tree of keys.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    root: Node,
    slots: usize,
}

#[derive(Debug, Default)]
struct Node {
    slot: Option<usize>,
    children: Vec<(String, Node)>,
}

impl Pointers {
    /// Adds a pointer and says at which index of [`Pointers::find`] its cell will be.
    pub(super) fn add(&mut self, pointer: &str) -> usize {
        let mut node = &mut self.root;
        for key in pointer.split('/').skip(1) {
            let key = key.replace("~1", "/").replace("~0", "~");
            let at = node.children.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
                node.children.push((key, Node::default()));
                node.children.len() - 1
            });
            node = &mut node.children[at].1;
        }
        *node.slot.get_or_insert_with(|| {
            self.slots += 1;
            self.slots - 1
        })
    }

    /// One cell per added pointer.
    pub(super) fn find<'de>(&self, bytes: &'de [u8]) -> Result<Vec<Cell<'de>>, serde_json::Error> {
        let mut cells = vec![Cell::Missing; self.slots];
        let mut from = serde_json::Deserializer::from_slice(bytes);
        Walk { node: &self.root, cells: &mut cells }.deserialize(&mut from)?;
        from.end()?;
        Ok(cells)
    }
}

impl Node {
    fn child(&self, key: &str) -> Option<&Node> {
        self.children.iter().find(|(k, _)| k == key).map(|(_, node)| node)
    }
}

struct Walk<'n, 'c, 'de> {
    node: &'n Node,
    cells: &'c mut Vec<Cell<'de>>,
}

impl<'de> Walk<'_, '_, 'de> {
    fn put(&mut self, cell: Cell<'de>) {
        if let Some(slot) = self.node.slot {
            self.cells[slot] = if self.cells[slot] == Cell::Missing { cell } else { Cell::Twice };
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_, 'de> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.put(Cell::Null);
        Ok(())
    }
    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.put(Cell::Bool(value));
        Ok(())
    }
    fn visit_f64<E>(mut self, value: f64) -> Result<(), E> {
        self.put(Cell::Number(value));
        Ok(())
    }
    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        self.put(Cell::Number(value as f64));
        Ok(())
    }
    fn visit_u64<E>(mut self, value: u64) -> Result<(), E> {
        self.put(Cell::Number(value as f64));
        Ok(())
    }
    fn visit_borrowed_str<E>(mut self, value: &'de str) -> Result<(), E> {
        self.put(Cell::Text(Cow::Borrowed(value)));
        Ok(())
    }
    fn visit_str<E>(mut self, value: &str) -> Result<(), E> {
        self.put(Cell::Text(Cow::Owned(value.to_owned())));
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.put(Cell::Compound);
        while let Some(child) = map.next_key_seed(Key(self.node))? {
            match child {
                Some(node) => map.next_value_seed(Walk { node, cells: self.cells })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.put(Cell::Compound);
        if self.node.children.is_empty() {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        for index in 0u64.. {
            let more = match self.node.child(&index.to_string()) {
                Some(node) => seq.next_element_seed(Walk { node, cells: self.cells })?.is_some(),
                None => seq.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// Compares a key with the wanted ones without keeping it.
struct Key<'n>(&'n Node);

impl<'de, 'n> DeserializeSeed<'de> for Key<'n> {
    type Value = Option<&'n Node>;
    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for Key<'n> {
    type Value = Option<&'n Node>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.child(key))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn finds_pointers_in_one_pass() {
        let mut pointers = Pointers::default();
        let wanted = ["/a/b", "/list/1/v", "/~1x~0", "/a", "", "/none", "/twice", "/t"];
        for (slot, pointer) in wanted.iter().enumerate() {
            assert_eq!(pointers.add(pointer), slot);
        }
        assert_eq!(pointers.add("/a/b"), 0);
        let text = br#"{"skip":[[{}]],"a":{"b":1.5},"list":[0,{"v":true},{"v":9}],"/x~":null,"twice":1,"twice":1,"t":"\u4e2d"}"#;
        let cells = pointers.find(text).unwrap();
        let want = [
            Cell::Number(1.5),
            Cell::Bool(true),
            Cell::Null,
            Cell::Compound,
            Cell::Compound,
            Cell::Missing,
            Cell::Twice,
            Cell::Text("中".into()),
        ];
        assert_eq!(cells, want);
    }

    #[test]
    fn refuses_what_is_not_one_whole_document() {
        let mut pointers = Pointers::default();
        pointers.add("/a");
        for bad in ["", "{", "{\"a\":1} x", "{\"a\":NaN}", "{\"a\":1e400}", "nul", "[1,]", &"[".repeat(100_000)] {
            assert!(pointers.find(bad.as_bytes()).is_err(), "{bad:.40}");
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(90_000), "}".repeat(90_000));
        assert_eq!(pointers.find(deep.as_bytes()).unwrap(), [Cell::Compound], "what is not wanted is skipped without recursion");
    }
}
