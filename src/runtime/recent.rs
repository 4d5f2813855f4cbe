//! The exports that a thread has called by name lately, so that it need not ask the directory, where
//! all threads meet.

use crate::{
    id::ContextId,
    value::{Function, WeakFunction},
};
use std::cell::RefCell;

/// How many a thread remembers.
const KEPT: usize = 64;

/// What a name stood for.
struct Recent {
    broker: usize,
    owner: ContextId,
    name: String,
    /// When it did: see `Directory::epoch`.
    epoch: u64,
    function: WeakFunction,
}

thread_local! {
    static RECENT: RefCell<[Option<Recent>; KEPT]> = const { RefCell::new([const { None }; KEPT]) };
}

/// Where the names of a context are: those of other contexts may be there too.
fn place(owner: ContextId, name: &str) -> usize {
    let last = name.as_bytes().last().copied().unwrap_or(0);
    (owner.slot() as usize).wrapping_mul(7).wrapping_add(name.len() ^ usize::from(last)) % KEPT
}

/// What context `owner` of a broker exported as `name` at `epoch`, if this thread knows.
///
/// The broker is known by an address, which nobody else gets while one of its functions lives.
pub(super) fn find(broker: usize, owner: ContextId, name: &str, epoch: u64) -> Option<Function> {
    let find = |recent: &RefCell<[Option<Recent>; KEPT]>| {
        let recent = recent.borrow();
        let known = recent[place(owner, name)].as_ref()?;
        let is_it = known.epoch == epoch && known.owner == owner && known.broker == broker;
        (is_it && known.name == name).then(|| known.function.upgrade()).flatten()
    };
    RECENT.try_with(find).ok().flatten()
}

/// Remembers what [`find`] did not know.
pub(super) fn keep(broker: usize, owner: ContextId, name: &str, epoch: u64, function: &Function) {
    let keep = |recent: &RefCell<[Option<Recent>; KEPT]>| {
        let place = &mut recent.borrow_mut()[place(owner, name)];
        let mut text = place.take().map(|known| known.name).unwrap_or_default();
        text.clear();
        text.push_str(name);
        let function = function.downgrade();
        *place = Some(Recent { broker, owner, name: text, epoch, function });
    };
    let _ = RECENT.try_with(keep);
}
