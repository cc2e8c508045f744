//! A relay on Modbus TCP as a stranger, in the standard library: one coil that may be written, everything else refused. Must not know: any type of the
//! host.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it does with what it is told.
#[derive(Clone, Copy, PartialEq)]
pub enum Relay {
    /// It switches.
    Works,
    /// It says yes and stays as it is: a contact that is burnt.
    Stuck,
}

/// Its coil, and all that was asked of it.
pub struct Siren {
    pub port: u16,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    on: bool,
    /// Each time it was switched, and to what.
    switched: Vec<bool>,
    /// Requests that touched anything but the coil.
    strayed: usize,
}

impl Siren {
    pub fn start(relay: Relay, unit: u8, coil: u16) -> Siren {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let known = Arc::new(Mutex::new(Known::default()));
        let keep = Arc::clone(&known);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let keep = Arc::clone(&keep);
                std::thread::spawn(move || drop(serve(stream, relay, unit, coil, &keep)));
            }
        });
        Siren { port, known }
    }

    pub fn is_on(&self) -> bool {
        self.known.lock().unwrap().on
    }

    pub fn switched(&self) -> Vec<bool> {
        self.known.lock().unwrap().switched.clone()
    }

    pub fn strayed(&self) -> usize {
        self.known.lock().unwrap().strayed
    }
}

fn serve(mut stream: TcpStream, relay: Relay, unit: u8, coil: u16, keep: &Mutex<Known>) -> std::io::Result<()> {
    loop {
        // Transaction, protocol, length, unit; then function and its data.
        let mut head = [0; 7];
        stream.read_exact(&mut head)?;
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]])) - 1];
        stream.read_exact(&mut body)?;
        let word = |at: usize| body.get(at..at + 2).map_or(u16::MAX, |two| u16::from_be_bytes([two[0], two[1]]));
        let mut known = keep.lock().unwrap();
        let answer = match (head[6] == unit && word(1) == coil, body[0], word(3)) {
            (true, 5, value @ (0 | 0xff00)) => {
                known.switched.push(value != 0);
                known.on = if relay == Relay::Works { value != 0 } else { known.on };
                body.clone()
            }
            (true, 1, 1) => vec![1, 1, u8::from(known.on)],
            _ => {
                known.strayed += 1;
                vec![body[0] | 0x80, 2]
            }
        };
        drop(known);
        let length = u16::try_from(answer.len() + 1).unwrap().to_be_bytes();
        stream.write_all(&[&head[..4], &length, &head[6..7], &answer].concat())?;
    }
}
