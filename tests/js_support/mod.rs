//! What the tests of the JavaScript engine share: contexts of both languages, lines of a log, and
//! brokers under paused time.

// Every test file uses its own part of this, and the helpers may fail as the test itself may.
#![allow(dead_code, unreachable_pub, unused_imports)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../lua_support/mod.rs"]
mod lua_support;

pub use lua_support::*;

use calog::{Broker, Builder, Context, FromValue};
use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::LocalSet;

/// A context named `js` that has run `source`.
pub async fn js(broker: &Broker, source: &str) -> Context {
    js_named(broker, "js", 0, source).await
}

/// A JavaScript context on worker `worker` that has run `source`.
pub async fn js_named(broker: &Broker, name: &str, worker: usize, source: &str) -> Context {
    let context = broker.open("js").name(name).worker(worker).await.unwrap();
    if source.is_empty() {
        return context;
    }
    let source = format!("{source}\n;null");
    within(context.eval::<()>(&source)).await.unwrap_or_else(|e| panic!("{e:?} in {source}"));
    context
}

/// What `source` evaluates to.
pub async fn eval<R: FromValue>(context: &Context, source: &str) -> R {
    let result = within(context.eval::<R>(source)).await;
    result.unwrap_or_else(|error| panic!("{error:?} in {source}"))
}

/// Runs `test` with a broker that has no thread of its own. For tests under paused time.
pub async fn inline<T>(builder: Builder, test: impl AsyncFnOnce(Broker) -> T) -> T {
    let local = LocalSet::new();
    let broker = builder.build_inline(&local).unwrap();
    local.run_until(within(test(broker))).await
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

/// Lines that scripts and natives write, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// The lines since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// How many lines are there?
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Adds what scripts print, and their failures as `kind: message`.
    pub fn of(&self, builder: Builder) -> Builder {
        let (prints, failures) = (self.clone(), self.clone());
        builder.output(move |_, line| prints.add(String::from_utf8_lossy(line))).on_failure(
            move |failure| {
                let error = &failure.error;
                failures.add(format!("failure: {}: {}", error.kind(), error.message()));
            },
        )
    }
}

/// Adds a line to a log when it is dropped.
pub struct Dropped(pub Log, pub &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// Adds a native `name` that waits at `gate`, then returns its argument.
pub fn gated(builder: Builder, name: &str, gate: &Gate) -> Builder {
    let gate = gate.clone();
    builder.native_async(name, move |value: calog::Value| {
        let pass = gate.pass();
        async move {
            pass.await;
            value
        }
    })
}

/// A chunk whose result is one text that shows what `snippet` returns. `later` waits in it, or if
/// not `waits`, it is a plain function, which says what is right.
pub fn js_shown(snippet: &str, waits: bool) -> String {
    let later = if waits { "globalThis.later" } else { "x => x" };
    format!(
        "await (async later => {{
           'use strict';
           const one = v => v instanceof Error ? `${{v.name}}: ${{v.message}}`
             : typeof v === 'string' ? v
             : typeof v === 'bigint' ? `${{v}}n`
             : Object.is(v, -0) ? '-0'
             : JSON.stringify(v) ?? String(v);
           const result = await (async () => {{ {snippet} }})();
           return Array.isArray(result) ? result.map(one).join(' | ') : one(result);
         }})({later})"
    )
}

/// Waits until nothing is under way in `context`, neither a call nor what calls have left.
#[track_caller]
pub fn at_rest(context: &Context) -> impl Future<Output = ()> {
    let context = context.clone();
    within(async move {
        loop {
            let usage = context.usage().await.unwrap();
            if (usage.calls, usage.tasks) == (0, 0) {
                return;
            }
            // So that paused time moves on, which a context that is never at rest would hold up.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}
