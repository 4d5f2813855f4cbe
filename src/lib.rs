//! calog is a polyglot script broker for async Rust.
//!
//! One application is written in a mix of scripting languages. Native Rust functions are registered
//! once and are callable from every language; what one script exports is callable from the scripts
//! of every other; and an async Rust service awaits any of it. Script code stays plain and
//! synchronous, and no thread is ever blocked: a script that waits is suspended, wherever in its
//! code it stands.
//!
//! ```
//! use calog::{Broker, Result};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let broker = Broker::builder()
//!     .native_async("get_user", |id: i64| async move { format!("user {id}") })
//!     .build()?;
//!
//! // Two scripts, two contexts. What one exposes is a global of the other.
//! let rules = broker.open("lua").name("rules").await?;
//! rules.eval::<()>("expose('discount', function(total) return total // 10 end)").await?;
//!
//! let shop = broker.open("lua").name("shop").await?;
//! shop.eval::<()>(
//!     "expose('quote', function(id, total)
//!          local user = get_user(id)           -- waits, blocks nothing
//!          return user .. ' pays ' .. total - discount(total)
//!      end)",
//! )
//! .await?;
//!
//! let text: String = shop.call("quote", (7, 250)).await?;
//! assert_eq!(text, "user 7 pays 225");
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! - [`Broker`] is the runtime: [`Builder`] registers natives, [`Broker::open`] and [`Broker::load`] make
//!   contexts.
//! - [`Context`] is one interpreter and its mailbox. [`Context::call`] and [`Context::eval`] are futures
//!   ([`Call`]); dropping one cancels the script's part.
//! - [`Value`] is what crosses, with [`FromValue`], [`IntoValue`] and serde ([`to_value`],
//!   [`from_value`], [`Serde`]). [`Function`] is a handle to a script's function.
//! - [`Error`] is the one error, with a [kind](ErrorKind) that is the same word in Rust and in scripts.
//! - [`Host`] is the host's own side, for natives that need `&mut` state or the host's thread.
//! - [`Limits`], [`Permissions`] and [`Fidelity`] say what a context may use and reach, and how strict
//!   values are.
//! - [`native`] and [`engine`] are the contracts for Rust functions and for languages; [`fiber`] is how a
//!   synchronous interpreter waits; [`fidelity`] is how values cross, as a table for each language.
//!
//! # Promises
//!
//! - Every call that was accepted is answered exactly once, with a value or a typed error, whatever ends.
//! - A calls B calls A never deadlocks, on one worker or several, and calls of one context overlap where
//!   the script waits. Endless recursion between contexts ends in a catchable `depth` error.
//! - Between two waits, a script has its context to itself: no other call of the context runs in
//!   mid-expression (but the handlers of one that is cancelled do).
//! - A native that panics is an error of kind `panicked`. `panic = "unwind"` is required for that.
//!
//! # Cargo features
//!
//! | feature | default | what it brings |
//! |---|---|---|
//! | `lua` | yes | Lua 5.4, built from source with the C compiler of the machine |
//! | `cli` | yes | the `calog` program; a library user turns it off |

mod broker;
mod chain;
pub mod engine;
mod engines;
mod error;
pub mod fiber;
pub mod fidelity;
mod host;
mod id;
mod limits;
pub mod native;
mod natives;
mod permissions;
mod runtime;
mod value;

pub use broker::{Broker, Builder, Call, Context, Open};
pub use error::{Error, ErrorKind, Frame, Result};
pub use host::Host;
pub use id::ContextId;
pub use limits::{Fidelity, Limits};
pub use native::Caller;
pub use permissions::Permissions;
pub use runtime::{Failure, Usage};
pub use value::{
    Aggregate, DEFAULT_DEPTH, FromValue, Function, IntoArgs, IntoValue, Key, Kind, RealKey, Rest,
    Serde, Value, from_value, to_value,
};

/// Compiles the README's Rust.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
