//! The channels of audiences, each with the keys that belong to it. Owns: what a channel must say, and the limits that its vendor documents.
//! Must not know: who is told when, how anything is sent.

use super::duty::{address, cap};
use super::reader::Reader;
use super::scalar::is_plain;
use super::template::{Secrets, template};
use super::types::{Bot, Channel, Encoding, Gateway, Secret, Template, Vendor, Webhook};
use super::{Names, files, outputs, tls};
use brain::site::Audience;
use url::Url;

/// What a channel brings to its audience.
pub(super) struct Reached {
    pub(super) channel: Channel,
    pub(super) per_minute: Option<u32>,
    pub(super) per_second: Option<u32>,
    pub(super) per_hour: Option<u32>,
    pub(super) per_day: Option<u32>,
    /// Numbers for each of which these count by itself; 1 = they count for the channel.
    pub(super) numbers: u32,
    pub(super) must_accept: bool,
    /// How long one CAP message is valid, and the plant's digits in its names; none = what an audience has anyway.
    pub(super) named: Option<(u32, Option<String>)>,
}

impl Reached {
    /// The audience with what its channel brings.
    pub(super) fn of(&self, audience: Audience) -> Audience {
        let Reached { per_minute, per_second, per_hour, per_day, numbers, must_accept, .. } = *self;
        let annunciator = matches!(self.channel, Channel::Annunciator(_));
        let audience = Audience { per_minute, per_second, per_hour, per_day, numbers, must_accept, annunciator, ..audience };
        match &self.named {
            Some((valid_s, code)) => Audience { valid_s: *valid_s, code: code.clone(), ..audience },
            None => audience,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Console,
    Cap,
    Request(Gateway),
    Bot(Vendor),
    Mqtt,
    Nats,
    Mail,
    Annunciator,
}

const KINDS: [(&str, Kind); 12] = [
    ("console", Kind::Console),
    ("cap", Kind::Cap),
    ("webhook", Kind::Request(Gateway::Webhook)),
    ("sms", Kind::Request(Gateway::Sms)),
    ("voice", Kind::Request(Gateway::Voice)),
    ("wecom", Kind::Bot(Vendor::Wecom)),
    ("dingtalk", Kind::Bot(Vendor::Dingtalk)),
    ("feishu", Kind::Bot(Vendor::Feishu)),
    ("mqtt", Kind::Mqtt),
    ("nats", Kind::Nats),
    ("mail", Kind::Mail),
    ("annunciator", Kind::Annunciator),
];

/// Longest template.
const TEMPLATE_BYTES_MAX: u64 = 64 << 10;
/// A bureau that takes fewer messages a minute is behind for long in a storm (own default).
const BUREAU_PER_MINUTE: u32 = 60;
/// Most that one audience's list of numbers holds.
const TO_MAX: usize = 100;

/// Reads what stands under `channel`, and the keys that belong to it. None = at fault.
pub(super) fn channel(
    table: &Reader<'_>,
    names: &Names,
    (audience, bureau): (&Option<String>, bool),
    warnings: &mut Vec<String>,
) -> Option<Reached> {
    let kind = table.choice("channel", &KINDS, None);
    let mut found = None;
    for (word, one) in KINDS {
        let read = table.case("channel", word, kind == Some(one), || reached(table, one, names, audience, warnings));
        found = found.or(read);
    }
    if kind.is_none() {
        table.pardon("channel");
    }
    if bureau && let Some(most) = found.as_ref().and_then(|reached| reached.per_minute).filter(|most| *most < BUREAU_PER_MINUTE) {
        warnings.push(format!(
            "{}: per_minute = {most} of the bureau {}: it is told of each alarm by itself, never of several in one message, so a storm of 1000 alarms \
             takes {} min; ask the bureau for more",
            table.origin().file.display(),
            audience.as_deref().unwrap_or_default(),
            1_000_u32.div_ceil(most)
        ));
    }
    if bureau && kind.is_some_and(|kind| !matches!(kind, Kind::Cap | Kind::Mqtt | Kind::Nats)) {
        let word = KINDS.iter().find(|(_, one)| Some(*one) == kind).map_or("", |(word, _)| word);
        let allowed =
            "\"cap\", \"mqtt\" or \"nats\" for a bureau: only what carries CAP can be accepted and answered by name there";
        table.fault("channel", format!("{word:?}"), allowed, None);
    }
    found
}

fn reached(
    table: &Reader<'_>,
    kind: Kind,
    names: &Names,
    audience: &Option<String>,
    warnings: &mut Vec<String>,
) -> Option<Reached> {
    let plain = |channel| {
        let (per_minute, per_second, per_hour, per_day) = (None, None, None, None);
        Reached { channel, per_minute, per_second, per_hour, per_day, numbers: 1, must_accept: false, named: None }
    };
    match kind {
        Kind::Console => Some(plain(Channel::Console)),
        Kind::Cap => {
            let (per_minute, must_accept) = (per_minute(table, None, 6_000), table.flag("must_accept", false));
            let code = table.text_if("unit_code");
            let cap = cap(table, code.as_deref(), warnings)?;
            let named = Some((cap.expires_s, code));
            Some(Reached { per_minute, must_accept, named, ..plain(Channel::Cap(cap)) })
        }
        Kind::Mqtt => {
            let per_minute = per_minute(table, None, 6_000);
            let code = table.text_if("unit_code");
            let mqtt = outputs::mqtt(table, names, (audience, code.as_deref()), warnings)?;
            let named = Some((mqtt.cap.expires_s, code));
            Some(Reached { per_minute, named, ..plain(Channel::Mqtt(mqtt)) })
        }
        Kind::Nats => {
            let per_minute = per_minute(table, None, 6_000);
            let code = table.text_if("unit_code");
            let nats = outputs::nats(table, names, code.as_deref(), warnings)?;
            let named = Some((nats.cap.expires_s, code));
            Some(Reached { per_minute, named, ..plain(Channel::Nats(nats)) })
        }
        Kind::Mail => {
            let per_minute = per_minute(table, Some(10), 6_000);
            Some(Reached { per_minute, ..plain(Channel::Mail(outputs::mail(table, warnings)?)) })
        }
        Kind::Annunciator => Some(plain(Channel::Annunciator(outputs::annunciator(table, names, audience, warnings)?))),
        Kind::Request(gateway) => {
            let (minute, hour, day) = of_a_number(gateway);
            let per_minute = per_minute(table, minute, if gateway == Gateway::Voice { 60 } else { 6_000 });
            let per =
                |key, most, usual: Option<u32>| table.whole_if(key, (1, most)).and_then(|n| u32::try_from(n).ok()).or(usual);
            let (per_hour, per_day) = match gateway {
                Gateway::Webhook => (None, None),
                Gateway::Sms | Gateway::Voice => (per("per_hour", 100_000, hour), per("per_day", 1_000_000, day)),
            };
            let webhook = webhook(table, gateway, warnings)?;
            // A call goes to one of its numbers, a short message to all of them.
            let numbers = if gateway == Gateway::Voice { u32::try_from(webhook.to.len()).unwrap_or(1).max(1) } else { 1 };
            Some(Reached { per_minute, per_hour, per_day, numbers, ..plain(Channel::Webhook(webhook)) })
        }
        Kind::Bot(vendor) => {
            let limits = limits(vendor);
            let per_minute = per_minute(table, Some(limits.per_minute * 4 / 5), limits.per_minute);
            let per_second = limits.per_second.map(|most| most * 4 / 5);
            Some(Reached { per_minute, per_second, ..plain(Channel::Bot(bot(table, vendor, warnings)?)) })
        }
    }
}

/// Messages to one number in a minute, an hour and 24 hours, unless the site file says otherwise: four fifths of what a large vendor takes, and of one
/// call none. Calls (help.aliyun.com/document_detail/114036): 1, 5 and 20 to one number; short messages that notify (developer.aliyun.com/ask/474934): 50
/// in any 24 hours to one number with one template. A short message goes to all numbers of an audience and counts for each, a call to one of them and for
/// that one alone ([`Audience::numbers`]). All other limits count for the channel.
fn of_a_number(gateway: Gateway) -> (Option<u32>, Option<u32>, Option<u32>) {
    match gateway {
        Gateway::Webhook => (None, None, None),
        Gateway::Sms => (Some(10), None, Some(40)),
        Gateway::Voice => (Some(1), Some(4), Some(16)),
    }
}

/// What a vendor's documents allow. Beyond it messages are refused; by 钉钉 for ten minutes.
struct Limits {
    per_minute: u32,
    per_second: Option<u32>,
}

/// 企业微信: developer.work.weixin.qq.com/document/path/91770; 钉钉: open.dingtalk.com/document/robots/custom-robot-access; 飞书:
/// open.feishu.cn/document/client-docs/bot-v3/add-custom-bot. Four fifths of each are used unless the site file says otherwise.
fn limits(vendor: Vendor) -> Limits {
    match vendor {
        Vendor::Wecom | Vendor::Dingtalk => Limits { per_minute: 20, per_second: None },
        Vendor::Feishu => Limits { per_minute: 100, per_second: Some(5) },
    }
}

fn per_minute(table: &Reader<'_>, usual: Option<u32>, most: u32) -> Option<u32> {
    let found = table.whole_if("per_minute", (1, 6_000)).and_then(|n| u32::try_from(n).ok());
    if let Some(found) = found.filter(|found| *found > most) {
        table.fault("per_minute", found.to_string(), format!("at most {most}: beyond it the receiver refuses all"), None);
    }
    found.or(usual)
}

fn timeout(table: &Reader<'_>) -> Option<u64> {
    table.duration("timeout", (100, 60_000), Some(10_000))
}

fn bot(table: &Reader<'_>, vendor: Vendor, warnings: &mut Vec<String>) -> Option<Bot> {
    let (url, timeout_ms) = (table.secret_needed("hook"), timeout(table));
    let insecure = table.flag("insecure", false);
    // 企业微信 knows no signature.
    let sign = if vendor == Vendor::Wecom { None } else { table.secret("sign") };
    let url = url?;
    secret_address(table, "hook", &url, insecure, warnings);
    Some(Bot { vendor, url, sign, timeout_ms: timeout_ms? })
}

/// As [`address`], and nothing of it is shown.
fn secret_address(table: &Reader<'_>, key: &'static str, secret: &Secret, insecure: bool, warnings: &mut Vec<String>) {
    let host = Url::parse(secret.reveal()).ok().and_then(|url| {
        let host = url.host_str()?.to_owned();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{host}{port}/", url.scheme()))
    });
    match host {
        Some(host) => address(table, key, &host, insecure, warnings),
        None => table.fault(key, "no address in what it names", "the address that the group gave its bot, https://...", None),
    }
}

fn webhook(table: &Reader<'_>, gateway: Gateway, warnings: &mut Vec<String>) -> Option<Webhook> {
    let secrets = table.secrets("secrets");
    let (address_text, insecure) = (table.text("url"), table.flag("insecure", false));
    let url = address_text.as_ref().map(|text| template(table, "url", text, &secrets));
    let encodings = [("json", Encoding::Json), ("form", Encoding::Form), ("xml", Encoding::Xml), ("text", Encoding::Text)];
    let encoding = table.choice("encoding", &encodings, Some(Encoding::Json));
    let body = body(table, &secrets);
    let headers = table.named("headers", false, |of, name, value| header(of, name, value.as_str(), &secrets));
    let to = table.texts("to", false);
    if gateway != Gateway::Webhook && !table.describes() && (to.is_empty() || to.len() > TO_MAX) {
        let found = if to.is_empty() { "nobody".to_owned() } else { format!("{} numbers", to.len()) };
        table.fault("to", found, format!("the numbers of who is told, 1 to {TO_MAX}, and {{{{to}}}} where they stand"), None);
    }
    let says = says(table);
    let (tls, timeout_ms) = (tls::client(table), timeout(table));
    if let Some(text) = &address_text {
        // Nothing of a notice says where it goes.
        let host = text.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
        if host.contains("{{") {
            table.fault("url", "a host with a place for a value", "a host that is always the same", None);
        } else {
            address(table, "url", &text.replace("{{", "").replace("}}", ""), insecure, warnings);
        }
    }
    if let (Some(body), Some(Encoding::Json)) = (&body, encoding) {
        is_json(table, body);
    }
    Some(Webhook {
        gateway,
        url: url?,
        headers: headers.into_iter().collect(),
        body,
        encoding: encoding?,
        to,
        says,
        tls,
        timeout_ms: timeout_ms?,
    })
}

/// `body`, or `body_file` where it is long; a GET where there is neither.
fn body(table: &Reader<'_>, secrets: &Secrets) -> Option<Template> {
    let (text, file) = (table.text_if("body"), table.text_if("body_file"));
    if text.is_some() && file.is_some() {
        table.fault("body", "body and body_file", "one of them, or neither for a GET", None);
    }
    if let Some(text) = text {
        return Some(template(table, "body", &text, secrets));
    }
    let path = table.beside(&file?);
    let read =
        files::read(&path, TEMPLATE_BYTES_MAX).and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()));
    match read {
        Ok(text) => Some(template(table, "body_file", &text, secrets)),
        Err(error) => {
            table.fault("body_file", format!("{}: {error}", path.display()), "a readable template in UTF-8", None);
            None
        }
    }
}

/// With a value in each place it must be a document: a comma too many is found here, not at the first alarm.
fn is_json(table: &Reader<'_>, body: &Template) {
    let filled: String = body.0.iter().map(|part| part.as_text().unwrap_or("0")).collect();
    if let Err(error) = serde_json::from_str::<serde_json::Value>(&filled) {
        let key = if table.has("body") { "body" } else { "body_file" };
        let allowed =
            "JSON with its places inside quotes, for example '{\"text\": \"{{text.zh}}\"}', or another encoding = \"...\"";
        table.fault(key, format!("no JSON document: {error}"), allowed, None);
    }
}

fn header(of: &Reader<'_>, name: &str, value: Option<&str>, secrets: &Secrets) -> Option<Template> {
    let legal = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let own = ["content-type", "content-length", "host", "transfer-encoding"];
    if !legal || own.contains(&name.to_ascii_lowercase().as_str()) {
        let allowed = "the name of a header of letters, digits and `-`, and none that the request has of its own";
        of.fault(name, format!("{name:?}"), allowed, None);
        return None;
    }
    match value.filter(|text| is_plain(text)) {
        Some(text) => Some(template(of, name, text, secrets)),
        None => {
            of.fault(
                name,
                value.map_or_else(|| "no text".to_owned(), |_| "a text with hidden characters".to_owned()),
                "a text",
                None,
            );
            None
        }
    }
}

/// `says = { pointer, value }`.
fn says(table: &Reader<'_>) -> Option<(String, String)> {
    let of = table.table_of("says", false)?;
    let (pointer, value) = (of.text("pointer"), of.text("value"));
    if let Some(bad) = pointer.as_ref().filter(|pointer| !pointer.starts_with('/')) {
        of.fault("pointer", format!("{bad:?}"), "a JSON Pointer into the answer, for example \"/Code\"", None);
    }
    table.done("says", of);
    pointer.zip(value)
}
