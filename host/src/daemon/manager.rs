//! What the service manager (systemd) hears of us. Owns: a thread of its own, so that a manager that does not listen holds up nobody.
//! Must not know: what makes the plant ready. Without a manager nothing is said.

use sd_notify::NotifyState;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Words waiting for a manager that does not listen; more are dropped.
const QUEUE_LEN_MAX: usize = 4;

/// The way to the service manager.
pub struct Manager(SyncSender<Word>);

/// What is said.
enum Word {
    Ready,
    Alive,
    Stopping,
    Status(String),
}

impl Manager {
    /// Starts the thread; it ends with the handle.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start() -> std::io::Result<Manager> {
        let (tell, told) = sync_channel(QUEUE_LEN_MAX);
        std::thread::Builder::new().name("manager".to_owned()).spawn(move || {
            for word in told {
                let what = match &word {
                    Word::Ready => NotifyState::Ready,
                    Word::Alive => NotifyState::Watchdog,
                    Word::Stopping => NotifyState::Stopping,
                    Word::Status(text) => NotifyState::Status(text),
                };
                if let Err(error) = sd_notify::notify(&[what]) {
                    tracing::warn!("the service manager does not hear us: {error}");
                }
            }
        })?;
        Ok(Manager(tell))
    }

    /// Watched from now on.
    pub fn ready(&self) {
        self.tell(Word::Ready);
    }

    /// The brain is alive: to be said by its own thread, so that one that stands still is restarted however lively the rest is.
    pub fn alive(&self) {
        self.tell(Word::Alive);
    }

    /// How it is, in a line for whoever asks the manager.
    pub fn status(&self, text: String) {
        self.tell(Word::Status(text.replace('\n', " ")));
    }

    /// On the way out.
    pub fn stopping(&self) {
        self.tell(Word::Stopping);
    }

    fn tell(&self, what: Word) {
        // Full: the manager has not listened for seconds, and one word more tells it nothing new.
        let _ = self.0.try_send(what);
    }
}
