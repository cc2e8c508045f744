//! The console: API, one event stream, sign-in, the embedded pages. The only home of axum.
//! Must not know: the journal, the store, rules, channels. What it cannot read from the [`View`] it asks for by [`Ask`].

mod access;
mod api;
mod aside;
mod asked;
mod duty;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod health;
mod metrics;
mod pages;
mod performance;
mod present;
mod problem;
mod queries;
mod routes;
mod rules;
mod sessions;
mod shape;
mod slip;
mod stream;
mod titles;
mod view;

pub use sessions::FILE as SESSIONS;
pub use view::{Facts, Part, View};

use crate::config::types::Person;
use anyhow::{Context, bail};
use axum::middleware;
use brain::alarm::Person as Name;
use brain::event::Refusal;
use brain::notice::OutboxRow;
use brain::site::Mode;
use brain::{Act, Alarm, Micros, NoticeId, Quality};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Largest request body, bytes.
const BODY_MAX: usize = 256 * 1024;
/// Largest bundle of a rule, bytes: a component of 32 MiB and what stands around it.
const BUNDLE_MAX: usize = 33 << 20;
/// Longest that a request may take to arrive: its head, and again its body. A connection without a request ends too.
const ARRIVE_MAX: Duration = Duration::from_secs(10);
/// A reader that takes nothing for this long is dropped: its socket would hold memory for ever.
const USER_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for open answers at stop; a frozen reader would hold the process otherwise.
const STOP_DEADLINE: Duration = Duration::from_millis(600);

/// What the console needs from the rest of the program.
#[derive(Clone)]
pub struct Backend {
    /// The present.
    pub view: watch::Receiver<Arc<View>>,
    /// Everything else.
    pub ask: mpsc::Sender<Ask>,
    /// Who may sign in.
    pub people: Vec<Person>,
    /// Actual, exercise or test: shown on every page.
    pub mode: Mode,
    /// Rules may run for which nobody vouches: shown on every page.
    pub unsigned: bool,
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

/// What every route can reach.
pub(crate) struct Console {
    backend: Backend,
    loopback: bool,
    secure: bool,
    /// Different for every start of the program: command keys we make ourselves never repeat.
    run: String,
    frames: stream::Frames,
    sessions: sessions::Sessions,
    queries: queries::Queries,
    gate: gate::Gate,
    stop: CancellationToken,
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
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() && tls.is_none() {
        bail!("{address} is not loopback: give [console.tls] a certificate and a key");
    }
    let frames = stream::Frames::start(backend.view.clone(), (backend.mode, backend.unsigned), stop.clone());
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let run = format!("{}-{since}", std::process::id());
    let gate = gate::Gate::default();
    let console = Arc::new(Console {
        run,
        loopback: address.ip().is_loopback(),
        secure: tls.is_some(),
        frames,
        sessions: sessions::Sessions::restored(backend.sessions.as_deref(), &backend.people),
        queries: queries::Queries::of(&backend.people),
        gate: gate.clone(),
        stop: stop.clone(),
        backend,
    });
    let keeping = Arc::clone(&console);
    let app = api::router()
        .route_layer(middleware::from_fn_with_state(Arc::clone(&console), api::permit))
        .merge(pages::router())
        .fallback(api::nowhere)
        .layer(axum::extract::DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&console), access::guard))
        .with_state(console)
        .into_make_service_with_connect_info::<SocketAddr>();
    listener.set_nonblocking(true)?;
    // Accepted sockets inherit it.
    socket2::SockRef::from(&listener).set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    let handle = axum_server::Handle::new();
    let ending = handle.clone();
    let graceful = async move {
        stop.cancelled().await;
        ending.graceful_shutdown(Some(STOP_DEADLINE));
    };
    let served = async {
        match tls {
            Some((certificate, key)) => {
                // A second provider in the process is nobody's fault here.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let config = axum_server::tls_rustls::RustlsConfig::from_pem_file(&certificate, &key).await;
                let config = config.with_context(|| format!("cannot read {} and {}", certificate.display(), key.display()))?;
                let server = axum_server::from_tcp_rustls(listener, config)?.map(|tls| tls.acceptor(gate));
                patient(server).handle(handle).serve(app).await?;
            }
            None => patient(axum_server::from_tcp(listener)?.acceptor(gate)).handle(handle).serve(app).await?,
        }
        anyhow::Ok(())
    };
    let (served, (), ()) = tokio::join!(served, graceful, keeping.sessions.keep(&keeping.stop));
    served
}

/// A server that waits for a request, but not for ever.
fn patient<A>(mut server: axum_server::Server<SocketAddr, A>) -> axum_server::Server<SocketAddr, A> {
    let builder = server.http_builder();
    builder.http1().header_read_timeout(ARRIVE_MAX);
    builder.http2().keep_alive_interval(ARRIVE_MAX).keep_alive_timeout(ARRIVE_MAX);
    server.first_request_timeout(ARRIVE_MAX)
}
