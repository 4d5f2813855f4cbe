//! One run of a case: a broker of its own, one context for each role, and what they print.

use crate::{
    cases::{Case, Part},
    difference::difference,
    host::Stage,
};
use calog::{Broker, Limits, Permissions, Result};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// How long one run may take: far longer than it does on a slow machine. Nothing else here depends
/// on time.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// How many calls deep a chain may go; the case of the depth limit prints it.
const DEPTH: u32 = 128;

/// What each context may hold: little, so that the case of that limit reaches it soon.
const MEMORY: usize = 8 << 20;

/// The variables of the environment that scripts may see: one that is set everywhere, and one that
/// nobody sets.
const VARIABLES: [&str; 2] = ["PATH", "CALOG_KIT_UNSET"];

/// What every context of a run may reach: its own machine, and a folder that nobody else has.
fn permissions(folder: &Path) -> Result<Permissions> {
    let permissions = Permissions::none()
        .allow_net("127.0.0.1")?
        .allow_net(&format!("unix:{}", folder.display()))?
        .allow_read(folder)
        .allow_write(folder);
    Ok(VARIABLES.into_iter().fold(permissions, Permissions::allow_env))
}

/// What was printed, by all contexts in one order.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<String>>);

impl Output {
    fn line(&self, line: &str) {
        let mut text = self.0.lock().unwrap();
        text.push_str(line);
        text.push('\n');
    }
}

/// Runs `case` with this cast; says what is wrong, if anything is.
pub(crate) async fn check(case: &Case, cast: &[Part], workers: usize) -> Option<String> {
    let output = Output::default();
    // Whatever ends a run badly becomes a line of its output, so that the difference shows how far
    // it came.
    match tokio::time::timeout(TIMEOUT, run(cast, workers, &output)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => output.line(&format!("FAILED: {error:?}")),
        Err(_) => output.line("HANGS"),
    }
    let got = output.0.lock().unwrap();
    let difference = difference(&case.expected, &got)?;
    let parts: Vec<_> =
        cast.iter().map(|part| format!("{} in {}", part.role, part.language)).collect();
    let s = if workers == 1 { "" } else { "s" };
    Some(format!("{}: {}, {workers} worker{s}\n{difference}", case.name, parts.join(", ")))
}

async fn run(cast: &[Part], workers: usize, output: &Output) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let permissions = permissions(folder.path())?;
    let stage = Stage::default();
    let (printed, failed) = (output.clone(), output.clone());
    let broker = stage
        .natives(Broker::builder())
        .data("host.folder", folder.path().display().to_string())
        .workers(workers)
        .limits(Limits::default().depth(DEPTH).memory_bytes(MEMORY))
        .output(move |_, line| printed.line(&String::from_utf8_lossy(line)))
        .on_failure(move |failure| {
            failed.line(&format!("FAILURE in {}: {:?}", failure.context, failure.error));
        })
        .build()?;
    // Neighbours get different workers, if there are several.
    for (index, part) in cast.iter().enumerate() {
        let open = broker.load(&part.script).name(part.role).worker(index % workers);
        let context = open.permissions(permissions.clone()).await;
        // The natives hold the contexts, and the broker holds the natives: a run leaves no circle.
        stage.enter(context.inspect_err(|_| stage.clear())?);
    }
    stage.clear();
    broker.shutdown(TIMEOUT).await
}
