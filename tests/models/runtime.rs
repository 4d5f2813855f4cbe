//! The modelled sources, and what they need of their neighbours.

#![allow(dead_code, unreachable_pub, reason = "only a part of the sources is modelled")]
#![allow(clippy::absurd_extreme_comparisons, reason = "no slots are kept in models")]

#[path = "../../src/runtime/directory.rs"]
pub mod directory;
#[path = "../../src/runtime/mailbox.rs"]
pub mod mailbox;
#[path = "../../src/runtime/reply.rs"]
pub mod reply;
#[path = "../../src/runtime/room.rs"]
pub mod room;
#[path = "../../src/runtime/waiting.rs"]
pub mod waiting;

pub use calog::Usage;

pub mod context {
    use calog::ContextId;

    /// A context that does nothing.
    #[derive(Debug)]
    pub struct Address(pub ContextId);

    impl Address {
        pub fn name(&self) -> &'static str {
            "model"
        }
    }
}
