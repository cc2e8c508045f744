//! Runs the plain relay and safety-brain in turn on one mosquitto, under the same load, and prints one table; or, with `--only`, looks at what
//! safety-brain alone does over a long run or at a start.
//!
//! The subjects take turns in every round; figures are medians over rounds; ratios are within the run. Latency is from the publish of a
//! reading over its limit to the arrival of the alarm outside the subject: an MQTT publish of the relay, a CAP message over HTTP of
//! safety-brain, which has the reading, the finding and the alarm on disk by then.

mod flood;
mod load;
mod memory;
mod restart;
mod site;
mod subject;
mod sustained;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use site::site_file;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Seek, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use subject::Subject;

/// Compare safety-brain with a plain relay on this machine.
#[derive(Parser)]
struct Args {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "side-by-side")]
    only: Vec<Measure>,
    /// Minutes of the memory run, at the highest of the rates, and of each sustained run
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Readings that the data directory of the restarts holds
    #[arg(long, default_value_t = 10_950_000)]
    readings: u64,
    /// Only fill a data directory for the restarts, and wait
    #[arg(long, hide = true, num_args = 2, value_names = ["SITE", "DATA"])]
    fill: Vec<PathBuf>,
    /// Readings per second of the latency runs
    #[arg(long, value_delimiter = ',', default_value = "1000,5000,20000")]
    rates: Vec<u64>,
    /// Seconds of each latency run
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Readings of the saturation run
    #[arg(long, default_value_t = 200_000)]
    flood: u64,
    /// Milliseconds that the bureau of `--only flood` takes for each message: how far away it is
    #[arg(long, default_value_t = 0)]
    bureau_delay_ms: u64,
    /// Transitions of alarms per second of `--only sustained`, one run each
    #[arg(long, value_delimiter = ',', default_value = "500,2000")]
    transitions: Vec<u64>,
    /// Rounds; each runs every subject once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The safety-brain program
    #[arg(long, default_value = "target/release/safety-brain")]
    safety_brain: PathBuf,
    /// Folder with the reference rules, made by `safety-brain plugin build plugins/gas-detector` and `... plugins/fireworks-room`
    #[arg(long, default_value = "target/bench-plugins")]
    plugins: PathBuf,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Measure {
    /// Both subjects in turn: latency, saturation, CPU, memory
    SideBySide,
    /// Memory of safety-brain, each half minute of a long run
    Memory,
    /// From the start to the first alarm, with a long day in the data directory
    Restart,
    /// Ten thousand alarms at once, and a start with all of them active
    Flood,
    /// So many transitions of alarms a second for minutes
    Sustained,
}

/// When each alarm arrived, by the value that made it.
type Arrivals = Arc<Mutex<BTreeMap<u64, Instant>>>;

#[derive(Default, Clone)]
struct Figures {
    saturation: Vec<f64>,
    idle_mb: Vec<f64>,
    peak_mb: Vec<f64>,
    latency: BTreeMap<u64, Latency>,
}

#[derive(Default, Clone)]
struct Latency {
    p50: Vec<f64>,
    p99: Vec<f64>,
    p999: Vec<f64>,
    cpu: Vec<f64>,
    lost: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Relay,
    SafetyBrain,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let [site, data] = &args.fill[..] {
        return restart::fill(site, data, args.readings);
    }
    let folder = tempfile::tempdir_in(std::env::current_dir()?)?;
    for measure in &args.only {
        match measure {
            Measure::SideBySide => side_by_side(&args, folder.path()).await?,
            Measure::Memory => memory::steady(&args, folder.path()).await?,
            Measure::Restart => restart::restarts(&args, folder.path()).await?,
            Measure::Flood => flood::flood(&args, folder.path()).await?,
            Measure::Sustained => sustained::sustained(&args, folder.path()).await?,
        }
    }
    Ok(())
}

async fn side_by_side(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let mut figures: BTreeMap<Kind, Figures> = BTreeMap::new();
    let mut syncs = Vec::new();
    for round in 0..args.rounds {
        syncs.push(sync_ms(folder)?);
        for kind in [Kind::Relay, Kind::SafetyBrain] {
            let place = folder.join(format!("{round}-{}", kind as u8));
            std::fs::create_dir(&place)?;
            eprintln!("round {} of {}: {}", round + 1, args.rounds, kind.name());
            run(args, kind, &place, figures.entry(kind).or_default()).await?;
        }
    }
    print!("{}", table(args, &figures, median(&syncs)));
    let [first, second] = two_rules(args, folder).await?;
    println!(
        "| idle memory, both reference rules, MB | | {second:.2} | | target <= 40; at the first start, which compiles them: {first:.2} |"
    );
    Ok(())
}

/// Memory of safety-brain at rest with one instance of each reference rule: at the first start and at the second.
async fn two_rules(args: &Args, folder: &Path) -> anyhow::Result<[f64; 2]> {
    let (site, data) = (folder.join("two.toml"), folder.join("two").display().to_string());
    std::fs::write(&site, site::two_rules(free_port()?, free_port()?, &args.plugins.canonicalize()?))?;
    let mut memory = [f64::NAN; 2];
    for place in &mut memory {
        let arguments = ["run", "--config", &site.display().to_string(), "--data", &data];
        let mut subject = Subject::start(&args.safety_brain, &arguments, &folder.join("two.log"))?;
        tokio::time::sleep(Duration::from_secs(10)).await;
        anyhow::ensure!(subject.runs(), "safety-brain ended: {}", std::fs::read_to_string(folder.join("two.log"))?);
        *place = subject.memory_mb().0;
        subject.stop();
    }
    Ok(memory)
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Relay => "plain relay (nothing kept)",
            Kind::SafetyBrain => "safety-brain (durable)",
        }
    }
}

async fn run(args: &Args, kind: Kind, place: &Path, into: &mut Figures) -> anyhow::Result<()> {
    let port = free_port()?;
    let _broker = broker(place, port)?;
    let arrivals = Arrivals::default();
    let receiver = receive(kind, port, Arc::clone(&arrivals)).await?;
    let subject = start(args, kind, place, port, receiver)?;
    ready(port, &arrivals).await?;
    into.idle_mb.push(subject.memory_mb().0);
    let mut first = 1_000;
    for rate in &args.rates {
        let cpu = subject.cpu_s();
        let sent = load::at_rate(port, *rate, args.seconds, first).await?;
        first += args.seconds * 100;
        let last = sent.last().map_or(0, |(value, _)| *value);
        wait_for(&arrivals, last, Duration::from_secs(30)).await;
        let seen = arrivals.lock().expect("no panic holds it").clone();
        let mut times: Vec<f64> = sent
            .iter()
            .filter_map(|(value, left)| seen.get(value).map(|at| at.duration_since(*left).as_secs_f64() * 1e3))
            .collect();
        times.sort_by(f64::total_cmp);
        let figures = into.latency.entry(*rate).or_default();
        figures.lost += (sent.len() - times.len()) as u64;
        for (list, share) in [(&mut figures.p50, 0.5), (&mut figures.p99, 0.99), (&mut figures.p999, 0.999)] {
            list.push(percentile(&times, share));
        }
        figures.cpu.push(subject.cpu_s() - cpu);
    }
    let probe = first + 1;
    let began = load::flood(port, args.flood, probe).await?;
    if !wait_for(&arrivals, 1000 + probe, Duration::from_secs(120)).await {
        bail!("{} did not work through the flood in two minutes", kind.name());
    }
    let done = arrivals.lock().expect("no panic holds it")[&(1000 + probe)];
    into.saturation.push(args.flood as f64 / done.duration_since(began).as_secs_f64());
    into.peak_mb.push(subject.memory_mb().1);
    subject.stop();
    Ok(())
}

fn start(args: &Args, kind: Kind, place: &Path, port: u16, receiver: u16) -> anyhow::Result<Subject> {
    let log = place.join("subject.log");
    match kind {
        Kind::Relay => {
            let relay = std::env::current_exe()?.with_file_name("relay");
            Subject::start(&relay, &[&port.to_string()], &log)
        }
        Kind::SafetyBrain => {
            let site = place.join("bench.toml");
            let console = free_port()?;
            std::fs::write(&site, site_file(port, receiver, console, &args.plugins.canonicalize()?))?;
            let (site, data) = (site.display().to_string(), place.join("data").display().to_string());
            Subject::start(&args.safety_brain, &["run", "--config", &site, "--data", &data], &log)
        }
    }
}

/// Probes once a second until the first alarm comes: the subject is up.
async fn ready(port: u16, arrivals: &Arrivals) -> anyhow::Result<()> {
    let mut publisher = load::Publisher::connect("ready", port);
    let probe = load::probe_tag(0);
    for number in 1..60 {
        publisher.send(probe, 1.0, load::wall_us()).await?;
        publisher.send(probe, (1000 + number) as f64, load::wall_us() + 1).await?;
        publisher.settled().await?;
        if wait_for(arrivals, 1000 + number, Duration::from_secs(1)).await {
            publisher.send(probe, 1.0, load::wall_us()).await?;
            publisher.settled().await?;
            publisher.close().await;
            return Ok(());
        }
    }
    bail!("no alarm came within a minute of the start")
}

async fn wait_for(arrivals: &Arrivals, value: u64, most: Duration) -> bool {
    let until = Instant::now() + most;
    while Instant::now() < until {
        if arrivals.lock().expect("no panic holds it").contains_key(&value) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

/// Starts whatever takes alarms from the subject; returns the port of the HTTP receiver (0 for the relay).
async fn receive(kind: Kind, mqtt: u16, arrivals: Arrivals) -> anyhow::Result<u16> {
    match kind {
        Kind::Relay => {
            let mut options = MqttOptions::new("receiver", "127.0.0.1", mqtt);
            options.set_clean_session(true);
            let (client, mut events) = AsyncClient::new(options, 100);
            events.network_options.set_tcp_nodelay(true);
            client.subscribe("alarm", QoS::AtLeastOnce).await?;
            tokio::spawn(async move {
                let _client = client;
                while let Ok(event) = events.poll().await {
                    if let Event::Incoming(Packet::Publish(message)) = event {
                        let value = std::str::from_utf8(&message.payload).ok().and_then(|t| t.parse::<f64>().ok());
                        arrived(&arrivals, value.map_or(0, |v| v as u64));
                    }
                }
            });
            Ok(0)
        }
        Kind::SafetyBrain => {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            let port = listener.local_addr()?.port();
            let take = move |body: String| {
                for value in body.split("<valueName>value</valueName>").skip(1) {
                    let number = value
                        .split("<value>")
                        .nth(1)
                        .and_then(|v| v.split('<').next())
                        .and_then(|v| v.trim().parse::<f64>().ok());
                    arrived(&arrivals, number.map_or(0, |v| v as u64));
                }
                async { "ok" }
            };
            let app = axum::Router::new().route("/cap", axum::routing::post(take));
            tokio::spawn(async move { axum::serve(listener, app).await });
            Ok(port)
        }
    }
}

fn arrived(arrivals: &Arrivals, value: u64) {
    arrivals.lock().expect("no panic holds it").entry(value).or_insert_with(Instant::now);
}

fn broker(place: &Path, port: u16) -> anyhow::Result<Subject> {
    let file = place.join("mosquitto.conf");
    std::fs::write(
        &file,
        format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_inflight_messages 1000\nmax_queued_messages 2000000\n"
        ),
    )?;
    let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].iter().map(Path::new).find(|p| p.exists());
    let program = program.context("mosquitto is not installed: apt-get install mosquitto")?;
    let broker = Subject::start(program, &["-c", &file.display().to_string()], &place.join("mosquitto.log"))?;
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(broker);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("mosquitto does not listen on port {port}")
}

fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// One append and `fdatasync` in a preallocated file of this disk, median of 200, milliseconds.
fn sync_ms(folder: &Path) -> anyhow::Result<f64> {
    let mut file = std::fs::File::create(folder.join("sync"))?;
    file.write_all(&vec![0; 1 << 20])?;
    file.sync_all()?;
    file.rewind()?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&[1; 256])?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(percentile(&times, 0.5))
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * share).round() as usize).copied().unwrap_or(f64::NAN)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, 0.5)
}

fn table(args: &Args, figures: &BTreeMap<Kind, Figures>, sync: f64) -> String {
    let mut out = String::new();
    let (relay, ours) = (&figures[&Kind::Relay], &figures[&Kind::SafetyBrain]);
    let mut row = |name: &str, relay: f64, ours: f64, note: &str| {
        let _ = writeln!(out, "| {name} | {relay:.2} | {ours:.2} | {:.2} | {note} |", ours / relay);
    };
    row("saturation, readings/s, QoS 1", median(&relay.saturation), median(&ours.saturation), "ours / relay; target >= 0.5");
    for rate in &args.rates {
        let (r, o) = (&relay.latency[rate], &ours.latency[rate]);
        let added =
            format!("added {:.2} ms; target <= {:.2}; lost {} / {}", median(&o.p50) - median(&r.p50), sync + 1.0, r.lost, o.lost);
        row(&format!("publish to alarm p50 at {rate}/s, ms"), median(&r.p50), median(&o.p50), &added);
        row(&format!("p99 at {rate}/s, ms"), median(&r.p99), median(&o.p99), "");
        row(&format!("p99.9 at {rate}/s, ms"), median(&r.p999), median(&o.p999), "");
        row(&format!("CPU s in {} s at {rate}/s", args.seconds), median(&r.cpu), median(&o.cpu), "");
    }
    row("idle memory, MB", median(&relay.idle_mb), median(&ours.idle_mb), "");
    row("peak memory, MB", median(&relay.peak_mb), median(&ours.peak_mb), "");
    format!(
        "one fdatasync on this disk: {sync:.2} ms (median)\n\n| | plain relay (nothing kept) | safety-brain (durable) | ratio | |\n|---|---|---|---|---|\n{out}"
    )
}
