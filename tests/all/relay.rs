//! A wire between two programs that a test can cut, and listen on: what was under way is gone, and nobody gets through until it is mended.
//! Must not know: what is said over it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Listens on a port of its own and passes everything on to another one.
pub struct Relay {
    /// Where it listens, on loopback.
    pub port: u16,
    cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    said: Said,
}

/// What went from the near end to the far one, by connection.
type Said = Arc<Mutex<Vec<Vec<u8>>>>;

impl Relay {
    /// A wire to this port of loopback.
    pub fn to(port: u16) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay {
            port: listener.local_addr().unwrap().port(),
            cut: Arc::default(),
            open: Arc::default(),
            said: Arc::default(),
        };
        let (cut, open, said) = (Arc::clone(&relay.cut), Arc::clone(&relay.open), Arc::clone(&relay.said));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(("127.0.0.1", port));
                let (false, Ok(far)) = (cut.load(Ordering::SeqCst), far) else { continue };
                let both = [(near.try_clone(), far.try_clone()), (far.try_clone(), near.try_clone())];
                open.lock().unwrap().extend([near, far]);
                let mut all = said.lock().unwrap();
                all.push(vec![]);
                let taps = [Some((Arc::clone(&said), all.len() - 1)), None];
                for ((from, to), tap) in both.into_iter().zip(taps) {
                    let (Ok(from), Ok(to)) = (from, to) else { continue };
                    std::thread::spawn(move || pass(from, to, tap));
                }
            }
        });
        relay
    }

    /// Cuts it.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// All that was said to the far end so far, by connection.
    pub fn said(&self) -> Vec<Vec<u8>> {
        self.said.lock().unwrap().clone()
    }

    /// Mends it.
    pub fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

/// Until either end goes away.
fn pass(mut from: TcpStream, mut to: TcpStream, tap: Option<(Said, usize)>) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if let Some((said, index)) = &tap {
            said.lock().unwrap()[*index].extend(&bytes[..count]);
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
