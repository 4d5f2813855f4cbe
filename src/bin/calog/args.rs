//! The command line, as clap reads it and as `--help` explains it.

use crate::units;
use calog::Permissions;
use clap::{Args, Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf, time::Duration};

const EXAMPLES: &str = "\
Examples:
  calog run hello.lua                    run one script
  calog run prices.lua main              a module, then the main script (main.lua)
  calog run main.lua -- --fast 42        args is {\"--fast\", \"42\"}
  calog run --allow-read=data --deadline 2s --memory 16MiB report.lua
  calog repl                             try things out, line by line

'calog run --help' tells what a script sees.";

const SCRIPT: &str = "\
One broker runs all scripts, each in a context of its own, in the language that its extension names.
All but the last are modules: they run in order, each to its end, and offer what the later ones use.
The last is the main script. When it has ended and no timer or promise is under way, the program
ends.

What every script sees, in every language:
  expose(name, value)    offer a function, or data, to all scripts under a name
  NAME                   what any script offers is a global of its name
  call(f, ...)           call a function value, or whatever has the name f
  print(...)             write a line to stdout
  args                   the list of what follows -- on the command line
  exit([code])           end the program at once, with code 0 to 255 (default 0)
  timer.sleep(ms)        wait; timer.after(ms, f) and timer.every(ms, f) call back
  net.connect(host, port), net.listen, net.send, net.recv, ...     sockets, where --allow-net permits
  http.get(url), http.serve(address, handler), ...                 the same for HTTP
  fs.read(path), fs.write, ...   files, where --allow-read and --allow-write permit it
  env.get(name)          where --allow-env permits it
  json.decode(text), text.decode(bytes), time.now(), ...
All of them are in docs/natives.md.
A HOST of --allow-net is an address, a net (10.0.0.0/8), a name (example.com, *.example.com: public
addresses only), localhost, or *; a Unix socket is unix:PATH.
In JavaScript, f.async(...) calls without waiting and gives a promise; what the script exports with
`export` is offered too; console and setTimeout are there.
In BASIC the case of names does not count (FS.READ is fs.read), and INPUT reads a line of stdin.

Exit code: 0, or that of exit(code); 1 if a script fails or meets a limit; 2 for bad usage;
130 after Ctrl-C, which closes in order (a second one ends at once).

Examples:
  # greet.lua                            // main.js
  expose('greet', function(name)         console.log(greet(args[0] ?? 'world'))
    return 'hello ' .. name
  end)

  calog run greet.lua main.js -- Ada     prints: hello Ada
  calog run --deadline 500ms --memory 64MiB untrusted.lua
  calog run --allow-read=data,config.txt main.lua";

const REPL: &str = "\
What is typed is an expression, whose value is shown, or a statement. What is not complete goes on in
the next line, until it is complete or an empty line ends it. What is local to an input ends with it.

  :lua        switch to a language (:js, :basic); each has one context, opened when first used
  :engines    the languages          :names    what scripts see now
  :help       these commands         :quit     leave, as Ctrl-D does

Ctrl-C cancels what runs. What a script asks for (INPUT) is typed at the same terminal, or is the next
line of the pipe. From a pipe, lines are read without prompts:
  printf '1 + 1\\n' | calog repl";

const FIDELITY: &str = "\
A value that goes from one script to another leaves the one language and enters the other. For each
language there are two tables, whose rows are samples that the tests of calog hold:

  out of a script    the value of EXPRESSION, and what arrives outside
  into a script      a VALUE, and an expression that is true of what the script sees as v

Outside, a value is written so:
  nil  true  1 (an integer)  1.0 (a real)  \"text\"  \"\\xff\" (a string that is no text)  b\"hi\" (bytes)
  [1, 2] (a list)  {\"a\": 1} (a map)  [1]{\"a\": 2} (both in one)  Function(..)

STRICT   what becomes of it unless somebody chooses otherwise: what the other side lacks is an error
         of that KIND, written 'error: KIND'
LENIENT  the same in a call that prefers the nearest value to an error (calog run --lenient);
         'same' where it makes no difference

Examples:
  calog fidelity                         every language
  calog fidelity lua                     only Lua";

/// Run scripts in several languages as one program.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scripts as one program; the last one is the main script
    #[command(after_help = SCRIPT)]
    Run(Run),
    /// Evaluate what is typed, in any of the languages
    #[command(after_help = REPL)]
    Repl(Repl),
    /// List the languages and their file extensions
    Engines,
    /// Tell how values cross from one language to another
    #[command(after_help = FIDELITY)]
    Fidelity(Fidelity),
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) options: Options,
    /// The script files, the main script last; the extension may be left out
    #[arg(required = true, value_name = "SCRIPT")]
    pub(crate) scripts: Vec<PathBuf>,
    /// What the scripts find in `args`
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct Repl {
    #[command(flatten)]
    pub(crate) options: Options,
    /// The language to begin with [default: the first that 'calog engines' lists]
    #[arg(long, value_name = "ENGINE")]
    pub(crate) lang: Option<String>,
    /// Do not keep what was typed for the next session
    #[arg(long)]
    pub(crate) no_history: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Fidelity {
    /// Only this language, as 'calog engines' names it
    #[arg(value_name = "LANGUAGE")]
    pub(crate) language: Option<String>,
}

/// What both ways to run scripts have in common.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Let scripts read below this folder, or this file; may be repeated, or a list with commas
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    pub(crate) allow_read: Vec<PathBuf>,
    /// Let scripts write below this folder, or this file; may be repeated, or a list with commas
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    pub(crate) allow_write: Vec<PathBuf>,
    /// Let scripts connect to and listen on these, a list with commas; without a value, on all
    #[arg(long, value_name = "HOST[:PORT]", value_delimiter = ',', num_args = 0..=1,
          value_parser = grant, require_equals = true, default_missing_value = "*")]
    pub(crate) allow_net: Vec<String>,
    /// Let scripts read these environment variables, a list with commas; without a value, all
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 0..=1,
          require_equals = true, default_missing_value = "*")]
    pub(crate) allow_env: Vec<String>,
    /// How long each call into a script may take, its top level included (500ms, 2s, 1m)
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) deadline: Option<Duration>,
    /// How much memory each script may hold (64MiB, 1GB, or a number of bytes) [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = units::bytes)]
    pub(crate) memory: Option<usize>,
    /// How many threads run the scripts [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// Convert a value that another language lacks by the nearest rule, where it would be an error
    #[arg(long)]
    pub(crate) lenient: bool,
}

/// A grant, if it is one.
fn grant(text: &str) -> calog::Result<String> {
    Permissions::none().allow_net(text).map(|_| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_grant_without_a_value_is_for_all() {
        let line = ["calog", "run", "--allow-net", "--allow-env=A,B", "--allow-net=::1", "x"];
        let Command::Run(run) = Cli::try_parse_from(line).unwrap().command else { panic!() };
        assert_eq!(run.options.allow_net, ["*", "::1"]);
        assert_eq!(run.options.allow_env, ["A", "B"]);
        assert_eq!(run.scripts, [PathBuf::from("x")]);
    }

    #[test]
    fn a_list_with_commas_is_several_folders() {
        let line = ["calog", "run", "--allow-read=a,b", "--allow-read", "c", "x", "--", "-v", "y"];
        let Command::Run(run) = Cli::try_parse_from(line).unwrap().command else { panic!() };
        assert_eq!(run.options.allow_read, ["a", "b", "c"].map(PathBuf::from));
        assert_eq!(run.scripts, [PathBuf::from("x")]);
        assert_eq!(run.args, ["-v", "y"]);
    }
}
