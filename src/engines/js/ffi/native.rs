//! Functions that calog gives to JavaScript: natives, exports, function values, builtins.

use super::{
    Classes, State, failure, guarded, lookup, marshal, out_of_memory, promise, push,
    value::{Args, HIDDEN, Js, Outcome, Thrown, Val},
};
use crate::{
    engine::Callee,
    error::{Error, ErrorKind, Result, contain},
    fiber::{self, Control},
    native::Step,
    value::Value,
};
use rquickjs_sys::*;
use std::{
    ffi::{CStr, c_int},
    ptr,
};

/// A function of the engine itself.
pub(in crate::engines::js) type Builtin = fn(&State, &mut [Value]) -> Step;

/// What a function that calog gave to JavaScript stands for.
#[derive(Clone)]
pub(super) enum Target {
    Callee(Callee),
    Builtin(Builtin),
    /// The `.async` form of one of the above.
    Later(Box<Self>),
    /// A handler of a promise that a script returned.
    Answer(promise::Answer),
}

/// A function for `target`.
pub(super) fn function(state: &State, target: Target) -> Outcome<Val> {
    // SAFETY: the context lives. The box goes over to the object, whose finaliser frees it.
    unsafe {
        let function = state.js.own(JS_NewObjectClass(state.js.0, state.classes.native))?;
        JS_SetOpaque(function.raw(), Box::into_raw(Box::new(target)).cast());
        Ok(function)
    }
}

/// The target of a value, if calog made it.
pub(super) fn target_of(state: &State, value: JSValue) -> Option<&Target> {
    // SAFETY: only `function` makes objects of the class. The target lives while the object does,
    // which whoever has the raw value holds.
    unsafe { JS_GetOpaque(value, state.classes.native).cast::<Target>().as_ref() }
}

unsafe extern "C" fn call(
    context: *mut JSContext,
    function: JSValue,
    _: JSValue,
    count: c_int,
    args: *mut JSValue,
    _: c_int,
) -> JSValue {
    guarded(context, |state| {
        let count = usize::try_from(count).unwrap_or(0);
        let args = match count {
            0 => &[],
            // SAFETY: QuickJS passes so many arguments, which live through the call.
            _ => unsafe { std::slice::from_raw_parts(args, count) },
        };
        match target_of(state, function) {
            Some(target) => invoke(state, target, args),
            None => Ok(state.js.undefined()),
        }
    })
}

fn invoke(state: &State, target: &Target, args: &[JSValue]) -> Outcome<Val> {
    let target = match target {
        Target::Answer(answer) => {
            let result = args.first().map_or(state.js.undefined(), |raw| state.js.share(*raw));
            answer.give(state, &result);
            return Ok(state.js.undefined());
        }
        Target::Later(target) => return invoke_later(state, target, args),
        target => target,
    };
    let mut result = Value::Nil;
    let outcome = match start(state, target, args, &mut result, |_| Ok(())) {
        Err(error) => Err(error),
        Ok(Started { step: None, .. }) => Ok(result),
        Ok(Started { step: Some(Step::Ready(outcome)), .. }) => outcome,
        Ok(Started { step: Some(Step::Wait(_)), dying: true, .. }) => Err(fiber::cancelled()),
        Ok(Started { step: Some(Step::Wait(operation)), .. }) => {
            state.leave_jobs();
            let outcome = fiber::with_current(|control: &Control| {
                control.begin(operation);
                control.wait();
                control.take_outcome()
            });
            state.repair_stack();
            state.resume_jobs();
            outcome.unwrap_or_else(|| Err(fiber::cancelled()))
        }
    };
    look_up(state)?;
    match outcome {
        Ok(value) => push::push_checked(state, &value),
        Err(error) => Err(failure::throw(state, error)),
    }
}

/// What QuickJS does only every 10,000 calls, which may take long: ends a call that is to end, and a
/// slice that is over. Exports may have changed meanwhile.
fn look_up(state: &State) -> Outcome<()> {
    if fiber::expired() && !fiber::dying() {
        fiber::yield_now();
        state.repair_stack();
    }
    lookup::refresh(state);
    if must_end() { Err(failure::throw_end(state)) } else { Ok(()) }
}

/// `f.async(...)`: a promise, also for what fails at once.
fn invoke_later(state: &State, target: &Target, args: &[JSValue]) -> Outcome<Val> {
    let mut result = Value::Nil;
    // What finds no room must not have begun.
    let admit = |bytes| promise::admit(state, bytes);
    let outcome = match start(state, target, args, &mut result, admit) {
        Ok(Started { step: None, .. }) => Ok(result),
        Ok(Started { step: Some(Step::Ready(outcome)), .. }) => outcome,
        Ok(Started { step: Some(Step::Wait(_)), dying: true, .. }) => Err(fiber::cancelled()),
        Ok(Started { step: Some(Step::Wait(operation)), bytes, .. }) => {
            return promise::begin(state, operation, bytes);
        }
        Err(error) => Err(error),
    };
    look_up(state)?;
    promise::settled(state, outcome)
}

/// A call that has begun.
struct Started {
    /// How it goes on, unless the result is there.
    step: Option<Step>,
    /// The running call is being ended.
    dying: bool,
    /// What the arguments take.
    bytes: usize,
}

/// Is the running call one that may not even tidy up any more?
fn must_end() -> bool {
    fiber::with_current(|control| control.must_raise()).unwrap_or(false)
}

/// Reads the arguments and starts the call, if `admit` lets so many bytes of them through.
fn start(
    state: &State,
    target: &Target,
    args: &[JSValue],
    result: &mut Value,
    admit: impl FnOnce(usize) -> Result<()>,
) -> Result<Started> {
    // A call that is ending may still use what is ready at once, for a while: its handlers print,
    // and give back what they hold. Nothing that waits starts any more.
    let running = fiber::with_current(|control| (control.is_dying(), control.in_grace()));
    let (dying, in_grace) =
        running.ok_or_else(|| Error::new(ErrorKind::Unsupported, "there is no call to wait in"))?;
    if dying && !in_grace {
        return Err(fiber::cancelled());
    }
    // Few arguments need no allocation.
    let mut few: [Value; 4] = [const { Value::Nil }; 4];
    let mut many = Vec::new();
    let values = match few.get_mut(..args.len()) {
        Some(few) => few,
        None => {
            many.resize_with(args.len(), Value::default);
            &mut many
        }
    };
    let mut bytes_left = state.value_bytes;
    for (index, (arg, value)) in args.iter().zip(values.iter_mut()).enumerate() {
        *value = marshal::read_within(&mut bytes_left, state, *arg)
            .map_err(|error| error.at(format_args!("args[{}]", index + 1)))?;
    }
    let bytes = state.value_bytes.saturating_sub(bytes_left);
    admit(bytes)?;
    let step = match target {
        // The most common callee, without the way through the scope.
        Target::Callee(Callee::Native(native)) => {
            native.call_into(&state.caller, values, result)?.map(Step::Wait)
        }
        Target::Callee(callee) => Some(state.scope().call(callee, values)),
        Target::Builtin(builtin) => Some(builtin(state, values)),
        Target::Later(_) | Target::Answer(_) => None,
    };
    Ok(Started { step, dying, bytes })
}

unsafe extern "C" fn finalize(_: *mut JSRuntime, value: JSValue) {
    let mut class = 0;
    // SAFETY: QuickJS finalises an object once; the opaque is null or the box that `function` left.
    // Dropping may release a function handle, which only posts a message.
    unsafe {
        let target = JS_GetAnyOpaque(value, &raw mut class).cast::<Target>();
        if !target.is_null() {
            contain(|| drop(Box::from_raw(target)));
        }
    }
}

/// `f.async`
unsafe extern "C" fn get_later(
    context: *mut JSContext,
    this: JSValue,
    _: c_int,
    _: *mut JSValue,
) -> JSValue {
    guarded(context, |state| {
        let target = match target_of(state, this) {
            Some(Target::Answer(_)) | None => return Ok(state.js.undefined()),
            Some(Target::Later(target)) => target.clone(),
            Some(target) => Box::new(target.clone()),
        };
        let later = function(state, Target::Later(target))?;
        // From now on it is a property of the function's own, which is found without this.
        state.js.define_str(&state.js.share(this), "async", later.clone(), HIDDEN)?;
        Ok(later)
    })
}

/// `f.name`
unsafe extern "C" fn get_name(
    context: *mut JSContext,
    this: JSValue,
    _: c_int,
    _: *mut JSValue,
) -> JSValue {
    guarded(context, |state| {
        let name = match target_of(state, this) {
            Some(Target::Callee(Callee::Native(native))) => native.name(),
            Some(Target::Callee(Callee::Name(named))) => named.name(),
            _ => "",
        };
        state.js.string(name)
    })
}

type Getter = unsafe extern "C" fn(*mut JSContext, JSValue, c_int, *mut JSValue) -> JSValue;

/// Defines a property that `get` computes from `this`.
pub(super) fn define_getter(js: Js, object: &Val, name: &CStr, get: &Val) -> Outcome<()> {
    let atom = js.atom(&name.to_string_lossy())?;
    let flags = (HIDDEN | JS_PROP_HAS_GET).cast_signed();
    // SAFETY: the call takes one count of the getter; without a setter there is none.
    let done = unsafe {
        let get = get.clone().into_raw();
        JS_DefinePropertyGetSet(js.0, object.raw(), atom.raw(), get, JS_UNDEFINED, flags)
    };
    if done < 0 { Err(Thrown) } else { Ok(()) }
}

/// A function for [`define_getter`].
pub(super) fn getter(js: Js, name: &CStr, get: Getter) -> Outcome<Val> {
    let kind = JSCFunctionEnum_JS_CFUNC_generic;
    // SAFETY: the function has the form of its kind, and the name is copied.
    js.own(unsafe { JS_NewCFunction2(js.0, Some(get), name.as_ptr(), 0, kind, 0) })
}

/// Makes calog's classes known to a new runtime.
pub(super) fn register(js: Js) -> Result<Classes> {
    let class = |name: &CStr, finalizer, call, exotic: *mut JSClassExoticMethods| {
        let mut id = 0;
        let class =
            JSClassDef { class_name: name.as_ptr(), finalizer, gc_mark: None, call, exotic };
        // SAFETY: the definition is copied, but for the table of exotic methods, which is a static.
        let made = unsafe {
            JS_NewClassID(js.runtime(), &raw mut id);
            JS_NewClass(js.runtime(), id, &raw const class)
        };
        if made < 0 { Err(out_of_memory()) } else { Ok(id) }
    };
    let native = class(c"Function", Some(finalize), Some(call), ptr::null_mut())?;
    let error = class(c"calog.error", Some(failure::finalize), None, ptr::null_mut())?;
    let (finalize, methods) = (Some(lookup::finalize as _), lookup::methods());
    let names = class(c"calog.names", finalize, None, methods)?;
    let found = || -> Outcome<Classes> {
        // SAFETY: the context lives; the count of the prototype goes over to the class.
        unsafe {
            let function = js.own(JS_GetFunctionProto(js.0))?;
            let prototype = js.own(JS_NewObjectProto(js.0, function.raw()))?;
            define_getter(js, &prototype, c"async", &getter(js, c"async", get_later)?)?;
            define_getter(js, &prototype, c"name", &getter(js, c"name", get_name)?)?;
            JS_SetClassProto(js.0, native, prototype.into_raw());
        }
        let (object, array) = (js.object()?, js.array(Args::new(js))?);
        // SAFETY: asks for the classes of live objects.
        let (object, array) = unsafe { (JS_GetClassID(object.raw()), JS_GetClassID(array.raw())) };
        Ok(Classes { object, array, native, error, names })
    };
    found().map_err(|_| {
        drop(js.catch());
        out_of_memory()
    })
}

const _: () = assert!(size_of::<Target>() <= 64);
