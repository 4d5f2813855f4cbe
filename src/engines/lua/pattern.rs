//! Lua's patterns (reference manual, 6.4.1), matched in steps between which a match can be ended.
//!
//! A pattern that backtracks may take longer than anybody waits. The stock matcher cannot be left
//! in the middle; this one, which means the same to the byte, asks every so many steps whether to
//! go on.
//!
//! Positions are indexes that count from 0. A pattern may be broken in any way, so nothing here
//! relies on an index being in range.

use std::ffi::CStr;

/// The most captures of one pattern (`LUA_MAXCAPTURES`).
const MOST_CAPTURES: usize = 32;

/// How deep matching may recurse (`MAXCCALLS`).
const MOST_DEPTH: u32 = 200;

/// Steps between two questions whether to go on; a step takes some nanoseconds.
const STEPS: usize = 4096;

/// Why matching cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The call is to end.
    Ended,
    /// There is no such capture, counted from 1.
    NoCapture(u8),
    /// The pattern is wrong; in the words of stock Lua.
    Wrong(&'static CStr),
}

/// The bytes that one item of a pattern stands for.
#[derive(Clone, Copy)]
enum Item<'a> {
    Any,
    Byte(u8),
    /// The letter after `%`.
    Class(u8),
    /// What is between the brackets.
    Set(&'a [u8]),
}

impl Item<'_> {
    fn has(self, byte: u8) -> bool {
        match self {
            Item::Any => true,
            Item::Byte(own) => own == byte,
            Item::Class(class) => is_in_class(byte, class),
            Item::Set(set) => is_in_set(byte, set),
        }
    }

    /// Steps that one look at a byte takes.
    fn cost(self) -> usize {
        match self {
            Item::Set(set) => 1 + set.len() / 8,
            Item::Any | Item::Byte(_) | Item::Class(_) => 1,
        }
    }

    /// How many bytes at the beginning of `text` it stands for.
    fn run(self, text: &[u8]) -> usize {
        match self {
            Item::Any => text.len(),
            _ => text.iter().position(|byte| !self.has(*byte)).unwrap_or(text.len()),
        }
    }

    /// Where in `text` the first byte is that it stands for.
    fn find(self, text: &[u8]) -> Option<usize> {
        match self {
            Item::Byte(own) => memchr::memchr(own, text),
            _ => text.iter().position(|byte| self.has(*byte)),
        }
    }

    /// How many bytes are looked at between two counts of steps.
    fn stretch(self) -> usize {
        1 + STEPS / 4 / self.cost()
    }
}

fn is_in_class(byte: u8, class: u8) -> bool {
    let found = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | b'\t'..=b'\r'),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return byte == class,
    };
    found == class.is_ascii_lowercase()
}

fn is_in_set(byte: u8, set: &[u8]) -> bool {
    let (mut rest, is_among) = match set {
        [b'^', rest @ ..] => (rest, false),
        _ => (set, true),
    };
    loop {
        let found;
        (found, rest) = match rest {
            [] => return !is_among,
            [b'%', class, rest @ ..] => (is_in_class(byte, *class), rest),
            [first, b'-', last, rest @ ..] => (*first <= byte && byte <= *last, rest),
            [own, rest @ ..] => (*own == byte, rest),
        };
        if found {
            return is_among;
        }
    }
}

#[derive(Clone, Copy)]
enum Extent {
    /// It has no end yet.
    Open,
    Position,
    Length(usize),
}

#[derive(Clone, Copy)]
struct Capture {
    start: usize,
    extent: Extent,
}

/// What a capture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Captured<'a> {
    Text(&'a [u8]),
    /// A position, which counts from 1.
    Position(usize),
}

/// How one attempt failed. The fault is in the matcher, so that a result takes two registers.
#[repr(usize)]
enum Miss {
    NoMatch,
    Fault,
}

/// Where a match ends.
type End = Result<usize, Miss>;

/// A pattern at work on a text.
pub(super) struct Matcher<'a> {
    text: &'a [u8],
    pattern: &'a [u8],
    captures: [Capture; MOST_CAPTURES],
    /// How many captures there are, open and closed.
    level: usize,
    depth_left: u32,
    steps_left: usize,
    fault: Fault,
    /// What every match begins with, if that is certain.
    lead: Option<Item<'a>>,
    go_on: fn() -> bool,
}

impl<'a> Matcher<'a> {
    /// A matcher that asks `go_on` every so many steps.
    pub(super) fn new(text: &'a [u8], pattern: &'a [u8], go_on: fn() -> bool) -> Self {
        let mut matcher = Self {
            text,
            pattern,
            captures: [Capture { start: 0, extent: Extent::Open }; MOST_CAPTURES],
            level: 0,
            depth_left: MOST_DEPTH,
            steps_left: STEPS,
            fault: Fault::Ended,
            lead: None,
            go_on,
        };
        let begins_with_capture = matcher.at(0) == b'(' && matcher.at(1) != b')';
        matcher.lead = matcher.lead(usize::from(begins_with_capture));
        matcher
    }

    /// The end of the match at `start`, if there is one.
    ///
    /// # Errors
    /// The fault of the pattern, or that the call is to end.
    pub(super) fn match_at(&mut self, start: usize) -> Result<Option<usize>, Fault> {
        self.depth_left = MOST_DEPTH;
        self.level = 0;
        match self.enter(start, 0) {
            Ok(end) => Ok(Some(end)),
            Err(Miss::NoMatch) => Ok(None),
            Err(Miss::Fault) => Err(self.fault),
        }
    }

    /// Start and end of the first match at or after `start` that does not end at `last`.
    ///
    /// # Errors
    /// As [`match_at`](Self::match_at).
    pub(super) fn next_match(
        &mut self,
        mut start: usize,
        last: Option<usize>,
    ) -> Result<Option<(usize, usize)>, Fault> {
        while start <= self.text.len() {
            match self.match_at(start)? {
                Some(end) if Some(end) != last => return Ok(Some((start, end))),
                _ => start = self.skip(start + 1).map_err(|_| self.fault)?,
            }
        }
        Ok(None)
    }

    /// The first place at or after `start` where a match may begin, which may be past the end.
    fn skip(&mut self, start: usize) -> Result<usize, Miss> {
        let Some(lead) = self.lead else { return Ok(start) };
        let mut at = start;
        for stretch in self.text.get(start..).unwrap_or_default().chunks(lead.stretch()) {
            let found = lead.find(stretch);
            let count = found.unwrap_or(stretch.len());
            at += count;
            self.spend(count.saturating_mul(lead.cost()))?;
            if found.is_some() {
                return Ok(at);
            }
        }
        Ok(at + 1)
    }

    /// How many captures the last match has.
    pub(super) fn captures(&self) -> usize {
        self.level
    }

    /// Capture `index`, which counts from 0, of the match from `start` to `end`; the first is the
    /// whole match if the pattern has none.
    ///
    /// # Errors
    /// There is no such capture, or it has no end.
    pub(super) fn capture(
        &self,
        index: usize,
        start: usize,
        end: usize,
    ) -> Result<Captured<'a>, Fault> {
        let text = |start, end| Captured::Text(self.between(start, end));
        match self.captures.get(..self.level).unwrap_or_default().get(index) {
            None if index == 0 => Ok(text(start, end)),
            None => Err(Fault::NoCapture(u8::try_from(index + 1).unwrap_or(u8::MAX))),
            Some(capture) => match capture.extent {
                Extent::Open => Err(Fault::Wrong(c"unfinished capture")),
                Extent::Position => Ok(Captured::Position(capture.start + 1)),
                Extent::Length(length) => Ok(text(capture.start, capture.start + length)),
            },
        }
    }

    /// The text from `start` to `end`.
    pub(super) fn between(&self, start: usize, end: usize) -> &'a [u8] {
        self.text.get(start..end).unwrap_or_default()
    }

    /// The byte of the pattern at `index`; 0 after its end, as the stock matcher has it.
    fn at(&self, index: usize) -> u8 {
        self.pattern.get(index).copied().unwrap_or(0)
    }

    fn fail<T>(&mut self, fault: Fault) -> Result<T, Miss> {
        self.fault = fault;
        Err(Miss::Fault)
    }

    fn wrong<T>(&mut self, message: &'static CStr) -> Result<T, Miss> {
        self.fail(Fault::Wrong(message))
    }

    /// Counts steps.
    #[inline]
    fn spend(&mut self, steps: usize) -> Result<(), Miss> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => self.look_up(),
        }
    }

    #[cold]
    fn look_up(&mut self) -> Result<(), Miss> {
        self.steps_left = STEPS;
        if (self.go_on)() { Ok(()) } else { self.fail(Fault::Ended) }
    }

    /// Matches the pattern from `p` on at `s`, one level deeper.
    fn enter(&mut self, s: usize, p: usize) -> End {
        self.check_depth()?;
        self.depth_left -= 1;
        let end = self.go(s, p);
        self.depth_left += 1;
        end
    }

    fn go(&mut self, mut s: usize, mut p: usize) -> End {
        loop {
            self.spend(1)?;
            match self.pattern.get(p) {
                None => return Ok(s),
                Some(b'(') if self.at(p + 1) == b')' => {
                    return self.open(s, p + 2, Extent::Position);
                }
                Some(b'(') => return self.open(s, p + 1, Extent::Open),
                Some(b')') => return self.close(s, p + 1),
                Some(b'$') if p + 1 == self.pattern.len() => {
                    return if s == self.text.len() { Ok(s) } else { Err(Miss::NoMatch) };
                }
                Some(b'%') => match self.at(p + 1) {
                    b'b' => {
                        s = self.balanced(s, p + 2)?;
                        p += 4;
                        continue;
                    }
                    b'f' => {
                        p = self.frontier(s, p + 2)?;
                        continue;
                    }
                    digit @ b'0'..=b'9' => {
                        s = self.again(s, digit)?;
                        p += 2;
                        continue;
                    }
                    _ => {}
                },
                Some(_) => {}
            }
            let (item, next) = self.item(p)?;
            let has = self.text.get(s).is_some_and(|byte| item.has(*byte));
            match (self.at(next), has) {
                (b'?', true) => match self.enter(s + 1, next + 1) {
                    Err(Miss::NoMatch) => p = next + 1,
                    end => return end,
                },
                (b'+', true) => return self.most(s + 1, item, next + 1),
                (b'*', true) => return self.most(s, item, next + 1),
                (b'-', true) => return self.least(s, item, next + 1),
                (b'*' | b'?' | b'-', false) => p = next + 1,
                (_, true) => (s, p) = (s + 1, next),
                (_, false) => return Err(Miss::NoMatch),
            }
        }
    }

    /// The item at `p`, and where the next begins.
    fn item(&mut self, p: usize) -> Result<(Item<'a>, usize), Miss> {
        match self.read_item(p) {
            Ok((item, next)) => {
                self.spend(item.cost() - 1)?;
                Ok((item, next))
            }
            Err(message) => self.wrong(message),
        }
    }

    fn read_item(&self, p: usize) -> Result<(Item<'a>, usize), &'static CStr> {
        match self.at(p) {
            b'.' => Ok((Item::Any, p + 1)),
            b'%' if p + 1 >= self.pattern.len() => Err(c"malformed pattern (ends with '%')"),
            b'%' => Ok((Item::Class(self.at(p + 1)), p + 2)),
            b'[' => {
                let start = p + 1;
                // What comes first is no end, even if it is a bracket.
                let mut end = start + usize::from(self.at(start) == b'^');
                loop {
                    end += match self.pattern.get(end) {
                        None => return Err(c"malformed pattern (missing ']')"),
                        Some(b'%') if end + 1 < self.pattern.len() => 2,
                        Some(_) => 1,
                    };
                    if self.at(end) == b']' {
                        break;
                    }
                }
                Ok((Item::Set(self.pattern.get(start..end).unwrap_or_default()), end + 1))
            }
            own => Ok((Item::Byte(own), p + 1)),
        }
    }

    /// The item that whatever matches from `p` on begins with, if that is certain: then there is no
    /// need to try where it is not.
    fn lead(&self, p: usize) -> Option<Item<'a>> {
        match (self.at(p), self.at(p + 1)) {
            (b'(' | b')' | b'$', _) | (b'%', b'b' | b'f' | b'0'..=b'9') => return None,
            _ if p >= self.pattern.len() => return None,
            _ => {}
        }
        let (item, next) = self.read_item(p).ok()?;
        (!matches!(self.at(next), b'*' | b'?' | b'-')).then_some(item)
    }

    /// Can a match of what begins with `lead` begin at `s`?
    fn may_begin(&self, s: usize, lead: Option<Item<'a>>) -> bool {
        lead.is_none_or(|lead| self.text.get(s).is_some_and(|byte| lead.has(*byte)))
    }

    /// Raises if there is no level left, which [`enter`](Self::enter) would find out.
    fn check_depth(&mut self) -> Result<(), Miss> {
        if self.depth_left == 0 { self.wrong(c"pattern too complex") } else { Ok(()) }
    }

    /// As often as can be: `*` and `+`.
    fn most(&mut self, s: usize, item: Item<'a>, next: usize) -> End {
        let cost = item.cost();
        let mut end = s;
        for stretch in self.text.get(s..).unwrap_or_default().chunks(item.stretch()) {
            let count = item.run(stretch);
            end += count;
            self.spend(count.saturating_mul(cost))?;
            if count < stretch.len() {
                break;
            }
        }
        self.check_depth()?;
        let lead = self.lead(next);
        let cost = lead.map_or(1, Item::cost);
        loop {
            self.spend(cost)?;
            if self.may_begin(end, lead) {
                match self.enter(end, next) {
                    Err(Miss::NoMatch) => {}
                    end => return end,
                }
            }
            if end == s {
                return Err(Miss::NoMatch);
            }
            end -= 1;
        }
    }

    /// As rarely as can be: `-`.
    fn least(&mut self, mut s: usize, item: Item<'a>, next: usize) -> End {
        self.check_depth()?;
        let lead = self.lead(next);
        let cost = item.cost() + lead.map_or(0, Item::cost);
        loop {
            self.spend(cost)?;
            if self.may_begin(s, lead) {
                match self.enter(s, next) {
                    Err(Miss::NoMatch) => {}
                    end => return end,
                }
            }
            if !self.text.get(s).is_some_and(|byte| item.has(*byte)) {
                return Err(Miss::NoMatch);
            }
            s += 1;
        }
    }

    /// `(`.
    fn open(&mut self, s: usize, p: usize, extent: Extent) -> End {
        let Some(capture) = self.captures.get_mut(self.level) else {
            return self.wrong(c"too many captures");
        };
        *capture = Capture { start: s, extent };
        self.level += 1;
        let end = self.enter(s, p);
        if end.is_err() {
            self.level -= 1;
        }
        end
    }

    /// `)`.
    fn close(&mut self, s: usize, p: usize) -> End {
        let open = self.captures.get(..self.level).unwrap_or_default();
        let open = open.iter().rposition(|capture| matches!(capture.extent, Extent::Open));
        let Some(index) = open else { return self.wrong(c"invalid pattern capture") };
        self.set_extent(index, |start| Extent::Length(s.saturating_sub(start)));
        let end = self.enter(s, p);
        if end.is_err() {
            self.set_extent(index, |_| Extent::Open);
        }
        end
    }

    fn set_extent(&mut self, index: usize, extent: impl FnOnce(usize) -> Extent) {
        if let Some(capture) = self.captures.get_mut(index) {
            capture.extent = extent(capture.start);
        }
    }

    /// `%1`: what the capture holds, once more.
    fn again(&mut self, s: usize, digit: u8) -> End {
        let number = digit - b'0';
        let captures = self.captures.get(..self.level).unwrap_or_default();
        let capture = usize::from(number).checked_sub(1).and_then(|index| captures.get(index));
        match capture.copied() {
            None | Some(Capture { extent: Extent::Open, .. }) => {
                self.fail(Fault::NoCapture(number))
            }
            Some(Capture { extent: Extent::Position, .. }) => Err(Miss::NoMatch),
            Some(Capture { start, extent: Extent::Length(length) }) => {
                self.spend(length / 16)?;
                let same = self
                    .text
                    .get(s..s + length)
                    .is_some_and(|text| Some(text) == self.text.get(start..start + length));
                if same { Ok(s + length) } else { Err(Miss::NoMatch) }
            }
        }
    }

    /// `%bxy`, whose two bytes are at `p`.
    fn balanced(&mut self, s: usize, p: usize) -> End {
        if p + 1 >= self.pattern.len() {
            return self.wrong(c"malformed pattern (missing arguments to '%b')");
        }
        let (begin, end) = (self.at(p), self.at(p + 1));
        let Some((first, rest)) = self.text.get(s..).and_then(<[u8]>::split_first) else {
            return Err(Miss::NoMatch);
        };
        if *first != begin {
            return Err(Miss::NoMatch);
        }
        let mut depth = 1_usize;
        for (at, byte) in (s + 1..).zip(rest) {
            self.spend(1)?;
            if *byte == end {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            } else if *byte == begin {
                depth += 1;
            }
        }
        Err(Miss::NoMatch)
    }

    /// `%f[set]`, whose set is at `p`: where the pattern goes on.
    fn frontier(&mut self, s: usize, p: usize) -> Result<usize, Miss> {
        if self.at(p) != b'[' {
            return self.wrong(c"missing '[' after '%f' in pattern");
        }
        let (set, next) = self.item(p)?;
        let byte = |at: Option<usize>| at.and_then(|at| self.text.get(at)).copied().unwrap_or(0);
        if !set.has(byte(s.checked_sub(1))) && set.has(byte(Some(s))) {
            Ok(next)
        } else {
            Err(Miss::NoMatch)
        }
    }
}
