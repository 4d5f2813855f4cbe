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
//! // Two scripts, two languages, two contexts. What one exposes is a global of the other.
//! # #[cfg(all(feature = "lua", feature = "js"))] {
//! let rules = broker.open("lua").name("rules").await?;
//! rules.eval::<()>("expose('discount', function(total) return total // 10 end)").await?;
//!
//! let shop = broker.open("js").name("shop").await?;
//! shop.eval::<()>(
//!     "function quote(id, total) {
//!          const user = get_user(id)           // waits, blocks nothing
//!          return `${user} pays ${total - discount(total)}`
//!      }
//!      expose('quote', quote)",
//! )
//! .await?;
//!
//! let text: String = shop.call("quote", (7, 250)).await?;
//! assert_eq!(text, "user 7 pays 225");
//! # }
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
//! - [`Stats`] tells what all of it does.
//! - [`Limits`], [`Permissions`] and [`Fidelity`] say what a context may use and reach, and how strict
//!   values are.
//! - [`native`] and [`engine`] are the contracts for Rust functions and for languages; [`fiber`] is how a
//!   synchronous interpreter waits; [`fidelity`] is how values cross, as a table for each language.
//!
//! # When a script misbehaves
//!
//! - One that computes is suspended after its [slice](Limits::slice) and its neighbours run; at its
//!   [deadline](Limits::deadline), or when its caller goes away ([`Call::cancel_on`], a drop), it is
//!   unwound: `__close` and `finally` have a few milliseconds, then it ends beyond catching.
//! - One that holds its worker where no interrupt reaches, in a long call into C or in a native that
//!   blocks, cannot be ended; but those who wait for it are answered: at their deadline with
//!   `timeout`, and from [`Limits::stuck_after`] on with or without one. New calls get `busy`, and new
//!   contexts go to other workers, until it responds again.
//! - What contexts and workers use and do is in [`Broker::stats`]. Each call is a `tracing` span of
//!   target `calog` and level DEBUG with the fields `context`, `language`, `function`, `chain` and
//!   `depth`, below whatever its caller was in, also in another context; a call that is ended from
//!   outside is an event in it, a worker that does not respond is a warning.
//!
//! # JavaScript
//!
//! A `.js` file is an ES module, strict, with top-level `await` and `import` of the files beside it;
//! what the main module exports is offered to the other contexts, as with `expose(name, value)`.
//! [`Context::eval`] runs a plain script, whose last expression is the result and whose declarations
//! are there in the next.
//!
//! Every function from calog has two forms. `f(x)` waits, as if it were any other function; such
//! calls nest: while one waits, others may enter the context and must end before it goes on, and a
//! call from the host enters when none waits. `f.async(x)` returns a promise, and promises
//! interleave freely: a context that serves many callers at once uses them. Exported `async`
//! functions are awaited. (A function of the context itself that comes back to it is the plain
//! function again, without `.async`.) A promise that is awaited by a plain call and that only a call
//! below it could settle is settled by nobody: the call ends at its deadline.
//!
//! What a call leaves running when it ends, timers and promises, runs on until the deadline of its
//! chain; what a call leaves that is cut off ends with it. [`Broker::settled`] waits for all of it.
//! An error that nobody handles, in a timer or a promise, goes to [`Builder::on_failure`].
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
//! | `js` | yes | JavaScript (QuickJS-ng, ES2023), built from source in the same way |
//! | `basic` | yes | BASIC in the dialect of MY-BASIC, an interpreter of calog's own |
//! | `net` | yes | sockets for scripts: TCP, UDP, Unix sockets, and TLS by rustls on ring |
//! | `http` | yes | an HTTP client and server for scripts, on hyper; brings `net` |
//! | `cli` | yes | the `calog` program; a library user turns it off |

mod beat;
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
mod resources;
mod runtime;
mod sync;
mod value;

pub use broker::{Broker, Builder, Call, Context, Open};
pub use error::{Error, ErrorKind, Frame, Result};
pub use host::Host;
pub use id::ContextId;
pub use limits::{Fidelity, Limits};
pub use native::Caller;
pub use permissions::Permissions;
pub use resources::Handle;
pub use runtime::{ContextStats, Failure, Stats, Usage, WorkerStats};
pub use value::{
    Aggregate, DEFAULT_DEPTH, FromValue, Function, IntoArgs, IntoValue, Key, Kind, RealKey, Rest,
    Serde, Value, from_value, to_value,
};

/// Compiles the README's Rust.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
