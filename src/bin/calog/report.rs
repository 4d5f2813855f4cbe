//! How an error is shown to people.

use crate::{
    pretty,
    sources::Sources,
    text::{clean, shorten, shorten_left},
};
use calog::{Aggregate, Error, ErrorKind, Frame, Key, Value};
use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

/// How many lines of a message, and how many characters of each, are shown.
const MAX_LINES: usize = 20;
const MAX_CHARS: usize = 1000;

/// How many frames are shown from each end of a long trace: where it began, and where it failed.
const MAX_FRAMES: usize = 12;

/// How many characters of a path are shown: its end.
const MAX_PATH: usize = 80;

/// Writes errors to stderr.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    colour: bool,
    pub(crate) sources: Sources,
}

impl Reporter {
    /// A reporter for stderr: with colours if that is a terminal and nobody forbids them
    /// (<https://no-color.org>).
    pub(crate) fn stderr() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = io::stderr().is_terminal() && !set("NO_COLOR") && !dumb;
        Self { colour, sources: Sources::default() }
    }

    /// Writes `error` to stderr.
    pub(crate) fn print(&self, error: &Error) {
        // If stderr is closed, there is nowhere to say so.
        let _ = io::stderr().write_all(self.render(error).as_bytes());
    }

    /// `error: KIND: MESSAGE`, the payload if there is one, then the trace with its lines. What the
    /// language calls the error (`TypeError`), if it does, stands before the message.
    fn render(&self, error: &Error) -> String {
        let (name, payload) = named(error.payload());
        let mut out = format!("{} {}: ", self.paint("1;31", "error:"), error.kind());
        if let Some(name) = name {
            let _ = write!(out, "{}: ", shorten(&clean(&name), MAX_CHARS));
        }
        let mut lines = error.message().lines();
        out += &shorten(&clean(lines.next().unwrap_or_default()), MAX_CHARS);
        out.push('\n');
        for (index, line) in lines.enumerate() {
            // Indented, so that no message can pass for a report of its own.
            let line = if index < MAX_LINES { line } else { "…" };
            let _ = writeln!(out, "    {}", shorten(&clean(line), MAX_CHARS));
            if index == MAX_LINES {
                break;
            }
        }
        // What a `load` error carries is for those who could add to the text.
        if !payload.is_nil() && error.kind() != ErrorKind::Load {
            let payload = pretty::line(&payload);
            let _ = writeln!(out, "{} {payload}", self.paint("1", "payload:"));
        }
        self.trace(error.trace(), &mut out);
        if let Some((script, number)) = unplaced(error)
            && let Some(line) = self.sources.line(script, number)
        {
            let _ = writeln!(out, "    {}", self.paint("2", &format!("| {line}")));
        }
        out
    }

    fn trace(&self, frames: &[Frame], out: &mut String) {
        // A frame that follows itself, by recursion, is shown once.
        let frames: Vec<_> = frames.chunk_by(PartialEq::eq).collect();
        let (head, skipped, tail) = ends(&frames);
        let rows: Vec<_> = head.iter().chain(tail).filter_map(|same| Row::new(same)).collect();
        let width = |of: fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or_default();
        let language = width(|row| row.language.chars().count());
        let place = width(|row| row.place.chars().count());
        for (index, row) in rows.iter().enumerate() {
            if skipped > 0 && index == head.len() {
                let _ = writeln!(out, "  … {skipped} more …");
            }
            let text =
                format!("{:language$}  {:place$}  {}", row.language, row.place, row.function);
            let _ = writeln!(out, "  {}", text.trim_end());
            if let Some((script, number)) = row.line
                && let Some(line) = self.sources.line(script, number)
            {
                let line = self.paint("2", &format!("| {line}"));
                let _ = writeln!(out, "  {:language$}    {line}", "");
            }
        }
    }

    /// `text` in a colour, where colours are shown.
    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// What an error is called by its payload, and the rest of that.
fn named(payload: &Value) -> (Option<String>, Value) {
    let name = payload.as_aggregate().and_then(|map| map.get_str("name")?.as_str());
    let (Some(name), Some(map)) = (name, payload.as_aggregate()) else {
        return (None, payload.clone());
    };
    let rest = map.pairs().filter(|(key, _)| **key != Key::from("name"));
    let rest = Aggregate::map(rest.map(|(key, value)| (key.clone(), value.clone())));
    let rest = if rest.is_empty() { Value::Nil } else { rest.into() };
    (Some(name.to_string()), rest)
}

/// One frame in columns.
struct Row<'a> {
    language: String,
    place: String,
    function: String,
    /// Where the line is, if it is known.
    line: Option<(&'a str, u32)>,
}

impl<'a> Row<'a> {
    /// The row for frames that are all the same.
    fn new(same: &'a [Frame]) -> Option<Self> {
        let frame = same.first()?;
        let name = frame.function.as_deref().map(|name| shorten(&clean(name), MAX_PATH));
        // `=` tells that the script is no file; people need not know.
        let script = frame.script.strip_prefix('=').unwrap_or(&frame.script);
        let mut place = shorten_left(&clean(script), MAX_PATH);
        if let Some(line) = frame.line {
            let _ = write!(place, ":{line}");
        }
        let mut function = name.as_ref().map(|name| format!("in {name}")).unwrap_or_default();
        if script.is_empty() {
            // A native has no place but its name.
            (place, function) = (name.unwrap_or_default(), String::new());
        }
        if same.len() > 1 {
            let _ = write!(function, " ({} times)", same.len());
        }
        let language = shorten(&clean(&frame.language), MAX_PATH);
        let line = frame.line.map(|line| (frame.script.as_str(), line));
        Some(Self { language, place, function, line })
    }
}

/// The beginning and the end of `rows`, and how many are left out between.
fn ends<T>(rows: &[T]) -> (&[T], usize, &[T]) {
    if rows.len() <= 2 * MAX_FRAMES {
        return (rows, 0, &[]);
    }
    let (head, rest) = rows.split_at(MAX_FRAMES);
    let (skipped, tail) = rest.split_at(rest.len() - MAX_FRAMES);
    (head, skipped.len(), tail)
}

/// The place that the message begins with (`main.lua:3: ...`), if no frame of the trace tells one:
/// what could not even be read has no frames.
fn unplaced(error: &Error) -> Option<(&str, u32)> {
    if error.trace().iter().any(|frame| frame.line.is_some()) {
        return None;
    }
    error.message().match_indices(':').find_map(|(at, _)| {
        let (line, _) = error.message()[at + 1..].split_once(':')?;
        Some((&error.message()[..at], line.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use calog::{ErrorKind, Value};

    fn render(error: &Error) -> String {
        Reporter::default().render(error)
    }

    #[test]
    fn frames_are_aligned() {
        let frames = vec![
            Frame::script("lua", "no/such/main.lua").line(12),
            Frame::script("javascript", "a.js").line(3).function("f"),
            Frame::native("fs.read"),
        ];
        let error = Error::new(ErrorKind::Denied, "no").called_from(frames);
        let text = "\
error: denied: no
  lua         no/such/main.lua:12
  javascript  a.js:3               in f
  native      fs.read
";
        assert_eq!(render(&error), text);
    }

    #[test]
    fn recursion_is_shown_in_short() {
        let frame = |line| Frame::script("lua", "x.lua").line(line).function("f");
        let error = Error::raised("deep").called_from(vec![frame(1); 50]);
        assert_eq!(render(&error), "error: raised: deep\n  lua  x.lua:1  in f (50 times)\n");
        let error = Error::raised("deep").called_from((1..=100).map(frame).collect());
        let text = render(&error);
        assert!(
            text.contains("x.lua:12   in f\n  … 76 more …\n  lua  x.lua:89   in f\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 26);
    }

    #[test]
    fn a_message_cannot_pass_for_another_report() {
        let text = render(&Error::raised("a\nerror: b\r\x1b[2J").with_payload(Value::list([1, 2])));
        assert_eq!(text, "error: raised: a\n    error: b\\r\\u{1b}[2J\npayload: {1, 2}\n");
        let text = render(&Error::raised("x\n".repeat(1000) + &"y".repeat(1 << 20)));
        assert_eq!(text.lines().count(), 22);
        let text = render(&Error::raised("y".repeat(1 << 20)));
        assert!(text.len() < 1100);
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        let plain = Reporter::default().paint("1", "x");
        let coloured = Reporter { colour: true, ..Reporter::default() }.paint("1", "x");
        assert_eq!((plain.as_str(), coloured.as_str()), ("x", "\x1b[1mx\x1b[0m"));
    }
}
