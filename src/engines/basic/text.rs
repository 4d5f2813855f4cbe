//! Strings: bytes that are UTF-8 as a rule, counted and cut by code points.
//!
//! What comes from other languages may be no UTF-8: each byte that belongs to no code point counts
//! as one of its own.

use super::fault::Code;

/// A string. Where it is known that all is ASCII, nothing needs to be counted.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) ascii: bool,
}

impl<'a> Text<'a> {
    /// How many code points there are.
    pub(super) fn length(self) -> usize {
        if self.ascii {
            return self.bytes.len();
        }
        let chunks = self.bytes.utf8_chunks();
        chunks.map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
    }

    /// `count` code points from the one at `start`, which is counted from 0. There must be so many,
    /// and at least one.
    pub(super) fn part(self, start: i64, count: i64) -> Result<&'a [u8], Code> {
        let cut = || {
            let start = usize::try_from(start).ok()?;
            let count = usize::try_from(count).ok().filter(|count| *count > 0)?;
            let rest = &self.bytes[self.offset(start)?..];
            Some(&rest[..Self { bytes: rest, ..self }.offset(count)?])
        };
        cut().ok_or(Code::OutOfBound)
    }

    /// The first `count` code points.
    pub(super) fn left(self, count: i64) -> Result<&'a [u8], Code> {
        self.part(0, count)
    }

    /// The last `count` code points.
    pub(super) fn right(self, count: i64) -> Result<&'a [u8], Code> {
        let length = i64::try_from(self.length()).unwrap_or(i64::MAX);
        self.part(length.checked_sub(count).ok_or(Code::OutOfBound)?, count)
    }

    /// Where `count` code points end, if there are so many.
    fn offset(self, count: usize) -> Option<usize> {
        // The many before may be ASCII all the same, and that is soon found out.
        let before = self.bytes.get(..count)?;
        if self.ascii || before.is_ascii() {
            return Some(count);
        }
        let mut at = 0;
        for _ in 0..count {
            at += width(self.bytes.get(at..)?);
        }
        (at <= self.bytes.len()).then_some(at)
    }

    /// The bytes of the first code point as a number, the first byte lowest.
    pub(super) fn code(self) -> Option<i64> {
        let first = self.bytes.get(..width(self.bytes))?;
        Some(first.iter().rev().fold(0, |code, byte| code << 8 | i64::from(*byte)))
    }
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

/// The code point whose [`code`](Text::code) it is.
pub(super) fn character(code: i64) -> Result<Vec<u8>, Code> {
    let bytes = code.to_le_bytes();
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let text = &bytes[..length];
    if width(text) == length { Ok(text.to_vec()) } else { Err(Code::OutOfBound) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Text<'_> {
        Text { bytes, ascii: bytes.is_ascii() }
    }

    /// é is two bytes, € three, 😀 four; the others are no UTF-8: a lone byte that continues, the
    /// beginning of €, a code point of UTF-16 only, one that is too large.
    const ODD: [&[u8]; 4] = [b"\x82", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"];

    #[test]
    fn lengths_are_in_code_points() {
        assert_eq!(text(b"").length(), 0);
        assert_eq!(text(b"hello").length(), 5);
        assert_eq!(text(b"a\0b").length(), 3);
        assert_eq!(text("aé€😀".as_bytes()).length(), 4);
        for odd in ODD {
            assert_eq!(text(odd).length(), odd.len(), "{odd:x?}");
            assert_eq!(
                text(&["é".as_bytes(), odd, "€".as_bytes()].concat()).length(),
                odd.len() + 2
            );
        }
    }

    #[test]
    fn parts_are_cut_at_code_points() {
        assert_eq!(text(b"hello").left(2), Ok(&b"he"[..]));
        assert_eq!(text(b"hello").left(5), Ok(&b"hello"[..]));
        assert_eq!(text(b"hello").right(2), Ok(&b"lo"[..]));
        assert_eq!(text(b"hello").part(1, 3), Ok(&b"ell"[..]));
        assert_eq!(text(b"hello").part(4, 1), Ok(&b"o"[..]));
        let all = "aé€😀z".as_bytes();
        let mixed = text(all);
        assert_eq!(mixed.left(2), Ok("aé".as_bytes()));
        assert_eq!(mixed.right(2), Ok("😀z".as_bytes()));
        assert_eq!(mixed.part(1, 3), Ok("é€😀".as_bytes()));
        assert_eq!(mixed.left(5), Ok(all));
        for odd in ODD {
            let all = &["é".as_bytes(), odd, "€".as_bytes()].concat();
            let text = text(all);
            assert_eq!(text.part(1, odd.len() as i64), Ok(odd));
            assert_eq!(text.right(1), Ok("€".as_bytes()));
            assert_eq!(text.left(2), Ok(&all[..3]));
        }
    }

    #[test]
    fn nothing_is_cut_off_silently() {
        for bytes in ["abc", "aé€"] {
            let text = text(bytes.as_bytes());
            for count in [i64::MIN, -1, 0, 4, i64::MAX] {
                assert_eq!(text.left(count), Err(Code::OutOfBound), "{count}");
                assert_eq!(text.right(count), Err(Code::OutOfBound), "{count}");
                assert_eq!(text.part(0, count), Err(Code::OutOfBound), "{count}");
            }
            for start in [i64::MIN, -1, 3, 4, i64::MAX] {
                assert_eq!(text.part(start, 1), Err(Code::OutOfBound), "{start}");
            }
            assert_eq!(text.part(2, 2), Err(Code::OutOfBound));
            assert!(text.part(2, 1).is_ok());
        }
        assert_eq!(text(b"").left(1), Err(Code::OutOfBound));
        assert_eq!(text(b"\xff").part(0, 2), Err(Code::OutOfBound));
        assert_eq!(text("é".as_bytes()).part(0, 2), Err(Code::OutOfBound));
    }

    #[test]
    fn characters_have_a_code_and_back() {
        assert_eq!(text(b"").code(), None);
        assert_eq!(text(b"A").code(), Some(65));
        assert_eq!(text(b"\0").code(), Some(0));
        assert_eq!(text("é!".as_bytes()).code(), Some(43459));
        for each in ["A", "\0", "\u{7f}", "\u{80}", "é", "€", "😀", "\u{10ffff}"] {
            let code = text(each.as_bytes()).code().unwrap();
            assert_eq!(character(code).as_deref(), Ok(each.as_bytes()), "{each:?}");
        }
        for byte in 0..=u8::MAX {
            assert_eq!(text(&[byte]).code(), Some(i64::from(byte)));
            assert_eq!(character(i64::from(byte)), Ok(vec![byte]));
        }
        // Two characters, two bytes that are none, a sign, more than any character has.
        for code in [0x4241, 0xffff, -1, i64::MIN, i64::MAX, 0x8080_90f4, 0xa9_c300] {
            assert_eq!(character(code), Err(Code::OutOfBound), "{code:x}");
        }
    }
}
