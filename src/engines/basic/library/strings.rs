//! Functions of texts.

use super::{Call, Code, Failure, Heap, Number, Ref, Text, Value, iterators, made};
use crate::engines::basic::text;
use std::{io::Write, rc::Rc};

fn view(heap: &Heap, r: Ref<Text>) -> text::Text<'_> {
    text::Text { bytes: heap.text(r), ascii: heap.is_ascii(r) }
}

/// `LEN(x)`
#[inline]
pub(super) fn len(call: &Call<'_>, heap: &Heap) -> Result<Value, Failure> {
    let [value] = call.exactly()?;
    let len = match value {
        Value::Text(r) => view(heap, r).length(),
        Value::List(r) => heap.list(r).items.len(),
        Value::Dict(r) => heap.dict(r).entries.len(),
        Value::Array(r) => heap.array(r).items.len(),
        other => {
            let wanted = "a STRING, an ARRAY or a collection";
            return Err(call.unexpected(Code::NotSupported, heap, other, wanted));
        }
    };
    Ok(Value::Int(len.try_into().unwrap_or(i64::MAX)))
}

/// `ASC(text)`
pub(super) fn asc(call: &Call<'_>, heap: &Heap) -> Result<Value, Failure> {
    let [_] = call.exactly()?;
    match view(heap, call.text(heap, 0)?).code() {
        Some(code) => Ok(Value::Int(code)),
        None => Err(call.fault(Code::Calculation, "the text is empty")),
    }
}

/// `CHR(code)`
pub(super) fn chr(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [_] = call.exactly()?;
    let code = call.int(heap, 0)?;
    match text::character(code) {
        Ok(bytes) => made(heap, &bytes),
        Err(error) => Err(call.fault(error, format_args!("{code} is no character's code"))),
    }
}

/// `LEFT(text, count)`
pub(super) fn left(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [_, _] = call.exactly()?;
    let (r, count) = (call.text(heap, 0)?, call.int(heap, 1)?);
    match view(heap, r).left(count).map(Part::of) {
        Ok(part) => part.keep(heap),
        Err(code) => Err(too_many(call, heap, r, code, count)),
    }
}

/// `RIGHT(text, count)`
pub(super) fn right(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [_, _] = call.exactly()?;
    let (r, count) = (call.text(heap, 0)?, call.int(heap, 1)?);
    match view(heap, r).right(count).map(Part::of) {
        Ok(part) => part.keep(heap),
        Err(code) => Err(too_many(call, heap, r, code, count)),
    }
}

/// `MID(text, start, count)`
pub(super) fn mid(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [_, _, _] = call.exactly()?;
    let (r, start, count) = (call.text(heap, 0)?, call.int(heap, 1)?, call.int(heap, 2)?);
    match view(heap, r).part(start, count).map(Part::of) {
        Ok(part) => part.keep(heap),
        Err(code) => {
            let asked = format_args!("{count} from position {start}");
            Err(too_many(call, heap, r, code, asked))
        }
    }
}

#[cold]
fn too_many(
    call: &Call<'_>,
    heap: &Heap,
    r: Ref<Text>,
    code: Code,
    asked: impl std::fmt::Display,
) -> Failure {
    let length = view(heap, r).length();
    call.fault(code, format_args!("the text has {length} characters, not {asked}"))
}

/// What was cut out of a text.
enum Part {
    Character(u8),
    Longer(Rc<[u8]>),
}

impl Part {
    #[inline]
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [byte] => Self::Character(*byte),
            _ => Self::Longer(bytes.into()),
        }
    }

    #[inline]
    fn keep(self, heap: &mut Heap) -> Result<Value, Failure> {
        match self {
            Self::Character(byte) => Ok(heap.new_text(&[byte])),
            Self::Longer(bytes) => {
                heap.reserve(bytes.len())?;
                Ok(heap.share_text(&bytes))
            }
        }
    }
}

/// `STR(x)`
pub(super) fn str(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [value] = call.exactly()?;
    match value {
        Value::Text(_) => Ok(value),
        Value::Int(int) => Ok(written(heap, Number::Int(int))),
        Value::Real(real) => Ok(written(heap, Number::Real(real))),
        Value::Type(kind) => Ok(heap.new_text(kind.name().as_bytes())),
        Value::Object(_) => Ok(heap.new_text(heap.type_of(value).name().as_bytes())),
        other => {
            let wanted = "a number, a STRING, a TYPE or a CLASS";
            Err(call.unexpected(Code::Calculation, heap, other, wanted))
        }
    }
}

/// A number as it is printed.
fn written(heap: &mut Heap, number: Number) -> Value {
    // The longest number has 20 characters.
    let mut buffer = [0; 32];
    let mut rest = &mut buffer[..];
    let result = write!(rest, "{number}");
    debug_assert!(result.is_ok(), "{number}");
    let unused = rest.len();
    heap.new_text(&buffer[..buffer.len() - unused])
}

/// `VAL(text)`, and `VAL(iterator)` for the value of a dict's entry
pub(super) fn val(call: &Call<'_>, heap: &Heap) -> Result<Value, Failure> {
    let [value] = call.exactly()?;
    match value {
        Value::Text(r) => match Number::parse(heap.text(r)) {
            Some(number) => Ok(number.into()),
            None => {
                let text = String::from_utf8_lossy(heap.text(r));
                let start: String = text.chars().take(40).collect();
                Err(call.fault(Code::Calculation, format_args!("\"{start}\" is no number")))
            }
        },
        Value::Iterator(r) if matches!(heap.iterator(r).of, Value::Dict(_)) => {
            iterators::entry(heap, r).map(|(_, value)| value)
        }
        other => {
            let wanted = "a STRING or a DICT_ITERATOR";
            Err(call.unexpected(Code::UnexpectedType, heap, other, wanted))
        }
    }
}
