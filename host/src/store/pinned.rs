//! When databases that were written to are closed and opened again. sled keeps every page in memory that it wrote, whatever its cache may hold, until
//! its database is closed; what that takes is seen only from outside, as what the process takes. Must not know: databases.

/// What the process may grow by between two closings.
const GROWTH_BYTES: u64 = 32 << 20;

/// Remembers what the process took when nothing was pinned.
#[derive(Default)]
pub struct Pinned {
    before: Option<u64>,
}

impl Pinned {
    /// True where everything must be closed; then it is taken as closed the next time this is asked. `now`: bytes in memory; none where nobody knows.
    pub fn is_much(&mut self, now: Option<u64>) -> bool {
        let (Some(now), Some(before)) = (now, self.before) else {
            self.before = now;
            return false;
        };
        let much = now.saturating_sub(before) > GROWTH_BYTES;
        self.before = if much { None } else { Some(before.min(now)) };
        much
    }
}

/// Bytes of this process in memory.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?;
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

/// Gives back what was freed: the C library keeps it, in pieces.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and may be called at any time from any thread (malloc_trim(3): MT-Safe).
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_closed_once_and_counted_from_there() {
        let mut pinned = Pinned::default();
        let mib = |n: u64| Some(n << 20);
        let table = [
            (100, false),
            (132, false),
            (133, true),
            (140, false),
            (172, false),
            (173, true),
            (90, false),
            (120, false),
            (123, true),
        ];
        for (now, much) in table {
            assert_eq!(pinned.is_much(mib(now)), much, "{now}");
        }
        assert!(!pinned.is_much(None) && !pinned.is_much(mib(900)), "nobody knew what it was before");
        assert!(cfg!(not(target_os = "linux")) || resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
