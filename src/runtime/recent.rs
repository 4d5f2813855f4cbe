//! The exports that a thread has called by name lately, so that it need not ask the directory, where
//! all threads meet.

use crate::{
    id::ContextId,
    value::{Function, WeakFunction},
};
use std::{cell::RefCell, mem};

/// For how many there are places at first, and at the most: there are more for who calls more
/// contexts.
const FEWEST: usize = 64;
const MOST: usize = 32_768;

/// At so many places behind each other a name may be.
const PLACES: usize = 8;

/// What a name stood for. It fills one line of the cache, so that to find a name among thousands takes
/// no longer than that line takes to come.
#[repr(align(64))]
struct Recent {
    broker: usize,
    owner: ContextId,
    /// When it did: see `Directory::epoch`.
    epoch: u64,
    function: WeakFunction,
    name: Name,
}

/// A name that is short enough to be remembered: how long it is, and its bytes.
struct Name(u8, [u8; 31]);

impl Name {
    fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; 31];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Self(u8::try_from(name.len()).ok()?, bytes))
    }

    fn bytes(&self) -> &[u8] {
        &self.1[..usize::from(self.0)]
    }
}

/// Where a name is looked for first.
fn place(broker: usize, owner: ContextId, name: &[u8]) -> usize {
    let mix = |sum: u64, byte: &u8| sum.rotate_left(7) ^ u64::from(*byte);
    let sum = name.iter().fold(broker as u64 ^ owner.as_u64(), mix);
    // The multiplier of Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4).
    (sum.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

struct Table {
    /// None, or a power of two.
    places: Vec<Option<Recent>>,
    /// How many are not empty.
    used: usize,
}

impl Table {
    /// Where a name may be.
    fn places(&self, broker: usize, owner: ContextId, name: &[u8]) -> impl Iterator<Item = usize> {
        let (size, first) = (self.places.len(), place(broker, owner, name));
        (first..first + PLACES.min(size)).map(move |place| place & (size - 1))
    }

    fn find(&self, broker: usize, owner: ContextId, name: &[u8]) -> Option<&Recent> {
        self.places(broker, owner, name).find_map(|place| {
            let known = self.places[place].as_ref()?;
            let is_it =
                known.owner == owner && known.broker == broker && known.name.bytes() == name;
            is_it.then_some(known)
        })
    }

    /// Makes room for as many again as those that still hold.
    fn rebuild(&mut self, holds: impl Fn(&Recent) -> bool) {
        let all = mem::take(&mut self.places);
        let kept: Vec<_> = all.into_iter().flatten().filter(holds).collect();
        let size = (4 * kept.len()).next_power_of_two().clamp(FEWEST, MOST);
        self.places.resize_with(size, || None);
        self.used = 0;
        kept.into_iter().for_each(|known| self.insert(known));
    }

    fn insert(&mut self, recent: Recent) {
        let size = self.places.len();
        if 2 * self.used >= size && size < MOST {
            self.rebuild(|known| known.broker != recent.broker || known.epoch >= recent.epoch);
        }
        let name = recent.name.bytes();
        let mut places = self.places(recent.broker, recent.owner, name);
        let Some(first) = places.next() else { return };
        // What held before an export changed makes room for what holds now.
        let is_free = |place: &usize| {
            self.places[*place].as_ref().is_none_or(|known| {
                let is_it = known.owner == recent.owner && known.name.bytes() == name;
                known.broker == recent.broker && (is_it || known.epoch < recent.epoch)
            })
        };
        let place = [first].into_iter().chain(places).find(is_free).unwrap_or(first);
        self.used += usize::from(self.places[place].is_none());
        self.places[place] = Some(recent);
    }
}

thread_local! {
    static RECENT: RefCell<Table> = const { RefCell::new(Table { places: Vec::new(), used: 0 }) };
}

/// What context `owner` of a broker exported as `name` at `epoch`, if this thread knows.
///
/// The broker is known by an address, which nobody else gets while one of its functions lives.
pub(super) fn find(broker: usize, owner: ContextId, name: &str, epoch: u64) -> Option<Function> {
    let find = |table: &RefCell<Table>| {
        let table = table.borrow();
        let known = table.find(broker, owner, name.as_bytes())?;
        (known.epoch == epoch).then(|| known.function.upgrade()).flatten()
    };
    RECENT.try_with(find).ok().flatten()
}

/// Remembers what [`find`] did not know.
pub(super) fn keep(broker: usize, owner: ContextId, name: &str, epoch: u64, function: &Function) {
    let Some(name) = Name::new(name) else { return };
    let recent = Recent { broker, owner, epoch, function: function.downgrade(), name };
    let _ = RECENT.try_with(|table| table.borrow_mut().insert(recent));
}
