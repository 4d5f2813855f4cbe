//! What one routine, lambda or main program has of its own while it is compiled.

use super::walk;
use crate::engines::basic::{
    code::{Kind, Op, Proto, Register, Shared},
    fault::Fault,
    names::Members,
    syntax::{Name, Place, Routine},
    value::Value,
};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// The most registers that a routine may have.
const MOST_REGISTERS: usize = 60_000;

/// Where a local variable is.
#[derive(Clone, Copy)]
pub(super) struct Local {
    pub(super) register: Register,
    /// The register has the place that it shares with lambdas.
    pub(super) shared: bool,
}

/// A loop around the statement that is compiled.
pub(super) struct Loop {
    /// A FOR with its variable, in upper case; others have none.
    pub(super) variable: Option<Rc<str>>,
    /// Of a FOR IN: the iterator, and the register with what the variable was before.
    pub(super) iterator: Option<(Register, Register)>,
    /// Jumps to what follows the loop.
    pub(super) exits: Vec<usize>,
    /// Jumps to its next round.
    pub(super) continues: Vec<usize>,
}

pub(super) struct Scope {
    pub(super) proto: Proto,
    pub(super) locals: HashMap<Rc<str>, Local>,
    /// What lambdas in it mention.
    captured: HashSet<Rc<str>>,
    /// What a lambda shares with its surroundings, and under which numbers.
    pub(super) upvalues: Vec<Shared>,
    pub(super) upvalue_numbers: HashMap<Rc<str>, u16>,
    /// The members of the object that it is a method of.
    pub(super) members: Option<Rc<Members>>,
    /// Local variables that were made by DIM.
    pub(super) arrays: HashSet<Rc<str>>,
    pub(super) loops: Vec<Loop>,
    pub(super) rest: Option<Register>,
    /// It uses more variables of what is around it than it may.
    pub(super) is_too_large: bool,
    /// The first register that is free.
    pub(super) next: usize,
    pub(super) place: Place,
    constants: HashMap<Rc<str>, u32>,
}

impl Scope {
    pub(super) fn new(kind: Kind, name: Rc<str>, file: Rc<str>) -> Self {
        Self {
            proto: Proto { kind, name, file, ..Proto::default() },
            locals: HashMap::new(),
            captured: HashSet::new(),
            upvalues: Vec::new(),
            upvalue_numbers: HashMap::new(),
            members: None,
            arrays: HashSet::new(),
            loops: Vec::new(),
            rest: None,
            is_too_large: false,
            next: 1,
            place: Place::default(),
            constants: HashMap::new(),
        }
    }

    pub(super) fn emit(&mut self, op: Op) -> usize {
        let index = self.proto.code.len();
        if self.proto.places.last().is_none_or(|(_, place)| *place != self.place) {
            self.proto.places.push((u32::try_from(index).unwrap_or(u32::MAX), self.place));
        }
        self.proto.code.push(op);
        index
    }

    /// Where the next operation will be.
    pub(super) fn here(&self) -> u32 {
        u32::try_from(self.proto.code.len()).unwrap_or(u32::MAX)
    }

    /// Has the jumps at `indices` go to what comes next.
    pub(super) fn land(&mut self, indices: &[usize]) {
        let here = self.here();
        indices.iter().for_each(|index| self.aim(*index, here));
    }

    /// Has the jump at `index` go to `target`.
    pub(super) fn aim(&mut self, index: usize, target: u32) {
        match &mut self.proto.code[index] {
            Op::Jump { to }
            | Op::Loop { to }
            | Op::JumpIf { to, .. }
            | Op::JumpUnless { to, .. }
            | Op::JumpIfNil { to, .. }
            | Op::JumpUnlessCompare { to, .. }
            | Op::JumpUnlessCompareInt { to, .. }
            | Op::JumpIfPast { to, .. }
            | Op::NextRound { to, .. }
            | Op::Gosub { to } => *to = target,
            _ => {}
        }
    }

    /// A register that is free until [`free`](Self::free).
    pub(super) fn temp(&mut self) -> Register {
        let register = self.next;
        self.next += 1;
        self.proto.registers = self.proto.registers.max(self.next);
        // Past the end, the routine is replaced by an error when it is done.
        Register::try_from(register.min(MOST_REGISTERS)).unwrap_or(Register::MAX)
    }

    /// Sees to it that the register behind `d` is there.
    pub(super) fn reserve(&mut self, d: Register) {
        self.proto.registers = self.proto.registers.max(usize::from(d) + 2);
    }

    /// Needs it more registers or shared variables than there may be?
    pub(super) fn is_too_large(&self) -> bool {
        self.is_too_large || self.proto.registers > MOST_REGISTERS
    }

    /// Frees the registers from `next` on.
    pub(super) fn free(&mut self, next: usize) {
        self.next = next;
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        let index = u32::try_from(self.proto.faults.len()).unwrap_or(u32::MAX);
        self.proto.faults.push(fault);
        self.emit(Op::Fail { fault: index });
    }

    pub(super) fn constant(&mut self, value: Value) -> u32 {
        let index = u32::try_from(self.proto.constants.len()).unwrap_or(u32::MAX);
        self.proto.constants.push(value);
        index
    }

    /// The constant that holds `text`; `make` makes it.
    pub(super) fn text(&mut self, text: &Rc<str>, make: impl FnOnce() -> Value) -> u32 {
        if let Some(constant) = self.constants.get(text) {
            return *constant;
        }
        let constant = self.constant(make());
        self.constants.insert(text.clone(), constant);
        constant
    }

    /// Gives the parameters of `routine` their registers, and tells a name that is there twice.
    pub(super) fn parameters<'a>(&mut self, routine: &'a Routine) -> Option<&'a Name> {
        let has_lambdas = walk::captured(&routine.body, &mut self.captured);
        if self.members.is_some() && has_lambdas {
            self.captured.insert("ME".into());
        }
        if self.members.is_some() {
            self.locals.insert("ME".into(), Local { register: 0, shared: false });
        }
        let mut twice = None;
        for parameter in &routine.parameters {
            self.proto.parameters.push(parameter.upper.ends_with('$'));
            // Each has a register, whatever it is called: that is where its argument comes.
            let local = Local { register: self.temp(), shared: false };
            if self.locals.insert(parameter.upper.clone(), local).is_some() {
                twice = Some(parameter);
            }
        }
        if routine.rest {
            self.proto.rest = true;
            self.rest = Some(self.temp());
        }
        twice
    }

    /// Gives a local variable its register.
    pub(super) fn declare(&mut self, name: &Rc<str>) {
        if !self.locals.contains_key(name) {
            let register = self.temp();
            self.locals.insert(name.clone(), Local { register, shared: false });
        }
    }

    /// Shares those local variables that lambdas mention.
    pub(super) fn share(&mut self) {
        let captured = std::mem::take(&mut self.captured);
        for (name, local) in &mut self.locals {
            local.shared = captured.contains(name);
        }
    }

    /// Puts what must happen before anything else at the end of the code: the defaults of local
    /// variables, and the places of those that are shared.
    pub(super) fn begin(&mut self, empty: impl FnOnce() -> Value) {
        let parameters = self.proto.parameters.len() + usize::from(self.proto.rest);
        let mut locals: Vec<_> =
            self.locals.iter().map(|(name, local)| (*local, name.ends_with('$'))).collect();
        locals.sort_by_key(|(local, _)| local.register);
        let entry = self.here();
        let mut empty = Some(empty);
        let mut constant = None;
        for (Local { register: d, shared }, is_text) in locals {
            if usize::from(d) > parameters {
                if is_text {
                    let constant = *constant.get_or_insert_with(|| {
                        let value = empty.take().map_or(Value::Nil, |empty| empty());
                        self.proto.constants.push(value);
                        u32::try_from(self.proto.constants.len() - 1).unwrap_or(u32::MAX)
                    });
                    self.emit(Op::Constant { d, constant });
                } else {
                    self.emit(Op::Int { d, int: 0 });
                }
            }
            if shared {
                self.emit(Op::Share { d });
            }
        }
        if self.here() != entry {
            self.emit(Op::Jump { to: 0 });
            self.proto.entry = entry;
        }
    }
}

/// The first part of a name with dots.
pub(super) fn first(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
