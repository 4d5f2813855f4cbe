//! Random orders of all that a host can do, under paused time and without threads, so that each
//! input does the same each time.
//!
//! What must hold: every call that is not given up is answered, once, with what the script returns
//! or with an error that something explains; of a call that is over nothing is left, neither a
//! native that waits nor a handle.

use arbitrary::{Arbitrary, Result, Unstructured};
use calog::{Broker, Context, Error, ErrorKind, Function, Host, Limits, Value};
use std::{
    future::{Future, IntoFuture, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    task::{JoinHandle, LocalSet},
    time::{self, Instant},
};

/// No input does more.
const OPERATIONS: usize = 60;
const CONTEXTS: usize = 5;

/// Under paused time, what is not over by then never will be.
const AT_THE_MOST: Duration = Duration::from_secs(3600);

/// What time is measured in.
const TICK: Duration = Duration::from_millis(1);

/// The calls from the host that one context takes at once.
const ROOM: usize = 4;

/// Deeper than calls may nest.
const TOO_DEEP: u8 = 40;
const DEPTH: u32 = 30;

/// What every context exports, under names that begin with its own; `ME` stands for that.
const LUA: &str = "
    local kept
    expose('ME_nap', function(ms) return nap(ms) end)
    expose('ME_fail', function(ms) nap(ms) error('no') end)
    expose('ME_chain', function(names, ms)
        if #names == 0 then return nap(ms) end
        return call(table.remove(names, 1), names, ms)
    end)
    expose('ME_give', function() return function(ms) return nap(ms) end end)
    expose('ME_twice', function(f, ms) local a = f(ms) return a + f(ms) end)
    expose('ME_through', function(f, ms) return again(f, ms) end)
    expose('ME_keep', function(f) kept = f return 0 end)
    expose('ME_use', function(ms) if kept then return kept(ms) end return ms end)
    expose('ME_hosted', function(ms) return hosted(ms) end)
    expose('ME_deep', function(n) if n == 0 then return 0 end return call('ME_deep', n - 1) end)
    expose('ME_stubborn', function(ms)
        local guard <close> = setmetatable({}, { __close = function() pcall(nap, ms) end })
        pcall(nap, ms)
        return nap(ms)
    end)
    expose('ME_aside', function(ms) return coroutine.wrap(function() return nap(ms) end)() end)
";
const JS: &str = "
    let kept;
    expose('ME_nap', ms => nap(ms));
    expose('ME_fail', ms => { nap(ms); throw new Error('no') });
    expose('ME_chain', (names, ms) => names.length === 0 ? nap(ms) : call(names.shift(), names, ms));
    expose('ME_give', () => ms => nap(ms));
    expose('ME_twice', (f, ms) => f(ms) + f(ms));
    expose('ME_through', (f, ms) => again(f, ms));
    expose('ME_keep', f => { kept = f; return 0 });
    expose('ME_use', ms => kept ? kept(ms) : ms);
    expose('ME_hosted', ms => hosted(ms));
    expose('ME_deep', n => n === 0 ? 0 : call('ME_deep', n - 1));
    expose('ME_stubborn', ms => {
        try { try { nap(ms) } catch {} return nap(ms) } finally { try { nap(ms) } catch {} }
    });
    expose('ME_aside', async ms => {
        setTimeout(() => nap(ms), ms);
        const [a] = await Promise.all([nap.async(ms), nap.async(ms)]);
        return a;
    });
    undefined
";

/// How many functions a context exports: so many handles it has when nobody else has one.
const EXPORTS: usize = 12;

/// Counts the natives that wait.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

struct Pending {
    what: String,
    running: Running,
    /// What it returns if nothing comes between; none if it must fail.
    wanted: Option<i64>,
    /// How long it may take with all that it calls.
    deadline: Option<Duration>,
    is_impatient: bool,
}

/// A call that goes on whenever something does, and is given up by dropping it.
struct Running(JoinHandle<(calog::Result<Value>, Duration)>);

impl Running {
    fn new(call: impl Future<Output = calog::Result<Value>> + 'static) -> Self {
        Self(tokio::task::spawn_local(async {
            let begin = Instant::now();
            (call.await, begin.elapsed())
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Stage {
    broker: Broker,
    host: Option<Host>,
    contexts: Vec<Context>,
    opened: usize,
    calls: Vec<Pending>,
    handles: Vec<Function>,
    /// Posted calls that fail, whatever happens to them, and those that do so only if their context
    /// ends.
    failing: usize,
    posted: usize,
    failed: Arc<AtomicUsize>,
    waiting: Arc<AtomicUsize>,
    /// Some context was closed, so that its callers may fail.
    has_closed: bool,
    has_shut_down: bool,
}

impl Stage {
    fn new(local: &LocalSet) -> Self {
        let (waiting, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (naps, failures) = (waiting.clone(), failed.clone());
        let (broker, host) = Broker::builder()
            .limits(Limits::default().concurrent_calls(ROOM).depth(DEPTH))
            .native_async("nap", move |ms: u64| {
                naps.fetch_add(1, Relaxed);
                let waiting = Waiting(naps.clone());
                async move {
                    let _waiting = waiting;
                    time::sleep(Duration::from_millis(ms)).await;
                    ms
                }
            })
            .native_async("again", |f: Function, ms: i64| async move {
                // One that begins and is given up, and one that ends.
                let mut first = f.call::<i64>((ms,));
                let _ = futures::poll!(&mut first);
                drop(first);
                f.call::<i64>((ms,)).await
            })
            .native_host("hosted", |ms: i64| ms)
            .on_failure(move |_| {
                failures.fetch_add(1, Relaxed);
            })
            .build_inline_with_host(local)
            .unwrap();
        Self {
            broker,
            host: Some(host),
            contexts: Vec::new(),
            opened: 0,
            calls: Vec::new(),
            handles: Vec::new(),
            failing: 0,
            posted: 0,
            failed,
            waiting,
            has_closed: false,
            has_shut_down: false,
        }
    }

    /// Lets time pass, in which calls are answered.
    async fn pass(&mut self, time: Duration) {
        let mut sleep = pin!(time::sleep(time));
        poll_fn(|cx| {
            let mut index = 0;
            while index < self.calls.len() {
                match Pin::new(&mut self.calls[index].running.0).poll(cx) {
                    Poll::Ready(result) => {
                        let (result, took) = result.unwrap();
                        let call = self.calls.swap_remove(index);
                        let is_late = call.deadline.is_some_and(|limit| took > limit + TICK);
                        assert!(!is_late, "{}: {took:?} of {:?}", call.what, call.deadline);
                        self.answered(&call, result);
                    }
                    Poll::Pending => index += 1,
                }
            }
            sleep.as_mut().poll(cx)
        })
        .await;
    }

    fn answered(&mut self, call: &Pending, result: calog::Result<Value>) {
        match result {
            Ok(Value::Function(function)) => {
                assert!(call.what.ends_with("give"), "{}: a function", call.what);
                self.handles.push(function);
            }
            Ok(value) => assert_eq!(value.as_int(), call.wanted, "{}", call.what),
            Err(error) => self.explain(call, &error),
        }
    }

    /// An error must have a reason.
    fn explain(&self, call: &Pending, error: &Error) {
        let explained = match error.kind() {
            ErrorKind::Raised => call.wanted.is_none() || call.what.ends_with("use"),
            ErrorKind::Timeout => call.deadline.is_some(),
            ErrorKind::Busy => call.is_impatient,
            ErrorKind::Dead | ErrorKind::NotFound => self.has_closed || self.has_shut_down,
            ErrorKind::Shutdown => self.has_shut_down || self.host.is_none(),
            ErrorKind::Depth => call.what.ends_with("deep"),
            _ => false,
        };
        assert!(explained, "{}: {error:?}", call.what);
    }

    fn call(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        if self.contexts.is_empty() {
            return Ok(());
        }
        let context = input.choose(&self.contexts)?.clone();
        let ms = i64::from(u8::arbitrary(input)?);
        let functions = [
            "nap", "fail", "chain", "give", "twice", "through", "keep", "use", "hosted", "deep",
            "stubborn", "aside",
        ];
        let function = *input.choose(&functions)?;
        let handle = match self.handles.is_empty() {
            true => None,
            false => Some(input.choose(&self.handles)?.clone()),
        };
        let (args, wanted): (Vec<Value>, _) = match (function, handle) {
            ("chain", _) => {
                let mut names = Vec::new();
                for _ in 0..input.int_in_range(0..=6)? {
                    names.push(format!("{}_chain", input.choose(&self.contexts)?.name()));
                }
                (vec![Value::list(names), ms.into()], Some(ms))
            }
            ("give", _) => (Vec::new(), None),
            ("twice" | "through" | "keep", None) => return Ok(()),
            ("twice", Some(handle)) => (vec![Value::Function(handle), ms.into()], Some(2 * ms)),
            ("through", Some(handle)) => (vec![Value::Function(handle), ms.into()], Some(ms)),
            ("keep", Some(handle)) => (vec![Value::Function(handle)], Some(0)),
            ("deep", _) => (vec![(ms % i64::from(TOO_DEEP)).into()], Some(0)),
            ("fail", _) => (vec![ms.into()], None),
            _ => (vec![ms.into()], Some(ms)),
        };
        let name = format!("{}_{function}", context.name());
        let deadline = match bool::arbitrary(input)? {
            true => Some(Duration::from_millis(u8::arbitrary(input)?.into())),
            false => None,
        };
        let is_impatient = u8::arbitrary(input)? % 8 == 0;
        let mut call = match is_impatient {
            true => context.try_call::<Value>(&name, args),
            false => context.call::<Value>(&name, args),
        };
        if let Some(limit) = deadline {
            call = call.deadline(limit);
        }
        let running = Running::new(call);
        self.calls.push(Pending { what: name, running, wanted, deadline, is_impatient });
        Ok(())
    }

    async fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match u8::arbitrary(input)? % 16 {
            0 if self.contexts.len() < CONTEXTS => {
                let (engine, kit) = *input.choose(&[("lua", LUA), ("js", JS)])?;
                self.opened += 1;
                let name = format!("c{}", self.opened);
                match self.broker.open(engine).name(&name).into_future().await {
                    Ok(context) => {
                        context.eval::<Value>(&kit.replace("ME", &name)).await.unwrap();
                        self.contexts.push(context);
                    }
                    Err(error) => assert!(self.has_shut_down, "{error:?}"),
                }
            }
            1..=6 => self.call(input)?,
            7 | 8 => {
                let time = Duration::from_millis(u8::arbitrary(input)?.into());
                self.pass(time).await;
            }
            // Given up.
            9 if !self.calls.is_empty() => {
                let index = input.choose_index(self.calls.len())?;
                drop(self.calls.swap_remove(index));
            }
            10 if !self.contexts.is_empty() => {
                let index = input.choose_index(self.contexts.len())?;
                self.has_closed = true;
                let context = match bool::arbitrary(input)? {
                    true => self.contexts.swap_remove(index),
                    // Later calls find a context that is closed.
                    false => self.contexts[index].clone(),
                };
                // Somebody may stop waiting for it.
                let mut close = Box::pin(context.close());
                match bool::arbitrary(input)? {
                    true => close.await,
                    false => drop(futures::poll!(&mut close)),
                }
            }
            11 if !self.handles.is_empty() => {
                let index = input.choose_index(self.handles.len())?;
                let function = self.handles.swap_remove(index);
                if bool::arbitrary(input)? {
                    let running = Running::new(function.call::<Value>((3,)));
                    let (what, wanted) = ("handle".into(), Some(3));
                    let (deadline, is_impatient) = (None, false);
                    self.calls.push(Pending { what, running, wanted, deadline, is_impatient });
                }
            }
            12 if !self.contexts.is_empty() => {
                let context = input.choose(&self.contexts)?.clone();
                let is_failing = bool::arbitrary(input)?;
                let function = if is_failing { "fail" } else { "nap" };
                let ms = u8::arbitrary(input)?;
                match context.post(&format!("{}_{function}", context.name()), (ms,)) {
                    Ok(()) if is_failing => self.failing += 1,
                    Ok(()) => self.posted += 1,
                    Err(error) => {
                        let gone = self.has_closed || self.has_shut_down;
                        assert!(gone || error.kind() == ErrorKind::Busy, "{error:?}");
                    }
                }
            }
            13 => {
                if let Some(host) = &mut self.host {
                    host.pump();
                }
            }
            14 if u8::arbitrary(input)? % 8 == 0 => {
                self.has_shut_down = true;
                let limit = Duration::from_millis(u8::arbitrary(input)?.into());
                let _ = self.broker.shutdown(limit).await;
            }
            15 if u8::arbitrary(input)? % 8 == 0 => self.host = None,
            _ => {
                for context in &self.contexts {
                    match context.usage().await {
                        Ok(usage) => assert!(usage.handles >= EXPORTS, "{usage:?}"),
                        Err(error) => {
                            assert!(self.has_closed || self.has_shut_down, "{error:?}");
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Everything comes to its end, and nothing is left of it.
    async fn finish(mut self) {
        let mut rounds = 0;
        while !self.calls.is_empty() || self.waiting.load(Relaxed) > 0 {
            if let Some(host) = &mut self.host {
                host.pump();
            }
            self.pass(Duration::from_millis(100)).await;
            rounds += 1;
            let open: Vec<_> = self.calls.iter().map(|call| call.what.as_str()).collect();
            assert!(rounds < 1_000, "never answered: {open:?}");
        }
        self.broker.settled().await;
        self.handles.clear();
        // What posted calls still wait for.
        for _ in 0..20 {
            if let Some(host) = &mut self.host {
                host.pump();
            }
            self.pass(Duration::from_secs(1)).await;
        }
        // The last one that is left has only what it exports, when all who may hold its functions
        // are gone.
        while self.contexts.len() > 1 {
            self.contexts.swap_remove(1).close().await;
        }
        if let Some(context) = self.contexts.first()
            && let Ok(usage) = context.usage().await
        {
            assert_eq!((usage.calls, usage.tasks), (0, 0));
            assert_eq!(usage.handles, EXPORTS, "{} keeps functions", context.name());
        }
        self.broker.shutdown(AT_THE_MOST).await.unwrap();
        assert!(self.broker.contexts().is_empty());
        assert_eq!(self.waiting.load(Relaxed), 0, "a native waits for nobody");
        if let Some(host) = &mut self.host {
            host.pump();
            let failed = self.failed.load(Relaxed);
            let most =
                self.failing + if self.has_closed || self.has_shut_down { self.posted } else { 0 };
            assert!((self.failing..=most).contains(&failed), "{failed} of {} failed", self.failing);
        }
    }
}

/// Does what `data` says, and sees that everything ends.
pub fn run(data: &[u8]) {
    let runtime = time_that_waits();
    let local = LocalSet::new();
    let stage = Stage::new(&local);
    let all = async {
        let mut stage = stage;
        let mut input = Unstructured::new(data);
        for _ in 0..OPERATIONS {
            if input.is_empty() || stage.step(&mut input).await.is_err() {
                break;
            }
        }
        stage.finish().await;
    };
    let all = async { time::timeout(AT_THE_MOST, all).await };
    local.block_on(&runtime, all).expect("it hangs");
}

/// A runtime whose time moves on only when nothing is left to run.
fn time_that_waits() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}
