//! Spans of calls: each carries that of its caller, across contexts, workers and languages. A test
//! binary of its own, since what records spans is set for the whole process.

#![cfg(all(feature = "lua", feature = "js"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{Broker, Error, Limits};
use std::{
    cell::RefCell,
    collections::HashMap,
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use support::{Gate, within};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_core::span::Current;

/// Every span and event of calog, with its parent.
#[derive(Default)]
struct Recorder {
    next: AtomicU64,
    seen: Mutex<Vec<Seen>>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    id: u64,
    name: &'static str,
    parent: Option<u64>,
    metadata: Option<&'static Metadata<'static>>,
    fields: HashMap<String, String>,
}

thread_local! {
    /// The spans that this thread is in, the innermost last.
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name().into(), format!("{value:?}").trim_matches('"').into());
    }
}

impl Recorder {
    fn enter_new(&self, name: &'static str, parent: Option<&Id>, contextual: bool) -> Seen {
        let innermost = || INSIDE.with_borrow(|inside| inside.last().copied());
        let parent = match parent {
            Some(parent) => Some(parent.into_u64()),
            None if contextual => innermost(),
            None => None,
        };
        Seen { id: self.next.fetch_add(1, SeqCst) + 1, name, parent, ..Seen::default() }
    }
}

struct Shared(&'static Recorder);

impl Subscriber for Shared {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "calog" || metadata.target() == "test"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let contextual = span.is_contextual();
        let mut seen = self.0.enter_new(span.metadata().name(), span.parent(), contextual);
        span.record(&mut seen);
        seen.metadata = Some(span.metadata());
        let id = Id::from_u64(seen.id);
        self.0.seen.lock().unwrap().push(seen);
        id
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut seen = self.0.seen.lock().unwrap();
        values.record(seen.iter_mut().find(|seen| seen.id == span.into_u64()).unwrap());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let contextual = event.is_contextual();
        let mut seen = self.0.enter_new("event", event.parent(), contextual);
        event.record(&mut seen);
        self.0.seen.lock().unwrap().push(seen);
    }

    fn current_span(&self) -> Current {
        let Some(id) = INSIDE.with_borrow(|inside| inside.last().copied()) else {
            return Current::none();
        };
        let seen = self.0.seen.lock().unwrap();
        let metadata = seen.iter().find(|seen| seen.id == id).unwrap().metadata.unwrap();
        Current::new(Id::from_u64(id), metadata)
    }

    fn enter(&self, span: &Id) {
        INSIDE.with_borrow_mut(|inside| inside.push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        let innermost = INSIDE.with_borrow_mut(Vec::pop);
        assert_eq!(innermost, Some(span.into_u64()), "spans are left in the order of their entry");
    }
}

/// The way from an event of a native up to the host's own span: function names.
fn way(recorder: &Recorder, message: &str) -> Vec<String> {
    let seen = recorder.seen.lock().unwrap().clone();
    let has_message = |seen: &&Seen| seen.fields.get("message").is_some_and(|m| m == message);
    let mut at = seen.iter().find(has_message).unwrap_or_else(|| panic!("no event {message}"));
    let mut way = Vec::new();
    while let Some(parent) = at.parent {
        at = seen.iter().find(|seen| seen.id == parent).unwrap();
        let field = |name| at.fields.get(name).cloned().unwrap_or_default();
        way.push(match at.name {
            "call" => format!("{} {}", field("language"), field("function")),
            name => name.into(),
        });
    }
    way
}

// S-053: a span per call, below that of its caller, through languages, workers, waits and promises.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_follow_the_calls_through_all_languages() {
    let recorder: &'static Recorder = Box::leak(Box::default());
    tracing::subscriber::set_global_default(Shared(recorder)).unwrap();
    let gate = Gate::default();
    let at = gate.clone();
    let broker = Broker::builder()
        .workers(2)
        .limits(Limits::default().deadline(Duration::from_secs(10)))
        .native("mark", |text: String| tracing::info!(target: "test", "{text}"))
        .native_async("pause", move || {
            let pass = at.pass();
            async move {
                pass.await;
                Ok::<_, Error>(())
            }
        })
        .build()
        .unwrap();
    let lua = broker.open("lua").name("rules").worker(0).await.unwrap();
    let js = broker.open("js").name("format").worker(1).await.unwrap();
    lua.eval::<()>(
        "expose('outer', function() mark('before') pause() local r = inner() mark('after') return r end)
         expose('leaf', function(text) mark(text) return 1 end)
         expose('spin', function() while true do end end)",
    )
    .await
    .unwrap();
    js.eval::<()>(
        "expose('inner', () => { mark('inside'); return leaf('in leaf'); });
         expose('later', async () => {
           await pause.async();
           mark('behind an await');
           await leaf.async('from a promise');
           mark('at the end');
         });",
    )
    .await
    .unwrap();
    let request = tracing::info_span!(target: "test", "request");
    let call = tracing::Instrument::instrument(lua.call::<i64>("outer", ()), request.clone());
    let later = tracing::Instrument::instrument(js.call::<()>("later", ()), request);
    // While they wait, another call runs in both contexts, under a span of its own.
    let calls = async { tokio::join!(call, later) };
    let other = async {
        gate.arrived(2).await;
        lua.call::<i64>("leaf", ("alone",)).await.unwrap();
        gate.open(2);
    };
    let ((one, nothing), ()) = within(async { tokio::join!(calls, other) }).await;
    assert_eq!(one.unwrap(), 1);
    nothing.unwrap();
    assert_eq!(way(recorder, "before"), ["lua outer", "request"]);
    assert_eq!(way(recorder, "after"), ["lua outer", "request"]);
    assert_eq!(way(recorder, "inside"), ["js inner", "lua outer", "request"]);
    assert_eq!(way(recorder, "in leaf"), ["lua leaf", "js inner", "lua outer", "request"]);
    assert_eq!(way(recorder, "alone"), ["lua leaf"]);
    assert_eq!(way(recorder, "behind an await"), ["js later", "request"]);
    assert_eq!(way(recorder, "from a promise"), ["lua leaf", "js later", "request"]);
    assert_eq!(way(recorder, "at the end"), ["js later", "request"]);

    // A call that is ended from outside says why.
    let spin = lua.call::<()>("spin", ()).deadline(Duration::from_millis(50));
    within(spin).await.unwrap_err();
    assert_eq!(way(recorder, "call is ended"), ["lua spin"]);
    broker.shutdown(support::TIMEOUT).await.unwrap();
}
