//! The errors of the dialect: a code, its text, and what is wrong in this case.

use crate::{
    error::{Error, ErrorKind},
    value::Value,
};
use std::fmt;

/// Declares the codes with their texts.
macro_rules! codes {
    ($($variant:ident $number:literal $text:literal,)*) => {
        /// What an error is, in the numbers of the dialect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(dead_code, reason = "some cannot occur here, and the numbers stay in their order")]
        pub(super) enum Code {
            $($variant = $number,)*
        }

        impl Code {
            /// The dialect's text for it.
            pub(super) fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

codes! {
    NotSupported 3 "Not supported",
    FailedToOpen 4 "Failed to open file",
    SymbolTooLong 5 "Symbol too long",
    InvalidCharacter 6 "Invalid character",
    InvalidModule 7 "Invalid module",
    Syntax 11 "Syntax error",
    OutOfMemory 12 "Out of memory",
    Overflow 13 "Overflow",
    UnexpectedType 14 "Unexpected type",
    InvalidString 15 "Invalid string",
    IntegerExpected 16 "Integer expected",
    NumberExpected 17 "Number expected",
    StringExpected 18 "String expected",
    VariableExpected 19 "Variable expected",
    OutOfBound 20 "Index out of bound",
    CannotFind 21 "Cannot find with the specific index",
    TooManyDimensions 22 "Too many dimensions",
    RankOutOfBound 23 "Rank out of bound",
    InvalidIdentifier 24 "Invalid identifier usage",
    Reserved 25 "Cannot assign to reserved word",
    DuplicateIdentifier 26 "Duplicate identifier",
    Incomplete 27 "Incomplete structure",
    NoLabel 28 "Label does not exist",
    NoReturnPoint 29 "No return point",
    ColonExpected 30 "Colon expected",
    CommaExpected 31 "Comma expected",
    CommaOrSemicolonExpected 32 "Comma or semicolon expected",
    OpenBracketExpected 33 "Open bracket expected",
    CloseBracketExpected 34 "Close bracket expected",
    TooManyNested 35 "Too many nested",
    FailedToOperate 36 "Failed to operation",
    OperatorExpected 37 "Operator expected",
    AssignExpected 38 "Assign operator expected",
    ThenExpected 39 "THEN statement expected",
    ElseExpected 40 "ELSE statement expected",
    EndIfExpected 41 "ENDIF statement expected",
    ToExpected 42 "TO statement expected",
    NextExpected 43 "NEXT statement expected",
    UntilExpected 44 "UNTIL statement expected",
    LoopVariableExpected 45 "Loop variable expected",
    LabelExpected 46 "Jump label expected",
    Calculation 47 "Calculation error",
    InvalidExpression 48 "Invalid expression",
    WrongFunction 50 "Reached to wrong function",
    CannotMix 52 "Cannot mix instructional and structured sub routines",
    InvalidRoutine 53 "Invalid routine",
    RoutineExpected 54 "Routine expected",
    DuplicateRoutine 55 "Duplicate routine",
    InvalidClass 56 "Invalid class",
    ClassExpected 57 "Class expected",
    DuplicateClass 58 "Duplicate class",
    HashAndCompare 59 "HASH and COMPARE must be provided together",
    InvalidLambda 60 "Invalid lambda",
    EmptyCollection 61 "Empty collection",
    ListExpected 62 "List expected",
    InvalidIterator 63 "Invalid iterator",
    IterableExpected 64 "Iterable expected",
    CollectionExpected 65 "Collection expected",
    CollectionOrIterator 66 "Collection or iterator expected",
    ReferenceExpected 67 "Referenced type expected",
    Raised 68 "Extended abort",
}

/// An error: its code, and what is wrong in words of this case, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) detail: Box<str>,
}

impl Fault {
    pub(super) fn new(code: Code, detail: impl Into<Box<str>>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl Fault {
    /// The error that others see.
    pub(super) fn error(&self) -> Error {
        let kind = match self.code {
            Code::RoutineExpected => ErrorKind::Type,
            Code::OutOfMemory => ErrorKind::Memory,
            _ => ErrorKind::Raised,
        };
        Error::new(kind, self.to_string()).with_payload(self.payload())
    }

    /// What an error carries of it.
    pub(super) fn payload(&self) -> Value {
        Value::map([
            ("code", Value::from(i64::from(self.code as u8))),
            ("text", Value::from(self.code.text())),
        ])
    }
}

impl From<Code> for Fault {
    fn from(code: Code) -> Self {
        Self::new(code, "")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code {}: {}", self.code as u8, self.code.text())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// Why an operation of the interpreter did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    /// The program is wrong.
    Fault(Box<Fault>),
    /// So many bytes more are needed than there are. Nothing has changed: after a collection the
    /// operation may be tried again.
    Memory(usize),
    /// The call is to end now.
    Stopped,
    /// `END`: the program ends, and well.
    Ended,
    /// Somebody else failed.
    Error(Error),
    /// An error that tells already where it happened.
    Traced(Error),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault.into())
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Fault::from(code).into()
    }
}
