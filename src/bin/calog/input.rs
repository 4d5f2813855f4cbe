//! Where the lines of a session come from: a person at a terminal, or a pipe.

use crate::stop;
use calog::{Error, ErrorKind, Result};
use rustyline::{Config, DefaultEditor, error::ReadlineError};
use std::{
    io::{self, BufRead, IsTerminal},
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
    Terminal { editor: Box<DefaultEditor>, history: Option<PathBuf> },
    Pipe(mpsc::Receiver<io::Result<Vec<u8>>>),
}

impl Input {
    /// Stdin, with a history of earlier sessions if that is wanted and there is a place for it.
    ///
    /// # Errors
    /// `io` if the system does not let it be read.
    pub(crate) fn stdin(keep_history: bool) -> Result<Self> {
        if !io::stdin().is_terminal() {
            return Ok(Self::Pipe(pipe()?));
        }
        let config = Config::builder().max_history_size(HISTORY).map_err(failed)?.build();
        let mut editor = Box::new(DefaultEditor::with_config(config).map_err(failed)?);
        let history = keep_history.then(history_file).flatten();
        if let Some(path) = &history {
            // There is none before the first session; and without one, a session works too.
            let _ = editor.load_history(path);
        }
        Ok(Self::Terminal { editor, history })
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
            Self::Terminal { editor, .. } => match editor.readline(prompt) {
                Ok(line) => Ok(Event::Line(line)),
                Err(ReadlineError::Eof) => Ok(Event::End),
                Err(ReadlineError::Interrupted) => Ok(Event::Interrupted),
                Err(error) => Err(failed(error)),
            },
            Self::Pipe(lines) => runtime.block_on(async {
                tokio::select! {
                    () = stop::interrupt() => Ok(Event::Interrupted),
                    line = lines.recv() => line.map_or(Ok(Event::End), |line| {
                        let not_text = |_| Error::new(ErrorKind::Load, "the line is not UTF-8");
                        String::from_utf8(line?).map(Event::Line).map_err(not_text)
                    }),
                }
            }),
        }
    }

    /// Puts `text` into the history, in which a person goes back with the arrow keys.
    pub(crate) fn remember(&mut self, text: &str) {
        if let Self::Terminal { editor, history } = self {
            let _ = editor.add_history_entry(text);
            // At once, since a session may end in any way. If it fails, only the next one misses
            // it.
            if let Some(path) = history {
                let _ = editor.append_history(path);
            }
        }
    }
}

/// Lines of stdin, read by a thread of their own: so that Ctrl-C is heard meanwhile.
fn pipe() -> Result<mpsc::Receiver<io::Result<Vec<u8>>>> {
    let (sender, lines) = mpsc::channel(1);
    let read = move || {
        for line in io::stdin().lock().split(b'\n') {
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new().name("calog-stdin".into()).spawn(read)?;
    Ok(lines)
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
