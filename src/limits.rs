//! What a context may use, and how values cross.

use std::time::Duration;

/// What a context may use.
///
/// One struct holds them all; a broker has a default set, and a context may be opened with another.
///
/// ```
/// use calog::Limits;
/// use std::time::Duration;
/// let limits = Limits::default().deadline(Duration::from_millis(500)).memory_bytes(16 << 20);
/// assert_eq!(limits.memory_bytes, 16 << 20);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes that the interpreter may hold. Default 64 MiB: room for a large script with its data,
    /// while a runaway allocation ends long before the machine's memory does. Past it: `memory`.
    /// In JavaScript, small allocations may pass it by up to 16 MiB before the script is ended.
    pub memory_bytes: usize,
    /// How long a call into the context may take, from its acceptance. A deadline that the caller
    /// already has is inherited if it is earlier. Default none: how long a call may take is the
    /// application's to know. Past it: `timeout`.
    pub deadline: Option<Duration>,
    /// How long a script may run before the other contexts of its worker get their turn. Default
    /// 10 ms, the slice of Go's scheduler (runtime/proc.go, `forcePreemptNS`). The broker's own
    /// setting counts; that of a single context is not looked at. Between
    /// [`SHORTEST_SLICE`](Self::SHORTEST_SLICE) and [`LONGEST_SLICE`](Self::LONGEST_SLICE).
    pub slice: Duration,
    /// How long one turn of a context may hold its worker, out of the reach of all interrupts, before
    /// the worker counts as stuck: then everybody who waits for it gets `timeout`, and new calls get
    /// `busy`, until it responds again. Default 5 s: no single call into a library should last that
    /// long, and neither do the pauses of a busy machine. The broker's own setting counts. Deadlines
    /// do not wait for it: one that passes while a worker is held is kept within some 50 ms.
    pub stuck_after: Duration,
    /// How many calls deep a chain through scripts may go. Default 128: deeper than people nest on
    /// purpose, and far less than memory allows. The broker's own setting counts. Past it: `depth`.
    pub depth: u32,
    /// How deep a value may be nested when it crosses. Default 64, half of what serde_json takes by
    /// default; at the most [`MOST_VALUE_DEPTH`](Self::MOST_VALUE_DEPTH). The broker's own setting
    /// counts. Past it: `range`.
    pub value_depth: usize,
    /// How many bytes the strings and slots of one crossing value may take together. Default
    /// 64 MiB. Past it: `range`.
    pub value_bytes: usize,
    /// How many functions of a context others may hold at once, by handles: each keeps the function
    /// and what it refers to. Default 65,536. Past it, a function cannot leave the context: `memory`.
    pub handles: usize,
    /// How many calls from the host a context works at or keeps queued at once; further callers
    /// wait for room, or get `busy` from [`try_call`](crate::Context::try_call). Default 4,096:
    /// each one that waits holds a stack of a few KiB. Calls from other contexts are always
    /// admitted (else two contexts that call each other could wait for ever) and are bounded by
    /// `depth`.
    pub concurrent_calls: usize,
    /// How many sockets, timers, open files and the like natives keep for a context at once.
    /// Default 10,000. Past it, nothing more is opened: `busy`.
    pub resources: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            deadline: None,
            slice: Duration::from_millis(10),
            stuck_after: Duration::from_secs(5),
            depth: 128,
            value_depth: 64,
            value_bytes: 64 << 20,
            handles: 65_536,
            concurrent_calls: 4096,
            resources: 10_000,
        }
    }
}

impl Limits {
    /// The most that `value_depth` can be: what is nested deeper would not fit on the stack of a
    /// call.
    pub const MOST_VALUE_DEPTH: usize = 200;

    /// The least that `slice` can be: 100 µs, some ten times what an interrupt takes.
    pub const SHORTEST_SLICE: Duration = Duration::from_micros(100);

    /// The most that `slice` can be: a day, which is for ever.
    pub const LONGEST_SLICE: Duration = Duration::from_secs(24 * 60 * 60);

    /// Sets [`memory_bytes`](Self::memory_bytes).
    pub fn memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// Sets [`deadline`](Self::deadline).
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Sets [`slice`](Self::slice).
    pub fn slice(mut self, slice: Duration) -> Self {
        self.slice = slice;
        self
    }

    /// Sets [`stuck_after`](Self::stuck_after).
    pub fn stuck_after(mut self, limit: Duration) -> Self {
        self.stuck_after = limit;
        self
    }

    /// Sets [`depth`](Self::depth).
    pub fn depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// Sets [`value_depth`](Self::value_depth).
    pub fn value_depth(mut self, depth: usize) -> Self {
        self.value_depth = depth;
        self
    }

    /// Sets [`value_bytes`](Self::value_bytes).
    pub fn value_bytes(mut self, bytes: usize) -> Self {
        self.value_bytes = bytes;
        self
    }

    /// Sets [`handles`](Self::handles).
    pub fn handles(mut self, handles: usize) -> Self {
        self.handles = handles;
        self
    }

    /// Sets [`concurrent_calls`](Self::concurrent_calls).
    pub fn concurrent_calls(mut self, calls: usize) -> Self {
        self.concurrent_calls = calls;
        self
    }

    /// Sets [`resources`](Self::resources).
    pub fn resources(mut self, resources: usize) -> Self {
        self.resources = resources;
        self
    }
}

/// What happens to a value that the other side cannot represent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// It is an error that names the path. The default.
    #[default]
    Strict,
    /// It is coerced or left out by the documented rule of the engine.
    Lenient,
}
