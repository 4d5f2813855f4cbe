//! The program `calog`: runs scripts of several languages as one program, or talks to them line by
//! line.
//!
//! It uses only the public face of the library, so it is also an example of a host.

mod args;
mod fidelity;
mod input;
mod pretty;
mod repl;
mod report;
mod run;
mod setup;
mod sources;
mod stdin;
mod stdout;
mod stop;
mod text;
mod units;

use args::{Cli, Command, Fidelity};
use calog::{Broker, Result};
use clap::{
    Parser,
    error::{ContextKind, ErrorKind as UsageKind},
};
use report::Reporter;
use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version come this way too, with exit code 0; bad usage has 2.
        Err(usage) => {
            // If the stream is closed, there is nowhere to say anything.
            let _ = usage.print();
            if let (UsageKind::InvalidSubcommand, Some(word)) =
                (usage.kind(), usage.get(ContextKind::InvalidSubcommand))
                && Path::new(&word.to_string()).exists()
            {
                let _ = writeln!(io::stderr(), "To run a script: calog run {word}");
            }
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        Command::Run(run) => run::run(run),
        Command::Repl(repl) => repl::run(repl),
        Command::Fidelity(Fidelity { language }) => tables(language.as_deref()),
        Command::Engines => engines(),
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        Reporter::stderr().print(&error);
        1
    }))
}

/// Lists the languages, each with the extensions of its files.
fn engines() -> Result<u8> {
    let broker = Broker::builder().workers(1).build()?;
    let mut list = String::new();
    for (name, extensions) in broker.engines() {
        list += &format!("{name:<12} .{}\n", extensions.join(" ."));
    }
    print(&list)
}

/// Tells how values cross into `language` and out of it, or into all languages.
fn tables(language: Option<&str>) -> Result<u8> {
    match fidelity::tables(language)? {
        Some(tables) => print(&tables),
        None => {
            let name = text::clean(language.unwrap_or_default());
            // If stderr is closed, there is nowhere to say so.
            let _ = writeln!(
                io::stderr(),
                "error: no language is called `{name}`; `calog engines` lists them"
            );
            Ok(2)
        }
    }
}

fn print(text: &str) -> Result<u8> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(stop::BROKEN_PIPE),
        result => result.map(|()| 0).map_err(Into::into),
    }
}
