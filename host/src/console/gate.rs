//! The door: how many connections are held at a time, and which one goes when there are too many, so that descriptors always remain for what
//! leaves the plant. Must not know: HTTP, what a person may do.
//!
//! A connection over which nobody known has asked yet makes room for a newer one, the oldest first: half-open ones cannot keep anybody out. Those of
//! one person make room for that person's own.

use axum_server::accept::Accept;
use std::collections::HashMap;
use std::future::Ready;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Connections held at a time, far below the usual limit of 1024 descriptors (own default).
const HELD_MAX: usize = 256;
/// Of these, from one address without anybody known, and again over which one person asks (own default).
const EACH_MAX: usize = 64;

/// Who is inside.
#[derive(Clone, Default)]
pub(super) struct Gate {
    places: Arc<Mutex<Places>>,
}

#[derive(Default)]
struct Places {
    next: u64,
    held: HashMap<SocketAddr, Place>,
}

struct Place {
    /// Rises with every connection.
    number: u64,
    /// Who asked over it with a right; none = nobody yet.
    by: Option<String>,
    end: CancellationToken,
}

impl Gate {
    /// Lets a connection in. Where there are too many already, from its address or in all, the oldest of those that nobody known uses ends.
    ///
    /// # Errors
    /// All of them are in use by somebody known.
    fn enter(&self, from: SocketAddr) -> Result<Pass> {
        let mut places = self.lock();
        let same = |other: &SocketAddr| other.ip().to_canonical() == from.ip().to_canonical();
        let crowd = places.held.iter().filter(|(other, place)| place.by.is_none() && same(other)).count() >= EACH_MAX;
        if crowd || places.held.len() >= HELD_MAX {
            let ended = places.end_oldest(|other, place| place.by.is_none() && (!crowd || same(other)));
            ended.ok_or_else(|| Error::new(ErrorKind::ConnectionRefused, "too many connections"))?;
        }
        places.next += 1;
        let (number, end) = (places.next, CancellationToken::new());
        places.held.insert(from, Place { number, by: None, end: end.clone() });
        Ok(Pass { gate: self.clone(), from, number, end })
    }

    /// Somebody with a right asks from this address and port: the connection stays, until the person has too many newer ones.
    pub(super) fn known(&self, from: SocketAddr, name: &str) {
        let mut places = self.lock();
        let Some(place) = places.held.get_mut(&from) else { return };
        if place.by.as_deref() != Some(name) {
            place.by = Some(name.to_owned());
            let own = |place: &Place| place.by.as_deref() == Some(name);
            if places.held.values().filter(|place| own(place)).count() > EACH_MAX {
                places.end_oldest(|other, place| own(place) && *other != from);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Every change is one call of the map: a thread that died left it whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Ends the oldest of these; none where there are none.
    fn end_oldest(&mut self, of: impl Fn(&SocketAddr, &Place) -> bool) -> Option<()> {
        let these = self.held.iter().filter(|(from, place)| of(from, place));
        let oldest = these.min_by_key(|(_, place)| place.number).map(|(from, _)| *from)?;
        self.held.remove(&oldest)?.end.cancel();
        Some(())
    }
}

/// One place inside, given back when dropped.
struct Pass {
    gate: Gate,
    from: SocketAddr,
    number: u64,
    end: CancellationToken,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut places = self.gate.lock();
        if places.held.get(&self.from).is_some_and(|place| place.number == self.number) {
            places.held.remove(&self.from);
        }
    }
}

/// A connection that ends when its place is given away.
pub(super) struct Held {
    stream: TcpStream,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    _pass: Pass,
}

impl<S> Accept<TcpStream, S> for Gate {
    type Stream = Held;
    type Service = S;
    type Future = Ready<Result<(Held, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let held = stream.peer_addr().and_then(|from| self.enter(from)).map(|pass| {
            let ended = Box::pin(pass.end.clone().cancelled_owned());
            (Held { stream, ended, _pass: pass }, service)
        });
        std::future::ready(held)
    }
}

impl Held {
    /// The connection, unless its place is gone.
    fn open(&mut self, cx: &mut Context<'_>) -> Result<Pin<&mut TcpStream>> {
        match self.ended.as_mut().poll(cx) {
            Poll::Ready(()) => Err(ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        self.open(cx)?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.open(cx)?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        self.open(cx)?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.open(cx)?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    #[test]
    fn the_oldest_that_nobody_known_uses_makes_room() {
        let gate = Gate::default();
        let mut inside: Vec<Pass> = (0..EACH_MAX as u16).map(|port| gate.enter(at(1, port)).unwrap()).collect();
        gate.known(at(1, 0), "a");
        inside.push(gate.enter(at(1, 999)).unwrap());
        let other = gate.enter(at(2, 0)).unwrap();
        inside.push(gate.enter(at(1, 1_000)).unwrap());
        let ended =
            |inside: &[Pass]| inside.iter().filter(|pass| pass.end.is_cancelled()).map(|pass| pass.from).collect::<Vec<_>>();
        assert_eq!(ended(&inside), [at(1, 1)], "not that of somebody known, not that of another address");
        assert!(!other.end.is_cancelled());
        // Its port comes again before the old connection is quite gone: the place of the new one stays.
        inside.push(gate.enter(at(1, 1)).unwrap());
        drop(inside.remove(1));
        assert!(gate.lock().held.contains_key(&at(1, 1)));
        drop(inside);
        assert_eq!(gate.lock().held.len(), 1);
    }

    #[test]
    fn places_are_bounded_whoever_asks() {
        let gate = Gate::default();
        let crowd: Vec<Pass> = (0..1_000).map(|n| gate.enter(at((n % 200) as u8, n)).unwrap()).collect();
        assert_eq!(gate.lock().held.len(), HELD_MAX);
        assert_eq!(crowd.iter().filter(|pass| !pass.end.is_cancelled()).count(), HELD_MAX);
        let inside: Vec<&Pass> = crowd.iter().filter(|pass| !pass.end.is_cancelled()).collect();
        for (n, pass) in inside.iter().enumerate() {
            gate.known(pass.from, ["a", "b", "c", "d"][n % 4]);
        }
        assert!(gate.enter(at(250, 1)).is_err(), "nobody known is sent away for somebody unknown");
        drop(crowd);
        assert!(gate.enter(at(250, 1)).is_ok());
    }

    #[test]
    fn one_person_has_the_newest_of_their_own() {
        let gate = Gate::default();
        let mut inside = Vec::new();
        for port in 0..100 {
            inside.push(gate.enter(at(1, port)).unwrap());
            gate.known(at(1, port), "greedy");
        }
        let open: Vec<u16> = inside.iter().filter(|pass| !pass.end.is_cancelled()).map(|pass| pass.from.port()).collect();
        assert_eq!(open, (36..100).collect::<Vec<u16>>());
        let other = gate.enter(at(1, 200)).unwrap();
        gate.known(at(1, 200), "other");
        gate.known(at(1, 99), "greedy");
        assert!(!other.end.is_cancelled() && !inside[99].end.is_cancelled(), "from the same address");
    }
}
