//! Progress of long work on standard error, only where a person looks at it. Must not know: what is being done.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over so many bytes or records; nothing is drawn unless standard error is a terminal. Gone when dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// `what` is being done, and stands before the bar.
    pub fn over(amount: u64, what: &'static str) -> Progress {
        let bar = ProgressBar::new(amount).with_message(what);
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent}% {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Progress(bar)
    }

    /// So many more are done.
    pub fn pass(&self, amount: u64) {
        self.0.inc(amount);
    }

    /// So many are done, of so many: where that was not known before.
    pub fn at(&self, done: u64, of: u64) {
        self.0.set_length(of);
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
