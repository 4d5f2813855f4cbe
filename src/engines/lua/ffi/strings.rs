//! `string.find`, `match`, `gmatch` and `gsub`, around calog's own matcher, and those functions of
//! `string` that walk over a text: `rep`, `upper`, `lower`, `reverse`.
//!
//! They behave as the reference manual says, and tests compare them with the stock functions.
//!
//! Texts and patterns are strings that lie on the Lua stack (or in upvalues of the running function)
//! for as long as the function runs, and only the function itself could take them from there: so
//! they are read in place, also after the matcher has suspended the fiber. The matcher owns nothing
//! that would need to be dropped, so its frames may be jumped over.

use super::{
    L, hook,
    library::{luaL_typeerror, put},
    marshal,
};
use crate::{
    engines::lua::{
        pattern::{Captured, Fault, Matcher},
        plain::{find_plain, is_plain},
    },
    fiber,
};
use mlua::ffi::*;
use std::{ffi::c_int, mem::MaybeUninit, ptr, slice};

/// Argument `index`, which must be a string or a number. Raises.
unsafe fn text<'a>(l: L, index: c_int) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: `l` is live. Lua returns a valid pointer for a string, even an empty one; a number is
    // made one in place, so it lies on the stack.
    unsafe {
        let start = luaL_checklstring(l, index, &raw mut length);
        slice::from_raw_parts(start.cast(), length)
    }
}

/// Where the optional argument `index` says that the search begins, which may be after the end.
/// Raises.
unsafe fn start(l: L, index: c_int, text: &[u8]) -> usize {
    // SAFETY: `l` is live.
    let position = unsafe { luaL_optinteger(l, index, 1) };
    let from_end = || text.len().checked_sub(usize::try_from(position.unsigned_abs()).ok()?);
    match position {
        1.. => usize::try_from(position - 1).unwrap_or(usize::MAX),
        0 => 0,
        _ => from_end().unwrap_or(0),
    }
}

/// Raises what is wrong.
unsafe fn raise(l: L, fault: Fault) -> ! {
    // SAFETY: `l` is live, in a protected call.
    unsafe {
        match fault {
            Fault::Ended => hook::end(l),
            Fault::NoCapture(number) => {
                luaL_error(l, c"invalid capture index %%%d".as_ptr(), c_int::from(number))
            }
            Fault::Wrong(message) => luaL_error(l, c"%s".as_ptr(), message.as_ptr()),
        };
        lua_error(l)
    }
}

/// The value, or the fault raised.
unsafe fn or_raise<T: Copy>(l: L, result: Result<T, Fault>) -> T {
    match result {
        Ok(value) => value,
        // SAFETY: `l` is live, in a protected call.
        Err(fault) => unsafe { raise(l, fault) },
    }
}

/// Pushes capture `index` of the match from `start` to `end`. Raises.
unsafe fn push_capture(l: L, matcher: &Matcher<'_>, index: usize, start: usize, end: usize) {
    // SAFETY: `l` is live with room for one more.
    unsafe {
        match or_raise(l, matcher.capture(index, start, end)) {
            Captured::Text(text) => {
                lua_pushlstring(l, text.as_ptr().cast(), text.len());
            }
            Captured::Position(position) => lua_pushinteger(l, position as lua_Integer),
        }
    }
}

/// Pushes `count` captures of the match from `start` to `end`. Raises.
unsafe fn push_captures(
    l: L,
    matcher: &Matcher<'_>,
    count: usize,
    start: usize,
    end: usize,
) -> c_int {
    // SAFETY: `l` is live; there are at most 32 captures.
    unsafe {
        luaL_checkstack(l, count as c_int, c"too many captures".as_ptr());
        for index in 0..count {
            push_capture(l, matcher, index, start, end);
        }
    }
    count as c_int
}

/// `string.find` and `match`. Raises.
unsafe fn search(l: L, is_find: bool) -> c_int {
    // SAFETY: called by Lua; see the top for the strings.
    unsafe {
        let (subject, pattern) = (text(l, 1), text(l, 2));
        let start = start(l, 3, subject);
        if start > subject.len() {
            lua_pushnil(l);
            return 1;
        }
        if is_find && (lua_toboolean(l, 4) != 0 || is_plain(pattern)) {
            return match or_raise(l, find_plain(subject, pattern, start, fiber::checkpoint)) {
                Some(at) => {
                    lua_pushinteger(l, (at + 1) as lua_Integer);
                    lua_pushinteger(l, (at + pattern.len()) as lua_Integer);
                    2
                }
                None => {
                    lua_pushnil(l);
                    1
                }
            };
        }
        let anchored = pattern.strip_prefix(b"^");
        let mut matcher = Matcher::new(subject, anchored.unwrap_or(pattern), fiber::checkpoint);
        let found = if anchored.is_some() {
            or_raise(l, matcher.match_at(start)).map(|end| (start, end))
        } else {
            or_raise(l, matcher.next_match(start, None))
        };
        match found {
            Some((start, end)) if is_find => {
                lua_pushinteger(l, (start + 1) as lua_Integer);
                lua_pushinteger(l, end as lua_Integer);
                2 + push_captures(l, &matcher, matcher.captures(), start, end)
            }
            Some((start, end)) => push_captures(l, &matcher, matcher.captures().max(1), start, end),
            None => {
                lua_pushnil(l);
                1
            }
        }
    }
}

unsafe extern "C-unwind" fn find(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe { search(l, true) }
}

unsafe extern "C-unwind" fn match_(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe { search(l, false) }
}

/// How far an iteration of `gmatch` has come.
struct Progress {
    /// Where the next search begins.
    next: usize,
    /// Where the last match ended.
    last: Option<usize>,
}

unsafe extern "C-unwind" fn gmatch(l: L) -> c_int {
    // SAFETY: called by Lua. The userdata has the size of a `Progress`, which needs no dropping,
    // and Lua's alignment.
    unsafe {
        let subject = text(l, 1);
        text(l, 2);
        let next = start(l, 3, subject);
        lua_settop(l, 2);
        let progress = lua_newuserdatauv(l, size_of::<Progress>(), 0).cast::<Progress>();
        ptr::write(progress, Progress { next, last: None });
        lua_pushcclosure(l, gmatch_next, 3);
    }
    1
}

/// What `gmatch` returns; its upvalues are the text, the pattern and the progress.
unsafe extern "C-unwind" fn gmatch_next(l: L) -> c_int {
    // SAFETY: only `gmatch` makes closures of it. No reference to the progress is held across the
    // search, in which the handlers of another call may use the same iterator.
    unsafe {
        let subject = marshal::bytes(l, lua_upvalueindex(1));
        let pattern = marshal::bytes(l, lua_upvalueindex(2));
        let progress = lua_touserdata(l, lua_upvalueindex(3)).cast::<Progress>();
        let Progress { next, last } = progress.read();
        let mut matcher = Matcher::new(subject, pattern, fiber::checkpoint);
        match or_raise(l, matcher.next_match(next, last)) {
            Some((start, end)) => {
                progress.write(Progress { next: end, last: Some(end) });
                push_captures(l, &matcher, matcher.captures().max(1), start, end)
            }
            None => 0,
        }
    }
}

unsafe extern "C-unwind" fn gsub(l: L) -> c_int {
    let mut buffer = MaybeUninit::uninit();
    let out: *mut luaL_Buffer = buffer.as_mut_ptr();
    // SAFETY: called by Lua; see the top for the strings. The buffer stays where it is, in this
    // frame, and what it holds beyond that is a userdata on the stack of `l`; while it is in use,
    // the stack is changed as the manual asks: what is pushed is popped before more is added.
    unsafe {
        let (subject, pattern) = (text(l, 1), text(l, 2));
        let kind = lua_type(l, 3);
        let most = luaL_optinteger(l, 4, subject.len() as lua_Integer + 1);
        if !matches!(kind, LUA_TNUMBER | LUA_TSTRING | LUA_TFUNCTION | LUA_TTABLE) {
            luaL_typeerror(l, 3, c"string/function/table".as_ptr());
        }
        luaL_buffinit(l, out);
        let anchored = pattern.strip_prefix(b"^");
        let mut matcher = Matcher::new(subject, anchored.unwrap_or(pattern), fiber::checkpoint);
        let (mut count, mut changed) = (0, false);
        // What is in the buffer, and where the last match ended.
        let (mut copied, mut last) = (0, None);
        while count < most {
            let found = if anchored.is_some() {
                or_raise(l, matcher.match_at(0)).map(|end| (0, end))
            } else {
                or_raise(l, matcher.next_match(last.unwrap_or(0), last))
            };
            let Some((start, end)) = found else { break };
            count += 1;
            add(out, subject.get(copied..start).unwrap_or_default());
            copied = start;
            if replace(l, out, &matcher, kind, start, end) {
                changed = true;
                copied = end;
            }
            last = Some(end);
            if anchored.is_some() {
                break;
            }
        }
        if changed {
            add(out, subject.get(copied..).unwrap_or_default());
            luaL_pushresult(out);
        } else {
            lua_pushvalue(l, 1);
        }
        lua_pushinteger(l, count);
    }
    2
}

/// Adds `bytes` to the buffer. Raises (memory).
unsafe fn add(out: *mut luaL_Buffer, bytes: &[u8]) {
    // SAFETY: `out` is a buffer in use.
    unsafe { luaL_addlstring(out, bytes.as_ptr().cast(), bytes.len()) }
}

/// Adds what replaces the match from `start` to `end`. `false`: nothing does. Raises.
unsafe fn replace(
    l: L,
    out: *mut luaL_Buffer,
    matcher: &Matcher<'_>,
    kind: c_int,
    start: usize,
    end: usize,
) -> bool {
    // SAFETY: as in `gsub`; argument 3 is of type `kind`. `matcher` has nothing to drop, so the
    // function that is called may suspend and raise.
    unsafe {
        match kind {
            LUA_TFUNCTION => {
                lua_pushvalue(l, 3);
                let count = push_captures(l, matcher, matcher.captures().max(1), start, end);
                lua_call(l, count, 1);
            }
            LUA_TTABLE => {
                push_capture(l, matcher, 0, start, end);
                lua_gettable(l, 3);
            }
            _ => {
                expand(l, out, matcher, start, end);
                return true;
            }
        }
        // What was called may be a function of the library that takes long itself.
        hook::checkpoint(l);
        if lua_toboolean(l, -1) == 0 {
            lua_settop(l, -2);
            return false;
        }
        if lua_isstring(l, -1) == 0 {
            let type_name = luaL_typename(l, -1);
            luaL_error(l, c"invalid replacement value (a %s)".as_ptr(), type_name);
        }
        luaL_addvalue(out);
        true
    }
}

/// Adds the replacement text, argument 3, with its `%0` to `%9` filled in. Raises.
unsafe fn expand(l: L, out: *mut luaL_Buffer, matcher: &Matcher<'_>, start: usize, end: usize) {
    // SAFETY: as in `gsub`; argument 3 is a string or a number, which becomes a string in place.
    unsafe {
        let mut rest = text(l, 3);
        while let Some(escape) = memchr::memchr(b'%', rest) {
            add(out, rest.get(..escape).unwrap_or_default());
            let letter = rest.get(escape + 1).copied();
            match letter {
                Some(b'%') => add(out, b"%"),
                Some(b'0') => add(out, matcher.between(start, end)),
                Some(digit @ b'1'..=b'9') => {
                    match or_raise(l, matcher.capture(usize::from(digit - b'1'), start, end)) {
                        Captured::Text(text) => add(out, text),
                        Captured::Position(position) => {
                            lua_pushinteger(l, position as lua_Integer);
                            luaL_addvalue(out);
                        }
                    }
                }
                _ => {
                    let message = c"invalid use of '%c' in replacement string";
                    luaL_error(l, message.as_ptr(), c_int::from(b'%'));
                }
            }
            rest = rest.get(escape + 2..).unwrap_or_default();
        }
        add(out, rest);
    }
}

/// Bytes that are copied between two checkpoints.
const STRETCH: usize = 1 << 20;

unsafe extern "C-unwind" fn rep(l: L) -> c_int {
    let mut buffer = MaybeUninit::uninit();
    let out: *mut luaL_Buffer = buffer.as_mut_ptr();
    // SAFETY: called by Lua; see the top for the strings, and `gsub` for the buffer. Of the `total`
    // bytes that are asked for, `filled` are there; `filled` is a multiple of the period but at the
    // end, so what is copied from the beginning goes on where it stopped.
    unsafe {
        let subject = text(l, 1);
        let count = luaL_checkinteger(l, 2);
        let mut length = 0;
        let separator = luaL_optlstring(l, 3, c"".as_ptr(), &raw mut length);
        let separator: &[u8] = slice::from_raw_parts(separator.cast(), length);
        let period = subject.len() + separator.len();
        let count = usize::try_from(count).unwrap_or(0);
        if count == 0 || period == 0 {
            lua_pushstring(l, c"".as_ptr());
            return 1;
        }
        if period > c_int::MAX as usize / count {
            return luaL_error(l, c"resulting string too large".as_ptr());
        }
        let total = count * period - separator.len();
        if total > STRETCH {
            // Before the room is taken: C may call this often, as a metamethod.
            hook::checkpoint(l);
        }
        let start: *mut u8 = luaL_buffinitsize(l, out, total).cast();
        ptr::copy_nonoverlapping(subject.as_ptr(), start, subject.len());
        let mut filled = subject.len();
        if filled < total {
            ptr::copy_nonoverlapping(separator.as_ptr(), start.add(filled), separator.len());
            filled = period;
        }
        let most = period * (STRETCH / period).max(1);
        while filled < total {
            let more = filled.min(most).min(total - filled);
            ptr::copy_nonoverlapping(start, start.add(filled), more);
            filled += more;
            if more == most {
                hook::checkpoint(l);
            }
        }
        luaL_pushresultsize(out, total);
    }
    1
}

/// Pushes argument 1 with its bytes changed, from the end if `reversed`. Raises.
unsafe fn changed(l: L, reversed: bool, change: fn(&mut [u8])) -> c_int {
    let mut buffer = MaybeUninit::uninit();
    let out: *mut luaL_Buffer = buffer.as_mut_ptr();
    // SAFETY: called by Lua; see the top for the strings, and `gsub` for the buffer. Each stretch is
    // copied to its place before it is lent to `change`.
    unsafe {
        let subject = text(l, 1);
        let total = subject.len();
        if total > STRETCH {
            // Before the room is taken: C may call this often, as a metamethod.
            hook::checkpoint(l);
        }
        let start: *mut u8 = luaL_buffinitsize(l, out, total).cast();
        let mut done = 0;
        for stretch in subject.chunks(STRETCH) {
            let place = if reversed { total - done - stretch.len() } else { done };
            let place = start.add(place);
            ptr::copy_nonoverlapping(stretch.as_ptr(), place, stretch.len());
            change(slice::from_raw_parts_mut(place, stretch.len()));
            done += stretch.len();
            if done < total {
                hook::checkpoint(l);
            }
        }
        luaL_pushresultsize(out, total);
    }
    1
}

unsafe extern "C-unwind" fn upper(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe { changed(l, false, <[u8]>::make_ascii_uppercase) }
}

unsafe extern "C-unwind" fn lower(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe { changed(l, false, <[u8]>::make_ascii_lowercase) }
}

unsafe extern "C-unwind" fn reverse(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe { changed(l, true, <[u8]>::reverse) }
}

/// Replaces the stock functions. Raises (memory).
pub(super) unsafe fn install(l: L) {
    // SAFETY: run once by `open`, protected, before any script.
    unsafe {
        lua_pushglobaltable(l);
        lua_getfield(l, -1, c"string".as_ptr());
        put(l, c"find", find);
        put(l, c"match", match_);
        put(l, c"gmatch", gmatch);
        put(l, c"gsub", gsub);
        put(l, c"rep", rep);
        put(l, c"upper", upper);
        put(l, c"lower", lower);
        put(l, c"reverse", reverse);
        lua_settop(l, -3);
    }
}
