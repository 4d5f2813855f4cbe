//! Strings: bytes that are UTF-8 as a rule, counted and cut by code points.
//!
//! What comes from other languages may be no UTF-8: each byte that belongs to no code point counts as
//! one of its own.

use super::fault::Code;

/// How many code points there are.
pub(super) fn length(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

/// `count` code points from the one at `start`, which is counted from 0. There must be so many, and
/// at least one.
pub(super) fn part(text: &[u8], start: i64, count: i64) -> Result<&[u8], Code> {
    let cut = || {
        let start = usize::try_from(start).ok()?;
        let count = usize::try_from(count).ok().filter(|count| *count > 0)?;
        let rest = &text[offset(text, start)?..];
        Some(&rest[..offset(rest, count)?])
    };
    cut().ok_or(Code::OutOfBound)
}

/// The first `count` code points.
pub(super) fn left(text: &[u8], count: i64) -> Result<&[u8], Code> {
    part(text, 0, count)
}

/// The last `count` code points.
pub(super) fn right(text: &[u8], count: i64) -> Result<&[u8], Code> {
    let length = i64::try_from(length(text)).unwrap_or(i64::MAX);
    part(text, length.checked_sub(count).ok_or(Code::OutOfBound)?, count)
}

/// Where `count` code points end, if there are so many.
fn offset(text: &[u8], count: usize) -> Option<usize> {
    if text.get(..count)?.is_ascii() {
        return Some(count);
    }
    let mut at = 0;
    for _ in 0..count {
        at += width(&text[at..]);
        if at > text.len() {
            return None;
        }
    }
    Some(at)
}

/// How many bytes the first code point has. An empty text counts as one that is too short.
fn width(text: &[u8]) -> usize {
    let width = match text.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => return 1,
    };
    match text.get(..width) {
        Some(bytes) if str::from_utf8(bytes).is_ok() => width,
        _ => 1,
    }
}

/// The bytes of the first code point as a number, the first byte lowest.
pub(super) fn code(text: &[u8]) -> Option<i64> {
    let first = text.get(..width(text))?;
    Some(first.iter().rev().fold(0, |code, byte| code << 8 | i64::from(*byte)))
}

/// The code point whose [`code`] it is.
pub(super) fn character(code: i64) -> Result<Vec<u8>, Code> {
    let bytes = code.to_le_bytes();
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let text = &bytes[..length];
    if width(text) == length { Ok(text.to_vec()) } else { Err(Code::OutOfBound) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// é is two bytes, € three, 😀 four; the others are no UTF-8: a lone byte that continues, the
    /// beginning of €, a code point of UTF-16 only, one that is too large.
    const ODD: [&[u8]; 4] = [b"\x82", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"];

    #[test]
    fn lengths_are_in_code_points() {
        assert_eq!(length(b""), 0);
        assert_eq!(length(b"hello"), 5);
        assert_eq!(length(b"a\0b"), 3);
        assert_eq!(length("aé€😀".as_bytes()), 4);
        for odd in ODD {
            assert_eq!(length(odd), odd.len(), "{odd:x?}");
            assert_eq!(length(&["é".as_bytes(), odd, "€".as_bytes()].concat()), odd.len() + 2);
        }
    }

    #[test]
    fn parts_are_cut_at_code_points() {
        assert_eq!(left(b"hello", 2), Ok(&b"he"[..]));
        assert_eq!(left(b"hello", 5), Ok(&b"hello"[..]));
        assert_eq!(right(b"hello", 2), Ok(&b"lo"[..]));
        assert_eq!(part(b"hello", 1, 3), Ok(&b"ell"[..]));
        assert_eq!(part(b"hello", 4, 1), Ok(&b"o"[..]));
        let mixed = "aé€😀z".as_bytes();
        assert_eq!(left(mixed, 2), Ok("aé".as_bytes()));
        assert_eq!(right(mixed, 2), Ok("😀z".as_bytes()));
        assert_eq!(part(mixed, 1, 3), Ok("é€😀".as_bytes()));
        assert_eq!(left(mixed, 5), Ok(mixed));
        for odd in ODD {
            let text = &["é".as_bytes(), odd, "€".as_bytes()].concat();
            assert_eq!(part(text, 1, odd.len() as i64), Ok(odd));
            assert_eq!(right(text, 1), Ok("€".as_bytes()));
            assert_eq!(left(text, 2), Ok(&text[..3]));
        }
    }

    #[test]
    fn nothing_is_cut_off_silently() {
        for text in ["abc", "aé€"] {
            let text = text.as_bytes();
            for count in [i64::MIN, -1, 0, 4, i64::MAX] {
                assert_eq!(left(text, count), Err(Code::OutOfBound), "{count}");
                assert_eq!(right(text, count), Err(Code::OutOfBound), "{count}");
                assert_eq!(part(text, 0, count), Err(Code::OutOfBound), "{count}");
            }
            for start in [i64::MIN, -1, 3, 4, i64::MAX] {
                assert_eq!(part(text, start, 1), Err(Code::OutOfBound), "{start}");
            }
            assert_eq!(part(text, 2, 2), Err(Code::OutOfBound));
            assert!(part(text, 2, 1).is_ok());
        }
        assert_eq!(left(b"", 1), Err(Code::OutOfBound));
        assert_eq!(part(b"\xff", 0, 2), Err(Code::OutOfBound));
        assert_eq!(part("é".as_bytes(), 0, 2), Err(Code::OutOfBound));
    }

    #[test]
    fn characters_have_a_code_and_back() {
        assert_eq!(code(b""), None);
        assert_eq!(code(b"A"), Some(65));
        assert_eq!(code(b"\0"), Some(0));
        assert_eq!(code("é!".as_bytes()), Some(43459));
        for text in ["A", "\0", "\u{7f}", "\u{80}", "é", "€", "😀", "\u{10ffff}"] {
            let code = code(text.as_bytes()).unwrap();
            assert_eq!(character(code).as_deref(), Ok(text.as_bytes()), "{text:?}");
        }
        for byte in 0..=u8::MAX {
            assert_eq!(code(&[byte]), Some(i64::from(byte)));
            assert_eq!(character(i64::from(byte)), Ok(vec![byte]));
        }
        // Two characters, two bytes that are none, a sign, more than any character has.
        for code in [0x4241, 0xffff, -1, i64::MIN, i64::MAX, 0x8080_90f4, 0xa9_c300] {
            assert_eq!(character(code), Err(Code::OutOfBound), "{code:x}");
        }
    }
}
