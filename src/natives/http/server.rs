//! The server: it accepts, each connection is a task of the context, and so it all ends with it.

use super::{
    answer::{self, Site},
    message::each_part,
    wire::{Stream, Wire},
};
use crate::{
    error::{Error, ErrorKind, Result},
    native::{Caller, Native},
    natives::{
        milliseconds::Milliseconds,
        net::{address::place, dial, tls},
    },
    resources::Handle,
    value::{FromValue, Function, Value},
};
use bytes::Bytes;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioTimer;
use std::{
    convert::Infallible, future::poll_fn, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// `http.serve(address, handler[, options])`.
pub(super) fn serve() -> Native {
    let native = |caller: Caller, address: String, handler: Function, options: Option<Value>| async move {
        let (mut limits, mut identity) = (Limits::default(), None);
        if let Some(options) = options {
            each_part(options, "a server", |name, value| match name {
                "cert" | "key" | "ca" => prove(identity.get_or_insert_default(), name, value),
                _ => limits.set(name, value),
            })?;
        }
        limits.most_body = limits.most_body.min(caller.value_bytes);
        let room = answer::kilobytes(limits.most_body.max(ALL_BODIES)) as usize;
        let (host, port) = split(&address)?;
        let listener = dial::bind(&caller, host, port).await?;
        let acceptor = identity.map(|identity| tls::server(&identity)).transpose()?;
        let address = listener.local_addr()?;
        let server = Arc::new(Server {
            listener: Mutex::new(Some(listener)),
            acceptor,
            address,
            closing: watch::Sender::new(false),
        });
        let handle = caller.keep(server.clone())?;
        let site =
            Arc::new(Site { caller: caller.clone(), handler, limits, room: Semaphore::new(room) });
        caller.spawn(accept(server, site));
        Ok::<_, Error>(handle)
    };
    Native::asynchronous("http.serve", native)
}

/// `http.address(server)`.
pub(super) fn address() -> Native {
    Native::sync("http.address", |caller: Caller, handle: Handle| {
        let server = caller.resource::<Arc<Server>>(handle)?;
        Ok::<_, Error>(place(server.address))
    })
}

/// `http.close(server)`.
pub(super) fn close() -> Native {
    Native::closing("http.close", |caller: Caller, handle: Handle| {
        match caller.release::<Arc<Server>>(handle) {
            Ok(server) => {
                server.closing.send_replace(true);
                Ok(Some(async move {
                    // Once it is back, the port is free.
                    server.listener.lock().await.take();
                }))
            }
            Err(error) if error.kind() == ErrorKind::Dead => Ok(None),
            Err(error) => Err(error),
        }
    })
}

/// Sets an option of TLS.
fn prove(identity: &mut tls::Options, name: &str, value: Value) -> Result<bool> {
    let text = Some(Bytes::from_value(value)?);
    match name {
        "cert" => identity.cert = text,
        "key" => identity.key = text,
        _ => identity.ca = text,
    }
    Ok(true)
}

/// The two parts of `host:port`.
fn split(address: &str) -> Result<(&str, u16)> {
    let parts = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let bad = || Error::new(ErrorKind::Type, format!("{address:?} is not of the form host:port"));
    let (host, port) = parts.ok_or_else(bad)?;
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(bad());
    }
    let range = |_| Error::new(ErrorKind::Range, format!("{port} is no port"));
    Ok((host, port.parse().map_err(range)?))
}

/// What the bodies of all requests of a server may take together, in bytes.
const ALL_BODIES: usize = 64 << 20;

/// What a server grants its clients.
pub(super) struct Limits {
    pub(super) most_body: usize,
    most_connections: usize,
    /// The head of a request, from the end of the one before.
    header_timeout: Duration,
    /// The whole body of one.
    pub(super) body_timeout: Duration,
    /// The handler, and each piece of a body that it gives in pieces.
    pub(super) handler_timeout: Duration,
    /// How long a client may take nothing of what it is sent.
    write_timeout: Duration,
    /// How long requests may go on once the server is closed.
    grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            most_body: 1 << 20,
            most_connections: 1024,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            handler_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Sets an option. `false`: there is none of this name.
    fn set(&mut self, name: &str, value: Value) -> Result<bool> {
        match name {
            "max_body" => self.most_body = usize::from_value(value)?,
            "max_connections" => {
                let most = usize::from_value(value)?;
                if !(1..=Semaphore::MAX_PERMITS).contains(&most) {
                    let message = format!("{most} is no number of connections");
                    return Err(Error::new(ErrorKind::Range, message));
                }
                self.most_connections = most;
            }
            "header_timeout" => self.header_timeout = Milliseconds::from_value(value)?.duration(),
            "body_timeout" => self.body_timeout = Milliseconds::from_value(value)?.duration(),
            "handler_timeout" => self.handler_timeout = Milliseconds::from_value(value)?.duration(),
            "write_timeout" => self.write_timeout = Milliseconds::from_value(value)?.duration(),
            "grace" => self.grace = Milliseconds::from_value(value)?.duration(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What a context keeps of a server.
struct Server {
    /// Who accepts has it.
    listener: Mutex<Option<TcpListener>>,
    /// Speaks TLS, if the server does.
    acceptor: Option<TlsAcceptor>,
    address: SocketAddr,
    closing: watch::Sender<bool>,
}

/// Accepts until the server is closed. Those for whom there is no place wait in the backlog.
async fn accept(server: Arc<Server>, site: Arc<Site>) {
    let places = Arc::new(Semaphore::new(site.limits.most_connections));
    let mut closing = server.closing.subscribe();
    let mut listener = server.listener.lock().await;
    let serve = async {
        while let (Some(listener), Ok(place)) = (&*listener, places.clone().acquire_owned().await) {
            let accepted = dial::accept(listener).await;
            site.caller.spawn(connection(accepted, server.clone(), site.clone(), place));
        }
    };
    tokio::select! {
        biased;
        _ = closing.wait_for(|closing| *closing) => {}
        () = serve => {}
    }
    listener.take();
}

/// Serves one connection to its end.
async fn connection(
    (stream, peer): (TcpStream, SocketAddr),
    server: Arc<Server>,
    site: Arc<Site>,
    _place: OwnedSemaphorePermit,
) {
    let (peer, limits) = (place(peer), &site.limits);
    let mut closing = server.closing.subscribe();
    let stream = tokio::select! {
        biased;
        _ = closing.wait_for(|closing| *closing) => return,
        opened = timeout(limits.header_timeout, open(stream, server.acceptor.as_ref())) => opened,
    };
    // Who takes too long or speaks no TLS is told nothing: there is no language for it.
    let Ok(Ok(stream)) = stream else { return };
    let wire = Wire::new(stream, limits.write_timeout);
    let service = service_fn(|request| {
        let (site, peer) = (site.clone(), peer.clone());
        Box::pin(async move { Ok::<_, Infallible>(answer::answer(&site, peer, request).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_header_size(MOST_HEAD)
        .max_buf_size(BUFFERS)
        .serve_connection(wire, service);
    // What ends it in error was between the client and hyper, which has told it what it could.
    let is_closed = tokio::select! {
        biased;
        _ = poll_fn(|cx| connection.poll_without_shutdown(cx)) => false,
        _ = closing.wait_for(|closing| *closing) => true,
    };
    if is_closed {
        Pin::new(&mut connection).graceful_shutdown();
        let rest = poll_fn(|cx| connection.poll_without_shutdown(cx));
        if timeout(limits.grace, rest).await.is_err() {
            return;
        }
    }
    connection.into_parts().io.linger().await;
}

/// The connection as HTTP runs on it.
async fn open(stream: TcpStream, acceptor: Option<&TlsAcceptor>) -> io::Result<Box<dyn Stream>> {
    match acceptor {
        None => Ok(Box::new(stream)),
        Some(acceptor) => Ok(Box::new(acceptor.accept(stream).await?)),
    }
}

/// How many bytes the head of a request may have.
const MOST_HEAD: usize = 64 << 10;

/// How many bytes hyper may keep for one connection, of what comes and of what goes.
const BUFFERS: usize = 128 << 10;
