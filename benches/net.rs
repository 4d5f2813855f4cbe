//! Servers in scripts beside the same servers in Rust, in the same run.
//!
//! `cargo bench --bench net` prints for each server messages per second, the median and the 99th
//! percentile of a round trip, and how many times longer the script's takes than the plain one's:
//! the median of several paired rounds. 64 clients in a thread of their own each send 64 bytes and
//! wait for the answer; a server has one thread. Where the program `wrk` is installed, it puts the
//! HTTP servers under its load too.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use calog::{Broker, Context, Permissions};
use std::{
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{self, Runtime},
    task::JoinSet,
};

const CLIENTS: usize = 64;
const ROUND: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 5;

/// What a script may take at the most, as a multiple of the plain server.
const GOAL: f64 = 3.0;

const LUA_ECHO: &str = "
    local listener = net.listen('127.0.0.1', 0)
    net.on_connect(listener, function(c)
        while true do
            local data = net.recv(c)
            if not data then break end
            net.send(c, data)
        end
        net.close(c)
    end)
    return net.address(listener).port";

const JS_ECHO: &str = "
    const listener = net.listen('127.0.0.1', 0)
    net.on_connect(listener, async c => {
        for (;;) {
            const data = await net.recv.async(c)
            if (data === undefined) break
            await net.send.async(c, data)
        }
        net.close(c)
    })
    net.address(listener).port";

const BASIC_ECHO: &str = "
    l = NET.LISTEN(\"127.0.0.1\", 0)
    DEF serve(c)
        data = NET.RECV(c)
        WHILE data <> NIL
            NET.SEND(c, data)
            data = NET.RECV(c)
        WEND
        NET.CLOSE(c)
    ENDDEF
    NET.ON_CONNECT(l, CALL(serve))
    address = NET.ADDRESS(l)
    RETURN address(\"port\")";

const LUA_HTTP: &str = "
    local server = http.serve('127.0.0.1:0', function(request)
        return {status = 200, headers = {['content-type'] = 'text/plain'}, body = 'hello world'}
    end)
    return http.address(server).port";

fn current_thread() -> Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A server on a thread of its own, which ends with the process; its port.
fn on_a_thread<F: Future<Output = ()>>(
    serve: impl FnOnce(TcpListener) -> F + Send + 'static,
) -> u16 {
    let (port, bound) = mpsc::channel();
    thread::spawn(move || {
        current_thread().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            port.send(listener.local_addr().unwrap().port()).unwrap();
            serve(listener).await;
        });
    });
    bound.recv().unwrap()
}

/// What the scripts do, by hand.
async fn plain_echo(listener: TcpListener) {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = socket.read(&mut buffer).await {
                if socket.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        });
    }
}

async fn plain_http(listener: TcpListener) {
    use hyper::{Response, body::Bytes, header::CONTENT_TYPE, service::service_fn};
    let hello = |_| async {
        let body = http_body_util::Full::new(Bytes::from_static(b"hello world"));
        Response::builder().header(CONTENT_TYPE, "text/plain").body(body)
    };
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let socket = hyper_util::rt::TokioIo::new(socket);
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(hyper_util::rt::TokioTimer::new())
            .serve_connection(socket, service_fn(hello));
        drop(tokio::spawn(connection));
    }
}

/// Opens a context of one worker that runs `script`, and gives the port it returns.
fn in_a_script(runtime: &Runtime, language: &str, script: &str) -> (Broker, Context, u16) {
    runtime.block_on(async {
        let broker = Broker::builder().workers(1).build().unwrap();
        let permissions = Permissions::none().allow_net("127.0.0.1").unwrap();
        let context = broker.open(language).permissions(permissions).await.unwrap();
        let port = context.eval(script).await.unwrap();
        (broker, context, port)
    })
}

/// What came of one round: messages per second, and the latencies in order.
struct Round {
    per_second: f64,
    latencies: Vec<Duration>,
}

impl Round {
    fn percentile(&self, percent: usize) -> f64 {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len() - 1);
        self.latencies[index].as_secs_f64() * 1e6
    }
}

/// Lets the clients send `request` and wait for an answer that ends as `is_whole` says.
fn load(port: u16, request: &'static [u8], is_whole: fn(&[u8]) -> bool) -> Round {
    let clients = async move {
        let mut clients = JoinSet::new();
        let mut sockets = Vec::new();
        for _ in 0..CLIENTS {
            let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            socket.set_nodelay(true).unwrap();
            sockets.push(socket);
        }
        let start = Instant::now();
        for mut socket in sockets {
            clients.spawn(async move {
                let (mut latencies, mut answer) = (Vec::new(), Vec::with_capacity(4096));
                while start.elapsed() < ROUND {
                    let begun = Instant::now();
                    socket.write_all(request).await.unwrap();
                    answer.clear();
                    while !is_whole(&answer) {
                        assert!(socket.read_buf(&mut answer).await.unwrap() > 0, "it hung up");
                    }
                    latencies.push(begun.elapsed());
                }
                latencies
            });
        }
        let mut latencies: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
        let per_second = latencies.len() as f64 / start.elapsed().as_secs_f64();
        latencies.sort_unstable();
        Round { per_second, latencies }
    };
    thread::spawn(move || current_thread().block_on(clients)).join().unwrap()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The paired rounds of a plain server and the scripts', by port.
fn compare(
    what: &str,
    plain: u16,
    scripts: &[(&str, u16)],
    request: &'static [u8],
    is_whole: fn(&[u8]) -> bool,
) {
    let mut ratios = vec![Vec::new(); scripts.len()];
    let mut best: Vec<Option<Round>> = (0..=scripts.len()).map(|_| None).collect();
    for _ in 0..ROUNDS {
        let base = load(plain, request, is_whole);
        let before = base.per_second;
        let keep = |best: &mut Option<Round>, round: Round| {
            if best.as_ref().is_none_or(|best| best.per_second < round.per_second) {
                *best = Some(round);
            }
        };
        keep(&mut best[0], base);
        for (index, (_, port)) in scripts.iter().enumerate() {
            let round = load(*port, request, is_whole);
            ratios[index].push(before / round.per_second);
            keep(&mut best[index + 1], round);
        }
    }
    let rows = std::iter::once(("plain", None))
        .chain(scripts.iter().zip(ratios).map(|((name, _), ratios)| (*name, Some(median(ratios)))));
    for ((name, ratio), best) in rows.zip(best.into_iter().flatten()) {
        let (rate, p50, p99) = (best.per_second, best.percentile(50), best.percentile(99));
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}x (goal {GOAL}x)"));
        println!("{what:<6}{name:<8}{rate:>10.0}/s  p50 {p50:>7.0} us  p99 {p99:>7.0} us  {ratio}");
    }
}

/// Requests per second under the load of `wrk`; `None` where there is no such program.
fn wrk(port: u16) -> Option<f64> {
    let url = format!("http://127.0.0.1:{port}/");
    let output = Command::new("wrk").args(["-t1", "-c64", "-d3s", &url]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())
}

fn main() {
    let runtime = current_thread();

    let plain = on_a_thread(plain_echo);
    let lua = in_a_script(&runtime, "lua", LUA_ECHO);
    let js = in_a_script(&runtime, "js", JS_ECHO);
    let basic = in_a_script(&runtime, "basic", BASIC_ECHO);
    let scripts = [("lua", lua.2), ("js", js.2), ("basic", basic.2)];
    compare("echo", plain, &scripts, &[b'x'; 64], |answer| answer.len() >= 64);

    let plain = on_a_thread(plain_http);
    let lua = in_a_script(&runtime, "lua", LUA_HTTP);
    let get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    compare("http", plain, &[("lua", lua.2)], get, |answer| answer.ends_with(b"hello world"));
    let pairs = (0..3).map_while(|_| Some((wrk(plain)?, wrk(lua.2)?)));
    let (plain, lua): (Vec<_>, Vec<_>) = pairs.unzip();
    if plain.is_empty() {
        println!("wrk   is not installed");
        return;
    }
    let ratios = plain.iter().zip(&lua).map(|(plain, lua)| plain / lua).collect();
    let (plain, lua, ratio) = (median(plain.clone()), median(lua.clone()), median(ratios));
    println!("wrk   plain   {plain:>10.0}/s");
    println!("wrk   lua     {lua:>10.0}/s  {ratio:.2}x (goal {GOAL}x)");
}
