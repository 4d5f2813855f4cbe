//! What the tests of the BASIC engine share.

// Every test file uses its own part of this, and the helpers may fail as the test itself may.
#![allow(dead_code, unreachable_pub, unused_imports)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../lua_support/mod.rs"]
mod lua_support;

pub use lua_support::*;

use calog::{Broker, Context, FromValue};

/// A context named `basic` that has run `source`.
pub async fn basic(broker: &Broker, source: &str) -> Context {
    basic_named(broker, "basic", 0, source).await
}

/// A BASIC context on worker `worker` that has run `source`.
pub async fn basic_named(broker: &Broker, name: &str, worker: usize, source: &str) -> Context {
    let context = broker.open("basic").name(name).worker(worker).await.unwrap();
    let ran = within(context.eval::<()>(source)).await;
    ran.unwrap_or_else(|error| panic!("{error:?} in {source}"));
    context
}

/// What `source` returns.
#[track_caller]
pub fn eval<R: FromValue>(context: &Context, source: &str) -> impl Future<Output = R> {
    let place = std::panic::Location::caller();
    let result = within(context.eval::<R>(source));
    let source = source.to_string();
    async move { result.await.unwrap_or_else(|error| panic!("{error:?} in {source}, at {place}")) }
}

/// Waits until nothing is under way in `context`, and says whether that was soon.
pub async fn is_quiet_again(context: &Context) -> bool {
    let quiet = async {
        while context.usage().await.is_ok_and(|usage| usage.calls + usage.tasks > 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LATE, quiet).await.is_ok()
}
