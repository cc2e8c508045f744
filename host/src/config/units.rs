//! The units a tag may have, written as machines do (UCUM, and `%LEL`). Owns: the list, and what people write instead.
//! Must not know: tags, rules. A rule's input names its unit too; the two are compared, letter by letter, when a rule is admitted.

use super::scalar::nearest;

/// All known units.
#[rustfmt::skip]
pub(crate) const UNITS: &[&str] = &[
    "1", "%", "%LEL", "[ppm]", "[ppb]", "[pH]",
    "ug/m3", "mg/m3", "g/m3", "kg/m3",
    "Cel", "K",
    "Pa", "hPa", "kPa", "MPa", "bar", "mbar", "mm[H2O]",
    "m3/h", "m3/s", "L/h", "L/min", "L/s", "kg/h", "kg/s", "t/h",
    "g", "kg", "t", "L", "m3", "mm", "cm", "m", "km",
    "mm/s", "m/s", "km/h", "m/s2", "/min", "Hz", "deg", "mm/h",
    "ms", "s", "min", "h", "d",
    "mV", "V", "kV", "mA", "A", "Ohm", "MOhm", "W", "kW", "MW", "kWh", "uS/cm", "N", "kN", "lx", "W/m2", "dB",
];

/// What people write, and the unit that is meant.
const SPOKEN: &[(&str, &str)] = &[
    ("°C", "Cel"),
    ("℃", "Cel"),
    ("C", "Cel"),
    ("degC", "Cel"),
    ("摄氏度", "Cel"),
    ("ppm", "[ppm]"),
    ("ppb", "[ppb]"),
    ("pH", "[pH]"),
    ("LEL", "%LEL"),
    ("%RH", "%"),
    ("percent", "%"),
    ("pct", "%"),
    ("％", "%"),
    ("百分比", "%"),
    ("celsius", "Cel"),
    ("RH", "%"),
    ("people", "1"),
    ("person", "1"),
    ("人", "1"),
    ("", "1"),
    ("rpm", "/min"),
    ("r/min", "/min"),
    ("Nm3/h", "m3/h"),
    ("公斤", "kg"),
];

/// The known unit most like what was written.
pub(crate) fn meant<'n>(written: &str, declared: impl Iterator<Item = &'n str>) -> Option<String> {
    let plain = written.trim().replace('³', "3").replace('²', "2").replace(['µ', 'μ'], "u");
    let spoken = SPOKEN.iter().find(|(word, _)| word.eq_ignore_ascii_case(&plain)).map(|(_, unit)| (*unit).to_owned());
    // The case of a letter tells milli from mega: an exact hit first, then the nearest.
    let exact = UNITS.iter().find(|unit| **unit == plain).map(|unit| (*unit).to_owned());
    spoken.or(exact).or_else(|| nearest(&plain, declared.chain(UNITS.iter().copied())))
}
