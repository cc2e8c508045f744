//! The console: API, one event stream, sign-in, the embedded pages. The only home of axum.
//! Must not know: the journal, the store, rules, channels. What it cannot read from the [`View`] it asks for by [`Ask`].

mod access;
mod accident;
mod api;
mod aside;
mod asked;
mod bureau;
mod callback;
mod door;
mod duty;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod health;
mod history;
mod metrics;
mod pages;
mod performance;
mod present;
mod problem;
mod queries;
mod routes;
mod rules;
mod series;
mod sessions;
mod shape;
mod slip;
mod stream;
mod tag;
mod titles;
mod view;

pub use bureau::{
    Ask as BureauAsk, Backend as BureauBackend, NotTaken, PlantRow, Pulse as BureauPulse, Reply as BureauReply,
    View as BureauView, Why, serve as serve_bureau,
};
pub use present::{Levels, Standing, standing};
pub use sessions::FILE as SESSIONS;
pub use view::{Facts, Part, View};

use crate::config::types::{Company, Person};
use axum::extract::FromRef;
use brain::alarm::Person as Name;
use brain::event::Refusal;
use brain::notice::OutboxRow;
use brain::site::Mode;
use brain::{Act, Alarm, Micros, NoticeId, Quality};
use door::{Door, Inside};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Largest bundle of a rule, bytes: a component of 32 MiB and what stands around it.
const BUNDLE_MAX: usize = 33 << 20;
/// Longest that a request may take to arrive: its head, and again its body. A connection without a request ends too.
const ARRIVE_MAX: Duration = Duration::from_secs(10);

/// What the console needs from the rest of the program.
#[derive(Clone)]
pub struct Backend {
    /// The present.
    pub view: watch::Receiver<Arc<View>>,
    /// Everything else.
    pub ask: mpsc::Sender<Ask>,
    /// Who may sign in.
    pub people: Vec<Person>,
    /// Who runs the plant, for reports.
    pub company: Company,
    /// Actual, exercise or test: shown on every page.
    pub mode: Mode,
    /// Rules may run for which nobody vouches: shown on every page.
    pub unsigned: bool,
    /// Who signed what the site file names, by rule; one that is missing nobody signed.
    pub publishers: BTreeMap<String, String>,
    /// Where open sessions are kept over a restart; none = nowhere.
    pub sessions: Option<PathBuf>,
}

/// One event of the record, for pages.
pub struct EventRow {
    /// Sequence number.
    pub seq: u64,
    /// Brain time.
    pub at: Micros,
    /// Kind word.
    pub kind: String,
    /// The record as JSON text.
    pub body: String,
}

/// One point of a trend.
pub struct Point {
    /// Arrival.
    pub at: Micros,
    /// Tag unit.
    pub value: f64,
    /// May it be believed.
    pub quality: Quality,
}

/// What was found in the past.
pub struct Found<T> {
    /// In order.
    pub rows: Vec<T>,
    /// Where the next page begins; none = this was the last.
    pub next: Option<u64>,
    /// UTC dates of days asked for that are not whole: rows of theirs may be missing.
    pub incomplete: Vec<String>,
}

/// Which records; nothing given = all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// Kind of event, `outcome`, or a kind of outcome.
    pub kind: Option<String>,
    /// Only what names this alarm or a notice of it: its history.
    pub alarm: Option<u64>,
    /// Only alarms and notices of this zone.
    pub zone: Option<String>,
    /// Only from this time on.
    pub from: Option<Micros>,
    /// Only before this time.
    pub to: Option<Micros>,
}

/// Rows, and where the next page begins; or why there are none.
pub type Paged<T> = Result<(Vec<T>, Option<u64>), String>;

/// What the daemon is asked for.
pub enum Ask {
    /// A person's act; answered once it is on disk. A dropped reply means that nothing was recorded.
    Act {
        /// Idempotency key.
        command: String,
        /// Who.
        by: Name,
        /// What.
        act: Act,
        /// Sequence number that covers it, or why not.
        reply: oneshot::Sender<Result<u64, Refusal>>,
    },
    /// A bundle for a rule: admitted, kept, and on record.
    Install {
        /// Rule name.
        rule: String,
        /// Its bytes.
        bundle: Vec<u8>,
        /// Idempotency key.
        command: String,
        /// Who.
        by: Name,
        /// As for an act; or everything that speaks against the bundle.
        reply: oneshot::Sender<Result<Result<u64, Refusal>, Vec<String>>>,
    },
    /// The record after a sequence number.
    Events {
        /// After this number.
        after: u64,
        /// At most so many.
        limit: usize,
        /// Of these.
        which: Which,
        /// Rows, and where the next page begins.
        reply: oneshot::Sender<Result<Found<EventRow>, String>>,
    },
    /// Alarms of all time, newest first.
    Alarms {
        /// Older than this number.
        before: Option<u64>,
        /// At most so many.
        limit: usize,
        /// Rows, and where the next page begins.
        reply: oneshot::Sender<Paged<Alarm>>,
    },
    /// Notices of all time, newest first.
    Notices {
        /// Older than this number.
        before: Option<NoticeId>,
        /// At most so many.
        limit: usize,
        /// Rows, and where the next page begins.
        reply: oneshot::Sender<Paged<OutboxRow>>,
    },
    /// One tag over time, thinned so that extremes stay.
    Series {
        /// Tag name.
        tag: String,
        /// From, arrival time.
        from: Micros,
        /// To.
        to: Micros,
        /// At most about so many.
        points: usize,
        /// Points in order.
        reply: oneshot::Sender<Result<Found<Point>, String>>,
    },
    /// The message of a notice as it was sent.
    CapOf {
        /// Which.
        notice: NoticeId,
        /// XML; none where the notice is unknown or is no CAP message; or why there is no answer.
        reply: oneshot::Sender<Result<Option<String>, String>>,
    },
    /// A call-back that is nobody's answer.
    Refused {
        /// Over whose line it came.
        over: String,
        /// Why, and who is meant by it.
        detail: String,
        /// Once it is on record.
        reply: oneshot::Sender<()>,
    },
    /// The bureau's answer.
    CapReceived {
        /// XML.
        body: Vec<u8>,
        /// Whose token it came with: goes into the record beside the name in the message.
        over: String,
        /// Taken, or why not.
        reply: oneshot::Sender<Result<(), String>>,
    },
}

/// What every route of a plant can reach.
pub(crate) struct Console {
    backend: Backend,
    door: Door,
    frames: Arc<stream::Frames>,
    queries: queries::Queries,
    refusals: callback::Refusals,
}

impl FromRef<Arc<Console>> for Door {
    fn from_ref(console: &Arc<Console>) -> Door {
        console.door.clone()
    }
}

/// Serves until `stop`, then says good-bye to open streams and returns.
///
/// # Errors
/// A listener beyond loopback without TLS, certificates that cannot be read.
pub async fn serve(
    listener: std::net::TcpListener,
    tls: Option<(PathBuf, PathBuf)>,
    backend: Backend,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let inside =
        Inside { people: backend.people.clone(), mode: backend.mode, sessions: backend.sessions.clone(), routes: routes::ROUTES };
    let door = Door::new(&listener, tls.is_some(), inside, stop.clone())?;
    let console = Arc::new(Console {
        frames: stream::Frames::of_plant(backend.view.clone(), (backend.mode, backend.unsigned), stop),
        queries: queries::Queries::of(&backend.people),
        refusals: callback::Refusals::default(),
        door: door.clone(),
        backend,
    });
    let pages = pages::router("index.html");
    door.serve(listener, tls, |door| door::guarded(api::router(), pages, door).with_state(console)).await
}
