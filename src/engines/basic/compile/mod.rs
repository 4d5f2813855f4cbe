//! From the tree of a program to what the machine runs.
//!
//! Where a variable lives is decided here. What the main program assigns or mentions is global. In
//! a routine, a name is, in this order: a parameter, a member of its class, a global variable that
//! stood *above it in the text*, or a local variable, if the routine assigns to it; else it is
//! looked for outside of the program. A lambda sees the variables of what is around it.

mod expr;
mod loops;
mod scope;
mod walk;

use super::{
    code::{Defined, DefinedClass, Kind, Op, Proto, Register, Shared},
    fault::{Code, Fault},
    heap::Heap,
    names::{Members, Names},
    syntax::{
        Block, Class, ExprKind, Library, Member, Name, Place, PrintItem, Program, Routine,
        Statement, StatementKind, Target,
    },
};
use crate::fiber;
use scope::{Local, Scope, first};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// Every so many statements others may run.
const STATEMENTS_PER_CHECK: u32 = 256;

/// How many variables a lambda may share with what is around it. Lambdas around it share them, too.
const MOST_UPVALUES: u16 = 255;

/// Compiles a program. What it defines and assigns is added to `names`.
pub(super) fn compile(program: &Program, names: &mut Names, heap: &mut Heap) -> Proto {
    let file = program.files.first().cloned().unwrap_or_default();
    let main = Scope::new(Kind::Main, "".into(), file);
    let mut compiler = Compiler {
        names,
        heap,
        files: &program.files,
        scopes: vec![main],
        labels: HashMap::new(),
        jumps: Vec::new(),
        statements: 0,
    };
    compiler.block(&program.body);
    compiler.finish_main()
}

/// Is there nothing in `body` that fails because it could not be parsed?
pub(super) fn is_sound(body: &Block) -> bool {
    walk::is_sound(body)
}

/// Where the value of a name is.
#[derive(Clone, Copy)]
enum Variable {
    Local(Local),
    Upvalue(u16),
    Global(u32),
    /// A member of the object that the method belongs to.
    Member(u32),
}

struct Compiler<'a> {
    names: &'a mut Names,
    heap: &'a mut Heap,
    files: &'a [Rc<str>],
    /// The main program, and what is inside of it.
    scopes: Vec<Scope>,
    /// Where the labels of the main program are.
    labels: HashMap<Rc<str>, u32>,
    /// Jumps to labels, which may come later.
    jumps: Vec<(usize, Name)>,
    /// Statements compiled so far.
    statements: u32,
}

impl Compiler<'_> {
    /// What is compiled now.
    fn scope(&mut self) -> &mut Scope {
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn emit(&mut self, op: Op) -> usize {
        self.scope().emit(op)
    }

    fn fail(&mut self, code: Code, detail: impl Into<Box<str>>) {
        self.scope().fail(Fault::new(code, detail));
    }

    fn is_main(&self) -> bool {
        self.scopes.len() == 1
    }

    fn finish_main(mut self) -> Proto {
        for (jump, label) in std::mem::take(&mut self.jumps) {
            match self.labels.get(&label.upper) {
                Some(to) => {
                    let to = *to;
                    self.scope().aim(jump, to);
                }
                None => {
                    // It fails when it is reached, as all statements do.
                    let detail = format!("there is no label `{}:`", label.written);
                    let scope = self.scope();
                    let fault = u32::try_from(scope.proto.faults.len()).unwrap_or(u32::MAX);
                    scope.proto.faults.push(Fault::new(Code::NoLabel, detail));
                    scope.proto.code[jump] = Op::Fail { fault };
                }
            }
        }
        self.emit(Op::End);
        let scope = self.scopes.remove(0);
        done(scope, self.heap)
    }

    fn block(&mut self, body: &Block) {
        body.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &Statement) {
        self.statements = self.statements.wrapping_add(1);
        if self.statements.is_multiple_of(STATEMENTS_PER_CHECK) {
            // What was begun is ended, also for a call that is given up.
            fiber::checkpoint();
        }
        let place = statement.place;
        let next = self.scope().next;
        self.scope().place = place;
        match &statement.kind {
            StatementKind::Malformed(fault) => self.scope().fail(fault.clone()),
            StatementKind::Let { target: Target::Name(name), value } => {
                self.assign(name, |compiler, d| compiler.expr_into(value, d), place);
            }
            StatementKind::Let { target: Target::Element { of, indices }, value } => {
                self.set_element(of, indices, value, place);
            }
            StatementKind::Dim { name, sizes } => self.dim(name, sizes, place),
            StatementKind::If { branches, otherwise } => self.branch(branches, otherwise),
            StatementKind::For { variable, from, to, step, body } => {
                self.count(variable, from, to, step.as_deref(), body, place);
            }
            StatementKind::ForIn { variable, of, body } => self.each(variable, of, body, place),
            StatementKind::While { condition, body } => self.repeat_while(condition, body),
            StatementKind::Do { body, until } => self.repeat_until(body, until),
            StatementKind::Next(variable) => self.go_on(variable.as_ref()),
            StatementKind::Exit => self.exit(),
            StatementKind::Label(name) if self.is_main() => {
                let here = self.scope().here();
                if self.labels.insert(name.upper.clone(), here).is_some() {
                    let detail = format!("the label `{}:` is there twice", name.written);
                    self.fail(Code::DuplicateIdentifier, detail);
                }
            }
            StatementKind::Goto(label) if self.is_main() => {
                let jump = self.emit(Op::Loop { to: 0 });
                self.jumps.push((jump, label.clone()));
            }
            StatementKind::Gosub(label) if self.is_main() => {
                let jump = self.emit(Op::Gosub { to: 0 });
                self.jumps.push((jump, label.clone()));
            }
            StatementKind::Label(_) | StatementKind::Goto(_) | StatementKind::Gosub(_) => {
                self.fail(Code::CannotMix, "labels, GOTO and GOSUB are for the main program only");
            }
            StatementKind::Return(value) => self.give_back(value.as_ref()),
            StatementKind::End => drop(self.emit(Op::End)),
            StatementKind::Print(items) => self.print(items),
            StatementKind::Input { prompt, target } => {
                if let Some(prompt) = prompt {
                    let a = self.scope().temp();
                    self.text_into(prompt, a);
                    self.emit(Op::Print { a });
                }
                let Some(target) = target else {
                    // Any line will do.
                    let d = self.scope().temp();
                    self.text_into(&"".into(), d);
                    self.emit(Op::Input { d });
                    self.scope().free(next);
                    return;
                };
                let read = |compiler: &mut Self, d| {
                    // Whether a text is read or a number, the variable's present value decides.
                    compiler.read(target, d);
                    compiler.emit(Op::Input { d });
                };
                self.assign(target, read, place);
            }
            StatementKind::Call(expr) => drop(self.operand(expr)),
            StatementKind::Def(routine) => self.define(routine),
            StatementKind::Class(class) => self.class(class, place),
            StatementKind::Open(name) => {
                let name = self.names.externals.number(&name.upper);
                self.emit(Op::Open { name });
            }
        }
        self.scope().free(next);
    }

    /// Assigns what `value` leaves in a register to a variable or a field.
    fn assign(&mut self, name: &Name, value: impl FnOnce(&mut Self, Register), place: Place) {
        if let Some((object, member)) = self.dotted(name, true) {
            let from = self.scope().temp();
            value(self, from);
            self.scope().place = place;
            self.emit(Op::SetMember { object, member, from });
            return;
        }
        let variable = self.assignable(name);
        if let Err((code, detail)) = variable {
            self.fail(code, detail);
            return;
        }
        let Ok(variable) = variable else { return };
        self.store(name, variable, value, place);
    }

    /// The variable that `name` is, if it can be assigned to.
    fn assignable(&mut self, name: &Name) -> Result<Variable, (Code, String)> {
        if &*name.upper == "ME" {
            return Err((Code::Reserved, "ME cannot be assigned to".into()));
        }
        match self.resolve(&name.upper) {
            Some(Variable::Global(_)) | None
                if self.names.routines.find(&name.upper).is_some() && self.is_main() =>
            {
                let detail = format!("`{}` is a routine", name.written);
                Err((Code::OpenBracketExpected, detail))
            }
            Some(variable) => {
                let is_array = match variable {
                    Variable::Local(_) => self.scope().arrays.contains(&name.upper),
                    Variable::Global(_) => self.names.arrays.contains(&name.upper),
                    _ => false,
                };
                if is_array {
                    let detail = format!("`{}` is an array: assign to its elements", name.written);
                    return Err((Code::InvalidIdentifier, detail));
                }
                Ok(variable)
            }
            // Only the main program has no variables of its own but the global ones.
            None => Ok(Variable::Global(self.names.globals.number(&name.upper))),
        }
    }

    fn store(
        &mut self,
        name: &Name,
        variable: Variable,
        value: impl FnOnce(&mut Self, Register),
        place: Place,
    ) {
        // Inside of its FOR IN, the variable stands for the element.
        let iterators: Vec<_> = self
            .scope()
            .loops
            .iter()
            .filter(|each| each.variable.as_ref() == Some(&name.upper))
            .filter_map(|each| each.iterator)
            .collect();
        let from = match variable {
            Variable::Local(Local { register, shared: false }) => register,
            _ => self.scope().temp(),
        };
        value(self, from);
        self.scope().place = place;
        self.put(variable, from);
        for (iterator, _) in iterators {
            self.emit(Op::SetCurrent { iterator, from });
        }
    }

    /// Gives a variable the value that is in a register.
    fn put(&mut self, variable: Variable, from: Register) {
        match variable {
            Variable::Local(Local { register, shared: true }) => {
                self.emit(Op::SetShared { of: register, from });
            }
            Variable::Local(Local { register, .. }) if register == from => {}
            Variable::Local(Local { register, .. }) => {
                self.emit(Op::Move { d: register, from });
            }
            Variable::Upvalue(upvalue) => drop(self.emit(Op::SetUpvalue { upvalue, from })),
            Variable::Global(global) => drop(self.emit(Op::SetGlobal { global, from })),
            Variable::Member(member) => {
                let object = self.scope().temp();
                self.me(object);
                self.emit(Op::SetMember { object, member, from });
            }
        }
    }

    fn dim(&mut self, name: &Name, sizes: &[super::syntax::Expr], place: Place) {
        let texts = name.upper.ends_with('$');
        let Ok(count) = u16::try_from(sizes.len()) else { return };
        let variable = match self.resolve(&name.upper) {
            Some(variable) => variable,
            None => Variable::Global(self.names.globals.number(&name.upper)),
        };
        match variable {
            Variable::Local(_) => drop(self.scope().arrays.insert(name.upper.clone())),
            Variable::Global(_) => drop(self.names.arrays.insert(name.upper.clone())),
            _ => {}
        }
        let d = self.scope().temp();
        for size in sizes {
            let register = self.scope().temp();
            self.expr_into(size, register);
        }
        self.scope().place = place;
        self.emit(Op::Dim { d, count, texts });
        self.put(variable, d);
    }

    fn print(&mut self, items: &[PrintItem]) {
        // In the reference, the `;` after a POP or BACK that finds nothing ends no line.
        let mut nothing = None;
        for item in items {
            match item {
                PrintItem::Value(expr) => {
                    let next = self.scope().next;
                    let a = self.scope().temp();
                    self.expr_into(expr, a);
                    self.emit(Op::Print { a });
                    if let ExprKind::Library { function: Library::Pop | Library::Back, .. } =
                        expr.kind
                    {
                        nothing = Some(self.emit(Op::JumpIfNil { a, to: 0 }));
                    }
                    self.scope().free(next);
                }
                PrintItem::NewLine => drop(self.emit(Op::PrintLine)),
            }
            if matches!(item, PrintItem::NewLine)
                && let Some(jump) = nothing.take()
            {
                self.scope().land(&[jump]);
            }
        }
        nothing.into_iter().for_each(|jump| self.scope().land(&[jump]));
    }

    fn give_back(&mut self, value: Option<&super::syntax::Expr>) {
        if self.is_main() {
            let d = self.scope().temp();
            match value {
                Some(value) => self.expr_into(value, d),
                None => drop(self.emit(Op::Nil { d })),
            }
            self.emit(Op::ReturnSub { from: d, wanted: value.is_some() });
            return;
        }
        // The variables of the loops around us get back what they had, also the one that is given
        // back.
        let is_in_loop = !self.scope().loops.is_empty();
        let from = value.map(|value| {
            if !is_in_loop {
                return self.operand(value);
            }
            let d = self.scope().temp();
            self.expr_into(value, d);
            d
        });
        self.restore_all();
        match from {
            Some(from) => self.emit(Op::Return { from }),
            None => self.emit(Op::ReturnNil),
        };
    }

    fn define(&mut self, routine: &Routine) {
        let Some(name) = &routine.name else { return };
        let number = self.names.routines.number(&name.upper);
        let proto = self.routine(routine, Kind::Routine, name.written.clone(), None);
        self.scopes[0].proto.routines.push(Defined { routine: number, proto: proto.0 });
    }

    /// Compiles what is called, with what it shares with its surroundings.
    fn routine(
        &mut self,
        routine: &Routine,
        kind: Kind,
        name: Rc<str>,
        members: Option<Rc<Members>>,
    ) -> (Rc<Proto>, Vec<Shared>) {
        let file = self.files.get(usize::from(routine.place.file)).cloned().unwrap_or_default();
        let mut scope = Scope::new(kind, name, file);
        scope.members = members;
        scope.place = routine.place;
        let twice = scope.parameters(routine);
        self.scopes.push(scope);
        if let Some(parameter) = twice {
            let detail = format!("the parameter `{}` is there twice", parameter.written);
            self.fail(Code::DuplicateIdentifier, detail);
        }
        for name in walk::assigned(&routine.body) {
            // What can be seen already is assigned there.
            if self.resolve(&name).is_none() {
                self.scope().declare(&name);
            }
        }
        self.scope().share();
        self.block(&routine.body);
        self.emit(Op::ReturnNil);
        let heap = &mut *self.heap;
        let last = self.scopes.len() - 1;
        self.scopes[last].begin(|| heap.new_text(b""));
        let mut scope = self.scopes.remove(last);
        let upvalues = std::mem::take(&mut scope.upvalues);
        (Rc::new(done(scope, self.heap)), upvalues)
    }

    fn class(&mut self, class: &Class, place: Place) {
        let d = self.scope().temp();
        let mut own = HashSet::new();
        for member in &class.members {
            match member {
                Member::Field { name, .. } => drop(own.insert(name.upper.clone())),
                Member::Method(routine) => {
                    own.extend(routine.name.as_ref().map(|name| name.upper.clone()));
                }
                Member::Malformed(..) => {}
            }
        }
        let mut members = Members::new(own);
        let mut bases = Vec::new();
        for base in &class.bases {
            if let Some(inherited) = self.names.classes.get(&base.upper) {
                members.inherit(inherited);
            }
            let register = self.scope().temp();
            self.read(base, register);
            bases.push(register);
        }
        let members = Rc::new(members);
        self.names.classes.insert(class.name.upper.clone(), members.clone());
        let global = self.names.globals.number(&class.name.upper);
        // The values of the fields follow each other.
        let (mut fields, mut methods) = (Vec::new(), Vec::new());
        let values = self.scope().temp();
        self.scope().free(values.into());
        for member in &class.members {
            match member {
                Member::Field { name, value, place } => {
                    self.scope().place = *place;
                    let register = self.scope().temp();
                    // A lambda outlives the registers, so it does not see them.
                    let is_blind = value.as_ref().is_some_and(walk::has_lambda);
                    let seen = is_blind.then(|| std::mem::take(&mut self.scope().locals));
                    match value {
                        Some(value) => self.expr_into(value, register),
                        None => self.default_into(&name.upper, register),
                    }
                    self.scope().locals.extend(seen.into_iter().flatten());
                    fields.push(self.names.symbols.number(&name.upper));
                    // The values of further fields may mention it.
                    let field = Local { register, shared: false };
                    self.scope().locals.insert(name.upper.clone(), field);
                }
                Member::Method(routine) => {
                    let Some(name) = &routine.name else { continue };
                    let full = format!("{}.{}", class.name.written, name.written);
                    let members = Some(members.clone());
                    let (proto, _) = self.routine(routine, Kind::Routine, full.into(), members);
                    methods.push((self.names.symbols.number(&name.upper), proto));
                }
                Member::Malformed(fault, place) => {
                    self.scope().place = *place;
                    self.scope().fail(fault.clone());
                }
            }
        }
        let scope = self.scope();
        scope.locals.clear();
        scope.place = place;
        let definition = u32::try_from(scope.proto.classes.len()).unwrap_or(u32::MAX);
        let name = class.name.upper.clone();
        scope.proto.classes.push(DefinedClass { name, bases, values, fields, methods });
        scope.emit(Op::DefineClass { d, definition });
        scope.emit(Op::SetGlobal { global, from: d });
    }

    /// Where the variable `name` is, seen from where we are.
    fn resolve(&mut self, name: &str) -> Option<Variable> {
        self.resolve_in(self.scopes.len() - 1, name)
    }

    fn resolve_in(&mut self, at: usize, name: &str) -> Option<Variable> {
        let scope = &self.scopes[at];
        if let Some(local) = scope.locals.get(name) {
            return Some(Variable::Local(*local));
        }
        if let Some(number) = scope.upvalue_numbers.get(name) {
            return Some(Variable::Upvalue(*number));
        }
        if scope.members.as_ref().is_some_and(|members| members.contains(name)) {
            return Some(Variable::Member(self.names.symbols.number(&name.into())));
        }
        if scope.proto.kind != Kind::Lambda {
            return self.names.globals.find(name).map(Variable::Global);
        }
        let shared = match self.resolve_in(at - 1, name)? {
            Variable::Local(local) => Shared::Register(local.register),
            Variable::Upvalue(upvalue) => Shared::Upvalue(upvalue),
            other => return Some(other),
        };
        let scope = &mut self.scopes[at];
        let number = u16::try_from(scope.upvalues.len()).ok()?;
        if number == MOST_UPVALUES {
            scope.is_too_large = true;
            return Some(Variable::Upvalue(0));
        }
        scope.upvalues.push(shared);
        scope.upvalue_numbers.insert(name.into(), number);
        Some(Variable::Upvalue(number))
    }

    /// Is everything around us the main program or a lambda of it?
    fn is_global(&self) -> bool {
        self.scopes.iter().all(|scope| scope.proto.kind != Kind::Routine)
    }
}

/// What was compiled in a scope.
fn done(scope: Scope, heap: &Heap) -> Proto {
    let is_too_large = scope.is_too_large();
    let mut proto = scope.proto;
    if is_too_large {
        let detail = "a routine has too many variables and values at once";
        proto = Proto {
            code: vec![Op::Fail { fault: 0 }],
            faults: vec![Fault::new(Code::TooManyNested, detail)],
            kind: proto.kind,
            name: proto.name,
            file: proto.file,
            // It fails with that, whatever the arguments are.
            rest: true,
            registers: 2,
            ..Proto::default()
        };
    }
    proto.code.shrink_to_fit();
    proto.places.shrink_to_fit();
    proto.constants.shrink_to_fit();
    proto.charge = heap.charge(proto.bytes());
    proto
}
