//! Values for a log: short, whatever a script has built.

use super::{Aggregate, Kind, Value};
use std::fmt;

/// How many aggregates deep, how many items of all aggregates together, and how many characters of
/// each string are shown; `…` stands for the rest.
const MAX_DEPTH: usize = 16;
const MAX_ITEMS: usize = 1000;
const MAX_CHARS: usize = 200;

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printer { f, items: MAX_ITEMS }.value(self, 0)
    }
}

/// A list as `[1, 2]`, a map as `{"a": 1}`, both as `[1, 2]{"a": 1}`.
impl fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printer { f, items: MAX_ITEMS }.aggregate(self, 0)
    }
}

struct Printer<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    /// How many items may still be shown. One budget for all, since every level multiplies.
    items: usize,
}

impl Printer<'_, '_> {
    fn value(&mut self, value: &Value, depth: usize) -> fmt::Result {
        match value {
            Value::Nil => self.f.write_str("nil"),
            Value::Bool(bool) => write!(self.f, "{bool}"),
            Value::Int(int) => write!(self.f, "{int}"),
            Value::Real(real) => write!(self.f, "{real:?}"),
            Value::String(bytes) => string(bytes, self.f),
            Value::Bytes(bytes) => escaped("b", bytes, self.f),
            Value::Aggregate(aggregate) => self.aggregate(aggregate, depth),
            Value::Function(function) => write!(self.f, "{function:?}"),
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate, depth: usize) -> fmt::Result {
        if depth == MAX_DEPTH {
            return self.f.write_str("…");
        }
        if aggregate.kind() != Kind::Map {
            self.f.write_str("[")?;
            for (index, value) in aggregate.array().iter().enumerate() {
                if !self.item(index)? {
                    break;
                }
                self.value(value, depth + 1)?;
            }
            self.f.write_str("]")?;
        }
        if aggregate.kind() != Kind::List {
            self.f.write_str("{")?;
            for (index, (key, value)) in aggregate.pairs().enumerate() {
                if !self.item(index)? {
                    break;
                }
                write!(self.f, "{key:?}: ")?;
                self.value(value, depth + 1)?;
            }
            self.f.write_str("}")?;
        }
        Ok(())
    }

    /// Begins an item; false if the budget is spent.
    fn item(&mut self, index: usize) -> Result<bool, fmt::Error> {
        if index > 0 {
            self.f.write_str(", ")?;
        }
        let Some(items) = self.items.checked_sub(1) else {
            self.f.write_str("…")?;
            return Ok(false);
        };
        self.items = items;
        Ok(true)
    }
}

/// Writes a string as `"text"`, or as `"\xff"` if it is not UTF-8, abbreviated.
pub(super) fn string(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Ok(text) = std::str::from_utf8(bytes) else { return escaped("", bytes, f) };
    let end = text.char_indices().nth(MAX_CHARS).map_or(text.len(), |(end, _)| end);
    write!(f, "{:?}", &text[..end])?;
    rest(end, bytes, f)
}

/// Writes bytes, abbreviated, in ASCII.
fn escaped(prefix: &str, bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let end = bytes.len().min(MAX_CHARS);
    write!(f, "{prefix}\"{}\"", bytes[..end].escape_ascii())?;
    rest(end, bytes, f)
}

/// Tells of `bytes` that only the first ones are shown, if that is so.
fn rest(shown: usize, bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if shown < bytes.len() {
        write!(f, "… ({} bytes)", bytes.len())?;
    }
    Ok(())
}
