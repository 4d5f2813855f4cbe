//! `table.concat`, `insert`, `remove`, `move`, `sort` and `unpack`.
//!
//! They behave as the reference manual says, and tests compare them with the stock functions. They
//! exist because those loop in C for as long as a table, or what a metamethod makes of one, is
//! large: these let themselves be interrupted every few elements.

use super::{L, hook, library::put};
use mlua::ffi::*;
use std::{
    ffi::{CStr, c_int},
    hash::{BuildHasher, RandomState},
    mem::MaybeUninit,
};

/// Elements of a plain table between two checkpoints.
const STEP: u32 = 64;

/// The length above which a badly chosen pivot makes `sort` choose by chance.
const CHANCE: lua_Integer = 100;

/// Counts elements.
struct Pace {
    period: u32,
    left: u32,
}

impl Pace {
    /// A pace for the tables that are these arguments: with metamethods, which may be long calls
    /// into C, every element counts. Never raises.
    unsafe fn of(l: L, arguments: &[c_int]) -> Self {
        let mut period = STEP;
        for argument in arguments {
            // SAFETY: `l` is live with room for one more.
            unsafe {
                if lua_getmetatable(l, *argument) != 0 {
                    lua_settop(l, -2);
                    period = 1;
                }
            }
        }
        Self { period, left: period }
    }

    /// One more. Raises if the call is to end.
    #[inline]
    unsafe fn step(&mut self, l: L) {
        self.left -= 1;
        if self.left == 0 {
            self.left = self.period;
            // SAFETY: every function here runs under Lua's own protection, holds nothing that would
            // need to be dropped, and reads only from the stack of `l`.
            unsafe { hook::checkpoint(l) };
        }
    }
}

/// Raises unless argument `index` is a table, or has all of the metamethods `needs`.
unsafe fn check_table(l: L, index: c_int, needs: &[&CStr]) {
    // SAFETY: `l` is live with room for a few more.
    unsafe {
        if lua_type(l, index) == LUA_TTABLE {
            return;
        }
        let top = lua_gettop(l);
        let mut has_all = lua_getmetatable(l, index) != 0;
        for name in needs {
            if !has_all {
                break;
            }
            lua_pushstring(l, name.as_ptr());
            has_all = lua_rawget(l, top + 1) != LUA_TNIL;
        }
        if !has_all {
            luaL_checktype(l, index, LUA_TTABLE);
        }
        lua_settop(l, top);
    }
}

/// The length of argument 1, which must be like a table to read (and write). Raises.
unsafe fn length(l: L, is_written: bool) -> lua_Integer {
    const NEEDS: [&CStr; 3] = [c"__index", c"__len", c"__newindex"];
    // SAFETY: `l` is live.
    unsafe {
        check_table(l, 1, NEEDS.get(..if is_written { 3 } else { 2 }).unwrap_or(&NEEDS));
        luaL_len(l, 1)
    }
}

/// `t[to] = t[from]` for argument 1. Raises.
unsafe fn shift(l: L, from: lua_Integer, to: lua_Integer) {
    // SAFETY: `l` is live.
    unsafe {
        lua_geti(l, 1, from);
        lua_seti(l, 1, to);
    }
}

unsafe extern "C-unwind" fn insert(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let end = length(l, true).wrapping_add(1);
        let position = match lua_gettop(l) {
            2 => end,
            3 => {
                let position = luaL_checkinteger(l, 2);
                // Unsigned, so that what is below 1 is too large.
                if position.wrapping_sub(1).cast_unsigned() >= end.cast_unsigned() {
                    luaL_argerror(l, 2, c"position out of bounds".as_ptr());
                }
                let mut pace = Pace::of(l, &[1]);
                let mut to = end;
                while to > position {
                    shift(l, to - 1, to);
                    to -= 1;
                    pace.step(l);
                }
                position
            }
            _ => return luaL_error(l, c"wrong number of arguments to 'insert'".as_ptr()),
        };
        lua_seti(l, 1, position);
    }
    0
}

unsafe extern "C-unwind" fn remove(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let size = length(l, true);
        let mut position = luaL_optinteger(l, 2, size);
        let is_outside = position.wrapping_sub(1).cast_unsigned() > size.cast_unsigned();
        if position != size && is_outside {
            luaL_argerror(l, 2, c"position out of bounds".as_ptr());
        }
        lua_geti(l, 1, position);
        let mut pace = Pace::of(l, &[1]);
        while position < size {
            shift(l, position + 1, position);
            position += 1;
            pace.step(l);
        }
        lua_pushnil(l);
        lua_seti(l, 1, position);
    }
    1
}

unsafe extern "C-unwind" fn move_(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let (first, last) = (luaL_checkinteger(l, 2), luaL_checkinteger(l, 3));
        let to = luaL_checkinteger(l, 4);
        let target = if lua_type(l, 5) <= LUA_TNIL { 1 } else { 5 };
        check_table(l, 1, &[c"__index"]);
        check_table(l, target, &[c"__newindex"]);
        if last >= first {
            if first <= 0 && last >= lua_Integer::MAX.wrapping_add(first) {
                luaL_argerror(l, 3, c"too many elements to move".as_ptr());
            }
            let count = last - first + 1;
            if to > lua_Integer::MAX - count + 1 {
                luaL_argerror(l, 4, c"destination wrap around".as_ptr());
            }
            let apart = to > last
                || to <= first
                || (target != 1 && lua_compare(l, 1, target, LUA_OPEQ) == 0);
            let mut pace = Pace::of(l, &[1, target]);
            for step in 0..count {
                // From the end, if the target would overwrite what is still to be read.
                let offset = if apart { step } else { count - 1 - step };
                lua_geti(l, 1, first + offset);
                lua_seti(l, target, to + offset);
                pace.step(l);
            }
        }
        lua_pushvalue(l, target);
    }
    1
}

unsafe extern "C-unwind" fn concat(l: L) -> c_int {
    let mut buffer = MaybeUninit::uninit();
    let out: *mut luaL_Buffer = buffer.as_mut_ptr();
    // SAFETY: called by Lua. The separator is argument 2 (or static), which stays on the stack; the
    // buffer stays in this frame, and what it holds beyond that is a userdata on the stack of `l`.
    unsafe {
        let length = length(l, false);
        let mut separator_length = 0;
        let separator = luaL_optlstring(l, 2, c"".as_ptr(), &raw mut separator_length);
        let first = luaL_optinteger(l, 3, 1);
        let last = luaL_optinteger(l, 4, length);
        luaL_buffinit(l, out);
        let mut pace = Pace::of(l, &[1]);
        let mut at = first;
        while at <= last {
            lua_geti(l, 1, at);
            if lua_isstring(l, -1) == 0 {
                let message = c"invalid value (%s) at index %I in table for 'concat'";
                return luaL_error(l, message.as_ptr(), luaL_typename(l, -1), at);
            }
            luaL_addvalue(out);
            // Not after the last, where the next index might not exist.
            if at == last {
                break;
            }
            luaL_addlstring(out, separator, separator_length);
            at += 1;
            pace.step(l);
        }
        luaL_pushresult(out);
    }
    1
}

unsafe extern "C-unwind" fn unpack(l: L) -> c_int {
    // SAFETY: called by Lua; there is room for all results before the first is pushed.
    unsafe {
        let first = luaL_optinteger(l, 2, 1);
        let last =
            if lua_type(l, 3) <= LUA_TNIL { luaL_len(l, 1) } else { luaL_checkinteger(l, 3) };
        if first > last {
            return 0;
        }
        let count = last.wrapping_sub(first).cast_unsigned();
        let count = c_int::try_from(count).ok().and_then(|count| count.checked_add(1));
        let Some(count) = count.filter(|count| lua_checkstack(l, *count) != 0) else {
            return luaL_error(l, c"too many results to unpack".as_ptr());
        };
        let mut pace = Pace::of(l, &[1]);
        let mut at = first;
        loop {
            lua_geti(l, 1, at);
            if at == last {
                return count;
            }
            at += 1;
            pace.step(l);
        }
    }
}

/// A sort at work on argument 1, with the order of argument 2. Values are compared where they lie
/// on the stack, so a function of the script may do anything meanwhile.
struct Sort {
    l: L,
    pace: Pace,
    has_order: bool,
}

impl Sort {
    /// Pushes `t[index]`. Raises.
    unsafe fn get(&mut self, index: lua_Integer) {
        // SAFETY: `l` is live with room for a few more.
        unsafe { lua_geti(self.l, 1, index) };
    }

    /// Pops two values into `t[i]` and `t[j]`. Raises.
    unsafe fn set_both(&mut self, i: lua_Integer, j: lua_Integer) {
        // SAFETY: `l` is live.
        unsafe {
            lua_seti(self.l, 1, i);
            lua_seti(self.l, 1, j);
        }
    }

    /// Is the value at stack index `a` less than that at `b`, both counted from the top? Raises.
    unsafe fn less(&mut self, a: c_int, b: c_int) -> bool {
        let l = self.l;
        // SAFETY: `l` is live with room for a few more.
        unsafe {
            if !self.has_order {
                // Texts may be long, and other values have metamethods.
                if lua_type(l, a) != LUA_TNUMBER {
                    self.pace.left = 1;
                }
                self.pace.step(l);
                return lua_compare(l, a, b, LUA_OPLT) != 0;
            }
            hook::checkpoint(l);
            lua_pushvalue(l, 2);
            lua_pushvalue(l, a - 1);
            lua_pushvalue(l, b - 2);
            lua_call(l, 2, 1);
            let less = lua_toboolean(l, -1) != 0;
            lua_settop(l, -2);
            less
        }
    }

    /// Raises, since the order contradicts itself.
    unsafe fn refuse(&self) {
        // SAFETY: `l` is live.
        unsafe { luaL_error(self.l, c"invalid order function for sorting".as_ptr()) };
    }

    /// Swaps `t[low]` and `t[high]` if they are the wrong way round. Raises.
    unsafe fn order(&mut self, low: lua_Integer, high: lua_Integer) {
        // SAFETY: `l` is live.
        unsafe {
            self.get(low);
            self.get(high);
            if self.less(-1, -2) {
                self.set_both(low, high);
            } else {
                lua_settop(self.l, -3);
            }
        }
    }

    /// Sorts `t[low..=high]`: quicksort with the median of three as its pivot, which recurses into
    /// the smaller part only, so 31 levels at the most. Raises.
    unsafe fn sort(&mut self, mut low: lua_Integer, mut high: lua_Integer, mut chance: u64) {
        // SAFETY: `l` is live; each level keeps one value on the stack at the most, and none while
        // it recurses.
        unsafe {
            while low < high {
                self.order(low, high);
                if high - low == 1 {
                    return;
                }
                let middle = self.choose(low, high, chance);
                self.order_middle(low, middle, high);
                if high - low == 2 {
                    return;
                }
                // The pivot stays on the stack and goes next to the end.
                self.get(middle);
                lua_pushvalue(self.l, -1);
                self.get(high - 1);
                self.set_both(middle, high - 1);
                let pivot = self.partition(low, high);
                let smaller = (pivot - low).min(high - pivot);
                if pivot - low < high - pivot {
                    self.sort(low, pivot - 1, chance);
                    low = pivot + 1;
                } else {
                    self.sort(pivot + 1, high, chance);
                    high = pivot - 1;
                }
                if (high - low) / 128 > smaller {
                    // Whoever made the table may know where the pivots are.
                    chance = RandomState::new().hash_one(low);
                }
            }
        }
    }

    /// Where the pivot is taken from: the middle, or by chance from the middle half.
    fn choose(&self, low: lua_Integer, high: lua_Integer, chance: u64) -> lua_Integer {
        if chance == 0 || high - low < CHANCE {
            return low.midpoint(high);
        }
        let quarter = (high - low) / 4;
        low + quarter + (chance % (quarter * 2).unsigned_abs()).cast_signed()
    }

    /// Puts the middle one of three in the middle; the outer two are in order. Raises.
    unsafe fn order_middle(&mut self, low: lua_Integer, middle: lua_Integer, high: lua_Integer) {
        // SAFETY: `l` is live.
        unsafe {
            self.get(middle);
            self.get(low);
            if self.less(-2, -1) {
                self.set_both(middle, low);
                return;
            }
            lua_settop(self.l, -2);
            self.get(high);
            if self.less(-1, -2) {
                self.set_both(middle, high);
            } else {
                lua_settop(self.l, -3);
            }
        }
    }

    /// Puts what is less than the pivot before it and the rest behind it; the pivot is on the stack,
    /// which pops it, and at `high - 1`. Where it is then. Raises.
    unsafe fn partition(&mut self, low: lua_Integer, high: lua_Integer) -> lua_Integer {
        let l = self.l;
        let (mut i, mut j) = (low, high - 1);
        // SAFETY: `l` is live. The indexes stay between `low` and `high`: an order that would lead
        // them out of there is refused.
        unsafe {
            loop {
                i += 1;
                self.get(i);
                while self.less(-1, -2) {
                    if i == high - 1 {
                        self.refuse();
                    }
                    lua_settop(l, -2);
                    i += 1;
                    self.get(i);
                }
                j -= 1;
                self.get(j);
                while self.less(-3, -1) {
                    if j < i {
                        self.refuse();
                    }
                    lua_settop(l, -2);
                    j -= 1;
                    self.get(j);
                }
                if j < i {
                    lua_settop(l, -2);
                    self.set_both(high - 1, i);
                    return i;
                }
                self.set_both(i, j);
            }
        }
    }
}

unsafe extern "C-unwind" fn sort(l: L) -> c_int {
    // SAFETY: called by Lua. `Sort` has nothing to drop.
    unsafe {
        let length = length(l, true);
        if length > 1 {
            if length >= c_int::MAX.into() {
                luaL_argerror(l, 1, c"array too big".as_ptr());
            }
            let has_order = lua_type(l, 2) > LUA_TNIL;
            if has_order {
                luaL_checktype(l, 2, LUA_TFUNCTION);
            }
            lua_settop(l, 2);
            let mut sort = Sort { l, pace: Pace::of(l, &[1]), has_order };
            sort.sort(1, length, 0);
        }
    }
    0
}

/// Replaces the stock functions. Raises (memory).
pub(super) unsafe fn install(l: L) {
    // SAFETY: run once by `open`, protected, before any script.
    unsafe {
        lua_pushglobaltable(l);
        lua_getfield(l, -1, c"table".as_ptr());
        put(l, c"concat", concat);
        put(l, c"insert", insert);
        put(l, c"remove", remove);
        put(l, c"move", move_);
        put(l, c"sort", sort);
        put(l, c"unpack", unpack);
        lua_settop(l, -3);
    }
}
