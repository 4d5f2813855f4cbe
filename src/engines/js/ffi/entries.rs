//! What an object is, and what is in those that are more than their properties.

use super::{
    State,
    value::{Atom, Js, Outcome, Thrown, Val},
};
use bytes::Bytes;
use rquickjs_sys::*;
use std::{cell::OnceCell, mem};

/// What an object is at the border.
pub(super) enum Class {
    Array,
    /// A plain object, or an instance of a script's class.
    Object,
    Error,
    Map,
    Set,
    Date,
    /// Bytes: a Uint8Array or its like.
    Bytes,
    /// A primitive in an object.
    Boxed,
    /// By its name: it cannot cross.
    Other(String),
}

impl Class {
    /// Does it become an aggregate, which is a level of nesting? What else is an object in
    /// JavaScript becomes a plain value, or none.
    pub(super) fn is_a_level(&self) -> bool {
        match self {
            Self::Array | Self::Object | Self::Error | Self::Map | Self::Set => true,
            Self::Date | Self::Bytes | Self::Boxed | Self::Other(_) => false,
        }
    }
}

/// A proxy is what its target is.
pub(super) fn class_of(state: &State, object: &Val) -> Outcome<Class> {
    let js = state.js;
    // SAFETY: asks for the class of a live object.
    match unsafe { JS_GetClassID(object.raw()) } {
        id if id == state.classes.object => return Ok(Class::Object),
        id if id == state.classes.array => return Ok(Class::Array),
        _ => {}
    }
    let mut target = object.clone();
    // SAFETY: each asks for the class of a live object. A proxy's target is a count of its own.
    unsafe {
        while JS_IsProxy(target.raw()) {
            // Asking throws if the proxy was revoked, and for no other reason.
            let Ok(next) = js.own(JS_GetProxyTarget(js.0, target.raw())) else {
                drop(js.catch());
                return Ok(Class::Other("revoked Proxy".into()));
            };
            target = next;
        }
        let (value, is_proxy) = (target.raw(), target.address() != object.address());
        if JS_IsArray(value) {
            return Ok(Class::Array);
        }
        if is_proxy {
            // Its traps stand for properties; what is inside of a Map has no trap.
            return Ok(Class::Object);
        }
        Ok(match JS_GetTypedArrayType(value) {
            UINT8_CLAMPED | UINT8 => Class::Bytes,
            0.. => Class::Array,
            _ if JS_IsError(value) => Class::Error,
            _ if JS_IsMap(value) => Class::Map,
            _ if JS_IsSet(value) => Class::Set,
            _ if JS_IsDate(value) => Class::Date,
            _ if JS_IsArrayBuffer(value) || JS_IsDataView(value) => Class::Bytes,
            _ => named(state, value)?,
        })
    }
}

const UINT8_CLAMPED: i32 = JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8C.cast_signed();
const UINT8: i32 = JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8.cast_signed();

/// The classes that only their name tells.
fn named(state: &State, value: JSValue) -> Outcome<Class> {
    let js = state.js;
    // SAFETY: the object lives, so its class is registered.
    let name = unsafe { JS_GetClassName(js.runtime(), JS_GetClassID(value)) };
    let name = js.own_atom(name)?.bytes()?;
    Ok(match &*name {
        b"Object" | b"Module" => Class::Object,
        b"Arguments" => Class::Array,
        b"Number" | b"String" | b"Boolean" | b"BigInt" => Class::Boxed,
        name => Class::Other(String::from_utf8_lossy(name).into_owned()),
    })
}

/// Is the name that of an element?
pub(super) fn names_an_element(name: &[u8]) -> bool {
    // A number with leading zeros is a name like any other.
    std::str::from_utf8(name).is_ok_and(|text| {
        text.parse::<u32>().is_ok_and(|index| index < u32::MAX && index.to_string() == text)
    })
}

/// How many names are kept, and how long they may be.
const PLACES: usize = 32;
const LONGEST: usize = 32;

/// The texts of names that objects had more than once, as records in a list have them.
#[derive(Default)]
pub(super) struct Keys(Vec<Place>);

#[derive(Default)]
struct Place {
    /// The name that came here last, which need not live any more.
    last: JSAtom,
    kept: Option<(Atom, Bytes)>,
}

impl Keys {
    pub(super) fn get(&self, name: JSAtom) -> Option<Bytes> {
        let (kept, text) = self.0.get(name as usize % PLACES)?.kept.as_ref()?;
        (kept.raw() == name).then(|| text.clone())
    }

    /// Keeps the text of a name that comes here for the second time in a row.
    pub(super) fn note(&mut self, js: Js, name: JSAtom, text: &Bytes) {
        if text.len() > LONGEST {
            return;
        }
        if self.0.is_empty() {
            self.0.resize_with(PLACES, Place::default);
        }
        let place = &mut self.0[name as usize % PLACES];
        if mem::replace(&mut place.last, name) == name {
            place.kept = Some((js.share_atom(name), text.clone()));
        }
    }
}

/// What takes the entries out of Maps and Sets, once it was needed.
#[derive(Default)]
pub(super) struct Flatteners {
    of_map: OnceCell<Val>,
    of_set: OnceCell<Val>,
}

/// The keys and values of a Map, in turn.
pub(super) fn of_map(state: &State, map: &Val) -> Outcome<Val> {
    flattened(
        state,
        map,
        &state.flatteners.of_map,
        "(m => { const all = []; let n = 0;
        for (const [k, v] of Map.prototype.entries.call(m)) { all[n++] = k; all[n++] = v; }
        return all; })",
    )
}

/// The items of a Set.
pub(super) fn of_set(state: &State, set: &Val) -> Outcome<Val> {
    flattened(
        state,
        set,
        &state.flatteners.of_set,
        "(s => { const all = []; let n = 0;
        for (const v of Set.prototype.values.call(s)) all[n++] = v;
        return all; })",
    )
}

/// What the script may have done to the library that this uses, it has done to its own data only.
fn flattened(state: &State, object: &Val, flatten: &OnceCell<Val>, text: &str) -> Outcome<Val> {
    let js = state.js;
    let flatten = match flatten.get() {
        Some(flatten) => flatten,
        None => {
            let made = js.eval(text, super::failure::LIBRARY, JS_EVAL_TYPE_GLOBAL)?;
            flatten.get_or_init(|| made)
        }
    };
    js.call(flatten, &js.undefined(), std::slice::from_ref(object))
}

/// The bytes that an object of [`Class::Bytes`] shows.
pub(super) fn bytes(state: &State, object: &Val) -> Outcome<Vec<u8>> {
    let js = state.js;
    let (buffer, from, count) = if is_buffer(object) {
        (object.clone(), 0, usize::MAX)
    } else if is_view(object) {
        let number = |name| js.get(object, name).and_then(|value| to_size(state, &value));
        (js.get(object, c"buffer")?, number(c"byteOffset")?, number(c"byteLength")?)
    } else {
        let (mut from, mut count, mut each) = (0, 0, 0);
        // SAFETY: it is a typed array; the call fills all three, or fails.
        let buffer = js.own(unsafe {
            let (from, count) = (&raw mut from, &raw mut count);
            JS_GetTypedArrayBuffer(js.0, object.raw(), from, count, &raw mut each)
        })?;
        (buffer, from as usize, count as usize)
    };
    let mut size = 0;
    // SAFETY: the pointer is null with an exception pending, or valid for `size` bytes until
    // JavaScript runs again; they are copied before that.
    unsafe {
        let start = JS_GetArrayBuffer(js.0, &raw mut size, buffer.raw());
        if start.is_null() {
            if JS_HasException(js.0) {
                return Err(Thrown);
            }
            return Ok(Vec::new());
        }
        let all = std::slice::from_raw_parts(start, size as usize);
        let end = from.saturating_add(count).min(all.len());
        Ok(all.get(from..end).unwrap_or_default().to_vec())
    }
}

fn is_buffer(object: &Val) -> bool {
    // SAFETY: asks for the class of a live value.
    unsafe { JS_IsArrayBuffer(object.raw()) }
}

fn is_view(object: &Val) -> bool {
    // SAFETY: asks for the class of a live value.
    unsafe { JS_IsDataView(object.raw()) }
}

fn to_size(state: &State, value: &Val) -> Outcome<usize> {
    let mut size = 0;
    // SAFETY: the value lives through the call.
    let done = unsafe { JS_ToIndex(state.js.0, &raw mut size, value.raw()) };
    if done < 0 { Err(Thrown) } else { Ok(usize::try_from(size).unwrap_or(usize::MAX)) }
}
