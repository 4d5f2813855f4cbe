//! Expressions, and the ways to read and call what a name stands for.

use super::{Compiler, Variable, first, scope::Local};
use crate::engines::basic::{
    code::{Arithmetic, Compare, Kind, Lambda, Op, Register, SPREAD},
    fault::Code,
    syntax::{Binary, Expr, ExprKind, Library, Link, Name, Place, Unary},
    value::Value,
};
use std::{ops::Range, rc::Rc};

impl Compiler<'_> {
    /// A register that has the value of `expr`: that of the variable itself, or a new one.
    pub(super) fn operand(&mut self, expr: &Expr) -> Register {
        if let ExprKind::Name(name) = &expr.kind
            && let Some(Variable::Local(Local { register, shared: false })) =
                self.resolve(&name.upper)
        {
            return register;
        }
        let register = self.scope().temp();
        self.expr_into(expr, register);
        register
    }

    pub(super) fn expr_into(&mut self, expr: &Expr, d: Register) {
        let next = self.scope().next;
        self.scope().place = expr.place;
        match &expr.kind {
            ExprKind::Malformed(fault) => self.scope().fail(fault.clone()),
            ExprKind::Nil => drop(self.emit(Op::Nil { d })),
            ExprKind::Int(int) => self.int_into(*int, d),
            ExprKind::Real(real) => self.constant_into(Value::Real(*real), d),
            ExprKind::Text(text) => self.text_into(text, d),
            ExprKind::Name(name) => self.read_checked(name, d),
            ExprKind::Rest => match self.scope().rest {
                Some(rest) => drop(self.emit(Op::NextRest { d, rest })),
                None => self.fail(Code::InvalidIdentifier, "there is no `...` here"),
            },
            ExprKind::Apply { callee, args, call } => self.apply(callee, args, *call, d),
            ExprKind::Routine(name) => self.routine_value(name, d),
            ExprKind::Library { function, args } => self.library(*function, args, d, expr.place),
            ExprKind::Range(_) => self.fail(Code::InvalidExpression, "TO is for LIST(a TO b)"),
            ExprKind::Unary(unary, of) => self.unary(*unary, of, d, expr.place),
            ExprKind::Chain { first, rest } => self.chain(first, rest, d),
            ExprKind::Lambda(routine) => {
                let (proto, shared) = self.routine(routine, Kind::Lambda, "".into(), None);
                let scope = self.scope();
                let lambda = u32::try_from(scope.proto.lambdas.len()).unwrap_or(u32::MAX);
                scope.proto.lambdas.push(Lambda { proto, shared });
                scope.place = expr.place;
                scope.emit(Op::Lambda { d, lambda });
            }
        }
        self.scope().free(next);
    }

    fn int_into(&mut self, int: i64, d: Register) {
        match i32::try_from(int) {
            Ok(int) => drop(self.emit(Op::Int { d, int })),
            Err(_) => self.constant_into(Value::Int(int), d),
        }
    }

    fn constant_into(&mut self, value: Value, d: Register) {
        let constant = self.scope().constant(value);
        self.emit(Op::Constant { d, constant });
    }

    pub(super) fn text_into(&mut self, text: &Rc<str>, d: Register) {
        let last = self.scopes.len() - 1;
        let heap = &mut *self.heap;
        let constant = self.scopes[last].text(text, || heap.new_text(text.as_bytes()));
        self.emit(Op::Constant { d, constant });
    }

    /// What a variable has that was never assigned.
    pub(super) fn default_into(&mut self, name: &str, d: Register) {
        match name.ends_with('$') {
            true => self.text_into(&"".into(), d),
            false => drop(self.emit(Op::Int { d, int: 0 })),
        }
    }

    /// `CALL(name)`: a routine, or what a variable holds: a routine, or the name of one outside.
    fn routine_value(&mut self, name: &Name, d: Register) {
        let place = self.scope().place;
        let is_global =
            matches!(self.resolve(first(&name.upper)), None | Some(Variable::Global(_)));
        if is_global {
            let name = self.names.externals.number(&name.written);
            self.emit(Op::RoutineOf { d, name });
            return;
        }
        let at = self.scope().temp();
        let value = self.scope().temp();
        self.read(name, value);
        self.scope().place = place;
        self.emit(Op::CallLibrary { d: at, count: 1, library: Library::Call });
        self.emit_move(d, at);
    }

    fn unary(&mut self, unary: Unary, of: &Expr, d: Register, place: Place) {
        if let (Unary::Negate, ExprKind::Int(int)) = (unary, &of.kind)
            && let Some(int) = int.checked_neg()
        {
            return self.int_into(int, d);
        }
        let a = self.operand(of);
        self.scope().place = place;
        match unary {
            Unary::Negate => self.emit(Op::Negate { d, a }),
            Unary::Not => self.emit(Op::Not { d, a }),
        };
    }

    fn chain(&mut self, first: &Expr, rest: &[Link], d: Register) {
        // `d` may be a variable that is still to be read, so it is written at the end.
        let between = if rest.len() > 1 { self.scope().temp() } else { d };
        let mut a = self.operand(first);
        for (index, link) in rest.iter().enumerate() {
            let d = if index + 1 == rest.len() { d } else { between };
            let next = self.scope().next;
            match (link.operator, small_int(&link.right)) {
                (Binary::Add, Some(int)) => {
                    self.scope().place = link.place;
                    self.emit(Op::AddInt { d, a, int });
                }
                (Binary::Subtract, Some(int)) if int != i16::MIN => {
                    self.scope().place = link.place;
                    self.emit(Op::AddInt { d, a, int: -int });
                }
                (Binary::Multiply, Some(int)) => {
                    self.scope().place = link.place;
                    self.emit(Op::MultiplyInt { d, a, int });
                }
                (operator, small) => match (arithmetic(operator), small) {
                    (Some(arithmetic), Some(int)) => {
                        self.scope().place = link.place;
                        self.emit(Op::ArithmeticInt { arithmetic, d, a, int });
                    }
                    _ => {
                        let b = self.operand(&link.right);
                        self.scope().place = link.place;
                        self.emit(binary(operator, d, a, b));
                    }
                },
            }
            self.scope().free(next);
            a = d;
        }
    }

    /// Jumps if `condition` is not true: where the jump is.
    pub(super) fn jump_unless(&mut self, condition: &Expr) -> usize {
        let next = self.scope().next;
        let jump = match &condition.kind {
            ExprKind::Chain { first, rest }
                if rest.len() == 1 && compare(rest[0].operator).is_some() =>
            {
                let link = &rest[0];
                let compare = compare(link.operator).unwrap_or(Compare::Equal);
                let a = self.operand(first);
                if let Some(int) = small_int(&link.right) {
                    self.scope().place = link.place;
                    self.emit(Op::JumpUnlessCompareInt { compare, a, int, to: 0 })
                } else {
                    let b = self.operand(&link.right);
                    self.scope().place = link.place;
                    self.emit(Op::JumpUnlessCompare { compare, a, b, to: 0 })
                }
            }
            _ => {
                let a = self.operand(condition);
                self.emit(Op::JumpUnless { a, to: 0 })
            }
        };
        self.scope().free(next);
        jump
    }

    /// Reads a variable in an expression, where a bare routine is a mistake.
    fn read_checked(&mut self, name: &Name, d: Register) {
        if self.is_routine(name) {
            let detail = format!(
                "`{0}` is a routine: `{0}(...)` calls it, CALL({0}) is the routine as a value",
                name.written
            );
            return self.fail(Code::OpenBracketExpected, detail);
        }
        self.read(name, d);
    }

    /// Is it a routine of the program that stands above, and no variable?
    fn is_routine(&mut self, name: &Name) -> bool {
        if self.names.routines.find(&name.upper).is_none() {
            return false;
        }
        matches!(self.resolve(&name.upper), None | Some(Variable::Global(_)))
    }

    /// Reads what a name stands for.
    pub(super) fn read(&mut self, name: &Name, d: Register) {
        if first(&name.upper) == "ME" && self.resolve("ME").is_none() {
            return self.fail(Code::InvalidIdentifier, "`ME` outside of a class");
        }
        if let Some((object, member)) = self.dotted(name, false) {
            self.emit(Op::Member { d, object, member });
            return;
        }
        let variable = match self.resolve(&name.upper) {
            // What the main program mentions is global from there on.
            None if self.is_global() && !name.upper.contains('.') => {
                Some(Variable::Global(self.names.globals.number(&name.upper)))
            }
            found => found,
        };
        match variable {
            Some(variable) => self.load(variable, d),
            None => {
                let name = self.names.externals.number(&name.written);
                self.emit(Op::External { d, name });
            }
        }
    }

    /// Puts the value of a variable into a register.
    pub(super) fn load(&mut self, variable: Variable, d: Register) {
        match variable {
            Variable::Local(Local { register: of, shared: true }) => {
                self.emit(Op::Shared { d, of });
            }
            Variable::Local(Local { register, .. }) if register == d => {}
            Variable::Local(Local { register: from, .. }) => drop(self.emit(Op::Move { d, from })),
            Variable::Upvalue(upvalue) => drop(self.emit(Op::Upvalue { d, upvalue })),
            Variable::Global(global) => drop(self.emit(Op::Global { d, global })),
            Variable::Member(member) => {
                self.me(d);
                self.emit(Op::Member { d, object: d, member });
            }
        }
    }

    /// Puts the object of the method that we are in into a register.
    pub(super) fn me(&mut self, d: Register) {
        if let Some(variable) = self.resolve("ME") {
            self.load(variable, d);
        }
    }

    /// Of a name with dots that begins with a variable: a register with the object that has the
    /// last part, and that part. `assign`: the variable is taken for one even if it is new.
    pub(super) fn dotted(&mut self, name: &Name, assign: bool) -> Option<(Register, u32)> {
        let (path, last) = name.upper.rsplit_once('.')?;
        let root = first(path);
        let variable = match self.resolve(root) {
            None if assign => Variable::Global(self.names.globals.number(&root.into())),
            found => found?,
        };
        let object = self.scope().temp();
        self.load(variable, object);
        for part in path.split('.').skip(1) {
            let member = self.names.symbols.number(&part.into());
            self.emit(Op::Member { d: object, object, member });
        }
        Some((object, self.names.symbols.number(&last.into())))
    }

    /// Puts the arguments behind `d`, where some may be there already, and says how many there are.
    /// Those at the indices `bare` may be routines without brackets. `...` at the end passes on all
    /// that are left, unless a function of the library is called.
    fn args(&mut self, d: Register, args: &[Expr], bare: Range<usize>, passes_on: bool) -> u16 {
        for (index, arg) in args.iter().enumerate() {
            let register = self.scope().temp();
            let count = register - d - 1;
            match &arg.kind {
                ExprKind::Rest if passes_on && index + 1 == args.len() => {
                    let Some(rest) = self.scope().rest else {
                        self.expr_into(arg, register);
                        continue;
                    };
                    self.emit(Op::Spread { d, count, rest });
                    return SPREAD;
                }
                ExprKind::Name(name) if bare.contains(&index) && self.is_callable(name) => {
                    let name = self.names.externals.number(&name.written);
                    self.emit(Op::RoutineOf { d: register, name });
                }
                _ => self.expr_into(arg, register),
            }
        }
        u16::try_from(self.scope().next - usize::from(d) - 1).unwrap_or(SPREAD - 1)
    }

    /// `name(args)`: a call, or an element.
    fn apply(&mut self, name: &Name, args: &[Expr], call: bool, into: Register) {
        let place = self.scope().place;
        let routine = self.names.routines.find(&name.upper).filter(|_| self.is_routine(name));
        let external = self.names.externals.number(&name.written);
        if let Some(routine) = routine {
            let d = self.call_register(into);
            let count = self.args(d, args, 0..0, true);
            self.scope().place = place;
            self.emit(Op::CallRoutine { d, count, routine });
            self.emit_move(into, d);
            return;
        }
        if let Some((object, member)) = self.dotted(name, false) {
            let d = self.call_register(into);
            let count = self.args(d, args, 0..0, true);
            self.scope().place = place;
            self.emit(Op::CallMember { d, count, object, member });
            self.emit_move(into, d);
            return;
        }
        // Only a method is called without a variable that holds it.
        if let Some(Variable::Member(member)) = self.resolve(&name.upper) {
            let object = self.scope().temp();
            self.me(object);
            let d = self.call_register(into);
            let count = self.args(d, args, 0..0, true);
            self.scope().place = place;
            self.emit(Op::CallMember { d, count, object, member });
            self.emit_move(into, d);
            return;
        }
        let variable = self.resolve(&name.upper);
        let callee = match variable {
            Some(Variable::Local(Local { register, shared: false })) => register,
            Some(Variable::Global(global)) => {
                let register = self.scope().temp();
                // Unset, it is not read as its default but looked for outside.
                self.emit(Op::RawGlobal { d: register, global });
                register
            }
            Some(variable) => {
                let register = self.scope().temp();
                self.load(variable, register);
                register
            }
            None => {
                let d = self.call_register(into);
                let count = self.args(d, args, 0..0, true);
                self.scope().place = place;
                self.emit(Op::CallExternal { d, count, name: external, call });
                self.emit_move(into, d);
                return;
            }
        };
        let d = self.call_register(into);
        match args {
            [arg] if !call && !matches!(arg.kind, ExprKind::Rest) => {
                let arg = self.operand(arg);
                // A call needs the place behind `d` for its argument.
                self.scope().reserve(d);
                self.scope().place = place;
                self.emit(Op::ApplyOne { d, callee, arg, name: external });
            }
            _ => {
                let count = self.args(d, args, 0..0, true);
                self.scope().place = place;
                self.emit(Op::Apply { d, count, callee, name: external, call });
            }
        }
        self.emit_move(into, d);
    }

    /// The register for the result of a call, behind which its arguments go: the one where the
    /// result is wanted, if nothing is behind that.
    fn call_register(&mut self, into: Register) -> Register {
        match usize::from(into) + 1 == self.scope().next {
            true => into,
            false => self.scope().temp(),
        }
    }

    /// Moves a result to where it is wanted.
    fn emit_move(&mut self, d: Register, from: Register) {
        if d != from {
            self.emit(Op::Move { d, from });
        }
    }

    /// `name(indices) = value`
    pub(super) fn set_element(
        &mut self,
        name: &Name,
        indices: &[Expr],
        value: &Expr,
        place: Place,
    ) {
        if self.is_routine(name) {
            let detail = format!("`{}` is a routine", name.written);
            return self.fail(Code::InvalidIdentifier, detail);
        }
        let local = match self.resolve(&name.upper) {
            Some(Variable::Local(Local { register, shared: false })) => Some(register),
            _ => None,
        };
        let of = match local {
            Some(register) => register,
            None => {
                let register = self.scope().temp();
                self.read(name, register);
                register
            }
        };
        if let [index] = indices
            && !matches!(index.kind, ExprKind::Rest)
        {
            let index = self.operand(index);
            let from = self.operand(value);
            self.scope().place = place;
            self.emit(Op::SetElementOne { of, index, from });
            return;
        }
        let d = self.scope().temp();
        let count = self.args(d, indices, 0..0, true);
        let from = self.operand(value);
        self.scope().place = place;
        self.emit(Op::SetElement { of, d, count, from });
    }

    fn library(&mut self, function: Library, args: &[Expr], into: Register, place: Place) {
        if let (Library::Len, [Expr { kind: ExprKind::Rest, .. }]) = (function, args)
            && let Some(rest) = self.scope().rest
        {
            self.emit(Op::CountRest { d: into, rest });
            return;
        }
        let d = self.call_register(into);
        if let (Library::List, [Expr { kind: ExprKind::Range(ends), .. }]) = (function, args) {
            for end in [&ends.0, &ends.1] {
                let register = self.scope().temp();
                self.expr_into(end, register);
            }
            self.scope().place = place;
            self.emit(Op::CallLibrary { d, count: 2, library: Library::Range });
            self.emit_move(into, d);
            return;
        }
        // Some take a routine by its bare name.
        let bare = match (function, args) {
            (Library::Expose, [Expr { kind: ExprKind::Name(name), .. }]) => {
                // `EXPOSE(name)` exports it under its name as it is written.
                let register = self.scope().temp();
                self.text_into(&name.written, register);
                0..1
            }
            (Library::Expose, _) => 1..2,
            (Library::Try, _) => 0..1,
            (Library::Finally, _) => 0..2,
            _ => 0..0,
        };
        let passes_on = matches!(function, Library::Try | Library::Finally | Library::Call);
        let count = self.args(d, args, bare, passes_on);
        self.scope().place = place;
        self.emit(Op::CallLibrary { d, count, library: function });
        self.emit_move(into, d);
    }

    /// Is `name` no variable, or only the name of a routine?
    fn is_callable(&mut self, name: &Name) -> bool {
        self.is_routine(name) || self.resolve(first(&name.upper)).is_none()
    }
}

/// A literal that fits into an operation.
pub(super) fn small_int(expr: &Expr) -> Option<i16> {
    match &expr.kind {
        ExprKind::Int(int) => i16::try_from(*int).ok(),
        ExprKind::Unary(Unary::Negate, of) => match &of.kind {
            ExprKind::Int(int) => i16::try_from(int.checked_neg()?).ok(),
            _ => None,
        },
        _ => None,
    }
}

fn compare(operator: Binary) -> Option<Compare> {
    Some(match operator {
        Binary::Equal => Compare::Equal,
        Binary::Unequal => Compare::Unequal,
        Binary::Less => Compare::Less,
        Binary::LessEqual => Compare::LessEqual,
        Binary::Greater => Compare::Greater,
        Binary::GreaterEqual => Compare::GreaterEqual,
        _ => return None,
    })
}

fn arithmetic(operator: Binary) -> Option<Arithmetic> {
    Some(match operator {
        Binary::Divide => Arithmetic::Divide,
        Binary::Modulo => Arithmetic::Modulo,
        Binary::Power => Arithmetic::Power,
        _ => return None,
    })
}

fn binary(operator: Binary, d: Register, a: Register, b: Register) -> Op {
    match operator {
        Binary::Add => Op::Add { d, a, b },
        Binary::Subtract => Op::Subtract { d, a, b },
        Binary::Multiply => Op::Multiply { d, a, b },
        Binary::And => Op::And { d, a, b },
        Binary::Or => Op::Or { d, a, b },
        Binary::Is => Op::Is { d, a, b },
        _ => match arithmetic(operator) {
            Some(arithmetic) => Op::Arithmetic { arithmetic, d, a, b },
            None => {
                let compare = compare(operator).unwrap_or(Compare::Equal);
                Op::Compare { compare, d, a, b }
            }
        },
    }
}
