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
    collections::{BTreeMap, HashMap, HashSet},
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
    epoch: Arc<AtomicU64>,
    /// How many exports begin with each namespace (`net` of `net.connect`).
    namespaces: DashMap<String, usize>,
    /// How names and namespaces are written, by their form in capitals: how often each spelling is
    /// there. For languages in which the case of a name does not count.
    spellings: DashMap<String, BTreeMap<Arc<str>, usize>>,
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

/// How long a name may be. Each of its namespaces is entered too, so what it takes grows with the
/// square of its length.
const MOST_NAME_BYTES: usize = 255;

/// What a name or namespace takes in the tables beside its text, generously.
const NAME_BYTES: usize = 512;

/// Is it a name that every language can write: words joined by dots?
pub(crate) fn check_name(name: &str) -> Result<()> {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if name.len() > MOST_NAME_BYTES {
        let message = format!("a name of {} bytes: the most is {MOST_NAME_BYTES}", name.len());
        return Err(Error::new(ErrorKind::Range, message));
    }
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
            epoch: Arc::new(AtomicU64::new(0)),
            namespaces: DashMap::new(),
            spellings: DashMap::new(),
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
        let name: Arc<str> = name.into();
        self.fixed_namespaces.extend(namespaces(&name).map(String::from));
        self.count_spellings(&name, true);
        Ok(name)
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
            self.count_name(name, false);
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

    /// Counts an export of `name` in what is known of names, or one less.
    fn count_name(&self, name: &Arc<str>, up: bool) {
        self.count_spellings(name, up);
        for namespace in namespaces(name) {
            match self.namespaces.entry(namespace.to_string()) {
                Entry::Occupied(entry) if !up && *entry.get() <= 1 => drop(entry.remove()),
                Entry::Occupied(mut entry) if up => *entry.get_mut() += 1,
                Entry::Occupied(mut entry) => *entry.get_mut() -= 1,
                Entry::Vacant(entry) => drop(entry.insert(1)),
            }
        }
    }

    /// Counts how `name` and its namespaces are written.
    fn count_spellings(&self, name: &Arc<str>, up: bool) {
        let above = namespaces(name).map(Arc::from);
        for spelling in above.chain([name.clone()]) {
            let capitals = spelling.to_ascii_uppercase();
            if up {
                let mut spellings = self.spellings.entry(capitals).or_default();
                *spellings.entry(spelling).or_default() += 1;
                continue;
            }
            if let Entry::Occupied(mut spellings) = self.spellings.entry(capitals) {
                match spellings.get_mut().get_mut(&spelling) {
                    Some(count) if *count > 1 => *count -= 1,
                    _ => drop(spellings.get_mut().remove(&spelling)),
                }
                if spellings.get().is_empty() {
                    spellings.remove();
                }
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
        // Names cost table entries too.
        let entries = namespaces(name).chain([name]).map(|name| 2 * name.len() + NAME_BYTES);
        let bytes = value.size_bytes().saturating_add(entries.sum());
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
            self.count_name(&name, true);
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

    /// Where that is counted.
    pub(crate) fn epochs(&self) -> &Arc<AtomicU64> {
        &self.epoch
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

    /// What a name stands for whose case does not count, and how it is really written.
    ///
    /// # Errors
    /// `not_found` if there are two that differ only in case.
    pub(crate) fn resolve_ignoring_case(&self, name: &str) -> Result<Option<(Arc<str>, Resolved)>> {
        let spellings: Vec<Arc<str>> = match self.spellings.get(&name.to_ascii_uppercase()) {
            Some(spellings) => spellings.keys().take(2).cloned().collect(),
            None => return Ok(None),
        };
        match &spellings[..] {
            [] => Ok(None),
            [only] => Ok(self.resolve(only).map(|found| (only.clone(), found))),
            [first, second, ..] => {
                let message = format!(
                    "`{name}` may be `{first}` or `{second}`: two names that differ only in case"
                );
                Err(Error::new(ErrorKind::NotFound, message))
            }
        }
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
