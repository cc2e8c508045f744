//! How long a plant with a long day behind it is without its watch: from the start of the program to the alarm for a reading over its limit,
//! after a clean stop and after SIGKILL at the worst moment. Must not know: what takes the time.

mod fill;

use crate::subject::Subject;
use crate::{Args, Arrivals, Kind, broker, free_port, load, receive, site};
use anyhow::{Context, ensure};
pub use fill::fill;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two values of the probe while the program starts: the figures are as fine as this.
const STEP: Duration = Duration::from_millis(10);

/// Fills a data directory, then starts on it: after SIGKILL, after a clean stop.
///
/// # Errors
/// The directory cannot be filled, or the program does not start.
pub async fn restarts(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let place = folder.join("restart");
    std::fs::create_dir(&place)?;
    let (port, console) = (free_port()?, free_port()?);
    let _broker = broker(&place, port)?;
    let arrivals = Arrivals::default();
    let receiver = receive(Kind::SafetyBrain, port, Arc::clone(&arrivals)).await?;
    let (site, data) = (place.join("bench.toml"), place.join("data"));
    std::fs::write(&site, site::site_file(port, receiver, console, &args.plugins.canonicalize()?))?;
    let what = fill_and_kill(args, &site, &data)?;
    println!("restart: {what}\n\n| start after | ready, s | alarm told, s | target, s |\n|---|---|---|---|");
    let log = place.join("subject.log");
    for (name, target) in [("SIGKILL", 3.0), ("a clean stop", 1.0), ("a clean stop", 1.0)] {
        let arguments = ["run", "--config", &site.display().to_string(), "--data", &data.display().to_string()];
        arrivals.lock().expect("no panic holds it").clear();
        let began = Instant::now();
        let mut subject = Subject::start(&args.safety_brain, &arguments, &log)?;
        let (ready, told) = watched(&mut subject, began, port, console, &arrivals)
            .await
            .with_context(|| format!("after {name}: {}", std::fs::read_to_string(&log).unwrap_or_default()))?;
        println!("| {name} | {:.2} | {:.2} | {target} |", ready.as_secs_f64(), told.as_secs_f64());
        // What the store has not read yet must not burden the next start.
        tokio::time::sleep(Duration::from_secs(5)).await;
        subject.stop();
    }
    println!();
    Ok(())
}

/// A process of our own fills the directory as a plant does, and is killed as soon as it has.
fn fill_and_kill(args: &Args, site: &Path, data: &Path) -> anyhow::Result<String> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--readings", &args.readings.to_string(), "--fill"])
        .arg(site)
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let read = BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line);
    child.kill()?;
    child.wait()?;
    ensure!(read? > 0, "the data directory could not be filled");
    Ok(line.trim().to_owned())
}

/// When it said that it watches, and when the first alarm for a probe arrived.
async fn watched(
    subject: &mut Subject,
    began: Instant,
    port: u16,
    console: u16,
    arrivals: &Arrivals,
) -> anyhow::Result<(Duration, Duration)> {
    let mut publisher = load::Publisher::connect("restart", port);
    let (mut ready, mut number) = (None, 1_000_000);
    loop {
        ensure!(subject.runs(), "it ended");
        ensure!(began.elapsed() < Duration::from_secs(120), "no alarm within two minutes");
        number += 1;
        publisher.send(load::probe_tag(0), 1.0, load::wall_us()).await?;
        publisher.send(load::probe_tag(0), number as f64, load::wall_us() + 1).await?;
        tokio::time::sleep(STEP).await;
        ready = ready.or_else(|| is_well(console, "brain").then(|| began.elapsed()));
        let first = arrivals.lock().expect("no panic holds it").range(1_000_000..).map(|(_, at)| *at).min();
        if let (Some(ready), Some(first)) = (ready, first) {
            publisher.close().await;
            return Ok((ready, first.duration_since(began)));
        }
    }
}

/// Whether it says that this part of it is well.
pub(crate) fn is_well(console: u16, part: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", console))?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        write!(stream, "GET /api/v1/health HTTP/1.0\r\nHost: 127.0.0.1:{console}\r\n\r\n")?;
        let mut all = String::new();
        stream.read_to_string(&mut all)?;
        Ok(all)
    };
    ask().is_ok_and(|answer| answer.contains(&format!(r#""name":"{part}","ok":true"#)))
}
