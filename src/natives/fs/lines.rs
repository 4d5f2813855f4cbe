//! The lines of a file, one after another.

use crate::error::{Error, ErrorKind, Result};
use bytes::{Bytes, BytesMut};
use std::{
    io::{self, Read},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// An open file, as its context keeps it.
pub(super) struct Lines<R>(Mutex<Reader<R>>);

struct Reader<R> {
    file: R,
    /// What was read of the file and not given out.
    buffer: BytesMut,
    /// How much of that has no end of a line.
    searched: usize,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(file: R) -> Self {
        Self(Mutex::new(Reader { file, buffer: BytesMut::new(), searched: 0 }))
    }

    /// A reader is whole between any two of its steps.
    fn lock(&self) -> MutexGuard<'_, Reader<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next line if it was read already, without waiting for anything.
    pub(super) fn ready(&self, most: usize) -> Option<Result<Bytes>> {
        self.0.try_lock().ok()?.line(most)
    }

    /// The next line without its end; `None` at the end of the file. What stands there without an
    /// end of a line is the last line.
    ///
    /// # Errors
    /// `range` if the line has more than `most` bytes; it can still be read with more.
    pub(super) fn next(&self, most: usize) -> Result<Option<Bytes>> {
        let mut reader = self.lock();
        loop {
            if let Some(line) = reader.line(most) {
                return line.map(Some);
            }
            if reader.fill()? == 0 {
                return reader.rest(most);
            }
        }
    }
}

impl<R: Read> Reader<R> {
    /// The first line of the buffer; `None` if its end is not there yet.
    fn line(&mut self, most: usize) -> Option<Result<Bytes>> {
        // The end may take two bytes.
        let window = self.buffer.len().min(most.saturating_add(2));
        let from = self.searched.min(window);
        let end = self.buffer[from..window].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| from + end) else {
            self.searched = self.searched.max(window);
            return (window > most.saturating_add(1)).then(|| Err(too_long(most)));
        };
        let length = end - usize::from(self.buffer[..end].ends_with(b"\r"));
        if length > most {
            return Some(Err(too_long(most)));
        }
        let mut line = self.buffer.split_to(end + 1);
        line.truncate(length);
        self.searched = 0;
        Some(Ok(line.freeze()))
    }

    /// What is left at the end of the file.
    fn rest(&mut self, most: usize) -> Result<Option<Bytes>> {
        if self.buffer.len() > most {
            return Err(too_long(most));
        }
        self.searched = 0;
        let rest = self.buffer.split().freeze();
        Ok(Some(rest).filter(|rest| !rest.is_empty()))
    }

    /// Reads on, and tells how much it was.
    fn fill(&mut self) -> Result<usize> {
        let before = self.buffer.len();
        self.buffer.resize(before + CHUNK, 0);
        let read = loop {
            match self.file.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        Ok(read?)
    }
}

fn too_long(most: usize) -> Error {
    Error::new(ErrorKind::Range, format!("the line has more than {most} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its parts one by one.
    struct Parts(Vec<&'static [u8]>);

    impl Read for Parts {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let part = self.0.remove(0);
            into[..part.len()].copy_from_slice(part);
            Ok(part.len())
        }
    }

    fn lines(parts: &[&'static [u8]], most: usize) -> Vec<Result<Bytes>> {
        let lines = Lines::new(Parts(parts.to_vec()));
        std::iter::from_fn(|| lines.next(most).transpose()).take(9).collect()
    }

    #[test]
    fn lines_end_wherever_the_parts_do() {
        for parts in [
            &[&b"one\ntwo\r\n\n\xff\r\rx\nlast"[..]][..],
            &[b"on", b"e", b"\n", b"two", b"\r", b"\n", b"\n\xff\r\rx\nla", b"st"],
        ] {
            let found: Vec<_> = lines(parts, 5).into_iter().map(Result::unwrap).collect();
            let wanted = [&b"one"[..], b"two", b"", b"\xff\r\rx", b"last"];
            assert_eq!(found, wanted);
        }
        assert!(lines(&[], 5).is_empty());
        assert_eq!(lines(&[b"\n"], 0).len(), 1);
        assert_eq!(lines(&[b"a\r"], 2)[0].as_ref().unwrap(), "a\r");
    }

    #[test]
    fn a_line_that_is_too_long_can_be_read_with_more() {
        for parts in [&[&b"12345\r\n6\n78"[..]][..], &[b"1", b"2345", b"\r", b"\n6\n7", b"8"]] {
            let lines = Lines::new(Parts(parts.to_vec()));
            for most in [0, 4, 3] {
                assert_eq!(lines.next(most).unwrap_err().kind(), ErrorKind::Range);
            }
            assert_eq!(lines.next(5).unwrap().unwrap(), "12345");
            assert_eq!(lines.next(1).unwrap().unwrap(), "6");
            assert_eq!(lines.next(1).unwrap_err().kind(), ErrorKind::Range);
            assert_eq!(lines.next(usize::MAX).unwrap().unwrap(), "78");
            assert_eq!(lines.next(0).unwrap(), None);
        }
    }

    #[test]
    fn what_was_read_is_there_without_waiting() {
        let lines = Lines::new(Parts(vec![b"1\n2\n3"]));
        assert!(lines.ready(9).is_none());
        assert_eq!(lines.next(9).unwrap().unwrap(), "1");
        assert_eq!(lines.ready(0).unwrap().unwrap_err().kind(), ErrorKind::Range);
        assert_eq!(lines.ready(9).unwrap().unwrap(), "2");
        assert!(lines.ready(9).is_none(), "the last line has no end yet");
        assert_eq!(lines.next(9).unwrap().unwrap(), "3");
    }
}
