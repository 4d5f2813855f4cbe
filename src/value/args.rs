//! The arguments of a call.

use super::{IntoValue, Value};
use crate::error::{Error, Result};
use std::{
    cell::{Cell, RefCell},
    mem,
    ops::{Deref, DerefMut},
};

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
            #[inline]
            fn into_args(self) -> Result<Vec<Value>> {
                let ($($name,)*) = self;
                let count = [$(stringify!($name)),*].len();
                let mut list = spare(count);
                // Each place is there before its value: that is written there, and not moved then.
                list.resize_with(count, Value::default);
                let mut places = (1..).zip(&mut list);
                $(
                    if let Some((number, place)) = places.next() {
                        let wrong = |error: Error| error.at(format_args!("args[{number}]"));
                        *place = $name.into_value().map_err(wrong)?;
                    }
                )*
                Ok(list)
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

/// How many lists are kept, and how many arguments one may have room for.
const KEPT: usize = 64;
const KEPT_ROOM: usize = 16;

thread_local! {
    /// The list of arguments that was given back last: mostly it serves the next call.
    static AT_HAND: Cell<Vec<Value>> = const { Cell::new(Vec::new()) };
    /// Others that the thread keeps.
    static SPARE: RefCell<Vec<Vec<Value>>> = const { RefCell::new(Vec::new()) };
}

/// An empty list that may have served before, or a new one of just so much room: where caller and
/// callee are on different threads, each list is one, and what is small is freed from afar without
/// the allocator's lock.
#[inline]
fn spare(room: usize) -> Vec<Value> {
    kept().unwrap_or_else(|| Vec::with_capacity(room))
}

/// Takes the arguments of a call out of `args`, into a list that may have served before.
pub(crate) fn gather(args: &mut [Value]) -> Vec<Value> {
    let mut list = spare(args.len());
    list.extend(args.iter_mut().map(mem::take));
    list
}

/// An empty list that the thread has kept, if there is one.
#[inline]
pub(crate) fn kept() -> Option<Vec<Value>> {
    match AT_HAND.try_with(Cell::take) {
        Ok(list) if list.capacity() > 0 => Some(list),
        _ => other(),
    }
}

#[cold]
fn other() -> Option<Vec<Value>> {
    SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten()
}

/// The arguments are not needed any more: their list may serve again.
pub(crate) fn give_back(mut list: Vec<Value>) {
    list.clear();
    if !(1..=KEPT_ROOM).contains(&list.capacity()) {
        return;
    }
    // At the end of a thread there may be no place for it.
    let _ = AT_HAND.try_with(|at_hand| {
        let before = at_hand.replace(list);
        if before.capacity() > 0 {
            keep(before);
        }
    });
}

#[cold]
fn keep(list: Vec<Value>) {
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < KEPT {
            spare.push(list);
        }
    });
}
