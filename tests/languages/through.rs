//! The rules of fidelity as functions: what comes back of a value that has entered a script and
//! left it, for each language.

use calog::{Aggregate, ErrorKind, Fidelity, Key, Kind, Limits, Value};
use std::collections::HashMap;

/// What comes back, or the kind of the error.
pub type Back = Result<Value, ErrorKind>;

/// Nesting is bounded for all alike, and that is looked at before anything else.
pub fn within_the_cap(value: &Value) -> Result<(), ErrorKind> {
    let cap = Limits::default().value_depth;
    if value.depth() > cap { Err(ErrorKind::Range) } else { Ok(()) }
}

/// Lua has one container, the table: a map from keys to what is not nil, whose list is what `#`
/// counts.
///
/// - A nil is no entry, and bytes are a string. Everything else keeps its type and every bit.
/// - A pair with the index of an element would replace that: strict refuses, lenient lets it.
/// - What comes out is a list of the `#` first elements, with pairs if there are other entries; an
///   empty table is an empty list.
pub fn lua(value: &Value, fidelity: Fidelity) -> Back {
    let Some(aggregate) = value.as_aggregate() else { return Ok(with_strings_only(value)) };
    let mut table = Table::default();
    for value in aggregate.array() {
        table.array.push(lua(value, fidelity)?);
    }
    for (key, value) in aggregate.pairs() {
        let value = lua(value, fidelity)?;
        match table.index(key) {
            Some(_) if fidelity == Fidelity::Strict => return Err(ErrorKind::Unrepresentable),
            Some(index) => table.array[index] = value,
            None => drop(table.hash.insert(key.clone(), value)),
        }
    }
    let length = table.length();
    let mut out = Aggregate::new();
    for index in 1..=length {
        out.push(table.get(index).cloned().unwrap_or_default());
    }
    let rest = (1..).zip(&table.array).skip(length as usize);
    let rest = rest.map(|(index, value)| (Key::Int(index), value));
    for (key, value) in rest.chain(table.hash.iter().map(|(key, value)| (key.clone(), value))) {
        let is_listed = key.as_int().is_some_and(|index| (1..=length).contains(&index));
        if !is_listed && !value.is_nil() {
            out.insert(key, value.clone());
        }
    }
    Ok(out.into())
}

/// What is no aggregate, in a language whose strings are its bytes.
fn with_strings_only(value: &Value) -> Value {
    match value {
        Value::Bytes(bytes) => Value::String(bytes.clone()),
        other => other.clone(),
    }
}

/// A table of Lua that was made with room for its list and for its pairs, as values that enter are.
#[derive(Default)]
struct Table {
    array: Vec<Value>,
    hash: HashMap<Key, Value>,
}

impl Table {
    /// Where in the array the key belongs.
    fn index(&self, key: &Key) -> Option<usize> {
        let index = usize::try_from(key.as_int()?.checked_sub(1)?).ok()?;
        (index < self.array.len()).then_some(index)
    }

    fn get(&self, index: i64) -> Option<&Value> {
        let key = Key::Int(index);
        let value = match self.index(&key) {
            Some(index) => self.array.get(index),
            None => self.hash.get(&key),
        };
        value.filter(|value| !value.is_nil())
    }

    /// What `#` is. Where there are holes, Lua promises no more than some index with a value whose
    /// next has none; which one that is depends on how Lua 5.4 looks for it.
    fn length(&self) -> i64 {
        let size = i64::try_from(self.array.len()).unwrap();
        if size > 0 && self.get(size).is_none() {
            if size > 1 && self.get(size - 1).is_some() {
                return size - 1;
            }
            return self.between(0, size);
        }
        if self.get(size + 1).is_none() {
            return size;
        }
        // In the hash the index is doubled until it has no value.
        let (mut low, mut high) = (size.max(1), size.max(1) * 2);
        while self.get(high).is_some() {
            (low, high) = (high, high * 2);
        }
        self.between(low, high)
    }

    /// The index with a value before one without, found by halving.
    fn between(&self, mut low: i64, mut high: i64) -> i64 {
        while high - low > 1 {
            let middle = i64::midpoint(low, high);
            if self.get(middle).is_some() { low = middle } else { high = middle }
        }
        low
    }
}

/// The largest integer up to which JavaScript's numbers tell all integers apart.
const SAFE: i64 = (1 << 53) - 1;

/// JavaScript has numbers, which are reals, and tells lists from maps.
///
/// - An integral real of no more than 53 bits comes back as an int, but minus zero stays a real.
/// - A string that is no UTF-8 becomes bytes; bytes stay bytes.
/// - Keys that are no UTF-8, and pairs of a mix whose keys are numbers, indexes as text or `length`
///   have no counterpart: strict refuses them; lenient writes U+FFFD into the first, and leaves the
///   others out.
pub fn js(value: &Value, fidelity: Fidelity) -> Back {
    let aggregate = match value {
        Value::Real(real) => return Ok(number(*real)),
        Value::Aggregate(aggregate) => aggregate,
        Value::String(bytes) if std::str::from_utf8(bytes).is_err() => {
            return Ok(Value::Bytes(bytes.clone()));
        }
        other => return Ok(other.clone()),
    };
    let is_mix = aggregate.kind() == Kind::Both;
    let mut out = Aggregate::with_kind(if is_mix { Kind::List } else { aggregate.kind() });
    for value in aggregate.array() {
        out.push(js(value, fidelity)?);
    }
    for (key, value) in aggregate.pairs() {
        let value = js(value, fidelity)?;
        let name = match key {
            Key::String(bytes) => Some(String::from_utf8_lossy(bytes)),
            Key::Int(_) | Key::Real(_) => None,
        };
        let is_changed = name.as_ref().is_some_and(|name| Key::from(&**name) != *key);
        let is_taken = is_mix && name.as_ref().is_none_or(|name| is_of_an_array(name));
        match name {
            _ if (is_changed || is_taken) && fidelity == Fidelity::Strict => {
                return Err(ErrorKind::Unrepresentable);
            }
            _ if is_taken => {}
            Some(name) => drop(out.insert(&*name, value)),
            None => drop(out.insert(key.clone(), value)),
        }
    }
    Ok(out.into())
}

/// Is it the name of a property that every array has for itself: an index, or `length`?
fn is_of_an_array(name: &str) -> bool {
    let is_index = |index: u32| index < u32::MAX && index.to_string() == name;
    name == "length" || name.parse().is_ok_and(is_index)
}

/// BASIC has no booleans, and a LIST or a DICT for each container.
///
/// - A bool is 0 or 1, and bytes are a string. Everything else keeps its type and every bit.
/// - A mix is a DICT with its list under the keys from 0, and stays one. A pair with such a key would
///   replace the element: strict refuses, lenient lets it.
pub fn basic(value: &Value, fidelity: Fidelity) -> Back {
    let aggregate = match value {
        Value::Bool(truth) => return Ok(i64::from(*truth).into()),
        Value::Aggregate(aggregate) => aggregate,
        other => return Ok(with_strings_only(other)),
    };
    let mut list = Vec::new();
    for value in aggregate.array() {
        list.push(basic(value, fidelity)?);
    }
    if aggregate.kind() == Kind::List {
        return Ok(Aggregate::list(list).into());
    }
    let mut map = Aggregate::with_kind(Kind::Map);
    for (index, value) in (0_i64..).zip(list) {
        map.insert(index, value);
    }
    for (key, value) in aggregate.pairs() {
        let replaced = map.insert(key.clone(), basic(value, fidelity)?);
        if replaced.is_some() && fidelity == Fidelity::Strict {
            return Err(ErrorKind::Unrepresentable);
        }
    }
    Ok(map.into())
}

fn number(real: f64) -> Value {
    let is_int = real.fract() == 0.0 && real.abs() <= SAFE as f64;
    let is_minus_zero = real == 0.0 && real.is_sign_negative();
    if is_int && !is_minus_zero { Value::Int(real as i64) } else { Value::Real(real) }
}
