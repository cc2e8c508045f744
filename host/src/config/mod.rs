//! The site file: read key by key (`reader`), checked as it is read (`plant`, `field`, `duty`, `ladder`) and as a whole (`gathered`,
//! `advice`), all faults at once -> [`Config`].
//! The only home of TOML. Must not know: how any of it is used.

mod advice;
mod aside;
pub mod bureau;
mod channels;
mod datum;
pub mod drill;
mod duty;
pub mod fault;
mod field;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod gathered;
mod ladder;
mod limits;
mod outputs;
mod plant;
mod plugins;
mod reader;
mod scalar;
mod template;
mod tls;
pub mod types;
pub(crate) mod units;

pub use fault::Fault;
pub(crate) use scalar::nearest;
pub use types::Config;

use brain::calendar::Roster;
use brain::site::Site;
use gathered::Gathered;
use reader::{Faults, Reader, Text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use types::{Channel, Console, Limits, Origin, Person, Storage};

/// Most files one site file may include.
const INCLUDES_MAX: usize = 32;

/// Reads and checks a site file with everything it includes.
///
/// # Errors
/// Every fault found, in no particular order.
pub fn load(path: &Path) -> Result<Config, Vec<Fault>> {
    of(read(path).map_err(|fault| vec![fault])?)
}

fn of(main: Text) -> Result<Config, Vec<Fault>> {
    let mut files = vec![main];
    let faults = Faults::default();
    let included = files[0].parse().map(|document| {
        // Only a look ahead: the key is read again, and judged, with all others.
        let unjudged = Faults::default();
        let root = Reader::root(&files[0], Some(document.get_ref()), &unjudged);
        root.texts("include", false).iter().map(|name| (root.at("include"), root.beside(name))).collect::<Vec<_>>()
    })?;
    let mut unread = Vec::new();
    if let Some((origin, _)) = included.get(INCLUDES_MAX) {
        let (key, found, allowed) = ("include".to_owned(), "too many files".to_owned(), format!("at most {INCLUDES_MAX}"));
        return Err(vec![Fault { origin: origin.clone(), key, found, allowed, nearest: None }]);
    }
    let mut seen = vec![whole_path(&files[0].file)];
    for (origin, include) in included {
        let path = whole_path(&include);
        if seen.contains(&path) {
            let (found, allowed) =
                (format!("{} again", include.display()), "each file once, and not the site file itself".to_owned());
            unread.push(Fault { origin, key: "include".to_owned(), found, allowed, nearest: None });
            continue;
        }
        seen.push(path);
        match read(&include) {
            Ok(text) => files.push(text),
            Err(fault) => {
                let found = format!("{}: {}", include.display(), fault.found);
                unread.push(Fault { origin, key: "include".to_owned(), found, ..fault });
            }
        }
    }
    let mut documents = Vec::new();
    for text in &files {
        match text.parse() {
            Ok(document) => documents.push((text, document)),
            Err(faults) => unread.extend(faults),
        }
    }
    // What an unread file names would look unknown everywhere else.
    if !unread.is_empty() {
        return Err(unread);
    }
    let roots: Vec<Reader> =
        documents.iter().map(|(text, document)| Reader::root(text, Some(document.get_ref()), &faults)).collect();
    let config = site(&roots);
    for root in &roots {
        root.finish();
    }
    drop(roots);
    match (config, faults.into_inner()) {
        (Some(config), faults) if faults.is_empty() => Ok(config),
        (_, faults) => Err(faults),
    }
}

/// One name for one file, whatever leads to it.
fn whole_path(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// JSON Schema (2020-12) of the site file, for editors; made by the same calls that read it.
pub fn schema() -> serde_json::Value {
    let (text, faults) = (Text::new("schema".into(), String::new()), Faults::default());
    let root = Reader::root(&text, None, &faults);
    let _ = site(std::slice::from_ref(&root));
    let mut schema = root.finish();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "safety-brain site file".into();
    schema
}

/// Reads a file of one table that includes no others.
fn alone<T>(path: &Path, of: impl FnOnce(&Reader<'_>) -> Option<T>) -> Result<T, Vec<Fault>> {
    let text = read(path).map_err(|fault| vec![fault])?;
    let (document, faults) = (text.parse()?, Faults::default());
    let root = Reader::root(&text, Some(document.get_ref()), &faults);
    let found = of(&root);
    root.finish();
    drop(root);
    match (found, faults.into_inner()) {
        (Some(found), faults) if faults.is_empty() => Ok(found),
        (_, faults) => Err(faults),
    }
}

fn read(path: &Path) -> Result<Text, Fault> {
    text(path, files::read(path, files::TEXT_BYTES_MAX).map_err(|found| unread(path, 0, found))?)
}

fn unread(path: &Path, line: usize, found: String) -> Fault {
    let most = files::TEXT_BYTES_MAX >> 20;
    let allowed = format!("a readable UTF-8 file of at most {most} MiB; `safety-brain docs site` prints one to begin with");
    Fault { origin: Origin { file: path.to_owned(), line }, key: "(file)".to_owned(), found, allowed, nearest: None }
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<Text, Fault> {
    String::from_utf8(bytes).map(|text| Text::new(path.to_owned(), text)).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        unread(path, line, format!("{:#04x} as byte {}, which is not UTF-8", bytes[at], at + 1))
    })
}

/// Names of everything that is referred to, gathered before anything is checked: order in the file does not matter.
struct Names {
    /// The site's own, empty where it is at fault.
    site: String,
    zones: Listed,
    links: Listed,
    tags: Listed,
    ladders: Listed,
    audiences: Listed,
    calendars: Listed,
    rosters: Listed,
    watchers: Listed,
    trusted: Listed,
    publishers: Listed,
    rules: Listed,
    people: Listed,
    suppressions: Listed,
    groups: Listed,
    /// What annunciators may write.
    outputs: Vec<String>,
    /// Units that the site file declares beside the known ones.
    units: Vec<String>,
    /// What every rule may have.
    granted: Limits,
}

/// The entries of one `[[kind]]` in all files, in order; an entry without a name is "".
struct Listed {
    kind: &'static str,
    names: Vec<String>,
    places: Vec<Origin>,
}

impl Listed {
    fn gather(roots: &[Reader<'_>], kind: &'static str) -> Listed {
        let (names, places) = roots.iter().flat_map(|root| root.peek_names(kind)).unzip();
        Listed { kind, names, places }
    }
}

/// The whole file. The first root is the site file itself, the rest its includes; lists of tables may stand in any of them.
fn site(roots: &[Reader<'_>]) -> Option<Config> {
    let main = roots.first()?;
    // Judged when the files were read.
    let _ = main.texts("include", false);
    let listed = |kind| Listed::gather(roots, kind);
    let mut warnings = Vec::new();
    let plugins = plugins::plugins(main);
    let about = plant::about(main);
    let company = plant::company(main);
    let names = Names {
        site: about.as_ref().map(|site| site.id.clone()).unwrap_or_default(),
        zones: listed("zone"),
        links: listed("link"),
        tags: listed("tag"),
        ladders: listed("ladder"),
        audiences: listed("audience"),
        calendars: listed("calendar"),
        rosters: listed("roster"),
        watchers: listed("watcher"),
        trusted: listed("trusted"),
        publishers: listed("publisher"),
        rules: listed("rule"),
        people: listed("person"),
        suppressions: listed("suppression"),
        groups: listed("group"),
        outputs: outputs::outputs(main),
        units: main.texts("units", false),
        granted: plugins.granted,
    };
    let storage = storage(main);
    let console = console(main, &mut warnings);
    let mut gathered = Gathered::default();
    for root in roots {
        gathered.read_places(root, &names);
    }
    for root in roots {
        gathered.read(root, &names, &mut warnings);
    }
    if !main.describes() {
        gathered.check(main, &names);
    }
    let (mut site, storage, console) = (about?, storage?, console?);
    (site.two_persons, site.quarantine) = (plugins.two_persons, plugins.quarantine);
    let (audiences, channels): (_, Vec<Channel>) = whole(gathered.audiences)?.into_iter().unzip();
    (site.zones, site.tags, site.links) = (whole(gathered.zones)?, whole(gathered.tags)?, names.links.names);
    (site.ladders, site.audiences) = (whole(gathered.ladders)?, audiences);
    (site.calendars, site.rosters) = (whole(gathered.calendars)?, whole(gathered.rosters)?);
    (site.suppressions, site.groups) = (whole(gathered.suppressions)?, whole(gathered.groups)?);
    let (links, rules, people) = (whole(gathered.links)?, whole(gathered.rules)?, whole(gathered.people)?);
    let (publishers, watchers, trusted) = (whole(gathered.publishers)?, whole(gathered.watchers)?, whole(gathered.trusted)?);
    let people = answering(people, &site, &channels);
    warnings.extend(advice::advice(&site, &rules, &people, &watchers));
    Some(Config {
        site,
        company,
        links,
        publishers,
        rules,
        plugins_dir: plugins.dir,
        allow_unsigned: plugins.allow_unsigned,
        channels,
        trusted,
        watchers,
        people,
        storage,
        console,
        warnings,
    })
}

/// Each gateway with who is told at its audiences: by roster, or by a number there.
fn answering(mut people: Vec<Person>, site: &Site, channels: &[Channel]) -> Vec<Person> {
    let told = |audience: &str| -> Vec<String> {
        let Some(index) = site.audiences.iter().position(|known| known.name == audience) else { return vec![] };
        let roster = site.audiences[index].roster.and_then(|roster| site.rosters.get(roster));
        let on_roster = roster.map(Roster::everybody).unwrap_or_default();
        let to: &[String] = if let Channel::Webhook(webhook) = &channels[index] { &webhook.to } else { &[] };
        let is_told = |person: &&Person| on_roster.contains(&person.name) || person.known_as.iter().any(|name| to.contains(name));
        people.iter().filter(is_told).map(|person| person.name.clone()).collect()
    };
    let told: Vec<BTreeMap<_, _>> = people
        .iter()
        .map(|person| person.brings.audiences.keys().map(|audience| (audience.clone(), told(audience))).collect())
        .collect();
    for (person, told) in people.iter_mut().zip(told) {
        person.brings.audiences = told;
    }
    people
}

/// All entries, unless one of them is at fault.
fn whole<T>(entries: Vec<Option<T>>) -> Option<Vec<T>> {
    entries.into_iter().collect()
}

fn data_dir(table: &Reader<'_>) -> PathBuf {
    let data_dir = table.text_if("data_dir").unwrap_or_else(|| "data".to_owned());
    if Path::new(&data_dir).file_name().is_none() {
        let allowed = "a folder of its own, for example \"data\" or \"/var/lib/safety-brain\"";
        table.fault("data_dir", format!("{data_dir:?}"), allowed, None);
    }
    table.beside(&data_dir)
}

fn storage(main: &Reader<'_>) -> Option<Storage> {
    let Some(table) = main.table_of("storage", false) else {
        return Some(Storage {
            data_dir: main.beside("data"),
            segment_bytes: 64 << 20,
            days: 365,
            journal_bytes: 16 << 30,
            journal_days: 2,
            events_days: 1095,
        });
    };
    let data_dir = data_dir(&table);
    let segment = table.whole("segment_mib", (1, 4095), Some(64));
    let days = table.whole("days", (30, 36_500), Some(365));
    let journal_gib = table.whole("journal_gib", (1, 65_536), Some(16));
    let journal_days = table.whole("journal_days", (1, 365), Some(2));
    let events_days = table.whole("events_days", (30, 36_500), Some(1095));
    if let (Some(gib), Some(mib)) = (journal_gib, segment)
        && gib << 10 < mib * 4
        && !table.describes()
    {
        table.fault("journal_gib", gib.to_string(), format!("room for four segments of {mib} MiB or more"), None);
    }
    main.done("storage", table);
    Some(Storage {
        data_dir,
        segment_bytes: u64::try_from(segment?).ok()? << 20,
        days: u32::try_from(days?).ok()?,
        journal_bytes: u64::try_from(journal_gib?).ok()? << 30,
        journal_days: u32::try_from(journal_days?).ok()?,
        events_days: u32::try_from(events_days?).ok()?,
    })
}

fn console(main: &Reader<'_>, warnings: &mut Vec<String>) -> Option<Console> {
    let Some(table) = main.table_of("console", false) else {
        return Some(Console { bind: ([127, 0, 0, 1], 8080).into(), tls: None });
    };
    let bind = table.text_or("bind", "127.0.0.1:8080");
    let address = bind.parse::<std::net::SocketAddr>();
    if address.is_err() && !table.describes() {
        table.fault("bind", format!("{bind:?}"), "an address and port, for example \"127.0.0.1:8080\"", None);
    }
    let tls = tls::server(&table);
    if let Ok(address) = &address
        && !address.ip().is_loopback()
        && !table.has("tls")
    {
        table.fault(
            "bind",
            format!("{bind:?} without TLS"),
            "a loopback address, or [console.tls] with certificate and key",
            None,
        );
    }
    main.done("console", table);
    if address.as_ref().is_ok_and(|a| a.port() == 0) {
        warnings.push("console.bind: port 0 takes another port at every start".to_owned());
    }
    Some(Console { bind: address.ok()?, tls })
}
