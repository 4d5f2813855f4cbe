//! Classes: the names that their objects have.

use super::{code::Proto, dict::Keyed, value::Value};
use std::{cell::Cell, collections::HashMap, rc::Rc};

/// A name that was given a number, so that it is compared as one.
pub(super) type Symbol = u32;

/// From how many others a class may come, near and far. It has a copy of what all of them have.
pub(super) const MOST_ANCESTORS: usize = 64;

/// What objects of one class have in common. Bases are taken over when a class is defined, so an
/// object finds each member at once.
#[derive(Default)]
pub(super) struct Shape {
    pub(super) name: Rc<str>,
    /// The numbers of the class and of all that it comes from.
    pub(super) ancestors: Vec<u32>,
    pub(super) members: HashMap<Symbol, Member, Keyed>,
    /// The members in the order in which they were found: the class's own ones, then its bases'.
    pub(super) order: Vec<(Symbol, Member)>,
    /// It has `TO_STRING`.
    pub(super) speaks: bool,
    /// It has `HASH` and `COMPARE`.
    pub(super) hashes: bool,
    /// It has methods that begin with an underscore, which may stand for library functions.
    pub(super) overrides: bool,
    /// The collection that it was marked in.
    pub(super) marked: Cell<u32>,
}

#[derive(Clone)]
pub(super) enum Member {
    /// Where among the fields.
    Field(usize),
    Method(Rc<Proto>),
}

impl Shape {
    pub(super) fn method(&self, name: Symbol) -> Option<&Rc<Proto>> {
        match self.members.get(&name)? {
            Member::Method(proto) => Some(proto),
            Member::Field(_) => None,
        }
    }

    pub(super) fn field(&self, name: Symbol) -> Option<usize> {
        match self.members.get(&name)? {
            Member::Field(index) => Some(*index),
            Member::Method(_) => None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.members.capacity() * size_of::<(Symbol, Member)>()
            + self.order.capacity() * size_of::<(Symbol, Member)>()
            + self.ancestors.capacity() * size_of::<u32>()
    }

    /// Tells `mark` each value that the methods hold.
    pub(super) fn each(&self, round: u32, mark: &mut dyn FnMut(Value)) {
        if self.marked.replace(round) == round {
            return;
        }
        for (_, member) in &self.order {
            if let Member::Method(proto) = member {
                proto.each(round, mark);
            }
        }
    }
}
