//! E-mail by SMTP. The message is made once, whole: the same identifier and bytes on every try, so that a mailbox shows it once. The server's word is the
//! receipt: that it reaches a mailbox, or a reader, nobody says. Must not know: when to try again.

use super::super::deliver::Delivered;
use super::super::fields;
use crate::config::types::{Mail, MailSecurity};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use brain::Notice;
use lettre::address::{Address, Envelope};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::time::Duration;

/// Longest text, bytes: far below what any server takes.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Characters of a line of base64, and bytes of an encoded word: 45 make 60, and 12 stand around them.
const LINE_CHARS: usize = 76;
const WORD_BYTES: usize = 45;
/// The plant's clock.
const BEIJING: jiff::tz::Offset = jiff::tz::offset(8);

/// Speaks to one server.
#[derive(Debug)]
pub struct Post {
    server: AsyncSmtpTransport<Tokio1Executor>,
    envelope: Envelope,
    /// For a whole try: the client itself limits nothing but the connecting.
    limit: Duration,
}

/// The whole message, text in base64 so that no line of it is too long or means anything to a server.
///
/// # Errors
/// A time that is none.
pub(super) fn words(notice: &Notice, mail: &Mail) -> Result<String> {
    let domain = mail.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let name = |identifier: &str| format!("<{identifier}@{domain}>");
    let at = jiff::Timestamp::from_microsecond(notice.at)?.to_zoned_datetime(jiff::tz::TimeZone::fixed(BEIJING));
    let mut lines = vec![
        format!("Date: {}", jiff::fmt::rfc2822::to_string(&at)?),
        format!("From: {}", mail.from),
        format!("To: {}", mail.to.join(",\r\n ")),
        format!("Message-ID: {}", name(&notice.identifier)),
        format!("Subject: {}", encoded(&fields::headline(notice))),
        "Auto-Submitted: auto-generated".to_owned(),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: base64".to_owned(),
    ];
    // Mailboxes show a chain together.
    if !notice.references.is_empty() {
        let chain: Vec<String> = notice.references.iter().map(|earlier| name(&earlier.identifier)).collect();
        lines.push(format!("References: {}", chain.join("\r\n ")));
    }
    lines.push(String::new());
    let body = STANDARD.encode(fields::text(notice, TEXT_BYTES_MAX).replace('\n', "\r\n"));
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE_CHARS));
        lines.push(line.to_owned());
        rest = more;
    }
    Ok(lines.join("\r\n") + "\r\n")
}

/// A header's text as encoded words (RFC 2047), none of them longer than that allows.
fn encoded(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for c in text.chars() {
        match words.last_mut().filter(|word| word.len() + c.len_utf8() <= WORD_BYTES) {
            Some(word) => word.push(c),
            None => words.push(c.to_string()),
        }
    }
    let word = |word: &String| format!("=?UTF-8?B?{}?=", STANDARD.encode(word));
    words.iter().map(word).collect::<Vec<_>>().join("\r\n ")
}

impl Post {
    /// Reads the certificate. An error names the file.
    pub fn new(mail: &Mail) -> Result<Post> {
        // Fails only where a provider is already in place, which is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let limit = Duration::from_millis(mail.timeout_ms);
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host).port(mail.port).timeout(Some(limit));
        server = match mail.security {
            MailSecurity::Plain => server.tls(Tls::None),
            MailSecurity::Tls => server.tls(Tls::Wrapper(parameters(mail)?)),
            MailSecurity::Starttls => server.tls(Tls::Required(parameters(mail)?)),
        };
        if let Some((name, password)) = &mail.login {
            server = server.credentials(Credentials::new(name.clone(), password.reveal().to_owned()));
        }
        let to = mail.to.iter().map(|to| to.parse()).collect::<Result<Vec<Address>, _>>()?;
        Ok(Post { server: server.build(), envelope: Envelope::new(Some(mail.from.parse()?), to)?, limit })
    }

    /// One try.
    pub async fn deliver(&self, words: &str) -> Delivered {
        let sending = self.server.send_raw(&self.envelope, words.as_bytes());
        let Ok(sent) = tokio::time::timeout(self.limit, sending).await else {
            let detail = format!("the mail server has not taken it within {} ms", self.limit.as_millis());
            return Delivered::Failed { detail, rejected: false };
        };
        match sent {
            Ok(said) => {
                let text: String = said.message().collect::<Vec<_>>().join(" ").chars().take(200).collect();
                Delivered::Receipt { code: format!("SMTP {} {text}", said.code()), accepted: false }
            }
            Err(error) => Delivered::Failed { rejected: blames_the_message(&error), detail: chain(&error) },
        }
    }
}

/// For good, and not for who we are (53x): size, content, addresses.
fn blames_the_message(error: &Error) -> bool {
    let code = error.status().map(u16::from);
    error.is_permanent() && code.is_some_and(|code| !(530..540).contains(&code))
}

fn parameters(mail: &Mail) -> Result<TlsParameters> {
    let parameters = TlsParameters::builder(mail.host.clone());
    let parameters = match &mail.ca {
        None => parameters,
        Some(path) => {
            let pem = std::fs::read(path).with_context(|| path.display().to_string())?;
            let ca = Certificate::from_pem(&pem).with_context(|| path.display().to_string())?;
            parameters.certificate_store(CertificateStore::None).add_root_certificate(ca)
        }
    };
    Ok(parameters.build_rustls()?)
}

/// The error and its causes.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
