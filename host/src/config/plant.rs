//! Site, zones, tags and their limits. Owns: what a plant's description must say.
//! Must not know: links' protocols, people (that is `field`, `duty`).

use super::reader::Reader;
use super::scalar::nearest;
use super::types::Company;
use super::{Names, datum, units};
use brain::site::{Area, Citation, Guide, Limit, LimitKind, Mode, Quarantine, Severity, Site, Tag, Zone};
use brain::words::Words;

/// Silence is never judged sooner than this, nor sooner than three periods (own default).
const SILENT_LEAST_MS: u64 = 10_000;
/// Longest span a site file may name.
pub(super) const LONGEST_MS: u64 = 366 * 86_400_000;

/// The four levels as words.
pub(super) const SEVERITIES: &[(&str, Severity)] =
    &[("blue", Severity::Blue), ("yellow", Severity::Yellow), ("orange", Severity::Orange), ("red", Severity::Red)];

/// What `[site]` says. Lists are filled in later.
pub(super) fn about(main: &Reader<'_>) -> Option<Site> {
    let table = main.table_of("site", true)?;
    let (id, title, sender) = (table.name("id"), table.words("title", true), sender(&table));
    let modes = [("actual", Mode::Actual), ("exercise", Mode::Exercise), ("test", Mode::Test)];
    let mode = table.choice("mode", &modes, Some(Mode::Actual));
    main.done("site", table);
    let (zones, tags, links, rules, ladders, audiences) = (vec![], vec![], vec![], vec![], vec![], vec![]);
    Some(Site {
        id: id?,
        title: title?,
        sender: sender?,
        mode: mode?,
        zones,
        tags,
        links,
        rules,
        ladders,
        audiences,
        calendars: vec![],
        rosters: vec![],
        suppressions: vec![],
        groups: vec![],
        two_persons: false,
        quarantine: Quarantine::USUAL,
    })
}

/// What `[company]` says.
pub(super) fn company(main: &Reader<'_>) -> Company {
    let Some(table) = main.table_of("company", false) else { return Company::default() };
    let text = |key| table.text_or(key, "");
    let code = text("code");
    if !code.is_empty() && (code.len() != 18 || !code.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())) {
        table.fault("code", format!("{code:?}"), "the 18 digits and capital letters of the company's code, or nothing", None);
    }
    let company = Company {
        code,
        name: text("name"),
        address: text("address"),
        nature: text("nature"),
        capacity: text("capacity"),
        licences: text("licences"),
        contact: text("contact"),
    };
    main.done("company", table);
    company
}

/// Who speaks in CAP.
pub(super) fn sender(table: &Reader<'_>) -> Option<String> {
    table.text("sender").map(|sender| a_sender(table, sender))
}

/// The same where it may be left out.
pub(super) fn sender_if(table: &Reader<'_>) -> Option<String> {
    table.text_if("sender").map(|sender| a_sender(table, sender))
}

fn a_sender(table: &Reader<'_>, sender: String) -> String {
    if sender.len() > 200 || sender.chars().any(|c| !c.is_ascii_graphic() || ",<&".contains(c)) {
        table.fault(
            "sender",
            format!("{sender:?}"),
            "a name you own of 1 to 200 ASCII characters without space, comma, `<` or `&`, for example plant-0001@example.cn",
            None,
        );
    }
    sender
}

pub(super) fn zone(table: &Reader<'_>, names: &Names) -> Option<Zone> {
    let (name, title) = (table.name("name"), table.words("title", true));
    let classes = [("", ""), ("1.1", "1.1"), ("1.3", "1.3")];
    let building_class = table.choice("building_class", &classes, Some(""));
    let risks = [("", ""), ("major", "major"), ("larger", "larger"), ("general", "general"), ("low", "low")];
    let risk_class = table.choice("risk_class", &risks, Some(""));
    let ladder = table.refers_by_level("ladder", "ladder", &names.ladders.names);
    let mut quota = (None, None, None);
    if let Some(of) = table.table_of("quota", false) {
        let whole = |key| of.whole_if(key, (0, 10_000)).and_then(|n| u32::try_from(n).ok());
        quota = (whole("people"), of.number_if("kg", (0.0, 1e7)), whole("machines"));
        table.done("quota", of);
    }
    let area = table.table_of("area", false).and_then(|of| {
        let (latitude, longitude) = (of.number("latitude", (-90.0, 90.0), None), of.number("longitude", (-180.0, 180.0), None));
        let radius_km = of.number("radius_km", (0.001, 500.0), Some(0.5));
        if (latitude, longitude) == (Some(0.0), Some(0.0)) {
            of.fault("latitude", "0, 0, a place in the Atlantic", "where the zone is: a receiver without a fix says 0, 0", None);
        }
        let converted = of.choice("datum", &[("wgs84", false), ("gcj02", true)], Some(false)).unwrap_or(false);
        let place = converted.then(|| datum::wgs84(latitude?, longitude?));
        if let (Some(None), Some(latitude), Some(longitude)) = (place, latitude, longitude) {
            let found = format!("\"gcj02\" at {latitude}, {longitude}, outside of latitude 3 to 54, longitude 73 to 136");
            of.fault(
                "datum",
                found,
                "a place in China, latitude and longitude not exchanged; elsewhere maps are \"wgs84\"",
                None,
            );
        }
        table.done("area", of);
        let (latitude, longitude) = place.unwrap_or(latitude.zip(longitude))?;
        Some(Area { latitude, longitude, radius_km: radius_km?, converted })
    });
    Some(Zone {
        name: name?,
        title: title?,
        building_class: building_class?.to_owned(),
        risk_class: risk_class?.to_owned(),
        quota_people: quota.0,
        quota_kg: quota.1,
        quota_machines: quota.2,
        ladder: ladder?,
        area,
    })
}

pub(super) fn tag(table: &Reader<'_>, names: &Names) -> Option<Tag> {
    let (name, title) = (table.name("name"), table.words("title", true));
    let (zone, link) = (table.refers("zone", "zone", &names.zones.names), table.refers("link", "link", &names.links.names));
    let (unit, quantity) = (unit(table, names), quantity(table));
    let range = table.range("range");
    let period = table.duration("period", (10, 86_400_000), None);
    let silent = table.duration_if("silent", (1_000, LONGEST_MS));
    if let (Some(period), Some(silent)) = (period, silent)
        && silent < period * 2
    {
        table.fault(
            "silent",
            format!("{silent}ms"),
            format!("at least two periods ({}ms), or a single late reading is an alarm", period * 2),
            None,
        );
    }
    let frozen_ms = table.duration_if("frozen", (1_000, LONGEST_MS));
    let max_per_s = table.number_if("max_per_s", (1e-9, 1e12));
    let blind_severity = table.choice("blind", SEVERITIES, Some(Severity::Yellow));
    if let (Some(period), Some(frozen)) = (period, frozen_ms)
        && frozen < period * 3
    {
        let least = format!("at least three periods ({}ms): two equal readings prove nothing", period * 3);
        table.fault("frozen", format!("{frozen}ms"), least, None);
    }
    let limits = limits(table, range);
    let ((low, high), period) = (range?, period?);
    Some(Tag {
        name: name?,
        title: title?,
        zone: zone?,
        link: link?,
        unit: unit?,
        quantity: quantity?,
        low,
        high,
        period_ms: period,
        silent_ms: silent.unwrap_or_else(|| SILENT_LEAST_MS.max(period * 3)),
        frozen_ms,
        max_per_s,
        // A limit at fault has been told; without it the tag would look better guarded than it is.
        limits: limits?,
        blind_severity: blind_severity?,
    })
}

/// A known unit, or one that the site file declares: 50 in another unit than was meant is another danger.
fn unit(table: &Reader<'_>, names: &Names) -> Option<String> {
    let unit = table.text("unit")?;
    let declared = || names.units.iter().map(String::as_str);
    if !units::UNITS.contains(&unit.as_str()) && declared().all(|known| known != unit) {
        let allowed = format!("one of {}, or one more in units = [...] at the top of the site file", units::UNITS.join(", "));
        table.fault("unit", format!("{unit:?}"), allowed, units::meant(&unit, declared()));
    }
    Some(unit)
}

/// What is measured, as rules ask for it. One letter beside `people` would be counted by nobody.
fn quantity(table: &Reader<'_>) -> Option<String> {
    let quantity = table.name("quantity")?;
    let meant = nearest(&quantity, ["people"].into_iter()).filter(|word| *word != quantity);
    if meant.is_some() {
        table.fault("quantity", format!("{quantity:?}"), "\"people\" for a count of people, or a word that is unlike it", meant);
    }
    Some(quantity)
}

fn limits(table: &Reader<'_>, range: Option<(f64, f64)>) -> Option<Vec<Limit>> {
    let mut limits: Vec<Limit> = Vec::new();
    let read = table.tables("limit", false, |of| {
        let limit = limit(of, range)?;
        order(of, &limit, &limits);
        limits.push(limit);
        Some(())
    });
    read.into_iter().collect::<Option<Vec<()>>>().map(|_| limits)
}

/// Limits of one hazard on one side: each severity once, and a higher one further into danger.
fn order(table: &Reader<'_>, limit: &Limit, before: &[Limit]) {
    for other in before.iter().filter(|other| other.hazard == limit.hazard && other.kind == limit.kind) {
        let further = match limit.kind {
            LimitKind::High | LimitKind::Rise | LimitKind::Fall => limit.value > other.value,
            LimitKind::Low => limit.value < other.value,
        };
        if limit.severity == other.severity {
            let found = format!("{} again", limit.severity.word());
            table.fault("severity", found, "each severity once for one hazard and kind", None);
        } else if (limit.severity > other.severity) != further || limit.value == other.value {
            let (mine, theirs) = (limit.severity.word(), other.severity.word());
            let found = format!("{} for {mine} beside {} for {theirs}", limit.value, other.value);
            table.fault("value", found, "a higher severity further into danger", None);
        }
    }
}

fn limit(table: &Reader<'_>, range: Option<(f64, f64)>) -> Option<Limit> {
    let (hazard, title) = (table.name("hazard"), table.words("title", true));
    if hazard.as_ref().is_some_and(|hazard| hazard.starts_with("device.")) {
        table.fault(
            "hazard",
            "a name that begins with `device.`",
            "another: those are the program's own, for sensors it cannot believe",
            None,
        );
    }
    let kinds = [("high", LimitKind::High), ("low", LimitKind::Low), ("rise", LimitKind::Rise), ("fall", LimitKind::Fall)];
    let kind = table.choice("kind", &kinds, None);
    let within = match kind {
        Some(LimitKind::High | LimitKind::Low) => range.unwrap_or((f64::MIN, f64::MAX)),
        Some(LimitKind::Rise | LimitKind::Fall) => (1e-9, 1e12),
        None => (f64::MIN, f64::MAX),
    };
    let value = table.number("value", within, None);
    let severity = table.choice("severity", SEVERITIES, None);
    let span = range.map_or(f64::MAX, |(low, high)| high - low);
    let deadband = table.number("deadband", (0.0, span), Some(0.0));
    if let (Some(kind), Some(value), Some(range), Some(deadband)) = (kind, value, range, deadband) {
        clears(table, kind, value, range, deadband);
    }
    let on_delay = table.duration("on_delay", (0, 3_600_000), Some(0));
    let off_delay = table.duration("off_delay", (0, 86_400_000), Some(0));
    let latches = table.flag("latches", false);
    let (managed, may_suppress) = (table.flag("managed", false), table.flag("may_suppress", false));
    let (count, count_within_ms) = count(table);
    let citation = citation(table);
    let guide = guide(table);
    Some(Limit {
        hazard: hazard?,
        title: title?,
        kind: kind?,
        value: value?,
        severity: severity?,
        deadband: deadband?,
        on_delay_ms: on_delay?,
        off_delay_ms: off_delay?,
        managed,
        may_suppress,
        count,
        count_within_ms,
        latches,
        citation: citation?,
        guide: guide?,
    })
}

/// How many dangerous readings it takes, and within which time; 0 = each counts.
fn count(table: &Reader<'_>) -> (u64, u64) {
    let (count, within) = (table.whole_if("count", (2, 100)), table.duration_if("count_within", (1_000, 3_600_000)));
    if count.is_some() != within.is_some() && !table.describes() {
        table.fault(
            "count",
            "count without count_within, or the reverse",
            "both: so many dangerous readings within so long",
            None,
        );
    }
    (count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0), within.unwrap_or(0))
}

/// An alarm goes only where a good reading lies past the limit and its deadband: that place must be within the range. A rate
/// goes back to 0 where the value stands still.
fn clears(table: &Reader<'_>, kind: LimitKind, value: f64, (low, high): (f64, f64), deadband: f64) {
    let room = match kind {
        LimitKind::High => value - low,
        LimitKind::Low => high - value,
        LimitKind::Rise | LimitKind::Fall => value,
    };
    if room <= 0.0 {
        let found = format!("{value}, which every value from {low} to {high} reaches");
        table.fault("value", found, "a limit that some value of the range clears", None);
    } else if deadband >= room {
        let found = format!("{deadband}, with which the alarm can never clear");
        table.fault("deadband", found, format!("less than {room}, so that some value of the range clears it"), None);
    }
}

/// A limit without its source is an opinion: `confidence = "own"` says so.
fn citation(table: &Reader<'_>) -> Option<Citation> {
    let of = table.table_of("citation", true)?;
    let levels = [("clause", "clause"), ("secondary", "secondary"), ("recalled", "recalled"), ("own", "own")];
    let confidence = of.choice("confidence", &levels, None);
    let text = |key| of.text_or(key, "");
    let (standard, edition, clause, note) = (text("standard"), text("edition"), text("clause"), text("note"));
    let jurisdiction = of.text_or("jurisdiction", "CN");
    if confidence.is_some_and(|level| level != "own") && standard.is_empty() {
        of.fault("standard", "nothing", "the standard this comes from, or confidence = \"own\"", None);
    }
    table.done("citation", of);
    Some(Citation { standard, edition, clause, jurisdiction, confidence: confidence?.to_owned(), note })
}

fn guide(table: &Reader<'_>) -> Option<Guide> {
    let words = |key| -> Option<Words> { table.words(key, true) };
    let (cause, consequence, action) = (words("cause"), words("consequence"), words("action"));
    let respond = table.duration("respond", (0, 86_400_000), Some(0));
    Some(Guide { cause: cause?, consequence: consequence?, action: action?, respond_s: u32::try_from(respond? / 1000).ok()? })
}
