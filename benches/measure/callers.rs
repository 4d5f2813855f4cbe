//! Callers in closed loops: tasks of a tokio runtime of two threads, each of which makes a call, waits
//! for the answer and makes the next. The program of `benches/baselines/` uses this file too, so that
//! both sides are asked by the same code.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

/// Something that is asked for `x + 1`, which a script in one of its contexts computes.
pub trait Ask: Send + Sync + 'static {
    fn ask(&self, context: usize, x: i64) -> impl Future<Output = i64> + Send;
}

/// The runtime that callers run on.
pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Makes `calls` calls by `callers` tasks, which walk round the contexts from places spread over them.
/// How long all of it took, and each call in nanoseconds.
pub fn drive<A: Ask>(
    runtime: &Runtime,
    asked: &Arc<A>,
    contexts: usize,
    callers: usize,
    calls: u64,
) -> (Duration, Vec<u32>) {
    let caller = |index: usize| {
        let share = calls as usize / callers + usize::from(index < calls as usize % callers);
        let (asked, first) = (asked.clone(), index * contexts / callers);
        runtime.spawn(async move {
            let mut latencies = Vec::with_capacity(share);
            for round in 0..share {
                let (x, begun) = (round as i64, Instant::now());
                let answer = asked.ask((first + round) % contexts, x).await;
                latencies.push(begun.elapsed().as_nanos() as u32);
                assert_eq!(answer, x + 1);
            }
            latencies
        })
    };
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers).map(caller).collect();
    let latencies = runtime.block_on(async {
        let mut all = Vec::with_capacity(calls as usize);
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    });
    (start.elapsed(), latencies)
}
