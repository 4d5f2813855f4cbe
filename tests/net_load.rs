//! Two thousand connections at once to one script.

#![cfg(all(feature = "lua", feature = "net", target_os = "linux"))]
#![allow(unsafe_code, reason = "raises the limit of descriptors")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod net_support;

use calog::Context;
use net_support::*;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Barrier,
};

const CLIENTS: usize = 2000;
const MESSAGES: usize = 100;

/// What the script may take for each connection in its interpreter, and the process for each in all:
/// both ends of it, a stack that waits, and the buffers of the test.
const MOST_OF_CONTEXT: usize = 8 << 10;
const MOST_OF_PROCESS: usize = 96 << 10;

/// How long it may all take, on a busy machine and in a debug build.
const LONG: Duration = Duration::from_secs(240);

const SERVER: &str = "
    l = net.listen('127.0.0.1', 0)
    net.on_connect(l, function(c)
      for data in function() return net.recv(c) end do net.send(c, data) end
      net.close(c)
    end)";

/// Both ends of a connection are in this process.
fn allow_descriptors(count: usize) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a local of the right type.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    let count = count as u64;
    assert!(limit.rlim_max >= count, "this test takes {count} descriptors");
    limit.rlim_cur = limit.rlim_cur.max(count);
    // SAFETY: the same, and it is only read.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Exchanges all messages of one client, and returns how many came back as they were.
async fn client(number: usize, port: u16, all: Arc<Barrier>) -> usize {
    let mut peer = connect(port).await;
    // One answer shows that the script has it, not just the system.
    peer.write_all(b"?").await.unwrap();
    assert_eq!(peer.read_u8().await.unwrap(), b'?');
    all.wait().await;
    all.wait().await;
    let mut good = 0;
    for n in 0..MESSAGES {
        let message = format!("message {n} of client {number}, as long as its number is: {n:n$}");
        peer.write_all(message.as_bytes()).await.unwrap();
        let mut echo = vec![0; message.len()];
        peer.read_exact(&mut echo).await.unwrap();
        good += usize::from(echo == message.as_bytes());
    }
    good
}

/// Waits until the script has only so many sockets left.
async fn left(server: &Context, sockets: usize) {
    while server.usage().await.unwrap().resources > sockets {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn two_thousand_connections_at_once() {
    allow_descriptors(2 * CLIENTS + 500);
    let broker = broker();
    let server = lua(&broker, SERVER).await;
    let port: u16 = server.eval("return net.address(l).port").await.unwrap();
    // What is made once and kept is not counted.
    let alone = Arc::new(Barrier::new(1));
    assert_eq!(within(client(0, port, alone)).await, MESSAGES);
    left(&server, 1).await;
    let (base, resident_before) = (descriptors(), resident());
    let memory_before = server.usage().await.unwrap().memory_bytes;

    let all = Arc::new(Barrier::new(CLIENTS + 1));
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| tokio::spawn(client(number, port, all.clone()))).collect();
    tokio::time::timeout(LONG, all.wait()).await.expect("they connect");
    let usage = server.usage().await.unwrap();
    assert_eq!(usage.resources, CLIENTS + 1);
    assert_eq!(usage.calls, CLIENTS);
    assert_eq!(descriptors(), base + 2 * CLIENTS);
    let context_bytes = usage.memory_bytes - memory_before;
    all.wait().await;
    for client in clients {
        let good = tokio::time::timeout(LONG, client).await.expect("they are served").unwrap();
        assert_eq!(good, MESSAGES);
    }
    let process_bytes = resident().saturating_sub(resident_before);
    within(left(&server, 1)).await;
    assert_eq!(descriptors(), base);
    println!("{CLIENTS} connections: context {context_bytes} bytes, process {process_bytes} bytes");
    assert!(context_bytes < CLIENTS * MOST_OF_CONTEXT, "the context took {context_bytes} bytes");
    assert!(process_bytes < CLIENTS * MOST_OF_PROCESS, "the process took {process_bytes} bytes");
    broker.shutdown(TIMEOUT).await.unwrap();
}
