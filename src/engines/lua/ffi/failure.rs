//! Errors into Lua and out of it.
//!
//! An error of calog is a userdata that holds the Rust error whole: rethrown, it is the same.
//! Scripts read its `kind`, `message`, `payload` and `trace`; `tostring` and `..` give its text.

use super::{Call, L, State, key, marshal, native, with_call};
use crate::{
    error::{Error, ErrorKind, Frame, INCOMPLETE, contain},
    fiber::{self, Control},
    value::Value,
};
use mlua::ffi::*;
use std::{
    ffi::{CStr, c_int},
    mem, ptr,
};

/// Registry key of the metatable of errors.
static ERROR: u8 = 0;

/// Frames that one context adds to a trace at the most: the innermost ones.
const MOST_FRAMES: usize = 32;

pub(super) fn out_of_memory() -> Error {
    Error::new(ErrorKind::Memory, "the context's memory limit is reached")
}

/// The error at `index`, if it is one of calog's. Never raises.
///
/// # Safety
/// `l` must be live with room for two more; the error lives while it stays on the stack.
pub(super) unsafe fn borrow<'a>(l: L, index: c_int) -> Option<&'a Error> {
    // SAFETY: only `push_outcome` gives a userdata this metatable, after it has written the error.
    unsafe {
        if lua_type(l, index) != LUA_TUSERDATA || lua_getmetatable(l, index) == 0 {
            return None;
        }
        lua_rawgetp(l, LUA_REGISTRYINDEX, key(&ERROR));
        let ours = lua_rawequal(l, -1, -2) != 0;
        lua_settop(l, -3);
        if ours { lua_touserdata(l, index).cast::<Error>().as_ref() } else { None }
    }
}

/// Pushes the error that is the running fiber's outcome. Raises (memory).
///
/// # Safety
/// `l` must be live, in a protected call.
pub(super) unsafe fn push_outcome(l: L) {
    // SAFETY: the userdata has the size of an `Error` and Lua's alignment. The error leaves the
    // control block only once there is a place for it; between that and the metatable nothing
    // raises.
    unsafe {
        luaL_checkstack(l, 3, ptr::null());
        // Lua must count what the error holds, or a loop of caught errors would pass every limit.
        let size = size_of::<Error>().saturating_add(weight());
        let slot = lua_newuserdatauv(l, size, 0).cast::<Error>();
        ptr::write(slot, take_error());
        lua_rawgetp(l, LUA_REGISTRYINDEX, key(&ERROR));
        lua_setmetatable(l, -2);
    }
}

/// What the outcome's payload takes, in bytes. Never raises.
fn weight() -> usize {
    fiber::with_current(|control| {
        let outcome = control.take_outcome();
        let weight = match &outcome {
            Err(error) => error.payload().size_bytes() + error.message().len(),
            Ok(_) => 0,
        };
        control.settle(outcome);
        weight
    })
    .unwrap_or(0)
}

fn take_error() -> Error {
    let outcome =
        fiber::with_current(Control::take_outcome).unwrap_or_else(|| Err(fiber::cancelled()));
    outcome.err().unwrap_or_else(fiber::cancelled)
}

/// The message handler of every call: notes where the error came from. Never raises.
pub(super) unsafe extern "C-unwind" fn on_error(l: L) -> c_int {
    let note = || {
        // SAFETY: called by Lua with the error as its argument.
        let frames = unsafe { frames(l) };
        with_call(|call| call.frames.replace(frames));
    };
    contain(note);
    1
}

/// The script's frames on `l`, in call order. Never raises.
unsafe fn frames(l: L) -> Vec<Frame> {
    let mut frames = Vec::new();
    // Level 0 is the handler. Walking to a level costs its number, so the walk is bounded.
    for level in 1..=2 * MOST_FRAMES as c_int {
        // SAFETY: a zeroed `lua_Debug` is what Lua wants to fill; the strings that it points to are
        // used before anything else happens to the stack. These calls allocate nothing.
        let frame = unsafe {
            let mut debug: lua_Debug = mem::zeroed();
            if lua_getstack(l, level, &raw mut debug) == 0 {
                break;
            }
            lua_getinfo(l, c"nSl".as_ptr(), &raw mut debug);
            frame(&debug)
        };
        frames.extend(frame);
        if frames.len() >= MOST_FRAMES {
            break;
        }
    }
    frames.reverse();
    frames
}

/// # Safety
/// `debug` must have been filled by `lua_getinfo` with `nSl` just now.
unsafe fn frame(debug: &lua_Debug) -> Option<Frame> {
    // SAFETY: Lua's strings end in NUL and live as long as the function on the stack.
    let text = |s: *const std::ffi::c_char| unsafe {
        (!s.is_null()).then(|| CStr::from_ptr(s).to_string_lossy().into_owned())
    };
    let source = text(debug.source)?;
    // C functions (natives note themselves) and `require.lua` are not the script's own.
    if source == "=[C]" || source == "=calog" {
        return None;
    }
    let mut frame = Frame::script("lua", script_name(&source));
    frame.line = u32::try_from(debug.currentline).ok();
    let is_main = text(debug.what).is_some_and(|what| what == "main");
    frame.function = if is_main { None } else { text(debug.name) };
    Some(frame)
}

/// The script's name behind Lua's `@file`, `=name` or source text.
fn script_name(source: &str) -> String {
    match source.strip_prefix(['@', '=']) {
        Some(name) => name.to_string(),
        None => format!("[string {:?}]", source.lines().next().unwrap_or_default()),
    }
}

/// The error that ended a call, which lies on top. Never raises.
///
/// # Safety
/// `l` must be the call's own thread, right after its protected call failed with `status`.
pub(super) unsafe fn take(state: &State, l: L, status: c_int, call: &Call<'_>) -> Error {
    if fiber::dying() {
        return fiber::cancelled().called_from(call.frames.take());
    }
    if status == LUA_ERRMEM || call.not_loaded.get() == LUA_ERRMEM {
        return out_of_memory();
    }
    // SAFETY: the caller's promise; the value lies on top, and nothing below runs unprotected.
    let error = unsafe {
        let index = lua_gettop(l);
        match lua_type(l, index) {
            LUA_TSTRING => {
                let message = String::from_utf8_lossy(marshal::bytes(l, index)).into_owned();
                if call.not_loaded.get() != LUA_OK {
                    return syntax_error(loaded_name(call), message);
                }
                Error::raised(message)
            }
            _ => match borrow(l, index) {
                Some(error) => error.clone(),
                None => raised_value(state, l, index),
            },
        }
    };
    error.called_from(call.frames.take())
}

/// A syntax error in script `name`, with the place that its message begins with (`name:line:`) as
/// its frame.
pub(in crate::engines::lua) fn syntax_error(name: &str, message: String) -> Error {
    // Lua shortens long names, so the place is found by its form: the first number between colons.
    let line = message.split(':').skip(1).find_map(|part| part.parse().ok());
    let mut frame = Frame::script("lua", name);
    frame.line = line;
    let early = ends_too_early(message.as_bytes());
    let error = Error::new(ErrorKind::Load, message).called_from(vec![frame]);
    if early { error.with_payload(INCOMPLETE.into()) } else { error }
}

/// Does the message of the parser say that more text could make the text complete? Lua says so of
/// what it met last, with quotes around it after an open comment or long string.
pub(super) fn ends_too_early(message: &[u8]) -> bool {
    message.ends_with(b"<eof>") || message.ends_with(b"'<eof>'")
}

/// The name of the script that a call loads.
fn loaded_name<'a>(call: &Call<'a>) -> &'a str {
    match call.job {
        super::Job::Load(loading) => loading.source.name.trim_start_matches('='),
        super::Job::Call { .. } => "",
    }
}

/// An error value that is no text: it becomes the payload. Never raises.
///
/// # Safety
/// `l` must be live; `index` absolute.
unsafe fn raised_value(state: &State, l: L, index: c_int) -> Error {
    // SAFETY: the caller's promise; room is checked, and `tostring` runs protected.
    unsafe {
        let payload = marshal::read(state, l, index).unwrap_or_default();
        let message = payload.as_aggregate().and_then(|map| map.get_str("message")?.as_str());
        let message = match message {
            Some(message) => message.to_string(),
            None => text_of(l, index),
        };
        Error::raised(message).with_payload(payload)
    }
}

/// `tostring` of the value at `index`, which may run the script's `__tostring`. What has none is
/// named by its type: an address would tell nobody anything. Never raises.
///
/// # Safety
/// `l` must be live; `index` absolute.
unsafe fn text_of(l: L, index: c_int) -> String {
    // SAFETY: the caller's promise; the call is protected and the stack is left as it was.
    unsafe {
        let kind = CStr::from_ptr(lua_typename(l, lua_type(l, index))).to_string_lossy();
        let without = format!("(error object is a {kind} value)");
        if lua_checkstack(l, 4) == 0 {
            return without;
        }
        if lua_getmetatable(l, index) != 0 {
            lua_pushstring(l, c"__tostring".as_ptr());
            let has_text = lua_rawget(l, -2) != LUA_TNIL;
            lua_settop(l, index);
            if !has_text {
                return without;
            }
        } else if !matches!(lua_type(l, index), LUA_TNIL | LUA_TBOOLEAN | LUA_TNUMBER) {
            return without;
        }
        lua_pushcfunction(l, tostring);
        lua_pushvalue(l, index);
        let status = lua_pcall(l, 1, 1, 0);
        let good = status == LUA_OK && lua_type(l, -1) == LUA_TSTRING;
        let text = good.then(|| String::from_utf8_lossy(marshal::bytes(l, -1)).into_owned());
        lua_settop(l, index);
        text.unwrap_or(without)
    }
}

/// `tostring(value)`. Raises.
unsafe extern "C-unwind" fn tostring(l: L) -> c_int {
    // SAFETY: one argument is there.
    unsafe { luaL_tolstring(l, 1, ptr::null_mut()) };
    1
}

/// The error that is argument 1. Raises if it is none.
unsafe fn argument<'a>(l: L) -> &'a Error {
    // SAFETY: `l` is live; nothing here has a destructor.
    unsafe {
        match borrow(l, 1) {
            Some(error) => error,
            None => {
                lua_pushstring(l, c"expected an error".as_ptr());
                lua_error(l)
            }
        }
    }
}

/// `error.kind` and the like. Raises.
unsafe extern "C-unwind" fn index(l: L) -> c_int {
    // SAFETY: called by Lua with the error and a key; what needs memory of Rust goes through
    // `settle`, which leaves it in the control block.
    unsafe {
        let error = argument(l);
        if lua_type(l, 2) != LUA_TSTRING {
            return 0;
        }
        match marshal::bytes(l, 2) {
            b"kind" => push_text(l, error.kind().as_str()),
            b"message" => push_text(l, error.message()),
            b"payload" => {
                native::settle(Ok(error.payload().clone()));
                return native::finish(l, None);
            }
            b"trace" => {
                settle_trace(error);
                return native::finish(l, None);
            }
            _ => return 0,
        }
    }
    1
}

fn settle_trace(error: &Error) {
    let frames = error.trace().iter().map(ToString::to_string);
    native::settle(Ok(Value::list(frames)));
}

unsafe fn push_text(l: L, text: &str) {
    // SAFETY: `l` is live with room for one (LUA_MINSTACK).
    unsafe { lua_pushlstring(l, text.as_ptr().cast(), text.len()) };
}

fn settle_text(error: &Error) {
    native::settle(Ok(Value::from(error.to_string())));
}

/// `tostring(error)`. Raises.
unsafe extern "C-unwind" fn to_text(l: L) -> c_int {
    // SAFETY: as in `index`.
    unsafe {
        settle_text(argument(l));
        native::finish(l, None)
    }
}

/// `error .. text` and `text .. error`. Raises.
unsafe extern "C-unwind" fn concat(l: L) -> c_int {
    // SAFETY: Lua calls it with the two operands.
    unsafe {
        lua_settop(l, 2);
        luaL_tolstring(l, 1, ptr::null_mut());
        luaL_tolstring(l, 2, ptr::null_mut());
        lua_concat(l, 2);
    }
    1
}

/// `__gc` of an error.
unsafe extern "C-unwind" fn drop_error(l: L) -> c_int {
    // SAFETY: Lua finalises a userdata once, and scripts cannot reach the metatable.
    unsafe {
        let error = lua_touserdata(l, 1).cast::<Error>();
        contain(|| ptr::drop_in_place(error));
    }
    0
}

/// Sets up the metatable of errors. Raises (memory).
pub(super) unsafe fn install(l: L) {
    const METHODS: [(&CStr, lua_CFunction); 4] = [
        (c"__index", index),
        (c"__tostring", to_text),
        (c"__concat", concat),
        (c"__gc", drop_error),
    ];
    // SAFETY: run once by `open`, protected.
    unsafe {
        lua_createtable(l, 0, 6);
        for (name, method) in METHODS {
            lua_pushcfunction(l, method);
            lua_setfield(l, -2, name.as_ptr());
        }
        lua_pushstring(l, c"calog.error".as_ptr());
        lua_setfield(l, -2, c"__name".as_ptr());
        lua_pushboolean(l, 0);
        lua_setfield(l, -2, c"__metatable".as_ptr());
        lua_rawsetp(l, LUA_REGISTRYINDEX, key(&ERROR));
    }
}

/// Why a state did not open: `status` came with the error on top. Never raises.
///
/// # Safety
/// `l` must be live, with one value on its stack.
pub(super) unsafe fn not_opened(l: L, status: c_int) -> Error {
    // SAFETY: the caller's promise.
    unsafe {
        if status == LUA_ERRMEM || lua_type(l, -1) != LUA_TSTRING {
            return out_of_memory();
        }
        let problem = String::from_utf8_lossy(marshal::bytes(l, -1));
        Error::raised(format!("the Lua state did not start: {problem}"))
    }
}
