//! Ten thousand alarms at once: when the last red and orange, and the last of all, was told outside, whether one was lost or came twice, and how soon the
//! plant watches again after a start with all of them active. Must not know: what takes the time.

use crate::restart::is_well;
use crate::subject::Subject;
use crate::{Args, broker, free_port, load, site};
use anyhow::ensure;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ALARMS: usize = 10_000;
/// Of ten alarms: one red, two orange, three yellow, four blue.
pub const LEVELS: [&str; 10] = ["red", "orange", "yellow", "yellow", "blue", "orange", "yellow", "blue", "blue", "blue"];
/// The longest that is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Messages by identifier: how often, and the first time; level and time.
type Heard = Arc<Mutex<BTreeMap<String, (u32, Instant, String)>>>;

/// Prints what came when.
///
/// # Errors
/// The broker or the subject is gone.
pub async fn flood(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let place = folder.join("flood");
    std::fs::create_dir(&place)?;
    let (port, console) = (free_port()?, free_port()?);
    let _broker = broker(&place, port)?;
    let heard = Heard::default();
    let delay = Duration::from_millis(args.bureau_delay_ms);
    let receiver = receive(Arc::clone(&heard), delay).await?;
    let (file, data) = (place.join("bench.toml"), place.join("data"));
    std::fs::write(&file, site::flood(port, receiver, console, &args.plugins.canonicalize()?, ALARMS, &LEVELS))?;
    let arguments = ["run", "--config", &file.display().to_string(), "--data", &data.display().to_string()];
    let start = || Subject::start(&args.safety_brain, &arguments, &place.join("subject.log"));
    let mut subject = start()?;
    watched(&mut subject, console, "brain").await?;

    let mut publisher = load::Publisher::connect("flood", port);
    let began = Instant::now();
    for index in 0..ALARMS {
        publisher.send(index, load::LIMIT + 1.0, load::wall_us()).await?;
    }
    publisher.settled().await?;
    let published = began.elapsed();
    while heard.lock().expect("no panic holds it").len() < ALARMS && began.elapsed() < PATIENCE {
        ensure!(subject.runs(), "safety-brain ended: {}", std::fs::read_to_string(place.join("subject.log"))?);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What comes twice comes a little later.
    tokio::time::sleep(Duration::from_secs(3)).await;
    publisher.close().await;
    let last = |levels: &[&str]| {
        let heard = heard.lock().expect("no panic holds it");
        let times = heard.values().filter(|(_, _, level)| levels.contains(&level.as_str())).map(|(_, at, _)| *at - began);
        times.max().unwrap_or_default().as_secs_f64()
    };
    let (count, twice) = {
        let heard = heard.lock().expect("no panic holds it");
        (heard.len(), heard.values().map(|(times, ..)| times - 1).sum::<u32>())
    };
    let all = last(&["Extreme", "Severe", "Moderate", "Minor"]);
    println!(
        "flood: {ALARMS} alarms, a bureau {} ms away, published within {:.2} s; last red or orange told after {:.2} s (target 2), last of all after {all:.2} s (target 10); {} not told, \
         {twice} came twice; {:.0} alarms/s on record and told (target 500)",
        args.bureau_delay_ms,
        published.as_secs_f64(),
        last(&["Extreme", "Severe"]),
        ALARMS - count.min(ALARMS),
        ALARMS as f64 / all
    );
    let stopping = Instant::now();
    subject.stop();
    let stopped = stopping.elapsed();
    let began = Instant::now();
    let mut subject = start()?;
    watched(&mut subject, console, "brain").await?;
    let clean = began.elapsed();
    // Killed at once.
    drop(subject);
    let began = Instant::now();
    let mut subject = start()?;
    watched(&mut subject, console, "brain").await?;
    println!(
        "restart with {ALARMS} active alarms: {:.2} s to stop, watched again after {:.2} s, and after SIGKILL after {:.2} s (target 1)\n",
        stopped.as_secs_f64(),
        clean.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    subject.stop();
    Ok(())
}

/// Waits until it says that this part of it is well.
///
/// # Errors
/// It ends, or does not for minutes.
pub async fn watched(subject: &mut Subject, console: u16, part: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_well(console, part) {
        ensure!(subject.runs(), "it ended: see its log, or run `safety-brain check` on its site file");
        ensure!(began.elapsed() < PATIENCE, "its {part} is not well");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// A bureau that takes everything after so long, and where it listens.
async fn receive(heard: Heard, delay: Duration) -> anyhow::Result<u16> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let take = async move |body: String| {
        tokio::time::sleep(delay).await;
        let between =
            |tag: &str| body.split(&format!("<{tag}>")).nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
        let (identifier, level) = (between("identifier").to_owned(), between("severity").to_owned());
        let mut heard = heard.lock().expect("no panic holds it");
        heard.entry(identifier).and_modify(|(times, ..)| *times += 1).or_insert((1, Instant::now(), level));
        "ok"
    };
    let app = axum::Router::new().route("/cap", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(port)
}
