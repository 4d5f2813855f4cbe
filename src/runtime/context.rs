//! A context as others see it, and calog as the context's interpreter sees it.

use super::{
    Failure, Output, Shared,
    background::Background,
    console::Console,
    mailbox::{Control, Mailbox, Reply, Request, Room, Work, bytes_of},
    stats::{Gauges, Usage},
    unresponsive,
    waiting::GaveUp,
    worker::Worker,
};
use crate::{
    chain::Chain,
    engine::{Callee, Engine, Resolved, Scope, Source},
    error::{Error, ErrorKind, Result},
    fiber::Operation,
    id::ContextId,
    limits::{Fidelity, Limits},
    native::{Caller, Native, Step},
    permissions::Permissions,
    value::{Function, Owner, Value},
};
use futures::future::{BoxFuture, LocalBoxFuture};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until},
};
use tracing::Span;

/// What a context is opened with.
pub(crate) struct Settings {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) name: Arc<str>,
    pub(crate) limits: Limits,
    pub(crate) fidelity: Fidelity,
    pub(crate) permissions: Permissions,
    pub(crate) output: Output,
}

/// What a caller wants of one call, beyond what its chain already has.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wish {
    pub(crate) deadline: Option<Duration>,
    pub(crate) fidelity: Option<Fidelity>,
    /// A function value is called, from outside of any chain: it may be somebody's answer, so it is no
    /// root.
    pub(crate) is_callback: bool,
}

impl Wish {
    fn on(self, chain: Chain) -> Chain {
        // A limit that no clock reaches is no limit.
        let own = self.deadline.and_then(|limit| Instant::now().checked_add(limit));
        Chain { fidelity: self.fidelity.or(chain.fidelity), ..chain }.until(own)
    }
}

/// A context as others reach it, from any thread.
pub(crate) struct Address {
    caller: Caller,
    pub(crate) settings: Settings,
    pub(crate) mailbox: Mailbox,
    pub(crate) shared: Arc<Shared>,
    /// Turns true when the context has ended: its interpreter is gone and all is answered.
    pub(crate) ended: watch::Sender<bool>,
    pub(crate) worker: Arc<Worker>,
    pub(crate) gauges: Gauges,
}

impl Address {
    pub(crate) fn new(
        id: ContextId,
        mut settings: Settings,
        shared: Arc<Shared>,
        worker: Arc<Worker>,
    ) -> Arc<Self> {
        // The broker's own setting counts.
        settings.limits.value_depth = shared.limits.value_depth;
        let caller = Caller {
            context: id,
            name: settings.name.clone(),
            permissions: Arc::new(settings.permissions.clone()),
            broker: shared.token(),
            value_bytes: settings.limits.value_bytes,
            has_bools: settings.engine.has_bools(),
        };
        let limits = &settings.limits;
        // A value that fits must find room.
        let most_bytes = limits.memory_bytes.max(limits.value_bytes);
        let mailbox = Mailbox::new(limits.concurrent_calls, most_bytes);
        let (ended, gauges) = (watch::Sender::new(false), Gauges::default());
        Arc::new(Self { caller, settings, mailbox, shared, ended, worker, gauges })
    }

    pub(crate) fn id(&self) -> ContextId {
        self.caller.context
    }

    /// The context as natives see it.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Sends a call that somebody waits for. From a script or a native it continues their chain and
    /// is always admitted; from the host it begins one, and waits for room (`patient`) or is
    /// refused.
    pub(crate) async fn call(
        self: Arc<Self>,
        work: Work,
        wish: Wish,
        patient: bool,
    ) -> Result<Value> {
        if self.worker.is_stuck() {
            return Err(unresponsive());
        }
        let (chain, inherited, room) = match Chain::current() {
            Some(current) => {
                let chain = wish.on(current.deeper(self.shared.limits.depth)?);
                (chain, current.deadline, None)
            }
            None => {
                let root = self.shared.root();
                let chain = wish.on(Chain { depth: wish.is_callback.into(), ..root });
                let bytes = work.bytes();
                let room = match self.mailbox.try_room(bytes) {
                    // Boxed: other calls carry no place for it.
                    Err(error) if patient && error.kind() == ErrorKind::Busy => {
                        Box::pin(self.room(chain.deadline, bytes)).await
                    }
                    room => room,
                };
                (chain, None, Some(room?))
            }
        };
        self.send(work, chain, inherited, room).await
    }

    /// Waits for room for a call from the host.
    async fn room(&self, until: Option<Instant>, bytes: usize) -> Result<Room> {
        let room = self.mailbox.room(bytes);
        let room = async {
            let late = |_| Error::new(ErrorKind::Timeout, "no room for the call in time");
            match until {
                None => room.await,
                Some(at) => tokio::time::timeout_at(at, room).await.map_err(late)?,
            }
        };
        self.worker.wait(None, room).await.map_err(|_| unresponsive())?
    }

    async fn send(
        &self,
        work: Work,
        chain: Chain,
        inherited: Option<Instant>,
        room: Option<Room>,
    ) -> Result<Value> {
        let (reply, answer) = oneshot::channel();
        let (reply, span) = (Reply::To(reply), self.span(&work, chain));
        self.mailbox.request(Request { work, chain, inherited, reply, room, span })?;
        // Dropping this future closes the channel: that is how the callee learns that it is
        // cancelled.
        let mut answer = pin!(answer);
        let mut timer = None;
        let mut place = self.worker.place();
        let until = place.as_ref().and_then(|_| self.given_up_at(chain));
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                // One that never comes means that the whole context went down with its worker.
                let gone = |_| Err(super::mailbox::ended(ErrorKind::Dead));
                return Poll::Ready(answer.unwrap_or_else(gone));
            }
            // Polled outside of its chain, it was taken along by a native that spawned it: the
            // timer that watches over the chain may be gone before it.
            if let (Some(at), None) = (inherited, Chain::current()) {
                let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
                if timer.as_mut().poll(cx).is_ready() {
                    let late = "the call took longer than its chain may";
                    return Poll::Ready(Err(Error::new(ErrorKind::Timeout, late)));
                }
            }
            match place.as_mut().and_then(|place| place.stay(until, cx.waker())) {
                Some(why) => Poll::Ready(Err(self.given_up(why))),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// When a call that is sent now should have been answered, also by a worker that is held.
    fn given_up_at(&self, chain: Chain) -> Option<std::time::Instant> {
        let own = self.settings.limits.deadline;
        let own = own.and_then(|limit| Instant::now().checked_add(limit));
        chain.until(own).deadline.map(Instant::into_std)
    }

    /// The error of a call whose worker is held.
    fn given_up(&self, why: GaveUp) -> Error {
        if why == GaveUp::Stuck && self.shared.why_ended() == ErrorKind::Shutdown {
            return super::mailbox::ended(ErrorKind::Shutdown);
        }
        let what = match why {
            GaveUp::Late => "the call took longer than it may",
            GaveUp::Stuck => "the call was given up",
        };
        let name = self.name();
        let message = format!(
            "{what}; the worker of context `{name}` does not respond: a script or a native holds it"
        );
        Error::new(ErrorKind::Timeout, message)
    }

    /// What tracing shows of a call: it is there from the sending to the answer, and whatever the
    /// caller was in is its parent.
    fn span(&self, work: &Work, chain: Chain) -> Span {
        if tracing::level_enabled!(tracing::Level::DEBUG) {
            return self.new_span(work, chain);
        }
        Span::none()
    }

    #[cold]
    fn new_span(&self, work: &Work, chain: Chain) -> Span {
        let span = tracing::debug_span!(
            target: "calog",
            "call",
            context = self.name(),
            language = self.settings.engine.name(),
            function = tracing::field::Empty,
            chain = chain.number,
            depth = chain.depth,
        );
        if !span.is_disabled() {
            match work {
                Work::Load(source) => span.record("function", &*source.name),
                Work::Call(function, _) => {
                    let name = self.shared.directory.name_of(self.id(), function);
                    span.record("function", name.as_deref().unwrap_or("(a value)"))
                }
            };
        }
        span
    }

    /// Sends a call that nobody waits for.
    pub(crate) fn post(&self, work: Work) -> Result<()> {
        if self.worker.is_stuck() {
            return Err(unresponsive());
        }
        let room = Some(self.mailbox.try_room(work.bytes())?);
        let (chain, inherited, reply) = (self.shared.root(), None, Reply::Nobody);
        let span = self.span(&work, chain);
        self.mailbox.request(Request { work, chain, inherited, reply, room, span })
    }

    /// What the context uses now.
    ///
    /// # Errors
    /// `dead` or `shutdown` if it has ended, `busy` if its worker does not respond.
    pub(crate) async fn usage(&self) -> Result<Usage> {
        if self.worker.is_stuck() {
            return Err(unresponsive());
        }
        let (reply, usage) = oneshot::channel();
        self.mailbox.control(Control::Inspect(reply));
        let usage = self.worker.wait(None, usage).await.map_err(|_| unresponsive())?;
        usage.map_err(|_| self.mailbox.why_closed())
    }

    /// Asks the context to end and waits until it has.
    pub(crate) async fn close(&self) {
        let mut ended = self.ended.subscribe();
        self.mailbox.control(Control::Stop);
        // The sender lives in `self`, so waiting cannot fail.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Asks the context to end, and waits until it has, though not for a worker that is held.
    pub(crate) async fn give_up(&self) {
        let now = std::time::Instant::now();
        let _ = self.worker.wait(Some(now), self.close()).await;
    }

    /// Reports the failure of a call that nobody waits for.
    pub(crate) fn failed(&self, error: Error) {
        let failure = Failure { context: self.settings.name.clone(), error };
        // The handler is the host's code; its panic must not end a context that has nothing to do
        // with it.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.shared.on_failure)(failure)));
    }

    /// The context that owns a function of this broker: what a context exports need not be its own.
    pub(crate) fn owner(self: &Arc<Self>, id: ContextId) -> Option<Arc<Self>> {
        if id == self.id() { Some(self.clone()) } else { self.shared.directory.context(id) }
    }

    /// The function that the context exports as `name`.
    pub(crate) fn export(&self, name: &str) -> Result<Function> {
        match self.shared.directory.exported_by(self.id(), name) {
            Some(Value::Function(function)) => Ok(function),
            Some(data) => {
                let kind = data.type_name();
                Err(Error::new(
                    ErrorKind::Type,
                    format!("`{name}` is no function but data: {kind}"),
                ))
            }
            // Closed before its names are gone, so a call that comes too late never finds that
            // nobody has the name.
            None if self.mailbox.is_closed() => Err(self.mailbox.why_closed()),
            None if self.shared.why_ended() == ErrorKind::Shutdown => {
                Err(super::mailbox::ended(ErrorKind::Shutdown))
            }
            None => {
                let context = self.name();
                let message = format!(
                    "context `{context}` exports no `{name}`; a script does it with \
                     expose(\"{name}\", ...)"
                );
                Err(Error::new(ErrorKind::NotFound, message))
            }
        }
    }
}

impl Owner for Address {
    fn context(&self) -> ContextId {
        self.id()
    }

    fn broker(&self) -> usize {
        self.shared.token()
    }

    fn has_bools(&self) -> bool {
        self.caller.has_bools
    }

    fn call(
        self: Arc<Self>,
        function: Function,
        args: Vec<Value>,
    ) -> BoxFuture<'static, Result<Value>> {
        let wish = Wish { is_callback: true, ..Wish::default() };
        Box::pin(self.call(Work::Call(function, args), wish, true))
    }

    fn release(&self, key: u64) {
        self.mailbox.control(Control::Release(key));
    }
}

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
}

impl ContextScope {
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
            Callee::Native(native) => return native.call(&self.address.caller, args),
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
                        Ok(Err(native)) => return native.call(&self.address.caller, args),
                        Err(error) => return Step::Ready(Err(error)),
                    },
                }
            }
        };
        let args = args.iter_mut().map(std::mem::take).collect();
        Step::Wait(function.call_raw(args))
    }
}

impl Scope for ContextScope {
    fn id(&self) -> ContextId {
        self.address.id()
    }

    fn epoch(&self) -> u64 {
        self.address.shared.directory.epoch()
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
        self.background.spawn(&self.address, task);
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
            read.await.unwrap_or_else(|_| Err(super::mailbox::ended(ErrorKind::Shutdown)))
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
        &self.address.caller
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
