//! Sockets that call scripts back. Each callback is a task of its context, beside the calls.

use super::{
    socket::{Kind, Socket},
    stream::MOST,
};
use crate::{
    error::{Error, ErrorKind, Result},
    native::Caller,
    resources::Handle,
    value::{Function, IntoValue, Value},
};
use bytes::Bytes;
use std::sync::atomic::Ordering::Relaxed;

/// `net.on_connect(l, f)`: `f(c)` for each connection, many at once. One whose `f` fails is closed.
pub(super) fn on_connect(caller: &Caller, handle: Handle, f: Function) -> Result<()> {
    let socket = Socket::find(caller, handle)?;
    socket.listener()?;
    socket.take_over()?;
    let keeper = caller.clone();
    caller.spawn(async move {
        let Ok(listener) = socket.listener() else { return };
        let accept = || async { Ok(listener.accept().await) };
        while let Ok(stream) = socket.waits.wait_long("accept", accept()).await {
            match Socket::keep(&keeper, Kind::Stream(stream)) {
                Ok(connection) => greet(&keeper, connection, &f),
                // The connection is closed with what was not kept.
                Err(error) => tracing::warn!(target: "calog", %error, "connection refused"),
            }
        }
    });
    Ok(())
}

fn greet(caller: &Caller, connection: Handle, f: &Function) {
    let (keeper, f) = (caller.clone(), f.clone());
    caller.spawn(async move {
        if let Err(error) = call(&f, connection).await {
            keeper.report(error);
            let _ = Socket::close(&keeper, connection);
        }
    });
}

/// `net.on_data(c, f)`: `f(data)` for all that comes, one after another; the next is read when `f`
/// has ended. At the end of it all, or when `f` fails, the connection is closed.
pub(super) fn on_data(caller: &Caller, handle: Handle, f: Function) -> Result<()> {
    let socket = Socket::find(caller, handle)?;
    socket.stream()?;
    socket.take_over()?;
    let keeper = caller.clone();
    caller.spawn(async move {
        while let Some(data) = next(&keeper, handle).await {
            if let Err(error) = call(&f, data).await {
                keeper.report(error);
                break;
            }
        }
        let Ok(socket) = Socket::find(&keeper, handle) else { return };
        socket.ended.raise();
        if !socket.is_watched.load(Relaxed) {
            drop(socket);
            let _ = Socket::close(&keeper, handle);
        }
    });
    Ok(())
}

/// What comes next, if anything. Nobody holds the socket afterwards: the callback may close it.
async fn next(caller: &Caller, handle: Handle) -> Option<Bytes> {
    let socket = Socket::find(caller, handle).ok()?;
    let turn = socket.stream().ok()?.reader();
    socket.waits.wait("on_data", async { turn.come().await.recv(MOST).await }).await.ok()?
}

/// `net.on_close(c, f)`: `f()` once, when the connection has ended; then it is closed.
pub(super) fn on_close(caller: &Caller, handle: Handle, f: Function) -> Result<()> {
    let socket = Socket::find(caller, handle)?;
    socket.stream()?;
    if socket.is_watched.swap(true, Relaxed) {
        return Err(Error::new(ErrorKind::Busy, "the connection has such a callback already"));
    }
    let keeper = caller.clone();
    caller.spawn(async move {
        socket.ended.raised().await;
        drop(socket);
        if let Err(error) = f.call_raw(Vec::new()).await {
            keeper.report(error);
        }
        let _ = Socket::close(&keeper, handle);
    });
    Ok(())
}

async fn call(f: &Function, argument: impl IntoValue) -> Result<Value> {
    f.call_raw(vec![argument.into_value()?]).await
}
