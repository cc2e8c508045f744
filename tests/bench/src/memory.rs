//! Memory of safety-brain under a steady load, minute after minute. Must not know: how the load is made.

use crate::{Args, Arrivals, Kind, broker, free_port, load, ready, receive, start};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(30);
/// What is aimed at, MB.
const AIM_MB: f64 = 150.0;

/// Prints a row each half minute, and how the last half of them compares with the first.
///
/// # Errors
/// The broker or the subject is gone.
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
    println!(
        "\npeak {peak:.1} MB, target <= {AIM_MB}; mean of the second half - of the first: {:+.1} MB; {} alarms, {lost} not told\n",
        mean(second) - mean(first),
        sent.len()
    );
    subject.stop();
    Ok(())
}
