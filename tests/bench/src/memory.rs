//! Memory of safety-brain under a steady load, minute after minute. Must not know: how the load is made.

use crate::{Args, Arrivals, Kind, broker, free_port, load, ready, receive, start};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(30);
/// What is aimed at, MB.
const AIM_MB: f64 = 150.0;
/// What still counts as flat, MB: how far the mean of the second half may stand above that of the first. The databases are closed and opened again after
/// so many MB of pages written, so that memory goes up and down by more than this all the time.
const RISE_MAX_MB: f64 = 20.0;

/// Prints a row each half minute, and how the last half of them compares with the first.
///
/// # Errors
/// The broker or the subject is gone; memory went above what is aimed at, or rose; an alarm was not told.
pub async fn steady(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let place = folder.join("memory");
    std::fs::create_dir(&place)?;
    let port = free_port()?;
    let _broker = broker(&place, port)?;
    let arrivals = Arrivals::default();
    let receiver = receive(Kind::SafetyBrain, port, Arc::clone(&arrivals)).await?;
    let mut subject = start(args, Kind::SafetyBrain, &place, port, receiver)?;
    ready(port, &arrivals).await?;
    let rate = args.rates.iter().copied().max().unwrap_or(20_000);
    println!("memory at {rate} readings/s for {} min\n\n| s | MB | peak MB | CPU s |\n|---|---|---|---|", args.minutes);
    let (began, cpu) = (Instant::now(), subject.cpu_s());
    let load = tokio::spawn(load::at_rate(port, rate, args.minutes * 60, 1_000));
    let mut seen = Vec::new();
    while !load.is_finished() {
        tokio::time::sleep(LOOK).await;
        anyhow::ensure!(subject.runs(), "safety-brain ended: {}", std::fs::read_to_string(place.join("subject.log"))?);
        let (now, peak) = subject.memory_mb();
        println!("| {:.0} | {now:.1} | {peak:.1} | {:.1} |", began.elapsed().as_secs_f64(), subject.cpu_s() - cpu);
        seen.push(now);
    }
    let sent = load.await??;
    let (lost, peak) = (sent.len().saturating_sub(arrivals.lock().expect("no panic holds it").len()), subject.memory_mb().1);
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len().max(1) as f64;
    let (first, second) = seen.split_at(seen.len() / 2);
    let rise = mean(second) - mean(first);
    println!(
        "\npeak {peak:.1} MB, target <= {AIM_MB}; mean of the second half - of the first: {rise:+.1} MB, target <= {RISE_MAX_MB}; {} alarms, {lost} not told\n",
        sent.len()
    );
    subject.stop();
    anyhow::ensure!(peak <= AIM_MB, "the peak is above the target");
    anyhow::ensure!(rise <= RISE_MAX_MB, "memory is not flat");
    anyhow::ensure!(lost == 0, "{lost} alarms were not told");
    Ok(())
}
