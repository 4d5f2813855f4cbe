//! `net.*`: sockets for scripts.
//!
//! A socket is a resource of the context that opened it. A call waits for it on the script's own
//! fiber; what comes in a callback is awaited by a task of the context.

pub(super) mod address;
mod callbacks;
mod datagrams;
pub(super) mod dial;
pub(super) mod failure;
mod listener;
mod scratch;
mod socket;
mod stream;
pub(super) mod tls;
#[cfg(unix)]
mod unix;
pub(super) mod waits;

use crate::{
    error::{Error, ErrorKind, Result},
    native::{Caller, Native},
    natives::milliseconds::Milliseconds,
    resources::Handle,
    value::{Function, Value},
};
use bytes::Bytes;
use datagrams::Datagrams;
use listener::Listener;
use socket::{Kind, Socket};
use std::sync::Arc;
use stream::{MOST, Reader, Stream, Turn, Writer};
use tls::Roots;
use tokio::time::Instant;

/// The natives of sockets.
pub(super) fn all(roots: &Arc<Roots>) -> Vec<Native> {
    let roots = roots.clone();
    vec![
        Native::asynchronous("net.connect", connect),
        Native::asynchronous("net.listen", listen),
        Native::asynchronous(
            "net.connect_tls",
            move |caller: Caller, host: String, port: u16, options: Option<tls::Options>| {
                connect_tls(roots.clone(), caller, host, port, options.unwrap_or_default())
            },
        ),
        Native::asynchronous("net.listen_tls", listen_tls),
        Native::asynchronous("net.connect_unix", connect_unix),
        Native::asynchronous("net.listen_unix", listen_unix),
        Native::asynchronous("net.udp_bind", udp_bind),
        Native::asynchronous("net.send_to", send_to),
        Native::asynchronous("net.recv_from", recv_from),
        Native::asynchronous("net.accept", accept),
        Native::asynchronous("net.send", |caller: Caller, c: Handle, data: Bytes| {
            send(begin(&caller, c, Stream::writer), data)
        }),
        Native::asynchronous("net.shutdown", |caller: Caller, c: Handle| {
            shutdown(begin(&caller, c, Stream::writer))
        }),
        Native::asynchronous("net.recv", |caller: Caller, c: Handle, most: Option<usize>| {
            recv(begin(&caller, c, Stream::reader), size(&caller, most))
        }),
        Native::asynchronous("net.recv_line", |caller: Caller, c: Handle, most: Option<usize>| {
            recv_line(begin(&caller, c, Stream::reader), size(&caller, most))
        }),
        Native::asynchronous("net.recv_exact", |caller: Caller, c: Handle, n: usize| {
            // To take nothing is no mistake here: a length that was read may be 0.
            let n = if n == 0 { Ok(0) } else { size(&caller, Some(n)) };
            recv_exact(begin(&caller, c, Stream::reader), n)
        }),
        Native::closing("net.close", |caller: Caller, h: Handle| Socket::close(&caller, h)),
        Native::sync("net.peer", |caller: Caller, c: Handle| Socket::find(&caller, c)?.peer()),
        Native::sync("net.address", |caller: Caller, h: Handle| -> Result<Value> {
            Ok(Socket::find(&caller, h)?.address())
        }),
        Native::sync("net.timeout", |caller: Caller, h: Handle, ms: Option<Milliseconds>| {
            Socket::find(&caller, h)
                .map(|socket| socket.waits.set_limit(ms.map(Milliseconds::duration)))
        }),
        Native::sync("net.on_connect", |caller: Caller, l: Handle, f: Function| {
            callbacks::on_connect(&caller, l, f)
        }),
        Native::sync("net.on_data", |caller: Caller, c: Handle, f: Function| {
            callbacks::on_data(&caller, c, f)
        }),
        Native::sync("net.on_close", |caller: Caller, c: Handle, f: Function| {
            callbacks::on_close(&caller, c, f)
        }),
    ]
}

async fn connect(
    caller: Caller,
    host: String,
    port: u16,
    limit: Option<Milliseconds>,
) -> Result<Handle> {
    let limit = limit.map_or(dial::CONNECT_LIMIT, Milliseconds::duration);
    let stream = dial::dial(&caller, &host, port, limit).await?;
    Socket::keep(&caller, Kind::Stream(Stream::tcp(stream)))
}

async fn listen(caller: Caller, host: String, port: u16) -> Result<Handle> {
    let listener = dial::bind(&caller, &host, port).await?;
    Socket::keep(&caller, Kind::Listener(Listener::Tcp(listener)))
}

async fn connect_tls(
    roots: Arc<Roots>,
    caller: Caller,
    host: String,
    port: u16,
    options: tls::Options,
) -> Result<Handle> {
    let limit = options.timeout.unwrap_or(dial::CONNECT_LIMIT);
    let began = Instant::now();
    // What is wrong with the options is found before anybody is troubled.
    let config = Arc::new(tls::client(&roots, &options).await?);
    let stream = dial::dial(&caller, &host, port, limit).await?;
    let left = limit.saturating_sub(began.elapsed());
    let name = options.name.as_deref().unwrap_or(&host);
    let stream = tls::connect(config, stream, name, left).await?;
    Socket::keep(&caller, Kind::Stream(Stream::tls(stream.into())))
}

async fn listen_tls(
    caller: Caller,
    host: String,
    port: u16,
    options: tls::Options,
) -> Result<Handle> {
    // The permission comes before everything else.
    let listener = dial::bind(&caller, &host, port).await?;
    let acceptor = tls::server(&options)?;
    Socket::keep(&caller, Kind::Listener(Listener::tls(listener, acceptor)))
}

#[cfg(unix)]
async fn connect_unix(caller: Caller, path: Bytes) -> Result<Handle> {
    let stream = unix::connect(&caller, &path).await?;
    Socket::keep(&caller, Kind::Stream(stream))
}

#[cfg(unix)]
async fn listen_unix(caller: Caller, path: Bytes) -> Result<Handle> {
    let listener = unix::Listener::bind(&caller, &path).await?;
    Socket::keep(&caller, Kind::Listener(Listener::Unix(listener)))
}

#[cfg(not(unix))]
async fn connect_unix(_caller: Caller, _path: Bytes) -> Result<Handle> {
    Err(Error::new(ErrorKind::Unsupported, "this system has no Unix sockets"))
}

#[cfg(not(unix))]
use connect_unix as listen_unix;

async fn udp_bind(caller: Caller, host: String, port: u16) -> Result<Handle> {
    let socket = Datagrams::bind(&caller, &host, port).await?;
    Socket::keep(&caller, Kind::Datagrams(socket))
}

async fn send_to(
    caller: Caller,
    handle: Handle,
    host: String,
    port: u16,
    data: Bytes,
) -> Result<()> {
    let socket = Socket::find(&caller, handle)?;
    let sent = socket.datagrams()?.send_to(&caller, &host, port, &data);
    socket.waits.wait("send", sent).await
}

async fn recv_from(caller: Caller, handle: Handle, most: Option<usize>) -> Result<Value> {
    let socket = Socket::find(&caller, handle)?;
    let most = size(&caller, most)?;
    socket.waits.wait("receive", socket.datagrams()?.recv_from(most)).await
}

async fn accept(caller: Caller, handle: Handle) -> Result<Handle> {
    let socket = Socket::find(&caller, handle)?;
    let listener = socket.listener()?;
    socket.check_free()?;
    let stream = socket.waits.wait("accept", async { Ok(listener.accept().await) }).await?;
    Socket::keep(&caller, Kind::Stream(stream))
}

/// A call of a connection with its place in the row of those calls.
type Begun<T> = Result<(Arc<Socket>, Turn<T>)>;

/// Must happen when the call is made: that is what its place is decided by.
fn begin<T>(caller: &Caller, handle: Handle, turn: impl FnOnce(&Stream) -> Turn<T>) -> Begun<T> {
    let socket = Socket::find(caller, handle)?;
    let turn = turn(socket.stream()?);
    Ok((socket, turn))
}

async fn send(call: Begun<Writer>, data: Bytes) -> Result<()> {
    let (socket, turn) = call?;
    let sent = socket.waits.wait("send", async { turn.come().await.send(&data).await }).await;
    // A script that only sends learns of the end in no other way.
    if sent.as_ref().is_err_and(|error| error.kind() == ErrorKind::Transport) {
        socket.ended.raise();
    }
    sent
}

async fn shutdown(call: Begun<Writer>) -> Result<()> {
    let (socket, turn) = call?;
    socket.waits.wait("shutdown", async { turn.come().await.shutdown().await }).await
}

async fn recv(call: Begun<Reader>, most: Result<usize>) -> Result<Option<Bytes>> {
    let ((socket, turn), most) = (call?, most?);
    received(&socket, async { turn.come().await.recv(most).await }).await
}

async fn recv_line(call: Begun<Reader>, most: Result<usize>) -> Result<Option<Bytes>> {
    let ((socket, turn), most) = (call?, most?);
    received(&socket, async { turn.come().await.recv_line(most).await }).await
}

async fn recv_exact(call: Begun<Reader>, n: Result<usize>) -> Result<Option<Bytes>> {
    let ((socket, turn), n) = (call?, n?);
    received(&socket, async { turn.come().await.recv_exact(n).await.map(Some) }).await
}

/// Waits for what is received, and remembers the end.
async fn received(
    socket: &Socket,
    read: impl Future<Output = Result<Option<Bytes>>>,
) -> Result<Option<Bytes>> {
    socket.check_free()?;
    let result = socket.waits.wait("receive", read).await;
    match &result {
        Ok(None) => socket.ended.raise(),
        Err(error) if error.kind() == ErrorKind::Transport => socket.ended.raise(),
        _ => {}
    }
    result
}

/// How much a call may take at once: what its language may be given, at the most.
fn size(caller: &Caller, most: Option<usize>) -> Result<usize> {
    let (most, limit) = (most.unwrap_or(MOST), caller.value_bytes);
    match most {
        0 => Err(Error::new(ErrorKind::Range, "at least 1 byte has to be taken")),
        _ if most > limit && most > MOST => {
            Err(Error::new(ErrorKind::Range, format!("{most} bytes: a value has {limit} at most")))
        }
        _ => Ok(most.min(limit)),
    }
}
