//! What the machine runs: operations on the registers of a call.
//!
//! Register 0 of a call is its object (`ME`) or NIL, and its arguments follow. A call is made with
//! its arguments in a row of registers, which become the first ones of the callee; its result
//! takes the place before them.

use super::{
    class::Symbol,
    fault::Fault,
    heap::Charge,
    objects::block,
    syntax::{Library, Place},
    value::Value,
};
use std::{cell::Cell, rc::Rc};

/// A register.
pub(super) type Register = u16;

/// In the place of the number of arguments: they go up to where [`Op::Spread`] said.
pub(super) const SPREAD: u16 = u16::MAX;

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Compare {
    /// Does it hold of two values of one type?
    #[inline]
    pub(super) fn holds<T: PartialOrd>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Unequal => a != b,
            Self::Less => a < b,
            Self::LessEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterEqual => a >= b,
        }
    }
}

/// What two values are calculated with, where speed matters less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Divide,
    Modulo,
    Power,
}

/// One operation: `d` is where its result goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// Fails with a fault of the routine.
    Fail {
        fault: u32,
    },
    Nil {
        d: Register,
    },
    Int {
        d: Register,
        int: i32,
    },
    Constant {
        d: Register,
        constant: u32,
    },
    Move {
        d: Register,
        from: Register,
    },
    /// A global variable, or its default.
    Global {
        d: Register,
        global: u32,
    },
    /// A global variable as it is.
    RawGlobal {
        d: Register,
        global: u32,
    },
    SetGlobal {
        global: u32,
        from: Register,
    },
    /// A variable that this routine shares with its lambdas: the register has its place.
    Share {
        d: Register,
    },
    Shared {
        d: Register,
        of: Register,
    },
    SetShared {
        of: Register,
        from: Register,
    },
    /// A variable of a routine around this lambda.
    Upvalue {
        d: Register,
        upvalue: u16,
    },
    SetUpvalue {
        upvalue: u16,
        from: Register,
    },
    /// What is known from outside by a name that is no variable, or the default of the name.
    External {
        d: Register,
        name: u32,
    },
    /// The routine, function value or native that has the name, as a value.
    RoutineOf {
        d: Register,
        name: u32,
    },

    Add {
        d: Register,
        a: Register,
        b: Register,
    },
    AddInt {
        d: Register,
        a: Register,
        int: i16,
    },
    Subtract {
        d: Register,
        a: Register,
        b: Register,
    },
    Multiply {
        d: Register,
        a: Register,
        b: Register,
    },
    MultiplyInt {
        d: Register,
        a: Register,
        int: i16,
    },
    Arithmetic {
        arithmetic: Arithmetic,
        d: Register,
        a: Register,
        b: Register,
    },
    ArithmeticInt {
        arithmetic: Arithmetic,
        d: Register,
        a: Register,
        int: i16,
    },
    Compare {
        compare: Compare,
        d: Register,
        a: Register,
        b: Register,
    },
    And {
        d: Register,
        a: Register,
        b: Register,
    },
    Or {
        d: Register,
        a: Register,
        b: Register,
    },
    Is {
        d: Register,
        a: Register,
        b: Register,
    },
    Negate {
        d: Register,
        a: Register,
    },
    Not {
        d: Register,
        a: Register,
    },

    Jump {
        to: u32,
    },
    /// Jumps back: where a loop can be interrupted.
    Loop {
        to: u32,
    },
    JumpIf {
        a: Register,
        to: u32,
    },
    JumpUnless {
        a: Register,
        to: u32,
    },
    JumpIfNil {
        a: Register,
        to: u32,
    },
    JumpUnlessCompare {
        compare: Compare,
        a: Register,
        b: Register,
        to: u32,
    },
    JumpUnlessCompareInt {
        compare: Compare,
        a: Register,
        int: i16,
        to: u32,
    },
    /// Jumps if `at` is past `limit`, in the direction of `step`.
    JumpIfPast {
        at: Register,
        limit: Register,
        step: Register,
        to: u32,
    },
    /// Adds the step to `at` and jumps, unless it is past `limit` then: the end of a round of FOR.
    NextRound {
        at: Register,
        limit: Register,
        step: i16,
        to: u32,
    },
    /// GOSUB, and the RETURN of the main program. Where nobody has called, a value that was
    /// `wanted` is the result of the program.
    Gosub {
        to: u32,
    },
    ReturnSub {
        from: Register,
        wanted: bool,
    },

    /// A call of the routine of the program that has this number.
    CallRoutine {
        d: Register,
        count: u16,
        routine: u32,
    },
    /// A call of what is in `callee`, or an element of it, unless it must be a `call`. What was
    /// never assigned is looked for outside by its `name`.
    Apply {
        d: Register,
        count: u16,
        callee: Register,
        name: u32,
        call: bool,
    },
    /// The same with one argument that is elsewhere.
    ApplyOne {
        d: Register,
        callee: Register,
        arg: Register,
        name: u32,
    },
    /// The same for what is known from outside by a name.
    CallExternal {
        d: Register,
        count: u16,
        name: u32,
        call: bool,
    },
    CallMember {
        d: Register,
        count: u16,
        object: Register,
        member: Symbol,
    },
    CallLibrary {
        d: Register,
        count: u16,
        library: Library,
    },
    /// The arguments that are left follow those that begin after `d`: the next call has them all.
    Spread {
        d: Register,
        count: u16,
        rest: Register,
    },
    Return {
        from: Register,
    },
    ReturnNil,
    End,

    SetElement {
        of: Register,
        d: Register,
        count: u16,
        from: Register,
    },
    SetElementOne {
        of: Register,
        index: Register,
        from: Register,
    },
    Member {
        d: Register,
        object: Register,
        member: Symbol,
    },
    SetMember {
        object: Register,
        member: Symbol,
        from: Register,
    },
    /// An array: its sizes follow `d`.
    Dim {
        d: Register,
        count: u16,
        texts: bool,
    },
    /// The next of the arguments that are left.
    NextRest {
        d: Register,
        rest: Register,
    },
    CountRest {
        d: Register,
        rest: Register,
    },
    Lambda {
        d: Register,
        lambda: u32,
    },
    DefineClass {
        d: Register,
        definition: u32,
    },

    /// Begins to go through a collection or an object.
    Iterate {
        d: Register,
        of: Register,
    },
    /// Moves on: `d` is whether there was another element.
    Advance {
        d: Register,
        iterator: Register,
    },
    /// The element where it is, or the key.
    Current {
        d: Register,
        iterator: Register,
    },
    /// Gives that element another value, if it is in a list.
    SetCurrent {
        iterator: Register,
        from: Register,
    },

    Print {
        a: Register,
    },
    PrintLine,
    /// Reads a line: a text if `d` holds one, else a number.
    Input {
        d: Register,
    },
    /// The keys of a dict that are objects with this hash.
    Candidates {
        d: Register,
        dict: Register,
        hash: Register,
    },
    /// Opens a namespace of the host.
    Open {
        name: u32,
    },
    /// Ends a guard: the middle of TRY and FINALLY.
    Rethrow,
}

/// What was compiled of a routine, a lambda, or the main program.
pub(super) struct Proto {
    pub(super) kind: Kind,
    /// What traces call it: as it was written.
    pub(super) name: Rc<str>,
    pub(super) file: Rc<str>,
    pub(super) code: Vec<Op>,
    /// Where it begins.
    pub(super) entry: u32,
    /// Where operations come from: from the index on.
    pub(super) places: Vec<(u32, Place)>,
    pub(super) registers: usize,
    /// For each parameter: is its default a text?
    pub(super) parameters: Vec<bool>,
    /// Has it been called? What a later call leaves out is NIL, not the default.
    pub(super) was_called: Cell<bool>,
    /// More arguments than parameters are a list in the register after those.
    pub(super) rest: bool,
    /// The texts are kept by who keeps this.
    pub(super) constants: Vec<Value>,
    pub(super) faults: Vec<Fault>,
    pub(super) lambdas: Vec<Lambda>,
    pub(super) routines: Vec<Defined>,
    pub(super) classes: Vec<DefinedClass>,
    /// The collection that it was marked in.
    pub(super) marked: Cell<u32>,
    /// What it takes.
    pub(super) charge: Charge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Main,
    Routine,
    Lambda,
}

/// A lambda, and where what it shares with its surroundings is when it is made.
pub(super) struct Lambda {
    pub(super) proto: Rc<Proto>,
    pub(super) shared: Vec<Shared>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Shared {
    /// In a register of the routine that makes it.
    Register(Register),
    /// Shared with that already.
    Upvalue(u16),
}

/// A routine of the program, which is there from the begin on.
pub(super) struct Defined {
    pub(super) routine: u32,
    pub(super) proto: Rc<Proto>,
}

/// A class of the program, and where its bases and the first values of its fields are.
pub(super) struct DefinedClass {
    pub(super) name: Rc<str>,
    pub(super) bases: Vec<Register>,
    /// The first of the registers with values.
    pub(super) values: Register,
    pub(super) fields: Vec<Symbol>,
    pub(super) methods: Vec<(Symbol, Rc<Proto>)>,
}

impl Default for Proto {
    fn default() -> Self {
        Self {
            kind: Kind::Main,
            name: "".into(),
            file: "".into(),
            code: Vec::new(),
            entry: 0,
            places: Vec::new(),
            registers: 1,
            parameters: Vec::new(),
            was_called: Cell::new(false),
            rest: false,
            constants: Vec::new(),
            faults: Vec::new(),
            lambdas: Vec::new(),
            routines: Vec::new(),
            classes: Vec::new(),
            marked: Cell::new(0),
            charge: Charge::default(),
        }
    }
}

impl Proto {
    /// Where the operation at `index` comes from.
    pub(super) fn place(&self, index: usize) -> Place {
        let after = self.places.partition_point(|(from, _)| *from as usize <= index);
        after.checked_sub(1).map_or(Place::default(), |at| self.places[at].1)
    }

    /// Tells `mark` each value that it holds, once in a `round`.
    pub(super) fn each(&self, round: u32, mark: &mut dyn FnMut(Value)) {
        if self.marked.replace(round) == round {
            return;
        }
        self.constants.iter().for_each(|value| mark(*value));
        self.lambdas.iter().for_each(|lambda| lambda.proto.each(round, mark));
        // Nobody else has the methods of a class before it is defined.
        let methods = self.classes.iter().flat_map(|class| &class.methods);
        methods.for_each(|(_, proto)| proto.each(round, mark));
    }

    /// Bytes that it takes, without what is defined in it.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + block(size_of_val(&*self.name))
            + block(self.code.capacity() * size_of::<Op>())
            + block(self.places.capacity() * size_of::<(u32, Place)>())
            + block(self.constants.capacity() * size_of::<Value>())
            + block(self.faults.capacity() * size_of::<Fault>())
            + self.faults.iter().map(|fault| block(fault.detail.len())).sum::<usize>()
            + block(self.parameters.capacity())
            + block(self.lambdas.capacity() * size_of::<Lambda>())
            + block(self.routines.capacity() * size_of::<Defined>())
            + block(self.classes.capacity() * size_of::<DefinedClass>())
    }
}
