//! `safety-brain demo`: sets everything up and runs the main job on a simulated plant, with real parts on loopback.
//! Owns: ports, folders, the sign-in link. Must not know: what the plant does, how the daemon works.

use crate::config::Config;
use crate::config::types::{Anchors, Channel, LinkKind, Publisher, Role, Secret};
use crate::daemon::{self, Options};
use crate::demo::{broker, bureau, plant};
use crate::key::Key;
use crate::rules::{Package, build, bundle};
use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// Set everything up and run the main job on a simulated plant.
#[derive(clap::Args)]
#[command(after_help = after!("stopped by Ctrl-C or SIGTERM", "could not start, or failed", "demo", "demo --port 8081 --seed 7 --data /tmp/demo"))]
pub struct DemoArgs {
    /// Seed of the simulated plant: the same seed gives the same story
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Port of the console on 127.0.0.1; 0 = any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where the demonstration keeps its journal and store; start again with the same folder and it continues
    #[arg(long, value_name = "DIR", default_value = "data/demo")]
    data: PathBuf,
    /// How much faster than life the plant's story runs
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
}

/// How long the simulated officer takes to answer.
const OFFICER_TAKES: Duration = Duration::from_secs(4);

/// Runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// Whatever set-up step failed, with what to do about it.
pub fn run(args: DemoArgs) -> anyhow::Result<()> {
    if !(args.speed > 0.0 && args.speed <= 100.0) {
        bail!("--speed {}: choose more than 0, at most 100", args.speed);
    }
    let workspace = workspace()?;
    let plugins = args.data.join("plugins");
    std::fs::create_dir_all(&plugins).with_context(|| format!("cannot make {}", plugins.display()))?;
    let journal = args.data.join(crate::journal::FOLDER);
    if journal.exists() && crate::journal::hold(&journal)?.is_none() {
        bail!("another demo is running on {}: stop it, or use another folder with --data", args.data.display());
    }
    let console = listen(args.port, "--port")?;
    let mut config = super::load(&workspace.join("configs/demo.toml"))?;
    let needed: BTreeSet<(&str, &str)> = config.rules.iter().map(|rule| (rule.plugin.as_str(), rule.version.as_str())).collect();
    let (engine, key) = (super::engine()?, args.data.join("keys/publisher.key"));
    // This machine vouches for what it builds from source, and believes nobody else.
    let publisher = if key.exists() { Key::read(&key)? } else { Key::create(&key)? };
    for (plugin, version) in needed {
        let folder = workspace.join("plugins").join(plugin);
        let sources: Vec<PathBuf> =
            SHARED.iter().map(|shared| workspace.join(shared)).chain([folder.clone(), key.clone()]).collect();
        let path = plugins.join(bundle::file_name(plugin, version));
        if !is_fresh(&path, &sources) {
            super::say(format_args!("building rule {plugin} ..."));
            let component = build::component(&folder)?;
            let package = Package::from_bytes(&engine, &component, None).with_context(|| folder.display().to_string())?;
            build::write(&path, &bundle::sign(&publisher, &package, &component, false))?;
        }
    }
    let trusted = Publisher {
        name: "this-machine".to_owned(),
        key: publisher.public(),
        revoked: vec![],
        imports: vec!["log".to_owned(), "history".to_owned()],
    };
    config.publishers = vec![trusted];
    config.rules.iter_mut().for_each(|rule| rule.publisher = Some(0));

    let address = console.local_addr()?;
    let modbus = listen(0, "the simulated Modbus device")?;
    let receiver = listen(0, "the simulated bureau")?;
    let mqtt_port = listen(0, "the embedded broker")?.local_addr()?.port();
    let officer = token(&args.data, Role::Lead)?;
    let answers = token(&args.data, Role::Bureau)?;
    let places =
        Places { plugins, mqtt: mqtt_port, modbus: modbus.local_addr()?, bureau: receiver.local_addr()?, console: address };
    fit(&mut config, &places, &[(Role::Lead, &officer), (Role::Bureau, &answers)])?;

    let answer_url = format!("http://{address}/api/v1/cap");
    let begun = Box::new(move || {
        super::say("\n演示 DEMO · 模拟工厂  a simulated plant; nothing here is real and nothing leaves this machine");
        super::say(format_args!("打开控制台 open the console:  http://{address}/#token={}", officer.reveal()));
        super::say("停止 stop: Ctrl-C\n");
    });

    let data_dir = args.data.clone();
    super::work(async move {
        let stop = super::stop_on_signal()?;
        let scene = CancellationToken::new();
        broker::start(mqtt_port).await?;
        let (modbus, receiver) = (listening(modbus)?, listening(receiver)?);
        let officer = bureau::Officer { url: answer_url, token: answers.reveal().to_owned(), after: OFFICER_TAKES };
        let playing = tokio::spawn(plant::run(mqtt_port, modbus, args.seed, args.speed, scene.clone()));
        let answering = tokio::spawn(bureau::run(receiver, officer, scene.clone()));
        let result =
            daemon::run(config, Options { data_dir, ahead: None, engine, listener: console, begun, drill: None }, stop).await;
        scene.cancel();
        for (name, task) in [("the simulated plant", playing), ("the simulated bureau", answering)] {
            match tokio::time::timeout(Duration::from_millis(500), task).await {
                Ok(ended) => ended?.with_context(|| format!("{name} failed"))?,
                Err(_) => tracing::warn!("{name} did not stop in time"),
            }
        }
        result
    })
}

/// What every rule is made from, beside its own folder.
const SHARED: [&str; 4] = ["Cargo.lock", "Cargo.toml", "plugins/sdk", "wit"];

/// Whether a built rule is newer than everything it is made from.
fn is_fresh(built: &Path, sources: &[PathBuf]) -> bool {
    let Some(built) = modified(built) else { return false };
    sources.iter().all(|source| newest(source).is_some_and(|changed| changed < built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// The last change of a file, or of a folder and anything below it; none where something cannot be read.
fn newest(path: &Path) -> Option<SystemTime> {
    let mut last = modified(path)?;
    if path.is_dir() {
        for entry in path.read_dir().ok()? {
            last = last.max(newest(&entry.ok()?.path())?);
        }
    }
    Some(last)
}

fn listening(listener: TcpListener) -> anyhow::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(tokio::net::TcpListener::from_std(listener)?)
}

/// The checkout this program is run in: the demonstration builds the reference rules from source.
fn workspace() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
    here.ancestors().map(Path::to_owned).chain(built_in).find(|dir| dir.join("configs/demo.toml").exists() && dir.join("plugins/sdk").exists()).with_context(|| {
        format!("{} is not inside a checkout of safety-brain: the demo builds its rules from plugins/; change into the checkout and run again", here.display())
    })
}

fn listen(port: u16, what: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        format!("{what}: 127.0.0.1:{port} is taken or not allowed; choose another port, for example --port 8081")
    })
}

/// The token of one demonstration account: made once per data folder, readable by its owner only.
fn token(data: &Path, role: Role) -> anyhow::Result<Secret> {
    use std::io::{Read, Write};
    use std::os::unix::fs::OpenOptionsExt;
    let path = data.join(format!("{}.token", role.word()));
    // An empty file is what a crash left of one that was being made.
    if let Some(text) = std::fs::read_to_string(&path).ok().filter(|text| !text.trim().is_empty()) {
        return Ok(Secret::new(text.trim()));
    }
    let mut random = [0_u8; 24];
    std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut random)).context("no source of randomness")?;
    let text = format!("sb_{}_{}", role.word(), hex(&random));
    // Whole or not at all.
    let unfinished = path.with_extension("token.new");
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&unfinished, &path))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Secret::new(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Where this run's parts are.
struct Places {
    plugins: PathBuf,
    mqtt: u16,
    modbus: SocketAddr,
    bureau: SocketAddr,
    console: SocketAddr,
}

/// Puts this run's places and accounts into the demonstration's site file.
fn fit(config: &mut Config, places: &Places, tokens: &[(Role, &Secret)]) -> anyhow::Result<()> {
    config.plugins_dir = places.plugins.clone();
    config.console.bind = places.console;
    for link in &mut config.links {
        match &mut link.kind {
            LinkKind::Mqtt(link) => link.port = places.mqtt,
            LinkKind::Modbus(link) => link.port = places.modbus.port(),
            LinkKind::Calendar(_) | LinkKind::Scenario(_) => {}
            LinkKind::Recording(_) => bail!("configs/demo.toml: a recording has no place in the demonstration"),
        }
    }
    for channel in &mut config.channels {
        if let Channel::Cap(channel) = channel {
            channel.url = format!("http://{}/cap", places.bureau);
            channel.token = None;
            channel.anchors = Some(Anchors { url: format!("http://{}/anchor", places.bureau), every_s: 60 });
        }
    }
    for (role, token) in tokens {
        let person = config.people.iter_mut().find(|person| person.role == *role);
        let person = person.with_context(|| format!("configs/demo.toml: no person with role {:?}", role.word()))?;
        person.token_sha256 = Sha256::digest(token.reveal().as_bytes()).into();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_and_an_empty_one_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let made = token(folder.path(), Role::Lead).unwrap();
        assert!(made.reveal().len() > 40 && token(folder.path(), Role::Lead).unwrap() == made);
        std::fs::write(folder.path().join("lead.token"), "\n").unwrap();
        let again = token(folder.path(), Role::Lead).unwrap();
        assert!(again.reveal().len() > 40 && again != made);
        assert!(token(folder.path(), Role::Lead).unwrap() == again);
    }

    #[test]
    fn a_rule_is_built_again_when_anything_it_is_made_from_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let (built, source) = (folder.path().join("rule.wasm"), folder.path().join("rule/src/lib.rs"));
        let sources = [folder.path().join("rule")];
        std::fs::create_dir_all(source.parent().unwrap()).unwrap();
        let set = |path: &Path, hour: u64| {
            let file = std::fs::File::options().create(true).append(true).open(path).unwrap();
            file.set_modified(SystemTime::now() + Duration::from_secs(hour * 3600)).unwrap();
        };
        set(&source, 0);
        assert!(!is_fresh(&built, &sources), "never built");
        set(&built, 1);
        assert!(is_fresh(&built, &sources));
        set(&source, 2);
        assert!(!is_fresh(&built, &sources), "a source is newer");
        set(&built, 3);
        assert!(!is_fresh(&built, &[folder.path().join("gone")]), "what cannot be seen may be newer");
    }
}
