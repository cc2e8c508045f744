//! A mail server as a stranger, in the standard library: it asks for a sign-in, knows its mailboxes, and takes messages up to a size. Must not know: any
//! type of the host.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Largest message, bytes.
const BYTES_MAX: usize = 200_000;

/// Recipients and a message, as it came.
pub type Taken = (Vec<String>, String);

/// What it holds.
pub struct Postbox {
    pub port: u16,
    /// What was taken, in order.
    pub taken: Arc<Mutex<Vec<Taken>>>,
}

/// Who may sign in, and the only mailbox.
#[derive(Clone, Copy)]
pub struct Rules {
    pub user: &'static str,
    pub password: &'static str,
    pub mailbox: &'static str,
}

impl Postbox {
    /// Listens; with `tls` from the first byte.
    pub fn start(rules: Rules, tls: Option<Arc<rustls::ServerConfig>>) -> Postbox {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (keep, tls) = (Arc::clone(&keep), tls.clone());
                std::thread::spawn(move || match tls {
                    None => drop(serve(stream, rules, &keep)),
                    Some(config) => {
                        let session = rustls::ServerConnection::new(config).unwrap();
                        drop(serve(rustls::StreamOwned::new(session, stream), rules, &keep));
                    }
                });
            }
        });
        Postbox { port, taken }
    }
}

fn serve(stream: impl Read + Write, rules: Rules, keep: &Mutex<Vec<Taken>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut known, mut to) = (false, Vec::new());
    say(&mut stream, "220 post.example ESMTP")?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => say(&mut stream, "250-post.example\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 200000")?,
            "AUTH" => {
                let given = rest.split_whitespace().nth(1).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
                known = given == [b"\0", rules.user.as_bytes(), b"\0", rules.password.as_bytes()].concat();
                say(&mut stream, if known { "235 welcome" } else { "535 5.7.8 no such user or password" })?;
            }
            "MAIL" if !known => say(&mut stream, "530 5.7.0 sign in first")?,
            "MAIL" => {
                to.clear();
                say(&mut stream, "250 ok")?;
            }
            "RCPT" if rest.contains(rules.mailbox) => {
                to.push(rest.split(['<', '>']).nth(1).unwrap_or_default().to_owned());
                say(&mut stream, "250 ok")?;
            }
            "RCPT" => say(&mut stream, "550 5.1.1 no such mailbox")?,
            "DATA" => {
                say(&mut stream, "354 go on")?;
                let mut message = String::new();
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line)? == 0 {
                        return Ok(());
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    message += line.strip_prefix('.').unwrap_or(&line);
                }
                if message.len() > BYTES_MAX {
                    say(&mut stream, "552 5.3.4 too large")?;
                } else {
                    keep.lock().unwrap().push((to.clone(), message));
                    say(&mut stream, "250 2.0.0 queued as 7F3A")?;
                }
            }
            "QUIT" => return say(&mut stream, "221 bye"),
            _ => say(&mut stream, "250 ok")?,
        }
    }
}

fn say(stream: &mut BufReader<impl Read + Write>, text: &str) -> std::io::Result<()> {
    write!(stream.get_mut(), "{text}\r\n")?;
    stream.get_mut().flush()
}
