//! What JavaScript finds besides natives and exports, in safe code: `expose`, `call`, and what the
//! library in JavaScript is built on.

use super::ffi::{Builtin, State};
use crate::{engine::wrong, native::Step, value::Value};

/// Parts of the library that are easiest to write in JavaScript. Each is a function of the builtin
/// before it, and is run when a script first uses one of its names.
pub(super) struct Part {
    pub(super) names: &'static [&'static str],
    pub(super) text: &'static str,
    pub(super) builtin: Builtin,
}

pub(super) const PARTS: [Part; 2] = [
    Part { names: &["console", "print"], text: include_str!("console.js"), builtin: write },
    Part { names: &["TextEncoder", "TextDecoder"], text: include_str!("text.js"), builtin: decode },
];

/// The function of the engine itself that is called `name`.
pub(super) fn find(name: &str) -> Option<Builtin> {
    match name {
        "expose" => Some(expose),
        "call" => Some(call),
        _ => None,
    }
}

fn expose(state: &State, args: &mut [Value]) -> Step {
    state.scope().run_expose(args)
}

fn call(state: &State, args: &mut [Value]) -> Step {
    state.scope().run_call(args)
}

/// The text of bytes; if it must be UTF-8 throughout, anything else is an error.
fn decode(_: &State, args: &mut [Value]) -> Step {
    let [Value::Bytes(bytes), Value::Bool(fatal)] = args else { return wrong("expected bytes") };
    match std::str::from_utf8(bytes) {
        Ok(_) => Step::Ready(Ok(Value::String(bytes.clone()))),
        Err(_) if *fatal => wrong("the bytes are not UTF-8"),
        Err(_) => Step::Ready(Ok(String::from_utf8_lossy(bytes).into_owned().into())),
    }
}

fn write(state: &State, args: &mut [Value]) -> Step {
    if let [Value::String(text)] = args {
        for line in text.split(|byte| *byte == b'\n') {
            state.scope().print(line);
        }
    }
    Step::Ready(Ok(Value::Nil))
}
