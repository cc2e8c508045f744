//! How much of the processor a thread asks for beside others of this program. Must not know: what it is at.

use std::mem::{size_of, zeroed};

/// Steps by which it is nicer (own default): another thread that wants the same processor gets three quarters of it.
const NICER_BY: i32 = 5;
/// The turn that it asks for, nanoseconds: the longest there is. Whoever asks for a shorter one (all others; Linux 6.12 and later) need not wait until it
/// is over.
const TURN_NS: u64 = 100_000_000;

/// From here on, and for good, this thread lets others go first: none has the right to take that back. Where the system refuses, nothing has changed, and
/// others wait some milliseconds where they need not.
pub(super) fn step_back() {
    // SAFETY: plain numbers, of which all zeros are some.
    let mut attr: libc::sched_attr = unsafe { zeroed() };
    let size = size_of::<libc::sched_attr>() as u32;
    // SAFETY: `attr` is valid and writable for `size` bytes during the call; 0 is this thread.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, size, 0) };
    if got != 0 || attr.sched_policy != libc::SCHED_OTHER as u32 {
        return;
    }
    attr.sched_nice = (attr.sched_nice + NICER_BY).min(19);
    attr.sched_runtime = TURN_NS;
    // SAFETY: `attr` is valid for the call, which reads the `size` that it says itself.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_steps_back_is_nicer_and_its_neighbour_is_not() {
        // SAFETY: takes no pointer; 0 is this thread.
        let nice = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = nice();
        let stepped = std::thread::spawn(move || {
            step_back();
            nice()
        });
        #[allow(clippy::unwrap_used)]
        let after = stepped.join().unwrap();
        assert_eq!((after, nice()), ((before + NICER_BY).min(19), before));
    }
}
