//! The keys of an aggregate's pairs, in the one form in which equal keys are equal.

use super::{Value, debug};
use crate::error::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

/// The key of a pair in an [`Aggregate`](super::Aggregate).
///
/// Numbers are keys by what they count, not by how they are written: [`Key::real`] turns an
/// integral real into the int key, so that `t[1]` and `t[1.0]` are one pair. Ordered by type (ints,
/// reals, strings), then by content; strings by their bytes.
///
/// ```
/// use calog::Key;
/// assert_eq!(Key::real(1.0).unwrap(), Key::Int(1));
/// assert_ne!(Key::from("1"), Key::Int(1));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// An integer, or a real that is one.
    Int(i64),
    /// A real that is not an integer of 64 bits, made by [`Key::real`].
    Real(RealKey),
    /// Any bytes. A key has no type of its own for bytes as such: it is found by its content.
    String(Bytes),
}

/// The number of a [`Key::Real`]: never NaN, never an integer that fits 64 bits, so never a zero
/// either. Only [`Key::real`] makes one.
#[derive(Clone, Copy, PartialEq)]
pub struct RealKey(f64);

impl RealKey {
    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// Without NaN, the equality of reals is one of equivalence.
impl Eq for RealKey {}

impl Ord for RealKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for RealKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Without zeros and NaN, equal reals have equal bits.
impl Hash for RealKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Debug for RealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Key {
    /// The key for a real: an [`Int`](Self::Int) if it is integral and fits (`-0.0` is `0`), else a
    /// [`Real`](Self::Real).
    ///
    /// # Errors
    /// `range` for NaN, which equals nothing and so could never be found again.
    ///
    /// ```
    /// use calog::{ErrorKind, Key};
    /// assert_eq!(Key::real(-0.0).unwrap(), Key::Int(0));
    /// assert!(matches!(Key::real(0.5).unwrap(), Key::Real(half) if half.get() == 0.5));
    /// assert_eq!(Key::real(f64::NAN).unwrap_err().kind(), ErrorKind::Range);
    /// ```
    pub fn real(real: f64) -> Result<Self> {
        if real.is_nan() {
            return Err(Error::new(ErrorKind::Range, "NaN cannot be a key"));
        }
        Ok(integral(real).map_or(Self::Real(RealKey(real)), Self::Int))
    }

    /// The integer, if it is one.
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }

    /// The text, if it is a string of UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(bytes) = self { std::str::from_utf8(bytes).ok() } else { None }
    }

    /// The key as a step of an error's path, for [`Error::at`]: `.name`, `[3]`, or `["odd name"]`.
    pub(crate) fn segment(&self) -> String {
        match self.as_str() {
            Some(name) if is_plain(name) => format!(".{name}"),
            _ => format!("[{self:?}]"),
        }
    }
}

/// Whether a name reads well after a dot: short, and of letters, digits and underscores.
fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// The integer that a real is, if it is one and fits.
pub(super) fn integral(real: f64) -> Option<i64> {
    // 2^63 is the smallest real that is too large: i64::MAX itself has no f64.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (real.fract() == 0.0 && (-LIMIT..LIMIT).contains(&real)).then_some(real as i64)
}

/// By hand, so that borrowed text can hash alike.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Int(int) => (0_u8, int).hash(state),
            Self::Real(real) => (1_u8, real).hash(state),
            Self::String(bytes) => Text(bytes).hash(state),
        }
    }
}

/// A string key that is only borrowed, to look a pair up without a copy.
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (2_u8, self.0).hash(state);
    }
}

impl indexmap::Equivalent<Key> for Text<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        matches!(key, Key::String(bytes) if bytes == self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => int.fmt(f),
            Self::Real(real) => real.fmt(f),
            Self::String(bytes) => debug::string(bytes, f),
        }
    }
}

/// Takes an int, a real, a string or bytes, which become a string; anything else is an error of kind
/// `unrepresentable`, and NaN one of kind `range`.
impl TryFrom<Value> for Key {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self> {
        match value {
            Value::Int(int) => Ok(Self::Int(int)),
            Value::Real(real) => Self::real(real),
            Value::String(bytes) | Value::Bytes(bytes) => Ok(Self::String(bytes)),
            Value::Nil | Value::Bool(_) | Value::Aggregate(_) | Value::Function(_) => {
                let what =
                    format!("a key is an int, a real or a string, not {}", value.described());
                Err(Error::new(ErrorKind::Unrepresentable, what))
            }
        }
    }
}

macro_rules! int_keys {
    ($($type:ty),*) => {$(
        impl From<$type> for Key {
            fn from(int: $type) -> Self {
                Self::Int(int.into())
            }
        }
    )*};
}

int_keys!(i8, i16, i32, i64, u8, u16, u32);

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::String(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<Bytes> for Key {
    fn from(bytes: Bytes) -> Self {
        Self::String(bytes)
    }
}
