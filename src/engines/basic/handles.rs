//! Functions that somebody outside holds, by number.

use super::value::Value;

/// A key names its place. It is used again once its function was released, which happens when
/// nobody has the key any more.
#[derive(Default)]
pub(super) struct Handles {
    places: Vec<Option<Value>>,
    free: Vec<usize>,
}

impl Handles {
    pub(super) fn insert(&mut self, routine: Value) -> u64 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(routine);
        place as u64
    }

    pub(super) fn get(&self, key: u64) -> Option<Value> {
        *self.places.get(usize::try_from(key).ok()?)?
    }

    pub(super) fn remove(&mut self, key: u64) {
        let place =
            usize::try_from(key).ok().and_then(|key| Some((key, self.places.get_mut(key)?)));
        if let Some((index, place)) = place
            && place.take().is_some()
        {
            self.free.push(index);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Tells `mark` each of them: they are roots.
    pub(super) fn each(&self, mark: &mut dyn FnMut(Value)) {
        self.places.iter().flatten().for_each(|routine| mark(*routine));
    }
}
