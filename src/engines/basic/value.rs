//! What a variable holds.

use super::{
    heap::Ref,
    objects::{Array, Dict, Iterator, List, Object, Routine, Text, Upvalue},
};

/// What a variable holds: 16 bytes that are copied. What is behind a reference lives in the
/// [heap](super::heap::Heap).
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Value {
    #[default]
    Nil,
    /// "Nothing there": what a missing key reads as.
    Unknown,
    Int(i64),
    Real(f64),
    Text(Ref<Text>),
    Type(Type),
    Array(Ref<Array>),
    List(Ref<List>),
    Dict(Ref<Dict>),
    Iterator(Ref<Iterator>),
    /// A class or an instance of one.
    Object(Ref<Object>),
    Routine(Ref<Routine>),
    /// Not a value: the place of a variable that a lambda shares.
    Upvalue(Ref<Upvalue>),
    /// Not a value: the global variable was never assigned.
    Unset,
}

/// The types that programs can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Type {
    Nil,
    Unknown,
    Integer,
    Real,
    Number,
    String,
    /// That of types.
    Types,
    Array,
    List,
    ListIterator,
    Dict,
    DictIterator,
    Collection,
    Iterator,
    Class,
    Routine,
    Usertype,
}

impl Type {
    const NAMES: [(Self, &'static str); 17] = [
        (Self::Nil, "NIL"),
        (Self::Unknown, "UNKNOWN"),
        (Self::Integer, "INTEGER"),
        (Self::Real, "REAL"),
        (Self::Number, "NUMBER"),
        (Self::String, "STRING"),
        (Self::Types, "TYPE"),
        (Self::Array, "ARRAY"),
        (Self::List, "LIST"),
        (Self::ListIterator, "LIST_ITERATOR"),
        (Self::Dict, "DICT"),
        (Self::DictIterator, "DICT_ITERATOR"),
        (Self::Collection, "COLLECTION"),
        (Self::Iterator, "ITERATOR"),
        (Self::Class, "CLASS"),
        (Self::Routine, "ROUTINE"),
        (Self::Usertype, "USERTYPE"),
    ];

    /// What it is printed as.
    pub(super) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The type called `name`, in any case.
    pub(super) fn find(name: &[u8]) -> Option<Self> {
        let mut names = Self::NAMES.iter();
        names.find(|(_, each)| each.as_bytes().eq_ignore_ascii_case(name)).map(|(kind, _)| *kind)
    }

    /// Is a value of type `self` also of type `other`, which may be a union?
    pub(super) fn is(self, other: Self) -> bool {
        match other {
            Self::Number => matches!(self, Self::Integer | Self::Real | Self::Number),
            Self::Collection => matches!(self, Self::List | Self::Dict | Self::Collection),
            Self::Iterator => {
                matches!(self, Self::ListIterator | Self::DictIterator | Self::Iterator)
            }
            // As in the reference, nothing is a NIL.
            Self::Nil => false,
            _ => self == other,
        }
    }
}

impl Value {
    pub(super) const TRUE: Self = Self::Int(1);
    pub(super) const FALSE: Self = Self::Int(0);

    /// `TRUE` or `FALSE`.
    #[inline]
    pub(super) fn truth(truth: bool) -> Self {
        Self::Int(truth.into())
    }

    /// What IF makes of it: NIL and zero are false, and all else is true, also an empty text.
    #[inline]
    pub(super) fn is_true(self) -> bool {
        match self {
            Self::Int(int) => int != 0,
            Self::Real(real) => real != 0.0,
            Self::Nil | Self::Unset => false,
            _ => true,
        }
    }

    /// Is it the same number, type or reference? Texts are compared by what they say elsewhere.
    pub(super) fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) | (Self::Unknown, Self::Unknown) => true,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a == b,
            (Self::Type(a), Self::Type(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Dict(a), Self::Dict(b)) => a == b,
            (Self::Iterator(a), Self::Iterator(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            (Self::Routine(a), Self::Routine(b)) => a == b,
            _ => false,
        }
    }
}
