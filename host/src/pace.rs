//! A thread that lets others have the processor first. Must not know: what it is at.

use std::cell::Cell;

/// Steps by which it is nicer (own default): a third of the weight of one that has not stepped back. With less, a busy machine would look like a disk that
/// hangs, or a rule that does not answer.
#[cfg(target_os = "linux")]
const NICER_BY: i32 = 5;
/// The turn that it asks for, nanoseconds: longer than what the system gives who asks for nothing (3 ms at most), so that those need not wait until it is
/// over (Linux 6.12 and later); no longer, for some of these keep a turn that has begun.
#[cfg(target_os = "linux")]
const TURN_NS: u64 = 5_000_000;

thread_local! {
    /// This thread has stepped back.
    static BACK: Cell<bool> = const { Cell::new(false) };
}

/// From here on, and for good, this thread and those that it starts get the processor when others do not want it: none has the right to take that back.
/// No further where it has done so before; where the system refuses, nothing has changed.
pub fn step_back() {
    if BACK.replace(true) {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        // SAFETY: plain numbers, of which all zeros are some.
        let mut attr: libc::sched_attr = unsafe { std::mem::zeroed() };
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
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_steps_back_is_nicer_and_its_neighbour_is_not() {
        // SAFETY: takes no pointer; 0 is this thread.
        let nice = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = nice();
        let stepped = std::thread::spawn(move || {
            step_back();
            step_back();
            nice()
        });
        #[allow(clippy::unwrap_used)]
        let after = stepped.join().unwrap();
        assert_eq!((after, nice()), ((before + NICER_BY).min(19), before));
    }
}
