//! What Lua scripts find besides natives and exports: `expose`, `call`, and the halves of `print`
//! and `require` that need calog.

use super::ffi::{self, State};
use crate::{
    engine::wrong,
    error::{Error, ErrorKind, Result},
    native::Step,
    value::Value,
};
use std::path::PathBuf;

/// A function of the engine itself.
pub(super) type Builtin = fn(&State, &mut [Value]) -> Step;

/// Those that scripts see.
pub(super) const GLOBALS: [(&std::ffi::CStr, Builtin); 2] = [(c"expose", expose), (c"call", call)];

/// What `print` calls with its line.
pub(super) const WRITE: Builtin = write;

/// What `require.lua` gets, in the order of its parameters.
pub(super) const REQUIRE: [Builtin; 6] =
    [read_module, module_broken, module_done, module_wait, call_id, is_running];

fn expose(state: &State, args: &mut [Value]) -> Step {
    state.scope().run_expose(args)
}

fn call(state: &State, args: &mut [Value]) -> Step {
    state.scope().run_call(args)
}

fn write(state: &State, args: &mut [Value]) -> Step {
    if let [Value::String(line)] = args {
        state.scope().print(line);
    }
    Step::Ready(Ok(Value::Nil))
}

/// The text of a module, as `{chunk name, text}`.
fn read_module(state: &State, args: &mut [Value]) -> Step {
    let [Value::String(name)] = args else { return wrong("require: expected a name") };
    let read = || -> Result<_> {
        let name = String::from_utf8_lossy(name);
        let word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        };
        if !name.split('.').all(word) {
            let message = format!("{name:?} is no module: words joined by dots, beside the script");
            return Err(Error::new(ErrorKind::Denied, message));
        }
        let Some(folder) = state.folder() else {
            let message = "there is no folder to require from: the script came from no file";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let mut path: PathBuf = name.split('.').collect();
        path.set_extension("lua");
        Ok((folder, path))
    };
    match read() {
        Err(error) => Step::Ready(Err(error)),
        Ok((folder, path)) => {
            let shown = folder.join(&path);
            let chunk_name = format!("@{}", shown.strip_prefix(".").unwrap_or(&shown).display());
            let text = state.scope().read_module(&folder, &path);
            Step::Wait(Box::pin(
                async move { Ok(Value::list([Value::from(chunk_name), text.await?])) },
            ))
        }
    }
}

/// The error of a module that does not compile: its chunk name and Lua's message.
fn module_broken(_: &State, args: &mut [Value]) -> Step {
    let [name, problem] = args else { return wrong("expected a name and a message") };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let name = text(name);
    Step::Ready(Err(ffi::syntax_error(name.trim_start_matches('@'), text(problem))))
}

fn module_done(state: &State, _: &mut [Value]) -> Step {
    state.modules().changed.notify_waiters();
    Step::Ready(Ok(Value::Nil))
}

fn module_wait(state: &State, _: &mut [Value]) -> Step {
    let changed = state.modules().changed.clone();
    Step::Wait(Box::pin(async move {
        changed.notified().await;
        Ok(Value::Nil)
    }))
}

/// The number of the running call's chain: a call that the loader of a module makes, and that comes
/// back, is part of the loader.
fn call_id(state: &State, _: &mut [Value]) -> Step {
    Step::Ready(Ok(Value::Int(state.modules().enter())))
}

fn is_running(state: &State, args: &mut [Value]) -> Step {
    let running = matches!(args, [Value::Int(id)] if state.modules().is_running(*id));
    Step::Ready(Ok(Value::Bool(running)))
}
