//! What the tests of the Lua engine share: natives that wait, gates, and stock Lua to compare with.
//!
//! No test sleeps to let something happen: it waits at a [`Gate`], or for a state that must come.

// Every test file uses its own part of this; and the helpers of a test may fail as the test itself may.
#![allow(dead_code, unreachable_pub, unused_imports)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/gate.rs"]
mod gate;

pub use gate::Gate;

use calog::{Broker, Builder, Context, Error, ErrorKind, Function, Rest, Result, Value};
use std::{
    fmt::Debug,
    future::{Future, pending},
    time::Duration,
};

/// How long a test may take.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// How late a thing may be that must happen "at once": generous, for a busy machine and a debug build.
pub const LATE: Duration = Duration::from_secs(5);

/// The output of `future`, which must be there within [`TIMEOUT`].
#[track_caller]
pub fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        let output = tokio::time::timeout(TIMEOUT, future).await;
        output.unwrap_or_else(|_| panic!("it hangs, at {place}"))
    }
}

/// A builder with one worker and the natives that these tests share:
///
/// - `id(v)` returns `v` at once, `later(v)` after it has really waited, `nap(us, v)` after a time;
/// - `never()` waits for ever; `one()` returns 1;
/// - `apply(f, ...)` calls `f` from Rust; `fail(kind, message)` fails;
/// - `boom()` panics.
pub fn builder() -> Builder {
    Broker::builder()
        .workers(1)
        .output(|_, _| {})
        .on_failure(|_| {})
        .native("id", |v: Value| v)
        .native("one", || 1)
        .native_async("later", |v: Value| async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            v
        })
        .native_async("nap", |us: u64, v: Value| async move {
            tokio::time::sleep(Duration::from_micros(us)).await;
            v
        })
        .native_async("never", pending::<()>)
        .native_async(
            "apply",
            |f: Function, args: Rest<Value>| async move { f.call_raw(args.0).await },
        )
        .native("fail", |kind: String, message: String| -> Result<()> {
            Err(Error::new(kind.parse()?, message))
        })
        .native_async("fail_later", |kind: String, message: String| async move {
            tokio::task::yield_now().await;
            Err::<(), _>(Error::new(kind.parse()?, message))
        })
        .native("boom", || -> () { panic!("boom") })
}

/// A context named `lua` that has run `source`.
pub async fn lua(broker: &Broker, source: &str) -> Context {
    named(broker, "lua", 0, source).await
}

/// A context on worker `worker` that has run `source`.
pub async fn named(broker: &Broker, name: &str, worker: usize, source: &str) -> Context {
    let context = broker.open("lua").name(name).worker(worker).await.unwrap();
    within(context.eval::<()>(source)).await.unwrap();
    context
}

/// The kind of the error that `result` must be.
#[track_caller]
pub fn kind<T: Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("it should have failed").kind()
}

/// A chunk whose result is one text that shows all results of `snippet`, alike in every Lua state.
pub fn shown(snippet: &str) -> String {
    format!(
        "local function show(...)
           local out = table.pack(...)
           for i = 1, out.n do
             out[i] = tostring(out[i]):gsub('0x%x+', 'ADDRESS'):gsub('builtin: ', '')
           end
           return table.concat(out, ' | ', 1, out.n)
         end
         return show((function() {snippet}
         end)())"
    )
}

/// What stock Lua makes of [`shown`]`(snippet)`, with natives that do not wait.
#[cfg(feature = "lua")]
pub fn stock(snippet: &str) -> String {
    let lua = mlua::Lua::new();
    lua.load("id = function(v) return v end later = id one = function() return 1 end")
        .exec()
        .unwrap();
    let text = lua.load(shown(snippet)).set_name("=s").eval::<mlua::LuaString>();
    let text = text.unwrap_or_else(|error| panic!("stock Lua fails in {snippet}: {error}"));
    text.to_string_lossy()
}

/// Keeps panics that a test provokes out of its output: those whose text begins with `word`.
pub fn quiet(word: &'static str) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<&str>();
        if !text.is_some_and(|text| text.starts_with(word)) {
            before(panic);
        }
    }));
}
