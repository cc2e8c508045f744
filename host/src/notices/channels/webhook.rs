//! A request made from the site file's templates: a webhook, an SMS gateway, a voice gateway.
//! Must not know: any gateway by name; when to try again.

use super::super::deliver::Delivered;
use super::super::fields::{self, Fields};
use super::super::http::{body, chain, client, refuses};
use crate::config::types::{Encoding, Gateway, Part, Template, Webhook};
use anyhow::{Context, Result};
use brain::Notice;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Response};
use serde_json::Value;

/// What of an answer is shown, characters.
const SHOWN_CHARS: usize = 300;

/// Calls one gateway.
#[derive(Debug)]
pub struct Caller {
    webhook: Webhook,
    client: Client,
}

impl Caller {
    /// Reads the certificates. An error names the file.
    pub fn new(webhook: Webhook) -> Result<Caller> {
        let scheme = webhook.url.0.first().and_then(Part::as_text).unwrap_or_default();
        let client = client(&[scheme], webhook.tls.as_ref(), webhook.timeout_ms).context("channel webhook")?;
        Ok(Caller { webhook, client })
    }

    /// One try. A success is a receipt of the gateway: that a phone rang, or a person read it, nobody says.
    pub async fn deliver(&self, notice: &Notice, words: &str, number: u32) -> Delivered {
        // Words made for another channel, before the site file was changed, are made again.
        let fields: Fields = serde_json::from_str(words).unwrap_or_else(|_| fields::of(notice));
        let to = self.to(number);
        let fill = |template: &Template, form| fill(template, form, &fields, &to);
        let url = fill(&self.webhook.url, Encoding::Form);
        let mut request = match &self.webhook.body {
            Some(body) => self
                .client
                .post(url)
                .header("content-type", self.webhook.encoding.media_type())
                .body(fill(body, self.webhook.encoding)),
            None => self.client.get(url),
        };
        for (name, value) in &self.webhook.headers {
            request = request.header(name, fill(value, Encoding::Text).replace(['\r', '\n'], " "));
        }
        match request.send().await {
            Ok(response) => self.judge(response).await,
            Err(error) => Delivered::Failed { detail: chain(error), rejected: false },
        }
    }

    /// All numbers, or the one whose turn it is.
    fn to(&self, number: u32) -> String {
        let all = &self.webhook.to;
        match self.webhook.gateway {
            Gateway::Webhook | Gateway::Sms => all.join(","),
            Gateway::Voice => all.get(number as usize % all.len().max(1)).cloned().unwrap_or_default(),
        }
    }

    async fn judge(&self, response: Response) -> Delivered {
        let status = response.status();
        let page = response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let code = format!("HTTP {}", status.as_u16());
        let failed = |detail: String, rejected| Delivered::Failed { detail: self.hide(&detail), rejected };
        let body = match body(response).await {
            Ok(body) => body,
            Err(error) => return failed(format!("{code}: {error}"), false),
        };
        let shown: String = String::from_utf8_lossy(&body).trim().chars().take(SHOWN_CHARS).collect();
        if !status.is_success() {
            return failed(format!("{code}: {shown}"), refuses(status));
        }
        if page && self.webhook.says.is_none() {
            return failed(format!("{code} with a web page: something else than the gateway answers there"), false);
        }
        if let Some((pointer, value)) = &self.webhook.says {
            let said = serde_json::from_slice::<Value>(&body).ok().and_then(|answer| answer.pointer(pointer).map(plain));
            if said.as_ref() != Some(value) {
                return failed(format!("{code}, and not {value:?} at {pointer}: {shown}"), false);
            }
        }
        Delivered::Receipt { code, accepted: false }
    }

    /// A gateway may answer with what it was sent.
    fn hide(&self, text: &str) -> String {
        let templates =
            [&self.webhook.url].into_iter().chain(&self.webhook.body).chain(self.webhook.headers.iter().map(|(_, of)| of));
        let mut text = text.to_owned();
        for part in templates.flat_map(|template| &template.0) {
            if let Part::Secret(secret) = part {
                for form in [secret.reveal().to_owned(), utf8_percent_encode(secret.reveal(), NON_ALPHANUMERIC).to_string()] {
                    text = text.replace(&form, "(secret)");
                }
            }
        }
        text
    }
}

/// A value of an answer as text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A template with its values, each written so that it can say nothing but itself.
fn fill(template: &Template, form: Encoding, fields: &Fields, to: &str) -> String {
    let value = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Field(field) => within(form, fields.get(*field).map_or("", String::as_str)),
        Part::Secret(secret) => within(form, secret.reveal()),
        Part::To => within(form, to),
    };
    template.0.iter().map(value).collect()
}

fn within(form: Encoding, value: &str) -> String {
    match form {
        Encoding::Json => {
            let quoted = Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        Encoding::Form => utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
        Encoding::Xml => quick_xml::escape::escape(value).into_owned(),
        Encoding::Text => value.to_owned(),
    }
}
