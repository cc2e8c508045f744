//! A receiver of CAP over HTTP in a hundred lines of the standard library, so that it shares nothing with the product.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The bureau as a stranger: keeps what it hears by identifier.
pub struct Receiver {
    /// Where it listens, on loopback.
    pub port: u16,
    heard: Arc<Mutex<Bodies>>,
    offered: Arc<Mutex<Bodies>>,
}

/// Identifier -> the different bodies that came under it; `none` for what has no identifier.
type Bodies = BTreeMap<String, BTreeSet<String>>;

impl Receiver {
    /// Listens. Refuses every `refuses`-th try with 503; 0 = none.
    pub fn start(refuses: usize) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(BTreeMap::new()));
        let offered = Arc::new(Mutex::new(BTreeMap::new()));
        let (keep, offer) = (Arc::clone(&heard), Arc::clone(&offered));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (Ok(stream), keep, offer) = (stream, Arc::clone(&keep), Arc::clone(&offer)) else { continue };
                // A peer that dies in mid-request is part of the test.
                std::thread::spawn(move || drop(hear(stream, &keep, &offer, refuses > 0 && number % refuses == refuses - 1)));
            }
        });
        Receiver { port, heard, offered }
    }

    /// Identifier -> the different bodies that came under it.
    pub fn heard(&self) -> Bodies {
        self.heard.lock().unwrap().clone()
    }

    /// The same, with what was refused.
    pub fn offered(&self) -> Bodies {
        self.offered.lock().unwrap().clone()
    }
}

/// Whatever was ever sent to a receiver is a message by the schema.
impl Drop for Receiver {
    fn drop(&mut self) {
        let offered = self.offered();
        let messages = offered.iter().flat_map(|(name, bodies)| bodies.iter().map(move |body| (name.clone(), body.clone())));
        let messages: Vec<_> = messages.filter(|(_, body)| body.contains("</alert>")).collect();
        if let Some(schema) = crate::cap::schema().filter(|_| !messages.is_empty() && !std::thread::panicking()) {
            assert_eq!(crate::cap::refused(&schema, &messages), Vec::new());
        }
    }
}

fn hear(stream: TcpStream, keep: &Mutex<Bodies>, offer: &Mutex<Bodies>, refuse: bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(()); // the sender was killed in mid-sentence
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let identifier = body.split("<identifier>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or("none").to_owned();
    let status = if refuse { "503 Service Unavailable" } else { "200 OK" };
    offer.lock().unwrap().entry(identifier.clone()).or_default().insert(body.clone());
    if !refuse {
        keep.lock().unwrap().entry(identifier).or_default().insert(body);
    }
    write!(&stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
