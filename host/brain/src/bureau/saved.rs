//! How a bureau is kept between two lives, where JSON has no form of its own for it. Must not know: where it is kept, when.

/// Entries as a list: each says its number.
pub(super) mod entries {
    use crate::bureau::Entry;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    pub fn serialize<S: Serializer>(of: &BTreeMap<u64, Arc<Entry>>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(of.values().map(Arc::as_ref))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<u64, Arc<Entry>>, D::Error> {
        let all = Vec::<Entry>::deserialize(from)?;
        Ok(all.into_iter().map(|entry| (entry.number, Arc::new(entry))).collect())
    }
}

/// A map whose keys JSON cannot have, as a list.
pub(super) mod pairs {
    use crate::bureau::Incident;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;

    type Map = BTreeMap<Incident, u64>;

    pub fn serialize<S: Serializer>(of: &Map, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(of)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Map, D::Error> {
        Ok(Vec::<(Incident, u64)>::deserialize(from)?.into_iter().collect())
    }
}
