//! Lines of stdin for the scripts that ask for them, read by a thread of their own: nobody waits for it
//! when the program ends, whatever stdin is.

use bytes::Bytes;
use calog::{Error, ErrorKind, Limits, Result};
use std::io::{self, BufRead, Read};
use tokio::sync::{mpsc, oneshot};

/// One line, or `None` at the end of the input.
pub(crate) type Line = Result<Option<Bytes>>;

/// Somebody waits for a line.
pub(crate) type Ask = oneshot::Sender<Line>;

/// Where one asks for lines. Who asks first is served first.
#[derive(Clone, Debug)]
pub(crate) struct Asks(mpsc::Sender<Ask>);

impl Asks {
    /// The next line. One that comes when the future was dropped is the next one's.
    pub(crate) async fn line(&self) -> Line {
        let (ask, line) = oneshot::channel();
        // When nobody answers any more, the program ends.
        if self.0.send(ask).await.is_err() {
            return Ok(None);
        }
        line.await.unwrap_or(Ok(None))
    }
}

/// A place to ask, and what is asked there.
pub(crate) fn channel() -> (Asks, mpsc::Receiver<Ask>) {
    let (asks, asked) = mpsc::channel(1);
    (Asks(asks), asked)
}

/// Starts to answer with the lines of stdin. Nothing is read before somebody asks.
///
/// # Errors
/// `io` if the system refuses a thread.
pub(crate) fn serve() -> Result<Asks> {
    let (asks, mut asked) = channel();
    let answer = move || {
        let most = Limits::default().value_bytes;
        let mut lines = Lines { input: io::stdin().lock(), most, is_inside: false };
        let mut unwanted = None;
        while let Some(ask) = asked.blocking_recv() {
            if ask.is_closed() {
                continue;
            }
            let line = unwanted.take().unwrap_or_else(|| lines.next());
            // Who asked may be gone meanwhile.
            unwanted = ask.send(line).err();
        }
    };
    std::thread::Builder::new().name("calog-stdin".into()).spawn(answer)?;
    Ok(asks)
}

/// The lines of `input`.
struct Lines<R> {
    input: R,
    /// How long a line may be.
    most: usize,
    /// A line was too long, and the rest of it still comes.
    is_inside: bool,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Line {
        while self.is_inside {
            let rest = self.input.fill_buf()?;
            let end = rest.iter().position(|byte| *byte == b'\n');
            self.is_inside = end.is_none() && !rest.is_empty();
            let skipped = end.map_or(rest.len(), |end| end + 1);
            self.input.consume(skipped);
        }
        // With its end.
        let most = self.most.saturating_add(2);
        let mut line = Vec::new();
        let read = self.input.by_ref().take(most as u64).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        self.is_inside = line.pop_if(|last| *last == b'\n').is_none();
        if !self.is_inside {
            line.pop_if(|last| *last == b'\r');
        }
        if line.len() > self.most {
            let message = format!("a line of stdin has more than {} bytes", self.most);
            return Err(Error::new(ErrorKind::Range, message));
        }
        // The last line may have no end.
        self.is_inside = false;
        Ok(Some(line.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `text`, of which one may have 5 bytes; `?` stands for one that is too long.
    fn lines(text: &[u8], buffer: usize) -> Vec<String> {
        let input = io::BufReader::with_capacity(buffer, text);
        let mut lines = Lines { input, most: 5, is_inside: false };
        let next = || match lines.next() {
            Ok(line) => line.map(|line| String::from_utf8_lossy(&line).into_owned()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Range);
                Some("?".into())
            }
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn lines_have_no_ends() {
        for buffer in [1, 3, 100] {
            assert_eq!(lines(b"", buffer), [""; 0]);
            assert_eq!(lines(b"\n", buffer), [""]);
            assert_eq!(lines(b"a\n\nb\r\n c", buffer), ["a", "", "b", " c"]);
            assert_eq!(lines(b"a\rb\r\r\n\xff", buffer), ["a\rb\r", "\u{fffd}"]);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_an_error_once() {
        for buffer in [1, 3, 100] {
            assert_eq!(lines(b"12345\n12345\r\n12345", buffer), ["12345"; 3]);
            assert_eq!(lines(b"123456\nb\n", buffer), ["?", "b"]);
            assert_eq!(lines(b"123456789012345\n\nb", buffer), ["?", "", "b"]);
            assert_eq!(lines(b"a\n1234567", buffer), ["a", "?"]);
        }
    }
}
