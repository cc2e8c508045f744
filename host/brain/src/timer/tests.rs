//! Deadlines come out in order of time, at one instant in order of kind, each once, and one of the past at once.

use super::*;

fn drain(timers: &mut Timers, now: Micros) -> Vec<Timer> {
    std::iter::from_fn(|| timers.due(now)).collect()
}

#[test]
fn deadlines_come_at_their_time_and_in_order() {
    let mut timers = Timers::default();
    for (due, timer) in [(30, Timer::Silent(3)), (10, Timer::Silent(1)), (20, Timer::Silent(2))] {
        timers.at(due, timer);
    }
    let cases: [(Micros, &[Timer]); 5] =
        [(9, &[]), (10, &[Timer::Silent(1)]), (10, &[]), (30, &[Timer::Silent(2), Timer::Silent(3)]), (Micros::MAX, &[])];
    for (now, expected) in cases {
        assert_eq!(drain(&mut timers, now), expected, "at {now}");
    }
}

#[test]
fn at_one_instant_the_plant_is_judged_before_anybody_is_told() {
    let ordered = [
        Timer::Silent(0),
        Timer::Silent(1),
        Timer::Frozen(0),
        Timer::Limit(0, 0),
        Timer::Limit(0, 1),
        Timer::Fault(0),
        Timer::Lease(0, 0),
        Timer::Ask(0),
        Timer::Rung(AlarmId(1)),
        Timer::Renew(AlarmId(1), 0),
        Timer::Resend(NoticeId(1)),
    ];
    let mut timers = Timers::default();
    for timer in ordered.iter().rev() {
        timers.at(5, *timer);
    }
    assert_eq!(drain(&mut timers, 5), ordered);
}

#[test]
fn a_deadline_set_twice_is_one_and_one_of_the_past_comes_at_once() {
    let mut timers = Timers::default();
    timers.at(5, Timer::Ask(0));
    timers.at(5, Timer::Ask(0));
    assert_eq!(drain(&mut timers, 5), [Timer::Ask(0)]);
    timers.at(-7, Timer::Ask(1));
    timers.at(Micros::MIN, Timer::Ask(2));
    assert_eq!(drain(&mut timers, 5), [Timer::Ask(2), Timer::Ask(1)]);
}

#[test]
fn durations_never_overflow() {
    for (value, expected) in [(0, 0), (1, 1_000), (86_400_000, 86_400_000_000), (u64::MAX, (Micros::MAX / 1000) * 1000)] {
        assert_eq!(ms(value), expected, "{value} ms");
    }
    assert_eq!((s(0), s(1), s(u32::MAX)), (0, 1_000_000, 4_294_967_295_000_000));
}
