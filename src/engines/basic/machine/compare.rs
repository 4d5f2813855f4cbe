//! What operators do with values.

use super::Machine;
use crate::engines::basic::{
    code::{Arithmetic, Compare},
    fault::{Code, Failure, Fault},
    number::Number,
    value::{Type, Value},
};
use std::cmp::Ordering;

/// How many bytes of a text may be read for what a round of a loop counts.
const BYTES_PER_STEP: usize = 256;

/// The number that `value` is; NIL counts as 0.
#[inline]
fn number(value: Value) -> Option<Number> {
    match value {
        Value::Int(int) => Some(Number::Int(int)),
        Value::Real(real) => Some(Number::Real(real)),
        Value::Nil => Some(Number::Int(0)),
        _ => None,
    }
}

impl Machine {
    /// `a + b` of all kinds.
    #[inline(never)]
    pub(super) fn add(&mut self, a: Value, b: Value) -> Result<Value, Failure> {
        match (a, b) {
            (Value::Text(a), Value::Text(b)) => {
                // What grows at its end is not copied.
                let before = self.heap.bytes();
                let text = self.heap.concat(a, b)?;
                self.spend(self.heap.bytes().saturating_sub(before));
                Ok(text)
            }
            (Value::Text(_), other) | (other, Value::Text(_)) => {
                let kind = self.heap.type_of(other).name();
                let detail = format!("`+` has a text and a value of type {kind}; STR makes a text");
                Err(Fault::new(Code::StringExpected, detail).into())
            }
            _ => self.calculate(Number::add, "+", a, b),
        }
    }

    /// What `of` makes of two numbers.
    #[inline(never)]
    pub(super) fn calculate(
        &self,
        of: impl Fn(Number, Number) -> Number,
        sign: &str,
        a: Value,
        b: Value,
    ) -> Result<Value, Failure> {
        match (number(a), number(b)) {
            (Some(a), Some(b)) => Ok(of(a, b).into()),
            (x, _) => Err(self.no_number(sign, if x.is_none() { a } else { b })),
        }
    }

    #[cold]
    fn no_number(&self, sign: &str, wrong: Value) -> Failure {
        let kind = self.heap.type_of(wrong).name();
        Fault::new(Code::NumberExpected, format!("`{sign}` has a value of type {kind}")).into()
    }

    pub(super) fn arithmetic(
        &self,
        arithmetic: Arithmetic,
        a: Value,
        b: Value,
    ) -> Result<Value, Failure> {
        match arithmetic {
            Arithmetic::Divide => self.calculate(Number::divide, "/", a, b),
            Arithmetic::Modulo => self.calculate(Number::modulo, "MOD", a, b),
            Arithmetic::Power => self.calculate(Number::power, "^", a, b),
        }
    }

    /// Unary minus: what is no number stays as it is.
    pub(super) fn negate(a: Value) -> Value {
        match a {
            Value::Int(int) => Number::Int(int).negate().into(),
            // Only two operands make an INTEGER of REALs.
            Value::Real(real) => Value::Real(-real),
            other => other,
        }
    }

    /// Is `at` past `limit`, in the direction of `step`?
    #[inline(never)]
    pub(super) fn is_past(
        &mut self,
        at: Value,
        limit: Value,
        step: Value,
    ) -> Result<bool, Failure> {
        let (Some(x), Some(y), Some(by)) = (number(at), number(limit), number(step)) else {
            let wrong = [at, limit, step].into_iter().find(|value| number(*value).is_none());
            let kind = self.heap.type_of(wrong.unwrap_or_default()).name();
            let detail = format!("FOR counts with numbers, not with a value of type {kind}");
            return Err(Fault::new(Code::NumberExpected, detail).into());
        };
        Ok(if by.less(Number::Int(0)) { x.less(y) } else { y.less(x) })
    }

    /// Numbers compare by value, texts by bytes; a text is above everything else, and other values
    /// are in the order of their types.
    #[inline]
    pub(super) fn compare(&mut self, compare: Compare, a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Int(a), Value::Int(b)) => compare.holds(a, b),
            _ => self.compare_any(compare, *a, *b),
        }
    }

    /// Reads so many bytes, which uses up what is left until the next look at the end of the slice.
    pub(super) fn spend(&mut self, bytes: usize) {
        let steps = u32::try_from(bytes / BYTES_PER_STEP).unwrap_or(u32::MAX);
        self.fuel = self.fuel.saturating_sub(steps).max(1);
    }

    #[inline(never)]
    fn compare_any(&mut self, compare: Compare, a: Value, b: Value) -> bool {
        let ordering = match (a, b) {
            (Value::Text(a), Value::Text(b)) => {
                self.spend(self.heap.text(a).len().min(self.heap.text(b).len()));
                Some(self.heap.text(a).cmp(self.heap.text(b)))
            }
            (Value::Text(_), _) => Some(Ordering::Greater),
            (_, Value::Text(_)) => Some(Ordering::Less),
            _ => match (plain_number(a), plain_number(b)) {
                // Nothing compares with nan, not even itself.
                (Some(a), Some(b)) => a.compare(b),
                _ if a.same(b) => Some(Ordering::Equal),
                _ => {
                    let rank = |value| (self.rank(value), identity(value));
                    Some(rank(a).cmp(&rank(b)))
                }
            },
        };
        match compare {
            Compare::Equal => ordering == Some(Ordering::Equal),
            Compare::Unequal => ordering != Some(Ordering::Equal),
            Compare::Less => ordering == Some(Ordering::Less),
            Compare::LessEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            Compare::Greater => ordering == Some(Ordering::Greater),
            Compare::GreaterEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        }
    }

    /// The place of the type of a value in the order of types; numbers have one.
    fn rank(&self, value: Value) -> Type {
        match self.heap.type_of(value) {
            Type::Real => Type::Integer,
            kind => kind,
        }
    }

    /// `a IS b`
    pub(super) fn is(&mut self, a: Value, b: Value) -> Result<Value, Failure> {
        match b {
            Value::Type(kind) => Ok(Value::truth(self.heap.type_of(a).is(kind))),
            Value::Object(class) => {
                let Value::Object(object) = a else {
                    let kind = self.heap.type_of(a).name();
                    let detail = format!("IS asks for a class, and {kind} has none");
                    return Err(Fault::new(Code::ClassExpected, detail).into());
                };
                let class = self.heap.object(class).shape.ancestors.first().copied();
                let ancestors = &self.heap.object(object).shape.ancestors;
                Ok(Value::truth(class.is_some_and(|class| ancestors.contains(&class))))
            }
            other => {
                let kind = self.heap.type_of(other).name();
                let detail = format!("IS has a class or a type on its right, not {kind}");
                Err(Fault::new(Code::ClassExpected, detail).into())
            }
        }
    }
}

/// A number proper, which NIL is not.
fn plain_number(value: Value) -> Option<Number> {
    match value {
        Value::Nil => None,
        other => number(other),
    }
}

/// What tells two references of one type apart.
fn identity(value: Value) -> u32 {
    match value {
        Value::Array(r) => r.index(),
        Value::List(r) => r.index(),
        Value::Dict(r) => r.index(),
        Value::Iterator(r) => r.index(),
        Value::Object(r) => r.index(),
        Value::Routine(r) => r.index(),
        Value::Type(kind) => kind as u32,
        _ => 0,
    }
}
