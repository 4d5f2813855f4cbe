//! From anything that serde can serialise to values.

use super::{
    Aggregate, Key, Kind, Value,
    into_value::{IntoValue, index_segment},
    serde_impl::{DEFAULT_DEPTH, reported},
    too_deep,
};
use crate::error::{Error, Result};
use bytes::Bytes;
use serde::ser::{self, Serialize};
use std::fmt;

/// Builds a [`Value`] from anything that serde can serialise.
///
/// Structs and maps become maps, sequences and tuples become lists, byte slices (as of
/// `serde_bytes`) become bytes as such, and chars become strings; [`None`], `()` and unit structs
/// become nil; newtype structs are what they contain. Enums are tagged from outside: a unit variant is its name, any
/// other a map of one pair, from its name to its content.
///
/// # Errors
/// `range` for an integer beyond 64 bits with sign, for NaN as a key, and for what is nested deeper
/// than [`DEFAULT_DEPTH`] containers; `unrepresentable` for a key that is not an int, a real or a
/// string; `type` for what the `Serialize` of a type reports itself. The message names the place
/// (`items[2].name`, where `[1]` is the first).
///
/// ```
/// use calog::{Value, to_value};
/// #[derive(serde::Serialize)]
/// struct Order { id: u32, tags: Vec<String> }
/// let order = to_value(&Order { id: 42, tags: vec!["new".into()] }).unwrap();
/// assert_eq!(format!("{order:?}"), r#"{"id": 42, "tags": ["new"]}"#);
/// ```
pub fn to_value<T: Serialize + ?Sized>(data: &T) -> Result<Value> {
    data.serialize(Serializer { left: DEFAULT_DEPTH })
}

/// What a type's own `Serialize` reports is an error of kind `type`.
impl ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        reported(message)
    }
}

/// Lengths are hints that a type may get wrong: no more than this much room is made in advance.
const MAX_HINT: usize = 1024;

#[derive(Clone, Copy)]
struct Serializer {
    /// How many containers deeper it may go.
    left: usize,
}

impl Serializer {
    /// One container deeper.
    fn deeper(self) -> Result<Self> {
        let left = self.left.checked_sub(1).ok_or_else(|| too_deep(DEFAULT_DEPTH))?;
        Ok(Self { left })
    }

    fn list(self, len: usize, variant: Option<&'static str>) -> Result<ListSerializer> {
        let values = Vec::with_capacity(len.min(MAX_HINT));
        Ok(ListSerializer { values, inner: self.deeper()?, variant })
    }

    fn map(self, variant: Option<&'static str>) -> Result<MapSerializer> {
        let (map, inner) = (Aggregate::with_kind(Kind::Map), self.deeper()?);
        Ok(MapSerializer { map, key: None, inner, variant })
    }
}

/// The content of a variant under its name.
fn tagged(variant: Option<&'static str>, content: Aggregate) -> Value {
    match variant {
        Some(name) => Value::map([(name, content)]),
        None => content.into(),
    }
}

/// Adds the name of the variant, if there is one, to the path of an error.
fn in_variant(error: Error, variant: Option<&'static str>) -> Error {
    match variant {
        Some(name) => error.at(Key::from(name).segment()),
        None => error,
    }
}

macro_rules! scalars {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, value: $type) -> Result<Value> {
            value.into_value()
        }
    )*};
}

impl ser::Serializer for Serializer {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = ListSerializer;
    type SerializeTuple = ListSerializer;
    type SerializeTupleStruct = ListSerializer;
    type SerializeTupleVariant = ListSerializer;
    type SerializeMap = MapSerializer;
    type SerializeStruct = MapSerializer;
    type SerializeStructVariant = MapSerializer;

    scalars! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value> {
        Ok(Bytes::copy_from_slice(bytes).into())
    }

    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, content: &T) -> Result<Value> {
        content.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value> {
        Ok(Value::Nil)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Value> {
        Ok(name.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        content: &T,
    ) -> Result<Value> {
        content.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        content: &T,
    ) -> Result<Value> {
        let content = content.serialize(self.deeper()?);
        Ok(Value::map([(name, content.map_err(|error| in_variant(error, Some(name)))?)]))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<ListSerializer> {
        self.list(len.unwrap_or(0), None)
    }

    fn serialize_tuple(self, len: usize) -> Result<ListSerializer> {
        self.list(len, None)
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<ListSerializer> {
        self.list(len, None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<ListSerializer> {
        self.deeper()?.list(len, Some(name))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<MapSerializer> {
        self.map(None)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<MapSerializer> {
        self.map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<MapSerializer> {
        self.deeper()?.map(Some(name))
    }
}

struct ListSerializer {
    values: Vec<Value>,
    inner: Serializer,
    variant: Option<&'static str>,
}

impl ListSerializer {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
        let place =
            |error: Error| in_variant(error.at(index_segment(self.values.len())), self.variant);
        let value = item.serialize(self.inner).map_err(place)?;
        self.values.push(value);
        Ok(())
    }

    fn finish(self) -> Value {
        tagged(self.variant, Aggregate::list(self.values))
    }
}

macro_rules! lists {
    ($($trait:ident::$method:ident;)*) => {$(
        impl ser::$trait for ListSerializer {
            type Ok = Value;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
                self.push(item)
            }

            fn end(self) -> Result<Value> {
                Ok(self.finish())
            }
        }
    )*};
}

lists! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

struct MapSerializer {
    map: Aggregate,
    /// The key whose value comes next.
    key: Option<Key>,
    inner: Serializer,
    variant: Option<&'static str>,
}

impl MapSerializer {
    fn insert<T: Serialize + ?Sized>(&mut self, key: Key, value: &T) -> Result<()> {
        let place = |error: Error| in_variant(error.at(key.segment()), self.variant);
        let value = value.serialize(self.inner).map_err(place)?;
        self.map.insert(key, value);
        Ok(())
    }

    fn finish(self) -> Value {
        tagged(self.variant, self.map)
    }
}

impl ser::SerializeMap for MapSerializer {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(key.serialize(self.inner)?.try_into()?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        match self.key.take() {
            Some(key) => self.insert(key, value),
            None => Err(ser::Error::custom("a value came before its key")),
        }
    }

    fn end(self) -> Result<Value> {
        Ok(self.finish())
    }
}

macro_rules! structs {
    ($($trait:ident)*) => {$(
        impl ser::$trait for MapSerializer {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<()> {
                self.insert(Bytes::from_static(name.as_bytes()).into(), value)
            }

            fn end(self) -> Result<Value> {
                Ok(self.finish())
            }
        }
    )*};
}

structs!(SerializeStruct SerializeStructVariant);
