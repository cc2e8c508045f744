//! Named tasks: spawned here and nowhere else, restarted with back-off when they fail, waited for at the end.
//! Must not know: what any task does.

use std::future::Future;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// First wait before a failed task starts again; doubles up to [`RESTART_WAIT_MAX`], and is reset after a minute of work.
const RESTART_WAIT: Duration = Duration::from_millis(200);
/// Longest wait before a failed task starts again.
const RESTART_WAIT_MAX: Duration = Duration::from_secs(30);

/// Owns the tasks of one daemon.
pub struct Supervisor {
    tasks: JoinSet<&'static str>,
    names: Vec<&'static str>,
    stop: CancellationToken,
}

impl Supervisor {
    /// No tasks yet. All of them end when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Supervisor { tasks: JoinSet::new(), names: Vec::new(), stop }
    }

    /// Runs what `make` makes, again and again until stop: a task that panics, fails or returns early starts anew after a wait.
    pub fn spawn<F, T>(&mut self, name: &'static str, mut make: F)
    where
        F: FnMut() -> T + Send + 'static,
        T: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.names.push(name);
        self.tasks.spawn(async move {
            let mut wait = RESTART_WAIT;
            while !stop.is_cancelled() {
                let began = Instant::now();
                match tokio::spawn(make()).await {
                    _ if stop.is_cancelled() => break,
                    Ok(Ok(())) => tracing::error!(task = name, "ended before it was told to; starting it again"),
                    Ok(Err(error)) => tracing::error!(task = name, "failed: {error:#}; starting it again"),
                    Err(error) => tracing::error!(task = name, "panicked: {error}; starting it again"),
                }
                wait = if began.elapsed() > Duration::from_secs(60) { RESTART_WAIT } else { (wait * 2).min(RESTART_WAIT_MAX) };
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(wait) => {}
                }
            }
            name
        });
    }

    /// Waits for every task to end, at most until `deadline`; names those still alive, which are then aborted.
    pub async fn finish(mut self, deadline: Duration) -> Vec<&'static str> {
        self.stop.cancel();
        let until = Instant::now() + deadline;
        while let Ok(Some(ended)) = tokio::time::timeout_at(until, self.tasks.join_next()).await {
            if let Ok(name) = ended
                && let Some(at) = self.names.iter().position(|n| *n == name)
            {
                self.names.remove(at);
            }
        }
        self.tasks.abort_all();
        self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_starts_again_and_a_stuck_one_is_named() {
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(stop.clone());
        let runs = Arc::new(AtomicU32::new(0));
        let (count, until) = (Arc::clone(&runs), stop.clone());
        supervisor.spawn("shaky", move || {
            let (n, until) = (count.fetch_add(1, Ordering::SeqCst), until.clone());
            async move {
                assert!(n >= 2, "made to fail twice");
                until.cancelled().await;
                Ok(())
            }
        });
        supervisor.spawn("stuck", || async {
            std::future::pending::<()>().await;
            Ok(())
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 3);
        assert_eq!(supervisor.finish(Duration::from_secs(2)).await, ["stuck"]);
    }
}
