//! What is known from outside: natives, exports, and data.

use super::{Arriving, Flow, Machine, Run, Value};
use crate::{
    engine::{Callee, Named, Resolved},
    engines::basic::{
        fault::{Code, Failure, Fault},
        objects::Routine,
    },
    error::{Error, ErrorKind},
    native::Step,
    value::Value as Outside,
};
use std::sync::Arc;

/// A name that the program uses and that is not its own.
#[derive(Default)]
pub(super) struct External {
    upper: String,
    /// When it was looked up: it stands for the same until the next epoch.
    epoch: Option<u64>,
    found: What,
}

#[derive(Default)]
enum What {
    #[default]
    Nothing,
    /// The beginning of names.
    Namespace,
    /// Always the same value while it stands for the same function.
    Routine(Value),
    Data(Outside),
}

impl External {
    pub(super) fn each(&self, mark: &mut dyn FnMut(Value)) {
        if let What::Routine(routine) = self.found {
            mark(routine);
        }
    }
}

impl Machine {
    /// Looks up what a name stands for outside, unless that is known.
    fn look_up(&mut self, name: u32) -> Result<usize, Failure> {
        let index = name as usize;
        if self.externals.len() <= index {
            self.externals.resize_with(index + 1, External::default);
        }
        let epoch = self.scope().epoch();
        if self.externals[index].epoch == Some(epoch) {
            return Ok(index);
        }
        let written = self.names.externals.name(name).clone();
        let scope = self.border.scope.clone();
        let mut found = scope.resolve_ignoring_case(&written).map_err(Failure::Error)?;
        for prefix in &self.opened {
            if found.is_none() {
                let full = format!("{prefix}{written}");
                found = scope.resolve_ignoring_case(&full).map_err(Failure::Error)?;
            }
        }
        let found = match found {
            None => What::Nothing,
            Some((_, Resolved::Namespace { .. })) => What::Namespace,
            Some((_, Resolved::Data(data))) => What::Data(data),
            Some((_, Resolved::Native(native))) => self.known(index, Routine::Native(native)),
            // Called by name, so that a later export is followed.
            Some((name, Resolved::Function(_))) => {
                self.known(index, Routine::Named(Named::new(&name)))
            }
        };
        if self.externals[index].upper.is_empty() {
            self.externals[index].upper = written.to_uppercase();
        }
        self.externals[index].found = found;
        self.externals[index].epoch = Some(epoch);
        Ok(index)
    }

    /// The value for `routine`: the one that was there, if it is the same.
    fn known(&mut self, index: usize, routine: Routine) -> What {
        if let What::Routine(value @ Value::Routine(before)) = self.externals[index].found {
            let same = match (self.heap.routine(before), &routine) {
                (Routine::Native(a), Routine::Native(b)) => Arc::ptr_eq(a, b),
                (Routine::Named(a), Routine::Named(b)) => a.name() == b.name(),
                _ => false,
            };
            if same {
                return What::Routine(value);
            }
        }
        What::Routine(self.heap.add_routine(routine))
    }

    /// The value that a name has outside, or the default of the name.
    pub(super) fn external(&mut self, run: &Run, name: u32) -> Result<Value, Failure> {
        let index = self.look_up(name)?;
        match &self.externals[index].found {
            What::Data(data) => {
                let data = data.clone();
                self.enter(run, &data)
            }
            What::Routine(_) => {
                let name = self.names.externals.name(name);
                let detail = format!(
                    "`{name}` is a function: `{name}(...)` calls it, CALL({name}) is its value"
                );
                Err(Fault::new(Code::OpenBracketExpected, detail).into())
            }
            What::Namespace => Ok(Value::Unknown),
            What::Nothing => {
                let upper = self.externals[index].upper.clone();
                if upper.contains('.') {
                    return Ok(self.path(&upper)?.unwrap_or(Value::Unknown));
                }
                Ok(if upper.ends_with('$') { self.heap.new_text(b"") } else { Value::Int(0) })
            }
        }
    }

    /// The member that a name with dots is, if it begins with a global variable that holds an
    /// object: one that was not known where the name was compiled.
    fn path(&mut self, upper: &str) -> Result<Option<Value>, Failure> {
        let mut parts = upper.split('.');
        let Some(root) = parts.next().and_then(|root| self.names.globals.find(root)) else {
            return Ok(None);
        };
        let mut value = self.globals.get(root as usize).copied().unwrap_or_default();
        for part in parts {
            if !matches!(value, Value::Object(_)) {
                return Ok(None);
            }
            let member = self.names.symbols.number(&part.into());
            value = self.member(value, member)?;
        }
        Ok(Some(value))
    }

    /// `CALL(name)`: the routine or function that has the name.
    pub(super) fn routine_of(&mut self, name: u32) -> Result<Value, Failure> {
        let upper = self.names.externals.name(name).to_uppercase();
        if let Some(value) = self.defined(&upper) {
            return Ok(value);
        }
        if let Some(value @ (Value::Routine(_) | Value::Text(_))) = self.path(&upper)? {
            return self.function_named(&[value]);
        }
        let index = self.look_up(name)?;
        let name = self.names.externals.name(name);
        match &self.externals[index].found {
            What::Routine(routine) => Ok(*routine),
            What::Data(_) => {
                let detail = format!("`{name}` is data and no routine");
                Err(Fault::new(Code::RoutineExpected, detail).into())
            }
            What::Nothing | What::Namespace => {
                let detail = format!("there is no routine `{name}`");
                Err(Fault::new(Code::RoutineExpected, detail).into())
            }
        }
    }

    /// The routine of the program that has this name.
    fn defined(&self, upper: &str) -> Option<Value> {
        let number = self.names.routines.find(upper)?;
        self.routines.get(number as usize)?.as_ref().map(|defining| defining.value)
    }

    /// Calls what a name stands for outside, or reads an element of it, unless it must be a `call`.
    pub(super) fn call_external(
        &mut self,
        run: &mut Run,
        at: usize,
        count: usize,
        name: u32,
        call: bool,
    ) -> Result<Flow, Failure> {
        if call {
            let upper = self.names.externals.name(name).to_uppercase();
            if let Some(routine) = self.defined(&upper) {
                return self.apply(run, routine, at, count, name, call);
            }
        }
        let index = self.look_up(name)?;
        let callee = match &self.externals[index].found {
            What::Routine(routine) => *routine,
            What::Data(data) => {
                let data = data.clone();
                self.enter(run, &data)?
            }
            What::Nothing | What::Namespace => {
                let upper = self.externals[index].upper.clone();
                // A global variable that was not known yet where this was compiled.
                let found = self.path(&upper)?;
                match found.filter(|found| !matches!(found, Value::Unknown | Value::Unset)) {
                    Some(member) => member,
                    None => return Err(self.nothing(name, &upper, call).into()),
                }
            }
        };
        self.apply(run, callee, at, count, name, call)
    }

    fn nothing(&self, name: u32, upper: &str, call: bool) -> Fault {
        let name = self.names.externals.name(name);
        if self.defined(upper).is_some() {
            let detail = format!("`{name}` is defined further down: CALL {name}(...) calls it");
            return Fault::new(Code::InvalidIdentifier, detail);
        }
        let code = if call { Code::InvalidRoutine } else { Code::InvalidIdentifier };
        Fault::new(code, format!("nothing is called `{name}`"))
    }

    /// `CALL(value)`: the function that has a name outside, written as it really is; or a routine,
    /// which is itself.
    pub(super) fn function_named(&mut self, args: &[Value]) -> Result<Value, Failure> {
        match args {
            [routine @ Value::Routine(_)] => Ok(*routine),
            [Value::Text(name)] => {
                let name = String::from_utf8_lossy(self.heap.text(*name)).into_owned();
                let routine = match self.scope().resolve(&name) {
                    Some(Resolved::Native(native)) => Routine::Native(native),
                    Some(Resolved::Function(_)) => Routine::Named(Named::new(&name)),
                    Some(Resolved::Data(_)) => {
                        let message = format!("`{name}` is data, not a function");
                        return Err(Failure::Error(Error::new(ErrorKind::Type, message)));
                    }
                    None | Some(Resolved::Namespace { .. }) => {
                        let message = format!("nothing is called `{name}`");
                        return Err(Failure::Error(Error::new(ErrorKind::NotFound, message)));
                    }
                };
                Ok(self.heap.add_routine(routine))
            }
            _ => {
                let kind = args.first().map_or("nothing", |value| self.heap.type_of(*value).name());
                let message = format!("expected a function or its name, got {kind}");
                Err(Failure::Error(Error::new(ErrorKind::Type, message)))
            }
        }
    }

    /// Calls a function of somebody else with the arguments behind the place `at`.
    pub(super) fn call_outside(
        &mut self,
        run: &mut Run,
        callee: &Callee,
        at: usize,
        count: usize,
    ) -> Result<Flow, Failure> {
        let Self { heap, names, border, .. } = self;
        let args = &run.stack[at + 1..at + 1 + count];
        let args = border.cross(heap, names, |crossing| crossing.leave_all(args));
        let mut args = args.map_err(Failure::Error)?;
        let border = self.border.clone();
        self.spend(args.iter().map(Outside::size_bytes).sum());
        let step = border.scope.call(callee, &mut args);
        match step {
            Step::Ready(result) => {
                let result = result.map_err(Failure::Error)?;
                let result = self.enter(run, &result)?;
                run.stack[at] = result;
                Ok(Flow::Next)
            }
            Step::Wait(operation) => {
                run.arriving = Arriving::Result(at);
                Ok(Flow::Wait(operation))
            }
        }
    }

    /// `EXPOSE(name, value)`
    pub(super) fn expose(
        &mut self,
        run: &mut Run,
        at: usize,
        count: usize,
    ) -> Result<Flow, Failure> {
        let &[Value::Text(name), value] = &run.stack[at + 1..at + 1 + count] else {
            let detail = "EXPOSE(name, value) takes a text and a value";
            return Err(Fault::new(Code::StringExpected, detail).into());
        };
        let value = self.leave(value).map_err(|error| Failure::Error(error.at("args[2]")))?;
        let name = String::from_utf8_lossy(self.heap.text(name)).into_owned();
        self.scope().expose(&name, value).map_err(Failure::Error)?;
        run.stack[at] = Value::Nil;
        Ok(Flow::Next)
    }

    /// `IMPORT "@name"`
    pub(super) fn open(&mut self, name: u32) {
        let prefix = format!("{}.", self.names.externals.name(name));
        if !self.opened.contains(&prefix) {
            self.opened.push(prefix);
            // What was looked for without it may be there now.
            self.externals.iter_mut().for_each(|external| external.epoch = None);
        }
    }
}
