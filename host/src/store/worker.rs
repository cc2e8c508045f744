//! The thread that touches the databases, and the call that is made to it: watched, with a panic turned into an error. A worker that failed or
//! does not come back is given up: nothing touches its databases again, and nothing drops them. Must not know: what is called.

use super::bases::{InUse, NotNow, Touched};
use super::block;
use super::shelf::{Setup, Shelf};
use anyhow::{Context, anyhow};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// One thing to do.
enum Job {
    /// With the databases; says what becomes of them.
    Do(Box<dyn FnOnce(&mut Shelf) -> After + Send>),
    /// Close them, and tell.
    Close(SyncSender<anyhow::Result<()>>),
}

/// What becomes of the databases after a call.
enum After {
    GoOn,
    /// They are whole, but what is in memory is not: closed.
    Drop,
    /// They must not be touched again.
    Forget,
}

/// An error of a question, not of the databases: the worker goes on.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub struct Refused(pub anyhow::Error);

/// A call that did not come back.
#[derive(Debug, thiserror::Error)]
#[error("a call to the databases has not come back for {0} s")]
pub struct Hangs(f32);

/// The way to the thread.
pub struct Worker {
    jobs: SyncSender<Job>,
    /// What it has open; to be put aside if it is given up.
    pub touched: Touched,
}

impl Worker {
    /// Starts a thread and opens the store on it.
    ///
    /// # Errors
    /// It cannot be opened: [`InUse`] and [`NotNow`] as they are, everything else as damage. No answer for `most` without a sign of life.
    pub fn open(root: PathBuf, setup: Setup, first: u64, most: Duration) -> (Touched, anyhow::Result<Worker>) {
        let touched = Touched::default();
        let (jobs, queue) = sync_channel::<Job>(1);
        let (told, opened) = sync_channel(1);
        let given = touched.clone();
        let thread = std::thread::Builder::new().name("store-base".into()).spawn(move || {
            match caught(|| Shelf::open(&root, setup, given, first)) {
                Ok(shelf) => {
                    let shelf = ManuallyDrop::new(shelf);
                    // Whoever waited may have given up: then it is left as it is.
                    if told.send(Ok(())).is_ok() {
                        work(shelf, &queue);
                    }
                }
                Err(error) => drop(told.send(Err(error))),
            }
        });
        if let Err(error) = thread.context("cannot start a thread for the store") {
            return (touched, Err(error));
        }
        let opened = wait(&opened, most, &touched).map(|()| Worker { jobs, touched: touched.clone() });
        (touched, opened)
    }

    /// Calls `job` and waits for it.
    ///
    /// # Errors
    /// What `job` said; a panic; no answer and no sign of life within `most`. After any but [`Refused`] the worker must be given up.
    pub fn call<T: Send + 'static>(
        &self,
        most: Duration,
        job: impl FnOnce(&mut Shelf) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let (answer, answered) = sync_channel(1);
        let job = move |shelf: &mut Shelf| {
            let result = caught(|| job(shelf));
            let after = match &result {
                Ok(_) => After::GoOn,
                Err(error) if error.downcast_ref::<Refused>().is_some() => After::GoOn,
                Err(error) if is_around(error) => After::Drop,
                Err(_) => After::Forget,
            };
            // Nobody waits any more: this thread was given up.
            if answer.try_send(result).is_ok() { after } else { After::Forget }
        };
        self.jobs.try_send(Job::Do(Box::new(job))).map_err(|_| anyhow!("the thread of the store is gone"))?;
        wait(&answered, most, &self.touched)
    }

    /// Closes the databases and ends the thread.
    ///
    /// # Errors
    /// What was open cannot be written, or no end and no sign of life within `most`.
    pub fn close(self, most: Duration) -> anyhow::Result<()> {
        let (answer, answered) = sync_channel(1);
        self.jobs.try_send(Job::Close(answer)).map_err(|_| anyhow!("the thread of the store is gone"))?;
        wait(&answered, most, &self.touched)
    }
}

/// True for what is around the databases and not in them: they may be closed, and opened again later.
pub fn is_around(error: &anyhow::Error) -> bool {
    error.downcast_ref::<InUse>().is_some()
        || error.downcast_ref::<NotNow>().is_some()
        || error.downcast_ref::<block::Newer>().is_some()
}

fn work(mut shelf: ManuallyDrop<Shelf>, queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        match job {
            Job::Do(job) => match job(&mut shelf) {
                After::GoOn => {}
                After::Drop => return drop(ManuallyDrop::into_inner(shelf)),
                After::Forget => return,
            },
            Job::Close(answer) => {
                let closed = caught(|| ManuallyDrop::into_inner(shelf).close());
                return drop(answer.try_send(closed));
            }
        }
    }
}

/// What `call` says; a panic is an error.
pub fn caught<T>(call: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("panic: {}", what.unwrap_or("without words")))
    })
}

/// Waits as long as there are signs of life.
fn wait<T>(answered: &Receiver<anyhow::Result<T>>, most: Duration, touched: &Touched) -> anyhow::Result<T> {
    let mut seen = touched.beats();
    loop {
        match answered.recv_timeout(most) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("the thread of the store is gone")),
            Err(RecvTimeoutError::Timeout) => {
                let now = touched.beats();
                anyhow::ensure!(now != seen, Hangs(most.as_secs_f32()));
                seen = now;
            }
        }
    }
}
