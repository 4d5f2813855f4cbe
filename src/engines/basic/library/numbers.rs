//! Functions of one number.

use super::{Call, Failure, Heap, Number, Value};
use crate::engines::basic::{number::collapse, syntax::Library};

/// The function of the call, which is one of those below. Whole results are INT.
pub(super) fn calculate(call: &Call<'_>, heap: &Heap) -> Result<Value, Failure> {
    let [_] = call.exactly()?;
    let number = call.number(heap, 0)?;
    let real = number.real();
    Ok(Value::from(match (call.function, number) {
        (Library::Abs, Number::Int(int)) if int >= 0 => number,
        (Library::Abs, Number::Int(_)) => number.negate(),
        (Library::Sgn, Number::Int(int)) => Number::Int(int.signum()),
        (Library::Floor | Library::Ceil | Library::Fix | Library::Round, Number::Int(_)) => number,
        (function, _) => collapse(match function {
            Library::Abs => real.abs(),
            Library::Sgn if real > 0.0 => 1.0,
            Library::Sgn if real < 0.0 => -1.0,
            Library::Sgn => 0.0,
            Library::Sqr => real.sqrt(),
            Library::Floor => real.floor(),
            Library::Ceil => real.ceil(),
            // The dialect rounds by truncating, so -1.5 becomes -1.
            Library::Round => (real + 0.5).trunc(),
            Library::Sin => real.sin(),
            Library::Cos => real.cos(),
            Library::Tan => real.tan(),
            Library::Asin => real.asin(),
            Library::Acos => real.acos(),
            Library::Atan => real.atan(),
            Library::Exp => real.exp(),
            Library::Log => real.ln(),
            _ => real.trunc(),
        }),
    }))
}
