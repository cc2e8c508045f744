//! Progress of long work on standard error, only where a person looks at it. Must not know: what is being done.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `bytes`; nothing is drawn unless standard error is a terminal. Gone when dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// `what` is being done, and stands before the bar.
    pub fn over(bytes: u64, what: &'static str) -> Progress {
        let bar = ProgressBar::new(bytes).with_message(what);
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {bytes}/{total_bytes} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Progress(bar)
    }

    /// So many more are done.
    pub fn pass(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
