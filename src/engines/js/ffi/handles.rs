//! Functions that somebody outside holds, by number.

use super::value::Val;

/// A key names its place. It is used again once its function was released, which happens when
/// nobody has the key any more.
#[derive(Default)]
pub(super) struct Handles {
    places: Vec<Option<Val>>,
    free: Vec<usize>,
}

impl Handles {
    pub(super) fn insert(&mut self, function: Val) -> u64 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(function);
        place as u64
    }

    pub(super) fn get(&self, key: u64) -> Option<&Val> {
        self.places.get(usize::try_from(key).ok()?)?.as_ref()
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<Val> {
        let place = usize::try_from(key).ok()?;
        let removed = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(removed)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}
