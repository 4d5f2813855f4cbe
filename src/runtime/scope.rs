//! calog as the interpreter of a context sees it.

use super::{
    background::{Background, counted},
    console::Console,
    context::Address,
    mailbox::{bytes_of, ended},
};
use crate::{
    chain::Chain,
    engine::{Callee, Resolved, Scope, Source},
    error::{Error, ErrorKind, Result},
    fiber::Operation,
    id::ContextId,
    limits::{Fidelity, Limits},
    native::{Caller, Native, Step},
    value::{Function, Value, gather},
};
use futures::future::LocalBoxFuture;
use std::{
    cell::Cell,
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
};

/// calog as one interpreter sees it.
pub(crate) struct ContextScope {
    address: Arc<Address>,
    background: Rc<Background>,
    console: Rc<Console>,
    /// What the arguments of calls take that its scripts wait for.
    sent_bytes: Rc<Cell<usize>>,
}

/// From how many bytes on the arguments of a call are counted.
const COUNTED_FROM: usize = 1024;

/// The arguments of one call, as long as it is not answered.
struct Sent(Rc<Cell<usize>>, usize);

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.set(self.0.get() - self.1);
    }
}

impl ContextScope {
    pub(super) fn new(
        address: Arc<Address>,
        background: Rc<Background>,
        console: Rc<Console>,
    ) -> Self {
        Self { address, background, console, sent_bytes: Rc::default() }
    }

    /// Counts arguments that take `bytes`, until the result is dropped.
    ///
    /// # Errors
    /// `memory` if those of all calls together would take more than the context may hold.
    fn count_sent(&self, bytes: usize) -> Result<Sent> {
        let (before, most) = (self.sent_bytes.get(), self.limits().memory_bytes);
        let after = before.saturating_add(bytes);
        if after > most.max(self.limits().value_bytes) {
            let message = format!("the arguments of waiting calls would take {after} bytes");
            return Err(Error::new(ErrorKind::Memory, message));
        }
        self.sent_bytes.set(after);
        Ok(Sent(self.sent_bytes.clone(), bytes))
    }

    /// The function or native that is called `name`.
    fn find(&self, name: &str) -> Result<Result<Function, Arc<Native>>> {
        let (kind, message) = match self.resolve(name) {
            Some(Resolved::Function(function)) => return Ok(Ok(function)),
            Some(Resolved::Native(native)) => return Ok(Err(native)),
            Some(Resolved::Data(data)) => {
                let kind = data.type_name();
                (ErrorKind::Type, format!("`{name}` is no function but data: {kind}"))
            }
            Some(Resolved::Namespace { .. }) | None => {
                (ErrorKind::NotFound, format!("nothing is called `{name}`"))
            }
        };
        Err(Error::new(kind, message))
    }

    /// What a script calls, begun.
    fn begin(&self, callee: &Callee, args: &mut [Value]) -> Step {
        let function = match callee {
            Callee::Native(native) => return native.call(self.address.caller(), args),
            Callee::Function(function) => function.clone(),
            Callee::Name(named) => {
                let epoch = self.epoch();
                match named.seen_at(epoch) {
                    Some(function) => function,
                    None => match self.find(named.name()) {
                        Ok(Ok(function)) => {
                            named.see(epoch, &function);
                            function
                        }
                        Ok(Err(native)) => return native.call(self.address.caller(), args),
                        Err(error) => return Step::Ready(Err(error)),
                    },
                }
            }
        };
        match function.call_at_once(gather(args)) {
            Ok(result) => Step::Ready(result),
            Err(operation) => Step::Wait(operation),
        }
    }
}

impl Scope for ContextScope {
    fn id(&self) -> ContextId {
        self.address.id()
    }

    fn epoch(&self) -> u64 {
        self.address.shared.directory.epoch()
    }

    fn epochs(&self) -> Arc<AtomicU64> {
        self.address.shared.directory.epochs().clone()
    }

    fn resolve(&self, name: &str) -> Option<Resolved> {
        self.address.shared.directory.resolve(name)
    }

    fn resolve_ignoring_case(&self, name: &str) -> Result<Option<(Arc<str>, Resolved)>> {
        self.address.shared.directory.resolve_ignoring_case(name)
    }

    fn call(&self, callee: &Callee, args: &mut [Value]) -> Step {
        self.console.may_wait();
        let bytes = bytes_of(args);
        if bytes < COUNTED_FROM {
            return self.begin(callee, args);
        }
        let sent = match self.count_sent(bytes) {
            Ok(sent) => sent,
            Err(error) => return Step::Ready(Err(error)),
        };
        match self.begin(callee, args) {
            Step::Wait(operation) => Step::Wait(Box::pin(async move {
                let _sent = sent;
                operation.await
            })),
            ready @ Step::Ready(_) => ready,
        }
    }

    fn function(&self, key: u64) -> Function {
        Function::new(self.address.clone(), key)
    }

    fn expose(&self, name: &str, value: Value) -> Result<()> {
        if let Value::Function(function) = &value {
            self.admit(function)?;
        }
        let most = self.address.settings.limits.memory_bytes;
        self.address.shared.directory.expose(self.id(), name, value, most)
    }

    fn admit(&self, function: &Function) -> Result<()> {
        self.address.shared.admit(function)
    }

    fn print(&self, line: &[u8]) {
        self.console.print(line);
    }

    fn write(&self, text: &[u8]) {
        self.console.write(text);
    }

    fn read_line(&self) -> Operation {
        self.console.read_line()
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        let task = counted(&self.address.shared, task);
        self.background.spawn(&self.address, Box::pin(task));
    }

    fn root(&self) -> Chain {
        self.address.shared.root()
    }

    fn report(&self, error: Error) {
        self.address.failed(error);
    }

    fn read_module(&self, folder: &Path, path: &Path) -> Operation {
        let (folder, path) = (folder.to_path_buf(), path.to_path_buf());
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || read_beside(&folder, &path));
            read.await.unwrap_or_else(|_| Err(ended(ErrorKind::Shutdown)))
        })
    }

    fn polls(&self) -> bool {
        !self.address.shared.signals
    }

    fn limits(&self) -> &Limits {
        &self.address.settings.limits
    }

    fn fidelity(&self) -> Fidelity {
        let chosen = Chain::current().and_then(|chain| chain.fidelity);
        chosen.unwrap_or(self.address.settings.fidelity)
    }

    fn caller(&self) -> &Caller {
        self.address.caller()
    }
}

/// Reads a module that lies in `folder`, also after links are followed.
fn read_beside(folder: &Path, path: &Path) -> Result<Value> {
    let folder = folder.canonicalize()?;
    let found = |error: std::io::Error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("{}: {error}", path.display()))
    };
    let wanted: PathBuf = folder.join(path);
    let whole = wanted.canonicalize();
    // Of what is not there, as much of the way as is: a link must not tell what is outside.
    let there = match &whole {
        Ok(whole) => Some(whole.clone()),
        Err(_) => wanted.ancestors().find_map(|way| way.canonicalize().ok()),
    };
    if !there.is_some_and(|there| there.starts_with(&folder)) {
        let message = format!("{} is outside of the script's folder", path.display());
        return Err(Error::new(ErrorKind::Denied, message));
    }
    let whole = whole.map_err(found)?;
    let text = std::fs::read(&whole).map_err(found)?;
    Ok(Value::from(Source::decode(text, path.display())?))
}
