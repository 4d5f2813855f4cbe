//! `calog run`: scripts as one program.

use crate::{
    args::Run,
    setup::Setup,
    stdin,
    stop::{self, INTERRUPTED},
};
use calog::{Error, Frame, Result};
use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

/// Runs the scripts in order, and returns the exit code.
///
/// # Errors
/// What a script raises, or what keeps it from being loaded.
pub(crate) fn run(Run { options, scripts, args }: Run) -> Result<u8> {
    let setup = Setup::new(&options, args, stdin::serve()?)?;
    let runtime = Setup::runtime()?;
    let result = runtime.block_on(async {
        let result = tokio::select! {
            // What ends the program counts before what comes of that.
            biased;
            code = setup.stop.requested() => Ok(code),
            () = stop::interrupt() => Ok(INTERRUPTED),
            result = load(&setup, &scripts) => result.map(|()| u8::from(setup.failures.any())),
        };
        // A script that has ended may have wished for it while its end was on the way here.
        let result = setup.stop.code().map_or(result, Ok);
        if stop::close(&setup.broker).await { Ok(INTERRUPTED) } else { result }
    });
    if result.is_err() && io::stdout().is_terminal() {
        // The report begins its own line.
        setup.stdout.end_line();
    }
    // A native that blocks may still be at work; the process does not wait for it.
    runtime.shutdown_background();
    result
}

/// Loads one script after the other: each top level runs to its end. Then waits for what they have
/// left to do: timers, promises.
async fn load(setup: &Setup, scripts: &[PathBuf]) -> Result<()> {
    for script in scripts {
        let open = setup.permitted(setup.broker.load(script));
        open.await.map_err(|error| placed(error, setup, script))?;
    }
    setup.broker.settled().await;
    Ok(())
}

/// An error that says nowhere where it happened (`timeout`, `memory`) gets the script as its place.
fn placed(error: Error, setup: &Setup, script: &Path) -> Error {
    let shown = script.display().to_string();
    if !error.trace().is_empty() || error.message().contains(&shown) {
        return error;
    }
    let extension = script.extension().and_then(|extension| extension.to_str());
    let knows = |extensions: &[&str]| match extension {
        Some(one) => extensions.contains(&one),
        None => extensions.iter().any(|one| script.with_extension(one).is_file()),
    };
    let mut engines = setup.broker.engines();
    let language = engines.find(|(_, extensions)| knows(extensions)).map_or("", |(name, _)| name);
    error.called_from(vec![Frame::script(language, shown)])
}
