//! What `run` and `repl` have in common: the broker that the options ask for.

use crate::{
    args::Options,
    report::Reporter,
    stop::{self, Stop},
};
use bytes::Bytes;
use calog::{Broker, Error, ErrorKind, Fidelity, Limits, Open, Permissions, Result, Value};
use std::{
    ffi::OsString,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::runtime::{self, Runtime};

/// Has something failed that no script waited for? It has been printed.
#[derive(Clone, Default)]
pub(crate) struct Failures(Arc<AtomicBool>);

impl Failures {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A broker with the natives of the program, and what its contexts are opened with.
pub(crate) struct Setup {
    pub(crate) broker: Broker,
    pub(crate) stop: Stop,
    pub(crate) failures: Failures,
    permissions: Permissions,
}

impl Setup {
    /// The broker for `options`, whose scripts see `args`.
    ///
    /// # Errors
    /// `io` if the system refuses threads.
    pub(crate) fn new(options: Options, args: Vec<OsString>) -> Result<Self> {
        let stop = Stop::default();
        let mut limits = Limits::default().deadline(options.deadline);
        if let Some(memory) = options.memory {
            limits = limits.memory_bytes(memory);
        }
        let fidelity = if options.lenient { Fidelity::Lenient } else { Fidelity::Strict };
        let (exit, output) = (stop.clone(), stop.clone());
        let failures = Failures::default();
        let failed = failures.clone();
        let mut builder = Broker::builder()
            .native_async("exit", move |code: Option<i64>| exit.clone().exit(code))
            .data("args", Value::list(args.into_iter().map(to_bytes)))
            // After `exit`, nothing of the scripts counts, though some may run a moment longer.
            .output(move |_context, line| {
                if output.code().is_none() {
                    print(line, &output);
                }
            })
            .on_failure(move |failure| {
                failed.set();
                Reporter::stderr().print(&failure.error);
            })
            .limits(limits)
            .fidelity(fidelity);
        if let Some(workers) = options.workers {
            builder = builder.workers(workers.into());
        }
        let allow = |all: Permissions, path| all.allow_read(path);
        let permissions = options.allow_read.into_iter().fold(Permissions::none(), allow);
        Ok(Self { broker: builder.build()?, stop, failures, permissions })
    }

    /// `open` with what the options allow.
    pub(crate) fn permitted(&self, open: Open) -> Open {
        open.permissions(self.permissions.clone())
    }

    /// The runtime of the host's side. One thread does: scripts run on the workers of the broker.
    ///
    /// # Errors
    /// `io` if the system refuses it.
    pub(crate) fn runtime() -> Result<Runtime> {
        Ok(runtime::Builder::new_current_thread().enable_all().build()?)
    }
}

/// An argument as scripts get it: its bytes, which need not be UTF-8.
fn to_bytes(arg: OsString) -> Bytes {
    #[cfg(unix)]
    return Bytes::from(std::os::unix::ffi::OsStringExt::into_vec(arg));
    #[cfg(not(unix))]
    return Bytes::from(arg.to_string_lossy().into_owned());
}

/// Writes one line to stdout and flushes it. When that fails, the program ends: quietly if nobody
/// reads it any more, as programs do that do not ignore SIGPIPE, else with an error.
pub(crate) fn print(line: &[u8], stop: &Stop) {
    let mut out = io::stdout().lock();
    let written =
        out.write_all(line).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            stop.request(stop::BROKEN_PIPE);
        }
        Err(error) => {
            if stop.request(1) {
                let message = format!("stdout: {error}");
                Reporter::stderr().print(&Error::new(ErrorKind::Io, message));
            }
        }
    }
}
