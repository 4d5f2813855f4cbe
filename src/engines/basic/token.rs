//! The tokens of a text.

use super::syntax::{Binary, Library, Name};
use std::{fmt, rc::Rc};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// The end of a line, or of several; also a comment in the middle of a line.
    Newline,
    /// The end of the text.
    End,
    Colon,
    Comma,
    Semicolon,
    Open,
    Close,
    /// `...`
    Rest,
    /// `-` stands for both of its meanings.
    Operator(Binary),
    /// Signs that are run together and mean nothing, like `==`.
    Signs(Rc<str>),
    Int(i64),
    Real(f64),
    Text(Rc<str>),
    Word(Word),
    Library(Library),
    Name(Name),
}

/// Declares the reserved words with their texts.
macro_rules! words {
    ($($variant:ident $name:literal,)*) => {
        /// The reserved words that are no functions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Word {
            $($variant,)*
        }

        impl Word {
            /// How it is written.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The word `name`, in upper case.
            pub(super) fn find(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words! {
    Let "LET", Dim "DIM", If "IF", Then "THEN", ElseIf "ELSEIF", Else "ELSE", EndIf "ENDIF",
    For "FOR", In "IN", To "TO", Step "STEP", Next "NEXT", While "WHILE", Wend "WEND", Do "DO",
    Until "UNTIL", Exit "EXIT", Goto "GOTO", Gosub "GOSUB", Return "RETURN", Call "CALL",
    Def "DEF", EndDef "ENDDEF", Class "CLASS", EndClass "ENDCLASS", Var "VAR", Lambda "LAMBDA",
    Import "IMPORT", End "END", Print "PRINT", Input "INPUT", Not "NOT", Nil "NIL", True "TRUE",
    False "FALSE",
}

impl Token {
    pub(super) fn is(&self, word: Word) -> bool {
        *self == Self::Word(word)
    }
}

/// For messages.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newline => f.write_str("the end of the line"),
            Self::End => f.write_str("the end of the text"),
            Self::Colon => f.write_str("`:`"),
            Self::Comma => f.write_str("`,`"),
            Self::Semicolon => f.write_str("`;`"),
            Self::Open => f.write_str("`(`"),
            Self::Close => f.write_str("`)`"),
            Self::Rest => f.write_str("`...`"),
            Self::Operator(operator) => write!(f, "`{}`", sign(*operator)),
            Self::Signs(signs) => write!(f, "`{signs}`"),
            Self::Int(value) => write!(f, "`{value}`"),
            Self::Real(value) => write!(f, "`{value}`"),
            Self::Text(_) => f.write_str("a text"),
            Self::Word(word) => write!(f, "`{}`", word.name()),
            Self::Library(function) => write!(f, "`{}`", function.name()),
            Self::Name(name) => write!(f, "`{}`", name.written),
        }
    }
}

/// All binary operators with their signs.
const SIGNS: [(&str, Binary); 15] = [
    ("+", Binary::Add),
    ("-", Binary::Subtract),
    ("*", Binary::Multiply),
    ("/", Binary::Divide),
    ("^", Binary::Power),
    ("=", Binary::Equal),
    ("<>", Binary::Unequal),
    ("<", Binary::Less),
    ("<=", Binary::LessEqual),
    (">", Binary::Greater),
    (">=", Binary::GreaterEqual),
    ("MOD", Binary::Modulo),
    ("AND", Binary::And),
    ("OR", Binary::Or),
    ("IS", Binary::Is),
];

/// The operator that is written `text`, in upper case.
pub(super) fn operator(text: &str) -> Option<Binary> {
    SIGNS.iter().find(|(sign, _)| *sign == text).map(|(_, operator)| *operator)
}

pub(super) fn sign(operator: Binary) -> &'static str {
    SIGNS.iter().find(|(_, other)| *other == operator).map_or("", |(sign, _)| sign)
}
