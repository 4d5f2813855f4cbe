//! Values into Lua and out of it: raw access only, no metamethod runs.

use super::{L, State, Target, failure, native};
use crate::{
    engine::Callee,
    error::{Error, ErrorKind, Result},
    limits::Fidelity,
    value::{Aggregate, Key, Kind, Value},
};
use bytes::Bytes;
use mlua::ffi::*;
use std::ffi::{c_int, c_void};

/// What a slot of a table counts for against the limit of a value's size.
const SLOT_BYTES: usize = 16;

/// What a table counts for, besides its slots.
const TABLE_BYTES: usize = 128;

/// The bytes of the string at `index`, where they lie. Never raises.
///
/// # Safety
/// `index` must be a string (not a number, which would be converted in place), and the bytes must
/// be used only while it is on the stack.
pub(super) unsafe fn bytes<'a>(l: L, index: c_int) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: the caller's promise; Lua returns a valid pointer for a string, even an empty one.
    unsafe {
        let start = lua_tolstring(l, index, &raw mut length);
        std::slice::from_raw_parts(start.cast(), length)
    }
}

/// The value at `index`, which must be absolute. Never raises.
///
/// # Safety
/// `l` must be a live thread of `state`.
pub(super) unsafe fn read(state: &State, l: L, index: c_int) -> Result<Value> {
    let mut bytes_left = state.value_bytes;
    // SAFETY: the caller's promise.
    unsafe { read_within(&mut bytes_left, state, l, index, |error| error) }
}

/// The same for one of several values that share a budget of bytes, and where errors are told to be.
///
/// # Safety
/// As for [`read`].
#[inline]
pub(super) unsafe fn read_within(
    bytes_left: &mut usize,
    state: &State,
    l: L,
    index: c_int,
    at: impl FnOnce(Error) -> Error,
) -> Result<Value> {
    // SAFETY: the caller's promise. The most common type is asked for first, and inline.
    unsafe {
        if lua_isinteger(l, index) != 0 {
            return Ok(Value::Int(lua_tointegerx(l, index, std::ptr::null_mut())));
        }
        read_any(bytes_left, state, l, index).map_err(at)
    }
}

/// # Safety
/// As for [`read`].
unsafe fn read_any(bytes_left: &mut usize, state: &State, l: L, index: c_int) -> Result<Value> {
    // SAFETY: the caller's promise. None of these allocates or runs a metamethod.
    unsafe {
        Ok(match lua_type(l, index) {
            LUA_TNIL | LUA_TNONE => Value::Nil,
            LUA_TBOOLEAN => Value::Bool(lua_toboolean(l, index) != 0),
            LUA_TNUMBER => number(l, index),
            _ => {
                let lenient = state.scope().fidelity() == Fidelity::Lenient;
                let mut reader = Reader { state, lenient, bytes_left, ancestors: Vec::new() };
                reader.read(l, index)?
            }
        })
    }
}

/// # Safety
/// `index` must be a number.
unsafe fn number(l: L, index: c_int) -> Value {
    // SAFETY: the caller's promise.
    unsafe {
        if lua_isinteger(l, index) != 0 {
            Value::Int(lua_tointegerx(l, index, std::ptr::null_mut()))
        } else {
            Value::Real(lua_tonumberx(l, index, std::ptr::null_mut()))
        }
    }
}

/// Is the value at `index` this integer?
///
/// # Safety
/// As for [`read`].
unsafe fn is_int(l: L, index: c_int, int: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        lua_isinteger(l, index) != 0
            && lua_tointegerx(l, index, std::ptr::null_mut()) == int as lua_Integer
    }
}

fn too_large(state: &State) -> Error {
    Error::too_large(state.value_bytes)
}

fn unrepresentable(what: &str) -> Error {
    Error::new(ErrorKind::Unrepresentable, format!("{what} cannot leave its context"))
}

/// Reads one value with all that is in it.
struct Reader<'a> {
    state: &'a State,
    lenient: bool,
    bytes_left: &'a mut usize,
    /// The tables around the one that is read: meeting one of them again is a cycle.
    ancestors: Vec<*const c_void>,
}

impl Reader<'_> {
    fn spend(&mut self, bytes: usize) -> Result<()> {
        let left = self.bytes_left.checked_sub(bytes);
        *self.bytes_left = left.ok_or_else(|| too_large(self.state))?;
        Ok(())
    }

    /// What has no counterpart: an error, or nil if the call is lenient.
    fn refuse(&self, what: &str) -> Result<Value> {
        if self.lenient { Ok(Value::Nil) } else { Err(unrepresentable(what)) }
    }

    /// # Safety
    /// As for [`read`]. Never raises.
    unsafe fn read(&mut self, l: L, index: c_int) -> Result<Value> {
        // SAFETY: the caller's promise; every branch leaves the stack as it found it.
        unsafe {
            match lua_type(l, index) {
                LUA_TSTRING => {
                    let bytes = bytes(l, index);
                    self.spend(bytes.len())?;
                    Ok(Value::String(Bytes::copy_from_slice(bytes)))
                }
                LUA_TTABLE => self.table(l, index),
                LUA_TFUNCTION => self.function(l, index),
                LUA_TUSERDATA => match failure::borrow(l, index) {
                    Some(error) => self.describe(error),
                    None => self.refuse("a userdata"),
                },
                LUA_TTHREAD => self.refuse("a coroutine"),
                LUA_TLIGHTUSERDATA => self.refuse("a light userdata"),
                _ => read_any(self.bytes_left, self.state, l, index),
            }
        }
    }

    /// # Safety
    /// As for [`read`]; `index` is a function.
    unsafe fn function(&mut self, l: L, index: c_int) -> Result<Value> {
        // SAFETY: the caller's promise, and room is checked.
        unsafe {
            if lua_checkstack(l, 4) == 0 {
                return Err(failure::out_of_memory());
            }
            // A function value that came from elsewhere goes on as itself, without a hop through
            // here.
            if let Some(Target::Callee(Callee::Function(function))) = native::target_of(l, index) {
                return Ok(Value::Function(function.clone()));
            }
            Ok(Value::Function(self.state.reference(l, index)?))
        }
    }

    /// # Safety
    /// As for [`read`]; `index` is a table.
    unsafe fn table(&mut self, l: L, index: c_int) -> Result<Value> {
        // SAFETY: the caller's promise, and room is checked. `lua_next` gets only keys that it
        // returned.
        unsafe {
            let this = lua_topointer(l, index);
            if self.ancestors.contains(&this) {
                return self.refuse("a cycle");
            }
            let cap = self.state.scope().limits().value_depth;
            if self.ancestors.len() >= cap {
                let message = format!("nested deeper than {cap}");
                return Err(Error::new(ErrorKind::Range, message));
            }
            if lua_checkstack(l, 6) == 0 {
                return Err(failure::out_of_memory());
            }
            self.ancestors.push(this);
            let top = lua_gettop(l);
            let result = self.entries(l, index);
            lua_settop(l, top);
            self.ancestors.pop();
            result
        }
    }

    /// # Safety
    /// As for [`read`]; `index` is a table and there is room for six.
    unsafe fn entries(&mut self, l: L, index: c_int) -> Result<Value> {
        // SAFETY: as in `table`, which also clears the stack after an error.
        unsafe {
            let length = lua_rawlen(l, index);
            self.spend(length.saturating_mul(SLOT_BYTES).saturating_add(TABLE_BYTES))?;
            let mut list = Vec::with_capacity(length);
            lua_pushnil(l);
            let at = lua_gettop(l) + 1;
            let mut more = lua_next(l, index) != 0;
            // Mostly a list comes first and in its order, and there is nothing else.
            while more && list.len() < length && is_int(l, at - 1, list.len() + 1) {
                list.push(self.element(l, at, list.len() + 1)?);
                lua_settop(l, at - 1);
                more = lua_next(l, index) != 0;
            }
            for position in list.len() + 1..=length {
                lua_rawgeti(l, index, position as lua_Integer);
                list.push(self.element(l, lua_gettop(l), position)?);
                lua_settop(l, -2);
            }
            let mut aggregate = Aggregate::list(list);
            while more {
                if let Some(key) = self.key(l, at - 1, length)? {
                    self.spend(SLOT_BYTES)?;
                    let value = self.read(l, at);
                    let value = value.map_err(|error| error.at(key.segment()))?;
                    aggregate.insert(key, value);
                }
                lua_settop(l, at - 1);
                more = lua_next(l, index) != 0;
            }
            Ok(aggregate.into())
        }
    }

    /// The value at `index`, which is that at `position` of a list.
    ///
    /// # Safety
    /// As for [`read`].
    #[inline]
    unsafe fn element(&mut self, l: L, index: c_int, position: usize) -> Result<Value> {
        // SAFETY: the caller's promise.
        unsafe {
            if lua_isinteger(l, index) != 0 {
                return Ok(Value::Int(lua_tointegerx(l, index, std::ptr::null_mut())));
            }
            let value = self.read(l, index);
            value.map_err(|error| error.at(format_args!("[{position}]")))
        }
    }

    /// An error object as data: what another context sees of it when it is passed as a value.
    fn describe(&mut self, error: &Error) -> Result<Value> {
        let payload = error.payload();
        // A payload may share its parts, so that it is far larger than what it takes in memory.
        self.spend(payload.size_bytes().saturating_add(error.message().len() + TABLE_BYTES))?;
        let cap = self.state.scope().limits().value_depth;
        if self.ancestors.len() + 1 + payload.depth() > cap {
            return Err(Error::new(ErrorKind::Range, format!("nested deeper than {cap}")));
        }
        let mut map = Aggregate::with_kind(Kind::Map);
        map.insert("kind", error.kind().as_str());
        map.insert("message", error.message());
        if !payload.is_nil() {
            map.insert("payload", payload.clone());
        }
        Ok(map.into())
    }

    /// The key at `index`; `None` if it is to be passed over.
    ///
    /// # Safety
    /// As for [`read`].
    unsafe fn key(&mut self, l: L, index: c_int, length: usize) -> Result<Option<Key>> {
        // SAFETY: the caller's promise; strings only are read as strings, so that no number key is
        // converted in place, which would confuse `lua_next`.
        unsafe {
            match lua_type(l, index) {
                LUA_TNUMBER => match number(l, index) {
                    Value::Int(i) if usize::try_from(i).is_ok_and(|i| 1 <= i && i <= length) => {
                        Ok(None)
                    }
                    Value::Int(i) => Ok(Some(Key::Int(i))),
                    Value::Real(r) => Key::real(r).map(Some),
                    _ => Ok(None),
                },
                LUA_TSTRING => {
                    let bytes = bytes(l, index);
                    self.spend(bytes.len())?;
                    Ok(Some(Key::String(Bytes::copy_from_slice(bytes))))
                }
                _ if self.lenient => Ok(None),
                other => {
                    let name = std::ffi::CStr::from_ptr(lua_typename(l, other)).to_string_lossy();
                    let message = format!("a {name} cannot be a key outside of its context");
                    Err(Error::new(ErrorKind::Unrepresentable, message))
                }
            }
        }
    }
}

/// Is it a value that needs no allocation?
#[inline]
pub(super) fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Real(_))
}

/// Pushes a value that needs no allocation. `false`: it needs one. Never raises.
///
/// # Safety
/// `l` must be live with room for one more.
#[inline]
pub(super) unsafe fn push_scalar(l: L, value: &Value) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        match value {
            Value::Nil => lua_pushnil(l),
            Value::Bool(b) => lua_pushboolean(l, (*b).into()),
            Value::Int(i) => lua_pushinteger(l, *i),
            Value::Real(r) => lua_pushnumber(l, *r),
            Value::String(_) | Value::Bytes(_) | Value::Aggregate(_) | Value::Function(_) => {
                return false;
            }
        }
    }
    true
}

/// May the value be pushed? Never raises.
///
/// # Errors
/// `range` if it is nested too deep or too large, `unsupported` if a function in it belongs to
/// another broker, `unrepresentable` if a pair of a mix has the key of a list element (then, if the
/// call is lenient, the pair replaces the element).
pub(super) fn check(state: &State, value: &Value) -> Result<()> {
    state.scope().check_value(value, |aggregate| check_parts(state, aggregate))
}

fn check_parts(state: &State, aggregate: &Aggregate) -> Result<()> {
    let part = |value: &Value| match value {
        Value::Function(function) => state.scope().admit(function),
        Value::Aggregate(aggregate) => check_parts(state, aggregate),
        Value::Nil
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Real(_)
        | Value::String(_)
        | Value::Bytes(_) => Ok(()),
    };
    for (index, value) in (1..).zip(aggregate.array()) {
        part(value).map_err(|error| error.at(format_args!("[{index}]")))?;
    }
    let length = aggregate.array().len();
    for (key, value) in aggregate.pairs() {
        if let Key::Int(i) = key
            && usize::try_from(*i).is_ok_and(|i| 1 <= i && i <= length)
            && state.scope().fidelity() == Fidelity::Strict
        {
            let message = format!("a table would have the key {i} twice");
            return Err(Error::new(ErrorKind::Unrepresentable, message));
        }
        part(value).map_err(|error| error.at(key.segment()))?;
    }
    Ok(())
}

/// Pushes a value that [`check`] has passed. Raises (memory).
///
/// # Safety
/// `l` must be a live thread of `state`, in a protected call, with room for one more; `value` must
/// outlive a raised error.
pub(super) unsafe fn push(state: &State, l: L, value: &Value) {
    // SAFETY: the caller's promise. Only references and iterators over slices are held (rule 2).
    unsafe {
        if push_scalar(l, value) {
            return;
        }
        match value {
            Value::String(bytes) | Value::Bytes(bytes) => {
                lua_pushlstring(l, bytes.as_ptr().cast(), bytes.len());
            }
            Value::Aggregate(aggregate) => push_table(state, l, aggregate),
            // One of our own comes home as itself.
            Value::Function(function) if function.context() == state.scope().id() => {
                lua_rawgeti(l, LUA_REGISTRYINDEX, function.key().cast_signed());
            }
            Value::Function(function) => {
                native::push_function(l, || Target::Callee(Callee::Function(function.clone())));
            }
            _ => lua_pushnil(l),
        }
    }
}

/// # Safety
/// As for [`push`].
unsafe fn push_table(state: &State, l: L, aggregate: &Aggregate) {
    // SAFETY: as in `push`. The sizes are hints, so clamping them is harmless.
    unsafe {
        let hint = |n: usize| c_int::try_from(n).unwrap_or(c_int::MAX);
        luaL_checkstack(l, 4, c"too many nested values".as_ptr());
        lua_createtable(l, hint(aggregate.array().len()), hint(aggregate.pairs().len()));
        for (position, value) in (1..).zip(aggregate.array()) {
            push(state, l, value);
            lua_rawseti(l, -2, position);
        }
        for (key, value) in aggregate.pairs() {
            match key {
                Key::Int(i) => lua_pushinteger(l, *i),
                Key::Real(r) => lua_pushnumber(l, r.get()),
                Key::String(name) => {
                    lua_pushlstring(l, name.as_ptr().cast(), name.len());
                }
            }
            push(state, l, value);
            lua_rawset(l, -3);
        }
    }
}
