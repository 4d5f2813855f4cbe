//! Random numbers.

use super::{Call, Code, Failure, Heap, Value};
use std::hash::{BuildHasher, RandomState};

/// SplitMix64: small, fast, and good for games. After `SRND` its numbers are always the same.
pub(super) struct Random(u64);

impl Random {
    /// Begins somewhere.
    pub(super) fn new() -> Self {
        // The standard library's own source of randomness.
        Self(RandomState::new().hash_one(0))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `most`, which is included.
    fn up_to(&mut self, most: u64) -> u64 {
        ((u128::from(self.next()) * (u128::from(most) + 1)) >> 64) as u64
    }
}

/// `SRND(seed)`
pub(super) fn seed(call: &Call<'_>, heap: &Heap, random: &mut Random) -> Result<Value, Failure> {
    let [_] = call.exactly()?;
    *random = Random(call.int(heap, 0)?.cast_unsigned());
    Ok(Value::Nil)
}

/// `RND`, `RND(high)` and `RND(low, high)`
pub(super) fn next(call: &Call<'_>, heap: &Heap, random: &mut Random) -> Result<Value, Failure> {
    call.count(0, 2)?;
    let (low, high) = match call.args {
        [] => return Ok(Value::Real(random.up_to(100) as f64 / 100.0)),
        [_] => (0, call.int(heap, 0)?),
        _ => (call.int(heap, 0)?, call.int(heap, 1)?),
    };
    if low >= high {
        let detail = format_args!("{low} must be less than {high}");
        return Err(call.fault(Code::OutOfBound, detail));
    }
    Ok(Value::Int(low.wrapping_add_unsigned(random.up_to(high.abs_diff(low)))))
}
