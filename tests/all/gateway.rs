//! Receivers of channels as strangers, in the standard library: bots that enforce the limits and signatures which their vendors document, gateways of
//! short messages and calls. Must not know: any type of the host; how the product makes a signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header lines in lower case, names and values.
    pub head: String,
    pub body: String,
}

impl Asked {
    /// A value of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        let (_, value) = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// A stranger's time, for its limits.
#[derive(Clone)]
pub enum Time {
    /// It passes.
    Real,
    /// As many seconds since its start as the test says, however busy the machine is.
    Given(Arc<AtomicU64>),
}

impl Time {
    /// All comes at once.
    pub fn still() -> Time {
        Time::Given(Arc::default())
    }

    fn now(&self, began: Instant) -> Instant {
        match self {
            Time::Real => Instant::now(),
            Time::Given(seconds) => began + Duration::from_secs(seconds.load(Ordering::SeqCst)),
        }
    }
}

/// What a stranger makes of a request: HTTP status and body.
type Judge = Box<dyn FnMut(&Asked, Instant) -> (u16, String) + Send>;

/// Listens, judges, and keeps all that was taken and refused.
pub struct Gateway {
    pub port: u16,
    heard: Arc<Mutex<Vec<(Asked, u16, String)>>>,
}

impl Gateway {
    pub fn start(time: Time, judge: Judge) -> Gateway {
        let began = Instant::now();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (keep, judge) = (Arc::clone(&heard), Arc::new(Mutex::new(judge)));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (keep, judge) = (Arc::clone(&keep), Arc::clone(&judge));
                let now = time.now(began);
                std::thread::spawn(move || drop(hear(stream, now, &keep, &judge)));
            }
        });
        Gateway { port, heard }
    }

    /// Requests with what was answered, in order.
    pub fn heard(&self) -> Vec<(Asked, u16, String)> {
        self.heard.lock().unwrap().clone()
    }
}

fn hear(stream: TcpStream, now: Instant, keep: &Mutex<Vec<(Asked, u16, String)>>, judge: &Mutex<Judge>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut head, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        head += &line.to_lowercase();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let asked = Asked { method, target, head, body: String::from_utf8_lossy(&body).into_owned() };
    let (status, answer) = (judge.lock().unwrap())(&asked, now);
    keep.lock().unwrap().push((asked, status, answer.clone()));
    let length = answer.len();
    write!(
        &stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
    )
}

/// HMAC-SHA256 by its definition.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    match key.len() > 64 {
        true => block[..32].copy_from_slice(&Sha256::digest(key)),
        false => block[..key.len()].copy_from_slice(key),
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// How many came in a stretch that ends now, with this one.
#[derive(Default)]
struct Rate(VecDeque<Instant>);

impl Rate {
    fn exceeds(&mut self, now: Instant, most: usize, stretch: Duration) -> bool {
        let within = self.0.iter().filter(|at| now.duration_since(**at) < stretch).count();
        within >= most
    }

    fn take(&mut self, now: Instant) {
        self.0.push_back(now);
        while self.0.len() > 1_000 {
            self.0.pop_front();
        }
    }
}

/// The same for each number.
#[derive(Default)]
struct Rates(BTreeMap<String, Rate>);

impl Rates {
    /// One more for each of these numbers; false where one of them has had as many as it may, and then nobody is told.
    fn take(&mut self, now: Instant, numbers: &str, limits: &[(usize, Duration)]) -> bool {
        let mut full = |number: &str| {
            let of = self.0.entry(number.to_owned()).or_default();
            limits.iter().any(|(most, stretch)| of.exceeds(now, *most, *stretch))
        };
        if numbers.split(',').any(&mut full) {
            return false;
        }
        numbers.split(',').for_each(|number| self.0.entry(number.to_owned()).or_default().take(now));
        true
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// What a gateway of short messages and calls says of a number that has had as many as it may.
pub const TOO_MANY: &str = "isv.BUSINESS_LIMIT_CONTROL";

fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn answer(of: Value) -> (u16, String) {
    (200, of.to_string())
}

/// 企业微信: markdown of at most 4096 bytes, 20 a minute.
pub fn wecom(time: Time, key: &'static str) -> Gateway {
    let mut rate = Rate::default();
    Gateway::start(
        time,
        Box::new(move |asked, now| {
            let content = asked.json()["markdown"]["content"].as_str().unwrap_or_default().to_owned();
            let said = |code: i64, said: &str| answer(json!({"errcode": code, "errmsg": said}));
            if asked.query("key").as_deref() != Some(key) {
                return said(93_000, "invalid webhook url");
            }
            if rate.exceeds(now, 20, MINUTE) {
                return said(45_009, "api freq out of limit");
            }
            if asked.json()["msgtype"] != "markdown" || content.is_empty() {
                return said(44_004, "empty content");
            }
            if content.len() > 4096 {
                return said(40_058, "markdown.content exceed max length 4096");
            }
            rate.take(now);
            said(0, "ok")
        }),
    )
}

/// 钉钉: signed in the address, 20 a minute; one more, and nothing for ten minutes. A key word as its group asks for it.
pub fn dingtalk(time: Time, token: &'static str, secret: &'static str, word: &'static str) -> Gateway {
    let (mut rate, mut barred) = (Rate::default(), None::<Instant>);
    Gateway::start(
        time,
        Box::new(move |asked, now| {
            let said = |code: i64, said: &str| answer(json!({"errcode": code, "errmsg": said}));
            let content = asked.json()["text"]["content"].as_str().unwrap_or_default().to_owned();
            let stamp = asked.query("timestamp").and_then(|stamp| stamp.parse::<u64>().ok()).unwrap_or(0);
            let signed = STANDARD.encode(hmac(secret.as_bytes(), format!("{stamp}\n{secret}").as_bytes()));
            if asked.query("access_token").as_deref() != Some(token) {
                return said(300_001, "token is not exist");
            }
            if barred.is_some_and(|since| now.duration_since(since) < Duration::from_secs(600)) {
                return said(410_100, "send too fast");
            }
            let now_ms = u64::try_from(unix().as_millis()).unwrap();
            if now_ms.abs_diff(stamp) > 3_600_000 {
                return said(310_000, "invalid timestamp");
            }
            if asked.query("sign") != Some(signed) {
                return said(310_000, "sign not match");
            }
            if !content.contains(word) {
                return said(310_000, "keywords not in content");
            }
            if asked.body.len() > 20_000 {
                return said(460_101, "message too long");
            }
            if rate.exceeds(now, 20, MINUTE) {
                barred = Some(now);
                return said(410_100, "send too fast");
            }
            rate.take(now);
            said(0, "ok")
        }),
    )
}

/// 飞书: signed in the body, 100 a minute and 5 a second, 20 KB.
pub fn feishu(time: Time, path: &'static str, secret: &'static str) -> Gateway {
    let mut rate = Rate::default();
    Gateway::start(
        time,
        Box::new(move |asked, now| {
            let said = |code: i64, said: &str| answer(json!({"code": code, "msg": said, "data": {}}));
            let body = asked.json();
            let stamp = body["timestamp"].as_str().unwrap_or_default().to_owned();
            let signed = STANDARD.encode(hmac(format!("{stamp}\n{secret}").as_bytes(), b""));
            if asked.target != path {
                return said(19_001, "param invalid: incoming webhook access token invalid");
            }
            let stamp = stamp.parse::<u64>().unwrap_or(0);
            if unix().as_secs().abs_diff(stamp) > 3_600 || body["sign"].as_str() != Some(&signed) {
                return said(19_021, "sign match fail or timestamp is not within one hour from current time");
            }
            if asked.body.len() > 20 * 1024
                || body["msg_type"] != "text"
                || body["content"]["text"].as_str().is_none_or(str::is_empty)
            {
                return said(9_499, "Bad Request");
            }
            if rate.exceeds(now, 100, MINUTE) || rate.exceeds(now, 5, Duration::from_secs(1)) {
                return said(11_232, "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]");
            }
            rate.take(now);
            said(0, "success")
        }),
    )
}

/// A gateway of short messages: a key in a header, one part of 70 characters, 50 in any 24 hours to one number, and a refusal that comes with 200.
pub fn sms(time: Time, key: &'static str) -> Gateway {
    let mut rates = Rates::default();
    Gateway::start(
        time,
        Box::new(move |asked, now| {
            let body = asked.json();
            let text = body["text"].as_str().unwrap_or_default();
            let numbers = body["numbers"].as_str().unwrap_or_default();
            if !asked.head.contains(&format!("x-api-key: {key}\r\n")) {
                return answer(json!({"Code": "InvalidKey", "Message": format!("no such key as {}", asked.head)}));
            }
            if asked.method != "POST" || text.is_empty() || text.chars().count() > 70 || numbers.is_empty() {
                return (400, json!({"Code": "Illegal"}).to_string());
            }
            let code = if rates.take(now, numbers, &[(50, DAY)]) { "OK" } else { TOO_MANY };
            answer(json!({"Code": code, "BizId": "1"}))
        }),
    )
}

/// A gateway of calls by a GET: one number each, which is called once in a minute, five times in an hour and 20 in 24 hours, whether it is taken or not.
pub fn voice(time: Time, key: &'static str) -> Gateway {
    let mut rates = Rates::default();
    Gateway::start(
        time,
        Box::new(move |asked, now| {
            let number = asked.query("callee").unwrap_or_default();
            let whole = asked.method == "GET"
                && asked.query("key").as_deref() == Some(key)
                && asked.query("say").is_some_and(|say| !say.is_empty());
            match whole && number.len() == 11 && number.chars().all(|c| c.is_ascii_digit()) {
                false => (403, String::new()),
                true if !rates.take(now, &number, &[(1, MINUTE), (5, HOUR), (20, DAY)]) => (429, TOO_MANY.to_owned()),
                // Nobody takes the first number.
                true if number.ends_with('1') => (503, String::new()),
                true => answer(json!({"ok": true})),
            }
        }),
    )
}
