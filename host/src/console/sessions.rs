//! Who is signed in with a browser: opaque random ids, of which only the hashes are kept, in memory and in a file, so that a screen on the wall goes
//! on after a crash at night. A changed token ends the sessions begun with the one before. Must not know: HTTP, tokens.

use crate::config::types::Person;
use crate::hang::within;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;
use std::io::{Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Name of the file below the data folder.
pub const FILE: &str = "sessions.json";
/// Largest file that is read, bytes.
const FILE_MAX: u64 = 4 * 1024 * 1024;
/// The file is at most this much behind on when a session was last used.
const KEEP_EVERY: Duration = Duration::from_secs(600);

/// A session that nothing has used for this long is over: the longest shift and no more (own default).
pub const IDLE_MAX: Duration = Duration::from_secs(12 * 3600);
/// Sessions of one person at a time; the one unused for longest makes room. People are few, so this bounds them all.
const EACH_MAX: usize = 32;

/// SHA-256 of a session's id: the id itself is kept by the browser alone.
pub type Key = [u8; 32];

struct Session {
    who: Person,
    used: Instant,
}

/// A session in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The [`Key`], hexadecimal.
    key: String,
    /// Name of the person.
    person: String,
    /// Which token it was begun with: a hash of the token's hash.
    token: String,
    /// Last use, seconds since 1970.
    used: u64,
}

/// All sessions.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<HashMap<Key, Session>>,
    file: Option<PathBuf>,
    changed: Notify,
}

/// Names a token without telling anything of it.
fn mark(person: &Person) -> String {
    blake3::hash(&person.token_sha256).to_hex().to_string()
}

impl Sessions {
    /// Those of the file that are still good: begun by one of these people with the token they have now, and used lately.
    pub fn restored(file: Option<&Path>, people: &[Person]) -> Sessions {
        let kept = file.map(|file| {
            let of = file.to_owned();
            within(&format!("reading {}", file.display()), move || read(&of)).unwrap_or_else(|error| {
                tracing::warn!("everybody signs in again: {error:#}");
                Vec::new()
            })
        });
        let kept = kept.unwrap_or_default();
        let (now, wall) = (Instant::now(), seconds());
        let mut open: HashMap<Key, Session> = HashMap::new();
        for Kept { key, person, token, used } in kept {
            let who = people.iter().find(|who| who.name == person && mark(who) == token);
            let (Some(who), Ok(key)) = (who, blake3::Hash::from_hex(&key)) else { continue };
            let age = Duration::from_secs(wall.saturating_sub(used));
            let own = open.values().filter(|session| session.who.name == person).count();
            // Used in the future: the clock is behind, and nobody knows how long ago it was.
            if age < IDLE_MAX && own < EACH_MAX && used <= wall.saturating_add(60) {
                open.insert(*key.as_bytes(), Session { who: who.clone(), used: now.checked_sub(age).unwrap_or(now) });
            }
        }
        Sessions { open: Mutex::new(open), file: file.map(Path::to_owned), changed: Notify::new() }
    }

    /// Keeps the file up to date until `stop`. A disk that fails keeps nobody from working.
    pub async fn keep(&self, stop: &CancellationToken) {
        let Some(file) = &self.file else { return };
        let mut stopping = false;
        while !stopping {
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(KEEP_EVERY) => {}
                () = stop.cancelled() => stopping = true,
            }
            let (file, kept) = (file.clone(), self.kept());
            let written = tokio::task::spawn_blocking(move || write(&file, &kept)).await;
            if let Ok(Err(error)) = written {
                tracing::warn!("open sessions are not kept, a restart will end them: {error:#}");
            }
        }
    }

    fn kept(&self) -> Vec<Kept> {
        let (now, wall) = (Instant::now(), seconds());
        let open = self.open();
        let good = open.iter().filter(|(_, session)| now.saturating_duration_since(session.used) < IDLE_MAX);
        let kept = good.map(|(key, session)| Kept {
            key: blake3::Hash::from(*key).to_hex().to_string(),
            person: session.who.name.clone(),
            token: mark(&session.who),
            used: wall.saturating_sub(now.saturating_duration_since(session.used).as_secs()),
        });
        kept.collect()
    }

    /// Begins one, and gives its id: 256 random bits as hexadecimal digits.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn begin(&self, who: &Person, now: Instant) -> anyhow::Result<String> {
        let mut random = [0_u8; 32];
        getrandom::fill(&mut random).context("the system gives no random numbers")?;
        let id = random.iter().fold(String::with_capacity(64), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        });
        let mut open = self.open();
        open.retain(|_, session| now.saturating_duration_since(session.used) < IDLE_MAX);
        let own = || open.iter().filter(|(_, session)| session.who.name == who.name);
        if own().count() >= EACH_MAX {
            let oldest = own().min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
            oldest.and_then(|key| open.remove(&key));
        }
        open.insert(key(&id), Session { who: who.clone(), used: now });
        self.changed.notify_one();
        Ok(id)
    }

    /// Who it is, and that the session is in use; none once it is over.
    pub fn used(&self, key: &Key, now: Instant) -> Option<Person> {
        let mut open = self.open();
        let session = open.get_mut(key)?;
        if now.saturating_duration_since(session.used) >= IDLE_MAX {
            open.remove(key);
            return None;
        }
        session.used = now;
        Some(session.who.clone())
    }

    /// Ends one.
    pub fn end(&self, key: &Key) {
        self.open().remove(key);
        self.changed.notify_one();
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        // Every change is one call of the map: a thread that died left it whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What the file holds; nothing where there is none. One that cannot be read means signing in again, and nothing worse.
fn read(file: &Path) -> Vec<Kept> {
    let all = || -> anyhow::Result<Vec<Kept>> {
        let mut text = String::new();
        std::fs::File::open(file)?.take(FILE_MAX).read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    };
    all().unwrap_or_else(|error| {
        if file.exists() {
            tracing::warn!("{} cannot be read, everybody signs in again: {error:#}", file.display());
        }
        Vec::new()
    })
}

/// Whole or not at all, for the owner's eyes only.
fn write(file: &Path, kept: &[Kept]) -> anyhow::Result<()> {
    let part = file.with_extension("part");
    let write = || -> anyhow::Result<()> {
        let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        out.write_all(&serde_json::to_vec(kept)?)?;
        out.sync_all()?;
        Ok(std::fs::rename(&part, file)?)
    };
    write().with_context(|| format!("{} cannot be written", file.display()))
}

/// How a session is looked up.
pub fn key(id: &str) -> Key {
    Sha256::digest(id.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::types::Role;

    fn person(name: &str) -> Person {
        Person { name: name.into(), role: Role::Viewer, token_sha256: [0; 32], known_as: vec![], brings: Default::default() }
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_ends_for_good() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let after = |hours: u64| start + Duration::from_secs(hours * 3600);
        let a = key(&sessions.begin(&person("a"), start).unwrap());
        let b = key(&sessions.begin(&person("b"), start).unwrap());
        for (hours, of, expected) in [
            (11, a, Some("a")),
            (22, a, Some("a")),
            (12, b, None),
            (23, b, None),
            (33, a, Some("a")),
            (45, a, None),
            (45, a, None),
        ] {
            assert_eq!(sessions.used(&of, after(hours)).map(|who| who.name).as_deref(), expected, "after {hours} h");
        }
        let c = key(&sessions.begin(&person("c"), start).unwrap());
        sessions.end(&c);
        assert!(sessions.used(&c, start).is_none(), "ended at sign-out");
        assert!(sessions.used(&key(""), start).is_none() && sessions.used(&key("a"), start).is_none());
    }

    #[test]
    fn the_file_brings_back_what_is_still_good() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let people = ["a", "b", "c"].map(person);
        let sessions = Sessions::restored(Some(&file), &people);
        let now = Instant::now();
        let old = now.checked_sub(IDLE_MAX).unwrap();
        let [a, b, c] = [(0, now), (1, now), (2, old)].map(|(n, at)| key(&sessions.begin(&people[n], at).unwrap()));
        write(&file, &sessions.kept()).unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o777, 0o600);

        let mut changed = people.clone();
        changed[0].role = Role::Lead;
        changed[1].token_sha256 = [1; 32];
        let again = Sessions::restored(Some(&file), &changed);
        assert_eq!(again.used(&a, now).map(|who| who.role), Some(Role::Lead), "with the role of now");
        assert!(again.used(&b, now).is_none(), "another token");
        assert!(again.used(&c, now).is_none(), "unused too long");
        assert!(Sessions::restored(Some(&file), &people[1..]).used(&a, now).is_none(), "nobody of that name");
        assert!(Sessions::restored(None, &people).used(&a, now).is_none());
        for broken in ["", "[{", "{}", "[{\"key\": \"x\", \"person\": \"a\", \"token\": \"\", \"used\": 1}]"] {
            std::fs::write(&file, broken).unwrap();
            assert!(Sessions::restored(Some(&file), &people).open().is_empty(), "{broken}");
        }
    }

    #[test]
    fn sessions_are_bounded_and_one_person_cannot_end_those_of_another() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let other = key(&sessions.begin(&person("other"), start).unwrap());
        let ids: Vec<String> = (0..100).map(|n| sessions.begin(&person("a"), start + Duration::from_secs(n)).unwrap()).collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert!(distinct.len() == 100 && ids.iter().all(|id| id.len() == 64), "{ids:?}");
        let now = start + Duration::from_secs(100);
        let alive = ids.iter().filter(|id| sessions.used(&key(id), now).is_some()).count();
        assert_eq!(alive, EACH_MAX);
        assert!(sessions.used(&key(&ids[99]), now).is_some() && sessions.used(&key(&ids[0]), now).is_none());
        assert!(sessions.used(&other, now).is_some());
    }
}
