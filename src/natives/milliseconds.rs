//! Times that scripts give: how long to wait at the most, or until when.

use crate::{
    beat,
    error::{Error, ErrorKind, Result},
    value::{FromValue, Value},
};
use std::time::Duration;

/// A parameter of natives: milliseconds, as an int or a real from 0 on.
///
/// What is longer than some thirty years, such as infinity, is as good as for ever. A negative time
/// and NaN are errors of kind `range`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Milliseconds(Duration);

impl Milliseconds {
    pub(super) fn duration(self) -> Duration {
        self.0
    }
}

impl FromValue for Milliseconds {
    fn from_value(value: Value) -> Result<Self> {
        let millis = match value {
            // Also one that a real could not hold to the last digit.
            Value::Int(millis) => millis as f64,
            other => f64::from_value(other)?,
        };
        if millis >= 0.0 {
            return Ok(Self(beat::duration(millis)));
        }
        let message = format!("{millis} is no time to wait: give milliseconds, 0 or more");
        Err(Error::new(ErrorKind::Range, message))
    }
}
