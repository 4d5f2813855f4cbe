//! How a name finds natives, exports and the library: through an object behind the global one.
//!
//! The global object's own properties come first, as do lexical variables, so a script's own
//! globals shadow what is found here.

use super::value::Atom;
use super::{
    State, failure, guarded,
    native::{self, Target},
    push,
    timer::Family,
    value::{HIDDEN, Outcome, Thrown, Val},
};
use crate::{
    engine::{Callee, Named, Resolved},
    engines::js::builtin::{self, PARTS, Part},
    error::contain,
};
use rquickjs_sys::*;
use std::{
    cell::{Cell, RefCell},
    ffi::{CString, c_int},
    ptr,
};

/// What was found for exports of others, which holds while no export changes. It is among the
/// properties of the object that was asked, where QuickJS finds it by itself, until then.
#[derive(Default)]
pub(super) struct Exports {
    epoch: Cell<u64>,
    found: RefCell<Vec<Found>>,
}

/// An object of names, the name of its property, and what that was made to be.
struct Found(Val, Atom, Val);

/// The table of an exotic class. Its functions are all there is, so it may be shared.
struct Methods(JSClassExoticMethods);

// SAFETY: nothing ever writes to the table.
unsafe impl Sync for Methods {}

static METHODS: Methods = Methods(JSClassExoticMethods {
    get_own_property: Some(get_own_property),
    get_own_property_names: None,
    delete_property: None,
    define_own_property: None,
    has_property: None,
    get_property: None,
    set_property: None,
});

pub(super) fn methods() -> *mut JSClassExoticMethods {
    (&raw const METHODS.0).cast_mut()
}

/// What an object of names stands for: what its members' names begin with (`net.`).
struct Names(String);

pub(super) unsafe extern "C" fn finalize(_: *mut JSRuntime, value: JSValue) {
    let mut class = 0;
    // SAFETY: QuickJS finalises an object once; the opaque is null or the box of `object_of_names`.
    unsafe {
        let names = JS_GetAnyOpaque(value, &raw mut class).cast::<Names>();
        if !names.is_null() {
            contain(|| drop(Box::from_raw(names)));
        }
    }
}

/// An object whose members are what the names beginning with `prefix` stand for.
fn object_of_names(state: &State, prefix: String) -> Outcome<Val> {
    let (class, names) = (state.classes.names, Names(prefix));
    // SAFETY: the context lives. The box goes over to the object, whose finaliser frees it. The
    // prototype of the class is null, so that members are found here or not at all.
    unsafe {
        let object = state.js.own(JS_NewObjectProtoClass(state.js.0, JS_NULL, class))?;
        JS_SetOpaque(object.raw(), Box::into_raw(Box::new(names)).cast());
        Ok(object)
    }
}

/// Puts the lookup between the global object and its prototype.
pub(super) fn install(state: &State) -> Outcome<()> {
    let js = state.js;
    let (global, names) = (js.global()?, object_of_names(state, String::new())?);
    // SAFETY: all live through the calls, and `JS_GetPrototype` returns a count of its own.
    unsafe {
        let behind = js.own(JS_GetPrototype(js.0, global.raw()))?;
        if JS_SetPrototype(js.0, names.raw(), behind.raw()) < 0
            || JS_SetPrototype(js.0, global.raw(), names.raw()) < 0
        {
            return Err(Thrown);
        }
    }
    failure::prepare(js, &global)?;
    // Shared memory has nobody to be shared with.
    for name in ["SharedArrayBuffer", "Atomics"] {
        let atom = js.atom(name)?;
        // SAFETY: both live through the call.
        if unsafe { JS_DeleteProperty(js.0, global.raw(), atom.raw(), 0) } < 0 {
            return Err(Thrown);
        }
    }
    Ok(())
}

/// 1 if the object has the property, 0 if not, -1 if an exception is pending.
unsafe extern "C" fn get_own_property(
    context: *mut JSContext,
    descriptor: *mut JSPropertyDescriptor,
    object: JSValue,
    name: JSAtom,
) -> c_int {
    let mut found = false;
    let value = guarded(context, |state| {
        let value = find(state, object, &state.js.share_atom(name))?;
        found = value.is_some();
        Ok(value.unwrap_or_else(|| state.js.undefined()))
    });
    if super::value::tag(value) == JS_TAG_EXCEPTION {
        return -1;
    }
    // SAFETY: the descriptor is null or to be filled with values that it owns; the value's count is
    // ours to give away.
    unsafe {
        if !found || descriptor.is_null() {
            JS_FreeValue(context, value);
        } else {
            let flags = PLAIN_FLAGS;
            let (getter, setter) = (JS_UNDEFINED, JS_UNDEFINED);
            ptr::write(descriptor, JSPropertyDescriptor { flags, value, getter, setter });
        }
    }
    found.into()
}

const PLAIN_FLAGS: c_int = JS_PROP_C_W_E.cast_signed();

fn find(state: &State, object: JSValue, name: &Atom) -> Outcome<Option<Val>> {
    // SAFETY: only `object_of_names` makes objects of the class, and what is in it lives with its object.
    let names = unsafe { JS_GetOpaque(object, state.classes.names).cast::<Names>().as_ref() };
    let Some(Names(prefix)) = names else { return Ok(None) };
    refresh(state);
    let value = name.to_value()?;
    if !value.is_string() {
        return Ok(None);
    }
    let Ok(word) = String::from_utf8(state.js.bytes(&value)?) else { return Ok(None) };
    if word.contains('.') {
        return Ok(None);
    }
    let object = state.js.share(object);
    if prefix.is_empty()
        && let Some(part) = library(state, &object, &word)?
    {
        return Ok(Some(part));
    }
    let full = format!("{prefix}{word}");
    // What is found becomes a property of its own. What is the host's cannot change, what is of
    // exports is taken back when any export changes.
    let (found, fixed) = match state.scope().resolve(&full) {
        None => return Ok(None),
        Some(Resolved::Native(native)) => {
            (native::function(state, Target::Callee(Callee::Native(native)))?, true)
        }
        Some(Resolved::Function(_)) => {
            let target = Target::Callee(Callee::Name(Named::new(&full)));
            (native::function(state, target)?, false)
        }
        Some(Resolved::Namespace { fixed }) => (object_of_names(state, format!("{full}."))?, fixed),
        Some(Resolved::Data(value)) => return push::push_checked(state, &value).map(Some),
    };
    let is_defined = state.js.define(&object, name, found.clone(), HIDDEN)?;
    if is_defined && !fixed {
        state.exports.found.borrow_mut().push(Found(object, name.clone(), found.clone()));
    }
    Ok(Some(found))
}

/// Forgets what exports stood for, if any has changed since it was found. Scripts cannot tell when
/// that was before they are told, so it is enough to ask wherever something comes in from outside.
#[inline]
pub(super) fn refresh(state: &State) {
    let epoch = state.scope().epoch();
    if state.exports.epoch.replace(epoch) != epoch {
        forget(state);
    }
}

#[cold]
fn forget(state: &State) {
    let js = state.js;
    let all = state.exports.found.take();
    for Found(object, name, function) in &all {
        // What a script has put into the place is the script's.
        let own = js.own_value(object.raw(), name);
        if own.is_some_and(|own| own.is_object() && own.address() == function.address()) {
            // SAFETY: both live through the call. It is an ordinary property, so nothing runs.
            let done = unsafe { JS_DeleteProperty(js.0, object.raw(), name.raw(), 0) };
            if done < 0 {
                drop(js.catch());
            }
        }
    }
}

/// A part of the library, which is made when it is first used.
fn library(state: &State, object: &Val, name: &str) -> Outcome<Option<Val>> {
    let js = state.js;
    if let Some(builtin) = builtin::find(name) {
        let function = native::function(state, Target::Builtin(builtin))?;
        js.define_str(object, name, function.clone(), HIDDEN)?;
        return Ok(Some(function));
    }
    if let Some(family) = Family::find(name) {
        let Ok(text) = CString::new(name) else { return Ok(None) };
        let function = family.function(state, &text)?;
        js.define_str(object, name, function.clone(), HIDDEN)?;
        return Ok(Some(function));
    }
    let Some(part) = PARTS.iter().find(|part| part.names.contains(&name)) else { return Ok(None) };
    let made = run_part(state, part)?;
    let mut wanted = None;
    for own in part.names {
        let value = js.get_atom(made.raw(), &js.atom(own)?)?;
        if *own == name {
            wanted = Some(value.clone());
        }
        js.define_str(object, own, value, HIDDEN)?;
    }
    Ok(wanted)
}

/// Runs a part of the library: the object of its names.
fn run_part(state: &State, part: &Part) -> Outcome<Val> {
    // A name may be looked up right after a refusal of memory, which leaves no stack.
    state.repair_stack();
    let maker =
        state.js.eval(part.text, failure::LIBRARY, JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_STRICT)?;
    let builtin = native::function(state, Target::Builtin(part.builtin))?;
    state.js.call(&maker, &state.js.undefined(), &[builtin])
}
