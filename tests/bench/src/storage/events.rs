//! Durable events: rate and latency by batch, bytes, and how long an opening takes. Must not know: how an engine works.

use super::engine::{Engine, Kind, event};
use super::shelf::{START, keep};
use super::{disk_bytes, percentile};
use brain::event::Record;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

const BATCHES: [u64; 5] = [1, 16, 64, 256, 1024];

/// Commit latency and rate of every engine at every batch size. They take turns, so that a noisy moment meets all.
pub fn commits(place: &Path, quick: bool) -> anyhow::Result<()> {
    let (rounds, most) = if quick { (1, 10) } else { (5, 200) };
    let mut times: BTreeMap<(Kind, u64), Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        for batch in BATCHES {
            for kind in Kind::ALL {
                let folder = place.join("engine");
                let mut engine = Engine::open(*kind, &folder)?;
                // What an opening leaves to do in the background is not a commit's cost.
                std::thread::sleep(Duration::from_millis(300));
                // A bare file must fit into what was written ahead.
                let count = most.min(200_000 / batch);
                for (i, first) in (1..).step_by(batch as usize).take(count as usize).enumerate() {
                    let began = Instant::now();
                    engine.commit(first, batch)?;
                    if i >= 5 {
                        times.entry((*kind, batch)).or_default().push(began.elapsed().as_secs_f64() * 1e3);
                    }
                }
                drop(engine);
                std::fs::remove_dir_all(&folder)?;
            }
        }
        eprintln!("commits: round {} of {rounds}", round + 1);
    }
    println!("Events of {} bytes; commit p50 / p99 in ms; events/s = batch / mean.\n", serde_json::to_vec(&event(1))?.len());
    println!("| batch |{}", BATCHES.map(|b| format!(" {b} |")).concat());
    println!("|---|{}", BATCHES.map(|_| "---|").concat());
    for kind in Kind::ALL {
        let cells = BATCHES.map(|batch| {
            let times = times.get_mut(&(*kind, batch)).expect("measured");
            let rate = batch as f64 * times.len() as f64 / times.iter().sum::<f64>() * 1e3;
            format!(" {:.2} / {:.2}; {rate:.0}/s |", percentile(times, 0.5), percentile(times, 0.99))
        });
        println!("| {} |{}", kind.name(), cells.concat());
    }
    let mut p50 = |kind| percentile(times.get_mut(&(kind, 64)).expect("measured"), 0.5);
    let (ours, ahead, growing) = (p50(Kind::Journal), p50(Kind::BareAhead), p50(Kind::BareGrowing));
    println!(
        "\nAt 64 the journal's p50 is {:.2} of the bare file over zeros, {:.2} of the growing one; target <= 1.3.\n",
        ours / ahead,
        ours / growing
    );
    Ok(())
}

/// Bytes per event and opening time after a kill: the files are copied while the engine is open, and the copy is opened.
pub fn opening(place: &Path, quick: bool) -> anyhow::Result<()> {
    let sizes: [u64; 2] = if quick { [10_000, 50_000] } else { [1_000_000, 5_000_000] };
    println!("| | {} |", sizes.map(|n| format!("{n} events: bytes each | opening, ms")).join(" | "));
    println!("|---|---|---|---|---|");
    for kind in Kind::ALL.iter().filter(|k| !matches!(k, Kind::BareAhead | Kind::BareGrowing)) {
        let (folder, copy) = (place.join("engine"), place.join("copy"));
        let mut engine = Engine::open(*kind, &folder)?;
        let mut done = 0;
        let mut cells = String::new();
        for size in sizes {
            while done < size {
                engine.commit(done + 1, 1000)?;
                done += 1000;
            }
            cells += &format!(" {:.0} |", disk_bytes(&folder)? as f64 / size as f64);
            copy_all(&folder, &copy)?;
            let began = Instant::now();
            let again = Engine::open(*kind, &copy)?;
            again.first_read()?;
            cells += &format!(" {:.1} |", began.elapsed().as_secs_f64() * 1e3);
            drop(again);
            std::fs::remove_dir_all(&copy)?;
        }
        println!("| {} |{cells}", kind.name());
        drop(engine);
        std::fs::remove_dir_all(&folder)?;
    }
    let mut cells = String::new();
    for size in sizes {
        let folder = place.join("store");
        // A day of a busy plant: they lie close together in time.
        let records = (1..=size).map(|seq| Record { seq, at: START + seq as i64 * 1000, entry: event(seq) });
        keep(&folder, size, records)?.store.close()?;
        cells += &format!(" {:.0} |", disk_bytes(&folder)? as f64 / size as f64);
        let began = Instant::now();
        let store = keep(&folder, size, std::iter::empty())?.store;
        anyhow::ensure!(store.events(size - 1, 10, Default::default())?.rows.len() == 1, "the last event is not there");
        cells += &format!(" {:.1} |", began.elapsed().as_secs_f64() * 1e3);
        store.close()?;
        std::fs::remove_dir_all(&folder)?;
    }
    println!("| store, to the first answer |{cells}\n");
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
