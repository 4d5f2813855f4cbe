//! What the values promise, beside the code.

mod aggregate;
mod convert;
mod deep;
mod from;
mod key;
mod properties;
mod round_trip;
mod value;

use super::*;
use futures::{FutureExt, future::BoxFuture};
use std::sync::Mutex;

/// A side that owns functions: its function `key` returns the key, and it remembers what was
/// released.
#[derive(Default)]
struct FakeOwner {
    released: Mutex<Vec<u64>>,
}

impl Owner for FakeOwner {
    fn context(&self) -> crate::ContextId {
        crate::ContextId::new(7, 1)
    }

    fn has_bools(&self) -> bool {
        true
    }

    fn has_ended(&self) -> bool {
        false
    }

    fn broker(&self) -> usize {
        1
    }

    fn call(&self, function: Function, _: Vec<Value>) -> BoxFuture<'static, Result<Value>> {
        async move { Ok(Value::Int(function.key() as i64)) }.boxed()
    }

    fn call_at_once(
        &self,
        function: &Function,
        args: Vec<Value>,
    ) -> Result<Result<Value>, BoxFuture<'static, Result<Value>>> {
        Err(self.call(function.clone(), args))
    }

    fn release(&self, key: u64) {
        self.released.lock().unwrap().push(key);
    }
}

fn function(key: u64) -> Function {
    Function::new(Arc::new(FakeOwner::default()), key)
}

/// A list in a list, `depth` deep.
fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Nil, |inner, _| Value::list([inner]))
}

/// A value of every type in one, with every kind of container.
fn everything(function: Function) -> Value {
    let mut both = Aggregate::new();
    both.push(Value::list([Value::Nil, true.into(), i64::MIN.into(), f64::INFINITY.into()]));
    both.insert("text", Value::String(Bytes::from_static(b"a\0b\xff")));
    both.insert("bytes", Bytes::from_static(b"a\0b\xff"));
    both.insert(-1, Value::map([("f", function)]));
    both.insert(Key::real(0.5).unwrap(), Aggregate::with_kind(Kind::Both));
    both.into()
}

fn is<T>(result: Result<T>, kind: ErrorKind, message: &str) {
    let error = result.err().expect("it should have failed");
    assert_eq!((error.kind(), error.message()), (kind, message));
}
