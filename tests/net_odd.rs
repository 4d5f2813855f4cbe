//! Scripts that do odd things with sockets: close them in cleanup, from their own callbacks and in the
//! middle of everything. Nothing may hang, be lost, or stay open.

#![cfg(all(feature = "lua", feature = "js", feature = "basic", feature = "net"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod net_support;

use calog::{Broker, Context, Error, ErrorKind};
use futures::future::join_all;
use net_support::*;
use std::{
    cell::Cell,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What no send gets rid of at once, whatever the system keeps ready.
const LARGE: usize = 64 << 20;

/// A script in `language` with a connection `c` to the test, and the test's end of it.
async fn connected(broker: &Broker, language: &str) -> (Context, TcpStream) {
    let (listener, port) = listen().await;
    let nothing = if language == "js" { "; null" } else { "" };
    let source = format!("c = net.connect(\"127.0.0.1\", {port}){nothing}");
    let script = open(broker, language, &source).await;
    let (peer, _) = within(listener.accept()).await.unwrap();
    (script, peer)
}

/// A broker whose failures are kept.
fn watched() -> (Broker, Arc<Mutex<Vec<Error>>>) {
    let failures = Arc::<Mutex<Vec<Error>>>::default();
    let kept = failures.clone();
    let builder = builder().on_failure(move |failure| kept.lock().unwrap().push(failure.error));
    (builder.build().unwrap(), failures)
}

/// How many things a context has open.
async fn resources(context: &Context) -> usize {
    context.usage().await.unwrap().resources
}

// A call that is given up may still close what it has, whoever waits for it.
#[tokio::test]
async fn cleanup_of_a_call_that_is_given_up_closes_sockets() {
    let broker = broker();
    let cases = [
        (
            "lua",
            "expose('read', function() return net.recv(c) end)
             expose('serve', function()
               local l = net.listen('127.0.0.1', 0)
               net.on_connect(l, print)
               local closed <close> = setmetatable({}, {__close = function()
                 net.close(l)
                 net.close(c)
               end})
               timer.sleep(1e9)
             end)",
        ),
        (
            "js",
            "expose('read', () => net.recv.async(c));
             expose('serve', () => {
               const l = net.listen('127.0.0.1', 0);
               net.on_connect(l, print);
               try {
                 timer.sleep(1e9);
               } finally {
                 net.close(l);
                 net.close(c);
               }
             }); null",
        ),
        (
            "basic",
            "hold = 0
             def reads()
               return net.recv(c)
             enddef
             expose(\"read\", reads)
             def serve()
               finally(lambda () (
                 l = net.listen(\"127.0.0.1\", 0)
                 net.on_connect(l, lambda (x) (print x))
                 hold = l
                 timer.sleep(1e9)
               ), lambda () (
                 net.close(hold)
                 net.close(c)
               ))
             enddef
             expose(serve)",
        ),
    ];
    for (language, source) in cases {
        let (script, mut peer) = connected(&broker, language).await;
        within(script.eval::<()>(source)).await.unwrap();
        let (read, serve) = within(async {
            let serve = script.call::<()>("serve", ()).deadline(Duration::from_millis(50));
            tokio::join!(script.call::<()>("read", ()), serve)
        })
        .await;
        assert_eq!(kind(serve), ErrorKind::Timeout, "{language}");
        assert_eq!(kind(read), ErrorKind::Dead, "{language}");
        assert_eq!(within(peer.read(&mut [0])).await.unwrap(), 0, "{language}");
        assert_eq!(resources(&script).await, 0, "{language}");
        within(broker.settled()).await;
        script.close().await;
    }
}

// A callback may close what it is called for, and go on.
#[tokio::test]
async fn callbacks_close_their_own_sockets() {
    let (broker, failures) = watched();
    let cases = [
        (
            "lua",
            "log = {}
             local function add(text) log[#log + 1] = text end
             local function kind(f, ...) local ok, e = pcall(f, ...) add(ok and 'fine' or e.kind) end
             local l = net.listen('127.0.0.1', 0)
             port = net.address(l).port
             net.on_connect(l, function(c)
               if net.close(l) then add('closed the listener') end
               again = net.listen('127.0.0.1', port)
               net.on_close(c, function()
                 add('closed')
                 kind(net.send, c, 'x')
               end)
               net.on_data(c, function(data)
                 kind(net.recv, c)
                 kind(net.on_data, c, print)
                 net.send(c, data)
                 if net.close(c) then add('closed itself') end
                 kind(net.send, c, data)
                 timer.sleep(1)
                 add('went on')
               end)
             end)
             expose('log', function() return table.concat(log, ', ') end)",
        ),
        (
            "js",
            "const log = [];
             const kind = (f, ...args) => {
               try { f(...args); log.push('fine'); } catch (e) { log.push(e.kind); }
             };
             const l = net.listen('127.0.0.1', 0);
             globalThis.port = net.address(l).port;
             let again;
             net.on_connect(l, c => {
               if (net.close(l)) log.push('closed the listener');
               again = net.listen('127.0.0.1', port);
               net.on_close(c, () => {
                 log.push('closed');
                 kind(net.send, c, 'x');
               });
               net.on_data(c, data => {
                 kind(net.recv, c);
                 kind(net.on_data, c, print);
                 net.send(c, data);
                 if (net.close(c)) log.push('closed itself');
                 kind(net.send, c, data);
                 timer.sleep(1);
                 log.push('went on');
               });
             });
             expose('log', () => log.join(', ')); null",
        ),
    ];
    for (language, source) in cases {
        let script = open(&broker, language, source).await;
        let port: u16 = script.eval(&format!("{}port", ret(language))).await.unwrap();
        let mut peer = connect(port).await;
        peer.write_all(b"hello").await.unwrap();
        let mut all = String::new();
        within(peer.read_to_string(&mut all)).await.unwrap();
        assert_eq!(all, "hello", "{language}");
        within(broker.settled()).await;
        let log: String = script.call("log", ()).await.unwrap();
        let (before, after) = log.split_once("closed itself, dead").expect(&log);
        assert_eq!(before, "closed the listener, busy, busy, ", "{language}");
        let mut after: Vec<_> = after.split(", ").filter(|word| !word.is_empty()).collect();
        after.sort_unstable();
        assert_eq!(after, ["closed", "dead", "went on"], "{language}");
        // What listens again is all that is left.
        assert_eq!(resources(&script).await, 1, "{language}");
        script.close().await;
    }
    assert!(failures.lock().unwrap().is_empty(), "{failures:?}");
}

/// How a script in `language` gives the value of an expression.
fn ret(language: &str) -> &'static str {
    if language == "js" { "" } else { "return " }
}

// Whoever asked first gets the first; a callback gets what is left from then on.
#[tokio::test]
async fn who_waits_before_a_callback_is_served_before_it() {
    let broker = broker();
    let (script, mut peer) = connected(&broker, "lua").await;
    let source = "got = {}
                  expose('one', function() waits = true got[#got + 1] = 'one ' .. net.recv(c, 1) end)
                  expose('rest', function()
                    assert(waits)
                    net.on_data(c, function(data) got[#got + 1] = data end)
                    net.send(c, '!')
                  end)
                  expose('got', function() return table.concat(got, ' ') end)";
    script.eval::<()>(source).await.unwrap();
    let talk = async {
        assert_eq!(peer.read_u8().await.unwrap(), b'!');
        peer.write_all(b"abc").await.unwrap();
        drop(peer);
    };
    let calls = async { tokio::join!(script.call::<()>("one", ()), script.call::<()>("rest", ())) };
    let ((one, rest), ()) = within(async { tokio::join!(calls, talk) }).await;
    one.and(rest).unwrap();
    within(broker.settled()).await;
    assert_eq!(script.call::<String>("got", ()).await.unwrap(), "one a bc");
}

// A script that never receives hears of the end when it can send no more.
#[tokio::test]
async fn who_only_sends_is_told_of_the_end() {
    let (broker, failures) = watched();
    let (script, peer) = connected(&broker, "lua").await;
    let source = "net.on_close(c, function() ended = true end)
                  local beat
                  beat = timer.every(1, function()
                    local fine, e = pcall(net.send, c, 'tick')
                    if not fine then
                      timer.cancel(beat)
                      kind = e.kind
                    end
                  end)";
    script.eval::<()>(source).await.unwrap();
    drop(peer);
    within(broker.settled()).await;
    let told: String = script.eval("return kind .. tostring(ended)").await.unwrap();
    // The callback may have closed it before the next beat.
    assert!(["transporttrue", "deadtrue"].contains(&&*told), "{told}");
    assert_eq!(resources(&script).await, 0);
    assert!(failures.lock().unwrap().is_empty(), "{failures:?}");
}

// What a callback does not take stays with its sender, and whatever it does, the socket can be closed.
#[tokio::test]
async fn a_callback_that_never_ends_holds_up_only_its_sender() {
    let broker = broker();
    let source = "l = net.listen('127.0.0.1', 0)
                  net.on_connect(l, function(c)
                    last = c
                    net.on_data(c, function() net.send(c, '!') timer.sleep(1e9) end)
                  end)
                  expose('close', function() return net.close(last) end)
                  return net.address(l).port";
    let script = broker.open("lua").permissions(loopback()).await.unwrap();
    let port: u16 = within(script.eval(source)).await.unwrap();
    let mut peer = connect(port).await;
    peer.write_all(b"?").await.unwrap();
    assert_eq!(within(peer.read_u8()).await.unwrap(), b'!');
    let before = script.usage().await.unwrap().memory_bytes;
    let (mut input, mut output) = peer.into_split();
    let flood = tokio::spawn(async move { output.write_all(&vec![b'x'; LARGE]).await });
    // Others talk meanwhile, until the system has taken from the flood what it can.
    for _ in 0..100 {
        let mut other = connect(port).await;
        other.write_all(b"?").await.unwrap();
        assert_eq!(within(other.read_u8()).await.unwrap(), b'!');
    }
    assert!(!flood.is_finished());
    let after = script.usage().await.unwrap().memory_bytes;
    assert!(after < before + (8 << 20), "{before}, {after}");
    script.eval::<()>("for i = last, l, -1 do net.close(i) end").await.unwrap();
    assert!(within(flood).await.unwrap().is_err());
    let _ = within(input.read(&mut [0])).await;
    // The callbacks go on; only the end of their context ends them.
    assert_eq!(resources(&script).await, 0);
    within(script.close()).await;
    within(broker.settled()).await;
}

// One script at both ends may wait for itself for ever, but not beyond its deadline; then it knows.
#[tokio::test]
async fn a_script_that_waits_for_itself_ends_at_its_deadline() {
    const SENT: usize = 24 << 20;
    let broker = broker();
    let source = format!(
        "l = net.listen('127.0.0.1', 0)
         a = net.connect('127.0.0.1', net.address(l).port)
         b = net.accept(l)
         large = ('x'):rep({SENT})
         expose('send', function() net.send(a, large) end)
         expose('wait', function() net.recv(a) end)
         expose('after', function()
           local _, e = pcall(net.send, a, 'more')
           net.close(a)
           local got, data = 0, nil
           repeat
             data = net.recv(b)
             got = got + #(data or '')
           until not data
           return e.kind .. ' ' .. (got > 0 and got < {SENT} and 'a part' or got)
         end)"
    );
    let script = open(&broker, "lua", &source).await;
    // Long enough to begin.
    let soon = Duration::from_millis(500);
    for call in ["wait", "send"] {
        assert_eq!(
            kind(within(script.call::<()>(call, ()).deadline(soon)).await),
            ErrorKind::Timeout
        );
    }
    let after: String = within(script.call("after", ())).await.unwrap();
    assert_eq!(after, "transport a part");
}

// The context ends in the middle of everything, and all that it had is gone.
#[tokio::test]
async fn a_context_ends_under_load() {
    const PEERS: usize = 40;
    let sources = [
        (
            "lua",
            "l = net.listen('127.0.0.1', 0)
             net.on_connect(l, function(c)
               if c % 2 == 0 then
                 net.on_data(c, function(data) net.send(c, data) end)
               else
                 for data in function() return net.recv(c) end do net.send(c, data) end
               end
             end)",
        ),
        (
            "js",
            "l = net.listen('127.0.0.1', 0);
             net.on_connect(l, async c => {
               for (let data; (data = await net.recv.async(c));) await net.send.async(c, data);
             }); null",
        ),
    ];
    for (language, source) in sources {
        let (broker, failures) = watched();
        let script = open(&broker, language, source).await;
        let port: u16 =
            script.eval(&format!("{}net.address(l).port", ret(language))).await.unwrap();
        let rounds = Cell::new(0);
        let peers = (0..PEERS).map(|_| async {
            let mut peer = connect(port).await;
            loop {
                let mut back = [0; 1000];
                let round = async {
                    peer.write_all(&[7; 1000]).await?;
                    peer.read_exact(&mut back).await
                };
                if round.await.is_err() {
                    return;
                }
                rounds.set(rounds.get() + 1);
            }
        });
        let end = async {
            // All of them are at it.
            while resources(&script).await < PEERS + 1 || rounds.get() < 10 * PEERS {
                tokio::task::yield_now().await;
            }
            script.close().await;
        };
        within(async { tokio::join!(join_all(peers), end) }).await;
        within(broker.settled()).await;
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "{language}");
        assert!(failures.lock().unwrap().is_empty(), "{language}: {failures:?}");
    }
}

/// A row of numbers that looks random, and is the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Anything that a script may do to a few sockets.
const STORM_IN_LUA: &str = "
    local l = net.listen('127.0.0.1', 0)
    local port = net.address(l).port
    local sockets = {}
    local function pick(n) return sockets[n % 8 + 1] or l end
    local steps = {
      function(n) sockets[#sockets % 8 + 1] = net.connect('127.0.0.1', port) end,
      function(n) sockets[n % 8 + 1] = net.accept(l) end,
      function(n) net.send(pick(n), ('x'):rep(n * 50)) end,
      function(n) net.send(pick(n), 'line ' .. n .. '\\n') end,
      function(n) net.recv(pick(n), n % 100 + 1) end,
      function(n) net.recv_line(pick(n), n % 1000 + 1) end,
      function(n) net.recv_exact(pick(n), n % 3000) end,
      function(n) net.shutdown(pick(n)) end,
      function(n) net.timeout(pick(n), n % 7) end,
      function(n) net.timeout(pick(n)) end,
      function(n) net.close(pick(n)) end,
      function(n) local c = pick(n) net.on_data(c, function(data) net.send(pick(n + 1), data) end) end,
      function(n) local c = pick(n) net.on_close(c, function() net.close(c) end) end,
      function(n)
        local old = l
        l = net.listen('127.0.0.1', 0)
        port = net.address(l).port
        net.close(old)
      end,
      function(n) net.on_connect(l, function(c) sockets[n % 8 + 1] = c end) end,
      function(n) net.peer(pick(n)) net.address(pick(n)) end,
    }
    expose('steps', function() return #steps end)
    expose('step', function(which, n)
      local c <close> = setmetatable({}, {__close = function()
        if n % 5 == 0 then pcall(net.close, pick(n)) end
      end})
      steps[which + 1](n)
    end)
    expose('close_all', function(from, to) for h = from, to do pcall(net.close, h) end end)
    expose('newest', function() return net.listen('127.0.0.1', 0) end)";

/// The same with promises, some of which nobody waits for.
const STORM_IN_JS: &str = "
    let l = net.listen('127.0.0.1', 0);
    let port = net.address(l).port;
    const sockets = [];
    const pick = n => sockets[n % 8] ?? l;
    const steps = [
      async n => { sockets[n % 8] = await net.connect.async('127.0.0.1', port); },
      async n => { sockets[n % 8] = await net.accept.async(l); },
      n => net.send.async(pick(n), 'x'.repeat(n * 50)),
      async n => { net.send.async(pick(n), `one ${n}\\n`); await net.send.async(pick(n), 'two'); },
      n => net.recv.async(pick(n), n % 100 + 1),
      // Nothing else goes on while this waits.
      n => n % 50 > 0 || net.recv(pick(n), n % 100 + 1),
      n => net.recv_line.async(pick(n), n % 1000 + 1),
      n => Promise.all([net.recv_exact.async(pick(n), n % 3000), net.recv.async(pick(n + 1))]),
      n => { net.recv.async(pick(n)); },
      n => net.shutdown.async(pick(n)),
      n => { net.timeout(pick(n), n % 7); },
      n => { net.timeout(pick(n), null); },
      n => { net.close(pick(n)); },
      n => net.close.async(pick(n)),
      n => { net.on_data(pick(n), data => net.send.async(pick(n + 1), data)); },
      n => { const c = pick(n); net.on_close(c, () => net.close.async(c)); },
      async n => {
        const old = l;
        l = await net.listen.async('127.0.0.1', 0);
        port = net.address(l).port;
        await net.close.async(old);
      },
      n => { net.on_connect(l, c => { sockets[n % 8] = c; }); },
      n => { net.peer(pick(n)); net.address(pick(n)); },
    ];
    expose('steps', () => steps.length);
    expose('step', async (which, n) => {
      try {
        await steps[which](n);
      } finally {
        if (n % 5 === 0) try { net.close(pick(n)); } catch (e) {}
      }
      return null;
    });
    expose('close_all', (from, to) => {
      for (let h = from; h <= to; h++) try { net.close(h); } catch (e) {}
    });
    expose('newest', () => net.listen('127.0.0.1', 0)); null";

// Calls that do anything to a few sockets, many at once, each given up at some time.
#[tokio::test]
async fn anything_may_be_done_to_sockets_at_any_time() {
    const CALLS: usize = 1500;
    const AT_ONCE: usize = 40;
    // What sockets do to each other's callers is no failure of calog.
    let harmless = [
        ErrorKind::Dead,
        ErrorKind::Timeout,
        ErrorKind::Transport,
        ErrorKind::Busy,
        ErrorKind::Type,
        ErrorKind::Range,
        // What a promise hears that nobody waits for, when its call is given up.
        ErrorKind::Cancelled,
    ];
    let storms = [("lua", STORM_IN_LUA), ("js", STORM_IN_JS)];
    let seeds = [0x9e37_79b9, 0x7f4a_7c15, 0x2545_f491];
    for ((language, source), seed) in
        storms.iter().flat_map(|storm| seeds.map(|seed| (storm, seed)))
    {
        let (broker, failures) = watched();
        let script = open(&broker, language, source).await;
        let steps: u64 = script.call("steps", ()).await.unwrap();
        let dice = Mutex::new(Dice(seed));
        let (left, went_well) = (Mutex::new(CALLS), Cell::new(0));
        let callers = (0..AT_ONCE).map(|_| async {
            loop {
                let Some(rest) = left.lock().unwrap().checked_sub(1) else { return };
                *left.lock().unwrap() = rest;
                let (which, n, limit) = {
                    let mut dice = dice.lock().unwrap();
                    (dice.roll(steps), dice.roll(4000), dice.roll(60))
                };
                let call = script.call::<()>("step", (which, n));
                match call.deadline(Duration::from_millis(limit)).await {
                    Ok(()) => went_well.set(went_well.get() + 1),
                    Err(error) => {
                        let kind = error.kind();
                        assert!(
                            harmless.contains(&kind),
                            "{language}, seed {seed}, step {which}, {n}: {error:?}"
                        );
                    }
                }
            }
        });
        within(join_all(callers)).await;
        // Else it would show nothing.
        assert!(went_well.get() > 0, "{language}, seed {seed}: {went_well:?}");
        let last: i64 = script.call("newest", ()).await.unwrap();
        within(script.call::<()>("close_all", (1, last))).await.unwrap();
        within(broker.settled()).await;
        assert_eq!(resources(&script).await, 0, "{language}, seed {seed}");
        let failures: Vec<_> = failures.lock().unwrap().clone();
        for error in failures {
            assert!(harmless.contains(&error.kind()), "{language}, seed {seed}: {error:?}");
        }
        within(script.close()).await;
    }
}
