//! Words that people read, in both languages, and JSON numbers that survive NaN.
//! Must not know: where the words come from or how they are shown.

use serde::{Deserialize, Serialize};

/// One text in both languages of the product. Neither side is empty once a site file has been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Words {
    /// 简体中文.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Words {
    /// The same characters in both languages, for names that are not translated.
    pub fn same(text: impl Into<String>) -> Self {
        let zh: String = text.into();
        Words { en: zh.clone(), zh }
    }
}

/// What an alarm says. A rule's words arrive finished; the brain's own are a key into the translation files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    /// Finished words.
    Words(Words),
    /// Key into the translation files, with the values for `{0}`, `{1}` ... already formatted.
    Phrase {
        /// Key, for example `guard.silent`.
        key: String,
        /// What replaces `{0}`, `{1}` ...
        args: Vec<String>,
    },
}

/// `f64` for JSON: numbers as numbers, `NaN`, `inf` and `-inf` as these strings, so that a record read back is the record written.
pub mod number {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    /// Writes one value.
    pub fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { to.serialize_f64(*value) } else { to.serialize_str(&value.to_string()) }
    }

    /// Reads one value.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = f64;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or one of \"NaN\", \"inf\", \"-inf\"")
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<f64, E> {
                Ok(v)
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<f64, E> {
                Ok(v as f64)
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<f64, E> {
                Ok(v as f64)
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<f64, E> {
                match v {
                    "NaN" => Ok(f64::NAN),
                    "inf" => Ok(f64::INFINITY),
                    "-inf" => Ok(f64::NEG_INFINITY),
                    other => Err(E::custom(format!("{other:?} is not a number"))),
                }
            }
        }
        from.deserialize_any(Number)
    }
}
