//! What a program is, once it is parsed.
//!
//! The dialect finds most mistakes when a statement runs, not when the text is loaded. So what
//! cannot be parsed is part of the tree: a malformed statement or expression fails when it is
//! reached.
//!
//! The parser bounds how deep a tree is, so it may be walked by recursion.

use super::fault::Fault;
use std::{ops::Deref, rc::Rc};

/// Where something stands: which [file](Program::files), and where in it, counted from 1; columns
/// count code points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: u16,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A name. There are many of them in a tree, so each is small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(Rc<Spelling>);

impl Name {
    pub(super) fn new(written: &str) -> Self {
        let upper = written.to_ascii_uppercase().into();
        Self(Rc::new(Spelling { upper, written: written.into() }))
    }
}

impl Deref for Name {
    type Target = Spelling;

    fn deref(&self) -> &Spelling {
        &self.0
    }
}

/// How a name is written: case does not count, but what leaves the language keeps it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spelling {
    /// In upper case: what is compared. A dot separates members (`OBJ.FIELD`).
    pub(super) upper: Rc<str>,
    /// As it was written.
    pub(super) written: Rc<str>,
}

/// A whole text with all that it imports.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) body: Block,
    /// The text itself and the files that it imports, in the order in which they were met: what
    /// traces call them.
    pub(super) files: Vec<Rc<str>>,
    /// It ends in the middle of a block, a routine, a class or a list of arguments: more of it
    /// could make it complete.
    pub(super) incomplete: bool,
}

pub(super) type Block = Vec<Statement>;

#[derive(Debug)]
pub(super) struct Statement {
    pub(super) place: Place,
    pub(super) kind: StatementKind,
}

#[derive(Debug)]
pub(super) enum StatementKind {
    /// Fails when it is reached.
    Malformed(Fault),
    /// `[LET] target = value`
    Let {
        target: Target,
        value: Expr,
    },
    /// `DIM name(size, ...)`. A size is a literal or a variable. Several names are several
    /// statements.
    Dim {
        name: Name,
        sizes: Vec<Expr>,
    },
    /// `IF ... THEN ... ELSEIF ... ELSE ... ENDIF`, in one line or many.
    If {
        branches: Vec<(Expr, Block)>,
        otherwise: Block,
    },
    /// `FOR variable = from TO to [STEP step]`
    For {
        variable: Name,
        from: Box<Expr>,
        to: Box<Expr>,
        step: Option<Box<Expr>>,
        body: Block,
    },
    /// `FOR variable IN of`
    ForIn {
        variable: Name,
        of: Expr,
        body: Block,
    },
    While {
        condition: Expr,
        body: Block,
    },
    /// `DO ... UNTIL condition`
    Do {
        body: Block,
        until: Expr,
    },
    /// `NEXT [variable]` in the middle of a body: goes on with the innermost FOR, or with that of
    /// the variable.
    Next(Option<Name>),
    /// Leaves the innermost loop.
    Exit,
    Label(Name),
    Goto(Name),
    Gosub(Name),
    Return(Option<Expr>),
    End,
    Print(Vec<PrintItem>),
    /// `INPUT ["prompt",] variable`. Without a variable it only waits for a line.
    Input {
        prompt: Option<Rc<str>>,
        target: Option<Name>,
    },
    /// A call whose result nobody takes, or another value that is dropped: a lambda, `...`.
    Call(Expr),
    Def(Routine),
    Class(Class),
    /// `IMPORT "@name"`: the names of the host that begin with `name.` may be written without it.
    Open(Name),
}

/// What can be assigned to.
#[derive(Debug)]
pub(super) enum Target {
    /// A variable, or a field (`OBJ.FIELD`).
    Name(Name),
    /// An element (`A(1, 2)`, `OBJ.LIST(0)`).
    Element { of: Name, indices: Vec<Expr> },
}

#[derive(Debug)]
pub(super) enum PrintItem {
    Value(Expr),
    /// `;`
    NewLine,
}

/// A routine, a method or a lambda.
#[derive(Debug)]
pub(super) struct Routine {
    /// Lambdas have none.
    pub(super) name: Option<Name>,
    pub(super) place: Place,
    pub(super) parameters: Vec<Name>,
    /// The last parameter is `...`.
    pub(super) rest: bool,
    pub(super) body: Block,
}

#[derive(Debug)]
pub(super) struct Class {
    pub(super) name: Name,
    pub(super) bases: Vec<Name>,
    pub(super) members: Vec<Member>,
}

#[derive(Debug)]
pub(super) enum Member {
    /// `VAR name = value`; without a value it is the default of the name.
    Field {
        name: Name,
        value: Option<Expr>,
        place: Place,
    },
    Method(Routine),
    /// What stands in a class and does not belong there: fails when the class is defined.
    Malformed(Fault, Place),
}

#[derive(Debug)]
pub(super) struct Expr {
    /// Where it begins; of a chain, where its first operand does.
    pub(super) place: Place,
    pub(super) kind: ExprKind,
}

#[derive(Debug)]
pub(super) enum ExprKind {
    /// Fails when it is reached.
    Malformed(Fault),
    Nil,
    /// Also `TRUE` and `FALSE`.
    Int(i64),
    Real(f64),
    Text(Rc<str>),
    /// A variable, a field, `ME`, or a routine without brackets (an error).
    Name(Name),
    /// `...`: takes the next of the arguments that are left; as the last argument of a call, all of
    /// them.
    Rest,
    /// `name(args)`: a call or an element. `call`: it was written `CALL name(args)`, so it is a
    /// call.
    Apply {
        callee: Name,
        args: Vec<Expr>,
        call: bool,
    },
    /// `CALL(name)`: the routine as a value.
    Routine(Name),
    /// A function of the library. `GET`, `RND` and so on have the arguments that were written.
    Library {
        function: Library,
        args: Vec<Expr>,
    },
    /// `a TO b`, which only `LIST(a TO b)` has.
    Range(Box<(Expr, Expr)>),
    Unary(Unary, Box<Expr>),
    /// Operators of one level, from left to right: `first + a - b`. One node for however many there
    /// are, so that a long sum is no deep tree.
    Chain {
        first: Box<Expr>,
        rest: Vec<Link>,
    },
    Lambda(Box<Routine>),
}

/// An operator of a chain with its right side.
#[derive(Debug)]
pub(super) struct Link {
    /// Where the operator stands.
    pub(super) place: Place,
    pub(super) operator: Binary,
    pub(super) right: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Negate,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    Is,
}

/// Declares the functions of the library with their names.
macro_rules! library {
    ($($variant:ident $name:literal,)*) => {
        /// The functions of the library. Their names are reserved.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Library {
            $($variant,)*
        }

        impl Library {
            /// Its name, in upper case.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The function called `name`, in upper case.
            pub(super) fn find(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant).filter(|found| *found != Self::Call),)*
                    _ => None,
                }
            }
        }
    };
}

library! {
    Abs "ABS", Sgn "SGN", Sqr "SQR", Floor "FLOOR", Ceil "CEIL", Fix "FIX", Round "ROUND",
    Srnd "SRND", Rnd "RND", Sin "SIN", Cos "COS", Tan "TAN", Asin "ASIN", Acos "ACOS",
    Atan "ATAN", Exp "EXP", Log "LOG",
    Asc "ASC", Chr "CHR", Left "LEFT", Right "RIGHT", Mid "MID", Str "STR", Val "VAL", Len "LEN",
    Get "GET", Set "SET", List "LIST", Dict "DICT", Push "PUSH", Pop "POP", Back "BACK",
    Insert "INSERT", Sort "SORT", Exists "EXISTS", IndexOf "INDEX_OF", Remove "REMOVE",
    Clear "CLEAR", Clone "CLONE", ToArray "TO_ARRAY", Iterator "ITERATOR", MoveNext "MOVE_NEXT",
    Type "TYPE", New "NEW", Reflect "REFLECT",
    Mem "MEM", Ticks "TICKS", Now "NOW", Os "OS", Trace "TRACE", Raise "RAISE", Gc "GC",
    Beep "BEEP",
    // Calog's own.
    Expose "EXPOSE", Try "TRY", Finally "FINALLY",
    // `CALL(value)`: a keyword where it is followed by a name.
    Call "CALL",
    // `LIST(a TO b)`.
    Range "LIST TO",
}
