//! A call that may never come back, as one to a disk that hangs: made on a thread of its own, waited for, and given up. What is given up goes on by
//! itself, and ends when the disk lets it. Must not know: what is called.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often it is said what is waited for.
pub const SAID_EVERY: Duration = Duration::from_secs(2);
/// How long a call may go without a sign of life. Longer than a running plant waits for its disk: nobody takes what a start gives up for granted.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same while another one hangs: it is the same disk, most likely.
const PATIENCE_THEN: Duration = Duration::from_secs(2);
/// ETIMEDOUT: a disk that hangs is treated as one that is dead.
const TIMED_OUT: i32 = 110;

/// Calls that were given up and have not come back.
static HANGING: AtomicUsize = AtomicUsize::new(0);

/// How long a call may go without a sign of life, now.
pub fn patience() -> Duration {
    if HANGING.load(Ordering::Relaxed) > 0 { PATIENCE_THEN } else { PATIENCE }
}

/// A call is given up: to be said before it can find that nobody waits any more.
pub fn given_up() {
    HANGING.fetch_add(1, Ordering::Relaxed);
}

/// One that was given up has come back.
pub fn came_back() {
    HANGING.fetch_sub(1, Ordering::Relaxed);
}

/// How far something long is, seen from outside a thread that may hang in it.
#[derive(Clone, Default)]
pub struct Far {
    now: Arc<Mutex<String>>,
    beats: Arc<AtomicU64>,
}

impl Far {
    /// What is done from here on. For people: "reading /var/lib/x".
    pub fn at(&self, what: String) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = what;
        self.beat();
    }

    /// It goes on.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// What is done now.
    pub fn now(&self) -> String {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for what the thread answers, and tells `said` every two seconds what is waited for. `sign`: what changes while it goes on, too.
    ///
    /// # Errors
    /// For so long there was no sign of life, for [`patience`] at least: it is to be given up, or waited for anew.
    pub async fn answer<T, S: PartialEq>(
        &self,
        answer: &mut oneshot::Receiver<T>,
        sign: impl Fn() -> S,
        mut said: impl FnMut(String),
    ) -> Result<Result<T, oneshot::error::RecvError>, Duration> {
        let signs = || (self.beats.load(Ordering::Relaxed), sign());
        let (mut seen, mut since, began) = (signs(), Instant::now(), Instant::now());
        loop {
            let step = SAID_EVERY.min(patience());
            if let Ok(answered) = tokio::time::timeout(step, &mut *answer).await {
                return Ok(answered);
            }
            let now = signs();
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            said(format!("{}, for {} s now", self.now(), began.elapsed().as_secs()));
            // A moment's grace: it is looked at in steps.
            if since.elapsed() + Duration::from_millis(100) >= patience() {
                return Err(since.elapsed());
            }
        }
    }
}

/// Does `call` on a thread of its own. `what` is for people: "reading /var/lib/x".
///
/// # Errors
/// It has not come back for [`patience`]; there is no thread.
pub fn within<T: Send + 'static>(what: &str, call: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    let (told, answer) = sync_channel::<T>(0);
    let done = move || {
        let found = call();
        // Nobody waits any more: it was counted as given up, and is back.
        if told.send(found).is_err() {
            came_back();
        }
    };
    std::thread::Builder::new().name("disk".to_owned()).spawn(done)?;
    let most = patience();
    let mut waited = Duration::ZERO;
    loop {
        let step = SAID_EVERY.min(most - waited);
        match answer.recv_timeout(step) {
            Ok(found) => return Ok(found),
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("{what}: its thread panicked"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        waited += step;
        if waited >= most {
            given_up();
            drop(answer);
            return Err(hangs(what, most));
        }
        tracing::warn!("{what}: no answer for {} s", waited.as_secs());
    }
}

/// What is said of a call that is given up; the journal takes it for a fault of the disk.
pub fn hangs(what: &str, waited: Duration) -> anyhow::Error {
    let error = anyhow::Error::from(io::Error::from_raw_os_error(TIMED_OUT));
    error.context(format!("{what} hangs: no answer for {} s, and not waited for any longer", waited.as_secs()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_comes_back_is_given_and_what_hangs_is_given_up_until_it_comes_back() {
        assert_eq!(within("thinking", || 42).unwrap(), 42);
        let (release, held) = sync_channel::<()>(0);
        given_up();
        let error = within("reading /x", move || held.recv()).unwrap_err();
        assert!(format!("{error:#}").starts_with("reading /x hangs: no answer for 2 s"), "{error:#}");
        assert!(crate::journal::is_of_the_disk(&error));
        came_back();
        assert!(patience() < PATIENCE, "it hangs still");
        release.send(()).unwrap();
        while patience() < PATIENCE {
            std::thread::yield_now();
        }
    }
}
