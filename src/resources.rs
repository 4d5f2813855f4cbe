//! What natives keep for a context between calls: sockets, timers, whatever has a handle.
//!
//! A script sees a handle as a number. It names the resource only in the context that keeps it, no
//! number is given twice by one broker, and all that a context keeps is dropped when it ends.

use crate::{
    error::{Error, ErrorKind, Result, contain},
    sync::{AtomicU64, Mutex, MutexGuard},
    value::{FromValue, IntoValue, Value},
};
use futures::future::BoxFuture;
use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, Weak, atomic::Ordering::Relaxed},
};

/// The number of a resource that a context keeps: [`Caller::keep`](crate::Caller::keep) gives it.
///
/// Natives take it as a parameter and return it; for scripts it is an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(u64);

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromValue for Handle {
    fn from_value(value: Value) -> Result<Self> {
        u64::from_value(value).map(Self)
    }
}

impl IntoValue for Handle {
    fn into_value(self) -> Result<Value> {
        self.0.into_value()
    }
}

/// The context that keeps resources, as the runtime has it.
pub(crate) trait Keeper: Send + Sync {
    /// Runs `task` beside the calls of the context until it ends or the context does. `counts`: as
    /// long as it runs, the broker has not settled.
    fn begin(&self, task: BoxFuture<'static, ()>, counts: bool);
    /// Hands an error that no caller waits for to the broker's error handler.
    fn report(&self, error: Error);
}

/// All that one context keeps for natives.
pub(crate) struct Resources {
    table: Mutex<Table>,
    /// Numbers the handles of the broker.
    numbers: Arc<AtomicU64>,
    most: usize,
    keeper: Weak<dyn Keeper>,
}

#[derive(Default)]
struct Table {
    kept: BTreeMap<u64, Arc<dyn Any + Send + Sync>>,
    /// What there is one of, each of another type.
    single: Vec<Arc<dyn Any + Send + Sync>>,
    closed: bool,
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resources({})", self.len())
    }
}

impl Resources {
    /// A place for at most `most` resources of the context `keeper`.
    pub(crate) fn new(keeper: Weak<dyn Keeper>, numbers: Arc<AtomicU64>, most: usize) -> Self {
        Self { table: Mutex::default(), numbers, most, keeper }
    }

    /// Nothing runs under this lock that could leave the table in mid-change, so a poisoned one is as
    /// good as a sound one.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().kept.len()
    }

    pub(crate) fn keep(&self, resource: Arc<dyn Any + Send + Sync>) -> Result<Handle> {
        let mut table = self.lock();
        if table.closed {
            return Err(Error::new(ErrorKind::Dead, "the context is closed"));
        }
        if table.kept.len() >= self.most {
            let most = self.most;
            let message = format!("the context keeps {most} sockets, timers and the like already");
            return Err(Error::new(ErrorKind::Busy, message));
        }
        let number = self.numbers.fetch_add(1, Relaxed) + 1;
        table.kept.insert(number, resource);
        Ok(Handle(number))
    }

    /// The one `T` of the context, made when it is first asked for. Scripts have no handle of it, so
    /// it takes none of theirs.
    #[allow(dead_code, reason = "not every feature has such")]
    pub(crate) fn single<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Result<Arc<T>> {
        let mut table = self.lock();
        if table.closed {
            return Err(Error::new(ErrorKind::Dead, "the context is closed"));
        }
        let found = table.single.iter().find_map(|one| one.clone().downcast().ok());
        Ok(found.unwrap_or_else(|| {
            let made = Arc::new(make());
            table.single.push(made.clone());
            made
        }))
    }

    /// What `handle` names, if it is a `T`.
    pub(crate) fn find<T: Any + Send + Sync>(&self, handle: Handle) -> Option<Result<Arc<T>>> {
        Self::typed(handle, self.lock().kept.get(&handle.0)?.clone()).into()
    }

    /// The same, and forgets it.
    pub(crate) fn release<T: Any + Send + Sync>(&self, handle: Handle) -> Option<Result<Arc<T>>> {
        let mut table = self.lock();
        let found = Self::typed(handle, table.kept.get(&handle.0)?.clone());
        if found.is_ok() {
            table.kept.remove(&handle.0);
        }
        Some(found)
    }

    fn typed<T: Any + Send + Sync>(
        handle: Handle,
        resource: Arc<dyn Any + Send + Sync>,
    ) -> Result<Arc<T>> {
        resource.downcast().map_err(|_| {
            let message = format!("handle {handle} is open, but not what is wanted here");
            Error::new(ErrorKind::Type, message)
        })
    }

    pub(crate) fn begin(&self, task: BoxFuture<'static, ()>, counts: bool) {
        if let Some(keeper) = self.keeper.upgrade() {
            keeper.begin(task, counts);
        }
    }

    pub(crate) fn report(&self, error: Error) {
        // Whoever shuts a broker down knows that callbacks end with it.
        if let Some(keeper) = self.keeper.upgrade()
            && error.kind() != ErrorKind::Shutdown
        {
            keeper.report(error);
        }
    }

    /// The context ends: drops all, and keeps nothing any more.
    pub(crate) fn close(&self) {
        let mut table = self.lock();
        table.closed = true;
        let kept = std::mem::take(&mut table.kept);
        let single = std::mem::take(&mut table.single);
        drop(table);
        for resource in kept.into_values().chain(single) {
            // It is the code of whoever wrote the native; its panic must not stop the others' end.
            contain(|| drop(resource));
        }
    }
}
