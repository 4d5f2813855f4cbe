//! What the tests of sockets share: contexts that may use the loopback, and peers to script.
//!
//! No test sleeps to let something happen: it waits for what the other end does.

// Every test file uses its own part of this; and the helpers of a test may fail as the test itself may.
#![allow(dead_code, unreachable_pub, unused_imports)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use calog::{Broker, Builder, Context, Error, ErrorKind, Permissions, Result};
use std::{fmt::Debug, future::Future, time::Duration};
use tokio::net::{TcpListener, TcpStream};

/// How long a test may take.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The output of `future`, which must be there within [`TIMEOUT`].
#[track_caller]
pub fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        let output = tokio::time::timeout(TIMEOUT, future).await;
        output.unwrap_or_else(|_| panic!("it hangs, at {place}"))
    }
}

/// A builder with one worker, whose scripts are quiet.
pub fn builder() -> Builder {
    Broker::builder().workers(1).output(|_, _| {})
}

/// A broker with one worker.
pub fn broker() -> Broker {
    builder().build().unwrap()
}

/// What the contexts of these tests may do: everything on the loopback.
pub fn loopback() -> Permissions {
    Permissions::none().allow_net("localhost").unwrap()
}

/// A context in `language` that may use the loopback and has run `source`.
pub async fn open(broker: &Broker, language: &str, source: &str) -> Context {
    let context = broker.open(language).permissions(loopback()).await.unwrap();
    within(context.eval::<()>(source)).await.unwrap();
    context
}

/// The same in Lua.
pub async fn lua(broker: &Broker, source: &str) -> Context {
    open(broker, "lua", source).await
}

/// A listener of the test, and its port.
pub async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A connection of the test to a script.
pub async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// The kind of the error that `result` must be.
#[track_caller]
pub fn kind<T: Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("it should have failed").kind()
}
