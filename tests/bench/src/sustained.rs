//! So many transitions of alarms a second, minute after minute: whether each is on record, and how long it takes until the bureau is told of a rise.
//! Must not know: what takes the time.

use crate::flood::{LEVELS, watched};
use crate::subject::Subject;
use crate::{Args, Arrivals, Kind, broker, free_port, load, percentile, receive, site, wait_for};
use anyhow::ensure;
use brain::event::{Change, Entry, Outcome};
use safety_brain::journal::{FOLDER, Reader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A probe rises again after so long, where there are so many.
const ROUND_S: u64 = 40;
/// And not sooner: what rises three times a minute chatters, which is no transition at each rise, and tells nobody anew.
const ROUND_MIN_S: f64 = 31.0;
/// As many probes as a site file of 16 MiB names.
const PROBES_MAX: u64 = 32_000;
/// Steps a second.
const STEPS: u64 = 100;
/// The longest that is waited for the last notice.
const LAG_MAX: Duration = Duration::from_secs(30);

/// Prints a line for each rate.
///
/// # Errors
/// The broker or the subject is gone; a transition is on no record, or nobody was told of it.
pub async fn sustained(args: &Args, folder: &Path) -> anyhow::Result<()> {
    for rate in &args.transitions {
        let place = folder.join(format!("sustained-{rate}"));
        std::fs::create_dir(&place)?;
        at(args, *rate, &place).await?;
    }
    Ok(())
}

async fn at(args: &Args, rate: u64, place: &Path) -> anyhow::Result<()> {
    let probes = (rate / 2 * ROUND_S).min(PROBES_MAX);
    let (round_s, half) = (probes as f64 / (rate as f64 / 2.0), probes / 2);
    ensure!(round_s >= ROUND_MIN_S, "{rate} transitions/s: more alarms than one site file names would have to take turns");
    let (port, console) = (free_port()?, free_port()?);
    let _broker = broker(place, port)?;
    let arrivals = Arrivals::default();
    let receiver = receive(Kind::SafetyBrain, port, Arc::clone(&arrivals)).await?;
    let (file, data) = (place.join("bench.toml"), place.join("data"));
    std::fs::write(
        &file,
        site::flood(port, receiver, console, &args.plugins.canonicalize()?, usize::try_from(probes)?, &LEVELS),
    )?;
    let arguments = ["run", "--config", &file.display().to_string(), "--data", &data.display().to_string()];
    let mut subject = Subject::start(&args.safety_brain, &arguments, &place.join("subject.log"))?;
    watched(&mut subject, console, "links").await?;

    let (mut publisher, mut sent) = (load::Publisher::connect("sustained", port), Vec::new());
    let (began, cpu) = (Instant::now(), subject.cpu_s());
    let step = Duration::from_secs(1) / u32::try_from(STEPS)?;
    // At first all rise; from half a round on as many fall.
    let ticks = (args.minutes as f64 * 60.0 + round_s / 2.0) as u64 * STEPS;
    let (mut rose, mut fell) = (0, 0);
    for tick in 1..=ticks {
        tokio::time::sleep_until((began + step * u32::try_from(tick)?).into()).await;
        while rose < tick * rate / 2 / STEPS {
            let value = 1_000 + rose;
            sent.push((value, Instant::now()));
            publisher.send(usize::try_from(rose % probes)?, value as f64, load::wall_us()).await?;
            rose += 1;
            if rose > half {
                publisher.send(usize::try_from(fell % probes)?, 1.0, load::wall_us()).await?;
                fell += 1;
            }
        }
    }
    publisher.settled().await?;
    publisher.close().await;
    let (offered, last) = (began.elapsed(), 1_000 + rose - 1);
    let all_told = wait_for(&arrivals, last, LAG_MAX).await;
    ensure!(subject.runs(), "safety-brain ended: {}", std::fs::read_to_string(place.join("subject.log"))?);
    let (used, peak) = (subject.cpu_s() - cpu, subject.memory_mb().1);
    subject.stop();
    let seen = arrivals.lock().expect("no panic holds it").clone();
    let told = |(value, left): &(u64, Instant)| Some(seen.get(value)?.duration_since(*left).as_secs_f64());
    let mut times: Vec<f64> = sent.iter().filter_map(told).collect();
    times.sort_by(f64::total_cmp);
    let (kept_rises, kept_falls) = recorded(&data)?;
    println!(
        "sustained, {rate} transitions/s for {} min (each of {probes} alarms rises every {round_s:.0} s): {rose} rises and {fell} falls offered within {:.1} s, on \
         record {kept_rises} and {kept_falls}; the bureau was told of a rise after {:.3} s at p50, {:.3} at p99, {:.3} at worst, of {} not; {:.2} cores, peak {peak:.0} MB",
        args.minutes,
        offered.as_secs_f64(),
        percentile(&times, 0.5),
        percentile(&times, 0.99),
        times.last().copied().unwrap_or(f64::NAN),
        sent.len() - times.len(),
        used / offered.as_secs_f64()
    );
    ensure!((rose, fell) == (kept_rises, kept_falls), "not every transition is on record");
    ensure!(all_told, "the last was not told of");
    Ok(())
}

/// Rises and falls of conditions that the journal holds.
fn recorded(data: &Path) -> anyhow::Result<(u64, u64)> {
    let mut reader = Reader::open(&data.join(FOLDER), 1)?;
    let (mut rose, mut fell) = (0, 0);
    while let Some(record) = reader.next_readable()? {
        let Entry::Outcome { outcome, .. } = record.entry else { continue };
        for outcome in outcome {
            match outcome {
                Outcome::Alarm { change: Change::Opened | Change::Reopened, .. } => rose += 1,
                Outcome::Alarm { change: Change::Cleared, .. } => fell += 1,
                _ => {}
            }
        }
    }
    Ok((rose, fell))
}
