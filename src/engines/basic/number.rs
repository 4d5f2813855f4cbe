//! Numbers: arithmetic that is INT as long as it can be, and how numbers are read and written.

use std::{cmp::Ordering, fmt, io::Write};

/// 2^63: the smallest REAL above every INT. Its negative is the smallest INT.
const INT_END: f64 = 9_223_372_036_854_775_808.0;

/// A number of either type. Two are equal here if their types are, too; see [`Number::equal`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Real(f64),
}

use Number::{Int, Real};

/// The result of an operation on REALs: an INT if there is one that is equal.
#[inline]
pub(super) fn collapse(real: f64) -> Number {
    let int = real as i64;
    // The cast saturates, and the largest INT is no REAL: 2^63 comes out as it and is not equal.
    if int as f64 == real && int != i64::MAX { Int(int) } else { Real(real) }
}

impl Number {
    #[inline]
    pub(super) fn real(self) -> f64 {
        match self {
            Int(int) => int as f64,
            Real(real) => real,
        }
    }

    /// What stands before the point. REALs beyond the range of INT end at its bounds; nan is 0.
    #[inline]
    pub(super) fn truncate(self) -> i64 {
        match self {
            Int(int) => int,
            Real(real) => real as i64,
        }
    }

    #[inline]
    pub(super) fn is_zero(self) -> bool {
        match self {
            Int(int) => int == 0,
            Real(real) => real == 0.0,
        }
    }

    #[inline]
    pub(super) fn add(self, other: Self) -> Self {
        match (self, other) {
            (Int(a), Int(b)) => match a.checked_add(b) {
                Some(sum) => Int(sum),
                None => Real(a as f64 + b as f64),
            },
            _ => collapse(self.real() + other.real()),
        }
    }

    #[inline]
    pub(super) fn subtract(self, other: Self) -> Self {
        match (self, other) {
            (Int(a), Int(b)) => match a.checked_sub(b) {
                Some(difference) => Int(difference),
                None => Real(a as f64 - b as f64),
            },
            _ => collapse(self.real() - other.real()),
        }
    }

    #[inline]
    pub(super) fn multiply(self, other: Self) -> Self {
        match (self, other) {
            (Int(a), Int(b)) => match a.checked_mul(b) {
                Some(product) => Int(product),
                None => Real(a as f64 * b as f64),
            },
            _ => collapse(self.real() * other.real()),
        }
    }

    #[inline]
    pub(super) fn divide(self, other: Self) -> Self {
        match (self, other) {
            // No INT divided by 0 or -1 gets here: the former has its own rule, and the latter can
            // overflow.
            (Int(a), Int(b)) if b > 0 && a % b == 0 => Int(a / b),
            _ if other.is_zero() => self.by_zero(),
            _ => collapse(self.real() / other.real()),
        }
    }

    /// The remainder that has the sign of the dividend; both are truncated first.
    #[inline]
    pub(super) fn modulo(self, other: Self) -> Self {
        match other.truncate() {
            0 => self.by_zero(),
            // The one quotient that overflows, that of the smallest INT and -1, leaves nothing.
            divisor => Int(self.truncate().wrapping_rem(divisor)),
        }
    }

    /// Division by zero is no error, and signs do not count.
    #[cold]
    fn by_zero(self) -> Self {
        match self {
            Real(real) if real.is_nan() => self,
            _ if self.is_zero() => Real(f64::NAN),
            _ => Real(f64::INFINITY),
        }
    }

    #[inline]
    pub(super) fn power(self, exponent: Self) -> Self {
        collapse(self.real().powf(exponent.real()))
    }

    #[inline]
    pub(super) fn negate(self) -> Self {
        match self {
            Int(int) => match int.checked_neg() {
                Some(negative) => Int(negative),
                None => Real(INT_END),
            },
            Real(real) => Real(-real),
        }
    }

    #[inline]
    pub(super) fn less(self, other: Self) -> bool {
        match (self, other) {
            (Int(a), Int(b)) => a < b,
            _ => self.compare(other) == Some(Ordering::Less),
        }
    }

    /// By value, exactly; nothing compares with nan.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Int(a), Int(b)) => Some(a.cmp(&b)),
            (Real(a), Real(b)) => a.partial_cmp(&b),
            (Int(a), Real(b)) => compare_mixed(a, b),
            (Real(a), Int(b)) => compare_mixed(b, a).map(Ordering::reverse),
        }
    }

    /// What a word of a program stands for if it is a number: without a sign.
    pub(super) fn literal(word: &str) -> Option<Self> {
        word.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            .then(|| read(word, false))
            .flatten()
    }

    /// What a text stands for as a whole: a literal that may have blanks and a sign before it. The
    /// names that such REALs are written with count, too, so that all that is written can be read.
    /// An empty text is 0.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        if text.is_empty() {
            return Some(Int(0));
        }
        let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
        let start = text.iter().position(|byte| !blank(byte))?;
        let text = str::from_utf8(&text[start..]).ok()?;
        let negative = text.starts_with('-');
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        // The standard library would take another sign.
        if digits.starts_with(['-', '+']) { None } else { read(digits, negative) }
    }
}

/// Compares exactly: neither number is made one of the other type, which could lose the difference.
fn compare_mixed(int: i64, real: f64) -> Option<Ordering> {
    if real.is_nan() {
        None
    } else if real >= INT_END {
        Some(Ordering::Less)
    } else if real < -INT_END {
        Some(Ordering::Greater)
    } else {
        let whole = real.trunc();
        Some(int.cmp(&(whole as i64)).then(whole.total_cmp(&real)))
    }
}

/// Reads a number whose sign was read already. Like C's `strtol` with base 0, then `strtod`.
fn read(digits: &str, negative: bool) -> Option<Number> {
    let all = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (integer, radix) = match hex {
        Some(hex) if all(hex, 16) => (hex, 16),
        Some(_) => ("", 16),
        None if digits.starts_with('0') && all(digits, 8) => (digits, 8),
        // `08` is not octal, so it is no INT at all.
        None if all(digits, 10) && !digits.starts_with('0') => (digits, 10),
        None => ("", 10),
    };
    let int = u64::from_str_radix(integer, radix).ok().and_then(|size| match negative {
        true => 0i64.checked_sub_unsigned(size),
        false => i64::try_from(size).ok(),
    });
    if let Some(int) = int {
        return Some(Int(int));
    }
    let real = match hex {
        Some(hex) => read_hex(hex)?,
        None if radix == 8 => scaled(integer, 8.0)?,
        None => digits.parse().ok()?,
    };
    Some(Real(if negative { -real } else { real }))
}

/// Reads what follows `0x` in a REAL: `1.8p3`.
fn read_hex(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let places = i32::try_from(fraction.len()).ok()?;
    let size = scaled(&[whole, fraction].concat(), 16.0)?;
    Some(size * 2f64.powi(exponent.saturating_sub(places.saturating_mul(4))))
}

/// The value of digits that are too many for an INT.
fn scaled(digits: &str, radix: f64) -> Option<f64> {
    let mut value = None;
    for digit in digits.chars() {
        value = Some(value.unwrap_or(0.0) * radix + f64::from(digit.to_digit(radix as u32)?));
    }
    value
}

impl fmt::Display for Number {
    /// As C writes it with `%g`: six significant digits at most.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Int(int) => fmt::Display::fmt(&int, f),
            Real(real) if real.is_nan() => f.write_str("nan"),
            Real(real) if real.is_infinite() => {
                f.write_str(if real < 0.0 { "-inf" } else { "inf" })
            }
            Real(real) => write_real(real, f),
        }
    }
}

fn write_real(real: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // One digit, a point, five digits, `e` and the exponent: this rounds as C does, and the
    // exponent is that of what comes out.
    let mut exact = [0; 16];
    let mut rest = &mut exact[..];
    write!(rest, "{:.5e}", real.abs()).map_err(|_| fmt::Error)?;
    let unused = rest.len();
    let end = exact.len() - unused;
    let exponent = str::from_utf8(&exact[8..end]).ok().and_then(|text| text.parse().ok());
    let exponent: i32 = exponent.ok_or(fmt::Error)?;
    exact.copy_within(2..7, 1);
    let digits = str::from_utf8(&exact[..6]).unwrap_or_default().trim_end_matches('0');

    if real.is_sign_negative() {
        f.write_str("-")?;
    }
    let point = match exponent {
        0..6 => exponent as usize + 1,
        -4..0 => {
            f.write_str(&"0.000"[..(1 - exponent) as usize])?;
            return f.write_str(digits);
        }
        _ => 1,
    };
    if digits.len() > point {
        f.write_str(&digits[..point])?;
        f.write_str(".")?;
        f.write_str(&digits[point..])?;
    } else {
        // Zero has no digits left.
        f.write_str(digits)?;
        f.write_str(&"000000"[..point - digits.len()])?;
    }
    if !(0..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(f, "e{sign}{:02}", exponent.abs())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Number {
        fn is_equal(self, other: Self) -> bool {
            self.compare(other) == Some(Ordering::Equal)
        }

        fn is_at_most(self, other: Self) -> bool {
            matches!(self.compare(other), Some(Ordering::Less | Ordering::Equal))
        }
    }

    const MAX: Number = Int(i64::MAX);
    const MIN: Number = Int(i64::MIN);

    fn written(real: f64) -> String {
        Real(real).to_string()
    }

    #[test]
    fn reals_are_written_with_six_digits() {
        for (real, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (100.0, "100"),
            (std::f64::consts::E, "2.71828"),
            (123456.0, "123456"),
            (123456.5, "123456"),
            (123457.5, "123458"),
            (999999.5, "1e+06"),
            (1234567.0, "1.23457e+06"),
            (1e5, "100000"),
            (1e6, "1e+06"),
            (1e100, "1e+100"),
            (1e-4, "0.0001"),
            (1.25e-4, "0.000125"),
            (0.00099999951, "0.001"),
            (0.000099999951, "0.0001"),
            (1e-5, "1e-05"),
            (-1.5e-7, "-1.5e-07"),
            (1.0 / 3.0, "0.333333"),
            (2.0 / 3.0, "0.666667"),
            (0.1 + 0.2, "0.3"),
            (f64::MAX, "1.79769e+308"),
            (5e-324, "4.94066e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (-f64::NAN, "nan"),
        ] {
            assert_eq!(written(real), text, "{real:e}");
        }
        assert_eq!(MIN.to_string(), "-9223372036854775808");
    }

    #[test]
    fn operations_on_ints_stay_int_until_they_overflow() {
        assert_eq!(Int(2).add(Int(3)), Int(5));
        assert_eq!(Int(2).subtract(Int(3)), Int(-1));
        assert_eq!(Int(2).multiply(Int(-3)), Int(-6));
        assert_eq!(MAX.add(Int(1)), Real(INT_END));
        assert_eq!(MIN.add(Int(-1)), Real(-INT_END));
        assert_eq!(MIN.subtract(Int(1)), Real(-INT_END));
        assert_eq!(MAX.multiply(Int(2)), Real(2.0 * INT_END));
        assert_eq!(MIN.multiply(Int(-1)), Real(INT_END));
        assert_eq!(MIN.negate(), Real(INT_END));
        assert_eq!(Int(5).negate(), Int(-5));
        assert_eq!(Real(2.0).negate(), Real(-2.0));
    }

    #[test]
    fn whole_results_are_int() {
        assert_eq!(Real(1.5).multiply(Int(2)), Int(3));
        assert_eq!(Real(1.5).add(Real(1.5)), Int(3));
        assert_eq!(Real(1.5).subtract(Real(0.5)), Int(1));
        assert_eq!(Real(7.5).divide(Real(2.5)), Int(3));
        assert_eq!(Int(1).add(Real(0.5)), Real(1.5));
        assert_eq!(collapse(-0.0), Int(0));
        assert_eq!(collapse(-INT_END), MIN);
        assert_eq!(collapse(INT_END), Real(INT_END));
        assert_eq!(collapse(9_223_372_036_854_774_784.0), Int(9_223_372_036_854_774_784));
        assert_eq!(collapse(1e300), Real(1e300));
        assert_eq!(collapse(f64::INFINITY), Real(f64::INFINITY));
        assert!(matches!(collapse(f64::NAN), Real(nan) if nan.is_nan()));
    }

    #[test]
    fn a_quotient_is_int_if_nothing_is_left() {
        assert_eq!(Int(6).divide(Int(2)), Int(3));
        assert_eq!(Int(6).divide(Int(-2)), Int(-3));
        assert_eq!(Int(-7).divide(Int(2)), Real(-3.5));
        assert_eq!(Int(7).divide(Int(2)), Real(3.5));
        assert_eq!(MAX.divide(Int(1)), MAX);
        assert_eq!(MIN.divide(Int(-1)), Real(INT_END));
        assert_eq!(Int(0).divide(Int(5)), Int(0));
        assert_eq!(Int(0).divide(Int(-5)), Int(0));
    }

    #[test]
    fn division_by_zero_is_inf_or_nan_without_a_sign() {
        for zero in [Int(0), Real(0.0), Real(-0.0)] {
            assert_eq!(Int(1).divide(zero), Real(f64::INFINITY));
            assert_eq!(Int(-1).divide(zero), Real(f64::INFINITY));
            assert_eq!(Real(-1.5).divide(zero), Real(f64::INFINITY));
            assert_eq!(Int(0).divide(zero).to_string(), "nan");
            assert_eq!(Real(0.0).divide(zero).to_string(), "nan");
            assert_eq!(Real(f64::NAN).divide(zero).to_string(), "nan");
            assert_eq!(Int(-5).modulo(zero), Real(f64::INFINITY));
            assert_eq!(Int(0).modulo(zero).to_string(), "nan");
        }
    }

    #[test]
    fn modulo_truncates_and_has_the_sign_of_the_dividend() {
        assert_eq!(Int(7).modulo(Int(3)), Int(1));
        assert_eq!(Int(-7).modulo(Int(3)), Int(-1));
        assert_eq!(Int(7).modulo(Int(-3)), Int(1));
        assert_eq!(Real(7.9).modulo(Int(3)), Int(1));
        assert_eq!(Real(3.7).modulo(Real(1.2)), Int(0));
        assert_eq!(Int(5).modulo(Real(0.5)), Real(f64::INFINITY));
        assert_eq!(MIN.modulo(Int(-1)), Int(0));
        assert_eq!(Real(1e300).modulo(Int(10)), Int(7));
        assert_eq!(Real(-1e300).modulo(Int(10)), Int(-8));
    }

    #[test]
    fn powers_are_those_of_reals() {
        assert_eq!(Int(2).power(Int(10)), Int(1024));
        assert_eq!(Int(2).power(Int(-1)), Real(0.5));
        assert_eq!(Int(0).power(Int(0)), Int(1));
        assert_eq!(Int(2).power(Int(64)), Real(2.0 * INT_END));
        assert_eq!(Int(-8).power(Real(0.5)).to_string(), "nan");
    }

    #[test]
    fn comparison_is_exact_between_the_types() {
        let odd = (1 << 53) + 1;
        assert!(Int(1).is_equal(Real(1.0)));
        assert!(!Int(odd).is_equal(Real(odd as f64)));
        assert!(Real(odd as f64).less(Int(odd)));
        assert!(MAX.less(Real(INT_END)));
        assert!(MIN.is_equal(Real(-INT_END)));
        assert!(Real(-1e300).less(MIN));
        assert!(Real(f64::NEG_INFINITY).less(MIN));
        assert!(Int(1).less(Real(1.5)) && Real(1.5).less(Int(2)));
        assert!(Real(-1.5).less(Int(-1)) && Int(-2).less(Real(-1.5)));
        assert!(Int(0).is_equal(Real(-0.0)));
        assert!(Int(2).is_at_most(Real(2.0)) && Int(2).is_at_most(Int(2)));
        assert!(!Int(3).is_at_most(Real(2.5)));
        for other in [Int(0), Real(0.0), Real(f64::NAN)] {
            assert_eq!(Real(f64::NAN).compare(other), None);
            assert_eq!(other.compare(Real(f64::NAN)), None);
            assert!(!other.is_at_most(Real(f64::NAN)));
        }
    }

    #[test]
    fn literals_are_decimal_hexadecimal_octal_or_real() {
        for (word, number) in [
            ("0", Int(0)),
            ("42", Int(42)),
            ("0x1F", Int(31)),
            ("0XfF", Int(255)),
            ("010", Int(8)),
            ("9223372036854775807", MAX),
            ("9223372036854775808", Real(INT_END)),
            ("0x7fffffffffffffff", MAX),
            ("0x8000000000000000", Real(INT_END)),
            ("01000000000000000000000", Real(INT_END)),
            ("99999999999999999999999", Real(99999999999999999999999.0)),
            ("08", Real(8.0)),
            ("1.0", Real(1.0)),
            (".5", Real(0.5)),
            ("5.", Real(5.0)),
            ("1e3", Real(1000.0)),
            ("1E-3", Real(0.001)),
            ("1.5e+2", Real(150.0)),
            ("0x1.8p3", Real(12.0)),
            ("0x.8", Real(0.5)),
            ("0x1p-2", Real(0.25)),
        ] {
            assert_eq!(Number::literal(word), Some(number), "{word}");
        }
        let others = [
            "", ".", "0x", "0x.", "1abc", "1e", "1.2.3", "0xg", "-1", "+1", " 1", "inf", "nan",
            "e3", "1_0", "0x1p", "1 ",
        ];
        for word in others {
            assert_eq!(Number::literal(word), None, "{word}");
        }
    }

    #[test]
    fn texts_may_have_blanks_and_a_sign_before_the_number() {
        for (text, number) in [
            ("", Int(0)),
            ("12", Int(12)),
            ("-7", Int(-7)),
            ("+7", Int(7)),
            (" \t\n\r\x0b\x0c7", Int(7)),
            (" -0x1f", Int(-31)),
            ("-010", Int(-8)),
            ("-9223372036854775808", MIN),
            ("-0x8000000000000000", MIN),
            ("-9223372036854775809", Real(-INT_END)),
            ("1e3", Real(1000.0)),
            ("-.5", Real(-0.5)),
            ("3.0", Real(3.0)),
            ("inf", Real(f64::INFINITY)),
            ("-INF", Real(f64::NEG_INFINITY)),
        ] {
            assert_eq!(Number::parse(text.as_bytes()), Some(number), "{text:?}");
        }
        assert!(matches!(Number::parse(b"nan"), Some(Real(nan)) if nan.is_nan()));
        for text in [" ", "12abc", "7 ", "--7", "+-7", "- 7", "abc", "1,5", "-", "0x", "\u{661}"] {
            assert_eq!(Number::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Number::parse(b"1\xff"), None);
        assert_eq!(Number::parse(b"1\0"), None);
    }
}
