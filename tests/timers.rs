//! Timers and clocks, in every language, under paused time: what is due when, who may cancel what,
//! and what is left in the end.

#![cfg(all(feature = "lua", feature = "js", feature = "basic"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Broker, Builder, Caller, Context, ErrorKind, Limits, Serde, Value};
use js_support::{Log, at_rest, builder, inline, kind, within};
use std::{
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::watch, task::JoinSet, time::Instant};

/// What a context may hold open unless it is told otherwise.
const RESOURCES: usize = 10_000;

/// Scripts that do the same in each language.
struct Scripts {
    lua: &'static str,
    js: &'static str,
    basic: &'static str,
}

impl Scripts {
    fn all(&self) -> [(&'static str, &'static str); 3] {
        [("lua", self.lua), ("js", self.js), ("basic", self.basic)]
    }
}

/// A builder whose `note(text)` adds a line with the time in milliseconds since now, and whose
/// failures are lines too.
fn noting(log: &Log) -> Builder {
    let (notes, failures, start) = (log.clone(), log.clone(), Instant::now());
    let at = move || {
        // A clock of whole milliseconds fires up to one late.
        let at = start.elapsed() + Duration::from_micros(500);
        at.as_millis()
    };
    builder()
        .native("whoami", |caller: Caller| caller.name().to_string())
        .native("note", move |text: String| notes.add(format!("{} {text}", at())))
        .on_failure(move |failure| {
            let (context, kind) = (failure.context, failure.error.kind());
            failures.add(format!("{} {context}: {kind}: {}", at(), failure.error.message()));
        })
}

/// Runs `test` with a broker of [`noting`] on this thread.
async fn timed<T>(log: &Log, test: impl AsyncFnOnce(Broker) -> T) -> T {
    inline(noting(log), test).await
}

/// A context that has run `source`.
async fn open(broker: &Broker, language: &str, source: &str) -> Context {
    let context = broker.open(language).await.unwrap();
    let ran = within(context.eval::<()>(source)).await;
    ran.unwrap_or_else(|error| panic!("{error:?} in {source}"));
    context
}

/// Runs each of `scripts` by itself until it has nothing left to do: all must write `wanted`.
async fn all_write(scripts: &Scripts, wanted: &[&str]) {
    for (language, source) in scripts.all() {
        let log = Log::default();
        timed(&log, async |broker| {
            let context = open(&broker, language, source).await;
            broker.settled().await;
            assert_eq!(log.take(), wanted, "{language}");
            at_rest(&context).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_language_waits_and_is_called_back_in_time() {
    let scripts = Scripts {
        lua: "local n, id = 0, nil
              timer.after(25, function() note('after') end)
              id = timer.every(10, function()
                n = n + 1
                note('beat')
                if n == 3 then
                  if timer.cancel(id) then note('was there') end
                  if not timer.cancel(id) then note('gone') end
                end
              end)
              timer.sleep(12)
              note('slept')",
        js: "let n = 0;
             timer.after(25, () => note('after'));
             const id = timer.every(10, () => {
               n += 1;
               note('beat');
               if (n === 3) {
                 if (timer.cancel(id) === true) note('was there');
                 if (timer.cancel(id) === false) note('gone');
               }
             });
             timer.sleep(12);
             note('slept'); null",
        basic: "n = 0: id = 0
                timer.after(25, lambda () (note(\"after\")))
                def beat()
                  n = n + 1
                  note(\"beat\")
                  if n = 3 then
                    if timer.cancel(id) then note(\"was there\")
                    if not timer.cancel(id) then note(\"gone\")
                  endif
                enddef
                id = Timer.Every(10, call(beat))
                TIMER.SLEEP(12)
                note(\"slept\")",
    };
    let wanted =
        ["10 beat", "12 slept", "20 beat", "25 after", "30 beat", "30 was there", "30 gone"];
    all_write(&scripts, &wanted).await;
}

// The rhythm stays, whatever a callback takes: the beats that it missed are left out, and the one that
// is due when it ends is not.
#[tokio::test(start_paused = true)]
async fn beats_do_not_drift_and_do_not_overlap() {
    let scripts = Scripts {
        lua: "local n, id, naps = 0, nil, {3, 0, 25, 10, 0, 0}
              id = timer.every(10, function()
                n = n + 1
                note('beat')
                timer.sleep(naps[n])
                if n == #naps then timer.cancel(id) end
              end)",
        js: "const naps = [3, 0, 25, 10, 0, 0];
             const id = timer.every(10, () => {
               note('beat');
               timer.sleep(naps.shift());
               if (naps.length === 0) timer.cancel(id);
             }); null",
        basic: "n = 0: id = 0
                naps = list(3, 0, 25, 10, 0, 0)
                def beat()
                  note(\"beat\")
                  timer.sleep(naps(n))
                  n = n + 1
                  if n = len(naps) then timer.cancel(id)
                enddef
                id = timer.every(10, call(beat))",
    };
    // The third takes 25 ms, so those at 40 and 50 are missed; the fourth takes until the next is due.
    let wanted = ["10 beat", "20 beat", "30 beat", "60 beat", "70 beat", "80 beat"];
    all_write(&scripts, &wanted).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_beats_end_when_they_should() {
    let log = Log::default();
    timed(&log, async |broker| {
        for (period, millis) in [("7", 7000), ("2.5", 2500), ("0.4", 1000), ("0", 1000)] {
            let start = Instant::now();
            let source = format!(
                "local n, id = 0, nil
                 id = timer.every({period}, function()
                   n = n + 1
                   if n == 1000 then timer.cancel(id) end
                 end)"
            );
            let _context = open(&broker, "lua", &source).await;
            broker.settled().await;
            let took = start.elapsed().as_millis();
            // The clock is one of whole milliseconds: a beat in between fires after it.
            assert!((millis..millis + 3).contains(&took), "{period}: {took}");
        }
    })
    .await;
}

// A thousand scripts sleep on one thread, each for its own time, and a context goes on with other calls.
#[tokio::test(start_paused = true)]
async fn a_sleep_parks_only_its_own_call() {
    let log = Log::default();
    timed(&log, async |broker| {
        let context =
            open(&broker, "lua", "expose('doze', function(ms) timer.sleep(ms) return ms end)")
                .await;
        let start = Instant::now();
        let naps = (1..=1000_u32).map(|ms| context.call::<u32>("doze", (ms,)));
        let naps = naps.map(|nap| async {
            let ms = nap.await.unwrap();
            let late = start.elapsed() - Duration::from_millis(ms.into());
            assert!(late < Duration::from_millis(2), "{ms} ms took {late:?} more");
        });
        futures::future::join_all(naps).await;
        assert!(start.elapsed() < Duration::from_millis(1002));
    })
    .await;
}

// One that waits for nothing lets others run all the same.
#[tokio::test(start_paused = true)]
async fn a_sleep_of_nothing_lets_others_run() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "expose('turns', function(who)
                        for i = 1, 3 do note(who); timer.sleep(0) end
                      end)";
        let context = open(&broker, "lua", source).await;
        let turns = |who: &str| context.call::<()>("turns", (who,));
        let (a, b) = futures::join!(turns("a"), turns("b"));
        a.and(b).unwrap();
        // Nobody has two turns in one round.
        for round in log.take().chunks(2) {
            assert!(round.contains(&"0 a".into()) && round.contains(&"0 b".into()), "{round:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn javascript_sleeps_in_promises() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "const nap = async ms => { await timer.sleep.async(ms); note(`${ms}`); };
                      await Promise.all([nap(30), nap(20), nap(10)]);
                      note('all')";
        let _context = open(&broker, "js", source).await;
        assert_eq!(log.take(), ["10 10", "20 20", "30 30", "30 all"]);
    })
    .await;
}

// JavaScript's own timers and these keep one rhythm.
#[tokio::test(start_paused = true)]
async fn intervals_of_javascript_beat_alike() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source =
            "for (const [name, every, clear] of [['interval', (ms, f) => setInterval(f, ms),
                          clearInterval], ['timer', timer.every, timer.cancel]]) {
                        let n = 0;
                        const id = every(10, () => {
                          note(name);
                          timer.sleep([0, 25, 0][n]);
                          if (++n === 3) clear(id);
                        });
                        timer.sleep(100);
                      } null";
        let _context = open(&broker, "js", source).await;
        let interval = ["10 interval", "20 interval", "50 interval"];
        assert_eq!(log.take(), [&interval[..], &["110 timer", "120 timer", "150 timer"]].concat());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_cancelled_in_every_state() {
    let scripts = Scripts {
        lua: "local function say(was, text) note(text .. (was and ': yes' or ': no')) end
              local never = function() note('never') end
              -- While it waits.
              local once, often = timer.after(5, never), timer.every(5, never)
              say(timer.cancel(once), 'once')
              say(timer.cancel(often), 'often')
              say(timer.cancel(once), 'once more')
              -- While its callback runs, which ends as if nothing had been.
              local slow = function() timer.sleep(20); note('slow') end
              once, often = timer.after(10, slow), timer.every(10, slow)
              timer.sleep(15)
              say(timer.cancel(once), 'fired')
              say(timer.cancel(often), 'beating')
              say(timer.cancel(often), 'beating on')
              timer.sleep(50)
              say(timer.cancel(once), 'fired long ago')
              say(timer.cancel(often), 'ended')
              say(timer.cancel(123456789), 'no timer')",
        js: "const say = (was, text) => note(text + (was ? ': yes' : ': no'));
             const never = () => note('never');
             let once = timer.after(5, never), often = timer.every(5, never);
             say(timer.cancel(once), 'once');
             say(timer.cancel(often), 'often');
             say(timer.cancel(once), 'once more');
             const slow = async () => { await timer.sleep.async(20); note('slow'); };
             once = timer.after(10, slow), often = timer.every(10, slow);
             await timer.sleep.async(15);
             say(timer.cancel(once), 'fired');
             say(timer.cancel(often), 'beating');
             say(timer.cancel(often), 'beating on');
             await timer.sleep.async(50);
             say(timer.cancel(once), 'fired long ago');
             say(timer.cancel(often), 'ended');
             say(timer.cancel(123456789), 'no timer')",
        basic: "def say(was, text)
                  if was then note(text + \": yes\") else note(text + \": no\")
                enddef
                never = lambda () (note(\"never\"))
                once = timer.after(5, never)
                often = timer.every(5, never)
                say(timer.cancel(once), \"once\")
                say(timer.cancel(often), \"often\")
                say(timer.cancel(once), \"once more\")
                slow = lambda () (timer.sleep(20): note(\"slow\"))
                once = timer.after(10, slow)
                often = timer.every(10, slow)
                timer.sleep(15)
                say(timer.cancel(once), \"fired\")
                say(timer.cancel(often), \"beating\")
                say(timer.cancel(often), \"beating on\")
                timer.sleep(50)
                say(timer.cancel(once), \"fired long ago\")
                say(timer.cancel(often), \"ended\")
                say(timer.cancel(123456789), \"no timer\")",
    };
    let wanted = [
        "0 once: yes",
        "0 often: yes",
        "0 once more: no",
        "15 fired: no",
        "15 beating: yes",
        "15 beating on: no",
        "30 slow",
        "30 slow",
        "65 fired long ago: no",
        "65 ended: no",
        "65 no timer: no",
    ];
    all_write(&scripts, &wanted).await;
}

// A timer belongs to its context: another one can neither cancel it nor tell that it is there.
#[tokio::test(start_paused = true)]
async fn only_its_own_context_finds_a_timer() {
    let log = Log::default();
    timed(&log, async |broker| {
        let mine = broker.open("lua").name("mine").await.unwrap();
        let id: i64 =
            mine.eval("return timer.after(5, function() note('fired') end)").await.unwrap();
        let other = broker.open("js").name("other").await.unwrap();
        let there: bool = other.eval(&format!("timer.cancel({id})")).await.unwrap();
        assert!(!there);
        broker.settled().await;
        assert_eq!(log.take(), ["5 fired"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn callbacks_run_in_the_context_that_owns_them() {
    let log = Log::default();
    timed(&log, async |broker| {
        let owners = [
            ("lua", "expose('tick_lua', function() note('lua of ' .. whoami()) end)"),
            ("js", "expose('tick_js', () => note('js of ' + whoami())); null"),
            (
                "basic",
                "def tick_basic()\nnote(\"basic of \" + whoami())\nenddef\nexpose(tick_basic)",
            ),
        ];
        for (language, source) in owners {
            let owner = broker.open(language).name(format!("{language}s")).await.unwrap();
            owner.eval::<()>(source).await.unwrap();
        }
        let users = [
            ("lua", "timer.after(1, tick_lua) timer.after(2, tick_js) timer.after(3, tick_basic)"),
            (
                "js",
                "timer.after(1, tick_lua); timer.after(2, tick_js); timer.after(3, tick_basic);
                    null",
            ),
            (
                "basic",
                "timer.after(1, call(tick_lua)): timer.after(2, call(tick_js))
                       timer.after(3, call(tick_basic))",
            ),
        ];
        for (language, source) in users {
            let start = Instant::now();
            let user = open(&broker, language, source).await;
            broker.settled().await;
            let lines: Vec<_> =
                log.take().iter().map(|line| line.split_once(' ').unwrap().1.to_string()).collect();
            assert_eq!(lines, ["lua of luas", "js of jss", "basic of basics"], "{language}");
            assert!(start.elapsed() < Duration::from_millis(5));
            at_rest(&user).await;
        }
    })
    .await;
}

// An error ends one beat and not the timer, and it is told once for each beat.
#[tokio::test(start_paused = true)]
async fn errors_of_callbacks_are_reported_and_beats_go_on() {
    let scripts = Scripts {
        lua: "local n, id = 0, nil
              timer.after(5, function() error('once', 0) end)
              id = timer.every(10, function()
                n = n + 1
                if n == 3 then timer.cancel(id) end
                fail(n == 2 and 'dead' or 'busy', 'beat')
              end)",
        js: "let n = 0;
             timer.after(5, () => { throw new Error('once'); });
             const id = timer.every(10, async () => {
               n += 1;
               if (n === 3) timer.cancel(id);
               await fail_later.async(n === 2 ? 'dead' : 'busy', 'beat');
             }); null",
        basic: "n = 0: id = 0
                timer.after(5, lambda () (raise(\"once\")))
                def beat()
                  n = n + 1
                  if n = 3 then timer.cancel(id)
                  if n = 2 then fail(\"dead\", \"beat\") else fail(\"busy\", \"beat\")
                enddef
                id = timer.every(10, call(beat))",
    };
    for (language, source) in scripts.all() {
        let log = Log::default();
        timed(&log, async |broker| {
            let context = open(&broker, language, source).await;
            broker.settled().await;
            let kinds =
                [(5, "raised: once"), (10, "busy: beat"), (20, "dead: beat"), (30, "busy: beat")];
            let wanted = kinds.map(|(at, what)| format!("{at} {}: {what}", context.name()));
            assert_eq!(log.take(), wanted, "{language}");
        })
        .await;
    }
}

// When the context of the callback has ended, there is nothing to beat for.
#[tokio::test(start_paused = true)]
async fn beats_end_with_the_owner_of_their_callback() {
    let log = Log::default();
    timed(&log, async |broker| {
        let user = open(&broker, "lua", "expose('beat', function(f) timer.every(10, f) end)").await;
        let owner = open(&broker, "js", "beat(() => note('tick'))").await;
        tokio::time::sleep(Duration::from_millis(25)).await;
        owner.close().await;
        broker.settled().await;
        let dead = format!("30 {}: dead: the context is closed", user.name());
        assert_eq!(log.take(), ["10 tick", "20 tick", &dead]);
        at_rest(&user).await;
    })
    .await;
}

// A callback may take as long as any call into its context, and the beats then go on.
#[tokio::test(start_paused = true)]
async fn a_callback_has_the_deadline_of_its_context() {
    let log = Log::default();
    let limits = Limits::default().deadline(Duration::from_millis(35));
    inline(noting(&log).limits(limits), async |broker| {
        let source = "local n, id = 0, nil
                      id = timer.every(20, function()
                        n = n + 1
                        note('begins')
                        if n == 3 then timer.cancel(id) return end
                        timer.sleep(1e9)
                      end)";
        let context = open(&broker, "lua", source).await;
        broker.settled().await;
        let late =
            |at| format!("{at} {}: timeout: the call took longer than it may", context.name());
        let wanted = ["20 begins", &late(55), "60 begins", &late(95), "100 begins"];
        assert_eq!(log.take(), wanted);
    })
    .await;
}

// What a call leaves behind is the context's: neither its end nor its deadline ends it.
#[tokio::test(start_paused = true)]
async fn a_timer_outlives_the_call_that_set_it() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "expose('set', function()
                        timer.after(50, function() note('fired') end)
                        timer.sleep(1e9)
                      end)";
        let context = open(&broker, "lua", source).await;
        let call = context.call::<()>("set", ()).deadline(Duration::from_millis(10));
        assert_eq!(kind(call.await), ErrorKind::Timeout);
        broker.settled().await;
        assert_eq!(log.take(), ["50 fired"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn timers_end_with_their_context() {
    let log = Log::default();
    timed(&log, async |broker| {
        let owner = open(&broker, "lua", "expose('tick', function() note('tick') end)").await;
        let source = "const never = () => note('never');
                      timer.after(10, never); timer.every(10, never); timer.every(10, tick);
                      expose('doze', () => timer.sleep(1e9)); null";
        let user = open(&broker, "js", source).await;
        let nap = user.call::<()>("doze", ());
        let (nap, ()) = futures::join!(nap, async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            user.close().await;
        });
        assert_eq!(kind(nap), ErrorKind::Dead);
        broker.settled().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(log.take(), Vec::<String>::new());
        // Nobody holds the function of the other context any more but its export.
        assert_eq!(owner.usage().await.unwrap().handles, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_timers_fire_and_one_more_is_too_many() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "fired, ids = 0, {}
                      expose('fill', function(count)
                        for i = 1, count do
                          ids[i] = timer.after(i % 1000, function() fired = fired + 1 end)
                        end
                      end)
                      expose('clear', function()
                        local there = 0
                        for _, id in ipairs(ids) do
                          if timer.cancel(id) then there = there + 1 end
                        end
                        return there
                      end)
                      expose('fired', function() return fired end)";
        let context = open(&broker, "lua", source).await;
        let fill = |count: usize| context.call::<()>("fill", (count,));
        fill(RESOURCES).await.unwrap();
        assert_eq!(kind(fill(1).await), ErrorKind::Busy);
        let start = Instant::now();
        broker.settled().await;
        assert!(start.elapsed() < Duration::from_millis(1002));
        assert_eq!(context.call::<usize>("fired", ()).await.unwrap(), RESOURCES);

        // Each has given its place back, also one that was cancelled.
        fill(RESOURCES).await.unwrap();
        assert_eq!(context.call::<usize>("clear", ()).await.unwrap(), RESOURCES);
        broker.settled().await;
        // Those that are cancelled need not be waited for.
        let source = "for i = 1, 3 * 10000 do timer.cancel(timer.every(1e9, print)) end";
        context.eval::<()>(source).await.unwrap();
        broker.settled().await;
        assert_eq!(context.call::<usize>("fired", ()).await.unwrap(), RESOURCES);
        at_rest(&context).await;
        // None holds its function any more: those that are left are exported.
        assert_eq!(context.usage().await.unwrap().handles, 3);
    })
    .await;
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

// Whatever is set and cancelled, and whatever callbacks do: each timer that is not cancelled fires when
// it should, and none that was.
#[tokio::test(start_paused = true)]
async fn random_timers_keep_their_promises() {
    const STEPS: usize = 600;
    let source = "
        timers, wrong = {}, {}
        local function check(good, text) if not good then wrong[#wrong + 1] = text end end
        local function beat(i, nap)
          local t = timers[i]
          t.running = t.running + 1
          check(t.running == 1, i .. ' overlaps')
          check(not t.ended, i .. ' fires after its end')
          if t.period then
            check((at() - t.set) % t.period == 0, i .. ' is off its beat')
          else
            check(at() == t.due, i .. ' is late')
            t.ended = true
          end
          t.fired = t.fired + 1
          timer.sleep(nap)
          t.running = t.running - 1
          if nap % 3 == 2 then fail('raised', 'on purpose') end
        end
        expose('after', function(ms, nap)
          local i = #timers + 1
          timers[i] = {due = at() + ms, fired = 0, running = 0}
          timers[i].id = timer.after(ms, function() beat(i, nap) end)
        end)
        expose('every', function(ms, nap)
          local i = #timers + 1
          timers[i] = {set = at(), period = ms, fired = 0, running = 0}
          timers[i].id = timer.every(ms, function() beat(i, nap) end)
        end)
        local function cancel(i)
          local t = timers[i]
          if not t then return end
          local was = timer.cancel(t.id)
          check(was == not t.ended, i .. ' is not what it seems')
          t.ended = true
        end
        expose('cancel', cancel)
        expose('finish', function()
          for i = 1, #timers do if timers[i].period then cancel(i) end end
        end)
        expose('result', function()
          for i, t in ipairs(timers) do
            check(t.running == 0, i .. ' has not ended')
            check(t.ended, i .. ' has never fired')
          end
          return table.concat(wrong, ', ')
        end)";
    for seed in [0x9e37_79b9, 0x7f4a_7c15, 0x2545_f491] {
        let log = Log::default();
        let start = Instant::now();
        let millis = move || u64::try_from(start.elapsed().as_millis()).unwrap();
        inline(noting(&log).native("at", millis), async |broker| {
            let context = open(&broker, "lua", source).await;
            let mut dice = Dice(seed);
            for _ in 0..STEPS {
                let (millis, nap) = (dice.roll(50) + 1, dice.roll(30));
                let call = match dice.roll(8) {
                    0..3 => context.call::<()>("after", (millis, nap)),
                    3 => context.call::<()>("every", (millis, nap)),
                    4..7 => context.call::<()>("cancel", (dice.roll(STEPS as u64),)),
                    _ => {
                        tokio::time::sleep(Duration::from_millis(dice.roll(20))).await;
                        continue;
                    }
                };
                call.await.unwrap();
            }
            context.call::<()>("finish", ()).await.unwrap();
            broker.settled().await;
            assert_eq!(context.call::<String>("result", ()).await.unwrap(), "", "seed {seed}");
            assert!(log.take().iter().all(|line| line.ends_with("raised: on purpose")));
            let usage = context.usage().await.unwrap();
            assert_eq!((usage.resources, usage.tasks, usage.handles), (0, 0, 5), "seed {seed}");
        })
        .await;
    }
}

// Contexts on two workers, whose timers call each other, close at any time.
#[tokio::test]
async fn contexts_with_timers_come_and_go() {
    const ROUNDS: usize = 60;
    let source = "local n = 0
                  expose('ticks_' .. whoami(), function() n = n + 1 end)";
    let log = Log::default();
    let broker = noting(&log).workers(2).build().unwrap();
    let mut contexts = std::collections::VecDeque::new();
    for round in 0..ROUNDS {
        let name = format!("c{round}");
        let context = broker.open("lua").name(&*name).worker(round % 2).await.unwrap();
        within(context.eval::<()>(source)).await.unwrap();
        let before = round.saturating_sub(1);
        let timers = format!(
            "expose('set_{name}', function(f) timer.every(1, f) timer.after(1, f) end)
             timer.every(1, function() ticks_c{before}() end)
             if {round} > 0 then set_c{before}(function() ticks_c{before}() end) end"
        );
        within(context.eval::<()>(&timers)).await.unwrap();
        contexts.push_back(context);
        if contexts.len() > 3 {
            within(contexts.pop_front().unwrap().close()).await;
        }
    }
    for context in contexts {
        within(context.close()).await;
    }
    within(broker.settled()).await;
    // Whoever called somebody who was gone was told so, and nothing else went wrong.
    let gone = [": dead: ", ": not_found: ", ": attempt to call a nil value"];
    for line in log.take() {
        assert!(gone.iter().any(|gone| line.contains(gone)), "{line}");
    }
    within(broker.shutdown(js_support::TIMEOUT)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn senseless_times_are_refused_and_huge_ones_are_for_ever() {
    let log = Log::default();
    timed(&log, async |broker| {
        let context = open(&broker, "lua", "f = function() note('never') end").await;
        for wait in ["-1", "-0.001", "0/0", "-1/0", "math.mininteger"] {
            for form in ["timer.sleep(T)", "timer.after(T, f)", "timer.every(T, f)"] {
                let source = form.replace('T', wait);
                let error = context.eval::<()>(&source).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Range, "{source}: {error:?}");
            }
        }
        let wrong = [
            ("timer.sleep('x')", ErrorKind::Type),
            ("timer.sleep()", ErrorKind::Arity),
            ("timer.after(f, 1)", ErrorKind::Type),
            ("timer.every(1)", ErrorKind::Arity),
            ("timer.cancel('x')", ErrorKind::Type),
            ("timer.cancel()", ErrorKind::Arity),
        ];
        for (source, wanted) in wrong {
            assert_eq!(kind(context.eval::<()>(source).await), wanted, "{source}");
        }
        for wait in ["1e300", "1/0", "1e12", "2^53", "math.maxinteger"] {
            let source = "local ids = {timer.after(T, f), timer.every(T, f)}
                          timer.sleep(1000)
                          return timer.cancel(ids[1]) and timer.cancel(ids[2])";
            let there: bool = context.eval(&source.replace('T', wait)).await.unwrap();
            assert!(there, "{wait}");
        }
        let call = context.eval::<()>("timer.sleep(1/0)").deadline(Duration::from_secs(10));
        assert_eq!(kind(call.await), ErrorKind::Timeout);
        assert_eq!(log.take(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn clocks_tell_the_time_in_every_language() {
    let log = Log::default();
    timed(&log, async |broker| {
        let scripts = Scripts {
            lua: "local before = time.monotonic()
                  timer.sleep(1234)
                  return {time.now(), time.monotonic() - before, math.type(time.now()) == 'integer' and 1 or 0}",
            js: "const before = time.monotonic();
                 timer.sleep(1234);
                 [time.now(), time.monotonic() - before, Number.isInteger(time.now()) ? 1 : 0]",
            basic: "before = time.monotonic()
                    timer.sleep(1234)
                    return list(time.now(), time.monotonic() - before, \
                    time.now() is type(\"INTEGER\"))",
        };
        for (language, source) in scripts.all() {
            let context = broker.open(language).await.unwrap();
            let clock = || i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
            let before = clock();
            let Serde((now, passed, is_int)) = context.eval(source).await.unwrap();
            let (now, passed, is_int): (i64, f64, u8) = (now, passed, is_int);
            assert!((before..=clock()).contains(&now), "{language}: {now}");
            assert!((1233.0..1236.0).contains(&passed), "{language}: {passed}");
            assert_eq!(is_int, 1, "{language}");
        }
    })
    .await;
    assert!(SystemTime::now() > UNIX_EPOCH);
}

// A context that is called as often as it can answer has timers all the same: calls and tasks take
// turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_calls_does_not_hold_timers_up() {
    const BEATS: usize = 50;
    const CALLERS: usize = 64;
    let scripts = Scripts {
        lua: "timer.every(1, function() beat() end)
              expose('work', function() local n = 0 for i = 1, 5000 do n = n + i end return n end)",
        js: "timer.every(1, () => beat());
             expose('work', () => { let n = 0; for (let i = 0; i < 2000; i++) n += i; return n; })",
        basic: "timer.every(1, lambda () (beat()))
                def work()
                  for i = 1 to 500
                    n = n + i
                  next
                enddef
                expose(\"work\", work)",
    };
    for (language, source) in scripts.all() {
        let (sender, mut beats) = watch::channel(0);
        let beat = move || sender.send_modify(|beats| *beats += 1);
        let limits = Limits::default().slice(Duration::from_micros(100));
        let builder = Broker::builder().workers(1).limits(limits).native("beat", beat);
        let broker = builder.build().unwrap();
        let context = open(&broker, language, source).await;
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (context, beats) = (context.clone(), beats.clone());
            callers.spawn(async move {
                while *beats.borrow() < BEATS {
                    context.call::<Value>("work", ()).await.unwrap();
                }
            });
        }
        within(beats.wait_for(|beats| *beats >= BEATS)).await.unwrap();
        within(callers.join_all()).await;
        drop(broker);
    }
}

/// What `calog run` makes of a script: its exit code and its output.
#[cfg(feature = "cli")]
fn run(name: &str, text: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_calog")).arg("run").arg(path).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

// A program runs as long as a timer does, and a callback that fails is its failure.
#[cfg(feature = "cli")]
#[test]
fn timers_keep_the_program_alive() {
    let lua = "local n, id = 0, nil
               id = timer.every(2, function()
                 n = n + 1
                 print('beat ' .. n)
                 if n == 3 then timer.cancel(id) end
               end)
               print('main')";
    let wanted = (Some(0), "main\nbeat 1\nbeat 2\nbeat 3\n".to_string(), String::new());
    assert_eq!(run("beats.lua", lua), wanted);

    let basic = "timer.after(2, lambda () (raise(\"too late\")))\n\
                 timer.after(4, lambda () (print \"goes on\";))\n";
    let (code, stdout, stderr) = run("late.bas", basic);
    assert_eq!((code, &*stdout), (Some(1), "goes on\n"), "{stderr}");
    assert!(stderr.contains("too late"), "{stderr}");
}
