//! Who comes in, to a plant's console and to a bureau's: the listener, sign-in and sign-out, and which route needs which right.
//! Must not know: what lies behind a route.

use super::access::{self, Caller, Right};
use super::asked::{Sent, SignIn};
use super::problem::{Code, Problem};
use super::routes::{Route, openapi};
use super::sessions::Sessions;
use super::{ARRIVE_MAX, gate, shape};
use crate::config::types::Person;
use anyhow::{Context, bail};
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use brain::site::Mode;
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

/// Largest request body, bytes.
const BODY_MAX: usize = 256 * 1024;
/// A reader that takes nothing for this long is dropped: its socket would hold memory for ever.
const USER_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for open answers at stop; a frozen reader would hold the process otherwise.
const STOP_DEADLINE: Duration = Duration::from_millis(600);

/// Who may come in, and to what.
pub(crate) struct Inside {
    /// Who may sign in.
    pub(super) people: Vec<Person>,
    /// Actual, exercise or test: shown on every page.
    pub(super) mode: Mode,
    /// Where open sessions are kept over a restart; none = nowhere.
    pub(super) sessions: Option<PathBuf>,
    /// Every route. One that is not here lets nobody pass.
    pub(super) routes: &'static [Route],
}

/// The door of one console; a clone is the same door.
#[derive(Clone)]
pub(crate) struct Door(Arc<Kept>);

impl Deref for Door {
    type Target = Kept;
    fn deref(&self) -> &Kept {
        &self.0
    }
}

/// What is kept at the door.
pub(crate) struct Kept {
    pub(super) people: Vec<Person>,
    pub(super) loopback: bool,
    pub(super) secure: bool,
    /// Different for every start of the program: command keys we make ourselves never repeat.
    pub(super) run: String,
    pub(super) sessions: Sessions,
    pub(super) stop: CancellationToken,
    pub(super) mode: Mode,
    routes: &'static [Route],
    openapi: OnceLock<Value>,
    gate: gate::Gate,
}

impl Door {
    /// The door at a listener.
    ///
    /// # Errors
    /// A listener beyond loopback without TLS.
    pub(super) fn new(listener: &TcpListener, secure: bool, inside: Inside, stop: CancellationToken) -> anyhow::Result<Door> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() && !secure {
            bail!("{address} is not loopback: give [console.tls] a certificate and a key");
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let Inside { people, mode, sessions, routes } = inside;
        Ok(Door(Arc::new(Kept {
            loopback: address.ip().is_loopback(),
            secure,
            run: format!("{}-{since}", std::process::id()),
            sessions: Sessions::restored(sessions.as_deref(), &people),
            people,
            stop,
            mode,
            routes,
            openapi: OnceLock::new(),
            gate: gate::Gate::default(),
        })))
    }

    /// Serves what lies behind the door until it is to stop.
    ///
    /// # Errors
    /// Certificates that cannot be read; a listener that fails.
    pub(super) async fn serve(
        self,
        listener: TcpListener,
        tls: Option<(PathBuf, PathBuf)>,
        app: impl FnOnce(&Door) -> Router,
    ) -> anyhow::Result<()> {
        let app = app(&self).into_make_service_with_connect_info::<SocketAddr>();
        listener.set_nonblocking(true)?;
        // Accepted sockets inherit it.
        socket2::SockRef::from(&listener).set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        let handle = axum_server::Handle::new();
        let (ending, stop, gate) = (handle.clone(), self.stop.clone(), self.gate.clone());
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
                    let config =
                        config.with_context(|| format!("cannot read {} and {}", certificate.display(), key.display()))?;
                    let server = axum_server::from_tcp_rustls(listener, config)?.map(|tls| tls.acceptor(gate));
                    patient(server).handle(handle).serve(app).await?;
                }
                None => patient(axum_server::from_tcp(listener)?.acceptor(gate)).handle(handle).serve(app).await?,
            }
            anyhow::Ok(())
        };
        let (served, (), ()) = tokio::join!(served, graceful, self.sessions.keep(&self.stop));
        served
    }
}

/// Routes that only those pass who may, and pages that everybody sees.
pub(super) fn guarded<S>(api: Router<S>, pages: Router<S>, door: &Door) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    api.route_layer(middleware::from_fn_with_state(door.clone(), permit))
        .merge(pages)
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(door.clone(), access::guard))
}

/// A server that waits for a request, but not for ever.
fn patient<A>(mut server: axum_server::Server<SocketAddr, A>) -> axum_server::Server<SocketAddr, A> {
    let builder = server.http_builder();
    builder.http1().header_read_timeout(ARRIVE_MAX);
    builder.http2().keep_alive_interval(ARRIVE_MAX).keep_alive_timeout(ARRIVE_MAX);
    server.first_request_timeout(ARRIVE_MAX)
}

/// Looks a route up and lets only those pass who have its right. A route that is not in the table lets nobody pass.
async fn permit(State(door): State<Door>, path: MatchedPath, mut request: Request, next: Next) -> Response {
    let method = if request.method() == Method::HEAD { "get".to_owned() } else { request.method().as_str().to_ascii_lowercase() };
    let Some(route) = door.routes.iter().find(|route| route.method == method && route.path == path.as_str()) else {
        let detail = format!("{} {} is not in the table of routes, see /api/v1/openapi.json", request.method(), path.as_str());
        return Problem::new(Code::Method, detail).into_response();
    };
    if route.right != Right::Open {
        match access::allowed(&door, request.headers(), route.right) {
            Ok(caller) => {
                if let Some(ConnectInfo(from)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
                    door.gate.known(*from, &caller.who.name);
                }
                request.extensions_mut().insert(caller)
            }
            Err(problem) => return problem.into_response(),
        };
    }
    next.run(request).await
}

/// Nothing is served here.
async fn nowhere(uri: Uri) -> Problem {
    Problem::new(Code::Route, format!("{} is no page and no route, see /api/v1/openapi.json", uri.path()))
}

fn session(door: &Door, caller: &Caller) -> shape::Session {
    let can = |right: Right| right.of(caller.who.role);
    shape::Session {
        name: caller.who.name.clone(),
        role: caller.who.role.word().to_owned(),
        can: shape::Can { see: can(Right::See), act: can(Right::Act), lead: can(Right::Lead) },
        mode: shape::ModeWord(door.mode),
    }
}

/// Who am I.
pub(super) async fn who(State(door): State<Door>, headers: HeaderMap) -> Result<Json<shape::Session>, Problem> {
    Ok(Json(session(&door, &access::caller(&door, &headers)?)))
}

/// Begins a session.
pub(super) async fn sign_in(
    State(door): State<Door>,
    headers: HeaderMap,
    Sent(SignIn { token }): Sent<SignIn>,
) -> Result<Response, Problem> {
    let who = access::person(&door.people, &token).ok_or_else(Problem::unknown_person)?;
    let id = door.sessions.begin(who, Instant::now()).map_err(|error| Problem::new(Code::NotRecorded, format!("{error:#}")))?;
    if let Some(known) = access::session(&door, &headers) {
        door.sessions.end(&known);
    }
    let answer = Json(session(&door, &Caller { who: who.clone(), session: None }));
    Ok(([(header::SET_COOKIE, access::cookie(&door, &id))], answer).into_response())
}

/// Ends a session.
pub(super) async fn sign_out(State(door): State<Door>, headers: HeaderMap) -> Response {
    if let Some(known) = access::session(&door, &headers) {
        door.sessions.end(&known);
    }
    let gone = format!("{}; Max-Age=0", access::cookie(&door, ""));
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response()
}

/// What the routes are.
pub(super) async fn description(State(door): State<Door>) -> Json<Value> {
    Json(door.openapi.get_or_init(|| openapi(door.routes)).clone())
}
