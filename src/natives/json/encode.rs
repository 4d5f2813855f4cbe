//! From values to JSON.

use crate::{
    error::{Error, ErrorKind, Result},
    value::{Aggregate, Key, Kind, Value},
};
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::ser::{Formatter, PrettyFormatter};
use std::io;

/// The text of `value`, of at most `most` bytes, on one line or with two spaces for each level.
///
/// # Errors
/// `unrepresentable`, with the path, for what JSON has not; `range` for what is nested deeper than
/// `depth` or would be too long.
pub(super) fn encode(value: &Value, pretty: bool, depth: usize, most: usize) -> Result<String> {
    // This also bounds the recursions.
    let checked = value.check_depth(depth).and_then(|()| check(value));
    checked.map_err(|error| error.at("args[1]"))?;
    let text = match pretty {
        true => written(value, PrettyFormatter::new(), most),
        false => written(value, serde_json::ser::CompactFormatter, most),
    };
    // What was checked is written, unless there is no room; and serde_json writes UTF-8.
    text.and_then(|text| String::from_utf8(text).ok()).ok_or_else(|| Error::too_large(most))
}

fn written(value: &Value, formatter: impl Formatter, most: usize) -> Option<Vec<u8>> {
    let mut text = Text { bytes: Vec::new(), most };
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    Encoded(value).serialize(&mut serializer).ok()?;
    Some(text.bytes)
}

/// Refuses what does not fit.
struct Text {
    bytes: Vec<u8>,
    most: usize,
}

impl io::Write for Text {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.most - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has the value a form in JSON?
fn check(value: &Value) -> Result<()> {
    let lacks = |what: &str| {
        let message = format!("{what} has no form in JSON");
        Err(Error::new(ErrorKind::Unrepresentable, message))
    };
    match value {
        Value::Nil | Value::Bool(_) | Value::Int(_) => Ok(()),
        Value::Real(real) if real.is_finite() => Ok(()),
        Value::Real(real) => lacks(&format!("the number {real:?}")),
        Value::String(text) if std::str::from_utf8(text).is_ok() => Ok(()),
        Value::String(_) => lacks("a string that is not UTF-8"),
        Value::Bytes(_) => lacks("a value of bytes (text.decode makes text of them)"),
        Value::Function(_) => lacks("a function"),
        Value::Aggregate(aggregate) => {
            if !aggregate.array().is_empty() && aggregate.pairs().len() > 0 {
                return lacks("a mix of list and map");
            }
            for (number, value) in (1..).zip(aggregate.array()) {
                check(value).map_err(|error| error.at(format_args!("[{number}]")))?;
            }
            for (key, value) in aggregate.pairs() {
                if key.as_str().is_none() {
                    return lacks(&format!("the key {key:?}, which is no text,"));
                }
                check(value).map_err(|error| error.at(key.segment()))?;
            }
            Ok(())
        }
    }
}

/// A value that was checked.
struct Encoded<'a>(&'a Value);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Nil => serializer.serialize_unit(),
            Value::Bool(bool) => serializer.serialize_bool(*bool),
            Value::Int(int) => serializer.serialize_i64(*int),
            Value::Real(real) => serializer.serialize_f64(*real),
            Value::String(_) => match self.0.as_str() {
                Some(text) => serializer.serialize_str(text),
                None => Err(S::Error::custom("unchecked")),
            },
            Value::Bytes(_) | Value::Function(_) => Err(S::Error::custom("unchecked")),
            Value::Aggregate(aggregate) if is_map(aggregate) => {
                let pair = |(key, value): (&'_ Key, _)| {
                    (key.as_str().unwrap_or_default().to_string(), Self(value))
                };
                serializer.collect_map(aggregate.pairs().map(pair))
            }
            Value::Aggregate(aggregate) => {
                serializer.collect_seq(aggregate.array().iter().map(Self))
            }
        }
    }
}

fn is_map(aggregate: &Aggregate) -> bool {
    aggregate.kind() == Kind::Map || aggregate.pairs().len() > 0
}
