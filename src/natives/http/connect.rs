//! The connections of a context's client: kept for the next exchange, and closed with the context.

use super::{
    location::{is_secure, port},
    wire::Stream,
};
use crate::{
    error::{Error, ErrorKind, Result},
    native::Caller,
    natives::net::{
        dial::{self, CONNECT_LIMIT},
        tls::{self, Roots},
    },
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::{Uri, rt::Executor};
use hyper_util::{
    client::legacy::{
        self,
        connect::{Connected, Connection},
    },
    rt::{TokioIo, TokioTimer},
};
use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::rustls::ClientConfig;
use tower_service::Service;

/// One per context and root of trust.
pub(super) type Client = legacy::Client<Connector, Full<Bytes>>;

/// How long a connection is kept that nobody uses. Servers close theirs after a minute or so, and
/// what is sent just then is lost.
const IDLE: Duration = Duration::from_secs(30);

/// How many connections to one server are kept.
const MOST_IDLE: usize = 8;

/// How many roots of its own a context has connections for.
const MOST_ROOTS: usize = 8;

/// The clients of one context.
#[derive(Default)]
pub(super) struct Clients {
    /// Each with the root that it trusts instead of the system's.
    clients: Mutex<Vec<(Option<Bytes>, Client)>>,
    /// What the bodies that are coming take together, in bytes.
    received: AtomicUsize,
}

impl Clients {
    /// The client that trusts `ca` (PEM), or the roots of the system.
    pub(super) fn client(&self, caller: &Caller, roots: &Arc<Roots>, ca: Option<Bytes>) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(root, _)| *root == ca) {
            return client.clone();
        }
        let connector = Connector(Arc::new(Way {
            caller: caller.clone(),
            roots: roots.clone(),
            trusted: tls::Options { ca: ca.clone(), ..tls::Options::default() },
            config: OnceCell::new(),
        }));
        let client = legacy::Client::builder(Tasks(caller.clone()))
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .build(connector);
        if clients.len() >= MOST_ROOTS {
            clients.remove(0);
        }
        clients.push((ca, client.clone()));
        client
    }
}

/// What one body takes while it is coming.
pub(super) struct Share<'a>(&'a Clients, usize);

impl<'a> Share<'a> {
    pub(super) fn new(clients: &'a Clients) -> Self {
        Self(clients, 0)
    }

    /// Counts `bytes` more.
    ///
    /// # Errors
    /// `memory` if the bodies of the context then take more than `most` together. None of them waits
    /// for another: each might need what the others have.
    pub(super) fn add(&mut self, bytes: usize, most: usize) -> Result<()> {
        self.1 += bytes;
        if self.0.received.fetch_add(bytes, Relaxed) + bytes > most {
            let message = format!("the bodies of the exchanges take more than {most} bytes");
            return Err(Error::new(ErrorKind::Memory, message));
        }
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.0.received.fetch_sub(self.1, Relaxed);
    }
}

/// Runs what drives a connection beside the calls of the context; idle ones keep no program alive.
#[derive(Clone)]
struct Tasks(Caller);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.0.attend(task);
    }
}

/// Connects where the context may.
#[derive(Clone)]
pub(super) struct Connector(Arc<Way>);

struct Way {
    caller: Caller,
    roots: Arc<Roots>,
    trusted: tls::Options,
    /// Made for the first connection that needs it.
    config: OnceCell<Arc<ClientConfig>>,
}

impl Way {
    async fn connect(&self, uri: &Uri) -> Result<Box<dyn Stream>> {
        let host = uri.host().unwrap_or_default();
        // An address of IPv6 is in brackets there.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if !is_secure(uri) {
            return Ok(Box::new(self.dial(host, port(uri)).await?));
        }
        let config = async { tls::client(&self.roots, &self.trusted).await.map(Arc::new) };
        // What is wrong with it is found before anybody is troubled.
        let config = self.config.get_or_try_init(|| config).await?.clone();
        let stream = self.dial(host, port(uri)).await?;
        Ok(Box::new(tls::connect(config, stream, host, CONNECT_LIMIT).await?))
    }

    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream> {
        dial::dial(&self.caller, host, port, CONNECT_LIMIT).await
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<TokioIo<Box<dyn Stream>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let way = self.0.clone();
        Box::pin(async move { way.connect(&uri).await.map(TokioIo::new) })
    }
}

impl Connection for Box<dyn Stream> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
