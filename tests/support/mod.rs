//! What the tests of the runtime share: a fake engine, gates, and brokers to drive.
//!
//! No test sleeps to let something happen: it waits at a [`Gate`], or it lets paused time pass, which
//! only moves on when nothing is left to run.

// Every test file uses its own part of this; and the helpers of a test may fail as the test itself may.
#![allow(dead_code, unreachable_pub, unused_imports)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake;
mod gate;

pub use fake::{Entry, Env, Fake, Watch};
pub use gate::{Blockade, Gate, Lifted};

use calog::{Broker, Builder, Context, ErrorKind, Result, Value};
use std::{fmt::Debug, future::Future, time::Duration};
use tokio::task::LocalSet;

/// How long a test may take. Under paused time a hang shows at once: time jumps here when nothing runs.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// The output of `future`, which must be there within [`TIMEOUT`].
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(TIMEOUT, future).await.expect("it hangs")
}

/// A builder with `fake` as its only engine.
pub fn builder(fake: &Fake) -> Builder {
    Broker::builder().no_engines().engine(fake.clone())
}

/// Runs `test` with a broker that has no thread of its own. For tests under paused time.
pub async fn inline<T>(builder: Builder, test: impl AsyncFnOnce(Broker) -> T) -> T {
    let local = LocalSet::new();
    let broker = builder.build_inline(&local).unwrap();
    local.run_until(within(test(broker))).await
}

/// A broker with `workers` threads.
pub fn threaded(builder: Builder, workers: usize) -> Broker {
    builder.workers(workers).build().unwrap()
}

/// A context named `name` that has run `source`.
pub async fn open(broker: &Broker, name: &str, source: &str) -> Context {
    let context = broker.open("fake").name(name).await.unwrap();
    context.eval::<()>(source).await.unwrap();
    context
}

/// Lets everything run that can. Only under paused time: it moves on when all is idle.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Polls `future` once, which must not end it.
pub async fn start<F: Future + Unpin>(future: &mut F) {
    let pending = futures::poll!(future).is_pending();
    assert!(pending, "it ended at its first poll");
}

/// The kind of the error that `result` must be.
#[track_caller]
pub fn kind<T: Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("it should have failed").kind()
}

/// `wait` and `fiber_wait` stop at the gate; `through` calls `wait` of whoever exports it.
pub fn waiting_at(gate: &Gate) -> Fake {
    let (direct, fiber) = (gate.clone(), gate.clone());
    Fake::new()
        .on("wait", move |_, _| {
            let pass = direct.pass();
            async move {
                pass.await;
                Ok(Value::Nil)
            }
        })
        .on_fiber("fiber_wait", move |_, _| {
            calog::fiber::block_on(fiber.pass())?;
            Ok(Value::Nil)
        })
        .on("through", |env, _| async move { env.call("wait", ()).await })
}
