//! What somebody outside holds or waits for, by number.

/// A key names its place. It is used again once what it held was removed, which happens when nobody
/// has the key any more.
pub(super) struct Handles<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Handles<T> {
    pub(super) fn insert(&mut self, held: T) -> u64 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(held);
        place as u64
    }

    pub(super) fn get(&self, key: u64) -> Option<&T> {
        self.places.get(usize::try_from(key).ok()?)?.as_ref()
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<T> {
        let index = usize::try_from(key).ok()?;
        let held = self.places.get_mut(index)?.take()?;
        self.free.push(index);
        Some(held)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}
