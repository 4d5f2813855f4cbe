//! A context as others see it.

use super::{
    Failure, Output, Shared,
    answer::Answer,
    background::counted,
    local::{Came, Local},
    mailbox::{Control, Held, Mailbox, Reply, Request, Work, ended},
    recent,
    reply::Receiver,
    room::Room,
    stats::{Gauges, Usage},
    unresponsive,
    worker::Worker,
};
use crate::{
    chain::Chain,
    engine::Engine,
    error::{Error, ErrorKind, Result, contain},
    fiber,
    id::ContextId,
    limits::{Fidelity, Limits},
    native::Caller,
    permissions::Permissions,
    resources::{Keeper, Resources},
    value::{Function, Owner, Value},
};
use futures::future::BoxFuture;
use std::{
    rc::Rc,
    sync::{Arc, Weak, atomic::AtomicUsize},
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
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
    fn enter(&self, chain: &mut Chain) {
        if let Some(limit) = self.deadline {
            // One that no clock reaches is no limit.
            *chain = chain.until(Instant::now().checked_add(limit));
        }
        if self.fidelity.is_some() {
            chain.fidelity = self.fidelity;
        }
    }
}

/// The context that a call goes to, while it takes.
pub(crate) enum Called {
    Context(Arc<Address>),
    /// It is reached through its function: the call counts that one anyway, and a count that threads
    /// share costs more than the way.
    Owner(Function),
}

impl Called {
    /// # Errors
    /// `dead` if it is none of a broker.
    pub(super) fn address(&self) -> Result<&Address> {
        match self {
            Self::Context(address) => Ok(address),
            Self::Owner(function) => owner(function),
        }
    }
}

/// The context that owns `function`.
///
/// # Errors
/// `dead` if it is none of a broker.
fn owner(function: &Function) -> Result<&Address> {
    function.owner().downcast_ref().ok_or_else(|| ended(ErrorKind::Dead))
}

impl Work {
    fn address(&self) -> Result<&Address> {
        match self {
            Self::Load(address, _) => Ok(address),
            Self::Call(function, _) => owner(function),
        }
    }

    fn called(&self) -> Called {
        match self {
            Self::Load(address, _) => Called::Context(address.clone()),
            Self::Call(function, _) => Called::Owner(function.clone()),
        }
    }

    /// Does the language that does it have booleans?
    pub(crate) fn has_bools(&self) -> bool {
        match self {
            Self::Load(address, _) => address.caller.has_bools,
            Self::Call(function, _) => function.has_bools(),
        }
    }

    /// Begins a call that somebody waits for, and whose result goes into `result` if it ends at once.
    /// From a script or a native it continues their chain and is always admitted; from the host it
    /// begins one, and waits for room (`patient`) or is refused.
    ///
    /// The work is taken out of `lent` if it goes on elsewhere: what ends at once is not moved first.
    pub(crate) fn begin(
        lent: &mut Option<Self>,
        wish: &Wish,
        patient: bool,
        result: &mut Result<Value>,
    ) -> Began {
        let Some(work) = lent else { return Began::failed(fiber::cancelled(), result) };
        let address = match work.address() {
            Ok(address) if address.worker.is_stuck() => {
                return Began::failed(unresponsive(), result);
            }
            Ok(address) => address,
            Err(error) => return Began::failed(error, result),
        };
        let Some(current) = Chain::current() else {
            let mut chain = address.shared.root();
            chain.depth = wish.is_callback.into();
            wish.enter(&mut chain);
            // On a fiber, the host is a script's native that has left its chain.
            let local = if fiber::is_on() { None } else { Local::resting(address) };
            if let Some(local) = local.filter(|_| !fiber::turn_is_over())
                && let Some(room) = address.room_at_once(work.bytes())
            {
                return Self::begin_here(lent, &local, &chain, room, result);
            }
            let begun = lent.take().map(|work| work.begin_there(chain, patient, result));
            return begun.unwrap_or(Began::Over);
        };
        let (chain, called) = (current.deeper(address.shared.limits.depth), work.called());
        let sent = chain.and_then(|mut chain| {
            wish.enter(&mut chain);
            let inherited = current.deadline;
            let address = called.address()?;
            let work = lent.take().ok_or_else(fiber::cancelled)?;
            let (request, answer) = address.request(work, chain, inherited);
            address.mailbox.request(request)?;
            Ok(Answer::new(called, answer, chain, inherited))
        });
        sent.map_or_else(|error| Began::failed(error, result), Began::Sent)
    }

    /// The same, as a future that begins it.
    async fn run(self, wish: Wish, patient: bool) -> Result<Value> {
        let mut result = Ok(Value::Nil);
        match Self::begin(&mut Some(self), &wish, patient, &mut result) {
            Began::Over => result,
            Began::Sent(answer) => answer.await,
            Began::Waits(call) => call.await,
        }
    }

    /// Begins a call from the host, which needs no message: the context is on the same thread and rests.
    fn begin_here(
        lent: &mut Option<Self>,
        local: &Rc<Local>,
        chain: &Chain,
        room: Room,
        result: &mut Result<Value>,
    ) -> Began {
        let address = &local.address;
        let span = lent.as_ref().and_then(|work| address.span(work, chain));
        let is_load = matches!(lent, Some(Self::Load(..)));
        let turn = fiber::join_turn(address.shared.limits.slice);
        let came = local.run(lent, chain, None, Some(room), span, result);
        drop(turn);
        match came {
            Came::ToItsEnd => {
                address.mailbox.give_back(room);
                if is_load {
                    local.publish();
                } else {
                    local.publish_at_times();
                }
                Began::Over
            }
            Came::ToAWait(answer) => {
                local.publish();
                let called = Called::Context(address.clone());
                Began::Sent(Answer::new(called, answer, *chain, None))
            }
        }
    }

    /// Sends a call from the host, or waits for the room to do so.
    fn begin_there(self, chain: Chain, patient: bool, result: &mut Result<Value>) -> Began {
        let called = self.called();
        let address = match called.address() {
            Ok(address) => address,
            Err(error) => return Began::failed(error, result),
        };
        let (request, answer) = address.request(self, chain, None);
        match address.mailbox.request_room(request) {
            Ok(()) => Began::Sent(Answer::new(called, answer, chain, None)),
            Err(refused) if patient && refused.0.kind() == ErrorKind::Busy => {
                Began::Waits(Box::pin(async move {
                    let (request, address) = (refused.1, called.address()?);
                    let room = address.room(chain.deadline, request.work.bytes()).await?.take();
                    address.mailbox.request(Request { room, ..request })?;
                    Answer::new(called, answer, chain, None).await
                }))
            }
            Err(refused) => Began::failed(refused.0, result),
        }
    }
}

/// How far a call is that was begun.
pub(crate) enum Began {
    /// It has ended, and the result is in its place.
    Over,
    /// It is under way.
    Sent(Answer),
    /// It waits for room.
    Waits(BoxFuture<'static, Result<Value>>),
}

impl Began {
    fn failed(error: Error, result: &mut Result<Value>) -> Self {
        *result = Err(error);
        Self::Over
    }
}

/// A context as others reach it, from any thread.
///
/// In this order in memory: what every call needs comes first and together, so that a call of one
/// context among thousands waits for fewer lines of the cache. What calls only read is not on a line
/// with what they change.
#[repr(C)]
pub(crate) struct Address {
    pub(crate) worker: Arc<Worker>,
    pub(crate) shared: Arc<Shared>,
    id: ContextId,
    /// Where it is among the contexts of its thread: see [`Local::resting`].
    pub(super) place: AtomicUsize,
    pub(crate) settings: Settings,
    pub(crate) mailbox: Mailbox,
    pub(crate) gauges: Gauges,
    caller: Caller,
    /// Turns true when the context has ended: its interpreter is gone and all is answered.
    pub(crate) ended: watch::Sender<bool>,
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
        let limits = &settings.limits;
        // A value that fits must find room.
        let most_bytes = limits.memory_bytes.max(limits.value_bytes);
        let mailbox = Mailbox::new(limits.concurrent_calls, most_bytes);
        let most_resources = limits.resources;
        let (ended, gauges) = (watch::Sender::new(false), Gauges::default());
        Arc::new_cyclic(|address: &Weak<Self>| {
            let handles = shared.handles.clone();
            let resources = Resources::new(address.clone(), handles, most_resources);
            let caller = Caller {
                context: id,
                name: settings.name.clone(),
                permissions: Arc::new(settings.permissions.clone()),
                broker: shared.token(),
                value_bytes: settings.limits.value_bytes,
                value_depth: settings.limits.value_depth,
                has_bools: settings.engine.has_bools(),
                resources: Arc::new(resources),
            };
            let place = AtomicUsize::new(usize::MAX);
            Self { worker, shared, id, place, settings, mailbox, gauges, caller, ended }
        })
    }

    pub(crate) fn id(&self) -> ContextId {
        self.id
    }

    /// The context as natives see it.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Room for a call that is likely to end at once: one that brings little along takes none before
    /// it waits.
    fn room_at_once(&self, bytes: usize) -> Option<Room> {
        match bytes {
            0..1024 => self.mailbox.has_room().then(Room::default),
            _ => self.mailbox.try_room(bytes).ok(),
        }
    }

    /// Waits for room for a call from the host.
    async fn room(&self, until: Option<Instant>, bytes: usize) -> Result<Held<'_>> {
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

    /// A call that somebody waits for and that has no room yet, and where the answer comes.
    fn request(&self, work: Work, chain: Chain, inherited: Option<Instant>) -> (Request, Receiver) {
        let (span, room) = (self.span(&work, &chain), Room::default());
        let (reply, answer) = self.worker.waiting().channel();
        let reply = Reply::To(reply);
        (Request { work, chain, inherited, reply, room, span }, answer)
    }

    /// What tracing shows of a call: it is there from the sending to the answer, and whatever the
    /// caller was in is its parent.
    fn span(&self, work: &Work, chain: &Chain) -> Option<Box<Span>> {
        tracing::level_enabled!(tracing::Level::DEBUG).then(|| self.new_span(work, chain))
    }

    #[cold]
    fn new_span(&self, work: &Work, chain: &Chain) -> Box<Span> {
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
                Work::Load(_, source) => span.record("function", &*source.name),
                Work::Call(function, _) => {
                    let name = self.shared.directory.name_of(self.id(), function);
                    span.record("function", name.as_deref().unwrap_or("(a value)"))
                }
            };
        }
        Box::new(span)
    }

    /// Sends a call that nobody waits for.
    pub(crate) fn post(&self, work: Work) -> Result<()> {
        if self.worker.is_stuck() {
            return Err(unresponsive());
        }
        let (chain, inherited, reply) = (self.shared.root(), None, Reply::Nobody);
        let (span, room) = (self.span(&work, &chain), Room::default());
        let request = Request { work, chain, inherited, reply, room, span };
        self.mailbox.request_room(request).map_err(|refused| refused.0)
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
        contain(|| (self.shared.on_failure)(failure));
    }

    /// The context that owns a function of this broker: what a context exports need not be its own.
    pub(crate) fn owner(self: &Arc<Self>, id: ContextId) -> Option<Arc<Self>> {
        if id == self.id() { Some(self.clone()) } else { self.shared.directory.context(id) }
    }

    /// The function that the context exports as `name`.
    pub(crate) fn export(&self, name: &str) -> Result<Function> {
        let (directory, broker) = (&self.shared.directory, self.shared.token());
        let epoch = directory.epoch();
        if let Some(function) = recent::find(broker, self.id(), name, epoch) {
            return Ok(function);
        }
        match directory.exported_by(self.id(), name) {
            Some(Value::Function(function)) => {
                recent::keep(broker, self.id(), name, epoch, &function);
                Ok(function)
            }
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
                Err(ended(ErrorKind::Shutdown))
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

impl Keeper for Address {
    fn begin(&self, task: BoxFuture<'static, ()>, counts: bool) {
        // Counted from here on: who asks before the context has heard of it must not miss it.
        let task = if counts { Box::pin(counted(&self.shared, task)) } else { task };
        self.mailbox.control(Control::Begin(task));
    }

    fn report(&self, error: Error) {
        self.failed(error);
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

    fn has_ended(&self) -> bool {
        self.mailbox.is_closed()
    }

    fn call(&self, function: Function, args: Vec<Value>) -> BoxFuture<'static, Result<Value>> {
        let wish = Wish { is_callback: true, ..Wish::default() };
        Box::pin(Work::Call(function, args).run(wish, true))
    }

    fn call_at_once(
        &self,
        function: &Function,
        args: Vec<Value>,
    ) -> Result<Result<Value>, BoxFuture<'static, Result<Value>>> {
        // What is being ended begins nothing that may wait.
        let Some(caller) = Chain::current().filter(|_| !fiber::dying()) else {
            return Err(Owner::call(self, function.clone(), args));
        };
        let inherited = caller.deadline;
        let chain = match caller.deeper(self.shared.limits.depth) {
            Ok(_) if self.worker.is_stuck() => return Ok(Err(unresponsive())),
            Ok(chain) => chain,
            Err(error) => return Ok(Err(error)),
        };
        let work = Work::Call(function.clone(), args);
        // Where the turn is over, timers and sockets have theirs before the caller goes on, as if it
        // had been preempted: a mere answer would not see to that.
        let turn_is_over = fiber::turn_is_over();
        // An engine without fibers runs its calls on the stack of whoever polls them.
        let may_run = !turn_is_over && fiber::has_room();
        let local = if may_run { Local::resting(self) } else { None };
        let answer = match local {
            Some(local) => {
                let (span, mut result) = (self.span(&work, &chain), Ok(Value::Nil));
                let came = local.run(&mut Some(work), &chain, inherited, None, span, &mut result);
                local.publish_at_times();
                match came {
                    Came::ToItsEnd if fiber::turn_is_over() => {
                        return Err(Box::pin(async move {
                            fiber::pass().await;
                            result
                        }));
                    }
                    Came::ToItsEnd => return Ok(result),
                    Came::ToAWait(answer) => answer,
                }
            }
            // It is sent now and not when somebody polls: calls begin in the order in which a
            // script makes them.
            None => {
                let (request, answer) = self.request(work, chain, inherited);
                if let Err(error) = self.mailbox.request(request) {
                    return Ok(Err(error));
                }
                answer
            }
        };
        let called = Called::Owner(function.clone());
        let answer = Answer::new(called, answer, chain, inherited);
        if !turn_is_over {
            return Err(Box::pin(answer));
        }
        Err(Box::pin(async move {
            fiber::pass().await;
            answer.await
        }))
    }

    fn release(&self, key: u64) {
        self.mailbox.control(Control::Release(key));
    }
}
