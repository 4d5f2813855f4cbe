//! `net.*`: sockets for scripts.
//!
//! A socket is a resource of the context that opened it. A call waits for it on the script's own
//! fiber; what comes in a callback is awaited by a task of the context.

mod address;
mod callbacks;
mod dial;
mod failure;
mod listener;
mod scratch;
mod socket;
mod stream;
mod waits;

use crate::{
    error::{Error, ErrorKind, Result},
    native::{Caller, Native},
    resources::Handle,
    value::{Function, Value},
};
use bytes::Bytes;
use listener::Listener;
use socket::{Kind, Socket};
use stream::{MOST, Stream};
use waits::Milliseconds;

/// The natives of sockets.
pub(super) fn all() -> Vec<Native> {
    vec![
        Native::asynchronous("net.connect", connect),
        Native::asynchronous("net.listen", listen),
        Native::asynchronous("net.accept", accept),
        Native::asynchronous("net.send", send),
        Native::asynchronous("net.recv", recv),
        Native::asynchronous("net.recv_line", recv_line),
        Native::asynchronous("net.recv_exact", recv_exact),
        Native::asynchronous("net.shutdown", shutdown),
        Native::sync("net.close", |caller: Caller, h: Handle| Socket::close(&caller, h)),
        Native::sync("net.peer", |caller: Caller, c: Handle| Socket::find(&caller, c)?.peer()),
        Native::sync("net.address", |caller: Caller, h: Handle| -> Result<Value> {
            Ok(Socket::find(&caller, h)?.address())
        }),
        Native::sync("net.timeout", |caller: Caller, h: Handle, ms: Option<Milliseconds>| {
            Socket::find(&caller, h).map(|socket| socket.waits.set_limit(ms.map(|ms| ms.0)))
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
    let limit = limit.map_or(dial::CONNECT_LIMIT, |limit| limit.0);
    let stream = dial::dial(&caller, &host, port, limit).await?;
    Socket::keep(&caller, Kind::Stream(Stream::tcp(stream)))
}

async fn listen(caller: Caller, host: String, port: u16) -> Result<Handle> {
    let listener = dial::bind(&caller, &host, port).await?;
    Socket::keep(&caller, Kind::Listener(Listener::tcp(listener)))
}

async fn accept(caller: Caller, handle: Handle) -> Result<Handle> {
    let socket = Socket::find(&caller, handle)?;
    let listener = socket.listener()?;
    socket.check_free()?;
    let stream = socket.waits.wait("accept", async { Ok(listener.accept().await) }).await?;
    Socket::keep(&caller, Kind::Stream(stream))
}

async fn send(caller: Caller, handle: Handle, data: Bytes) -> Result<()> {
    let socket = Socket::find(&caller, handle)?;
    socket.waits.wait("send", socket.stream()?.send(&data)).await
}

async fn recv(caller: Caller, handle: Handle, most: Option<usize>) -> Result<Option<Bytes>> {
    let socket = Socket::find(&caller, handle)?;
    let most = size(&caller, most)?;
    received(&socket, socket.stream()?.recv(most)).await
}

async fn recv_line(caller: Caller, handle: Handle, most: Option<usize>) -> Result<Option<Bytes>> {
    let socket = Socket::find(&caller, handle)?;
    let most = size(&caller, most)?;
    received(&socket, socket.stream()?.recv_line(most)).await
}

async fn recv_exact(caller: Caller, handle: Handle, n: usize) -> Result<Option<Bytes>> {
    let socket = Socket::find(&caller, handle)?;
    // To take nothing is no mistake here: a length that was read may be 0.
    let n = if n == 0 { 0 } else { size(&caller, Some(n))? };
    let exact = async { socket.stream()?.recv_exact(n).await.map(Some) };
    received(&socket, exact).await
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

async fn shutdown(caller: Caller, handle: Handle) -> Result<()> {
    let socket = Socket::find(&caller, handle)?;
    socket.waits.wait("shutdown", socket.stream()?.shutdown()).await
}
