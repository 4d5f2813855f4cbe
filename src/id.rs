//! The address of a context.

use std::fmt;

/// The generational address of a [`Context`](crate::Context): a 32-bit slot and a 32-bit
/// generation.
///
/// A slot is reused after its context has closed, with the next generation, so an id that outlives
/// its context names nothing: using it is an error of kind [`dead`](crate::ErrorKind::Dead), never
/// a call into whoever took the slot. Ids number from 1 in every broker; 0 is the host itself.
///
/// ```
/// use calog::ContextId;
/// let id = ContextId::new(7, 2);
/// assert_eq!((id.slot(), id.generation()), (7, 2));
/// assert_eq!(ContextId::from_u64(id.as_u64()), id);
/// assert_eq!(id.to_string(), "7.2");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextId(u64);

impl ContextId {
    /// The embedding program's own side, where host natives run.
    pub const HOST: Self = Self(0);

    /// The id of `slot` in its `generation`.
    pub const fn new(slot: u32, generation: u32) -> Self {
        Self(((generation as u64) << 32) | slot as u64)
    }

    /// The slot: which place in the broker's table.
    pub const fn slot(self) -> u32 {
        self.0 as u32
    }

    /// The generation: how many contexts have used the slot before.
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The packed form, generation in the high half.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The id behind a packed form.
    pub const fn from_u64(packed: u64) -> Self {
        Self(packed)
    }
}

impl fmt::Display for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot(), self.generation())
    }
}

impl fmt::Debug for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContextId({self})")
    }
}
