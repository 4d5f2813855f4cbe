//! The languages: one folder each, chosen by cargo features.

use crate::engine::Engine;
use std::sync::Arc;

#[cfg(feature = "basic")]
mod basic;
#[cfg(feature = "js")]
mod js;
#[cfg(feature = "lua")]
mod lua;

/// Every engine whose feature is on, in the order in which files are looked for.
pub(crate) fn builtin() -> Vec<Arc<dyn Engine>> {
    vec![
        #[cfg(feature = "lua")]
        Arc::new(lua::Lua),
        #[cfg(feature = "js")]
        Arc::new(js::JavaScript),
        #[cfg(feature = "basic")]
        Arc::new(basic::Basic),
    ]
}
