//! What `run` and `repl` have in common: the broker that the options ask for.

use crate::{args::Options, report::Reporter, stdin::Asks, stdout::Stdout, stop::Stop};
use calog::{Broker, Fidelity, Limits, Open, Permissions, Result, Value};
use std::{
    ffi::OsString,
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
    pub(crate) stdout: Stdout,
    pub(crate) failures: Failures,
    permissions: Permissions,
}

impl Setup {
    /// The broker for `options`, whose scripts see `args` and read what `input` gives.
    ///
    /// # Errors
    /// `type` if a grant is none, `io` if the system refuses threads.
    pub(crate) fn new(options: &Options, args: Vec<OsString>, input: Asks) -> Result<Self> {
        let permissions = permissions(options)?;
        let stop = Stop::default();
        let mut limits = Limits::default().deadline(options.deadline);
        if let Some(memory) = options.memory {
            limits = limits.memory_bytes(memory);
        }
        let fidelity = if options.lenient { Fidelity::Lenient } else { Fidelity::Strict };
        let (exit, ended) = (stop.clone(), stop.clone());
        let stdout = Stdout::new(&stop);
        let output = stdout.clone();
        let failures = Failures::default();
        let failed = failures.clone();
        let mut builder = Broker::builder()
            .native_async("exit", move |code: Option<i64>| exit.clone().exit(code))
            .data("args", Value::list(args.into_iter().map(to_string)))
            // After `exit`, nothing of the scripts counts, though some may run a moment longer.
            .output_parts(move |_context, text, ends_line| {
                if ended.code().is_none() {
                    output.print(text, ends_line);
                }
            })
            .input(move || {
                let input = input.clone();
                async move { input.line().await }
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
        Ok(Self { broker: builder.build()?, stop, stdout, failures, permissions })
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

/// What the options allow.
///
/// # Errors
/// `type` if a grant is none.
fn permissions(options: &Options) -> Result<Permissions> {
    let mut all = Permissions::none();
    for path in &options.allow_read {
        all = all.allow_read(path);
    }
    for path in &options.allow_write {
        all = all.allow_write(path);
    }
    for name in &options.allow_env {
        all = if name == "*" { all.allow_all_env() } else { all.allow_env(name) };
    }
    options.allow_net.iter().try_fold(all, |all, grant| all.allow_net(grant))
}

/// An argument as scripts get it: a string, which need not be UTF-8.
fn to_string(arg: OsString) -> Value {
    #[cfg(unix)]
    return Value::String(std::os::unix::ffi::OsStringExt::into_vec(arg).into());
    #[cfg(not(unix))]
    return arg.to_string_lossy().into_owned().into();
}
