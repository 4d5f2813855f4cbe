//! Values out of JavaScript.
//!
//! Reading runs the script's own getters and proxies, which may do anything, also suspend; nothing
//! is assumed about an object from one look to the next.

use super::{
    State, entries, failure,
    native::{self, Target},
    value::{Js, Outcome, Val, address, tag},
};
use crate::{
    engine::Callee,
    error::{Error, ErrorKind, Result},
    limits::Fidelity,
    value::{Aggregate, Key, Kind, Value},
};
use bytes::Bytes;
use rquickjs_sys::*;
use std::mem;

/// The largest number up to which all integers are exact: `Number.MAX_SAFE_INTEGER`.
pub(super) const MOST_SAFE: i64 = (1 << 53) - 1;

/// What a slot of an array counts for against the limit of a value's size.
const SLOT_BYTES: usize = 16;

/// What an object counts for, besides its slots.
const OBJECT_BYTES: usize = 128;

/// A value of the running script.
pub(super) fn read(state: &State, value: JSValue) -> Result<Value> {
    let mut bytes_left = state.scope().limits().value_bytes;
    read_within(&mut bytes_left, state, value)
}

/// The same for one of several values that share a budget of bytes.
#[inline]
pub(super) fn read_within(bytes_left: &mut usize, state: &State, value: JSValue) -> Result<Value> {
    match scalar(value) {
        Some(value) => Ok(value),
        None => {
            let lenient = state.scope().fidelity() == Fidelity::Lenient;
            Reader::new(state, lenient, bytes_left).read(value)
        }
    }
}

/// A value that needs no more than a look.
#[inline]
pub(super) fn scalar(value: JSValue) -> Option<Value> {
    // SAFETY: each reads the field of a plain value that its tag names.
    unsafe {
        Some(match tag(value) {
            JS_TAG_INT => Value::Int(JS_VALUE_GET_INT(value).into()),
            JS_TAG_BOOL => Value::Bool(JS_VALUE_GET_BOOL(value)),
            JS_TAG_NULL | JS_TAG_UNDEFINED => Value::Nil,
            tag if JS_TAG_IS_FLOAT64(tag) => number(JS_VALUE_GET_FLOAT64(value)),
            _ => return None,
        })
    }
}

/// JavaScript has one type of numbers: what is a safe integer is an Int.
fn number(number: f64) -> Value {
    let is_minus_zero = number == 0.0 && number.is_sign_negative();
    if number.trunc() == number && number.abs() <= MOST_SAFE as f64 && !is_minus_zero {
        Value::Int(number as i64)
    } else {
        Value::Real(number)
    }
}

fn too_large(state: &State) -> Error {
    Error::too_large(state.scope().limits().value_bytes)
}

pub(super) fn unrepresentable(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unrepresentable, message)
}

/// Reads one value with all that is in it.
struct Reader<'a> {
    state: &'a State,
    lenient: bool,
    bytes_left: &'a mut usize,
    /// The objects around the one that is read: meeting one of them again is a cycle.
    ancestors: Vec<usize>,
}

/// Levels of nesting for which the room is kept for the next reader.
const FEW_LEVELS: usize = 32;

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if self.ancestors.capacity() <= FEW_LEVELS {
            self.ancestors.clear();
            self.state.ancestors.set(mem::take(&mut self.ancestors));
        }
    }
}

impl<'a> Reader<'a> {
    fn new(state: &'a State, lenient: bool, bytes_left: &'a mut usize) -> Self {
        Self { state, lenient, bytes_left, ancestors: state.ancestors.take() }
    }

    fn js(&self) -> Js {
        self.state.js
    }

    fn spend(&mut self, bytes: usize) -> Result<()> {
        let left = self.bytes_left.checked_sub(bytes);
        *self.bytes_left = left.ok_or_else(|| too_large(self.state))?;
        Ok(())
    }

    /// What the script threw while it was read.
    fn caught<T>(&self, outcome: Outcome<T>) -> Result<T> {
        outcome.map_err(|thrown| failure::take(self.state, thrown))
    }

    /// What has no counterpart: an error, or nil if the call is lenient.
    fn refuse(&self, what: &str) -> Result<Value> {
        match self.lenient {
            true => Ok(Value::Nil),
            false => Err(unrepresentable(format!("{what} cannot leave its context"))),
        }
    }

    fn read(&mut self, value: JSValue) -> Result<Value> {
        if let Some(value) = scalar(value) {
            return Ok(value);
        }
        match tag(value) {
            JS_TAG_STRING | JS_TAG_STRING_ROPE => self.text(value).map(Value::String),
            JS_TAG_SYMBOL => self.refuse("a symbol"),
            JS_TAG_BIG_INT | JS_TAG_SHORT_BIG_INT => self.big(value),
            JS_TAG_OBJECT => self.object(value),
            _ => self.refuse("a value of the interpreter"),
        }
    }

    fn text(&mut self, value: JSValue) -> Result<Bytes> {
        let lenient = self.lenient;
        let copied = self.js().with_text(value, |text| copied(text, lenient));
        self.taken(copied)
    }

    fn taken(&mut self, copied: Outcome<Option<Bytes>>) -> Result<Bytes> {
        let bytes = self.caught(copied)?.ok_or_else(|| {
            unrepresentable("a string with half a surrogate pair cannot leave its context")
        })?;
        self.spend(bytes.len())?;
        Ok(bytes)
    }

    /// The text of a property's name.
    fn name(&mut self, name: JSAtom) -> Result<Bytes> {
        if let Some(kept) = self.state.keys.borrow().get(name) {
            self.spend(kept.len())?;
            return Ok(kept);
        }
        let (js, lenient) = (self.js(), self.lenient);
        let text = self.taken(js.with_name(name, |text| copied(text, lenient)))?;
        if !lenient {
            self.state.keys.borrow_mut().note(js, name, &text);
        }
        Ok(text)
    }

    fn big(&self, value: JSValue) -> Result<Value> {
        let js = self.js();
        let mut int = 0;
        // SAFETY: both live through the calls. The conversion wraps; comparing tells if it did.
        let is_exact = unsafe {
            JS_ToBigInt64(js.0, &raw mut int, value);
            let back = js.plain(JS_NewBigInt64(js.0, int));
            JS_IsStrictEqual(js.0, back.raw(), value)
        };
        if is_exact {
            return Ok(Value::Int(int));
        }
        if !self.lenient {
            let message = "a BigInt beyond 64 bits cannot leave its context";
            return Err(Error::new(ErrorKind::Range, message));
        }
        let digits = self.caught(js.bytes(&js.share(value)))?;
        let real = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
        Ok(Value::Real(real.unwrap_or(f64::NAN)))
    }

    fn object(&mut self, value: JSValue) -> Result<Value> {
        if self.js().is_function(value) {
            // A function value that came from elsewhere goes on as itself, without a hop through
            // here.
            if let Some(Target::Callee(Callee::Function(function))) =
                native::target_of(self.state, value)
            {
                return Ok(Value::Function(function.clone()));
            }
            return Ok(Value::Function(self.state.reference(self.js().share(value))?));
        }
        let this = address(value);
        if self.ancestors.contains(&this) {
            return self.refuse("a cycle");
        }
        // Holding it keeps the address its own.
        let held = self.js().share(value);
        let class = self.caught(entries::class_of(self.state, &held))?;
        let cap = self.state.scope().limits().value_depth;
        if class.is_a_level() && self.ancestors.len() >= cap {
            return Err(Error::new(ErrorKind::Range, format!("nested deeper than {cap}")));
        }
        self.ancestors.push(this);
        let result = self.of_class(class, &held);
        self.ancestors.pop();
        result
    }

    fn of_class(&mut self, class: entries::Class, object: &Val) -> Result<Value> {
        match class {
            entries::Class::Array => self.array(object),
            entries::Class::Object => {
                let names = self.caught(self.js().own_names(object.raw()))?;
                let count = names.all().len();
                self.spend(count.saturating_mul(SLOT_BYTES).saturating_add(OBJECT_BYTES))?;
                let mut map = match count {
                    0 => Aggregate::with_kind(Kind::Map),
                    count => Aggregate::with_capacity(0, count),
                };
                names.all().try_for_each(|name| self.field(object, name, &mut map))?;
                Ok(map.into())
            }
            entries::Class::Error => self.error(object),
            entries::Class::Map => self.map(object),
            entries::Class::Set => {
                let items = self.caught(entries::of_set(self.state, object))?;
                self.array(&items)
            }
            entries::Class::Date if self.lenient => {
                // An invalid one has no text.
                match self.js().invoke(object, "toISOString", &[]) {
                    Ok(text) => self.read(text.raw()),
                    Err(_) => {
                        drop(self.js().catch());
                        Ok(Value::Nil)
                    }
                }
            }
            entries::Class::Date => {
                let message = "a Date cannot leave its context: pass getTime() or toISOString()";
                Err(unrepresentable(message))
            }
            entries::Class::Bytes => {
                let bytes = self.caught(entries::bytes(self.state, object))?;
                self.spend(bytes.len())?;
                Ok(Value::Bytes(bytes.into()))
            }
            entries::Class::Boxed => {
                let inner = self.caught(self.js().invoke(object, "valueOf", &[]))?;
                if inner.is_object() {
                    self.refuse("a boxed value")
                } else {
                    self.read(inner.raw())
                }
            }
            entries::Class::Other(name) => self.refuse(&format!("a {name}")),
        }
    }

    fn array(&mut self, array: &Val) -> Result<Value> {
        let js = self.js();
        let length = self.caught(js.length(array.raw()))?;
        let count = usize::try_from(length).unwrap_or(0);
        self.spend(count.saturating_mul(SLOT_BYTES).saturating_add(OBJECT_BYTES))?;
        let mut items = Vec::with_capacity(count);
        for index in 0..length {
            let item = js.get_index(array.raw(), index);
            if let Some(value) = item.as_ref().ok().and_then(|item| scalar(item.raw())) {
                items.push(value);
                continue;
            }
            let item = self.caught(item).and_then(|item| self.read(item.raw()));
            items.push(item.map_err(|error| error.at(format_args!("[{index}]")))?);
        }
        let mut aggregate = Aggregate::list(items);
        // Indices come first among the names, so what is not one is at the end.
        let names = self.caught(js.own_names(array.raw()))?;
        let mut named = names.all().len();
        for name in names.all().rev() {
            if self.caught(js.with_name(name, entries::names_an_element))? {
                break;
            }
            named -= 1;
        }
        for name in names.all().skip(named) {
            self.spend(SLOT_BYTES)?;
            self.field(array, name, &mut aggregate)?;
        }
        Ok(aggregate.into())
    }

    fn field(&mut self, object: &Val, name: JSAtom, into: &mut Aggregate) -> Result<()> {
        let key = Key::String(self.name(name)?);
        let value = self.caught(self.js().get_named(object.raw(), name));
        let value = value.and_then(|value| self.read(value.raw()));
        let value = value.map_err(|error| error.at(key.segment()))?;
        into.insert(key, value);
        Ok(())
    }

    fn map(&mut self, map: &Val) -> Result<Value> {
        let js = self.js();
        let entries = self.caught(entries::of_map(self.state, map))?;
        let length = self.caught(js.length(entries.raw()))?;
        let count = usize::try_from(length).unwrap_or(0);
        self.spend(count.saturating_mul(SLOT_BYTES).saturating_add(OBJECT_BYTES))?;
        let mut aggregate = Aggregate::with_kind(Kind::Map);
        for index in (0..length).step_by(2) {
            let key = self.caught(js.get_index(entries.raw(), index))?;
            let Some(key) = self.key(&key)? else { continue };
            let value = self.caught(js.get_index(entries.raw(), index + 1));
            let value = value.and_then(|value| self.read(value.raw()));
            let value = value.map_err(|error| error.at(key.segment()))?;
            // `1` and `1n` are two keys here, but one outside.
            if !self.lenient && aggregate.get(&key).is_some() {
                let message = format!("a Map has the key {} twice", shown(&key));
                return Err(unrepresentable(message));
            }
            aggregate.insert(key, value);
        }
        Ok(aggregate.into())
    }

    /// The key of a Map; `None` if its pair is to be left out.
    fn key(&mut self, key: &Val) -> Result<Option<Key>> {
        let made = match key.tag() {
            JS_TAG_STRING | JS_TAG_STRING_ROPE => {
                return self.text(key.raw()).map(Key::String).map(Some);
            }
            JS_TAG_BIG_INT | JS_TAG_SHORT_BIG_INT => self.big(key.raw()),
            tag @ (JS_TAG_INT | JS_TAG_FLOAT64) if tag == JS_TAG_INT || tag == JS_TAG_FLOAT64 => {
                self.read(key.raw())
            }
            _ => Ok(Value::Nil),
        };
        let made = match made {
            Ok(Value::Int(int)) => return Ok(Some(Key::Int(int))),
            Ok(Value::Real(real)) => {
                Key::real(real).map(Some).map_err(|_| unrepresentable("NaN cannot be a key"))
            }
            Ok(_) => {
                let what = match key.tag() {
                    JS_TAG_OBJECT if self.js().is_function(key.raw()) => "a function",
                    JS_TAG_OBJECT => "an object",
                    JS_TAG_SYMBOL => "a symbol",
                    JS_TAG_BOOL => "a boolean",
                    _ => "null or undefined",
                };
                Err(unrepresentable(format!("{what} cannot be a key outside of its context")))
            }
            Err(error) => Err(error),
        };
        if made.is_err() && self.lenient { Ok(None) } else { made }
    }

    /// An error as data.
    fn error(&mut self, object: &Val) -> Result<Value> {
        self.spend(OBJECT_BYTES)?;
        let mut map = Aggregate::with_kind(Kind::Map);
        if let Some(error) = failure::linked(self.state, object) {
            let payload = error.payload();
            // A payload may share its parts, so that it is far larger than it looks.
            self.spend(payload.size_bytes().saturating_add(error.message().len()))?;
            let cap = self.state.scope().limits().value_depth;
            if self.ancestors.len() + payload.depth() > cap {
                return Err(Error::new(ErrorKind::Range, format!("nested deeper than {cap}")));
            }
            map.insert("kind", error.kind().as_str());
            map.insert("message", error.message());
            if !payload.is_nil() {
                map.insert("payload", payload.clone());
            }
            return Ok(map.into());
        }
        for name in ["name", "message"] {
            let value = self.caught(self.js().atom(name));
            let value =
                value.and_then(|name| self.caught(self.js().get_atom(object.raw(), &name)))?;
            let value =
                self.read(value.raw()).map_err(|error| error.at(format_args!(".{name}")))?;
            map.insert(name, value);
        }
        self.cause_and_fields(object, &mut map)?;
        Ok(map.into())
    }

    fn cause_and_fields(&mut self, object: &Val, map: &mut Aggregate) -> Result<()> {
        let js = self.js();
        // What an Error has of its own without showing it.
        for name in ["cause", "errors"] {
            let atom = self.caught(js.atom(name))?;
            // SAFETY: both live through the call.
            if unsafe { JS_HasProperty(js.0, object.raw(), atom.raw()) } > 0 {
                let value = self.caught(js.get_atom(object.raw(), &atom))?;
                let value = self.read(value.raw());
                map.insert(name, value.map_err(|error| error.at(format_args!(".{name}")))?);
            }
        }
        let names = self.caught(js.own_names(object.raw()))?;
        self.spend(names.all().len().saturating_mul(SLOT_BYTES))?;
        names.all().try_for_each(|name| self.field(object, name, map))
    }
}

/// A text of QuickJS: UTF-8, but for surrogates without a partner, which come as three bytes each;
/// `None` if it has such and they may not be replaced.
fn copied(text: &[u8], lenient: bool) -> Option<Bytes> {
    // Only a surrogate, and few other characters, begin with this byte.
    let has_surrogates = || text.contains(&0xed) && std::str::from_utf8(text).is_err();
    match !text.is_ascii() && has_surrogates() {
        false => Some(Bytes::copy_from_slice(text)),
        true => lenient.then(|| Bytes::from(without_surrogates(text))),
    }
}

/// What an Error carries besides its message: nil for a plain one. What cannot cross is left out:
/// an error must not get lost over its fields.
pub(super) fn payload_of_error(state: &State, error: &Val, name: &str) -> Value {
    let mut bytes_left = state.scope().limits().value_bytes;
    let mut reader = Reader::new(state, true, &mut bytes_left);
    reader.ancestors.push(error.address());
    let mut map = Aggregate::with_kind(Kind::Map);
    if name != "Error" {
        map.insert("name", name);
    }
    let _ = reader.cause_and_fields(error, &mut map);
    if map.is_empty() { Value::Nil } else { map.into() }
}

/// What a script threw that is no Error, as far as it can cross.
pub(super) fn payload_of(state: &State, thrown: &Val) -> Value {
    let mut bytes_left = state.scope().limits().value_bytes;
    let mut reader = Reader::new(state, true, &mut bytes_left);
    reader.read(thrown.raw()).unwrap_or_default()
}

/// UTF-8 with U+FFFD for each surrogate that has no partner.
pub(super) fn without_surrogates(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(good) => {
                text.push_str(good);
                return text;
            }
            Err(error) => {
                let (good, bad) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(good));
                text.push('\u{fffd}');
                // A surrogate is three bytes: ED, A0 to BF, 80 to BF.
                rest = bad.get(3..).unwrap_or_default();
            }
        }
    }
}

/// A key for a message.
pub(super) fn shown(key: &Key) -> String {
    match key {
        Key::Int(int) => int.to_string(),
        Key::Real(real) => format!("{:?}", real.get()),
        Key::String(name) => String::from_utf8_lossy(name).into_owned(),
    }
}
