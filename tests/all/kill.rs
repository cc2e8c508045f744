//! SIGKILL under real MQTT QoS 1 load, at moments chosen by chance: while it opens and replays, works, changes the segment, stops and makes its
//! snapshot. Must not know: any type of the host.

use crate::effort::{Random, effort};
use crate::judge::{Account, ready, verify, wait_for_last, wait_for_link, wait_for_notices};
use crate::process::{Process, alone, broker, free_port, mosquitto_or_skip, tell};
use crate::publisher::{Load, Publisher};
use crate::receiver::Receiver;
use crate::site::Site;
use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Longer than this is a start that hangs. What is aimed at is [`READY_AIM`], on a quiet machine.
const READY_MAX: Duration = Duration::from_secs(10);
const READY_AIM: Duration = Duration::from_secs(3);

/// Three seconds are promised; a machine that does other things too may add to them.
const STOP_MAX: Duration = Duration::from_secs(5);

/// When a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// While it opens its data and replays.
    Opening,
    /// While it works.
    Working,
    /// While a new segment of the journal is begun.
    Switching,
    /// After SIGTERM, at any time until it has gone.
    Stopping,
    /// While the snapshot of a stop is being written.
    Saving,
}

const MOMENTS: [Moment; 10] = {
    use Moment::{Opening, Saving, Stopping, Switching, Working};
    [Working, Opening, Working, Switching, Opening, Working, Saving, Working, Opening, Stopping]
};

#[test]
fn kill_loses_nothing_acknowledged_and_doubles_no_alarm() {
    let test = "kill_loses_nothing_acknowledged_and_doubles_no_alarm";
    let Some(program) = mosquitto_or_skip(test) else { return };
    let (_alone, mut random, rounds) = (alone(), Random::seeded(test), effort(200, 5_000));
    let folder = tempfile::tempdir().unwrap();
    let (_broker, mqtt) = broker(program, folder.path());
    let (receiver, console) = (Receiver::start(5), free_port());
    let (site, data) = (folder.path().join("site.toml"), folder.path().join("data"));
    let text = Site { mqtt, modbus: None, bureau: receiver.port, console }.toml().replace("segment_mib = 4", "segment_mib = 1");
    std::fs::write(&site, text).unwrap();
    let arguments = ["run", "--config", site.to_str().unwrap(), "--data", data.to_str().unwrap()];

    // The session must exist before the first message, or the broker owes us nothing.
    let began = Instant::now();
    let first = Process::safety_brain(&arguments);
    wait_for_link(console);
    let publisher = Publisher::start(mqtt, Load { pace: Duration::from_millis(4), noise_every: 1 });
    assert!(first.kill());
    let mut killed = BTreeMap::from([(Moment::Working, 1)]);
    let mut starts = Vec::new();
    while killed.values().sum::<u32>() < rounds {
        let round = killed.values().sum::<u32>();
        if round.is_multiple_of(20) {
            // Snapshots are made in an hour or so: without one now and then, each start here would replay all of it.
            let mut whole = Process::safety_brain(&arguments);
            ready(console, Instant::now());
            let (took, _) = whole.stop();
            assert!(took < STOP_MAX, "SIGTERM took {took:?}");
            verify(&data).unwrap();
            tell(&format!("{test}: {round} kills in {:?}", began.elapsed()));
        }
        let moment = MOMENTS[round as usize % MOMENTS.len()];
        let since = Instant::now();
        let process = Process::safety_brain(&arguments);
        if moment != Moment::Opening {
            starts.push(ready(console, since));
        }
        let moment = wait_for(moment, &process, &data, &mut random);
        if process.kill() {
            *killed.entry(moment).or_default() += 1;
        } else {
            // It was quicker than we: no kill, and another chance for this moment.
            assert!(matches!(moment, Moment::Stopping | Moment::Saving), "{moment:?}: it ended by itself");
        }
    }
    let published = publisher.stop();

    let mut last = Process::safety_brain(&arguments);
    wait_for_last(console, published.readings, Duration::from_secs(120));
    wait_for_notices(&data, &receiver);
    let (took, _) = last.stop();
    assert!(took < STOP_MAX, "SIGTERM took {took:?}");
    verify(&data).unwrap();
    let account = Account::of(&data);
    // Rises in a stretch without a record cannot be counted: too many of them, and this rig proves nothing.
    assert!(account.gaps <= 2, "{} stretches without a record", account.gaps);
    assert_eq!(account.faults(published, &receiver), Vec::<String>::new());
    for moment in MOMENTS {
        assert!(killed.get(&moment).is_some_and(|n| *n > 0), "nobody was killed while {moment:?}: {killed:?}");
    }
    starts.sort_unstable();
    let slowest = starts.last().copied().unwrap_or_default();
    assert!(slowest < READY_MAX, "ready only after {slowest:?}");
    tell(&format!(
        "{test}: {rounds} kills {killed:?}; {} readings published, {} in the journal, 0 lost; {} rises = {} occurrences; {} notices, each received with the same bytes; ready p50 {:?}, max {slowest:?} (aim {READY_AIM:?}); {:?} in all",
        published.readings,
        account.counts.len(),
        published.rises,
        account.rises,
        account.told.len(),
        starts[starts.len() / 2],
        began.elapsed()
    ));
}

/// Waits for the moment to kill; another one where this one does not come.
fn wait_for(moment: Moment, process: &Process, data: &Path, random: &mut Random) -> Moment {
    let within = |random: &mut Random, ms: u64| std::thread::sleep(Duration::from_micros(random.below(ms * 1000)));
    match moment {
        Moment::Opening | Moment::Working => within(random, 300),
        Moment::Switching => {
            if !comes(&data.join("journal"), "new", Duration::from_secs(4)) {
                return Moment::Working;
            }
            within(random, 20);
        }
        Moment::Stopping => {
            process.signal("TERM");
            within(random, 300);
        }
        Moment::Saving => {
            process.signal("TERM");
            if !comes(&data.join("snapshot"), "new", Duration::from_secs(4)) {
                return Moment::Stopping;
            }
            within(random, 3);
        }
    }
    moment
}

/// Whether a file that ends so comes to be in a folder.
fn comes(folder: &Path, ending: &str, most: Duration) -> bool {
    let (until, since) = (Instant::now() + most, SystemTime::now());
    let young = |entry: &DirEntry| entry.metadata().and_then(|about| about.modified()).is_ok_and(|at| at > since);
    while Instant::now() < until {
        let mut there = std::fs::read_dir(folder).into_iter().flatten().flatten();
        // One that is older was left by a kill before.
        if there.any(|entry| entry.path().extension().is_some_and(|e| e == ending) && young(&entry)) {
            return true;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    false
}
