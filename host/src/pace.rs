//! Who has the processor first among the threads of this program, as far as it has a say. Must not know: what they are at.

use std::cell::Cell;

/// Steps by which it is nicer (own default): a third of the weight of one that has not stepped back. With less, a busy machine would look like a disk that
/// hangs, or a rule that does not answer.
#[cfg(target_os = "linux")]
const NICER_BY: i32 = 5;
/// The turn that it asks for, nanoseconds: longer than what the system gives who asks for nothing (3 ms at most), so that those need not wait until it is
/// over (Linux 6.12 and later); no longer, for some of these keep a turn that has begun.
#[cfg(target_os = "linux")]
const LONG_NS: u64 = 5_000_000;
/// The turn of all others, nanoseconds. Measured (Linux 6.18, two processors): each 22 ms of an endless loop in a rule, one to three threads that woke waited
/// for more than 0.05 ms behind it with the system's own turns, one in five to ten spells with these; 0.5 ms changed little, and calm wakes take the same.
/// The least that the system grants.
#[cfg(target_os = "linux")]
const SHORT_NS: u64 = 100_000;

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
    ask(NICER_BY, LONG_NS);
}

/// From here on this thread and those that it starts have short turns, unless they step back: one that wakes is not put behind another of them for longer.
/// For the first thread of a program, before it starts another; where the system refuses, or knows no turns (Linux before 6.12), nothing has changed.
pub fn short_turns() {
    #[cfg(target_os = "linux")]
    ask(0, SHORT_NS);
}

#[cfg(target_os = "linux")]
fn ask(nicer_by: i32, turn_ns: u64) {
    if let Some(mut attr) = attributes() {
        attr.sched_nice = (attr.sched_nice + nicer_by).min(19);
        attr.sched_runtime = turn_ns;
        // SAFETY: `attr` is valid for the call, which reads the `size` that it says itself.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    }
}

/// Of this thread; None where it is no ordinary one, which has neither niceness nor turns.
#[cfg(target_os = "linux")]
fn attributes() -> Option<libc::sched_attr> {
    // SAFETY: plain numbers, of which all zeros are some.
    let mut attr: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>() as u32;
    // SAFETY: `attr` is valid and writable for `size` bytes during the call; 0 is this thread.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, size, 0) };
    (got == 0 && attr.sched_policy == libc::SCHED_OTHER as u32).then_some(attr)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Niceness and turn of a thread that has done this; a turn of 0 or of the system's own where it knows none.
    fn of(done: fn()) -> (i32, u64) {
        let asked = std::thread::spawn(move || {
            done();
            // It goes on to those that it starts.
            std::thread::spawn(|| attributes().map(|attr| (attr.sched_nice, attr.sched_runtime))).join()
        });
        #[allow(clippy::unwrap_used)]
        asked.join().unwrap().unwrap().unwrap()
    }

    #[test]
    fn a_thread_that_steps_back_is_nicer_and_its_neighbour_is_not() {
        let (before, turn) = of(|| ());
        let (after, long) = of(|| {
            step_back();
            step_back();
        });
        assert_eq!((after, of(|| ())), ((before + NICER_BY).min(19), (before, turn)));
        assert!([LONG_NS, turn].contains(&long), "{long}");
    }

    #[test]
    fn a_thread_has_short_turns_until_it_steps_back() {
        let (before, turn) = of(|| ());
        let (after, short) = of(short_turns);
        assert_eq!(after, before);
        let (_, long) = of(|| {
            short_turns();
            step_back();
        });
        assert!([(SHORT_NS, LONG_NS), (turn, turn)].contains(&(short, long)), "{short} {long}");
    }
}
