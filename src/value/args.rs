//! The arguments of a call.

use super::{IntoValue, Value};
use crate::error::Result;
use std::ops::{Deref, DerefMut};

/// What can be passed to a call: `()` for none, a tuple of up to eight, or a vector or array of
/// values.
///
/// ```
/// use calog::{IntoArgs, Value};
/// assert_eq!((1, "two").into_args().unwrap(), [Value::from(1), Value::from("two")]);
/// assert_eq!((1,).into_args().unwrap().len(), 1);
/// let error = (0, vec![u64::MAX]).into_args().unwrap_err();
/// assert_eq!(error.message(), "args[2][1]: 18446744073709551615 is out of range for int");
/// ```
pub trait IntoArgs {
    /// Converts them.
    ///
    /// # Errors
    /// That of the first argument that cannot be converted. The message names it: `args[1]` is the
    /// first.
    fn into_args(self) -> Result<Vec<Value>>;
}

impl IntoArgs for () {
    fn into_args(self) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }
}

impl IntoArgs for Vec<Value> {
    fn into_args(self) -> Result<Vec<Value>> {
        Ok(self)
    }
}

impl<const N: usize> IntoArgs for [Value; N] {
    fn into_args(self) -> Result<Vec<Value>> {
        Ok(self.into())
    }
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: IntoValue),*> IntoArgs for ($($name,)*) {
            #[allow(non_snake_case, reason = "the variables share the names of the types")]
            fn into_args(self) -> Result<Vec<Value>> {
                let ($($name,)*) = self;
                let args = [$($name.into_value()),*].into_iter().zip(1..);
                args.map(|(arg, number)| arg.map_err(|error| error.at(format_args!("args[{number}]"))))
                    .collect()
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

/// As the last parameter of a native: all the arguments that are left, each as a `T`.
///
/// ```
/// use calog::Rest;
/// fn sum(numbers: Rest<f64>) -> f64 {
///     numbers.iter().sum()
/// }
/// assert_eq!(sum(Rest(vec![1.0, 2.0])), 3.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest<T>(pub Vec<T>);

impl<T> Deref for Rest<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for Rest<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T> IntoIterator for Rest<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
