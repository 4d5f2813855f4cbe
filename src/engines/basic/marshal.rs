//! Values on their way out and in.

use super::{
    border::Border, fault::Failure, heap::Heap, names::Names, objects::Routine, value::Value,
};
use crate::{
    error::{Error, ErrorKind, Result},
    value::Value as Outside,
};
use bytes::Bytes;

impl Border {
    /// A value for others.
    pub(super) fn out(&self, heap: &mut Heap, _names: &Names, value: Value) -> Result<Outside> {
        Ok(match value {
            Value::Nil | Value::Unknown | Value::Unset => Outside::Nil,
            Value::Int(int) => int.into(),
            Value::Real(real) => real.into(),
            Value::Text(text) => Outside::String(Bytes::copy_from_slice(heap.text(text))),
            Value::Routine(routine) => match heap.routine(routine) {
                Routine::Function(function) => Outside::Function(function.clone()),
                _ => Outside::Function(self.publish(routine)?),
            },
            other => {
                let kind = heap.type_of(other).name();
                let message = format!("a value of type {kind} cannot leave BASIC");
                return Err(Error::new(ErrorKind::Unrepresentable, message));
            }
        })
    }

    /// A value of others.
    pub(super) fn enter(&self, heap: &mut Heap, value: Outside) -> Result<Value, Failure> {
        self.scope.check_value(&value, |_| Ok(())).map_err(Failure::Error)?;
        Ok(match value {
            Outside::Nil => Value::Nil,
            Outside::Bool(bool) => Value::truth(bool),
            Outside::Int(int) => Value::Int(int),
            Outside::Real(real) => Value::Real(real),
            Outside::String(bytes) => heap.new_text(&bytes),
            // One of our own comes home as itself.
            Outside::Function(function) if function.context() == self.scope.id() => {
                self.held(function.key()).unwrap_or_default()
            }
            Outside::Function(function) => heap.add_routine(Routine::Function(function)),
            Outside::Aggregate(_) => Value::Nil,
        })
    }
}
