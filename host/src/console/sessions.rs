//! Who is signed in with a browser: opaque random ids, kept in memory only, so that a stop of the program ends them all.
//! Must not know: HTTP, tokens.

use crate::config::types::Person;
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

/// All sessions.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<HashMap<Key, Session>>,
}

impl Sessions {
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
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        // Every change is one call of the map: a thread that died left it whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        Person { name: name.into(), role: Role::Viewer, token_sha256: [0; 32] }
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
