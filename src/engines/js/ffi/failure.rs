//! Errors into JavaScript and out of it.
//!
//! An error of calog is a JavaScript Error with `kind`, `payload` and `trace`, tied to the Rust error
//! by a hidden property: rethrown, it is the same.

use super::{
    MOST_FRAMES, State, guarded, marshal, native, out_of_memory, push,
    value::{Atom, HIDDEN, Js, Outcome, PLAIN, Thrown, Val},
};
use crate::{
    error::{Error, ErrorKind, Frame, INCOMPLETE, contain},
    fiber,
    value::{Key, Value},
};
use rquickjs_sys::*;
use std::ffi::{CStr, c_int};

/// The name of the function at the bottom of every entry: what is below it belongs to other calls.
pub(super) const BASE: &CStr = c"calog";

/// The file name of the library's own code, which traces leave out.
pub(super) const LIBRARY: &CStr = c"calog:library";

/// What QuickJS says when its memory limit is reached.
const OUT_OF_MEMORY: &str = "out of memory";

/// Fields that an Error has from calog, so that those of a payload do not take their place.
const OWN_FIELDS: [&[u8]; 6] = [b"kind", b"message", b"payload", b"trace", b"stack", b"name"];

/// The property that ties an Error to the error that it stands for: a symbol that no script has.
pub(super) fn key(js: Js) -> Outcome<Atom> {
    // SAFETY: the context lives, and the name is copied.
    let symbol = js.own(unsafe { JS_NewSymbol(js.0, c"calog.error".as_ptr(), false) })?;
    // SAFETY: as above.
    js.own_atom(unsafe { JS_ValueToAtom(js.0, symbol.raw()) })
}

/// What reads `error.trace`.
pub(super) fn trace_getter(js: Js) -> Outcome<Val> {
    native::getter(js, c"trace", get_trace)
}

/// Has traces hold as many frames as calog tells of, and takes the two hooks away by which a script's
/// own code would run whenever an Error is made, also the one that is to end it.
pub(super) fn prepare(js: Js, global: &Val) -> Outcome<()> {
    let error = js.get(global, c"Error")?;
    // SAFETY: all live through the calls, which take no counts.
    unsafe {
        let most = JS_MKVAL(JS_TAG_INT, MOST_FRAMES.cast_signed());
        let limit = js.atom("stackTraceLimit")?;
        if JS_SetProperty(js.0, error.raw(), limit.raw(), most) < 0 {
            return Err(Thrown);
        }
        for name in ["stackTraceLimit", "prepareStackTrace"] {
            if JS_DeleteProperty(js.0, error.raw(), js.atom(name)?.raw(), 0) < 0 {
                return Err(Thrown);
            }
        }
    }
    Ok(())
}

unsafe extern "C" fn get_trace(
    context: *mut JSContext,
    this: JSValue,
    _: c_int,
    _: *mut JSValue,
) -> JSValue {
    guarded(context, |state| {
        let error = linked(state, &state.js.share(this));
        let frames = error.map(|error| error.trace().iter().map(ToString::to_string).collect());
        let frames: Vec<String> = frames.unwrap_or_default();
        push::push(state, &Value::list(frames))
    })
}

/// What ties an Error to calog's is finalised.
pub(super) unsafe extern "C" fn finalize(_: *mut JSRuntime, value: JSValue) {
    let mut class = 0;
    // SAFETY: QuickJS finalises an object once; the opaque is null or the box of `object`.
    unsafe {
        let error = JS_GetAnyOpaque(value, &raw mut class).cast::<Error>();
        if !error.is_null() {
            contain(|| drop(Box::from_raw(error)));
        }
    }
}

/// Throws an error of calog.
pub(super) fn throw(state: &State, error: Error) -> Thrown {
    match object(state, error) {
        Ok(object) => state.js.throw(object),
        // There is no memory for it, and QuickJS has thrown that.
        Err(thrown) => thrown,
    }
}

/// Throws what ends the running script beyond catching.
pub(super) fn throw_end(state: &State) -> Thrown {
    throw(state, fiber::cancelled());
    let error = state.js.catch();
    // SAFETY: marks a live value, which is no Error only if there was no memory for one.
    unsafe { JS_SetUncatchableError(state.js.0, error.raw()) };
    state.js.throw(error)
}

/// The JavaScript Error for an error of calog.
pub(super) fn object(state: &State, error: Error) -> Outcome<Val> {
    let js = state.js;
    let given = error.payload().as_aggregate().and_then(|map| map.get_str("name")?.as_str());
    let name = given.unwrap_or(match error.kind() {
        ErrorKind::Type | ErrorKind::Arity => "TypeError",
        ErrorKind::Range => "RangeError",
        _ => "Error",
    });
    let (format, empty) = (c"%s".as_ptr(), c"".as_ptr());
    // SAFETY: each takes a format and the one string that it asks for.
    let object = js.own(unsafe {
        match name {
            "TypeError" => JS_NewTypeError(js.0, format, empty),
            "RangeError" => JS_NewRangeError(js.0, format, empty),
            "SyntaxError" => JS_NewSyntaxError(js.0, format, empty),
            "ReferenceError" => JS_NewReferenceError(js.0, format, empty),
            _ => JS_NewError(js.0),
        }
    })?;
    if given.is_some_and(|name| {
        !matches!(name, "TypeError" | "RangeError" | "SyntaxError" | "ReferenceError")
    }) {
        js.define_str(&object, "name", js.string(name)?, HIDDEN)?;
    }
    js.define_str(&object, "message", js.string(error.message())?, HIDDEN)?;
    js.define_str(&object, "kind", js.string(error.kind().as_str())?, HIDDEN)?;
    native::define_getter(js, &object, c"trace", &state.trace_of)?;
    let payload = error.payload();
    if !payload.is_nil() && push::check(state, payload).is_ok() {
        js.define_str(&object, "payload", push::push(state, payload)?, HIDDEN)?;
        for (key, value) in payload.as_aggregate().into_iter().flat_map(|map| map.pairs()) {
            let Key::String(name) = key else { continue };
            let flags = match &**name {
                b"cause" | b"errors" => HIDDEN,
                name if OWN_FIELDS.contains(&name) => continue,
                _ => PLAIN,
            };
            let name = js.atom(&String::from_utf8_lossy(name))?;
            js.define(&object, &name, push::push(state, value)?, flags)?;
        }
    }
    // SAFETY: the box goes over to the link, whose finaliser frees it.
    let link = unsafe {
        let link = js.own(JS_NewObjectClass(js.0, state.classes.error))?;
        JS_SetOpaque(link.raw(), Box::into_raw(Box::new(error)).cast());
        link
    };
    js.define(&object, &state.error_key, link, 0)?;
    Ok(object)
}

/// The error of calog that an Error stands for.
pub(super) fn linked(state: &State, object: &Val) -> Option<Error> {
    // SAFETY: asks for the class of a live value.
    if !unsafe { JS_IsError(object.raw()) } {
        return None;
    }
    let link = state.js.get_atom(object.raw(), &state.error_key).ok()?;
    // SAFETY: only `object` makes links, and the box lives with the link, which is held here.
    unsafe { JS_GetOpaque(link.raw(), state.classes.error).cast::<Error>().as_ref() }.cloned()
}

/// Takes the pending exception as an error of calog, with the frames that it came through.
pub(super) fn take(state: &State, _: Thrown) -> Error {
    let thrown = state.js.catch();
    // SAFETY: asks for a property of a live value.
    let is_end = unsafe { JS_IsUncatchableError(thrown.raw()) };
    if is_end && !fiber::dying() {
        // Only a script without memory is ended while it runs.
        return out_of_memory().called_from(frames(state, &thrown));
    }
    if is_end || fiber::dying() {
        let error = fiber::cancelled().called_from(frames(state, &thrown));
        drop_pending(state);
        return error;
    }
    describe_thrown(state, &thrown)
}

/// Reading an error may run the script's getters, which may throw in turn: that is not told.
fn drop_pending(state: &State) {
    drop(state.js.catch());
}

/// The error of calog for whatever a script threw.
pub(super) fn describe_thrown(state: &State, thrown: &Val) -> Error {
    // SAFETY: asks for the class of a live value.
    let is_error = unsafe { JS_IsError(thrown.raw()) };
    let error = if is_error { from_error(state, thrown) } else { from_value(state, thrown) };
    drop_pending(state);
    error
}

/// A property as text, if it is one.
fn text(state: &State, object: &Val, name: &CStr) -> Option<String> {
    let value = state.js.get(object, name).ok()?;
    if !value.is_string() {
        return None;
    }
    state.js.bytes(&value).ok().map(|bytes| marshal::without_surrogates(&bytes))
}

fn from_error(state: &State, thrown: &Val) -> Error {
    let message = text(state, thrown, c"message").unwrap_or_default();
    let frames = frames(state, thrown);
    if let Some(error) = linked(state, thrown) {
        // A script may have added to the message on the way.
        let error = if error.message() == message || message.is_empty() {
            error
        } else {
            let trace = error.trace().to_vec();
            let said = Error::new(error.kind(), message).with_payload(error.payload().clone());
            said.called_from(trace)
        };
        return error.called_from(frames);
    }
    let name = text(state, thrown, c"name").unwrap_or_else(|| "Error".into());
    if message.starts_with(OUT_OF_MEMORY) && name == "InternalError" {
        return out_of_memory().called_from(frames);
    }
    let payload = marshal::payload_of_error(state, thrown, &name);
    Error::raised(message).with_payload(payload).called_from(frames)
}

fn from_value(state: &State, thrown: &Val) -> Error {
    let js = state.js;
    let words = |value: &Val| {
        // SAFETY: the value lives; the conversion may run the script's own `toString`.
        let text = js.own(unsafe { JS_ToString(js.0, value.raw()) }).ok()?;
        js.bytes(&text).ok().map(|bytes| marshal::without_surrogates(&bytes))
    };
    // Without memory for an Error, QuickJS throws null, or nothing at all.
    let is_nothing = matches!(thrown.tag(), JS_TAG_NULL | JS_TAG_UNINITIALIZED);
    if is_nothing && state.quick.meter.take_refused() {
        return out_of_memory();
    }
    if thrown.is_string() {
        return Error::raised(words(thrown).unwrap_or_default());
    }
    let payload = marshal::payload_of(state, thrown);
    let message = match thrown.is_object() {
        false => words(thrown).unwrap_or_else(|| {
            // Only a symbol has no words.
            format!("Symbol({})", text(state, thrown, c"description").unwrap_or_default())
        }),
        true => text(state, thrown, c"message")
            .or_else(|| words(thrown).filter(|words| words != "[object Object]"))
            .unwrap_or_else(|| format!("{payload:?}")),
    };
    Error::raised(message).with_payload(payload)
}

/// The error of a text that does not compile, or whose imports do not.
pub(super) fn not_compiled(state: &State, _: Thrown, source: &str) -> Error {
    let thrown = state.js.catch();
    // SAFETY: asks for a property of a live value.
    if unsafe { JS_IsUncatchableError(thrown.raw()) } {
        state.js.throw(thrown);
        return take(state, Thrown);
    }
    let is_syntax = text(state, &thrown, c"name").as_deref() == Some("SyntaxError");
    if !is_syntax || linked(state, &thrown).is_some() {
        return describe_thrown(state, &thrown);
    }
    let frames = frames(state, &thrown);
    let message = text(state, &thrown, c"message").unwrap_or_default();
    let stack = text(state, &thrown, c"stack").unwrap_or_default();
    drop_pending(state);
    let early = ends_too_early(source, &message, &stack);
    let place = frames.last().map(|frame| match frame.line {
        Some(line) => format!("{}:{line}: ", frame.script),
        None => format!("{}: ", frame.script),
    });
    let message = format!("{}{message}", place.unwrap_or_default());
    let error = Error::new(ErrorKind::Load, message).called_from(frames);
    if early { error.with_payload(INCOMPLETE.into()) } else { error }
}

/// Could more text make `source` complete? It could if the parser stumbled at its end, or inside of
/// something that has begun and not ended. A plain string cannot go on in the next line.
fn ends_too_early(source: &str, message: &str, stack: &str) -> bool {
    let Some(place) = stack.lines().next().and_then(place) else { return false };
    let (line, column) = place;
    let rest: String = source
        .split_inclusive('\n')
        .skip(line.saturating_sub(1))
        .enumerate()
        .flat_map(|(index, text)| {
            text.chars().skip(if index == 0 { column.saturating_sub(1) } else { 0 })
        })
        .collect();
    match message {
        "unexpected end of comment" => true,
        "unexpected end of string" => rest.starts_with('`') || source.matches('`').count() % 2 == 1,
        _ => rest.trim().is_empty(),
    }
}

/// Line and column of a frame's text.
fn place(frame: &str) -> Option<(usize, usize)> {
    let mut parts = frame.trim_end_matches(')').rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    Some((parts.next()?.parse().ok()?, column))
}

/// The frames that an Error tells of, in call order: those of this entry alone.
fn frames(state: &State, thrown: &Val) -> Vec<Frame> {
    // SAFETY: asks for the class of a live value.
    if !unsafe { JS_IsError(thrown.raw()) } {
        return Vec::new();
    }
    let stack = text(state, thrown, c"stack").unwrap_or_default();
    let base = format!("{} (native)", BASE.to_string_lossy());
    let mut frames: Vec<Frame> = stack
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("at "))
        .take_while(|line| *line != base)
        .filter_map(frame)
        .take(MOST_FRAMES as usize)
        .collect();
    frames.reverse();
    frames
}

/// `name (file:line:column)`, or `file:line:column` for the place of a syntax error.
fn frame(line: &str) -> Option<Frame> {
    let (name, place) = match line.strip_suffix(')').and_then(|line| line.rsplit_once(" (")) {
        Some((name, place)) => (Some(name), place),
        None => (None, line),
    };
    // Natives note themselves, and the library's own functions of C tell nothing.
    if matches!(place, "native" | "missing" | "<null>") {
        return None;
    }
    let mut parts = place.rsplitn(3, ':');
    let (_, line, script) = (parts.next(), parts.next(), parts.next());
    let (script, line) = match (script, line.and_then(|line| line.parse().ok())) {
        (Some(script), Some(line)) => (script, Some(line)),
        _ => (place, None),
    };
    if script.starts_with(&*LIBRARY.to_string_lossy()) {
        return None;
    }
    let mut frame = Frame::script("js", script);
    frame.line = line;
    frame.function = name
        .filter(|name| !matches!(*name, "<anonymous>" | "<eval>" | "<module>"))
        .map(str::to_string);
    Some(frame)
}
