//! The lines of scripts, for the report of an error.

use crate::text::{clean, shorten};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// How long a line is shown; a longer one is cut.
const WIDTH: usize = 120;

/// How far into a file a line is looked for: no script is longer, and a report must not take long.
const MAX_BYTES: u64 = 16 << 20;

/// Finds lines by the name of their script.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// What was typed in this session, by the name that it was given.
    typed: Vec<(String, String)>,
}

/// How many inputs of a session are kept to show lines of.
const MAX_TYPED: usize = 1000;

impl Sources {
    /// Remembers what was typed under `name`.
    pub(crate) fn typed(&mut self, name: &str, text: &str) {
        if self.typed.len() == MAX_TYPED {
            self.typed.remove(0);
        }
        self.typed.push((name.to_string(), text.to_string()));
    }

    /// Line `number` (from 1) of `script`, without the space around it, fit for a terminal. `None`
    /// if there is none, or an empty one.
    pub(crate) fn line(&self, script: &str, number: u32) -> Option<String> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let typed = self.typed.iter().rev().find(|(name, _)| name == script);
        let line = match typed {
            Some((_, text)) => text.lines().nth(index)?.to_string(),
            None => read(Path::new(script), index)?,
        };
        let line = line.trim();
        (!line.is_empty()).then(|| shorten(&clean(line), WIDTH))
    }
}

/// The line at `index` of a script file.
fn read(path: &Path, index: usize) -> Option<String> {
    // A script may give its parts any name, a pipe's or a device's, which would not end.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let file = BufReader::new(File::open(path).ok()?.take(MAX_BYTES));
    let line = file.split(b'\n').nth(index)?.ok()?;
    Some(String::from_utf8_lossy(&line).into_owned())
}
