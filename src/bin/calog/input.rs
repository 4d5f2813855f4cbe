//! Where the lines of a session come from: a person at a terminal, or a pipe.

use crate::{
    stdin::{self, Ask, Asks},
    stop,
};
use calog::{Error, ErrorKind, Result};
use rustyline::{Config, DefaultEditor, error::ReadlineError};
use std::{
    future::pending,
    io::{self, IsTerminal},
    path::PathBuf,
};
use tokio::{runtime::Runtime, sync::mpsc};

/// How many inputs are kept for the next session.
const HISTORY: usize = 1000;

/// What comes next.
pub(crate) enum Event {
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the end of the pipe.
    End,
}

pub(crate) enum Input {
    /// `asked`: where scripts ask for lines that are to be typed.
    Terminal { editor: Box<DefaultEditor>, history: Option<PathBuf>, asked: mpsc::Receiver<Ask> },
    /// Scripts ask for lines where the session does.
    Pipe(Asks),
}

impl Input {
    /// Stdin, with a history of earlier sessions if that is wanted and there is a place for it; and
    /// where scripts ask for its lines.
    ///
    /// # Errors
    /// `io` if the system does not let it be read.
    pub(crate) fn stdin(keep_history: bool) -> Result<(Self, Asks)> {
        if !io::stdin().is_terminal() {
            let asks = stdin::serve()?;
            return Ok((Self::Pipe(asks.clone()), asks));
        }
        let config = Config::builder().max_history_size(HISTORY).map_err(failed)?.build();
        let mut editor = Box::new(DefaultEditor::with_config(config).map_err(failed)?);
        let history = keep_history.then(history_file).flatten();
        if let Some(path) = &history {
            // There is none before the first session; and without one, a session works too.
            let _ = editor.load_history(path);
        }
        let (asks, asked) = stdin::channel();
        Ok((Self::Terminal { editor, history, asked }, asks))
    }

    /// Is it a person who types?
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    /// The next line, asked for with `prompt` if somebody types it.
    ///
    /// # Errors
    /// `io` if it cannot be read, `load` if it is not UTF-8.
    pub(crate) fn next(&mut self, runtime: &Runtime, prompt: &str) -> Result<Event> {
        match self {
            Self::Terminal { editor, .. } => type_line(editor, prompt),
            Self::Pipe(lines) => runtime.block_on(async {
                tokio::select! {
                    () = stop::interrupt() => Ok(Event::Interrupted),
                    line = lines.line() => line?.map_or(Ok(Event::End), |line| {
                        let not_text = |_| Error::new(ErrorKind::Load, "the line is not UTF-8");
                        String::from_utf8(line.into()).map(Event::Line).map_err(not_text)
                    }),
                }
            }),
        }
    }

    /// A script asks for a line that somebody is to type.
    pub(crate) async fn asked(&mut self) -> Ask {
        if let Self::Terminal { asked, .. } = self {
            while let Some(ask) = asked.recv().await {
                // Who asked may have been ended before somebody looked.
                if !ask.is_closed() {
                    return ask;
                }
            }
        }
        pending().await
    }

    /// Has the line typed that a script asks for, in the line that begins with `prompt`. `false`:
    /// Ctrl-C was pressed instead.
    pub(crate) fn answer(&mut self, ask: Ask, prompt: &str) -> bool {
        let Self::Terminal { editor, .. } = self else { return true };
        let line = match type_line(editor, prompt) {
            Ok(Event::Line(line)) => Ok(Some(line.into())),
            Ok(Event::End) => Ok(None),
            Ok(Event::Interrupted) => return false,
            Err(error) => Err(error),
        };
        // If its script was ended meanwhile, nobody wants the line.
        let _ = ask.send(line);
        true
    }

    /// Puts `text` into the history, in which a person goes back with the arrow keys.
    pub(crate) fn remember(&mut self, text: &str) {
        if let Self::Terminal { editor, history, .. } = self {
            let _ = editor.add_history_entry(text);
            // At once, since a session may end in any way. If it fails, only the next one misses
            // it.
            if let Some(path) = history {
                let _ = editor.append_history(path);
            }
        }
    }
}

/// A line that somebody types.
fn type_line(editor: &mut DefaultEditor, prompt: &str) -> Result<Event> {
    match editor.readline(prompt) {
        Ok(line) => Ok(Event::Line(line)),
        Err(ReadlineError::Eof) => Ok(Event::End),
        Err(ReadlineError::Interrupted) => Ok(Event::Interrupted),
        Err(error) => Err(failed(error)),
    }
}

/// Where the history is kept, after the XDG base directory specification; `None` if the environment
/// names no place.
fn history_file() -> Option<PathBuf> {
    let absolute = |name| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let folder = state?.join("calog");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn failed(error: ReadlineError) -> Error {
    match error {
        ReadlineError::Io(error) => error.into(),
        error => Error::new(ErrorKind::Io, error.to_string()),
    }
}
