//! From values to anything that serde can deserialise.

use super::{
    Aggregate, FromValue, Key, Kind, Value,
    from_value::{is_numeric_bool, not_text},
    into_value::index_segment,
    serde_impl::{DEFAULT_DEPTH, reported},
};
use crate::error::{Error, ErrorKind, Result};
use serde::{
    de::{self, DeserializeOwned, DeserializeSeed, Expected, Unexpected, Visitor},
    forward_to_deserialize_any,
};
use std::{fmt, sync::Arc};

/// Builds anything that serde can deserialise from a [`Value`], the way back of
/// [`to_value`](super::to_value).
///
/// Numbers follow the rules of [`FromValue`]: an int becomes a float within ±2^53, an integral real
/// becomes an integer. An empty list will do for an empty map and the other way round. A mix of
/// list and map is taken as a map with the list's values under the keys from 1.
///
/// # Errors
/// `type` for a value of another type, a missing field and the like; `range` for a number that does
/// not fit, and for a value that is nested deeper than [`DEFAULT_DEPTH`]; `unrepresentable` for a
/// function, for bytes where text is wanted, and for a mix of list and map where a list is. The
/// message names the place (`items[2].name`, where `[1]` is the first).
///
/// ```
/// use calog::{Value, from_value};
/// #[derive(serde::Deserialize)]
/// struct Order { id: u32, note: Option<String> }
/// let order: Order = from_value(Value::map([("id", 42)])).unwrap();
/// assert_eq!((order.id, order.note), (42, None));
/// let error = from_value::<Order>(Value::map([("id", "x")])).err().unwrap();
/// assert_eq!(error.message(), "id: expected u32, got string");
/// ```
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    value.check_depth(DEFAULT_DEPTH)?;
    T::deserialize(Deserializer(value))
}

/// What a type's own `Deserialize` reports is an error of kind `type`, or `range` if a number is at
/// fault.
impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        reported(message)
    }

    fn invalid_type(got: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let got: &dyn fmt::Display = match got {
            Unexpected::Bool(_) => &"bool",
            Unexpected::Signed(_) | Unexpected::Unsigned(_) => &"int",
            Unexpected::Float(_) => &"real",
            Unexpected::Char(_) | Unexpected::Str(_) => &"string",
            Unexpected::Bytes(_) => &"bytes",
            Unexpected::Unit | Unexpected::Option => &"nil",
            Unexpected::Seq => &"list",
            Unexpected::Map => &"map",
            _ => &got,
        };
        Self::new(ErrorKind::Type, format!("expected {expected}, got {got}"))
    }

    fn invalid_value(got: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let kind = match got {
            Unexpected::Signed(_) | Unexpected::Unsigned(_) | Unexpected::Float(_) => {
                ErrorKind::Range
            }
            _ => ErrorKind::Type,
        };
        Self::new(kind, format!("expected {expected}, got {got}"))
    }
}

/// The depth of its value was checked.
struct Deserializer(Value);

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.0 {
                Value::Int(_) | Value::Real(_) => visitor.$visit($type::from_value(self.0)?),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match &self.0 {
                Value::String(bytes) | Value::Bytes(bytes) => {
                    visitor.visit_str(std::str::from_utf8(bytes).map_err(|_| not_text())?)
                }
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Deserializer {
    type Error = Error;

    forward_to_deserialize_any! { unit unit_struct }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if is_numeric_bool(&self.0) {
            return visitor.visit_bool(bool::from_value(self.0)?);
        }
        self.deserialize_any(visitor)
    }

    numbers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    texts! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Nil => visitor.visit_unit(),
            Value::Bool(bool) => visitor.visit_bool(bool),
            Value::Int(int) => visitor.visit_i64(int),
            Value::Real(real) => visitor.visit_f64(real),
            Value::String(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => visitor.visit_str(text),
                Err(_) => visitor.visit_bytes(&bytes),
            },
            Value::Bytes(bytes) => visitor.visit_bytes(&bytes),
            Value::Aggregate(aggregate) if aggregate.kind() == Kind::List => {
                visit_list(aggregate, visitor)
            }
            Value::Aggregate(aggregate) => visit_map(aggregate, visitor),
            Value::Function(_) => {
                let what = "a function cannot be deserialised";
                Err(Error::new(ErrorKind::Unrepresentable, what))
            }
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &self.0 {
            Value::String(bytes) | Value::Bytes(bytes) => visitor.visit_bytes(bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.0.is_nil() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Aggregate(aggregate) => visit_list(aggregate, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Aggregate(aggregate) => visit_map(aggregate, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let (name, content) = match self.0 {
            Value::String(name) | Value::Bytes(name) => (Key::String(name), None),
            Value::Aggregate(aggregate) => {
                let mut entries = Arc::unwrap_or_clone(aggregate).into_entries()?;
                match (entries.next(), entries.next()) {
                    (Some((name, content)), None) => (name, Some(content)),
                    _ => return Err(de::Error::custom("expected a map of one pair for a variant")),
                }
            }
            _ => return self.deserialize_any(visitor),
        };
        visitor.visit_enum(EnumAccess { name, content })
    }

    /// Whatever it is, even a function.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}

fn visit_list<'de, V: Visitor<'de>>(list: Arc<Aggregate>, visitor: V) -> Result<V::Value> {
    if list.kind() == Kind::Both && !list.is_empty() {
        let what = "a mix of list and map cannot be a list";
        return Err(Error::new(ErrorKind::Unrepresentable, what));
    }
    let values = Arc::unwrap_or_clone(list).into_list()?;
    let len = values.len();
    let mut access = ListAccess { values: values.into_iter(), next: 0 };
    let result = visitor.visit_seq(&mut access)?;
    if access.next < len {
        let what = format!("expected a list of {}, got one of {len}", access.next);
        return Err(Error::new(ErrorKind::Type, what));
    }
    Ok(result)
}

fn visit_map<'de, V: Visitor<'de>>(map: Arc<Aggregate>, visitor: V) -> Result<V::Value> {
    let entries = Arc::unwrap_or_clone(map).into_entries()?;
    visitor.visit_map(MapAccess { entries, open: None })
}

struct ListAccess {
    values: std::vec::IntoIter<Value>,
    /// The index of the next value, from 0.
    next: usize,
}

impl<'de> de::SeqAccess<'de> for ListAccess {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(value) = self.values.next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        let place = |error: Error| error.at(index_segment(index));
        seed.deserialize(Deserializer(value)).map(Some).map_err(place)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.len())
    }
}

struct MapAccess<I> {
    entries: I,
    /// The pair whose key was given out, but not its value.
    open: Option<(Key, Value)>,
}

impl<'de, I: Iterator<Item = (Key, Value)>> de::MapAccess<'de> for MapAccess<I> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        let place = |error: Error| error.at(format_args!("[key {key:?}]"));
        let name = seed.deserialize(Deserializer(key.clone().into())).map_err(place)?;
        self.open = Some((key, value));
        Ok(Some(name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        match self.open.take() {
            Some((key, value)) => {
                seed.deserialize(Deserializer(value)).map_err(|error| error.at(key.segment()))
            }
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}

struct EnumAccess {
    name: Key,
    content: Option<Value>,
}

impl<'de> de::EnumAccess<'de> for EnumAccess {
    type Error = Error;
    type Variant = VariantAccess;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, VariantAccess)> {
        let variant = seed.deserialize(Deserializer(self.name.clone().into()))?;
        Ok((variant, VariantAccess { name: self.name, content: self.content }))
    }
}

struct VariantAccess {
    name: Key,
    content: Option<Value>,
}

impl VariantAccess {
    /// Runs `read` on the content, which the variant must have.
    fn content<T>(self, read: impl FnOnce(Deserializer) -> Result<T>) -> Result<T> {
        let result = match self.content {
            Some(content) => read(Deserializer(content)),
            None => Err(de::Error::custom("expected a variant with content, got only its name")),
        };
        result.map_err(|error| error.at(self.name.segment()))
    }
}

impl<'de> de::VariantAccess<'de> for VariantAccess {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        match self.content {
            None => Ok(()),
            Some(content) => {
                <()>::from_value(content).map_err(|error| error.at(self.name.segment()))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        self.content(|content| seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.content(|content| de::Deserializer::deserialize_seq(content, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.content(|content| de::Deserializer::deserialize_map(content, visitor))
    }
}
