//! Durations and sizes as people write them.

use std::time::Duration;

const TIMES: &[(&str, f64)] = &[("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

const SIZES: &[(&str, f64)] = &[
    ("", 1.0),
    ("B", 1.0),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
];

/// A duration such as `500ms`, `2s`, `1.5m` or `1h`.
///
/// # Errors
/// A text that tells how to write it right.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    if unit.is_empty() && !number.is_empty() {
        return Err(format!("the unit is missing: {number}ms, {number}s or {number}m"));
    }
    let seconds = scale(number, unit, TIMES).ok_or("expected a time such as 500ms, 2s or 1m")?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| "that is too long")?;
    if duration.is_zero() {
        return Err("it must be more than 0".into());
    }
    Ok(duration)
}

/// A size such as `64MiB`, `1GB` or `4096` (bytes).
///
/// # Errors
/// A text that tells how to write it right.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let bytes = scale(number, unit, SIZES)
        .ok_or("expected a size such as 64MiB (or KiB, GiB, KB, MB, GB), or a number of bytes")?;
    if bytes < 1.0 {
        return Err("it must be more than 0".into());
    }
    // 2^53: up to there, every byte has its own f64. It is 8 PiB, more than a machine has.
    if bytes > 9_007_199_254_740_992.0 {
        return Err("that is too large".into());
    }
    usize::try_from(bytes as u64).map_err(|_| "that is too large".into())
}

/// The number and the unit after it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// `number` in the base of `units`; `None` if either is none.
fn scale(number: &str, unit: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1 h"), Ok(Duration::from_secs(3600)));
        for bad in ["", "5", "s", "5 years", "-1s", "1.2.3s", "0s", "0.0ms", "inf s", "1e3s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration(&format!("{}h", "9".repeat(400))).is_err());
        assert_eq!(duration("5").unwrap_err(), "the unit is missing: 5ms, 5s or 5m");
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("64mib"), Ok(64 << 20));
        assert_eq!(bytes("1.5KiB"), Ok(1536));
        assert_eq!(bytes("2 GB"), Ok(2_000_000_000));
        for bad in ["", "MiB", "0", "64M", "-1", "nan", "64 MiBs", "1e9", "99999999999GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
