//! What stands in front of functions of the library that run in C for too long, or too deep.
//!
//! Many methods of Array go through whatever length an object claims, without a look up. On an Array
//! that the memory limit admits, or what else is plainly as short, that is not much, and the method is
//! called as it is. On anything else it
//! is called on a proxy, where every access is a call, at which QuickJS looks up (`slow.js`). So scripts
//! notice nothing, and the loop can be interrupted.

use super::{
    State, failure, guarded,
    value::{Args, Atom, HIDDEN, Js, Outcome, Val, tag},
};
use rquickjs_sys::*;
use std::{
    cell::OnceCell,
    ffi::{CStr, c_int},
    mem,
};

/// How the slow ways are written.
const SLOW: &str = include_str!("../slow.js");

/// What one element of an Array takes.
const ELEMENT: usize = size_of::<JSValue>();

/// When a function takes its slow way.
#[derive(Clone, Copy, PartialEq)]
enum Slow {
    /// Never: it stands here since QuickJS calls the `next` of an iterator helper without a look at the
    /// stack, so that a long chain of them would run over its end, but calls no other function so.
    Never,
    /// When `this` is not known to be of a length that the memory limit admits.
    This,
    /// When `this` or an argument is such a thing.
    Any,
    /// As with `this`, and when it is to go deeper than one level.
    Deep,
    Always,
}

/// A function with its name and its number of parameters.
type Entry = (&'static CStr, c_int, Slow);

const OF_ARRAY: &[Entry] = &[
    (c"concat", 1, Slow::Any),
    (c"copyWithin", 2, Slow::This),
    (c"flat", 0, Slow::Deep),
    (c"flatMap", 1, Slow::This),
    (c"join", 1, Slow::This),
    (c"reverse", 0, Slow::This),
    (c"shift", 0, Slow::This),
    (c"slice", 2, Slow::This),
    (c"sort", 1, Slow::This),
    (c"splice", 2, Slow::This),
    (c"toLocaleString", 0, Slow::This),
    (c"unshift", 1, Slow::This),
];
const OF_STRING: &[Entry] = &[(c"raw", 1, Slow::Always)];
const OF_ITERATOR: &[Entry] = &[(c"drop", 1, Slow::Always)];
const OF_HELPERS: &[Entry] = &[(c"next", 0, Slow::Never)];

/// The functions of the library that have something in front of them.
#[derive(Default)]
pub(super) struct Library {
    /// By their number.
    originals: Vec<(Entry, Val)>,
    /// So many elements the memory limit admits.
    most: i64,
    /// What takes the slow ways, once one was needed.
    slow: OnceCell<Val>,
    /// What that is made of, as it was before any script.
    proxy: Option<Val>,
    /// The symbol by which an object tells `concat` that it is a list.
    spreads: Option<Atom>,
}

impl Library {
    /// Puts something in front of the functions of a new context.
    pub(super) fn install(js: Js, memory_bytes: usize) -> Outcome<Self> {
        let most = i64::try_from(memory_bytes / ELEMENT).unwrap_or(i64::MAX);
        let global = js.global()?;
        let spreads = js.get(&js.get(&global, c"Symbol")?, c"isConcatSpreadable")?;
        // SAFETY: the symbol lives through the call.
        let spreads = js.own_atom(unsafe { JS_ValueToAtom(js.0, spreads.raw()) })?;
        let proxy = Some(js.get(&global, c"Proxy")?);
        let mut library = Self { most, proxy, spreads: Some(spreads), ..Self::default() };
        let array = js.array(Args::new(js))?;
        let values = js.invoke(&array, "values", &[])?;
        let helper = js.invoke(&values, "map", &[js.get(&global, c"Object")?])?;
        let helpers = prototype(js, &helper)?;
        library.guard(js, &helpers, OF_HELPERS)?;
        library.guard(js, &prototype(js, &helpers)?, OF_ITERATOR)?;
        library.guard(js, &prototype(js, &array)?, OF_ARRAY)?;
        library.guard(js, &js.get(&global, c"String")?, OF_STRING)?;
        Ok(library)
    }

    fn guard(&mut self, js: Js, object: &Val, entries: &[Entry]) -> Outcome<()> {
        for entry in entries {
            let (name, length, _) = *entry;
            let original = js.get(object, name)?;
            let (kind, number) = (JSCFunctionEnum_JS_CFUNC_generic_magic, self.originals.len());
            // SAFETY: the form of the function is that of its kind, and the two are layouts of one
            // pointer, as in the header's own `JS_NewCFunctionMagic`. The name is copied.
            let function = js.own(unsafe {
                let call = mem::transmute::<JSCFunctionMagic, JSCFunction>(Some(call));
                JS_NewCFunction2(js.0, call, name.as_ptr(), length, kind, number as c_int)
            })?;
            js.define_str(object, &name.to_string_lossy(), function, HIDDEN)?;
            self.originals.push((*entry, original));
        }
        Ok(())
    }

    /// May `concat` take the object for a list of elements?
    fn may_spread(&self, js: Js, object: JSValue) -> bool {
        let Some(spreads) = &self.spreads else { return true };
        // SAFETY: asks for the class of a live object, and for a property that nothing computes, since
        // the object is no proxy.
        unsafe {
            JS_IsArray(object)
                || JS_IsProxy(object)
                || JS_HasProperty(js.0, object, spreads.raw()) != 0
        }
    }

    /// Does the function take its slow way?
    fn is_slow(&self, js: Js, slow: Slow, this: JSValue, args: &[JSValue]) -> bool {
        let is_little = |value: JSValue| match tag(value) {
            JS_TAG_OBJECT => own_length(js, value).is_some_and(|length| length <= self.most),
            JS_TAG_UNDEFINED | JS_TAG_NULL => true,
            _ => false,
        };
        let is_flat = |depth: &JSValue| match tag(*depth) {
            JS_TAG_UNDEFINED => true,
            // SAFETY: reads a field of a plain value.
            JS_TAG_INT => unsafe { JS_VALUE_GET_INT(*depth) <= 1 },
            _ => false,
        };
        match slow {
            Slow::Never => false,
            Slow::This => !is_little(this),
            Slow::Any => {
                let is_one = |value: &JSValue| {
                    tag(*value) != JS_TAG_OBJECT
                        || is_little(*value)
                        || !self.may_spread(js, *value)
                };
                !is_little(this) || !args.iter().all(is_one)
            }
            Slow::Deep => !is_little(this) || !args.iter().all(is_flat),
            Slow::Always => true,
        }
    }
}

/// How long an object says that it is, if it says so without running anything: an Array, or a property
/// of its own that holds a number.
fn own_length(js: Js, object: JSValue) -> Option<i64> {
    // SAFETY: asks for the class of a live object.
    if unsafe { JS_IsArray(object) } {
        return js.length(object).ok();
    }
    // SAFETY: as above.
    if unsafe { JS_IsProxy(object) } {
        return None;
    }
    let name = js.atom("length").ok()?;
    let length = js.own_value(object, &name)?;
    // SAFETY: reads the field of a plain value that its tag names.
    (length.tag() == JS_TAG_INT).then(|| unsafe { JS_VALUE_GET_INT(length.raw()) }.into())
}

fn prototype(js: Js, object: &Val) -> Outcome<Val> {
    // SAFETY: the object lives through the call, which returns a count of its own.
    js.own(unsafe { JS_GetPrototype(js.0, object.raw()) })
}

/// What scripts find in the place of the original with the number.
unsafe extern "C" fn call(
    context: *mut JSContext,
    this: JSValue,
    count: c_int,
    args: *mut JSValue,
    number: c_int,
) -> JSValue {
    // SAFETY: QuickJS calls back only with the context that `open` made, from scripts.
    let state = unsafe { State::of(context) };
    let original = usize::try_from(number).ok().and_then(|at| state.library.originals.get(at));
    let Some(((name, _, slow), original)) = original else { return JS_UNDEFINED };
    let given = match usize::try_from(count) {
        Err(_) | Ok(0) => &[],
        // SAFETY: QuickJS passes so many arguments, which live through the call.
        Ok(count) => unsafe { std::slice::from_raw_parts(args, count) },
    };
    if !state.library.is_slow(state.js, *slow, this, given) {
        // SAFETY: all live through the call. Nothing here has a destructor.
        return unsafe { JS_Call(context, original.raw(), this, count, args) };
    }
    guarded(context, |state| {
        let js = state.js;
        let slow = match state.library.slow.get() {
            Some(slow) => slow,
            None => {
                // Nothing may have looked up since memory was refused, which leaves no stack.
                state.repair_stack();
                let maker = js.eval(SLOW, failure::LIBRARY, JS_EVAL_TYPE_GLOBAL)?;
                let proxy = state.library.proxy.clone().unwrap_or_else(|| js.undefined());
                let slow = js.call(&maker, &js.undefined(), &[proxy])?;
                state.library.slow.get_or_init(|| slow)
            }
        };
        let mut all = vec![js.string(&name.to_string_lossy())?, original.clone(), js.share(this)];
        all.extend(given.iter().map(|arg| js.share(*arg)));
        js.call(slow, &js.undefined(), &all)
    })
}
