//! Modules: files beside the script.

use super::{
    State, failure, marshal, repair_stack,
    value::{Js, Outcome, Thrown},
};
use crate::{
    error::{Error, ErrorKind, Result},
    fiber,
};
use rquickjs_sys::*;
use std::{
    ffi::{CStr, CString, c_char, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Component, Path, PathBuf},
    ptr,
};

/// Has `import` ask calog.
pub(super) fn install(js: Js) {
    // SAFETY: the callbacks live for the program and find the state through the context.
    unsafe {
        JS_SetModuleLoaderFunc(js.runtime(), Some(normalize), Some(load), ptr::null_mut());
    }
}

/// The full name of a module, from how it is named and who names it.
unsafe extern "C" fn normalize(
    context: *mut JSContext,
    base: *const c_char,
    name: *const c_char,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: QuickJS calls back with the context that `open` made and with two C strings.
    let (state, base, name) =
        unsafe { (State::of(context), CStr::from_ptr(base), CStr::from_ptr(name)) };
    let resolve = || resolve(state, &base.to_string_lossy(), &name.to_string_lossy());
    let resolved = catch_unwind(AssertUnwindSafe(resolve))
        .unwrap_or_else(|panic| Err(Error::from_panic(panic)));
    match resolved {
        // SAFETY: the text is copied; QuickJS frees the copy.
        Ok(full) => unsafe { js_strdup(context, full.as_ptr()) },
        Err(error) => {
            failure::throw(state, error);
            ptr::null_mut()
        }
    }
}

fn resolve(state: &State, base: &str, name: &str) -> Result<CString> {
    let folder = folder(state)?;
    // QuickJS does not expect to be asked for a module that it is in the middle of running.
    if state.loading.get() > 0 {
        let message = "a module of this context is waiting in its top level, and cannot be imported \
                       before that ends";
        return Err(Error::new(ErrorKind::Busy, message));
    }
    super::with_call(|call| call.loads.set(true));
    if !name.starts_with("./") && !name.starts_with("../") {
        let message =
            format!("{name:?} is no module: files beside the script are imported as \"./{name}\"");
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let mut path = PathBuf::new();
    let from = Path::new(base).parent().unwrap_or(Path::new(""));
    for part in from.join(name).components() {
        match part {
            Component::CurDir => {}
            // Above the folder that the script's own name begins with, nothing is reachable.
            Component::ParentDir if !path.pop() => return Err(outside(name)),
            Component::ParentDir => {}
            part => path.push(part),
        }
    }
    if !path.starts_with(tidy(&folder)) {
        return Err(outside(name));
    }
    CString::new(path.display().to_string())
        .map_err(|_| Error::new(ErrorKind::NotFound, "a module's name contains a NUL"))
}

/// The folder without `.` in it, as the names of modules have it.
fn tidy(folder: &Path) -> PathBuf {
    folder.components().filter(|part| *part != Component::CurDir).collect()
}

fn outside(name: &str) -> Error {
    Error::new(ErrorKind::Denied, format!("{name} is outside of the script's folder"))
}

fn folder(state: &State) -> Result<PathBuf> {
    state.folder.borrow().clone().ok_or_else(|| {
        let message = "there is no folder to import from: the script came from no file";
        Error::new(ErrorKind::Unsupported, message)
    })
}

/// Compiles the module of a name that [`normalize`] has made.
unsafe extern "C" fn load(
    context: *mut JSContext,
    name: *const c_char,
    _: *mut c_void,
) -> *mut JSModuleDef {
    // SAFETY: as in `normalize`.
    let (state, name) = unsafe { (State::of(context), CStr::from_ptr(name)) };
    let compile = || -> Outcome<*mut JSModuleDef> {
        let text = text(state, &name.to_string_lossy()).map_err(|e| failure::throw(state, e))?;
        let flags = JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY;
        let module = state.js.eval(&text, name, flags)?;
        // SAFETY: reads a field of a plain value. The list of modules holds it from now on.
        Ok(unsafe { JS_VALUE_GET_PTR(module.raw()) }.cast())
    };
    let compiled = catch_unwind(AssertUnwindSafe(compile))
        .unwrap_or_else(|panic| Err(failure::throw(state, Error::from_panic(panic))));
    compiled.unwrap_or(ptr::null_mut())
}

fn text(state: &State, name: &str) -> Result<String> {
    let folder = folder(state)?;
    let path = Path::new(name);
    let path = path.strip_prefix(tidy(&folder)).unwrap_or(path);
    let reading = state.scope().read_module(&folder, path);
    // QuickJS is in the middle of joining modules: nobody else may enter now.
    let text = fiber::block_on_keeping(reading);
    repair_stack(state.js.runtime());
    match text?? {
        crate::value::Value::String(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Ok(String::new()),
    }
}

/// Offers the exports of a main module to the other contexts, all but the default one.
pub(super) fn expose(state: &State, module: *mut JSModuleDef) -> Result<()> {
    let js = state.js;
    let caught = |thrown: Thrown| failure::take(state, thrown);
    // SAFETY: modules live as long as the context.
    let exports = js.own(unsafe { JS_GetModuleNamespace(js.0, module) }).map_err(caught)?;
    let names = js.own_names(exports.raw()).map_err(caught)?;
    for name in names.all() {
        let word = js.with_name(name, |bytes| String::from_utf8_lossy(bytes).into_owned());
        let word = word.map_err(caught)?;
        if word == "default" {
            continue;
        }
        let value = js.get_named(exports.raw(), name).map_err(caught)?;
        let value = marshal::read(state, value.raw());
        let exposed = value.and_then(|value| state.scope().expose(&word, value));
        exposed.map_err(|error| error.at(format_args!("export {word}")))?;
    }
    Ok(())
}
