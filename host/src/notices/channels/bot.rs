//! Bots of group chats: 企业微信, 钉钉, 飞书. Owns: what each takes, how it is signed, what its answers mean. A bot can only tell: nobody acknowledges there.
//! Sources: 企业微信 developer.work.weixin.qq.com/document/path/91770 (markdown up to 4096 bytes); 钉钉 open.dingtalk.com/document/robots/custom-robot-access (20 000
//! bytes; `timestamp` in ms and `sign` in the address, HMAC-SHA256 with the secret as key over `timestamp\nsecret`); 飞书
//! open.feishu.cn/document/client-docs/bot-v3/add-custom-bot (20 KB; `timestamp` in s and `sign` in the body, HMAC-SHA256 over nothing with `timestamp\nsecret` as key).
//! Must not know: how many a minute they take: the site file and the brain's gate see to that.

use super::super::deliver::Delivered;
use super::super::fields;
use super::super::http::{body, chain, client, refuses};
use crate::config::types::{Bot, Vendor};
use crate::key::hmac_sha256;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use brain::Notice;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What of an answer is shown, characters.
const SHOWN_CHARS: usize = 300;

/// Speaks in one group.
#[derive(Debug)]
pub struct Speaker {
    bot: Bot,
    client: Client,
}

/// Longest text, bytes of UTF-8; of 20 000 less than half, for JSON may write each as two.
fn bytes_max(vendor: Vendor) -> usize {
    match vendor {
        Vendor::Wecom => 4096,
        Vendor::Dingtalk | Vendor::Feishu => 9_500,
    }
}

/// What is said in the group.
pub(super) fn words(notice: &Notice, vendor: Vendor) -> String {
    let text = fields::text(notice, bytes_max(vendor));
    // What a chat takes for a mark is none: people may have written it.
    let marks: &[char] = match vendor {
        Vendor::Wecom => &['<', '>', '[', ']', '*', '`'],
        Vendor::Dingtalk | Vendor::Feishu => &['<', '>'],
    };
    // In the middle of a line it is the sign of a building: 3#.
    let headless = |line: &str| match line.trim_start().starts_with('#') {
        true => line.replacen('#', " ", line.len() - line.trim_start_matches([' ', '#']).len()),
        false => line.to_owned(),
    };
    text.replace(marks, " ").split('\n').map(headless).collect::<Vec<_>>().join("\n")
}

impl Speaker {
    /// # Errors
    /// No certificates on this machine.
    pub fn new(bot: Bot) -> Result<Speaker> {
        let client = client(&[bot.url.reveal()], None, bot.timeout_ms).context("channel of a bot")?;
        Ok(Speaker { bot, client })
    }

    /// One try, signed at this moment.
    pub async fn deliver(&self, words: &str) -> Delivered {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (url, message) = self.request(words, now.as_millis());
        match self.client.post(url).json(&message).send().await {
            Ok(response) => self.judge(response).await,
            Err(error) => Delivered::Failed { detail: chain(error), rejected: false },
        }
    }

    fn request(&self, words: &str, now_ms: u128) -> (String, Value) {
        let (mut url, sign) = (self.bot.url.reveal().to_owned(), self.bot.sign.as_ref());
        let message = match self.bot.vendor {
            Vendor::Wecom => json!({"msgtype": "markdown", "markdown": {"content": words}}),
            Vendor::Dingtalk => {
                if let Some(secret) = sign {
                    let signed =
                        STANDARD.encode(hmac_sha256(secret.reveal().as_bytes(), signed(now_ms, secret.reveal()).as_bytes()));
                    let and = if url.contains('?') { '&' } else { '?' };
                    url.push_str(&format!("{and}timestamp={now_ms}&sign={}", utf8_percent_encode(&signed, NON_ALPHANUMERIC)));
                }
                json!({"msgtype": "text", "text": {"content": words}})
            }
            Vendor::Feishu => {
                let mut message = json!({"msg_type": "text", "content": {"text": words}});
                if let Some(secret) = sign {
                    let seconds = now_ms / 1000;
                    message["timestamp"] = seconds.to_string().into();
                    message["sign"] = STANDARD.encode(hmac_sha256(signed(seconds, secret.reveal()).as_bytes(), b"")).into();
                }
                message
            }
        };
        (url, message)
    }

    async fn judge(&self, response: Response) -> Delivered {
        let status = response.status();
        let failed = |detail: String, rejected| Delivered::Failed { detail, rejected };
        let body = match body(response).await {
            Ok(body) => body,
            Err(error) => return failed(format!("HTTP {}: {error}", status.as_u16()), false),
        };
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let code = ["errcode", "code", "StatusCode"].iter().find_map(|key| answer.get(key)?.as_i64());
        let said = ["errmsg", "msg"].iter().find_map(|key| answer.get(key)?.as_str()).unwrap_or_default();
        let said: String = said.chars().take(SHOWN_CHARS).collect();
        match code {
            // The status alone is no receipt: a refusal comes with 200 too.
            Some(0) if status.is_success() => {
                Delivered::Receipt { code: format!("HTTP {} code 0", status.as_u16()), accepted: false }
            }
            Some(code) => failed(format!("HTTP {} code {code}: {said}", status.as_u16()), self.blames_the_message(code, &said)),
            None => failed(format!("HTTP {} without a code", status.as_u16()), refuses(status)),
        }
    }

    /// Whether the same message can never be taken. A wrong signature, address or key word, a limit, a load: all of them may heal.
    fn blames_the_message(&self, code: i64, said: &str) -> bool {
        match self.bot.vendor {
            // Invalid content, empty content, content too long.
            Vendor::Wecom => matches!(code, 40_058 | 44_004 | 45_002),
            // Invalid, of an unknown kind, too long. 310000 stands for three things: a wrong signature and a wrong address of ours are not the message.
            Vendor::Dingtalk => matches!(code, 40_035 | 400_105 | 460_101) || (code == 310_000 && said.contains("keywords")),
            // A body that it does not take; no key word of the group's.
            Vendor::Feishu => matches!(code, 9_499 | 19_024),
        }
    }
}

/// What both vendors sign, in different ways.
fn signed(time: u128, secret: &str) -> String {
    format!("{time}\n{secret}")
}
