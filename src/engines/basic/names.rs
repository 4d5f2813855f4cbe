//! The names of one interpreter, by which loaded texts find each other's variables.

use super::{
    class::{MOST_ANCESTORS, Symbol},
    objects::block,
};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// Names with their numbers. All are in upper case.
#[derive(Default)]
pub(super) struct Names {
    pub(super) globals: Table,
    pub(super) routines: Table,
    pub(super) symbols: Table,
    /// What is looked for outside.
    pub(super) externals: Table,
    /// Global variables that were made by DIM.
    pub(super) arrays: HashSet<Rc<str>>,
    /// The members that objects of a class have, by its name.
    pub(super) classes: HashMap<Rc<str>, Rc<Members>>,
}

impl Names {
    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.globals.bytes() + self.routines.bytes() + self.symbols.bytes() + self.externals.bytes()
    }
}

/// The names of members: the class's own ones, then those of each class that it comes from. Nothing
/// is copied, or a text of many classes would take memory without bounds.
#[derive(Default)]
pub(super) struct Members(Vec<Rc<HashSet<Rc<str>>>>);

impl Members {
    pub(super) fn new(own: HashSet<Rc<str>>) -> Self {
        Self(vec![Rc::new(own)])
    }

    /// Adds what comes from a base. Of more ancestors than there may be no class can be defined.
    pub(super) fn inherit(&mut self, base: &Self) {
        for names in &base.0 {
            if self.0.len() <= MOST_ANCESTORS && !self.0.iter().any(|has| Rc::ptr_eq(has, names)) {
                self.0.push(names.clone());
            }
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|names| names.contains(name))
    }
}

/// Numbers for names, from 0.
#[derive(Default)]
pub(super) struct Table {
    numbers: HashMap<Rc<str>, u32>,
    names: Vec<Rc<str>>,
    /// Bytes of the names themselves.
    bytes: usize,
}

impl Table {
    /// The number of `name`, which is added if it is new.
    pub(super) fn number(&mut self, name: &Rc<str>) -> Symbol {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.clone(), number);
        self.names.push(name.clone());
        self.bytes += block(name.len() + 2 * size_of::<usize>());
        number
    }

    /// The number of `name`, if it has one.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name with this number.
    pub(super) fn name(&self, number: u32) -> &Rc<str> {
        &self.names[number as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Bytes that it takes.
    fn bytes(&self) -> usize {
        let entry = size_of::<(Rc<str>, u32)>() + 1;
        self.bytes
            + block(self.numbers.capacity() * 8 / 7 * entry)
            + block(self.names.capacity() * size_of::<Rc<str>>())
    }
}
