//! The table `[plugins]`: where bundles lie, who may run them, what each rule may have, and when one is out of use.
//! Must not know: rules, which have tables of their own.

use super::limits::{Limits, limits};
use super::reader::Reader;
use brain::site::Quarantine;
use std::path::PathBuf;

/// Longest time within which strikes count, and after which a rule returns, milliseconds.
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// What the table says.
pub(super) struct Plugins {
    pub(super) dir: PathBuf,
    pub(super) allow_unsigned: bool,
    pub(super) two_persons: bool,
    pub(super) quarantine: Quarantine,
    /// What every rule may have that names nothing else.
    pub(super) granted: Limits,
}

pub(super) fn plugins(main: &Reader<'_>) -> Plugins {
    let Some(table) = main.table_of("plugins", false) else {
        let (dir, quarantine) = (main.beside("plugins"), Quarantine::USUAL);
        return Plugins { dir, allow_unsigned: false, two_persons: false, quarantine, granted: Limits::USUAL };
    };
    let dir = table.text_or("dir", "plugins");
    let read = Plugins {
        dir: table.beside(&dir),
        allow_unsigned: table.flag("allow_unsigned", false),
        two_persons: table.flag("two_persons", false),
        quarantine: quarantine(&table),
        granted: limits(&table, Limits::USUAL),
    };
    main.done("plugins", table);
    read
}

/// After how many strikes within which time a rule is out of use, and after which time it returns by itself, once.
fn quarantine(plugins: &Reader<'_>) -> Quarantine {
    let usual = Quarantine::USUAL;
    let Some(table) = plugins.table_of("quarantine", false) else { return usual };
    let strikes = table.whole("strikes", (2, 100), Some(usual.strikes.into()));
    let within = table.duration("within", (1000, HOUR_MS), Some(u64::from(usual.within_s) * 1000));
    let after = table.duration("return_after", (0, DAY_MS), usual.return_after_s.map(|s| u64::from(s) * 1000));
    if let Some(short) = after.filter(|ms| (1..1000).contains(ms)) {
        table.fault("return_after", format!("{short} ms"), "0s: never by itself; or a time from 1s to 1d", None);
    }
    plugins.done("quarantine", table);
    let seconds = |ms: u64| u32::try_from(ms / 1000).ok();
    Quarantine {
        strikes: strikes.and_then(|strikes| u32::try_from(strikes).ok()).unwrap_or(usual.strikes),
        within_s: within.and_then(seconds).unwrap_or(usual.within_s),
        return_after_s: after.and_then(seconds).filter(|s| *s > 0),
    }
}
