//! Meeting points between a test and the code that it drives.

use std::{
    future::Future,
    sync::{Arc, Condvar, Mutex},
};
use tokio::sync::Semaphore;

/// Where a function of a test stops until the test lets it go on. Cheap to clone; works across threads.
#[derive(Clone)]
pub struct Gate(Arc<(Semaphore, Semaphore)>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new((Semaphore::new(0), Semaphore::new(0))))
    }
}

impl Gate {
    /// For the code under test: announces its arrival, then waits until it is let through.
    pub fn pass(&self) -> impl Future<Output = ()> + use<> {
        let gate = self.0.clone();
        async move {
            gate.0.add_permits(1);
            gate.1.acquire().await.unwrap().forget();
        }
    }

    /// For code that cannot wait: announces its arrival.
    pub fn announce(&self) {
        self.0.0.add_permits(1);
    }

    /// For the test: waits until `count` more have arrived.
    pub async fn arrived(&self, count: u32) {
        super::within(self.0.0.acquire_many(count)).await.unwrap().forget();
    }

    /// How many have arrived and were not waited for yet.
    pub fn arrivals(&self) -> usize {
        self.0.0.available_permits()
    }

    /// Lets `count` through: those who wait longest first.
    pub fn open(&self, count: usize) {
        self.0.1.add_permits(count);
    }
}

/// Holds a whole thread up: for what a test wants to happen while a worker cannot run.
#[derive(Clone, Default)]
pub struct Blockade(Arc<(Mutex<(bool, bool)>, Condvar)>);

impl Blockade {
    /// Blocks the calling thread until [`lift`](Self::lift).
    pub fn block(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.0 = true;
        changed.notify_all();
        while !state.1 {
            state = changed.wait_timeout(state, super::TIMEOUT).unwrap().0;
        }
    }

    /// Waits until a thread is blocked. From a thread that has nothing else to do.
    pub fn reached(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        while !state.0 {
            let (next, waited) = changed.wait_timeout(state, super::TIMEOUT).unwrap();
            assert!(!waited.timed_out(), "nobody came to the blockade");
            state = next;
        }
    }

    /// Lets the thread go on.
    pub fn lift(&self) {
        self.0.0.lock().unwrap().1 = true;
        self.0.1.notify_all();
    }
}

/// A failed test must not leave a worker blocked: whoever holds the blockade lifts it.
pub struct Lifted(pub Blockade);

impl Drop for Lifted {
    fn drop(&mut self) {
        self.0.lift();
    }
}
