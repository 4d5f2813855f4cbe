//! QuickJS's values with an owner in Rust, and the calls that the rest of the engine is made of.

use rquickjs_sys::*;
use std::{
    ffi::{CStr, c_char, c_int},
    mem::{self, ManuallyDrop},
    ptr,
};

/// A context of QuickJS: how everything is reached.
///
/// One is made by `State::open` alone, and is used only while that `State` lives and only on its
/// thread (rules 1 and 4 of this folder), which is what every call here needs of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Js(pub(super) *mut JSContext);

/// A counted reference to a JavaScript value.
pub(super) struct Val {
    js: Js,
    raw: JSValue,
}

/// A counted reference to a property's name.
pub(super) struct Atom {
    js: Js,
    raw: JSAtom,
}

/// A JavaScript exception is pending: take it with [`Js::catch`], or return `JS_EXCEPTION` soon.
#[derive(Debug)]
pub(super) struct Thrown;

/// What a call of JavaScript gives.
pub(super) type Outcome<T> = Result<T, Thrown>;

/// Properties as an assignment makes them.
pub(super) const PLAIN: u32 = JS_PROP_C_W_E;
/// Properties that enumerations pass over.
pub(super) const HIDDEN: u32 = JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE;

impl Drop for Val {
    fn drop(&mut self) {
        // SAFETY: the value owns one count, and the context lives (see `Js`).
        unsafe { JS_FreeValue(self.js.0, self.raw) };
    }
}

impl Clone for Val {
    fn clone(&self) -> Self {
        self.js.share(self.raw)
    }
}

impl Val {
    /// The value itself, for a call that does not keep it.
    pub(super) fn raw(&self) -> JSValue {
        self.raw
    }

    /// The value with its count, for a call that takes it.
    pub(super) fn into_raw(self) -> JSValue {
        ManuallyDrop::new(self).raw
    }

    pub(super) fn tag(&self) -> i32 {
        tag(self.raw)
    }

    pub(super) fn is_object(&self) -> bool {
        self.tag() == JS_TAG_OBJECT
    }

    pub(super) fn is_string(&self) -> bool {
        matches!(self.tag(), JS_TAG_STRING | JS_TAG_STRING_ROPE)
    }

    /// Tells objects apart while they live.
    pub(super) fn address(&self) -> usize {
        address(self.raw)
    }
}

pub(super) fn tag(raw: JSValue) -> i32 {
    // SAFETY: reads a field of a plain value.
    unsafe { JS_VALUE_GET_NORM_TAG(raw) }
}

/// Where the object lies; only for objects.
pub(super) fn address(raw: JSValue) -> usize {
    // SAFETY: reads a field of a plain value; the pointer is not followed.
    unsafe { JS_VALUE_GET_PTR(raw) }.addr()
}

impl Drop for Atom {
    fn drop(&mut self) {
        // SAFETY: as for a value.
        unsafe { JS_FreeAtom(self.js.0, self.raw) };
    }
}

impl Clone for Atom {
    fn clone(&self) -> Self {
        self.js.share_atom(self.raw)
    }
}

impl Atom {
    pub(super) fn raw(&self) -> JSAtom {
        self.raw
    }

    pub(super) fn to_value(&self) -> Outcome<Val> {
        // SAFETY: the atom lives.
        self.js.own(unsafe { JS_AtomToValue(self.js.0, self.raw) })
    }

    /// The name's bytes: UTF-8, but for surrogates without a partner.
    pub(super) fn bytes(&self) -> Outcome<Vec<u8>> {
        self.js.bytes(&self.to_value()?)
    }
}

/// Arguments that fit into [`Args`] without an allocation.
const FEW: usize = 4;

/// The arguments of one call, or the items of an Array, in the form in which these are taken. It
/// holds one count of each.
pub(super) struct Args {
    js: Js,
    few: [JSValue; FEW],
    /// All of them, once they are many.
    many: Vec<JSValue>,
    count: usize,
}

impl Args {
    pub(super) fn new(js: Js) -> Self {
        Self::with_capacity(js, 0)
    }

    pub(super) fn with_capacity(js: Js, capacity: usize) -> Self {
        let many = Vec::with_capacity(if capacity > FEW { capacity } else { 0 });
        Self { js, few: [JS_UNDEFINED; FEW], many, count: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, arg: Val) {
        if let Some(place) = self.few.get_mut(self.count) {
            *place = arg.into_raw();
        } else {
            if self.many.is_empty() {
                self.many.extend(self.few);
            }
            self.many.push(arg.into_raw());
        }
        self.count += 1;
    }

    fn all(&mut self) -> &mut [JSValue] {
        if self.many.is_empty() { &mut self.few[..self.count] } else { &mut self.many }
    }
}

impl Drop for Args {
    fn drop(&mut self) {
        let js = self.js;
        for raw in self.all() {
            // SAFETY: `push` took one count of it, and the context lives (see `Js`).
            unsafe { JS_FreeValue(js.0, *raw) };
        }
    }
}

/// Names of properties. It holds one count of each.
pub(super) struct Names {
    js: Js,
    table: *mut JSPropertyEnum,
    count: u32,
}

impl Names {
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = JSAtom> + ExactSizeIterator {
        // SAFETY: the table has so many entries, as long as `self` lives.
        (0..self.count as usize).map(|index| unsafe { (*self.table.add(index)).atom })
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        if !self.table.is_null() {
            // SAFETY: the table is ours, with a count of each name, and the context lives.
            unsafe { JS_FreePropertyEnum(self.js.0, self.table, self.count) };
        }
    }
}

impl Js {
    /// Takes what a call returned.
    pub(super) fn own(self, raw: JSValue) -> Outcome<Val> {
        if tag(raw) == JS_TAG_EXCEPTION { Err(Thrown) } else { Ok(Val { js: self, raw }) }
    }

    /// A value that is no reference.
    pub(super) fn plain(self, raw: JSValue) -> Val {
        Val { js: self, raw }
    }

    /// A count of its own for a value that somebody else holds.
    pub(super) fn share(self, raw: JSValue) -> Val {
        // SAFETY: whoever has the raw value holds a count of it now.
        Val { js: self, raw: unsafe { JS_DupValue(self.0, raw) } }
    }

    pub(super) fn share_atom(self, raw: JSAtom) -> Atom {
        // SAFETY: as for a value.
        Atom { js: self, raw: unsafe { JS_DupAtom(self.0, raw) } }
    }

    /// Takes an atom that a call returned.
    pub(super) fn own_atom(self, raw: JSAtom) -> Outcome<Atom> {
        if raw == JS_ATOM_NULL { Err(Thrown) } else { Ok(Atom { js: self, raw }) }
    }

    pub(super) fn undefined(self) -> Val {
        self.plain(JS_UNDEFINED)
    }

    pub(super) fn runtime(self) -> *mut JSRuntime {
        // SAFETY: the context lives.
        unsafe { JS_GetRuntime(self.0) }
    }

    pub(super) fn global(self) -> Outcome<Val> {
        // SAFETY: the context lives.
        self.own(unsafe { JS_GetGlobalObject(self.0) })
    }

    pub(super) fn string(self, text: &str) -> Outcome<Val> {
        self.text(text.as_bytes())
    }

    /// A string of UTF-8. Of other bytes it makes some text, too.
    pub(super) fn text(self, text: &[u8]) -> Outcome<Val> {
        // SAFETY: the text is valid for its length, and is copied.
        self.own(unsafe { JS_NewStringLen(self.0, text.as_ptr().cast(), text.len() as _) })
    }

    /// A Uint8Array with a copy of `bytes`.
    pub(super) fn binary(self, bytes: &[u8]) -> Outcome<Val> {
        // SAFETY: as for a string.
        self.own(unsafe { JS_NewUint8ArrayCopy(self.0, bytes.as_ptr(), bytes.len() as _) })
    }

    pub(super) fn atom(self, name: &str) -> Outcome<Atom> {
        self.name(name.as_bytes())
    }

    /// The same for the name's bytes, which should be UTF-8.
    pub(super) fn name(self, name: &[u8]) -> Outcome<Atom> {
        // SAFETY: as for a string.
        self.own_atom(unsafe { JS_NewAtomLen(self.0, name.as_ptr().cast(), name.len() as _) })
    }

    pub(super) fn object(self) -> Outcome<Val> {
        // SAFETY: the context lives.
        self.own(unsafe { JS_NewObject(self.0) })
    }

    /// An Array of `items`.
    pub(super) fn array(self, items: Args) -> Outcome<Val> {
        let mut items = ManuallyDrop::new(items);
        let all = items.all();
        let array = match c_int::try_from(all.len()) {
            // SAFETY: the counts of the items go over to the call, also if it fails.
            Ok(count) => self.own(unsafe { JS_NewArrayFrom(self.0, count, all.as_ptr()) }),
            Err(_) => {
                drop(ManuallyDrop::into_inner(items));
                return Err(self.too_long());
            }
        };
        drop(mem::take(&mut items.many));
        array
    }

    fn too_long(self) -> Thrown {
        // SAFETY: the format takes one string.
        unsafe { JS_ThrowRangeError(self.0, c"%s".as_ptr(), c"too many items".as_ptr()) };
        Thrown
    }

    pub(super) fn get(self, object: &Val, name: &CStr) -> Outcome<Val> {
        // SAFETY: both live through the call.
        self.own(unsafe { JS_GetPropertyStr(self.0, object.raw, name.as_ptr()) })
    }

    pub(super) fn get_atom(self, object: JSValue, name: &Atom) -> Outcome<Val> {
        self.get_named(object, name.raw)
    }

    /// The same for a name that somebody else holds.
    pub(super) fn get_named(self, object: JSValue, name: JSAtom) -> Outcome<Val> {
        // SAFETY: both live through the call.
        self.own(unsafe { JS_GetProperty(self.0, object, name) })
    }

    pub(super) fn get_index(self, object: JSValue, index: i64) -> Outcome<Val> {
        // SAFETY: the object lives through the call.
        self.own(unsafe { JS_GetPropertyInt64(self.0, object, index) })
    }

    /// Defines an own property, whatever the prototypes say. `false`: the object takes none.
    pub(super) fn define(self, object: &Val, name: &Atom, value: Val, flags: u32) -> Outcome<bool> {
        let flags = c_int::try_from(flags).unwrap_or(0);
        // SAFETY: the count of the value goes over to the call.
        let done = unsafe {
            JS_DefinePropertyValue(self.0, object.raw, name.raw, value.into_raw(), flags)
        };
        if done < 0 { Err(Thrown) } else { Ok(done > 0) }
    }

    /// The value of an own property, if it has one that nothing computes. The object must not be
    /// a proxy.
    pub(super) fn own_value(self, object: JSValue, name: &Atom) -> Option<Val> {
        // SAFETY: zeroed, a descriptor holds no reference. What the call fills in is ours to free.
        let found = unsafe {
            let mut found: JSPropertyDescriptor = mem::zeroed();
            match JS_GetOwnProperty(self.0, &raw mut found, object, name.raw) {
                1 => found,
                0 => return None,
                _ => {
                    drop(self.catch());
                    return None;
                }
            }
        };
        let [value, ..] = [found.value, found.getter, found.setter].map(|raw| self.plain(raw));
        (found.flags & JS_PROP_GETSET.cast_signed() == 0).then_some(value)
    }

    /// The same under a name of calog's own.
    pub(super) fn define_str(
        self,
        object: &Val,
        name: &str,
        value: Val,
        flags: u32,
    ) -> Outcome<bool> {
        self.define(object, &self.atom(name)?, value, flags)
    }

    pub(super) fn call(self, function: &Val, this: &Val, args: &[Val]) -> Outcome<Val> {
        let mut raw = Args::new(self);
        args.iter().cloned().for_each(|arg| raw.push(arg));
        self.call_with(function, this, &mut raw)
    }

    pub(super) fn call_with(self, function: &Val, this: &Val, args: &mut Args) -> Outcome<Val> {
        let args = args.all();
        let count = c_int::try_from(args.len()).map_err(|_| self.too_long())?;
        // SAFETY: all live through the call, which takes no counts.
        self.own(unsafe { JS_Call(self.0, function.raw, this.raw, count, args.as_mut_ptr()) })
    }

    /// Calls a method by its name.
    pub(super) fn invoke(self, this: &Val, name: &str, args: &[Val]) -> Outcome<Val> {
        let method = self.get_atom(this.raw, &self.atom(name)?)?;
        self.call(&method, this, args)
    }

    /// The bytes of a value as text: UTF-8, but for surrogates without a partner.
    pub(super) fn bytes(self, value: &Val) -> Outcome<Vec<u8>> {
        self.with_text(value.raw, <[u8]>::to_vec)
    }

    /// Runs `f` with the text of a value, where it lies.
    pub(super) fn with_text<R>(self, value: JSValue, f: impl FnOnce(&[u8]) -> R) -> Outcome<R> {
        let mut length = 0;
        // SAFETY: the value lives through the call, whose text goes over to `lend`.
        unsafe {
            let text = JS_ToCStringLen(self.0, &raw mut length, value);
            self.lend(text, length, f)
        }
    }

    /// The same with a property's name.
    pub(super) fn with_name<R>(self, name: JSAtom, f: impl FnOnce(&[u8]) -> R) -> Outcome<R> {
        let mut length = 0;
        // SAFETY: whoever has the name holds a count of it, and its text goes over to `lend`.
        unsafe {
            let text = JS_AtomToCStringLen(self.0, &raw mut length, name);
            self.lend(text, length as usize, f)
        }
    }

    /// # Safety
    /// The text must be null with an exception pending, or one of QuickJS's own with so many
    /// bytes, and nobody else's.
    unsafe fn lend<R>(
        self,
        text: *const c_char,
        length: usize,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Outcome<R> {
        if text.is_null() {
            return Err(Thrown);
        }
        // SAFETY: the text lives until it is freed here; `f` runs no JavaScript.
        unsafe {
            let result = f(std::slice::from_raw_parts(text.cast(), length));
            JS_FreeCString(self.0, text);
            Ok(result)
        }
    }

    /// The own enumerable properties with string names, in JavaScript's order.
    pub(super) fn own_names(self, object: JSValue) -> Outcome<Names> {
        let mut names = Names { js: self, table: ptr::null_mut(), count: 0 };
        let flags = (JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY).cast_signed();
        // SAFETY: the call fills in a table of so many entries, or fails.
        let done = unsafe {
            let (table, count) = (&raw mut names.table, &raw mut names.count);
            JS_GetOwnPropertyNames(self.0, table, count, object, flags)
        };
        if done < 0 { Err(Thrown) } else { Ok(names) }
    }

    pub(super) fn length(self, object: JSValue) -> Outcome<i64> {
        let mut length = 0;
        // SAFETY: the object lives through the call.
        let done = unsafe { JS_GetLength(self.0, object, &raw mut length) };
        if done < 0 { Err(Thrown) } else { Ok(length) }
    }

    /// The pending exception.
    pub(super) fn catch(self) -> Val {
        // SAFETY: the context lives; without a pending exception it is a plain value.
        self.plain(unsafe { JS_GetException(self.0) })
    }

    pub(super) fn throw(self, value: Val) -> Thrown {
        // SAFETY: the count goes over to the call.
        unsafe { JS_Throw(self.0, value.into_raw()) };
        Thrown
    }

    pub(super) fn is_function(self, value: JSValue) -> bool {
        // SAFETY: the value lives.
        unsafe { JS_IsFunction(self.0, value) }
    }

    /// Compiles or runs a text.
    pub(super) fn eval(self, text: &str, name: &CStr, flags: u32) -> Outcome<Val> {
        let mut input = Vec::with_capacity(text.len() + 1);
        input.extend_from_slice(text.as_bytes());
        input.push(0);
        let flags = c_int::try_from(flags).unwrap_or(0);
        let text = input.as_ptr().cast();
        // SAFETY: the text ends in the NUL that the parser wants behind its length, and both live
        // through the call.
        self.own(unsafe { JS_Eval(self.0, text, (input.len() - 1) as _, name.as_ptr(), flags) })
    }

    pub(super) fn is_job_pending(self) -> bool {
        // SAFETY: the runtime lives with the context.
        unsafe { JS_IsJobPending(self.runtime()) }
    }
}
