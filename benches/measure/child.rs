//! The baselines that need mlua's `send`: a program of its own (`benches/baselines/`), which is built
//! when it is first asked, and makes its rounds when it is told to.

use super::Side;
use std::{
    cell::RefCell,
    env::consts::EXE_EXTENSION,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    rc::Rc,
    time::Duration,
};

pub struct Baselines {
    child: Child,
    /// Taken when it shall end.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Baselines {
    /// Builds and starts the program.
    ///
    /// # Errors
    /// What was tried, and why it failed.
    pub fn start() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (manifest, target) =
            (root.join("benches/baselines/Cargo.toml"), root.join("target/baselines"));
        eprintln!("building {} (a minute or two, once)", manifest.display());
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = Command::new(cargo);
        cargo.args(["build", "--quiet", "--release", "--locked"]);
        cargo.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(&target);
        match cargo.status() {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("{cargo:?} failed: {status}")),
            Err(error) => return Err(format!("{cargo:?} cannot be run: {error}")),
        }
        let program = target.join("release/calog-baselines").with_extension(EXE_EXTENSION);
        let started = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child =
            started.map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
        let (requests, answers) = (child.stdin.take(), child.stdout.take().unwrap());
        Ok(Self { child, requests, answers: BufReader::new(answers) })
    }

    fn round(&mut self, kind: &str, contexts: usize, callers: usize, calls: u64) -> Duration {
        let requests = self.requests.as_mut().unwrap();
        writeln!(requests, "{kind} {contexts} {callers} {calls}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        Duration::from_nanos(answer.trim().parse().expect("the baselines have ended"))
    }
}

/// The side that this program is.
pub fn side(
    baselines: &Rc<RefCell<Baselines>>,
    kind: &'static str,
    contexts: usize,
    callers: usize,
) -> Side {
    let baselines = baselines.clone();
    Side::untimed(move |n| baselines.borrow_mut().round(kind, contexts, callers, n))
}

impl Drop for Baselines {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}
