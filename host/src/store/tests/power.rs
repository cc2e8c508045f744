//! The power is cut at any moment of a store's life. The life is recorded once, in a process of its own whose every write, sync and change of names is
//! put down ([`disk`]); then, cut by cut, the disk that could be left is made, the store is opened on it beside the journal that could be left, twice,
//! and everything that can be asked is held against the records themselves.
//!
//! `SAFETY_BRAIN_EFFORT=night` cuts ten times as often; `SAFETY_BRAIN_SEED=<n>` makes one cut again. Each cut is one seed, printed where it fails; it takes
//! an eighth of a second of one core in a debug build, and the recording half a minute, most of it waiting.

mod disk;
mod judge;
mod script;

use super::damage::Dice;
use super::*;
use disk::{Call, Count, Disk, Recording, Rules, Said};
use judge::Judge;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// Says to a process of this test which part of it it is.
const PART: &str = "SAFETY_BRAIN_POWER_PART";
/// Where the recording is.
const PLACE: &str = "SAFETY_BRAIN_POWER_PLACE";
/// The part that cuts; the others are numbers of [`script::parts`].
const CUTS: &str = "cuts";
/// The part that must see a loss.
const CONTROLS: &str = "controls";
/// Losses that are enough for a control.
const SEEN: usize = 6;
/// Records behind the last promised that may have come to the disk.
const UNPROMISED_MAX: u64 = 4;

#[test]
fn power_cuts_of_the_store_lose_nothing() {
    part("power_cuts_of_the_store_lose_nothing", CUTS, |place| {
        let (recording, records) = (recorded(place), script::records());
        let seeds = match std::env::var("SAFETY_BRAIN_SEED") {
            Ok(seed) => seed.parse().map(|seed: u64| seed..seed + 1).unwrap(),
            Err(_) => 0..effort(2_000),
        };
        let began = Instant::now();
        let sum = cuts(&recording, &Judge::new(&records, Duration::from_secs(60)), seeds, usize::MAX);
        tell(&format!(
            "store: power cuts among {} calls; {sum:?}; {:.0} s",
            recording.calls.len(),
            began.elapsed().as_secs_f64()
        ));
        assert!(sum.bad.is_empty(), "{} cuts lost something:\n{}", sum.bad.len(), sum.bad.join("\n"));
    });
}

/// The control: without its syncs, all of them or those of one kind, the store must lose something.
#[test]
fn power_cuts_of_a_store_without_syncs_are_seen() {
    part("power_cuts_of_a_store_without_syncs_are_seen", CONTROLS, |place| {
        let (recording, records) = (recorded(place), script::records());
        // The files of one kind, by their numbers.
        let of_kind = |is_so: fn(&str) -> bool| {
            let named = |call: &Call| match call {
                Call::Make { name, file, .. } if is_so(name) => Some(*file),
                _ => None,
            };
            recording.calls.iter().filter_map(named).collect::<Vec<_>>()
        };
        let (rows, places) = (of_kind(|name| name.parse::<u32>().is_ok()), of_kind(|name| name.starts_with("log_")));
        type LeftOut<'a> = &'a dyn Fn(&Call) -> bool;
        let tables: [(&str, LeftOut); 3] = [
            ("all", &|call| matches!(call, Call::Sync { .. } | Call::SyncAll)),
            ("those of rows", &|call| {
                matches!(call, Call::SyncAll) || matches!(call, Call::Sync { file } if rows.contains(file))
            }),
            ("those of places", &|call| {
                matches!(call, Call::SyncAll) || matches!(call, Call::Sync { file } if places.contains(file))
            }),
        ];
        for (what, is_left_out) in tables {
            let judge = Judge::new(&records, Duration::from_secs(10));
            let sum = cuts(&recording.without(is_left_out), &judge, 0..100, SEEN);
            tell(&format!("store: without syncs, {what}: {} of {} cuts were seen", sum.bad.len(), sum.cuts));
            assert!(sum.bad.len() >= SEEN, "without syncs ({what}) this rig sees nothing");
        }
    });
}

/// Runs a test whose work is done in processes of their own: the life that is recorded, under the library that records; and the rest where no `sync` is
/// found, as sled has the whole machine synced whenever it opens a database.
fn part(test: &str, work: &str, cut: impl FnOnce(&Path)) {
    match std::env::var(PART) {
        Err(_) => {}
        Ok(part) if part == work => return cut(&PathBuf::from(std::env::var_os(PLACE).unwrap())),
        Ok(part) => return script::live(part.parse().unwrap(), &PathBuf::from(std::env::var_os(PLACE).unwrap())),
    }
    let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (shim, data) = (place.path().join("failing_disk.so"), place.path().join("data"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/failing_disk.c");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(source).status();
    if !made.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "{test}: cc, the C compiler, is not installed, and CI requires it");
        tell(&format!("SKIPPED: {test}: cc, the C compiler, is not installed"));
        return;
    }
    std::fs::create_dir(&data).unwrap();
    let itself = |part: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let (_, here) = module_path!().split_once("::").unwrap();
        let name = format!("{here}::{test}");
        command.args(["--exact", &name, "--nocapture", "--test-threads=1"]).env(PART, part).env(PLACE, place.path());
        command
    };
    for number in 0..script::parts().len() {
        let mut living = itself(&number.to_string());
        living.env("LD_PRELOAD", &shim).env("FAULT_ROOT", &data).env("FAULT_KIND", "record");
        let status = living.env("FAULT_LOG", place.path().join("log")).status().unwrap();
        assert!(status.success(), "part {number} of the life: {status}");
    }
    assert!(itself(work).env("PATH", "").status().unwrap().success());
}

fn recorded(place: &Path) -> Recording {
    let root = std::fs::metadata(place.join("data")).unwrap().ino();
    let recording = disk::read(&std::fs::read(place.join("log")).unwrap(), root);
    let count = |is: fn(&Call) -> bool| recording.calls.iter().filter(|call| is(call)).count();
    let (writes, syncs) = (count(|c| matches!(c, Call::Write { .. })), count(|c| matches!(c, Call::Sync { .. })));
    let (names, said) =
        (count(|c| matches!(c, Call::Rename { .. } | Call::Remove { .. })), count(|c| matches!(c, Call::Durable(_))));
    assert!(
        writes > 500 && syncs > 500 && names > 50 && said > 20,
        "{writes} {syncs} {names} {said}: the library does not see the disk"
    );
    assert!(count(|c| matches!(c, Call::SyncAll)) > 5, "sled does not sync the machine any more");
    recording
}

/// How the cuts went.
#[derive(Debug, Default)]
struct Sum {
    cuts: usize,
    /// Nothing had to be put aside.
    as_it_was: usize,
    days_aside: usize,
    states_aside: usize,
    kept: usize,
    dropped: usize,
    torn: usize,
    names_kept: usize,
    names_dropped: usize,
    bad: Vec<String>,
}

/// Makes the cuts on as many threads as there are, until so many have lost something.
fn cuts(recording: &Recording, judge: &Judge, seeds: std::ops::Range<u64>, bad_max: usize) -> Sum {
    let (sum, next) = (Mutex::new(Sum::default()), Mutex::new(seeds));
    let work = || {
        while let Some(seed) = { next.lock().unwrap().next() }.filter(|_| sum.lock().unwrap().bad.len() < bad_max) {
            let count = Mutex::new((Count::default(), vec![]));
            let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
            let done = worker::caught(|| {
                cut(recording, judge, seed, dir.path(), &count);
                Ok(())
            });
            let mut aside = asides(dir.path());
            let (mut sum, (count, before)) = (sum.lock().unwrap(), count.into_inner().unwrap());
            aside.retain(|part| !before.contains(part));
            let aside = |what: &str| aside.iter().any(|part| part.contains(what));
            sum.cuts += 1;
            sum.bad.extend(done.err().map(|error| format!("seed {seed}: {error:#}").replacen("panic: ", "", 1)));
            sum.days_aside += usize::from(aside("day/"));
            sum.states_aside += usize::from(aside("state"));
            sum.as_it_was += usize::from(!aside("day/") && !aside("state"));
            sum.kept += count.kept;
            sum.dropped += count.dropped;
            sum.torn += count.torn;
            sum.names_kept += count.names_kept;
            sum.names_dropped += count.names_dropped;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |n| n.get()) {
            scope.spawn(work);
        }
    });
    sum.into_inner().unwrap()
}

/// What lies in the quarantine.
fn asides(dir: &Path) -> Vec<String> {
    let part = |number: u32, part: &str| {
        let of = dir.join(FOLDER).join(format!("quarantine/{number}/{part}"));
        let names = std::fs::read_dir(of).into_iter().flatten().flatten();
        names.map(|name| format!("{number}/{part}/{}", name.file_name().display())).collect::<Vec<_>>()
    };
    (1..9).flat_map(|number| ["day", "state"].map(|name| part(number, name))).flatten().collect()
}

/// One cut: the disk that is left, the store opened on it twice.
fn cut(Recording { root, calls }: &Recording, judge: &Judge, seed: u64, dir: &Path, count: &Mutex<(Count, Vec<String>)>) {
    let mut dice = Dice(seed);
    let rules = Rules { in_order: dice.roll(2) == 0, sync_all: dice.roll(2) == 0 };
    let pruned = dice.roll(2) == 0;
    // Half of the cuts beside a sync: most calls are those of an opening.
    let at = match dice.roll(2) {
        0 => dice.roll(calls.len() as u64 + 1) as usize,
        _ => {
            let syncs: Vec<usize> = (0..calls.len()).filter(|n| matches!(calls[*n], Call::Sync { .. })).collect();
            syncs.get(dice.roll(syncs.len().max(1) as u64) as usize).map_or(0, |at| at + dice.roll(2) as usize)
        }
    };
    let mut disk = Disk::new(*root, rules);
    calls[..at].iter().for_each(|call| disk.take(call));
    disk.cut(&mut dice);
    disk.make(dir);
    *count.lock().unwrap() = (disk.count, asides(dir));
    let Said { durable, dropped } = disk.said;
    let whole_from = if pruned { dropped + 1 } else { 1 };
    let mut last = durable;
    for opening in 1..=2 {
        last = (last + dice.roll(UNPROMISED_MAX)).min(judge.records.len() as u64);
        let what =
            format!("seed {seed}: {rules:?}, cut at call {at}, journal whole from {whole_from} to {last}, opening {opening}");
        judge.open(&dir.join(FOLDER), whole_from, last, &what);
    }
}
