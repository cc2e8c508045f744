//! Who is told, who notices silence, who may act, and which rules judge: audiences, watchers, people, rules.
//! Must not know: zones' contents, protocols, when anybody is told (that is `ladder`).

use super::limits::{Limits, limits};
use super::reader::Reader;
use super::scalar::{nearest, number, show, shown, span};
use super::types::{Anchors, AnswerForm, Brings, CapChannel, Channel, Form, Param, Person, Publisher, Role, Rule, Watcher};
use super::{Names, channels, plant, tls};
use crate::key::Certified;
use brain::TagId;
use brain::site::Audience;
use std::sync::Arc;
use toml::de::DeValue;
use url::{Host, Url};

pub(super) fn audience(table: &Reader<'_>, names: &Names, warnings: &mut Vec<String>) -> Option<(Audience, Channel)> {
    let (name, title) = (table.name("name"), table.words("title", true));
    let bureau = table.flag("bureau", false);
    let roster = table.refers_if("roster", "roster", &names.rosters.names);
    let reached = channels::channel(table, names, (&name, bureau), warnings)?;
    let audience = Audience { roster: roster?, ..Audience::new(&name?, title?, bureau) };
    Some((reached.of(audience), reached.channel))
}

/// Somebody outside who is told regularly that the plant is watched, and notices when that stops.
pub(super) fn watcher(table: &Reader<'_>, warnings: &mut Vec<String>) -> Option<Watcher> {
    let (name, url, tls) = (table.name("name"), table.text("url"), tls::client(table));
    let bare = table.choice("method", &[("post", false), ("get", true)], Some(false));
    let (token, insecure) = (table.secret("token"), table.flag("insecure", false));
    let every = table.duration("every", (1_000, 3_600_000), Some(30_000));
    let timeout = table.duration("timeout", (100, 60_000), Some(10_000));
    if let (Some(every), Some(timeout)) = (every, timeout)
        && timeout > every
    {
        table.fault("timeout", span(timeout), format!("at most every, {}", span(every)), None);
    }
    let url = url?;
    address(table, "url", &url, insecure, warnings);
    let every_s = u32::try_from(every? / 1000).ok()?;
    Some(Watcher { name: name?, url, bare: bare?, token, tls, every_s, timeout_ms: timeout? })
}

/// How a CAP message of a channel is made.
pub(super) struct Worded {
    pub(super) expires_s: u32,
    pub(super) division: String,
    pub(super) signer: Option<Arc<Certified>>,
}

pub(super) fn cap(table: &Reader<'_>, code: Option<&str>, warnings: &mut Vec<String>) -> Option<CapChannel> {
    let (url, tls) = (table.text("url"), tls::client(table));
    let (token, insecure) = (table.secret("token"), table.flag("insecure", false));
    let timeout = table.duration("timeout", (100, 60_000), Some(10_000));
    let (worded, anchors, sender) = (worded(table, code), anchors(table, insecure, warnings), plant::sender_if(table));
    let form = table.choice("form", &[("xml", Form::Xml), ("json", Form::Json)], Some(Form::Xml));
    let (url, worded) = (url?, worded?);
    if form == Some(Form::Json) && worded.signer.is_some() {
        table.fault("sign", "a signature of XML", "no sign with form = \"json\": that is signed with the site's own key", None);
    }
    address(table, "url", &url, insecure, warnings);
    let Worded { expires_s, division, signer } = worded;
    Some(CapChannel { url, token, tls, timeout_ms: timeout?, expires_s, division, anchors, signer, form: form?, sender })
}

/// How long a CAP message is valid, the division that it names, and who signs it.
pub(super) fn worded(table: &Reader<'_>, code: Option<&str>) -> Option<Worded> {
    let expires = table.duration("expires", (60_000, 3_600_000), Some(3_600_000));
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let mut division = table.text_or("division", "");
    if !division.is_empty() && !digits(&division, 6) {
        table.fault("division", format!("{division:?}"), "six digits of GB/T 2260, or nothing", None);
    }
    match code {
        Some(code) if !digits(code, 14) => {
            let allowed =
                "the 14 digits that the authority gave to the plant: 6 of its division, 3 of the trade, 3 of the unit, 2 more";
            table.fault("unit_code", format!("{code:?}"), allowed, None);
        }
        Some(code) if division.is_empty() => code[..6].clone_into(&mut division),
        Some(code) if code[..6] != division => {
            let found = format!("{code:?} with division {division:?}");
            table.fault("unit_code", found, "digits that begin with those of the division", None);
        }
        _ => {}
    }
    let signer = tls::signer(table);
    Some(Worded { expires_s: u32::try_from(expires? / 1000).ok()?, division, signer })
}

fn anchors(table: &Reader<'_>, insecure: bool, warnings: &mut Vec<String>) -> Option<Anchors> {
    let (url, every) = (table.text_if("anchor_url"), table.duration("anchor_every", (10_000, 86_400_000), Some(600_000)));
    let url = url?;
    address(table, "anchor_url", &url, insecure, warnings);
    Some(Anchors { url, every_s: u32::try_from(every? / 1000).ok()? })
}

/// Judges where messages go, by the host that would be called: encrypted, on loopback, or knowingly neither.
pub(super) fn address(table: &Reader<'_>, key: &'static str, text: &str, insecure: bool, warnings: &mut Vec<String>) {
    const ALLOWED: &str = "https://HOST[:PORT]/PATH with a port up to 65535, or http:// on loopback";
    let url = match Url::parse(text) {
        Ok(url) => url,
        // What stands before an `@` may be a password.
        Err(error) if text.contains('@') => return table.fault(key, format!("an address with {error}"), ALLOWED, None),
        Err(error) => return table.fault(key, format!("{text:?}, {error}"), ALLOWED, None),
    };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    // An address without a host is read as if its path began with one.
    let hostless = text.split_once("://").is_none_or(|(_, rest)| rest.starts_with(['/', '\\']));
    if !url.username().is_empty() || url.password().is_some() {
        let allowed = "no name or password in an address: token = { file = \"path\" }, or tls with a certificate";
        table.fault(key, format!("something before the host {:?}", url.host_str().unwrap_or_default()), allowed, None);
    } else if !["http", "https"].contains(&url.scheme()) || url.port() == Some(0) || hostless || url.fragment().is_some() {
        table.fault(key, format!("{text:?}"), ALLOWED, None);
    } else if url.scheme() == "http" && !loopback && insecure {
        warnings.push(format!("{}: messages to {text} are not encrypted (insecure = true)", table.origin().file.display()));
    } else if url.scheme() == "http" && !loopback {
        let allowed = "https://..., http:// on loopback, or insecure = true";
        table.fault(key, format!("{text:?} without encryption"), allowed, None);
    }
}

/// Roles that people have at a plant.
pub(super) const OF_A_PLANT: [Role; 6] = [Role::Viewer, Role::Operator, Role::Lead, Role::Admin, Role::Bureau, Role::Gateway];

pub(super) fn person(table: &Reader<'_>, roles: &[Role]) -> Option<Person> {
    let name = table.text("name").filter(|name| {
        let fits = name.trim() == name && name.chars().count() <= 64;
        if !fits {
            table.fault("name", shown(name), "a name of at most 64 characters, without a blank before or behind it", None);
        }
        fits
    });
    let roles: Vec<_> = roles.iter().map(|role| (role.word(), *role)).collect();
    let role = table.choice("role", &roles, None);
    let (token_sha256, known_as) = (token_sha256(table), table.texts("known_as", false));
    if let Some(bad) = known_as.iter().find(|name| !(3..=64).contains(&name.chars().count()) || name.trim() != **name) {
        table.fault("known_as", shown(bad), "telephone numbers or user names of 3 to 64 characters, as gateways say them", None);
    }
    let brings = brings(table, role == Some(Role::Gateway));
    Some(Person { name: name?, role: role?, token_sha256: token_sha256?, known_as, brings })
}

/// What a gateway may bring; who answers there is known once all audiences are.
fn brings(table: &Reader<'_>, is_gateway: bool) -> Brings {
    const FORMS: [(&str, AnswerForm); 3] = [("voice", AnswerForm::Voice), ("sms", AnswerForm::Sms), ("card", AnswerForm::Card)];
    const ALLOWED: &str = "one or more of voice, sms, card, for role gateway alone";
    let (audiences, words) = (table.texts("audiences", false), table.texts("forms", false));
    let form = |word: &String| FORMS.iter().find(|(known, _)| known == word).map(|(_, form)| *form);
    if let Some(bad) = words.iter().find(|word| form(word).is_none()) {
        table.fault("forms", shown(bad), ALLOWED, nearest(bad, FORMS.iter().map(|(word, _)| *word)));
    } else if words.is_empty() == is_gateway && !table.describes() {
        table.fault("forms", if is_gateway { "nothing" } else { "forms of somebody who is no gateway" }, ALLOWED, None);
    }
    if audiences.is_empty() == is_gateway && !table.describes() {
        let found = if is_gateway { "nothing" } else { "audiences of somebody who is no gateway" };
        table.fault("audiences", found, "the audiences that it carries messages to, for role gateway alone", None);
    }
    let audiences = audiences.into_iter().map(|audience| (audience, vec![])).collect();
    Brings { forms: words.iter().filter_map(form).collect(), audiences }
}

/// The hash of a token: the token itself is kept by its owner alone.
pub(super) fn token_sha256(table: &Reader<'_>) -> Option<[u8; 32]> {
    let hash = table.text("token_sha256")?;
    let bytes = (hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| (0..64).step_by(2).map(|i| u8::from_str_radix(&hash[i..i + 2], 16)).collect::<Result<Vec<_>, _>>());
    let token_sha256 = bytes.and_then(Result::ok).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    // The hash of no byte at all, as it begins.
    if token_sha256.is_some_and(|hash| hash[..4] == [0xe3, 0xb0, 0xc4, 0x42]) {
        let found = "the hash of nothing, with which anybody could sign in";
        table.fault(
            "token_sha256",
            found,
            "that of a token of at least 16 characters: TOKEN was empty when the hash was made",
            None,
        );
    }
    if token_sha256.is_none() {
        table.fault("token_sha256", "something else", "64 hex digits: printf %s \"$TOKEN\" | sha256sum", None);
    }
    token_sha256
}

pub(super) fn rule(table: &Reader<'_>, names: &Names, granted: Limits) -> Option<Rule> {
    let name = table.name("name");
    let plugin = table.text("plugin");
    let parts = plugin.as_ref().and_then(|text| text.split_once('@')).filter(|(id, version)| legal_plugin(id, version));
    if let (Some(text), None) = (&plugin, &parts) {
        let allowed = "id@version, the id of a-z, 0-9 and `-`, the version of three numbers, for example \"gas-detector@0.1.0\"";
        table.fault("plugin", format!("{text:?}"), allowed, None);
    }
    let publisher = table.refers_if("publisher", "publisher", &names.publishers.names);
    let digest = table.text_if("digest");
    if let Some(bad) = digest.as_ref().filter(|d| !legal_digest(d)) {
        table.fault("digest", format!("{bad:?}"), DIGEST, None);
    }
    let back_from = table.text_if("back_from");
    if let Some(bad) = back_from.as_ref().filter(|version| !legal_plugin("x", version)) {
        table.fault("back_from", format!("{bad:?}"), "the version that this rule ran at before, for example \"1.2.0\"", None);
    }
    let interpreted = table.flag("interpreted", false);
    let zone = table.refers("zone", "zone", &names.zones.names);
    let mut lines = std::collections::BTreeMap::new();
    let inputs = table.named("inputs", true, |of, input, value| {
        lines.insert(format!("inputs.{input}"), of.at(input).line);
        tags(of, input, value, names)
    });
    let params = table.named("params", false, |of, name, value| {
        lines.insert(format!("params.{name}"), of.at(name).line);
        param(of, name, value)
    });
    let limits = limits(table, granted);
    lines.extend(LATER.map(|key| (key.to_owned(), table.at(key).line)));
    let (plugin, version) = parts.map(|(id, version)| (id.to_owned(), version.to_owned()))?;
    let (name, zone, origin) = (name?, zone?, table.origin());
    Some(Rule {
        name,
        plugin,
        version,
        publisher: publisher?,
        digest,
        back_from,
        interpreted,
        zone,
        inputs,
        params,
        limits,
        origin,
        lines,
    })
}

/// Keys of a rule whose faults show only beside its plug-in.
const LATER: [&str; 8] = ["plugin", "publisher", "digest", "back_from", "zone", "inputs", "params", "limits"];

const DIGEST: &str = "sha256: and 64 hex digits of 0-9 and a-f, as `safety-brain plugin inspect` prints it";
/// Interfaces with functions that a rule may call.
const CALLABLE: [&str; 2] = ["log", "history"];

pub(super) fn publisher(table: &Reader<'_>) -> Option<Publisher> {
    let (name, key) = (table.name("name"), table.text("key"));
    if let Some(bad) = key.as_ref().filter(|key| !crate::key::is_public(key)) {
        let allowed = "ed25519: and 64 hex digits, the text of the .pub file that `safety-brain plugin keygen` makes";
        table.fault("key", format!("{bad:?}"), allowed, None);
    }
    let revoked = table.texts("revoked", false);
    let named = |entry: &str| entry.split_once('@').is_some_and(|(id, version)| legal_plugin(id, version));
    for bad in revoked.iter().filter(|entry| !named(entry) && !legal_digest(entry)) {
        table.fault("revoked", format!("{bad:?}"), format!("id@version, or {DIGEST}"), None);
    }
    let named = table.texts("imports", false);
    let imports = if table.has("imports") || table.describes() { named } else { CALLABLE.map(str::to_owned).to_vec() };
    for bad in imports.iter().filter(|import| !CALLABLE.contains(&import.as_str())) {
        table.fault(
            "imports",
            format!("{bad:?}"),
            format!("some of {}", CALLABLE.join(", ")),
            nearest(bad, CALLABLE.into_iter()),
        );
    }
    Some(Publisher { name: name?, key: key?, revoked, imports })
}

/// Both become a file's name in the folder of plug-ins: neither may lead out of it.
fn legal_plugin(id: &str, version: &str) -> bool {
    let (numbers, tail) = version.split_at(version.find(['-', '+']).unwrap_or(version.len()));
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    !id.is_empty()
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && numbers.split('.').count() == 3
        && numbers.split('.').all(number)
        && tail.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b))
}

fn legal_digest(digest: &str) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(digit))
}

/// One tag, or a list of them.
fn tags(table: &Reader<'_>, input: &str, value: &DeValue<'_>, names: &Names) -> Option<Vec<TagId>> {
    let listed: Option<Vec<&str>> = match value {
        DeValue::String(name) => Some(vec![name]),
        DeValue::Array(all) => all.iter().map(|item| item.get_ref().as_str()).collect(),
        _ => None,
    };
    let Some(listed) = listed else {
        table.fault(input, show(value), "the name of a tag, or a list of them", None);
        return None;
    };
    let again = listed.iter().enumerate().find(|(at, name)| listed[..*at].contains(name)).map(|(_, name)| name);
    match again {
        Some(name) => table.fault(input, format!("{name:?} twice"), "each tag once: one sensor is one vote", None),
        None if listed.is_empty() => table.fault(input, "an empty list", "at least one tag, or no such input", None),
        None => {}
    }
    listed.into_iter().map(|name| table.resolve(input, "tag", name, &names.tags.names).map(|index| TagId(index as u32))).collect()
}

fn param(table: &Reader<'_>, name: &str, value: &DeValue<'_>) -> Option<Param> {
    let param = match value {
        DeValue::String(text) => Some(Param::Text(text.to_string())),
        DeValue::Boolean(flag) => Some(Param::Flag(*flag)),
        DeValue::Array(all) => all.iter().map(|item| number(item.get_ref())).collect::<Option<_>>().map(Param::Numbers),
        DeValue::Integer(_) | DeValue::Float(_) => number(value).map(Param::Number),
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    };
    if param.is_none() {
        table.fault(name, show(value), "a number, a text, true or false, or a list of numbers", None);
    }
    param
}
