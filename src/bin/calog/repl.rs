//! `calog repl`: one session, several languages.

use crate::{
    args::Repl,
    input::{Event, Input},
    pretty,
    report::Reporter,
    setup::Setup,
    stop::{self, INTERRUPTED},
};
use calog::{Context, Error, ErrorKind, Result, Value};
use std::{collections::HashMap, pin::pin};
use tokio::runtime::Runtime;

const HELP: &str = "\
:LANGUAGE   switch to a language (:engines lists them)
:engines    the languages
:names      what scripts see now: natives and what was offered with expose
:help       this
:quit       leave, as Ctrl-D does
Anything else is an expression, whose value is shown, or a statement. If it is not complete, it goes on
in the next line; an empty line ends it. What is local to an input ends with it. Ctrl-C cancels.";

/// Runs a session to its end, and returns the exit code.
///
/// # Errors
/// `not_found` if there is no such language; what keeps the session from starting.
pub(crate) fn run(Repl { options, lang, no_history }: Repl) -> Result<u8> {
    let (input, asks) = Input::stdin(!no_history)?;
    let setup = Setup::new(&options, Vec::new(), asks)?;
    let runtime = Setup::runtime()?;
    let mut session = Session {
        input,
        reporter: Reporter::stderr(),
        contexts: HashMap::new(),
        language: first_language(&setup, lang)?,
        inputs: 0,
        setup,
    };
    let result = session.serve(&runtime);
    let interrupted = runtime.block_on(stop::close(&session.setup.broker));
    // A native that blocks may still be at work; the process does not wait for it.
    runtime.shutdown_background();
    if interrupted { Ok(INTERRUPTED) } else { result }
}

fn first_language(setup: &Setup, wanted: Option<String>) -> Result<String> {
    let mut names = setup.broker.engines().map(|(name, _)| name);
    let found = match &wanted {
        Some(wanted) => names.find(|name| name == wanted),
        None => names.next(),
    };
    found.map(str::to_string).ok_or_else(|| {
        let message = match wanted {
            Some(wanted) => {
                format!("no language is called `{wanted}`; `calog engines` lists them")
            }
            None => "this program was built without any language".into(),
        };
        Error::new(ErrorKind::NotFound, message)
    })
}

struct Session {
    setup: Setup,
    input: Input,
    reporter: Reporter,
    /// One for each language that was used.
    contexts: HashMap<String, Context>,
    language: String,
    /// How many inputs were evaluated: each is named by its number, which errors tell.
    inputs: usize,
}

/// How the session goes on.
enum Next {
    /// With the next input.
    Input,
    /// With one more line of the same input.
    Line,
    /// Not at all: it ends with this exit code.
    End(u8),
}

impl Session {
    /// Reads and evaluates until the end, and returns the exit code.
    fn serve(&mut self, runtime: &Runtime) -> Result<u8> {
        if self.input.is_terminal() {
            self.show(concat!("calog ", env!("CARGO_PKG_VERSION"), ", :help for help"));
        }
        // What was typed and is not complete yet.
        let mut text = String::new();
        loop {
            let language = match text.is_empty() {
                true => self.language.clone(),
                false => ".".repeat(self.language.len()),
            };
            let next = match self.input.next(runtime, &format!("{language}> ")) {
                Ok(Event::Line(line)) => self.line(runtime, &mut text, &line),
                // At a terminal it clears what was typed; in a pipe there is nobody who would go
                // on.
                Ok(Event::Interrupted) if self.input.is_terminal() => Next::Input,
                Ok(Event::Interrupted) => Next::End(INTERRUPTED),
                // What is not complete never will be: it is evaluated for its error.
                Ok(Event::End) => match self.evaluate(runtime, &text, true) {
                    Next::End(code) => Next::End(code),
                    Next::Input | Next::Line => Next::End(0),
                },
                Err(error) if error.kind() == ErrorKind::Load => {
                    self.reporter.print(&error);
                    Next::Input
                }
                Err(error) => return Err(error),
            };
            if let Some(code) = self.setup.stop.code() {
                return Ok(code);
            }
            match next {
                Next::Line => {}
                Next::Input => text.clear(),
                Next::End(code) => return Ok(code),
            }
        }
    }

    /// Takes one line, which goes on where `text` ended.
    fn line(&mut self, runtime: &Runtime, text: &mut String, line: &str) -> Next {
        if text.is_empty() {
            // A label begins with `::` in some languages.
            let command = line.trim().strip_prefix(':').filter(|rest| !rest.starts_with(':'));
            if let Some(command) = command {
                self.input.remember(line);
                return self.command(command.trim());
            }
        } else {
            text.push('\n');
        }
        // Only a person can be stuck in an input that never gets complete. In a pipe, an empty line
        // is one like any other, inside of a function say.
        let is_last = self.input.is_terminal() && line.trim().is_empty();
        text.push_str(line);
        self.evaluate(runtime, text, is_last)
    }

    fn command(&mut self, command: &str) -> Next {
        match command {
            "help" => self.show(HELP),
            "quit" => return Next::End(0),
            "names" => self.show(&self.setup.broker.names().join("\n")),
            "engines" => {
                let engines: Vec<_> = self.setup.broker.engines().map(|(name, _)| name).collect();
                self.show(&engines.join("\n"));
            }
            _ if self.setup.broker.engines().any(|(name, _)| name == command) => {
                self.language = command.to_string();
            }
            _ => {
                let message = format!("no command `:{command}`; :help lists them");
                self.reporter.print(&Error::new(ErrorKind::NotFound, message));
            }
        }
        Next::Input
    }

    /// Evaluates `text` and shows what comes of it. If it is not complete, and not the last, it
    /// asks for one more line.
    fn evaluate(&mut self, runtime: &Runtime, text: &str, is_last: bool) -> Next {
        if text.trim().is_empty() {
            return Next::Input;
        }
        let name = format!("input {}", self.inputs + 1);
        let Self { setup, input, contexts, language, .. } = self;
        let result = runtime.block_on(async {
            let mut attempt = pin!(attempt(setup, contexts, language, &name, text));
            loop {
                let is_interrupted = tokio::select! {
                    // What ends the session counts before what comes of that.
                    biased;
                    code = setup.stop.requested() => return Err(code),
                    // In a pipe there is nobody who would go on.
                    () = stop::interrupt() => match input.is_terminal() {
                        true => true,
                        false => return Err(INTERRUPTED),
                    },
                    result = &mut attempt => return Ok(result),
                    ask = input.asked() => !input.answer(ask, &setup.stdout.take_line()),
                };
                if is_interrupted {
                    // The call is dropped, which cancels it.
                    return Ok(Err(Error::new(ErrorKind::Cancelled, "Ctrl-C was pressed")));
                }
            }
        });
        let result = match result {
            Ok(Err(error)) if !is_last && is_incomplete(&error) => return Next::Line,
            Ok(result) => result,
            Err(code) => return Next::End(code),
        };
        self.inputs += 1;
        self.input.remember(text);
        self.reporter.sources.typed(&name, text);
        // What a script has printed without an end of line stands for itself.
        self.setup.stdout.end_line();
        match result {
            // A statement has no value; and a call that returns nothing need not say so.
            Ok(Value::Nil) => {}
            Ok(value) => self.show(&pretty::lines(&value)),
            Err(error) => self.reporter.print(&error),
        }
        Next::Input
    }

    fn show(&self, text: &str) {
        self.setup.stdout.print(text.as_bytes(), true);
    }
}

/// Evaluates `text` in the session's context of the language.
async fn attempt(
    setup: &Setup,
    contexts: &mut HashMap<String, Context>,
    language: &str,
    name: &str,
    text: &str,
) -> Result<Value> {
    let context = match contexts.get(language) {
        Some(context) => context.clone(),
        None => {
            let context = setup.permitted(setup.broker.open(language)).await?;
            contexts.insert(language.to_string(), context.clone());
            context
        }
    };
    // A name that is no file's begins with `=`.
    context.eval_as(&format!("={name}"), text).await
}

/// Could more lines make the input complete? An error of kind `load` that the input met while it ran
/// has come a longer way than one of the input itself.
fn is_incomplete(error: &Error) -> bool {
    let is_load = error.kind() == ErrorKind::Load && error.trace().len() <= 1;
    is_load && error.payload().as_str() == Some("incomplete")
}
