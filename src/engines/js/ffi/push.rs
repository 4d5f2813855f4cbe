//! Values into JavaScript.

use super::{
    State, entries, failure,
    marshal::{MOST_SAFE, shown, unrepresentable},
    native::{self, Target},
    value::{Args, Outcome, PLAIN, Val},
};
use crate::{
    engine::Callee,
    error::Result,
    limits::Fidelity,
    value::{Aggregate, Key, Kind, Value},
};
use rquickjs_sys::*;

/// May the value be pushed?
///
/// # Errors
/// `range` if it is nested too deep or too large, `unsupported` if a function in it belongs to
/// another broker, `unrepresentable` if a list has pairs with number keys or a key of an object is
/// not UTF-8 (both only if the call is strict).
pub(super) fn check(state: &State, value: &Value) -> Result<()> {
    let strict = state.scope().fidelity() == Fidelity::Strict;
    state.scope().check_value(value, |aggregate| check_parts(state, aggregate, strict))
}

fn check_parts(state: &State, aggregate: &Aggregate, strict: bool) -> Result<()> {
    let part = |value: &Value| match value {
        Value::Function(function) => state.scope().admit(function),
        Value::Aggregate(aggregate) => check_parts(state, aggregate, strict),
        Value::Nil
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Real(_)
        | Value::String(_)
        | Value::Bytes(_) => Ok(()),
    };
    for (index, value) in aggregate.array().iter().enumerate() {
        part(value).map_err(|error| error.at(format_args!("[{index}]")))?;
    }
    for (key, value) in aggregate.pairs() {
        match key {
            Key::String(name) if strict && !is_utf8(name) => {
                return Err(unrepresentable("a property's name must be UTF-8"));
            }
            key if strict && is_list(aggregate) && !names_a_field(key) => {
                let message = format!("a list cannot have a pair with the key {}", shown(key));
                return Err(unrepresentable(message));
            }
            _ => part(value).map_err(|error| error.at(key.segment()))?,
        }
    }
    Ok(())
}

/// Does the value become an Array?
fn is_list(aggregate: &Aggregate) -> bool {
    aggregate.kind() != Kind::Map || !aggregate.array().is_empty()
}

/// Can the key be a property of an Array beside its elements?
fn names_a_field(key: &Key) -> bool {
    match key {
        Key::Int(_) | Key::Real(_) => false,
        Key::String(name) => &**name != b"length" && !entries::names_an_element(name),
    }
}

/// The same as asking for a text of it, but most are ASCII, and that is told faster.
fn is_utf8(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}

/// Has the value nothing in it that a check could find?
fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Real(_))
}

/// Pushes a value after the checks that strictness asks for.
pub(super) fn push_checked(state: &State, value: &Value) -> Outcome<Val> {
    if is_scalar(value) {
        return push(state, value);
    }
    match check(state, value) {
        Ok(()) => push(state, value),
        Err(error) => Err(failure::throw(state, error)),
    }
}

/// Pushes an argument of a call into the script.
pub(super) fn push_argument(state: &State, index: usize, value: &Value) -> Outcome<Val> {
    if is_scalar(value) {
        return push(state, value);
    }
    check(state, value)
        .map_err(|error| failure::throw(state, error.at(format_args!("args[{index}]"))))
        .and_then(|()| push(state, value))
}

/// A value that [`check`] has passed, as JavaScript's.
pub(super) fn push(state: &State, value: &Value) -> Outcome<Val> {
    let js = state.js;
    match value {
        Value::Nil => Ok(js.undefined()),
        Value::Bool(bool) => Ok(js.plain(if *bool { JS_TRUE } else { JS_FALSE })),
        Value::Int(int) => match i32::try_from(*int) {
            Ok(small) => Ok(js.plain(JS_MKVAL(JS_TAG_INT, small))),
            Err(_) if int.unsigned_abs() <= MOST_SAFE.unsigned_abs() => {
                Ok(js.plain(__JS_NewFloat64(*int as f64)))
            }
            // SAFETY: the context lives.
            Err(_) => js.own(unsafe { JS_NewBigInt64(js.0, *int) }),
        },
        Value::Real(real) => Ok(js.plain(JS_NewFloat64(*real))),
        Value::String(bytes) if is_utf8(bytes) => js.text(bytes),
        Value::String(bytes) => js.binary(bytes),
        Value::Bytes(bytes) => js.binary(bytes),
        // One of our own comes home as itself.
        Value::Function(function) if function.context() == state.scope().id() => {
            match state.handles.borrow().get(function.key()) {
                Some(own) => Ok(own.clone()),
                None => Ok(js.undefined()),
            }
        }
        Value::Function(function) => {
            native::function(state, Target::Callee(Callee::Function(function.clone())))
        }
        Value::Aggregate(aggregate) => push_aggregate(state, aggregate),
    }
}

/// A value inside a container: there, nothing is null, as in JSON.
fn push_item(state: &State, value: &Value) -> Outcome<Val> {
    if value.is_nil() { Ok(state.js.plain(JS_NULL)) } else { push(state, value) }
}

fn push_aggregate(state: &State, aggregate: &Aggregate) -> Outcome<Val> {
    let js = state.js;
    let is_list = is_list(aggregate);
    let has_numbers = || aggregate.pairs().any(|(key, _)| !matches!(key, Key::String(_)));
    if !is_list && has_numbers() {
        return push_map(state, aggregate);
    }
    let object = match is_list {
        true => {
            let mut items = Args::with_capacity(js, aggregate.array().len());
            for item in aggregate.array() {
                items.push(push_item(state, item)?);
            }
            js.array(items)?
        }
        false => js.object()?,
    };
    for (key, value) in aggregate.pairs() {
        let Key::String(name) = key else { continue };
        if is_list && !names_a_field(key) {
            continue;
        }
        let name = match is_utf8(name) {
            true => js.name(name)?,
            false => js.atom(&String::from_utf8_lossy(name))?,
        };
        js.define(&object, &name, push_item(state, value)?, PLAIN)?;
    }
    Ok(object)
}

fn push_map(state: &State, aggregate: &Aggregate) -> Outcome<Val> {
    let js = state.js;
    let constructor = js.get(&js.global()?, c"Map")?;
    // SAFETY: all live through the call, which has no arguments.
    let map =
        js.own(unsafe { JS_CallConstructor(js.0, constructor.raw(), 0, std::ptr::null_mut()) })?;
    for (key, value) in aggregate.pairs() {
        let key = match key {
            Key::Int(int) => push(state, &Value::Int(*int))?,
            Key::Real(real) => push(state, &Value::Real(real.get()))?,
            Key::String(name) => js.string(&String::from_utf8_lossy(name))?,
        };
        js.invoke(&map, "set", &[key, push_item(state, value)?])?;
    }
    Ok(map)
}
