//! `env.get`: variables of the environment, where the context may see them.

use crate::{
    error::Result,
    native::{Caller, Native},
    natives::{denied, to_string},
    value::Value,
};

pub(super) fn all() -> Vec<Native> {
    vec![Native::sync("env.get", |caller: Caller, name: String| get(&caller, &name))]
}

/// The variable as a string, which need not be UTF-8; nil if there is none.
fn get(caller: &Caller, name: &str) -> Result<Option<Value>> {
    if caller.permissions().allows_env(name) {
        return Ok(std::env::var_os(name).map(to_string));
    }
    let what = format!("read the environment variable {name}");
    let flag = format!("--allow-env={name}");
    Err(denied(caller, &what, "allow_env", &flag))
}
