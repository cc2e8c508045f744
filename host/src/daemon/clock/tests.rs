//! Two clocks in the test's hand, and the brain beside them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::notices::cap::time::text;
use brain::Brain;
use brain::site::Site;
use std::sync::{Arc, Mutex};

const SECOND: Micros = 1_000_000;
const HOUR: Micros = 3_600 * SECOND;
/// 2026-01-02 11:04:05 in Beijing.
const TRUE: Micros = 1_767_323_045_000_000;
const Y1970: Micros = 17 * SECOND;
const Y2099: Micros = 4_070_908_800_000_000;

/// The machine: what both clocks show.
struct Machine(Arc<Mutex<Look>>);

impl Machine {
    fn on(wall: Micros) -> Machine {
        Machine(Arc::new(Mutex::new(Look { wall, steady: 0 })))
    }
    fn look(&self) -> Box<dyn Fn() -> Look + Send + Sync> {
        let shared = Arc::clone(&self.0);
        Box::new(move || *shared.lock().unwrap())
    }
    fn pass(&self, time: Micros) {
        let mut now = self.0.lock().unwrap();
        (now.wall, now.steady) = (now.wall + time, now.steady + time);
    }
    fn set(&self, wall: Micros) {
        self.0.lock().unwrap().wall = wall;
    }
    fn wall(&self) -> Micros {
        self.0.lock().unwrap().wall
    }
}

fn site() -> Site {
    Site::plain("plant", "hall")
}

/// One run: the clock, and the brain that is told of it.
struct Run {
    machine: Machine,
    clock: Clock,
    brain: Brain,
    told: usize,
}

impl Run {
    fn start(machine: Machine, last: Micros, brain: Brain) -> Run {
        let clock = Clock::start(machine.look(), last, brain.clock());
        let mut run = Run { machine, clock, brain, told: 0 };
        run.check();
        run
    }

    fn new(machine: Machine, last: Micros) -> Run {
        Run::start(machine, last, Brain::new(site()))
    }

    /// As the desk does each second.
    fn check(&mut self) {
        if let Some(event) = self.clock.check() {
            self.brain.step(self.clock.now(), &event);
            self.told += 1;
        }
    }

    /// What people read now.
    fn read(&self) -> String {
        text(self.brain.clock().wall(self.clock.now()))
    }
}

#[test]
fn brain_time_passes_with_the_monotonic_clock_whatever_is_set() {
    for set in [TRUE + HOUR, TRUE - HOUR, TRUE + 24 * HOUR, TRUE - 24 * HOUR, TRUE - SECOND, Y1970, Y2099] {
        let mut run = Run::new(Machine::on(TRUE), 0);
        assert_eq!((run.clock.now(), run.told), (TRUE, 0), "a clock that is right is not told");
        let mut before = run.clock.now();
        run.machine.pass(SECOND);
        run.machine.set(set);
        for _ in 0..10 {
            run.check();
            assert_eq!(run.read(), text(run.machine.wall()));
            run.machine.pass(SECOND);
            assert_eq!(run.clock.now(), before + 2 * SECOND - if before == TRUE { 0 } else { SECOND });
            before = run.clock.now();
        }
        assert_eq!(run.told, 1, "set to {set}");
        // And back: nothing of it is left.
        run.machine.set(run.clock.now());
        run.check();
        assert_eq!((run.brain.clock().ahead(), run.told), (0, 2));
    }
}

#[test]
fn drift_below_what_people_read_is_not_followed() {
    let mut run = Run::new(Machine::on(TRUE), 0);
    for _ in 0..100 {
        run.machine.pass(SECOND);
        run.machine.set(run.machine.wall() + SECOND / 100);
        run.check();
    }
    assert_eq!(run.told, 1, "half a second of difference in fifty, told when it was passed");
    assert!((run.brain.clock().wall(run.clock.now()) - run.machine.wall()).abs() <= TOLERANCE_US);
}

/// The machine had a wrong clock when the program began, and is set right later.
#[test]
fn a_wrong_clock_at_boot_is_right_for_people_once_it_is_set_right() {
    for boot in [Y1970, Y2099, TRUE - HOUR, TRUE + HOUR] {
        // A new journal, and one that ended a minute ago.
        for last in [0, TRUE - 60 * SECOND] {
            let mut run = Run::new(Machine::on(boot), last);
            let (began, possible) = (run.clock.now(), POSSIBLE.contains(&boot));
            assert!(began >= last && POSSIBLE.contains(&began), "boot {boot}, last {last}: brain time {began}");
            assert_eq!(run.brain.clock().is_wrong(), !possible);
            assert_eq!(run.read(), text(boot), "what it shows, as long as nothing better is known");
            run.machine.pass(30 * SECOND);
            run.machine.set(TRUE + 30 * SECOND);
            run.check();
            assert!(!run.brain.clock().is_wrong() && run.clock.now() == began + 30 * SECOND);
            assert_eq!(run.read(), text(TRUE + 30 * SECOND), "boot {boot}, last {last}");
            assert_eq!(text(run.brain.clock().wall(began)), text(TRUE), "the times from before it was set right");
            // The record's past keeps its own times, where there is one.
            let past = TRUE - 3_600 * SECOND;
            assert!(last == 0 || run.brain.clock().wall(past) == past);
        }
    }
}

/// The fault of old: a last record in the future made all times wrong for ever.
#[test]
fn a_record_that_ends_in_the_future_is_followed_by_right_times() {
    let future = TRUE + 300 * 24 * HOUR;
    let run = Run::new(Machine::on(TRUE), future);
    assert_eq!((run.clock.now(), run.told), (future, 1));
    assert_eq!(run.read(), text(TRUE));
    // The next start goes on from there. The clock was in doubt, so none of the time between counts; what people read is right all the same.
    let last = run.clock.now() + 5 * SECOND;
    let next = Run::start(Machine::on(TRUE + 65 * SECOND), last, run.brain);
    assert_eq!((next.clock.now(), next.told), (last, 1));
    assert_eq!(next.read(), text(TRUE + 65 * SECOND));
}

/// A clock that is years ahead at one start must not make all that is kept look old; nor may one set right after a wrong run.
#[test]
fn a_stop_counts_for_seven_days_at_most_and_not_at_all_after_a_doubtful_clock() {
    let run = Run::new(Machine::on(TRUE), 0);
    let last = run.clock.now();
    let ahead = Run::start(Machine::on(TRUE + 9 * 365 * 24 * HOUR), last, run.brain);
    assert_eq!(ahead.clock.now(), last + 7 * 24 * HOUR);
    let last = ahead.clock.now() + SECOND;
    let right = Run::start(Machine::on(TRUE + 60 * SECOND), last, ahead.brain);
    assert_eq!(right.clock.now(), last);
    assert_eq!(right.read(), text(TRUE + 60 * SECOND));
    let wrong = Run::start(Machine::on(Y1970), last, Run::new(Machine::on(TRUE), 0).brain);
    let last = wrong.clock.now() + SECOND;
    assert_eq!(Run::start(Machine::on(TRUE + 60 * SECOND), last, wrong.brain).clock.now(), last);
}

/// A heartbeat names the brain time of the record that its run began with: that rises with each start, whatever the wall clock shows.
#[test]
fn a_later_start_is_later_whatever_the_wall_clock_shows() {
    let (mut run, mut starts) = (Run::new(Machine::on(TRUE), 0), vec![]);
    for wall in [TRUE - HOUR, TRUE + HOUR, Y1970, TRUE - 24 * HOUR, Y2099, TRUE] {
        starts.push(run.clock.now());
        run.machine.pass(SECOND);
        let last = run.clock.now();
        run = Run::start(Machine::on(wall), last, run.brain);
    }
    assert!(starts.is_sorted_by(|earlier, later| earlier < later), "{starts:?}");
    // Where the record was lost a right clock shows more than any run before, for no stop counts for more than it was.
    assert!(Run::new(Machine::on(TRUE + HOUR), 0).clock.now() > Run::new(Machine::on(TRUE), 0).clock.now());
}

#[test]
fn the_clocks_of_the_machine_go() {
    let look = machine();
    let (first, second) = (look(), look());
    assert!(second.steady >= first.steady && first.steady >= 0 && POSSIBLE.contains(&first.wall));
}
