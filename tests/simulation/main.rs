//! A thousand hours of seeded worlds ([`world`]), judged by an oracle that sees events and effects (an alarm as it went into the journal), never the
//! brain's state; and faults planted before its eyes, each of which it must see. A failure prints its seed; `SIMULATION_SEED=n` runs that one alone.

mod world;

use brain::alarm::{Acknowledgement, Condition, Person};
use brain::event::Change;
use brain::notice::{Notice, Reason};
use brain::shelf::Shelved;
use brain::site::Severity;
use brain::{Event, NoticeId};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use world::oracle::Seen;
use world::{HALF, HOUR, Lived, REPEATS, SECOND, Time, run, run_by};

/// Worlds that are lived through for an hour each.
const SEEDS: u64 = 1_000;
/// Those in which a fault is planted, for half an hour.
const FEW_SEEDS: u64 = 60;

#[test]
fn simulation_keeps_every_promise() {
    if let Some(seed) = std::env::var("SIMULATION_SEED").ok().and_then(|seed| seed.parse().ok()) {
        let lived = run(seed, HOUR, |_, _| {}).unwrap_or_else(|fault| panic!("{fault}"));
        println!("seed {seed}: {} events, {} alarms, {} notices", lived.events, lived.alarms, lived.notices);
        return;
    }
    let next = AtomicU64::new(1);
    let some = || -> Result<Lived, String> {
        let mut all = Lived::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > SEEDS {
                return Ok(all);
            }
            // After a fault nobody needs the rest.
            all.add(&run(seed, HOUR, |_, _| {}).inspect_err(|_| next.store(SEEDS, Ordering::Relaxed))?);
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all = Lived::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(some)).collect();
        for worker in workers {
            all.add(&worker.join().expect("a world ends").unwrap_or_else(|fault| panic!("{fault}")));
        }
    });
    let Lived { events, alarms, notices, retold, crashes } = all;
    // On the real standard error, which the test harness does not swallow.
    let _ = writeln!(
        std::io::stderr(),
        "{SEEDS} seeds x 1 virtual hour: {events} events, {alarms} alarms, {notices} notices, {retold} tries of refused ones, {crashes} crashes, every promise kept"
    );
    let calm = format!("the world was too calm: {alarms} alarms, {retold} tries of refused ones, {crashes} crashes");
    assert!(alarms > 10 * SEEDS && retold > SEEDS && crashes > 3 * SEEDS, "{calm}");
}

/// A brain that is given the wall clock's time, as a daemon would that follows it.
#[test]
fn simulation_oracle_objects_to_a_brain_that_follows_the_wall_clock() {
    let faults: Vec<String> = (1..=FEW_SEEDS).filter_map(|seed| run_by(Time::Wall, seed, HALF, |_, _| {}).err()).collect();
    for wanted in ["the officer was called after", "is not told again|was not told again|officer was not told|nobody is told"] {
        assert!(
            faults.iter().any(|fault| wanted.split('|').any(|wanted| fault.contains(wanted))),
            "no seed shows: {wanted}; {faults:#?}"
        );
    }
}

/// What a machine refused comes behind a later one of its alarm, or a later one goes while one more try of it is on its way.
#[test]
fn simulation_oracle_objects_to_a_refused_message_that_is_overtaken() {
    let behind = |seed: u64| {
        let (mut told, mut refused, mut planted): (BTreeMap<NoticeId, Box<Notice>>, BTreeSet<NoticeId>, _) = Default::default();
        run(seed, HALF, move |event, seen| {
            seen.extend(Option::take(&mut planted).map(|notice| Seen::Told(notice, 2)));
            told.extend(
                seen.iter().filter_map(|s| if let Seen::Told(notice, _) = s { Some((notice.id, notice.clone())) } else { None }),
            );
            match event {
                Event::Undelivered { notice, rejected: true, .. } => drop(refused.insert(*notice)),
                Event::Receipt { notice, .. } if refused.remove(notice) => {}
                Event::Receipt { notice, .. } => {
                    let same = |of: &Notice| {
                        told.get(notice).is_some_and(|came| {
                            (came.alarm.id, &came.audience, came.is_of_accident())
                                == (of.alarm.id, &of.audience, of.is_of_accident())
                        })
                    };
                    planted = refused.range(..*notice).filter_map(|id| told.get(id)).find(|of| same(of)).cloned();
                }
                _ => {}
            }
        })
    };
    let across = |seed: u64| {
        let mut refused: BTreeSet<NoticeId> = BTreeSet::new();
        run(seed, HALF, move |event, seen| {
            let again = seen.iter().find_map(|s| match s {
                Seen::Told(notice, 2..) if refused.contains(&notice.id) => Some(notice.clone()),
                _ => None,
            });
            let later = again.map(|of| {
                Box::new(Notice { id: NoticeId(5_000_000 + of.id.0), rung: String::new(), reason: Reason::Acknowledged, ..*of })
            });
            seen.extend(later.map(|notice| Seen::Told(notice, 1)));
            if let Event::Undelivered { notice, rejected: true, .. } = event {
                refused.insert(*notice);
            }
        })
    };
    let faults =
        |bent: &dyn Fn(u64) -> Result<Lived, String>| (1..=FEW_SEEDS).filter_map(|seed| bent(seed).err()).collect::<Vec<_>>();
    for (faults, wanted) in [
        (faults(&behind), "told after a later one of its alarm had come"),
        (faults(&across), "told before the one before it was received"),
    ] {
        assert!(faults.iter().any(|fault| fault.contains(wanted)), "no seed shows: {wanted}; {faults:#?}");
    }
}

/// Bends that a good oracle must object to, on some seed at least.
#[test]
fn simulation_oracle_objects_to_planted_faults() {
    type Bend = fn(&Event, &mut Vec<Seen>);
    let bends: &[(&str, Bend)] = &[
        ("an alarm that never opens", |_, seen| seen.retain(|s| !matches!(s, Seen::Alarm(Change::Opened | Change::Reopened, _)))),
        ("a limit that clears by itself", |event, seen| {
            let first = seen.iter().find_map(|s| match s {
                Seen::Alarm(_, alarm) if alarm.key.hazard == "test.high" && alarm.condition == Condition::Active => {
                    Some(alarm.clone())
                }
                _ => None,
            });
            if let (Some(alarm), Event::Readings { .. }) = (first, event) {
                seen.push(Seen::Alarm(Change::Cleared, alarm));
            }
        }),
        ("a bad value that nobody is told of", |_, seen| {
            seen.retain(|s| !matches!(s, Seen::Alarm(_, alarm) if alarm.key.hazard == "device.impossible"))
        }),
        ("a silence that nobody is told of", |_, seen| {
            seen.retain(|s| !matches!(s, Seen::Alarm(_, alarm) if alarm.key.hazard == "device.silent"))
        }),
        ("a red alarm that the bureau is never sent", |_, seen| {
            seen.retain(|s| !matches!(s, Seen::Told(notice, _) if notice.audience == "bureau"))
        }),
        ("an alarm that the crew is never sent", |_, seen| {
            seen.retain(|s| !matches!(s, Seen::Told(notice, _) if notice.audience == "crew"))
        }),
        ("a bureau that is told of its own refusal", |_, seen| {
            for s in seen.iter_mut() {
                if let Seen::Told(notice, _) = s
                    && notice.alarm.key.hazard == "notice.rejected"
                {
                    notice.audience = notice.alarm.key.object.clone();
                }
            }
        }),
        ("a ladder that never climbs", |_, seen| {
            seen.retain(|s| !matches!(s, Seen::Told(notice, _) if notice.audience == "officer"))
        }),
        ("a notice that is not sent again", |_, seen| seen.retain(|s| !matches!(s, Seen::Told(_, attempt) if *attempt > 1))),
        ("a deadline that speaks before its time", |_, seen| {
            let early = seen.iter().find_map(|s| match s {
                Seen::Told(notice, 1) if notice.audience == "crew" && notice.reason == Reason::Opened => Some(Box::new(Notice {
                    id: NoticeId(2_000_000 + notice.id.0),
                    audience: "officer".into(),
                    rung: "officer".into(),
                    reason: Reason::Overdue,
                    ..(**notice).clone()
                })),
                _ => None,
            });
            seen.extend(early.map(|notice| Seen::Told(notice, 1)));
        }),
        ("a rung that speaks twice", |_, seen| {
            let again = seen.iter().find_map(|s| match s {
                Seen::Told(notice, 1) if !notice.rung.is_empty() => Some(Box::new(Notice {
                    id: NoticeId(1_000_000 + notice.id.0),
                    audience: "second".into(),
                    ..(**notice).clone()
                })),
                _ => None,
            });
            seen.extend(again.map(|notice| Seen::Told(notice, 1)));
        }),
        ("an officer who is told again without end", |_, seen| {
            let again = seen.iter().find_map(|s| match s {
                Seen::Told(notice, 1) if notice.reason == Reason::Repeated => Some(notice.clone()),
                _ => None,
            });
            for n in 1..=u64::from(REPEATS) {
                let told = again.clone().map(|notice| {
                    let id = NoticeId(n * 3_000_000 + notice.id.0);
                    Box::new(Notice { id, audience: format!("other {n}"), ..*notice })
                });
                seen.extend(told.map(|notice| Seen::Told(notice, 1)));
            }
        }),
        ("a person on duty whom nobody names", |_, seen| {
            for s in seen.iter_mut() {
                if let Seen::Told(notice, _) = s {
                    notice.duty.clear();
                }
            }
        }),
        ("a stranger on duty", |_, seen| {
            for s in seen.iter_mut() {
                if let Seen::Told(notice, _) = s
                    && !notice.duty.is_empty()
                {
                    notice.duty = vec!["person 7".into()];
                }
            }
        }),
        ("a time that the wall clock has not shown yet", |_, seen| {
            for s in seen.iter_mut() {
                if let Seen::Told(notice, _) = s {
                    notice.at += 10 * SECOND;
                }
            }
        }),
        ("a red alarm on a shelf", |_, seen| {
            for s in seen.iter_mut() {
                if let Seen::Alarm(_, alarm) = s
                    && alarm.severity_now == Severity::Red
                {
                    let by = Person { name: "person 1".into(), role: "lead".into(), station: "sim".into() };
                    let (reason, cap) = ("known".into(), Severity::Red);
                    let until = alarm.changed_at + 300 * SECOND;
                    alarm.shelf.shelved =
                        Some(Shelved { by, reason, from: alarm.changed_at, until, cap, one_shot: false, extensions: 0 });
                }
            }
        }),
        ("a device that one person took out of service", |_, seen| {
            for s in seen.iter_mut() {
                if let Seen::Alarm(_, alarm) = s
                    && let Some(out) = &mut alarm.shelf.out_of_service
                {
                    out.second = None;
                }
            }
        }),
        ("a shelf that does not end", |_, seen| {
            seen.retain(|s| !matches!(s, Seen::Alarm(Change::Unshelved | Change::Restored, _)));
        }),
        ("an alarm that comes back from the shelf as taken", |_, seen| {
            for s in seen.iter_mut() {
                if let Seen::Alarm(Change::Unshelved, alarm) = s {
                    alarm.acknowledged.get_or_insert_with(|| Acknowledgement {
                        by: Person { name: "nobody".into(), role: "lead".into(), station: "sim".into() },
                        at: 0,
                        severity: Severity::Red,
                        note: String::new(),
                    });
                }
            }
        }),
        ("a notice that is sent after its receipt", |event, seen| {
            if let Event::Receipt { notice, .. } = event {
                let mut again = seen.iter().find_map(|s| if let Seen::Told(n, _) = s { Some(n.clone()) } else { None });
                if let Some(told) = &mut again {
                    told.id = *notice;
                    seen.push(Seen::Told(told.clone(), 2));
                }
            }
        }),
    ];
    for (what, bend) in bends {
        let objected = (1..=FEW_SEEDS).any(|seed| run(seed, HALF, bend).is_err());
        assert!(objected, "the oracle did not see: {what}");
    }
}
