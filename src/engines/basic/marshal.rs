//! Values into BASIC and out of it.

use super::{
    class::Member,
    dict::{Entries, Ready},
    fault::Failure,
    handles::Handles,
    heap::{Heap, Ref},
    names::Names,
    objects::{Array, Dict, Items, List, Object, Routine},
    value::Value,
};
use crate::{
    engine::Scope,
    error::{Error, ErrorKind, Result},
    limits::Fidelity,
    value::{self as outside, Aggregate, Key, Kind},
};
use bytes::Bytes;

/// What an element counts for against the limit of a value's size.
const SLOT_BYTES: usize = 16;

/// What a collection counts for, besides its elements.
const COLLECTION_BYTES: usize = 128;

/// What the heap needs for an entry of a dict, generously, and for an object that is small.
const ENTRY_BYTES: usize = 192;

/// Where values cross.
pub(super) struct Crossing<'a> {
    pub(super) scope: &'a dyn Scope,
    pub(super) heap: &'a mut Heap,
    pub(super) names: &'a Names,
    pub(super) handles: &'a mut Handles<Value>,
}

impl Crossing<'_> {
    /// The value outside, by copy.
    ///
    /// # Errors
    /// `unrepresentable` for what has no counterpart, `range` if it is nested too deep or too
    /// large, `memory` if too many functions have left the context.
    pub(super) fn leave(&mut self, value: Value) -> Result<outside::Value> {
        self.leaving().value(value)
    }

    /// The same for the arguments of a call, which are one value when it comes to its size.
    pub(super) fn leave_all(&mut self, args: &[Value]) -> Result<Vec<outside::Value>> {
        let mut leaving = self.leaving();
        let number = |(number, arg): (usize, &Value)| {
            leaving.value(*arg).map_err(|error| error.at(format_args!("args[{number}]")))
        };
        (1..).zip(args).map(number).collect()
    }

    fn leaving(&mut self) -> Leaving<'_> {
        let limits = self.scope.limits();
        Leaving {
            lenient: self.scope.fidelity() == Fidelity::Lenient,
            bytes_left: limits.value_bytes,
            cap: limits.value_depth,
            ancestors: Vec::new(),
            scope: self.scope,
            heap: self.heap,
            names: self.names,
            handles: self.handles,
        }
    }

    /// The value in here, by copy, once [`check`] has passed it. It is reached by nobody yet.
    ///
    /// # Errors
    /// [`Failure::Memory`]: it may be tried again after a collection.
    pub(super) fn enter(&mut self, value: &outside::Value) -> Result<Value, Failure> {
        Ok(match value {
            outside::Value::Nil => Value::Nil,
            outside::Value::Bool(truth) => Value::truth(*truth),
            outside::Value::Int(int) => Value::Int(*int),
            outside::Value::Real(real) => Value::Real(*real),
            outside::Value::String(bytes) | outside::Value::Bytes(bytes) => {
                self.enter_text(bytes)?
            }
            outside::Value::Function(function) if function.context() == self.scope.id() => {
                // One of our own comes home as itself.
                self.handles.get(function.key()).copied().unwrap_or_default()
            }
            outside::Value::Function(function) => {
                self.heap.reserve(ENTRY_BYTES)?;
                self.heap.add_routine(Routine::Function(function.clone()))
            }
            outside::Value::Aggregate(aggregate) if aggregate.kind() == Kind::List => {
                self.heap.reserve(aggregate.array().len() * SLOT_BYTES + ENTRY_BYTES)?;
                let mut items = Vec::with_capacity(aggregate.array().len());
                for item in aggregate.array() {
                    items.push(self.enter(item)?);
                }
                self.heap.new_list(items)
            }
            outside::Value::Aggregate(aggregate) => self.enter_dict(aggregate)?,
        })
    }

    fn enter_text(&mut self, bytes: &Bytes) -> Result<Value, Failure> {
        self.heap.reserve(bytes.len() + ENTRY_BYTES)?;
        Ok(self.heap.new_text(bytes))
    }

    /// A dict of the pairs. The list of a mix has the keys from 0 there, as lists do here.
    fn enter_dict(&mut self, aggregate: &Aggregate) -> Result<Value, Failure> {
        self.heap.reserve(aggregate.len() * ENTRY_BYTES + ENTRY_BYTES)?;
        let mut entries = Entries::default();
        for (index, item) in (0..).zip(aggregate.array()) {
            let item = self.enter(item)?;
            entries.insert(Ready::new(self.heap, Value::Int(index)), item);
        }
        for (key, value) in aggregate.pairs() {
            let key = match key {
                Key::Int(int) => Value::Int(*int),
                Key::Real(real) => Value::Real(real.get()),
                Key::String(bytes) => self.enter_text(bytes)?,
            };
            let value = self.enter(value)?;
            entries.insert(Ready::new(self.heap, key), value);
        }
        Ok(self.heap.add_dict(Dict { entries, ..Dict::default() }))
    }
}

/// May the value enter? This is also what bounds the recursion of [`Crossing::enter`].
///
/// # Errors
/// `range` if it is nested too deep or too large, `unsupported` if a function in it belongs to
/// another broker, `unrepresentable` if a pair of a mix has the key of an element (then, if the
/// call is lenient, the pair replaces the element).
pub(super) fn check(scope: &dyn Scope, value: &outside::Value) -> Result<()> {
    scope.check_value(value, |aggregate| check_parts(scope, aggregate))
}

fn check_parts(scope: &dyn Scope, aggregate: &Aggregate) -> Result<()> {
    let part = |value: &outside::Value| match value {
        outside::Value::Function(function) => scope.admit(function),
        outside::Value::Aggregate(aggregate) => check_parts(scope, aggregate),
        outside::Value::Nil
        | outside::Value::Bool(_)
        | outside::Value::Int(_)
        | outside::Value::Real(_)
        | outside::Value::String(_)
        | outside::Value::Bytes(_) => Ok(()),
    };
    for (index, value) in aggregate.array().iter().enumerate() {
        part(value).map_err(|error| error.at(format_args!("[{index}]")))?;
    }
    let length = aggregate.array().len();
    for (key, value) in aggregate.pairs() {
        let index = key.as_int().and_then(|int| usize::try_from(int).ok());
        if index.is_some_and(|index| index < length) && scope.fidelity() == Fidelity::Strict {
            let message = format!("a DICT would have the key {} twice", shown(key));
            return Err(Error::new(ErrorKind::Unrepresentable, message));
        }
        part(value).map_err(|error| error.at(key.segment()))?;
    }
    Ok(())
}

/// A key for a message.
fn shown(key: &Key) -> String {
    match key {
        Key::Int(int) => int.to_string(),
        Key::Real(real) => format!("{:?}", real.get()),
        Key::String(name) => String::from_utf8_lossy(name).into_owned(),
    }
}

/// What contains others, to be known again.
#[derive(Clone, Copy, PartialEq)]
enum Container {
    List(Ref<List>),
    Dict(Ref<Dict>),
    Array(Ref<Array>),
    Object(Ref<Object>),
}

/// One value that leaves, with all that is in it.
struct Leaving<'a> {
    scope: &'a dyn Scope,
    heap: &'a mut Heap,
    names: &'a Names,
    handles: &'a mut Handles<Value>,
    lenient: bool,
    bytes_left: usize,
    /// How deep values may be nested.
    cap: usize,
    /// What is around the value: meeting one of them again is a cycle.
    ancestors: Vec<Container>,
}

impl Leaving<'_> {
    fn spend(&mut self, bytes: usize) -> Result<()> {
        let left = self.bytes_left.checked_sub(bytes);
        let too_large = || Error::too_large(self.scope.limits().value_bytes);
        self.bytes_left = left.ok_or_else(too_large)?;
        Ok(())
    }

    /// What has no counterpart: an error, or nil if the call is lenient.
    fn refuse(&self, what: &str) -> Result<outside::Value> {
        if self.lenient {
            return Ok(outside::Value::Nil);
        }
        let message = format!("{what} cannot leave its context");
        Err(Error::new(ErrorKind::Unrepresentable, message))
    }

    fn value(&mut self, value: Value) -> Result<outside::Value> {
        Ok(match value {
            Value::Nil | Value::Unknown | Value::Unset => outside::Value::Nil,
            Value::Int(int) => outside::Value::Int(int),
            Value::Real(real) => outside::Value::Real(real),
            Value::Text(r) => {
                let bytes = self.heap.text(r);
                let text = Bytes::copy_from_slice(bytes);
                self.spend(text.len())?;
                outside::Value::String(text)
            }
            // Its name is what comes nearest.
            Value::Type(kind) if self.lenient => kind.name().into(),
            Value::Type(_) => self.refuse("a TYPE")?,
            Value::List(r) => self.container(Container::List(r))?,
            Value::Dict(r) => self.container(Container::Dict(r))?,
            Value::Array(r) => self.container(Container::Array(r))?,
            Value::Object(r) => self.container(Container::Object(r))?,
            Value::Iterator(_) => self.refuse("an iterator")?,
            Value::Routine(r) => match self.heap.routine(r) {
                // A function value that came from elsewhere goes on as itself, without a hop
                // through here.
                Routine::Function(function) => outside::Value::Function(function.clone()),
                _ => self.publish(value)?,
            },
            Value::Upvalue(_) => self.refuse("a place of a variable")?,
        })
    }

    fn publish(&mut self, routine: Value) -> Result<outside::Value> {
        self.scope.check_handles(self.handles.len())?;
        Ok(outside::Value::Function(self.scope.function(self.handles.insert(routine))))
    }

    fn container(&mut self, container: Container) -> Result<outside::Value> {
        if self.ancestors.contains(&container) {
            return self.refuse("a cycle");
        }
        let levels = match container {
            Container::Array(r) => self.heap.array(r).sizes.len(),
            _ => 1,
        };
        if self.ancestors.len() + levels > self.cap {
            let message = format!("nested deeper than {}", self.cap);
            return Err(Error::new(ErrorKind::Range, message));
        }
        self.ancestors.push(container);
        let result = match container {
            Container::List(r) => self.list(r),
            Container::Dict(r) => self.dict(r),
            Container::Array(r) => self.array(r),
            Container::Object(r) => self.object(r),
        };
        self.ancestors.pop();
        result.map(outside::Value::from)
    }

    fn list(&mut self, r: Ref<List>) -> Result<Aggregate> {
        let length = self.heap.list(r).items.len();
        self.spend(length * SLOT_BYTES + COLLECTION_BYTES)?;
        let mut list = Aggregate::with_capacity(length, 0);
        for index in 0..length {
            let item = self.heap.list(r).items[index];
            list.push(self.value(item).map_err(|error| error.at(format_args!("[{index}]")))?);
        }
        Ok(list)
    }

    fn dict(&mut self, r: Ref<Dict>) -> Result<Aggregate> {
        let length = self.heap.dict(r).entries.len();
        self.spend(length * SLOT_BYTES + COLLECTION_BYTES)?;
        let mut map = Aggregate::with_kind(Kind::Map);
        for index in 0..length {
            let Some((key, value)) = self.heap.dict(r).entries.at(index) else { break };
            let Some(key) = self.key(key)? else { continue };
            // 2 and 2.0 are two keys here, but one outside.
            if !self.lenient && map.get(&key).is_some() {
                let message = format!("a DICT has the key {} twice", shown(&key));
                return Err(Error::new(ErrorKind::Unrepresentable, message));
            }
            let value = self.value(value).map_err(|error| error.at(key.segment()))?;
            map.insert(key, value);
        }
        Ok(map)
    }

    /// The key of an entry; `None` if that is to be left out.
    fn key(&mut self, key: Value) -> Result<Option<Key>> {
        let what = match key {
            Value::Int(int) => return Ok(Some(Key::Int(int))),
            Value::Real(real) if real.is_nan() => "NaN",
            Value::Real(real) => return Key::real(real).map(Some),
            Value::Text(_) => {
                return match self.value(key)? {
                    outside::Value::String(text) => Ok(Some(Key::String(text))),
                    _ => Ok(None),
                };
            }
            other => self.heap.type_of(other).name(),
        };
        if self.lenient {
            return Ok(None);
        }
        let message = format!("{what} cannot be a key outside of its context");
        Err(Error::new(ErrorKind::Unrepresentable, message))
    }

    /// Lists in lists, one for each index.
    fn array(&mut self, r: Ref<Array>) -> Result<Aggregate> {
        self.spend(self.heap.array(r).items.len() * SLOT_BYTES)?;
        let Array { sizes, items } = self.heap.array(r);
        let sizes = sizes.clone();
        let mut row: Vec<outside::Value> = match items {
            Items::Numbers(numbers) => numbers.iter().map(|number| (*number).into()).collect(),
            Items::Texts(texts) => {
                let texts = texts.clone();
                texts.into_iter().map(|text| self.value(text)).collect::<Result<_>>()?
            }
        };
        // The last index is the fastest, so the innermost lists are made first.
        for size in sizes.iter().skip(1).rev() {
            let mut items = row.into_iter();
            row = Vec::new();
            while items.len() > 0 {
                self.spend(COLLECTION_BYTES)?;
                let list: Vec<_> = items.by_ref().take((*size).max(1)).collect();
                row.push(Aggregate::list(list).into());
            }
        }
        self.spend(COLLECTION_BYTES)?;
        Ok(Aggregate::list(row))
    }

    /// A map of the fields and the methods, which stay the object's own. The names, which have no
    /// case here, are in lower case, as people write them elsewhere.
    fn object(&mut self, r: Ref<Object>) -> Result<Aggregate> {
        let shape = self.heap.object(r).shape.clone();
        self.spend(shape.order.len() * SLOT_BYTES + COLLECTION_BYTES)?;
        let mut map = Aggregate::with_kind(Kind::Map);
        for (symbol, member) in &shape.order {
            let name = self.names.symbols.name(*symbol).to_ascii_lowercase();
            let value = match member {
                Member::Field(index) => {
                    let field = self.heap.object(r).fields.get(*index).copied();
                    self.value(field.unwrap_or_default())
                }
                Member::Method(proto) => {
                    let (proto, upvalues) = (proto.clone(), Box::default());
                    let me = Value::Object(r);
                    let method = Routine::Script { proto, me, upvalues };
                    let method = self.heap.add_routine(method);
                    self.publish(method)
                }
            };
            let value = value.map_err(|error| error.at(format_args!(".{name}")))?;
            map.insert(name, value);
        }
        Ok(map)
    }
}
