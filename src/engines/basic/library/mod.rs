//! The functions of the library that need nothing but their arguments and the heap.
//!
//! What calls the program, or needs its frames, is the machine's: overrides by classes,
//! `TO_STRING`, objects that are keys by their `HASH`, the class that `NEW` has the name of,
//! `TRACE`, `GC`. Each function asks for memory before it changes anything, so it can be begun
//! again after a collection.

mod clock;
pub(super) mod collections;
pub(super) mod iterators;
mod numbers;
mod objects;
mod random;
mod sort;
mod strings;
#[cfg(test)]
mod tests;

use super::{
    fault::{Code, Failure, Fault},
    heap::{Heap, Ref},
    names::Table,
    number::Number,
    objects::{List, Text},
    syntax::Library,
    value::{Type, Value},
};
use crate::fiber;
use std::fmt;

/// How many steps of a long loop are between two looks at the end of the slice.
const STRETCH: usize = 4096;

/// What the functions remember of a context.
pub(super) struct State {
    random: random::Random,
    clock: clock::Clock,
}

impl Default for State {
    fn default() -> Self {
        Self { random: random::Random::new(), clock: clock::Clock::new() }
    }
}

/// One call.
struct Call<'a> {
    function: Library,
    args: &'a [Value],
}

/// Calls `function`. `symbols` are the names of members.
pub(super) fn run(
    heap: &mut Heap,
    state: &mut State,
    symbols: &Table,
    function: Library,
    args: &[Value],
) -> Result<Value, Failure> {
    let call = &Call { function, args };
    match function {
        Library::Abs
        | Library::Sgn
        | Library::Sqr
        | Library::Floor
        | Library::Ceil
        | Library::Fix
        | Library::Round
        | Library::Sin
        | Library::Cos
        | Library::Tan
        | Library::Asin
        | Library::Acos
        | Library::Atan
        | Library::Exp
        | Library::Log => numbers::calculate(call, heap),
        Library::Srnd => random::seed(call, heap, &mut state.random),
        Library::Rnd => random::next(call, heap, &mut state.random),

        Library::Asc => strings::asc(call, heap),
        Library::Chr => strings::chr(call, heap),
        Library::Left => strings::left(call, heap),
        Library::Right => strings::right(call, heap),
        Library::Mid => strings::mid(call, heap),
        Library::Str => strings::str(call, heap),
        Library::Val => strings::val(call, heap),
        Library::Len => strings::len(call, heap),

        Library::Get => match args.first() {
            Some(Value::Object(of)) => objects::get(call, heap, symbols, *of),
            _ => collections::get(call, heap),
        },
        Library::Set => match args.first() {
            Some(Value::Object(of)) => objects::set(call, heap, symbols, *of),
            _ => collections::set(call, heap),
        },
        Library::List => collections::list(call, heap),
        Library::Range => collections::range(call, heap),
        Library::Dict => collections::dict(call, heap),
        Library::Push => collections::push(call, heap),
        Library::Pop => collections::pop(call, heap),
        Library::Back => collections::back(call, heap),
        Library::Insert => collections::insert(call, heap),
        Library::Sort => sort::sort(call, heap),
        Library::Exists => collections::exists(call, heap),
        Library::IndexOf => collections::index_of(call, heap),
        Library::Remove => collections::remove(call, heap),
        Library::Clear => collections::clear(call, heap),
        Library::Clone => collections::clone(call, heap),
        Library::ToArray => collections::to_array(call, heap),
        Library::Iterator => {
            let [of] = call.exactly()?;
            iterators::iterator(heap, of).ok_or_else(|| {
                call.unexpected(Code::CollectionExpected, heap, of, "a LIST or a DICT")
            })
        }
        Library::MoveNext => iterators::move_next_of(call, heap),

        Library::Type => {
            let [value] = call.exactly()?;
            let named = match value {
                Value::Text(text) => Type::find(heap.text(text)),
                _ => None,
            };
            Ok(Value::Type(named.unwrap_or_else(|| heap.type_of(value))))
        }
        Library::Mem => {
            let [] = call.exactly()?;
            Ok(Value::Int(heap.bytes().try_into().unwrap_or(i64::MAX)))
        }
        Library::Ticks => clock::ticks(call, &state.clock),
        Library::Now => clock::now(call, heap),
        Library::Os => {
            let [] = call.exactly()?;
            Ok(heap.new_text(std::env::consts::OS.to_ascii_uppercase().as_bytes()))
        }
        Library::Beep => {
            let [] = call.exactly()?;
            Ok(Value::Nil)
        }
        Library::Raise => raise(call, heap),

        Library::New => objects::new(call, heap),
        Library::Reflect => objects::reflect(call, heap, symbols),

        Library::Trace
        | Library::Gc
        | Library::Expose
        | Library::Try
        | Library::Finally
        | Library::Call => Err(call.fault(Code::WrongFunction, "it is not called in this way")),
    }
}

/// `RAISE([code])`
fn raise(call: &Call<'_>, heap: &Heap) -> Result<Value, Failure> {
    call.count(0, 1)?;
    Err(match call.args {
        [] => Code::Raised.into(),
        _ => Fault::new(Code::Raised, format!("code {}", call.int(heap, 0)?)).into(),
    })
}

impl Call<'_> {
    fn fault(&self, code: Code, detail: impl fmt::Display) -> Failure {
        Fault::new(code, format!("{}: {detail}", self.function.name())).into()
    }

    fn unexpected(&self, code: Code, heap: &Heap, value: Value, wanted: &str) -> Failure {
        self.fault(code, format_args!("{wanted} is expected, not {}", described(heap, value)))
    }

    /// All arguments, if there are so many.
    #[inline]
    fn exactly<const N: usize>(&self) -> Result<[Value; N], Failure> {
        self.args.try_into().map_err(|_| self.wrong_count(N, N))
    }

    /// Fails if there are fewer arguments than `least` or more than `most`.
    fn count(&self, least: usize, most: usize) -> Result<(), Failure> {
        if (least..=most).contains(&self.args.len()) {
            return Ok(());
        }
        Err(self.wrong_count(least, most))
    }

    #[cold]
    fn wrong_count(&self, least: usize, most: usize) -> Failure {
        let got = self.args.len();
        // What is missing is an empty expression, and a bracket should stand where there is more.
        let code = if got < least { Code::UnexpectedType } else { Code::CloseBracketExpected };
        let wanted = match (least, most) {
            (0, 0) => "no argument is".into(),
            (1, 1) => "1 argument is".into(),
            _ if least == most => format!("{most} arguments are"),
            (_, usize::MAX) => format!("{least} or more arguments are"),
            _ => format!("{least} to {most} arguments are"),
        };
        self.fault(code, format_args!("{wanted} expected, not {got}"))
    }

    /// The argument at `position`, which must be there.
    #[inline]
    fn arg(&self, position: usize) -> Result<Value, Failure> {
        let missing = || self.wrong_count(position + 1, usize::MAX);
        self.args.get(position).copied().ok_or_else(missing)
    }

    #[inline]
    fn number(&self, heap: &Heap, position: usize) -> Result<Number, Failure> {
        match self.arg(position)? {
            Value::Int(int) => Ok(Number::Int(int)),
            Value::Real(real) => Ok(Number::Real(real)),
            other => Err(self.unexpected(Code::NumberExpected, heap, other, "a number")),
        }
    }

    /// An INT; of a REAL, what stands before the point.
    #[inline]
    fn int(&self, heap: &Heap, position: usize) -> Result<i64, Failure> {
        match self.arg(position)? {
            Value::Int(int) => Ok(int),
            Value::Real(real) => Ok(Number::Real(real).truncate()),
            // The dialect has no code of its own for what is no such argument.
            other => Err(self.unexpected(Code::Calculation, heap, other, "a number")),
        }
    }

    #[inline]
    fn text(&self, heap: &Heap, position: usize) -> Result<Ref<Text>, Failure> {
        match self.arg(position)? {
            Value::Text(text) => Ok(text),
            other => Err(self.unexpected(Code::Calculation, heap, other, "a STRING")),
        }
    }

    /// The first argument, which must be a list.
    #[inline]
    fn list(&self, heap: &Heap) -> Result<Ref<List>, Failure> {
        match self.arg(0)? {
            Value::List(list) => Ok(list),
            other => Err(self.unexpected(Code::ListExpected, heap, other, "a LIST")),
        }
    }
}

/// What a value is, in an error.
fn described(heap: &Heap, value: Value) -> String {
    match value {
        Value::Nil => "NIL".into(),
        Value::Unknown => "UNKNOWN".into(),
        _ => match heap.type_of(value).name() {
            name if name.starts_with(['A', 'I']) => format!("an {name}"),
            name => format!("a {name}"),
        },
    }
}

/// A text that was made, and may be large.
fn made(heap: &mut Heap, bytes: &[u8]) -> Result<Value, Failure> {
    heap.reserve(bytes.len())?;
    Ok(heap.new_text(bytes))
}

/// Looks at the end of the slice, in the middle of something long.
fn pause() -> Result<(), Failure> {
    if fiber::checkpoint() { Ok(()) } else { Err(Failure::Stopped) }
}

impl From<Number> for Value {
    #[inline]
    fn from(number: Number) -> Self {
        match number {
            Number::Int(int) => Self::Int(int),
            Number::Real(real) => Self::Real(real),
        }
    }
}
