//! The power is cut under load: an ext4 image, the real program on it stopped in the middle of its work, the image copied as it is, the program
//! killed, and the copy mounted in its place. Only what reached the block device is in the copy; journal, snapshots and store must live with
//! it. Must not know: any type of the host.

use crate::disk::{Disk, make_image};
use crate::effort::{Random, effort};
use crate::failing_disk::{Fault, shim};
use crate::judge::{Account, health, ready, verify, wait_for_last, wait_for_link, wait_for_notices};
use crate::process::{Process, alone, broker, eventually, free_port, loud, mosquitto, mosquitto_or_skip, peer_or_skip, tell};
use crate::publisher::{Load, Publisher};
use crate::receiver::Receiver;
use crate::site::Site;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const IMAGE_BYTES: u64 = 96 << 20;
const LOAD: Load = Load { pace: Duration::from_millis(1), noise_every: 2 };

/// A plant whose data is on an image.
struct Plant {
    image: PathBuf,
    copy: PathBuf,
    at: PathBuf,
    disk: Option<Disk>,
    data: PathBuf,
    site: PathBuf,
    console: u16,
}

impl Plant {
    /// None where no image can be made or mounted.
    fn new(folder: &Path, mqtt: u16, receiver: &Receiver) -> Option<Plant> {
        let (image, copy, at, site) = (folder.join("image"), folder.join("copy"), folder.join("disk"), folder.join("site.toml"));
        let disk = make_image(&image, IMAGE_BYTES).then(|| Disk::image(&at, &image)).flatten()?;
        let console = free_port();
        let text = Site { mqtt, modbus: None, bureau: receiver.port, console }.toml();
        std::fs::write(&site, text.replace("segment_mib = 4", "segment_mib = 1")).unwrap();
        let data = at.join("data");
        Some(Plant { image, copy, at, disk: Some(disk), data, site, console })
    }

    fn start(&self, environment: &[(&str, String)]) -> Process {
        let (site, data) = (self.site.to_str().unwrap(), self.data.to_str().unwrap());
        Process::start_in(env!("CARGO_BIN_EXE_safety-brain"), &["run", "--config", site, "--data", data], environment)
    }

    /// The power is gone, and comes back.
    fn cut(&mut self, process: Process) {
        process.signal("STOP");
        // Twice the same: nothing was written in between, so that it is one moment and not a stretch.
        let copied = |to: &Path| {
            let done = Command::new("cp").arg("--sparse=always").arg(&self.image).arg(to).status();
            assert!(done.unwrap().success());
        };
        let second = self.copy.with_extension("second");
        copied(&self.copy);
        eventually("the disk is at rest", Duration::from_secs(30), || {
            copied(&second);
            let same = Command::new("cmp").arg("-s").arg(&self.copy).arg(&second).status().unwrap().success();
            if same {
                return Ok(());
            }
            std::fs::rename(&second, &self.copy).unwrap();
            Err("it is still being written".to_owned())
        });
        std::fs::remove_file(&second).unwrap();
        assert!(process.kill(), "it had ended by itself");
        self.disk = None;
        std::fs::rename(&self.copy, &self.image).unwrap();
        self.disk = Some(Disk::image(&self.at, &self.image).expect("the copy of a file system can be mounted"));
    }
}

#[test]
fn power_cut_keeps_what_was_acknowledged() {
    let test = "power_cut_keeps_what_was_acknowledged";
    let Some(program) = mosquitto_or_skip(test) else { return };
    let (_alone, mut random, cuts) = (alone(), Random::seeded(test), effort(8, 200));
    let began = Instant::now();
    let folder = place();
    let (_broker, mqtt) = broker(program, folder.path());
    let receiver = Receiver::start(5);
    let Some(mut plant) = Plant::new(folder.path(), mqtt, &receiver) else {
        return loud(&format!("{test}: no ext4 image can be mounted here (it needs root, loop devices and mkfs.ext4)"));
    };
    let mut process = plant.start(&[]);
    wait_for_link(plant.console);
    let publisher = Publisher::start(mqtt, LOAD);
    for cut in 0..cuts {
        std::thread::sleep(Duration::from_millis(300 + random.below(1_200)));
        // Every second time a life goes before that ended without a word: what it had not synced is still in memory, the next one builds on it.
        if cut % 2 == 1 {
            assert!(process.kill(), "it had ended by itself");
            process = plant.start(&[]);
            wait_for_link(plant.console);
            std::thread::sleep(Duration::from_millis(random.below(600)));
        }
        let parts = health(plant.console).unwrap();
        assert!(parts.values().all(|ok| *ok), "it works until cut {cut}: {parts:?}; {}", process.said().join("\n"));
        plant.cut(process);
        verify(&plant.data).unwrap();
        process = plant.start(&[]);
        wait_for_link(plant.console);
    }
    let published = publisher.stop();
    wait_for_last(plant.console, published.readings, Duration::from_secs(60));
    wait_for_notices(&plant.data, &receiver);
    assert!(health(plant.console).unwrap().values().all(|ok| *ok));
    assert!(process.terminate() < Duration::from_secs(4), "SIGTERM took too long");
    verify(&plant.data).unwrap();
    let account = Account::of(&plant.data);
    // Rises in a stretch without a record cannot be counted: too many of them, and this rig proves nothing.
    assert!(account.gaps <= 2, "{} stretches without a record", account.gaps);
    assert_eq!(account.faults(published, &receiver), Vec::<String>::new());
    assert!(!plant.data.join("store/quarantine").exists(), "the store had to be made again");
    tell(&format!(
        "{test}: {cuts} cuts, half of them behind a kill and a start; {} readings published, {} in the journal, 0 lost; {} rises = {} occurrences; {} notices; the store opened each time; {:?} in all",
        published.readings,
        account.counts.len(),
        published.rises,
        account.rises,
        account.told.len(),
        began.elapsed()
    ));
}

/// The control: with syncs that do nothing, the same rig must find a loss. Whoever has the whole machine synced meanwhile writes what was to be lost:
/// then it is tried again.
#[test]
fn power_cut_without_syncs_is_found() {
    let test = "power_cut_without_syncs_is_found";
    let folder = place();
    let (program, shim) = (mosquitto(), shim(folder.path()));
    if !peer_or_skip(test, "mosquitto", program.is_some()) || !peer_or_skip(test, "cc, the C compiler", shim.is_some()) {
        return;
    }
    let (_alone, program, shim) = (alone(), program.unwrap(), shim.unwrap());
    for tried in 1..=3 {
        let folder = place();
        let (_broker, mqtt) = broker(&program, folder.path());
        let receiver = Receiver::start(0);
        let Some(mut plant) = Plant::new(folder.path(), mqtt, &receiver) else {
            return loud(&format!("{test}: no ext4 image can be mounted here (it needs root, loop devices and mkfs.ext4)"));
        };
        if let Some(found) = unsynced(&mut plant, mqtt, &receiver, &shim) {
            return tell(&format!("{test}: found, at try {tried}: {found}"));
        }
    }
    panic!("nothing was synced, and the rig finds nothing lost: it proves nothing");
}

/// A life without one sync, cut: the first thing that was lost, None = nothing.
fn unsynced(plant: &mut Plant, mqtt: u16, receiver: &Receiver, shim: &Path) -> Option<String> {
    let log = plant.image.with_extension("log");
    let lying = Fault { at: 0, many: 0, kind: "nosync" }.environment(shim, &plant.data, &log);
    let process = plant.start(&lying);
    wait_for_link(plant.console);
    let publisher = Publisher::start(mqtt, LOAD);
    std::thread::sleep(Duration::from_secs(1));
    let published = publisher.stop();
    wait_for_last(plant.console, published.readings, Duration::from_secs(30));
    eventually("the bureau is told", Duration::from_secs(10), || {
        if receiver.heard().is_empty() { Err("nothing yet".to_owned()) } else { Ok(()) }
    });
    plant.cut(process);
    assert!(std::fs::read_to_string(log).unwrap().contains("not done"), "no sync was left out");
    let process = plant.start(&[]);
    ready(plant.console, Instant::now());
    assert!(process.terminate() < Duration::from_secs(4), "SIGTERM took too long");
    Account::of(&plant.data).faults(published, receiver).into_iter().next()
}

/// In memory where that is possible: the image is copied whole at each cut.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
