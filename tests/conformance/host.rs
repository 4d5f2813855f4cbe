//! The host's side of every case: one fixed set of natives, described in the README beside this
//! file.

use calog::{
    Aggregate, Builder, Caller, Context, Error, ErrorKind, Function, Key, Kind, Rest, Result, Value,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::pending,
    sync::{Arc, Mutex, Once},
};
use tokio::sync::watch;

/// What `host.panic` says.
const PANIC: &str = "the native panics";

/// How often `host.later` suspends: more than once, so that nobody can get by with one poll.
const YIELDS: usize = 3;

/// What the natives of one run share.
#[derive(Clone, Default)]
pub(crate) struct Stage {
    contexts: Arc<Mutex<HashMap<String, Context>>>,
    stored: Arc<Mutex<Option<Function>>>,
    marks: watch::Sender<Marks>,
}

/// What scripts have told the host, for those who wait to hear it.
#[derive(Default)]
struct Marks {
    signals: BTreeSet<String>,
    /// How often `host.hang` was called, by key.
    hanging: HashMap<String, usize>,
    /// What was given to `host.cleaned`, by key.
    cleaned: HashMap<String, Vec<String>>,
}

impl Stage {
    /// A context that `host.close` will find.
    pub(crate) fn enter(&self, context: Context) {
        self.contexts.lock().unwrap().insert(context.name().to_string(), context);
    }

    /// Forgets all contexts and functions.
    pub(crate) fn clear(&self) {
        self.contexts.lock().unwrap().clear();
        self.stored.lock().unwrap().take();
    }

    async fn until(&self, condition: impl FnMut(&Marks) -> bool) {
        // The sender lives in `self`, so waiting cannot fail.
        self.marks.subscribe().wait_for(condition).await.unwrap();
    }

    /// Registers everything that the scripts of a case find.
    pub(crate) fn natives(&self, builder: Builder) -> Builder {
        self.waits(values(builder))
            .native("host.fail", |kind: String, message: String, payload: Value| {
                fail(&kind, message, payload)
            })
            .native_async(
                "host.fail_later",
                |kind: String, message: String, payload: Value| async move {
                    suspend().await;
                    fail(&kind, message, payload)
                },
            )
            .native("host.panic", || -> () {
                quiet();
                panic!("the native panics")
            })
            .data("host.kinds", Value::list(ErrorKind::ALL.iter().map(|kind| kind.as_str())))
    }

    fn waits(&self, builder: Builder) -> Builder {
        let [store, stored, wait, signal, hang, cleaned, cancel, close] =
            [(); 8].map(|()| self.clone());
        builder
            .native_async("host.later", |value: Value| async move {
                suspend().await;
                value
            })
            .native_async("host.apply", |function: Function, args: Rest<Value>| async move {
                function.call_raw(args.0).await
            })
            .native("host.store", move |function: Function| {
                *store.stored.lock().unwrap() = Some(function);
            })
            .native_async("host.stored", move |args: Rest<Value>| {
                let function = stored.stored.lock().unwrap().clone();
                async move {
                    match function {
                        Some(function) => function.call_raw(args.0).await,
                        None => Err(Error::raised("nothing is stored")),
                    }
                }
            })
            .native_async("host.together", |one: Function, two: Function| async move {
                let (one, two) = futures::join!(one.call_raw(Vec::new()), two.call_raw(Vec::new()));
                Ok::<_, Error>(Value::list([one?, two?]))
            })
            .native_async("host.wait", move |name: String| {
                let stage = wait.clone();
                async move { stage.until(|marks| marks.signals.contains(&name)).await }
            })
            .native("host.signal", move |name: String| {
                signal.marks.send_modify(|marks| {
                    marks.signals.insert(name);
                });
            })
            .native_async("host.hang", move |key: Option<String>| {
                let key = key.unwrap_or_default();
                hang.marks.send_modify(|marks| *marks.hanging.entry(key).or_default() += 1);
                pending::<()>()
            })
            .native("host.cleaned", move |name: String, key: Option<String>| {
                let key = key.unwrap_or_default();
                cleaned.marks.send_modify(|marks| marks.cleaned.entry(key).or_default().push(name));
            })
            .native_async(
                "host.cancel",
                move |function: Function, count: usize, key: Option<String>| {
                    let stage = cancel.clone();
                    async move { stage.cancel(&function, count, &key.unwrap_or_default()).await }
                },
            )
            .native_async("host.close", move |name: String| {
                let context = close.contexts.lock().unwrap().remove(&name);
                async move {
                    match context {
                        Some(context) => {
                            context.close().await;
                            Ok(())
                        }
                        None => Err(Error::raised(format!("no context `{name}` to close"))),
                    }
                }
            })
    }

    /// Calls `function`, drops the call once it hangs, and waits until `count` handlers have said
    /// who they are. Their names, sorted: handlers of several contexts end in no certain order.
    async fn cancel(&self, function: &Function, count: usize, key: &str) -> Result<Value> {
        let hanging = |marks: &Marks| marks.hanging.get(key).copied().unwrap_or_default();
        let before = hanging(&self.marks.borrow());
        tokio::select! {
            result = function.call_raw(Vec::new()) => {
                let result = result.map(|value| show(&value));
                return Err(Error::raised(format!("it ended instead of hanging: {result:?}")));
            }
            () = self.until(|marks| hanging(marks) > before) => {}
        }
        self.until(|marks| marks.cleaned.get(key).map_or(0, Vec::len) >= count).await;
        let mut names = Vec::new();
        self.marks.send_modify(|marks| names = marks.cleaned.remove(key).unwrap_or_default());
        names.sort_unstable();
        Ok(Value::list(names))
    }
}

/// The natives that only look at values.
fn values(builder: Builder) -> Builder {
    builder
        .native("host.name", |caller: Caller| caller.name().to_string())
        .native("twice", |number: i64| number * 2)
        .data("motto", "the host's")
        .native("host.add", |a: i64, b: i64| {
            a.checked_add(b).ok_or_else(|| Error::new(ErrorKind::Range, "the sum does not fit"))
        })
        .native("host.half", |number: f64| number / 2.0)
        .native("host.echo", |value: Value| value)
        .native("host.show", |value: Value| show(&value))
        .native("host.count", |args: Rest<Value>| args.len())
        .native("host.chars", |text: String| text.chars().count())
        .native("host.keys", |map: BTreeMap<String, Value>| {
            Value::list(map.into_keys().collect::<Vec<_>>())
        })
}

async fn suspend() {
    for _ in 0..YIELDS {
        tokio::task::yield_now().await;
    }
}

fn fail(kind: &str, message: String, payload: Value) -> Result<()> {
    Err(Error::new(kind.parse()?, message).with_payload(payload))
}

/// Keeps the panic of `host.panic` out of the output of the tests.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload().downcast_ref::<&str>() != Some(&PANIC) {
                before(panic);
            }
        }));
    });
}

/// The text of a value that is the same in every language: pairs are sorted by their keys, since
/// not every language keeps an order, a function is only called one, and bytes are shown as the
/// string that they are in some languages.
fn show(value: &Value) -> String {
    match value {
        Value::Aggregate(aggregate) => show_all(aggregate),
        Value::Function(_) => "function".into(),
        Value::Bytes(bytes) => show(&Value::String(bytes.clone())),
        scalar => format!("{scalar:?}"),
    }
}

fn show_all(aggregate: &Aggregate) -> String {
    let values: Vec<_> = aggregate.array().iter().map(show).collect();
    let pairs: BTreeMap<&Key, &Value> = aggregate.pairs().collect();
    let pairs: Vec<_> =
        pairs.into_iter().map(|(key, value)| format!("{key:?}: {}", show(value))).collect();
    let (list, map) = (format!("[{}]", values.join(", ")), format!("{{{}}}", pairs.join(", ")));
    match aggregate.kind() {
        Kind::List => list,
        Kind::Map => map,
        Kind::Both => list + &map,
    }
}

#[test]
fn values_are_shown_alike_whatever_their_order() {
    let map = Value::map([("b", Value::list([1, 2])), ("a", Value::Nil)]);
    assert_eq!(show(&map), r#"{"a": nil, "b": [1, 2]}"#);
    let mut both = Aggregate::list(vec![Value::from(-0.0)]);
    both.insert(7, "seven");
    both.insert(-1, f64::NAN);
    assert_eq!(show(&both.into()), r#"[-0.0]{-1: NaN, 7: "seven"}"#);
    assert_eq!(show(&Aggregate::with_kind(Kind::Map).into()), "{}");
    let bytes = bytes::Bytes::from_static(b"a\xff");
    assert_eq!(show(&bytes.clone().into()), show(&Value::String(bytes)));
}
