//! Who is there: contexts by id, exports by name.

use super::context::Address;
use crate::{
    engine::Resolved,
    error::{Error, ErrorKind, Result},
    id::ContextId,
    native::Native,
    sync::{AtomicU64, DashMap, Entry, Mutex, MutexGuard},
    value::{Function, Value},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, atomic::Ordering},
};

/// The contexts and names of one broker.
pub(crate) struct Directory {
    contexts: Mutex<Slots>,
    exports: DashMap<Arc<str>, Export>,
    /// Held while an export is checked and entered, which looks at more than one name.
    exposing: Mutex<()>,
    /// What each context exports.
    owned: DashMap<ContextId, Owned>,
    /// Counts the changes of exports.
    epoch: AtomicU64,
    /// How many exports begin with each namespace (`net` of `net.connect`).
    namespaces: DashMap<String, usize>,
    /// Fixed when the broker is built.
    natives: HashMap<Arc<str>, Arc<Native>>,
    /// Data of the host, as fixed as the natives.
    data: HashMap<Arc<str>, Value>,
    /// The namespaces of both.
    fixed_namespaces: HashSet<String>,
}

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    address: Option<Arc<Address>>,
}

/// The exports of one context together.
#[derive(Default)]
struct Owned {
    names: Vec<Arc<str>>,
    bytes: usize,
}

struct Export {
    owner: ContextId,
    value: Value,
    /// What it counts for against the memory limit of its owner.
    bytes: usize,
}

/// What every language has of its own, and what no export may pretend to be.
const RESERVED: [&str; 3] = ["expose", "call", "print"];

/// The namespaces of a dotted name: `a` and `a.b` of `a.b.c`.
fn namespaces(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at])
}

/// Is it a name that every language can write: words joined by dots?
pub(crate) fn check_name(name: &str) -> Result<()> {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if name.split('.').all(word) {
        return Ok(());
    }
    let message = format!("{name:?} is no name: words of letters, digits and _, joined by dots");
    Err(Error::new(ErrorKind::Type, message))
}

impl Directory {
    /// # Errors
    /// `denied` if two natives or data have the same name, `type` if one has none that scripts can
    /// write.
    pub(crate) fn new(natives: Vec<Native>, data: Vec<(String, Value)>) -> Result<Self> {
        let mut directory = Self {
            contexts: Mutex::default(),
            exports: DashMap::new(),
            exposing: Mutex::default(),
            owned: DashMap::new(),
            epoch: AtomicU64::new(0),
            namespaces: DashMap::new(),
            natives: HashMap::with_capacity(natives.len()),
            data: HashMap::with_capacity(data.len()),
            fixed_namespaces: HashSet::new(),
        };
        for native in natives {
            let name = directory.fix(native.name())?;
            directory.natives.insert(name, Arc::new(native));
        }
        for (name, value) in data {
            let name = directory.fix(&name)?;
            directory.data.insert(name, value);
        }
        Ok(directory)
    }

    /// Takes a name for ever.
    fn fix(&mut self, name: &str) -> Result<Arc<str>> {
        check_name(name)?;
        if self.is_fixed(name) {
            let message = format!("the name `{name}` is registered twice");
            return Err(Error::new(ErrorKind::Denied, message));
        }
        self.fixed_namespaces.extend(namespaces(name).map(String::from));
        Ok(name.into())
    }

    fn is_fixed(&self, name: &str) -> bool {
        self.natives.contains_key(name) || self.data.contains_key(name)
    }

    /// Only table operations run under the lock, so poison means nothing here.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a context under a fresh id, which `make` gets to know.
    ///
    /// # Errors
    /// `busy` if there are 2^32 contexts.
    pub(crate) fn enter(
        &self,
        make: impl FnOnce(ContextId) -> Arc<Address>,
    ) -> Result<Arc<Address>> {
        let mut table = self.lock();
        let index = match table.free.pop() {
            Some(index) => index,
            None => {
                let full = |_| Error::new(ErrorKind::Busy, "no free slot for another context");
                let index = u32::try_from(table.slots.len()).map_err(full)?;
                table.slots.push(Slot::default());
                index
            }
        };
        let slot = &mut table.slots[index as usize];
        // Slot numbers begin at 1: id 0 is the host.
        let address = make(ContextId::new(index + 1, slot.generation));
        slot.address = Some(address.clone());
        Ok(address)
    }

    /// Forgets a context and all that it exports; its id is stale from now on.
    pub(crate) fn leave(&self, id: ContextId) {
        let mut table = self.lock();
        let index = id.slot().wrapping_sub(1);
        let Some(slot) = table.slots.get_mut(index as usize) else { return };
        if slot.generation != id.generation() || slot.address.is_none() {
            return;
        }
        let address = slot.address.take();
        // A slot whose generations are used up is not used again: an id must never come back.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            table.free.push(index);
        }
        drop(table);
        let names = self.owned.remove(&id).map(|(_, owned)| owned.names).unwrap_or_default();
        let mut exports = Vec::with_capacity(names.len());
        for name in &names {
            exports.extend(self.exports.remove_if(name, |_, export| export.owner == id));
            self.count_namespaces(name, false);
        }
        if !names.is_empty() {
            self.changed();
        }
        drop((address, exports));
    }

    /// The context behind an id; `None` if it is stale.
    pub(crate) fn context(&self, id: ContextId) -> Option<Arc<Address>> {
        let table = self.lock();
        let slot = table.slots.get(id.slot().checked_sub(1)? as usize)?;
        (slot.generation == id.generation()).then(|| slot.address.clone()).flatten()
    }

    /// Every context that is there now.
    pub(crate) fn contexts(&self) -> Vec<Arc<Address>> {
        self.lock().slots.iter().filter_map(|slot| slot.address.clone()).collect()
    }

    fn count_namespaces(&self, name: &str, up: bool) {
        for namespace in namespaces(name) {
            match self.namespaces.entry(namespace.to_string()) {
                Entry::Occupied(entry) if !up && *entry.get() <= 1 => drop(entry.remove()),
                Entry::Occupied(mut entry) if up => *entry.get_mut() += 1,
                Entry::Occupied(mut entry) => *entry.get_mut() -= 1,
                Entry::Vacant(entry) => drop(entry.insert(1)),
            }
        }
    }

    /// Publishes `value` as `name` for context `owner`, whose exports may take `most` bytes
    /// together.
    pub(crate) fn expose(
        &self,
        owner: ContextId,
        name: &str,
        value: Value,
        most: usize,
    ) -> Result<()> {
        check_name(name)?;
        let taken = |by: &str| {
            Err(Error::new(ErrorKind::Denied, format!("the name `{name}` belongs to {by}")))
        };
        // Neither may it hide a name of the host (`fs` would hide `fs.read`), nor be hidden by one.
        let hides = self.is_fixed(name) || self.fixed_namespaces.contains(name);
        let hidden = namespaces(name).any(|name| self.is_fixed(name));
        if hides || hidden || RESERVED.contains(&name) {
            return taken("the host");
        }
        // Nobody may come between a context and its dotted names, from above or from below.
        let _exposing = self.exposing.lock().unwrap_or_else(PoisonError::into_inner);
        let foreign = |export: &Export| export.owner != owner;
        let above =
            namespaces(name).find(|above| self.exports.get(*above).is_some_and(|e| foreign(&e)));
        if let Some(above) = above {
            return taken(&format!("whoever exports `{above}`"));
        }
        let below = format!("{name}.");
        if self.namespaces.contains_key(name)
            && self.exports.iter().any(|e| foreign(&e) && e.key().starts_with(&below))
        {
            return taken(&format!("whoever exports names that begin with `{below}`"));
        }
        // A name costs a table entry too.
        let bytes = value.size_bytes().saturating_add(name.len() + size_of::<Export>());
        let name: Arc<str> = name.into();
        let before = match self.exports.entry(name.clone()) {
            Entry::Occupied(entry) if entry.get().owner != owner => {
                let by = self.context(entry.get().owner).map(|a| a.name().to_string());
                return taken(&format!("context `{}`", by.as_deref().unwrap_or("that is closing")));
            }
            Entry::Occupied(mut entry) => {
                self.charge(owner, entry.get().bytes, bytes, most)?;
                Some(entry.insert(Export { owner, value, bytes }))
            }
            Entry::Vacant(entry) => {
                self.charge(owner, 0, bytes, most)?;
                entry.insert(Export { owner, value, bytes });
                None
            }
        };
        if before.is_none() {
            self.count_namespaces(&name, true);
            self.owned.entry(owner).or_default().names.push(name);
        }
        self.changed();
        // What it replaces is dropped here, not under the map's lock: a drop may run a release.
        drop(before);
        Ok(())
    }

    /// Counts an export of `bytes` in place of one of `before`.
    fn charge(&self, owner: ContextId, before: usize, bytes: usize, most: usize) -> Result<()> {
        let mut owned = self.owned.entry(owner).or_default();
        let after = owned.bytes.saturating_sub(before).saturating_add(bytes);
        if after > most {
            let message = format!("the exports of a context may take {most} bytes together");
            return Err(Error::new(ErrorKind::Memory, message));
        }
        owned.bytes = after;
        Ok(())
    }

    /// A name under which `owner` exports `function`, if it does.
    pub(crate) fn name_of(&self, owner: ContextId, function: &Function) -> Option<Arc<str>> {
        let names = self.owned.get(&owner).map(|owned| owned.names.clone())?;
        let is_it = |name: &Arc<str>| match self.exports.get(name).as_deref() {
            Some(Export { value: Value::Function(export), .. }) => export == function,
            _ => false,
        };
        names.into_iter().find(is_it)
    }

    /// After a change: what is remembered from before is stale.
    fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Counts the changes of exports. Read it before what is to be remembered under it.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What `name` stands for.
    pub(crate) fn resolve(&self, name: &str) -> Option<Resolved> {
        if let Some(native) = self.natives.get(name) {
            return Some(Resolved::Native(native.clone()));
        }
        if let Some(data) = self.data.get(name) {
            return Some(Resolved::Data(data.clone()));
        }
        if let Some(export) = self.exports.get(name) {
            return Some(match &export.value {
                Value::Function(function) => Resolved::Function(function.clone()),
                data => Resolved::Data(data.clone()),
            });
        }
        let fixed = self.fixed_namespaces.contains(name);
        (fixed || self.namespaces.contains_key(name)).then_some(Resolved::Namespace { fixed })
    }

    /// What context `owner` exports as `name`.
    pub(crate) fn exported_by(&self, owner: ContextId, name: &str) -> Option<Value> {
        let export = self.exports.get(name)?;
        (export.owner == owner).then(|| export.value.clone())
    }

    /// All names that scripts see, sorted: what a shell completes.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.natives.keys().chain(self.data.keys()).map(ToString::to_string).collect();
        names.extend(self.exports.iter().map(|export| export.key().to_string()));
        names.sort_unstable();
        names
    }
}
