//! Calls of all kinds, and what becomes of their results.

use super::{
    Flow, Machine, Run,
    element::Found,
    run::{Key, Then},
};
use crate::engines::basic::{
    class::{Member, Symbol},
    code::Proto,
    fault::{Code, Failure, Fault},
    library,
    objects::Routine,
    syntax::Library,
    value::Value,
};
use std::rc::Rc;

impl Machine {
    /// Calls `callee` with the arguments behind the place `at`, or reads an element of it, unless
    /// it must be a call. `name` is what the program calls it.
    pub(super) fn apply(
        &mut self,
        run: &mut Run,
        callee: Value,
        at: usize,
        count: usize,
        name: u32,
        call: bool,
    ) -> Result<Flow, Failure> {
        match callee {
            Value::Routine(routine) => return self.call_routine(run, routine, at, count),
            Value::Unset => return self.call_external(run, at, count, name, call),
            _ => {}
        }
        if call {
            let kind = self.heap.type_of(callee).name();
            let name = self.names.externals.name(name);
            let detail = format!("`{name}` is no routine but of type {kind}");
            return Err(Fault::new(Code::RoutineExpected, detail).into());
        }
        if let Value::Object(_) = callee
            && let Some(method) = self.method(callee, "_GET")
        {
            self.push(run, method, None, callee, at, count)?;
            return Ok(Flow::Enter);
        }
        let indices = run.stack[at + 1..at + 1 + count].to_vec();
        match self.element(run, callee, &indices)? {
            Found::Value(value) => {
                run.keys.clear();
                run.stack[at] = value;
                Ok(Flow::Next)
            }
            Found::Ask(dict, key) => self.ask(run, Some(dict), key),
            Found::NoCollection => {
                let kind = self.heap.type_of(callee).name();
                let name = self.names.externals.name(name);
                let detail = format!("`{name}` is of type {kind}, which has no elements");
                Err(Fault::new(Code::InvalidIdentifier, detail).into())
            }
        }
    }

    fn call_routine(
        &mut self,
        run: &mut Run,
        routine: super::Ref<Routine>,
        at: usize,
        count: usize,
    ) -> Result<Flow, Failure> {
        match self.heap.routine(routine) {
            Routine::Script { proto, me, .. } => {
                let (proto, me) = (proto.clone(), *me);
                self.push(run, proto, Some(routine), me, at, count)?;
                Ok(Flow::Enter)
            }
            outside => match outside.callee() {
                Some(callee) => self.call_outside(run, &callee, at, count),
                None => Err(Code::RoutineExpected.into()),
            },
        }
    }

    /// Calls a member of an object, or reads an element of a field.
    pub(super) fn call_member(
        &mut self,
        run: &mut Run,
        object: Value,
        member: Symbol,
        at: usize,
        count: usize,
    ) -> Result<Flow, Failure> {
        let Value::Object(of) = object else {
            return Err(self.no_object(Code::InvalidIdentifier, object, member).into());
        };
        let shape = &self.heap.object(of).shape;
        match shape.members.get(&member) {
            Some(Member::Method(proto)) => {
                let proto = proto.clone();
                self.push(run, proto, None, object, at, count)?;
                Ok(Flow::Enter)
            }
            Some(Member::Field(field)) => {
                let value = self.heap.object(of).fields[*field];
                let name = self.names.symbols.name(member).clone();
                let name = self.names.externals.number(&name);
                self.apply(run, value, at, count, name, false)
            }
            None => Err(self.no_member(of, member).into()),
        }
    }

    /// The method of an object that has this name.
    pub(super) fn method(&self, object: Value, name: &str) -> Option<Rc<Proto>> {
        let Value::Object(object) = object else { return None };
        let symbol = self.names.symbols.find(name)?;
        self.heap.object(object).shape.method(symbol).cloned()
    }

    /// Calls a method that the interpreter itself needs. Its result goes to the place `at`.
    pub(super) fn call_meta(
        &mut self,
        run: &mut Run,
        object: Value,
        name: &str,
        at: usize,
    ) -> Result<Flow, Failure> {
        let Some(method) = self.method(object, name) else {
            let kind = self.heap.type_of(object).name();
            let detail =
                format!("a value of type {kind} without `{name}` is nothing to go through");
            return Err(Fault::new(Code::IterableExpected, detail).into());
        };
        self.call_above(run, method, object, at, Then::Place(at))
    }

    /// Has an object say its text, for the place `at`.
    pub(super) fn say(&mut self, run: &mut Run, object: Value, at: usize) -> Result<Flow, Failure> {
        let Some(method) = self.method(object, "TO_STRING") else { return Ok(Flow::Next) };
        self.call_above(run, method, object, at, Then::Text(at))
    }

    /// Calls a method without arguments whose result goes to the place `at`, which may be any
    /// register of the one that asks: so the frame must not lie on those.
    fn call_above(
        &mut self,
        run: &mut Run,
        method: Rc<Proto>,
        object: Value,
        at: usize,
        then: Then,
    ) -> Result<Flow, Failure> {
        let top = run.frames.last().map_or(at, |frame| frame.base + frame.proto.registers);
        self.push(run, method, None, object, top.max(at), 0)?;
        if let Some(frame) = run.frames.last_mut() {
            frame.then = then;
        }
        Ok(Flow::Enter)
    }

    /// A function of the library.
    pub(super) fn call_library(
        &mut self,
        run: &mut Run,
        function: Library,
        at: usize,
        count: usize,
    ) -> Result<Flow, Failure> {
        let first = if count > 0 { run.stack[at + 1] } else { Value::Nil };
        if let Value::Object(object) = first {
            if self.heap.object(object).shape.overrides
                && let Some(method) = self.method(first, &format!("_{}", function.name()))
            {
                // Its object is no argument of a method.
                run.stack.copy_within(at + 2..at + 1 + count, at + 1);
                self.push(run, method, None, first, at, count - 1)?;
                return Ok(Flow::Enter);
            }
            if function == Library::Str && count == 1 && self.speaks(first).is_some() {
                return self.say(run, first, at);
            }
        }
        match function {
            Library::Expose => return self.expose(run, at, count),
            Library::Try => return self.try_call(run, at, count),
            Library::Finally => return self.finally(run, at, count),
            Library::Raise if count > 0 && !matches!(first, Value::Int(_) | Value::Real(_)) => {
                return Err(self.raise(&run.stack[at + 1..at + 1 + count]));
            }
            Library::Call => {
                run.stack[at] = self.function_named(&run.stack[at + 1..at + 1 + count])?;
                return Ok(Flow::Next);
            }
            Library::Gc => {
                run.stack[at] = Value::Nil;
                self.begin(run);
                return Ok(Flow::Next);
            }
            Library::Trace => {
                let trace = Self::calls(run);
                self.scope().write(trace.as_bytes());
                run.stack[at] = Value::Nil;
                return Ok(Flow::Next);
            }
            Library::New | Library::Reflect => {
                if let Value::Text(name) = first {
                    let upper = String::from_utf8_lossy(self.heap.text(name)).to_uppercase();
                    let class = self.names.globals.find(&upper);
                    if let Some(class @ Value::Object(_)) =
                        class.and_then(|class| self.globals.get(class as usize).copied())
                    {
                        run.stack[at + 1] = class;
                    }
                }
            }
            _ => {}
        }
        // Objects among the keys may have to be asked what they are.
        let keys = match function {
            Library::Get | Library::Exists | Library::Remove => Some((1, 1)),
            Library::Set => Some((1, 2)),
            Library::Dict => Some((0, 2)),
            _ => None,
        };
        let args = at + 1..at + 1 + count;
        for arg in args.clone() {
            if let Value::Text(text) = run.stack[arg] {
                self.spend(self.heap.text(text).len());
            }
        }
        let mut found = Vec::new();
        if let Some((from, step)) = keys
            && (function == Library::Dict || matches!(first, Value::Dict(_)))
            && run.stack[args.clone()].iter().any(|arg| matches!(arg, Value::Object(_)))
        {
            found = run.stack[args.clone()].to_vec();
            for index in (from..count).step_by(step) {
                match self.key(run, found[index]) {
                    Some(Key { found: key, .. }) => found[index] = key,
                    None => {
                        let dict = (function != Library::Dict).then_some(first);
                        return self.ask(run, dict, found[index]);
                    }
                }
            }
        }
        let asked = !run.keys.is_empty();
        let args = if found.is_empty() { &run.stack[args] } else { &found[..] };
        let Self { heap, library, names, .. } = self;
        let result = library::run(heap, library, &names.symbols, function, args)?;
        if asked {
            match (result, first) {
                (Value::Dict(dict), _) | (_, Value::Dict(dict)) => self.know_keys(run, dict),
                _ => run.keys.clear(),
            }
        }
        run.stack[at] = result;
        Ok(Flow::Next)
    }

    /// Puts the arguments that are left into the stack from the place `at` on.
    pub(super) fn spread(&mut self, run: &mut Run, at: usize, rest: Value) -> Result<(), Failure> {
        let Value::List(rest) = rest else { return Ok(()) };
        let items = &self.heap.list(rest).items;
        let top = at + items.len();
        self.heap.reserve(items.len() * size_of::<Value>())?;
        if run.stack.len() < top {
            run.stack.resize(top, Value::Nil);
        }
        // The list has the next one at its end.
        for (slot, item) in run.stack[at..top].iter_mut().zip(items.iter().rev()) {
            *slot = *item;
        }
        self.heap.change_list(rest, Vec::clear);
        run.spread = top;
        run.recount();
        Ok(())
    }

    /// Ends the innermost frame with `result`. If it was the last one, that is the result of all.
    pub(super) fn give_back(
        &mut self,
        run: &mut Run,
        result: Value,
    ) -> Result<Option<Value>, Failure> {
        let Some(frame) = run.frames.pop() else { return Ok(Some(result)) };
        let mut place = frame.base;
        let mut result = result;
        match frame.then {
            Then::Give => {}
            Then::Place(at) => place = at,
            Then::Text(at) => {
                if !matches!(result, Value::Text(_)) {
                    let kind = self.heap.type_of(result).name();
                    let detail = format!("TO_STRING must give a text, not {kind}");
                    return Err(Fault::new(Code::StringExpected, detail).into());
                }
                place = at;
            }
            Then::Report => result = self.report_result(result),
            Then::CleanUp(_) => {}
            Then::Key(spread) => {
                run.spread = spread;
                let (object, hash) = (run.stack[place + 1], run.stack[place + 3]);
                if let Value::Int(hash) = hash {
                    run.keys.push(Key { object, hash, found: result });
                }
                return Ok(None);
            }
        }
        if run.frames.is_empty() {
            return Ok(Some(result));
        }
        run.stack[place] = result;
        Ok(None)
    }

    /// What TRACE prints: the routines that are being called, the innermost first.
    fn calls(run: &Run) -> String {
        let names = run.frames.iter().rev().filter(|frame| !frame.proto.name.is_empty());
        let names: Vec<_> = names.map(|frame| frame.proto.name.to_uppercase()).collect();
        names.join(" <- ") + "\n"
    }
}
