//! Questions to the store: how many of one person are under way at a time, so that nobody takes the store from the others.
//! Must not know: what is asked.

use super::problem::{Code, Problem};
use crate::config::types::Person;
use std::collections::HashMap;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Of one person at a time; more wait (own default: a page asks two at once).
const EACH_MAX: usize = 4;

/// Places for questions, by name of the person.
pub(super) struct Queries {
    places: HashMap<String, Semaphore>,
}

impl Queries {
    /// For these people.
    pub(super) fn of(people: &[Person]) -> Queries {
        Queries { places: people.iter().map(|person| (person.name.clone(), Semaphore::new(EACH_MAX))).collect() }
    }

    /// Waits for one's turn, which lasts while the place is held.
    ///
    /// # Errors
    /// Nobody of that name.
    pub(super) async fn turn(&self, name: &str) -> Result<SemaphorePermit<'_>, Problem> {
        let places = self.places.get(name).ok_or_else(Problem::unknown_person)?;
        places.acquire().await.map_err(|_| Problem::new(Code::Stopping, "the program is stopping"))
    }
}
