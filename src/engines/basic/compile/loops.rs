//! IF, the loops, and the ways out of them.

use super::{
    Compiler, Variable,
    expr::small_int,
    scope::{Local, Loop},
};
use crate::engines::basic::{
    code::{Op, Register},
    fault::Code,
    syntax::{Block, Expr, ExprKind, Name, Place},
};

impl Compiler<'_> {
    pub(super) fn branch(&mut self, branches: &[(Expr, Block)], otherwise: &Block) {
        let mut ends = Vec::new();
        for (index, (condition, body)) in branches.iter().enumerate() {
            let skip = self.jump_unless(condition);
            self.block(body);
            if index + 1 < branches.len() || !otherwise.is_empty() {
                ends.push(self.emit(Op::Jump { to: 0 }));
            }
            self.scope().land(&[skip]);
        }
        self.block(otherwise);
        self.scope().land(&ends);
    }

    /// `FOR variable = from TO to STEP step`: the limit and the step are computed before each
    /// round.
    pub(super) fn count(
        &mut self,
        name: &Name,
        from: &Expr,
        to: &Expr,
        step: Option<&Expr>,
        body: &Block,
        place: Place,
    ) {
        self.assign(name, |compiler, d| compiler.expr_into(from, d), place);
        let next = self.scope().next;
        if let (Some(at), Some(limit), Some(by)) =
            (self.own_register(name), self.lasting(to), small_step(step))
        {
            return self.count_fast(name, at, limit, by, body, place);
        }
        let top = self.scope().here();
        let (at, limit) = (self.variable(name), self.operand(to));
        let by = self.step(step);
        self.scope().place = place;
        let past = self.emit(Op::JumpIfPast { at, limit, step: by, to: 0 });
        self.scope().free(next);

        self.enter(Some(name), None);
        self.block(body);
        let rounds = std::mem::take(&mut self.innermost().continues);
        self.scope().land(&rounds);
        self.scope().place = place;
        self.assign(
            name,
            |compiler, d| {
                let at = compiler.variable(name);
                match step {
                    None => drop(compiler.emit(Op::AddInt { d, a: at, int: 1 })),
                    Some(step) => {
                        let b = compiler.operand(step);
                        compiler.emit(Op::Add { d, a: at, b });
                    }
                }
            },
            place,
        );
        self.scope().free(next);
        self.emit(Op::Loop { to: top });
        self.scope().land(&[past]);
        self.leave();
    }

    /// The same where the variable and the limit have registers of their own and the step is a
    /// literal: a round ends with one operation.
    fn count_fast(
        &mut self,
        name: &Name,
        at: Register,
        limit: Register,
        step: i16,
        body: &Block,
        place: Place,
    ) {
        let by = self.scope().temp();
        self.scope().place = place;
        self.emit(Op::Int { d: by, int: step.into() });
        let past = self.emit(Op::JumpIfPast { at, limit, step: by, to: 0 });
        let top = self.scope().here();
        self.enter(Some(name), None);
        self.block(body);
        let rounds = std::mem::take(&mut self.innermost().continues);
        self.scope().land(&rounds);
        self.scope().place = place;
        self.emit(Op::NextRound { at, limit, step, to: top });
        self.scope().land(&[past]);
        self.leave();
    }

    /// The register of a variable that is nobody else's.
    fn own_register(&mut self, name: &Name) -> Option<Register> {
        match self.resolve(&name.upper) {
            // A FOR IN around us sees what its variable gets.
            Some(Variable::Local(Local { register, shared: false }))
                if !self.scope().loops.iter().any(|each| {
                    each.iterator.is_some() && each.variable.as_ref() == Some(&name.upper)
                }) =>
            {
                Some(register)
            }
            _ => None,
        }
    }

    /// A register with the value of `limit` in every round, if that needs no operation.
    fn lasting(&mut self, limit: &Expr) -> Option<Register> {
        match &limit.kind {
            ExprKind::Name(name) => match self.resolve(&name.upper) {
                Some(Variable::Local(Local { register, shared: false })) => Some(register),
                _ => None,
            },
            ExprKind::Int(_) => Some(self.operand(limit)),
            _ => None,
        }
    }

    fn step(&mut self, step: Option<&Expr>) -> Register {
        if let Some(step) = step {
            return self.operand(step);
        }
        let d = self.scope().temp();
        self.emit(Op::Int { d, int: 1 });
        d
    }

    /// A register with the value of a variable.
    fn variable(&mut self, name: &Name) -> Register {
        let expr = Expr { place: self.scope().place, kind: ExprKind::Name(name.clone()) };
        self.operand(&expr)
    }

    /// `FOR variable IN of`: the variable stands for the element, and has its old value afterwards.
    pub(super) fn each(&mut self, name: &Name, of: &Expr, body: &Block, place: Place) {
        let iterator = self.scope().temp();
        let before = self.scope().temp();
        self.expr_into(of, iterator);
        self.scope().place = place;
        self.emit(Op::Iterate { d: iterator, of: iterator });
        let old = self.variable(name);
        self.emit(Op::Move { d: before, from: old });
        let next = self.scope().next;
        let top = self.scope().here();
        let more = self.scope().temp();
        self.emit(Op::Advance { d: more, iterator });
        let done = self.emit(Op::JumpUnless { a: more, to: 0 });
        let current = |compiler: &mut Self, d| {
            compiler.emit(Op::Current { d, iterator });
        };
        self.assign(name, current, place);
        self.scope().free(next);

        self.enter(Some(name), Some((iterator, before)));
        self.block(body);
        let rounds = std::mem::take(&mut self.innermost().continues);
        self.scope().land(&rounds);
        self.emit(Op::Loop { to: top });
        self.scope().land(&[done]);
        // An EXIT comes here as well.
        let exits = std::mem::take(&mut self.innermost().exits);
        self.scope().land(&exits);
        self.restore(self.scopes[self.scopes.len() - 1].loops.len() - 1);
        self.leave();
    }

    pub(super) fn repeat_while(&mut self, condition: &Expr, body: &Block) {
        let top = self.scope().here();
        let done = self.jump_unless(condition);
        self.enter(None, None);
        self.block(body);
        self.emit(Op::Loop { to: top });
        self.scope().land(&[done]);
        self.leave();
    }

    pub(super) fn repeat_until(&mut self, body: &Block, until: &Expr) {
        let top = self.scope().here();
        self.enter(None, None);
        self.block(body);
        let done = self.operand(until);
        let out = self.emit(Op::JumpIf { a: done, to: 0 });
        self.emit(Op::Loop { to: top });
        self.scope().land(&[out]);
        self.leave();
    }

    fn enter(&mut self, name: Option<&Name>, iterator: Option<(Register, Register)>) {
        let variable = name.map(|name| name.upper.clone());
        let each = Loop { variable, iterator, exits: Vec::new(), continues: Vec::new() };
        self.scope().loops.push(each);
    }

    /// Ends the innermost loop: what left it goes on here.
    fn leave(&mut self) {
        let scope = self.scope();
        if let Some(each) = scope.loops.pop() {
            scope.land(&each.exits);
        }
    }

    fn innermost(&mut self) -> &mut Loop {
        let scope = self.scope();
        let last = scope.loops.len() - 1;
        &mut scope.loops[last]
    }

    pub(super) fn exit(&mut self) {
        if self.scope().loops.is_empty() {
            return self.fail(Code::WrongFunction, "EXIT outside of any loop");
        }
        let jump = self.emit(Op::Jump { to: 0 });
        self.innermost().exits.push(jump);
    }

    /// `NEXT` in the middle of a loop.
    pub(super) fn go_on(&mut self, name: Option<&Name>) {
        let loops = &self.scope().loops;
        let found = loops.iter().rposition(|each| match (name, &each.variable) {
            (Some(name), Some(variable)) => name.upper == *variable,
            (None, Some(_)) => true,
            (_, None) => false,
        });
        let Some(found) = found else {
            return self.fail(Code::WrongFunction, "NEXT outside of any FOR");
        };
        for inner in (found + 1..loops.len()).rev() {
            self.restore(inner);
        }
        let jump = self.emit(Op::Jump { to: 0 });
        self.scope().loops[found].continues.push(jump);
    }

    /// Gives the variables of all FOR IN around us what they had before, if others see them.
    pub(super) fn restore_all(&mut self) {
        for index in (0..self.scope().loops.len()).rev() {
            self.restore(index);
        }
    }

    fn restore(&mut self, index: usize) {
        let each = &self.scope().loops[index];
        let (Some((_, before)), Some(name)) = (each.iterator, each.variable.clone()) else {
            return;
        };
        if let Some(variable) = self.resolve(&name) {
            self.put(variable, before);
        }
    }
}

/// A step that fits into an operation.
fn small_step(step: Option<&Expr>) -> Option<i16> {
    step.map_or(Some(1), small_int)
}
