//! Any value, through serde and through every language and back.
//!
//! What comes back is told by the same functions that tell it for the tests of fidelity
//! (`tests/languages/through.rs`).

#[path = "../../tests/languages/mod.rs"]
#[allow(unused, reason = "only a part of it is needed")]
mod languages;

use arbitrary::{Arbitrary, Result, Unstructured};
use calog::{
    Aggregate, Broker, Context, ErrorKind, Fidelity, Function, Key, Kind, Limits, Value,
    from_value, to_value,
};
use languages::exact;
use tokio::{runtime::Runtime, task::LocalSet};

const ENGINES: [&str; 3] = ["lua", "js", "basic"];

/// The most parts that one value is made of, so that no input takes long.
const PARTS: usize = 400;

/// Values of no more than this come back as it is told. An engine counts what its own containers
/// take, so where it refuses lies somewhere above.
const MOST_BYTES: usize = 4 << 10;

/// What the contexts take; what is more than twice that is refused by all.
const LIMIT: usize = 128 << 10;

/// Makes values of what the fuzzer gives.
struct Maker<'a, 'b> {
    input: &'a mut Unstructured<'b>,
    /// What was made already: parts of what comes may be the same.
    made: Vec<Value>,
    left: usize,
}

impl Maker<'_, '_> {
    fn value(&mut self, depth: usize) -> Result<Value> {
        if self.left == 0 || self.input.is_empty() {
            return Ok(Value::Nil);
        }
        self.left -= 1;
        let value = match u8::arbitrary(self.input)? % 16 {
            0 => Value::Nil,
            1 => bool::arbitrary(self.input)?.into(),
            2 => Value::Int(i64::arbitrary(self.input)?),
            3 => Value::Int(i8::arbitrary(self.input)?.into()),
            4 => Value::Real(f64::arbitrary(self.input)?),
            5 => Value::Real(self.edge()?),
            6 => Value::String(self.bytes()?.into()),
            7 => Value::Bytes(self.bytes()?.into()),
            // A part that is there already: shared, and so without end in no time.
            8 if !self.made.is_empty() => self.input.choose(&self.made)?.clone(),
            // Deep.
            9 if depth < 4 => {
                let levels = self.input.int_in_range(1..=300)?;
                let inner = self.value(depth + 1)?;
                (0..levels).fold(inner, |inner, _| Value::list([inner]))
            }
            10 if depth < 4 => {
                // Twice as many at each level.
                let levels = self.input.int_in_range(1..=40)?;
                let inner = self.value(depth + 1)?;
                (0..levels).fold(inner, |inner, _| Value::list([inner.clone(), inner]))
            }
            kind if depth < 12 => {
                let kind = [Kind::List, Kind::Map, Kind::Both][usize::from(kind) % 3];
                let mut aggregate = Aggregate::with_kind(kind);
                if kind != Kind::Map {
                    for _ in 0..self.input.int_in_range(0..=6)? {
                        aggregate.push(self.value(depth + 1)?);
                    }
                }
                if kind != Kind::List {
                    for _ in 0..self.input.int_in_range(0..=6)? {
                        let (key, value) = (self.key()?, self.value(depth + 1)?);
                        aggregate.insert(key, value);
                    }
                }
                aggregate.into()
            }
            _ => Value::Nil,
        };
        self.made.push(value.clone());
        Ok(value)
    }

    fn edge(&mut self) -> Result<f64> {
        let int = i64::arbitrary(self.input)?;
        let edges = [
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            2f64.powi(53),
            2f64.powi(63),
            int as f64,
        ];
        Ok(*self.input.choose(&edges)?)
    }

    fn bytes(&mut self) -> Result<Vec<u8>> {
        let length = self.input.int_in_range(0..=40)?;
        let mut bytes = self.input.bytes(length.min(self.input.len()))?.to_vec();
        if bool::arbitrary(self.input)? {
            bytes.iter_mut().for_each(|byte| *byte &= 0x7f);
        }
        Ok(bytes)
    }

    fn key(&mut self) -> Result<Key> {
        Ok(match u8::arbitrary(self.input)? % 6 {
            0 => Key::Int(i64::arbitrary(self.input)?),
            1 => Key::Int(i64::from(u8::arbitrary(self.input)? % 8)),
            2 => {
                let real = f64::arbitrary(self.input)?;
                let key = Key::real(real);
                assert_eq!(key.is_err(), real.is_nan());
                key.unwrap_or(Key::Int(0))
            }
            3 => Key::real(self.edge()?).unwrap_or(Key::Int(0)),
            4 => self
                .input
                .choose(&["length", "1", "0", "__proto__", "constructor", "name"])?
                .to_string()
                .into(),
            _ => Key::String(self.bytes()?.into()),
        })
    }
}

/// Has the value something in it that serde has not: a mix of list and map, or a string that is not
/// UTF-8?
fn is_beyond_serde(value: &Value) -> bool {
    match value {
        Value::String(bytes) => std::str::from_utf8(bytes).is_err(),
        Value::Aggregate(aggregate) => {
            aggregate.kind() == Kind::Both
                || aggregate.array().iter().any(is_beyond_serde)
                || aggregate.pairs().any(|(_, value)| is_beyond_serde(value))
        }
        _ => false,
    }
}

/// A broker of this thread, with contexts of every language that return what they get.
struct Stage {
    runtime: Runtime,
    local: LocalSet,
    _broker: Broker,
    contexts: Vec<(&'static str, Context, Function)>,
}

impl Stage {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let local = LocalSet::new();
        let limits = Limits::default().value_bytes(LIMIT);
        let broker = Broker::builder().limits(limits).build_inline(&local).unwrap();
        let open = async {
            let mut contexts = Vec::new();
            for engine in ENGINES {
                let context = broker.open(engine).await.unwrap();
                let source = (languages::language(engine).value)(&format!(
                    "expose(\"same_{engine}\", SAME)"
                ));
                let source = source.replace("SAME", &(languages::language(engine).function)("v"));
                context.eval::<Value>(&source).await.unwrap();
                let same = context.function(&format!("same_{engine}")).unwrap();
                contexts.push((engine, context, same));
            }
            contexts
        };
        let contexts = local.block_on(&runtime, open);
        Self { runtime, local, _broker: broker, contexts }
    }

    fn check(&self, value: &Value) {
        for (engine, context, same) in &self.contexts {
            let name = format!("same_{engine}");
            for fidelity in [Fidelity::Strict, Fidelity::Lenient] {
                let call = context.call::<Value>(&name, (value.clone(),)).fidelity(fidelity);
                let back = self.local.block_on(&self.runtime, call);
                let back = back.map_err(|error| error.kind());
                let size = value.size_bytes();
                if size > 2 * LIMIT {
                    assert_eq!(back.unwrap_err(), ErrorKind::Range, "{engine}: {size} bytes");
                } else if size <= MOST_BYTES {
                    let told = languages::through(engine, value, fidelity);
                    assert_eq!(shown(back), shown(told), "{engine}, {fidelity:?}");
                }
            }
            // A function that went through is still one, and nothing holds it afterwards.
            let call = context.call::<Vec<Function>>(&name, (vec![same.clone(), same.clone()],));
            let back = self.local.block_on(&self.runtime, call).unwrap();
            assert_eq!(back[1].context(), context.id());
            let seven = self.local.block_on(&self.runtime, back[1].call::<i64>((7,)));
            assert_eq!(seven.unwrap(), 7);
            drop(back);
            let usage = self.local.block_on(&self.runtime, context.usage()).unwrap();
            assert_eq!((usage.handles, usage.calls), (1, 0), "{engine}");
        }
    }
}

/// What came back, in a form that tells all values apart.
fn shown(back: Result<Value, ErrorKind>) -> String {
    back.map_or_else(|kind| format!("{kind:?}"), |value| exact(&value))
}

fn check_in_rust(value: &Value) {
    assert_eq!(*value, value.clone());
    assert!(format!("{value:?}").len() < 1 << 20, "a short form that is long");
    let cap = calog::DEFAULT_DEPTH;
    assert_eq!(value.check_depth(cap).is_ok(), value.depth() <= cap);
    if value.size_bytes() > MOST_BYTES {
        return;
    }
    if let Ok(again) = to_value(value) {
        assert!(value.depth() <= cap);
        assert_eq!(to_value(&again).unwrap(), again);
        if !is_beyond_serde(value) {
            assert_eq!(exact(&again), exact(value));
        }
    }
    if let Ok(again) = from_value::<Value>(value.clone()) {
        assert_eq!(from_value::<Value>(again.clone()).unwrap(), again);
    }
    if let Ok(text) = serde_json::to_string(value)
        && let Ok(back) = serde_json::from_str::<Value>(&text)
    {
        assert_eq!(to_value(&back).unwrap(), back);
    }
    let _ = from_value::<serde_json::Value>(value.clone());
    let _ = from_value::<Vec<String>>(value.clone());
    let _ = from_value::<std::collections::BTreeMap<String, i32>>(value.clone());
}

thread_local! {
    /// Never dropped: the end of a thread is no place to end a broker.
    static STAGE: &'static Stage = Box::leak(Box::new(Stage::new()));
}

/// Makes a value of `data` and sends it everywhere.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut maker = Maker { input: &mut input, made: Vec::new(), left: PARTS };
    let Ok(value) = maker.value(0) else { return };
    drop(maker);
    check_in_rust(&value);
    STAGE.with(|stage| stage.check(&value));
}
