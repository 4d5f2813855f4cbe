//! A fake engine: a script language whose functions are Rust closures.
//!
//! Its functions are given to the [`Fake`] when it is built, as async closures ([`Fake::on`]) or as
//! plain closures that run on a fiber ([`Fake::on_fiber`]). A source text is a list of words: `f` exports
//! function `f`, `name=f` exports it as `name`, and `!f` calls it as the top level and returns its result.
//!
//! The [`Watch`] counts what happens inside, and fails the test if an interpreter was ever touched by
//! another thread than its own, or if a function was released twice.

use calog::{
    ContextId, Error, ErrorKind, Function, IntoArgs, Result, Value,
    engine::{Callee, Engine, Interpreter, Named, Overlap, Scope, Source},
    fiber,
    native::Step,
};
use futures::future::LocalBoxFuture;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    thread::{ThreadId, current},
};

/// What an interpreter is entered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Open,
    Load,
    Call,
    Release,
    Close,
}

type Body = Arc<dyn Fn(Env, Vec<Value>) -> LocalBoxFuture<'static, Result<Value>> + Send + Sync>;
type Hook = Arc<dyn Fn(Entry, &Rc<dyn Scope>) -> Result<()> + Send + Sync>;

/// The engine. Its name is `fake`; the extension of its files too.
#[derive(Clone)]
pub struct Fake {
    functions: HashMap<String, Body>,
    hook: Hook,
    has_bools: bool,
    counts: Arc<Counts>,
}

impl Default for Fake {
    fn default() -> Self {
        let hook: Hook = Arc::new(|_, _| Ok(()));
        Self { functions: HashMap::new(), hook, has_bools: true, counts: Arc::default() }
    }
}

impl Fake {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function as an async closure.
    pub fn on<F: Future<Output = Result<Value>> + 'static>(
        mut self,
        name: &str,
        body: impl Fn(Env, Vec<Value>) -> F + Send + Sync + 'static,
    ) -> Self {
        let body: Body = Arc::new(move |env, args| Box::pin(body(env, args)));
        self.functions.insert(name.to_string(), body);
        self
    }

    /// Adds a function as a plain closure, which runs on a fiber and waits by suspending it.
    pub fn on_fiber(
        mut self,
        name: &str,
        body: impl Fn(Env, Vec<Value>) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        let body = Arc::new(body);
        let body: Body = Arc::new(move |env, args| {
            let (body, turn) = (body.clone(), env.0.turn.clone());
            match fiber::spawn(move || body(env, args)) {
                Ok(fiber) => Box::pin(turn.take(fiber)),
                Err(error) => Box::pin(async { Err(error) }),
            }
        });
        self.functions.insert(name.to_string(), body);
        self
    }

    /// Runs `hook` at the beginning of every entry. An error of [`Entry::Open`] is the engine's.
    pub fn hook(
        mut self,
        hook: impl Fn(Entry, &Rc<dyn Scope>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.hook = Arc::new(hook);
        self
    }

    /// A language without booleans.
    pub fn no_bools(mut self) -> Self {
        self.has_bools = false;
        self
    }

    /// What happens inside.
    pub fn watch(&self) -> Watch {
        Watch(self.counts.clone())
    }
}

impl Engine for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn extensions(&self) -> &[&str] {
        &["fake"]
    }

    fn has_bools(&self) -> bool {
        self.has_bools
    }

    fn open(&self, scope: Rc<dyn Scope>) -> Result<Rc<dyn Interpreter>> {
        (self.hook)(Entry::Open, &scope)?;
        self.counts.opened.fetch_add(1, SeqCst);
        Ok(Rc::new(Instance {
            engine: self.clone(),
            scope,
            thread: current().id(),
            table: RefCell::default(),
            last: Cell::new(0),
            kept: RefCell::default(),
            names: RefCell::default(),
            turn: fiber::Turn::default(),
        }))
    }
}

/// One interpreter.
struct Instance {
    engine: Fake,
    scope: Rc<dyn Scope>,
    thread: ThreadId,
    /// The published functions.
    table: RefCell<HashMap<u64, Body>>,
    last: Cell<u64>,
    /// Values that functions keep from call to call.
    kept: RefCell<HashMap<String, Value>>,
    /// The names that functions have called.
    names: RefCell<HashMap<String, Rc<Callee>>>,
    turn: fiber::Turn,
}

impl Instance {
    /// Every touch comes through here.
    fn touch(&self) {
        if current().id() != self.thread {
            self.engine.counts.foreign.fetch_add(1, SeqCst);
        }
    }

    fn enter(&self, entry: Entry) {
        self.touch();
        (self.engine.hook)(entry, &self.scope).unwrap();
    }

    fn body(&self, name: &str) -> Result<Body> {
        let body = self.engine.functions.get(name).cloned();
        body.ok_or_else(|| Error::new(ErrorKind::Load, format!("no function {name:?}")))
    }

    fn publish(&self, body: Body) -> Function {
        self.touch();
        self.last.set(self.last.get() + 1);
        self.table.borrow_mut().insert(self.last.get(), body);
        self.engine.counts.handles.fetch_add(1, SeqCst);
        self.scope.function(self.last.get())
    }

    /// What an adapter does with every value that comes in.
    fn admit(&self, value: &Value) -> Result<()> {
        match value {
            Value::Function(function) => self.scope.admit(function),
            Value::Aggregate(aggregate) => {
                aggregate.array().iter().try_for_each(|value| self.admit(value))?;
                aggregate.pairs().try_for_each(|(_, value)| self.admit(value))
            }
            _ => Ok(()),
        }
    }
}

impl Interpreter for Instance {
    fn load(self: Rc<Self>, source: Source) -> LocalBoxFuture<'static, Result<Value>> {
        self.enter(Entry::Load);
        Running::watched(self.clone(), async move {
            let mut result = Value::Nil;
            for word in source.text.split_whitespace() {
                if let Some(name) = word.strip_prefix('!') {
                    result = self.body(name)?(Env(self.clone()), Vec::new()).await?;
                    continue;
                }
                let (name, body) = word.split_once('=').unwrap_or((word, word));
                let function = self.publish(self.body(body)?);
                self.scope.expose(name, function.into())?;
            }
            Ok(result)
        })
    }

    fn call(self: Rc<Self>, key: u64, args: Vec<Value>) -> LocalBoxFuture<'static, Result<Value>> {
        self.enter(Entry::Call);
        Running::watched(self.clone(), async move {
            args.iter().try_for_each(|value| self.admit(value))?;
            let body = self.table.borrow().get(&key).cloned();
            let gone = || Error::raised(format!("key {key} is not in the table"));
            body.ok_or_else(gone)?(Env(self), args).await
        })
    }

    fn release(&self, key: u64) {
        self.enter(Entry::Release);
        match self.table.borrow_mut().remove(&key) {
            Some(_) => self.engine.counts.handles.fetch_sub(1, SeqCst),
            None => self.engine.counts.stray.fetch_add(1, SeqCst),
        };
    }

    fn memory(&self) -> usize {
        self.touch();
        1 << 10
    }

    fn handles(&self) -> usize {
        self.touch();
        self.table.borrow().len()
    }

    fn overlap(&self) -> Overlap {
        Overlap::Any
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let counts = &self.engine.counts;
        counts.handles.fetch_sub(self.table.borrow().len(), SeqCst);
        counts.closed.fetch_add(1, SeqCst);
        self.enter(Entry::Close);
    }
}

/// A call in flight, as the watch sees it.
struct Running {
    instance: Rc<Instance>,
    call: LocalBoxFuture<'static, Result<Value>>,
    begun: bool,
    ended: bool,
}

impl Running {
    fn watched(
        instance: Rc<Instance>,
        call: impl Future<Output = Result<Value>> + 'static,
    ) -> LocalBoxFuture<'static, Result<Value>> {
        Box::pin(Self { instance, call: Box::pin(call), begun: false, ended: false })
    }
}

impl Future for Running {
    type Output = Result<Value>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Value>> {
        let this = &mut *self;
        this.instance.touch();
        if !this.begun {
            this.begun = true;
            this.instance.engine.counts.begun.fetch_add(1, SeqCst);
        }
        let result = this.call.as_mut().poll(cx);
        if result.is_ready() {
            this.ended = true;
            this.instance.engine.counts.ended.fetch_add(1, SeqCst);
        }
        result
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.instance.touch();
        if self.begun && !self.ended {
            self.instance.engine.counts.cut.fetch_add(1, SeqCst);
        }
    }
}

/// What a function of the fake sees.
#[derive(Clone)]
pub struct Env(Rc<Instance>);

impl Env {
    pub fn id(&self) -> ContextId {
        self.0.scope.id()
    }

    pub fn scope(&self) -> &dyn Scope {
        &*self.0.scope
    }

    /// Calls whatever has the name, and waits. The name is remembered from call to call, as an adapter
    /// does it.
    pub async fn call(&self, name: &str, args: impl IntoArgs) -> Result<Value> {
        let fresh = || Rc::new(Callee::Name(Named::new(name)));
        let callee =
            self.0.names.borrow_mut().entry(name.to_string()).or_insert_with(fresh).clone();
        self.step(&callee, args).await
    }

    /// Calls a function value, and waits.
    pub async fn apply(&self, function: &Function, args: impl IntoArgs) -> Result<Value> {
        self.step(&Callee::Function(function.clone()), args).await
    }

    /// The same as [`call`](Self::call) from code on a fiber.
    pub fn call_now(&self, name: &str, args: impl IntoArgs) -> Result<Value> {
        fiber::block_on(self.call(name, args))?
    }

    async fn step(&self, callee: &Callee, args: impl IntoArgs) -> Result<Value> {
        let mut args = args.into_args()?;
        let result = match self.0.scope.call(callee, &mut args) {
            Step::Ready(result) => result?,
            Step::Wait(operation) => operation.await?,
        };
        self.0.admit(&result)?;
        Ok(result)
    }

    /// A handle to a fresh closure.
    pub fn function<F: Future<Output = Result<Value>> + 'static>(
        &self,
        body: impl Fn(Self, Vec<Value>) -> F + Send + Sync + 'static,
    ) -> Function {
        self.0.publish(Arc::new(move |env, args| Box::pin(body(env, args))))
    }

    /// Keeps `value` in the interpreter, and returns what was kept under the name before.
    pub fn keep(&self, name: &str, value: impl Into<Value>) -> Option<Value> {
        self.0.touch();
        self.0.kept.borrow_mut().insert(name.to_string(), value.into())
    }

    /// What is kept under the name.
    pub fn kept(&self, name: &str) -> Option<Value> {
        self.0.kept.borrow().get(name).cloned()
    }

    pub fn expose(&self, name: &str, value: impl Into<Value>) -> Result<()> {
        self.0.scope.expose(name, value.into())
    }
}

#[derive(Default)]
struct Counts {
    opened: AtomicUsize,
    closed: AtomicUsize,
    handles: AtomicUsize,
    begun: AtomicUsize,
    ended: AtomicUsize,
    cut: AtomicUsize,
    foreign: AtomicUsize,
    stray: AtomicUsize,
}

/// The test's view of all interpreters of one [`Fake`].
pub struct Watch(Arc<Counts>);

impl Watch {
    /// Interpreters that live.
    pub fn interpreters(&self) -> usize {
        self.0.opened.load(SeqCst) - self.0.closed.load(SeqCst)
    }

    /// Interpreters that were ever opened.
    pub fn opened(&self) -> usize {
        self.0.opened.load(SeqCst)
    }

    /// Functions that are published and not released.
    pub fn handles(&self) -> usize {
        self.0.handles.load(SeqCst)
    }

    /// Calls and loads that were polled at least once.
    pub fn begun(&self) -> usize {
        self.0.begun.load(SeqCst)
    }

    /// Calls and loads that came to their own end.
    pub fn ended(&self) -> usize {
        self.0.ended.load(SeqCst)
    }

    /// Calls and loads that had begun and were dropped before their end.
    pub fn cut(&self) -> usize {
        self.0.cut.load(SeqCst)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(
                self.0.foreign.load(SeqCst),
                0,
                "an interpreter was touched by another thread"
            );
            assert_eq!(
                self.0.stray.load(SeqCst),
                0,
                "a function was released that was not published"
            );
        }
    }
}
