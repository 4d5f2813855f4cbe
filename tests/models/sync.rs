//! `crate::sync` on loom.

pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
};

pub(crate) const SHARDS: usize = 2;

/// What outlives a run of a model must not be used in the next.
pub(crate) const SPARE_SLOTS: usize = 0;

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    ops::{Deref, DerefMut},
    rc::Rc,
};

/// What calog uses of dashmap: here one lock is around the whole map.
pub(crate) struct DashMap<K, V>(Mutex<HashMap<K, V>>);

type Guard<'a, K, V> = MutexGuard<'a, HashMap<K, V>>;

/// An entry that is there, and the lock around it.
pub(crate) struct Ref<'a, K, V> {
    map: Rc<Guard<'a, K, V>>,
    key: K,
}

pub(crate) struct RefMut<'a, K, V> {
    map: Guard<'a, K, V>,
    key: K,
}

pub(crate) enum Entry<'a, K, V> {
    Occupied(RefMut<'a, K, V>),
    Vacant(Vacant<'a, K, V>),
}

pub(crate) struct Vacant<'a, K, V>(RefMut<'a, K, V>);

impl<K: Clone + Eq + Hash, V> DashMap<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn lock(&self) -> Guard<'_, K, V> {
        self.0.lock().unwrap()
    }

    pub(crate) fn entry(&self, key: K) -> Entry<'_, K, V> {
        let map = self.lock();
        let is_there = map.contains_key(&key);
        let entry = RefMut { map, key };
        if is_there { Entry::Occupied(entry) } else { Entry::Vacant(Vacant(entry)) }
    }

    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<Ref<'_, K, V>>
    where
        K: Borrow<Q>,
    {
        let map = self.lock();
        let key = map.get_key_value(key)?.0.clone();
        Some(Ref { map: Rc::new(map), key })
    }

    pub(crate) fn contains_key<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.lock().contains_key(key)
    }

    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        self.lock().remove_entry(key)
    }

    pub(crate) fn remove_if<Q: Eq + Hash + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&K, &V) -> bool,
    ) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let mut map = self.lock();
        let (found, value) = map.get_key_value(key)?;
        if condition(found, value) { map.remove_entry(key) } else { None }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Ref<'_, K, V>> {
        let map = Rc::new(self.lock());
        let keys: Vec<K> = map.keys().cloned().collect();
        keys.into_iter().map(move |key| Ref { map: map.clone(), key })
    }
}

impl<K: Eq + Hash, V> Ref<'_, K, V> {
    pub(crate) fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash, V> Deref for Ref<'_, K, V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.map[&self.key]
    }
}

impl<K: Eq + Hash, V> RefMut<'_, K, V> {
    pub(crate) fn get(&self) -> &V {
        self
    }

    pub(crate) fn get_mut(&mut self) -> &mut V {
        self
    }

    pub(crate) fn insert(&mut self, value: V) -> V {
        std::mem::replace(&mut **self, value)
    }

    pub(crate) fn remove(mut self) -> V {
        self.map.remove(&self.key).unwrap()
    }
}

impl<K: Eq + Hash, V> Deref for RefMut<'_, K, V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.map[&self.key]
    }
}

impl<K: Eq + Hash, V> DerefMut for RefMut<'_, K, V> {
    fn deref_mut(&mut self) -> &mut V {
        self.map.get_mut(&self.key).unwrap()
    }
}

impl<'a, K: Clone + Eq + Hash, V> Vacant<'a, K, V> {
    pub(crate) fn insert(self, value: V) -> RefMut<'a, K, V> {
        let Self(mut entry) = self;
        entry.map.insert(entry.key.clone(), value);
        entry
    }
}

impl<'a, K: Clone + Eq + Hash, V: Default> Entry<'a, K, V> {
    pub(crate) fn or_default(self) -> RefMut<'a, K, V> {
        match self {
            Self::Occupied(entry) => entry,
            Self::Vacant(entry) => entry.insert(V::default()),
        }
    }
}
