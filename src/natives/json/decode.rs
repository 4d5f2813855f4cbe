//! From JSON to values.

use crate::{
    error::{Error, ErrorKind, Result},
    value::{Aggregate, Kind, Value},
};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::{cell::Cell, fmt};

/// What a value or a key counts besides its text, as in [`Value::size_bytes`].
const SLOT_BYTES: usize = 32;

/// From here on, a real may have been written as an integer.
const BEYOND_INTS: f64 = 9_223_372_036_854_775_808.0;

/// The value of `text`, nested no deeper than `depth`, for a script whose values may have `most`
/// bytes.
///
/// # Errors
/// `type` for what is no JSON, with line and column; `range` for an integer of more than 64 bits, a
/// number that is none, and what is nested too deep or would be too large.
pub(super) fn decode(text: &[u8], depth: usize, most: usize) -> Result<Value> {
    // What crosses has twice its bytes for slots.
    let left = Cell::new(most.saturating_mul(2));
    let work = Work { left, most, refused: Cell::new(None), is_large: Cell::new(false) };
    let mut json = serde_json::Deserializer::from_slice(text);
    // Every level is counted here.
    json.disable_recursion_limit();
    let value = Part { work: &work, depth, cap: depth }.deserialize(&mut json);
    let value = value.and_then(|value| json.end().map(|()| value));
    let value = value.map_err(|error| work.refused.take().unwrap_or_else(|| no_json(&error)))?;
    match work.is_large.get().then(|| large_integer(text)).flatten() {
        Some(at) => Err(out_of_range(text, at)),
        None => Ok(value),
    }
}

fn no_json(error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let (kind, message) = match text.starts_with("number out of range") {
        true => (ErrorKind::Range, text),
        false => (ErrorKind::Type, format!("no JSON: {text}")),
    };
    placed(Error::new(kind, message), error.line(), error.column())
}

/// The error with its place as payload.
fn placed(error: Error, line: usize, column: usize) -> Error {
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    error.with_payload(Value::map([("line", number(line)), ("column", number(column))]))
}

/// Where the first integer begins that has more than 64 bits. The text is JSON.
fn large_integer(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        at += match rest[0] {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                let is_inside =
                    |byte: &u8| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = rest.iter().position(is_inside).unwrap_or(rest.len());
                let number = std::str::from_utf8(&rest[..length]).unwrap_or_default();
                let is_integer = !number.contains(['.', 'e', 'E']);
                if is_integer && number.parse::<i64>().is_err() {
                    return Some(at);
                }
                length
            }
            _ => 1,
        };
    }
    None
}

/// How long the string is that `text` begins with, its quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn out_of_range(text: &[u8], at: usize) -> Error {
    let line = text[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let begin = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let column = at - begin + 1;
    let message = format!("the integer at line {line} column {column} has more than 64 bits");
    placed(Error::new(ErrorKind::Range, message), line, column)
}

/// What all parts of one text share.
struct Work {
    /// How many bytes the values may still take.
    left: Cell<usize>,
    most: usize,
    /// Why it was given up, if it is JSON.
    refused: Cell<Option<Error>>,
    /// Was there a number that may be an integer of more than 64 bits?
    is_large: Cell<bool>,
}

impl Work {
    fn refuse<E: de::Error>(&self, error: Error) -> E {
        self.refused.set(Some(error));
        E::custom("refused")
    }

    fn spend<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(SLOT_BYTES.saturating_add(bytes));
        self.left.set(left.ok_or_else(|| self.refuse(Error::too_large(self.most)))?);
        Ok(())
    }

    fn scalar<E: de::Error>(&self, value: impl Into<Value>) -> Result<Value, E> {
        self.spend(0)?;
        Ok(value.into())
    }
}

/// A value in the text, with at most `depth` more levels.
#[derive(Clone, Copy)]
struct Part<'a> {
    work: &'a Work,
    depth: usize,
    cap: usize,
}

impl Part<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        self.work.spend(0)?;
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => {
                let message = format!("nested deeper than {}", self.cap);
                Err(self.work.refuse(Error::new(ErrorKind::Range, message)))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.work.scalar(Value::Nil)
    }

    fn visit_bool<E: de::Error>(self, bool: bool) -> Result<Value, E> {
        self.work.scalar(bool)
    }

    fn visit_i64<E: de::Error>(self, int: i64) -> Result<Value, E> {
        self.work.scalar(int)
    }

    fn visit_u64<E: de::Error>(self, int: u64) -> Result<Value, E> {
        match i64::try_from(int) {
            Ok(int) => self.work.scalar(int),
            Err(_) => self.visit_f64(BEYOND_INTS),
        }
    }

    fn visit_f64<E: de::Error>(self, real: f64) -> Result<Value, E> {
        if real.abs() >= BEYOND_INTS {
            self.work.is_large.set(true);
        }
        self.work.scalar(real)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.work.spend(text.len())?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let (inner, mut list) = (self.deeper()?, Aggregate::new());
        while let Some(value) = items.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let (inner, mut map) = (self.deeper()?, Aggregate::with_kind(Kind::Map));
        while let Some(key) = pairs.next_key::<String>()? {
            self.work.spend(key.len())?;
            map.insert(key, pairs.next_value_seed(inner)?);
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::encode::encode, *};
    use proptest::prelude::*;

    const DEPTH: usize = 64;
    const BYTES: usize = 1 << 20;

    fn decoded(text: &str) -> Result<Value> {
        decode(text.as_bytes(), DEPTH, BYTES)
    }

    fn real() -> impl Strategy<Value = f64> {
        let edges =
            vec![0.0, -0.0, 1.0, 1e15, 1e16, 1e17, 2f64.powi(63), -2f64.powi(63), 1e300, 5e-324];
        let finite = any::<f64>().prop_filter("JSON has no such number", |real| real.is_finite());
        prop_oneof![finite, any::<i64>().prop_map(|int| int as f64), prop::sample::select(edges)]
    }

    /// Any value that JSON has a form for.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::sample::select(vec![i64::MAX, i64::MIN, 0, -1]).prop_map(Value::from),
            real().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::list),
                prop::collection::vec((".{0,4}", inner), 0..6).prop_map(Value::map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(value in value(), pretty: bool) {
            let text = encode(&value, pretty, DEPTH, BYTES).unwrap();
            let back = decoded(&text).unwrap();
            prop_assert_eq!(&back, &value, "{}", text);
            // Also the order of the pairs and the signs of zeros.
            prop_assert_eq!(encode(&back, pretty, DEPTH, BYTES).unwrap(), text);
        }

        // Whatever stands there, it is JSON to calog if it is to others.
        #[test]
        fn any_text_is_json_or_an_error(text in "[ \\[\\]{},:\"a0-9.eE+\\-\\\\untrfls]{0,24}") {
            let known = serde_json::from_str::<serde_json::Value>(&text);
            match decoded(&text) {
                Ok(value) => prop_assert!(known.is_ok(), "{}: {:?}", text, value),
                Err(error) if error.kind() == ErrorKind::Range => {}
                Err(error) => prop_assert!(known.is_err(), "{}: {:?}", text, error),
            }
        }
    }

    #[test]
    fn integers_beyond_64_bits_are_found_wherever_they_stand() {
        for (text, place) in [
            ("9223372036854775808", (1, 1)),
            ("-9223372036854775809", (1, 1)),
            ("[1, 1e30, \"99999999999999999999\\\"\",\n 99999999999999999999]", (2, 2)),
            ("{\"99999999999999999999\": 100000000000000000000}", (1, 26)),
        ] {
            let error = decoded(text).unwrap_err();
            let (line, column) = place;
            assert_eq!(error.kind(), ErrorKind::Range, "{text}");
            let message =
                format!("the integer at line {line} column {column} has more than 64 bits");
            assert_eq!(error.message(), message, "{text}");
            assert_eq!(*error.payload(), Value::map([("line", line), ("column", column)]));
        }
        for (text, value) in [
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("-9223372036854775808", Value::Int(i64::MIN)),
            ("9223372036854775808.0", Value::Real(2f64.powi(63))),
            ("1e30", Value::Real(1e30)),
            ("-1E+30", Value::Real(-1e30)),
        ] {
            assert_eq!(decoded(text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for depth in [1, 64, 200] {
            assert_eq!(decode(nested(depth).as_bytes(), depth, BYTES).unwrap().depth(), depth);
            let error = decode(nested(depth + 1).as_bytes(), depth, BYTES).unwrap_err();
            assert_eq!(error.message(), format!("nested deeper than {depth}"));
        }
        let error = decode("[".repeat(1_000_000).as_bytes(), 200, BYTES).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Range);
        // Two bytes of text make a value of 32.
        let many = format!("[{}0]", "0,".repeat(1000));
        let size = decoded(&many).unwrap().size_bytes();
        assert!(decode(many.as_bytes(), DEPTH, size / 2 + 1).is_ok());
        let error = decode(many.as_bytes(), DEPTH, size / 2 - 1).unwrap_err();
        assert_eq!(error, Error::too_large(size / 2 - 1));
        let text = encode(&Value::from("x".repeat(10)), false, DEPTH, 12).unwrap();
        assert_eq!(text.len(), 12);
        let error = encode(&Value::from("x".repeat(11)), false, DEPTH, 12).unwrap_err();
        assert_eq!(error, Error::too_large(12));
    }
}
