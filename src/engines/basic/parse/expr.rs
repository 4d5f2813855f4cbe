//! Expressions.

use super::Parser;
use crate::engines::basic::{
    fault::{Code, Fault},
    syntax::{Binary, Expr, ExprKind, Library, Link, Name, Unary},
    token::{Token, Word},
};

/// The operators from the loosest to the tightest. All of them associate to the left.
const LEVELS: [&[Binary]; 6] = [
    &[Binary::And, Binary::Or, Binary::Is],
    COMPARISONS,
    &[Binary::Add, Binary::Subtract],
    &[Binary::Modulo],
    &[Binary::Multiply, Binary::Divide],
    &[Binary::Power],
];

/// They do not associate at all.
const COMPARISONS: &[Binary] = &[
    Binary::Equal,
    Binary::Unequal,
    Binary::Less,
    Binary::Greater,
    Binary::LessEqual,
    Binary::GreaterEqual,
];

impl Parser<'_> {
    /// An expression, with all that stands behind it and does not belong there.
    pub(super) fn expression(&mut self) -> Expr {
        let expr = self.bare_expression();
        match self.misplaced() {
            Some(fault) => self.failing(expr, fault),
            None => expr,
        }
    }

    /// An expression up to where it ends.
    pub(super) fn bare_expression(&mut self) -> Expr {
        if self.may_follow_expression() {
            let fault = self.expected(Code::UnexpectedType, "a value");
            return self.malformed(fault);
        }
        self.level(&LEVELS)
    }

    /// What is wrong with the token behind an expression.
    pub(super) fn misplaced(&self) -> Option<Fault> {
        if self.may_follow_expression() {
            return None;
        }
        Some(match &self.token {
            Token::Library(_) => self.expected(Code::ColonExpected, "`:`"),
            Token::Word(word) if begins_plain_statement(*word) => {
                self.expected(Code::ColonExpected, "`:`")
            }
            _ => self.expected(Code::OperatorExpected, "an operator"),
        })
    }

    fn may_follow_expression(&self) -> bool {
        match &self.token {
            Token::Newline
            | Token::End
            | Token::Colon
            | Token::Comma
            | Token::Semicolon
            | Token::Close => true,
            Token::Word(word) => matches!(
                word,
                Word::Then | Word::Else | Word::ElseIf | Word::EndIf | Word::To | Word::Step
            ),
            _ => false,
        }
    }

    /// An expression that fails with `fault` once `expr` has been evaluated.
    pub(super) fn failing(&mut self, expr: Expr, fault: Fault) -> Expr {
        let right = self.malformed(fault);
        let (place, at) = (expr.place, right.place);
        let rest = vec![Link { place: at, operator: Binary::And, right }];
        Expr { place, kind: ExprKind::Chain { first: Box::new(expr), rest } }
    }

    /// An expression of operators that are as tight as those of the first level or tighter.
    fn level(&mut self, levels: &[&[Binary]]) -> Expr {
        let Some((operators, tighter)) = levels.split_first() else { return self.operand() };
        let first = self.level(tighter);
        let mut rest = Vec::new();
        while let Token::Operator(operator) = self.token
            && operators.contains(&operator)
        {
            let place = self.place;
            let right = if *operators == COMPARISONS && !rest.is_empty() {
                let detail = format!("two comparisons in a row, the second is {}", self.token);
                self.malformed(Fault::new(Code::FailedToOperate, detail))
            } else {
                self.advance();
                self.context.operators += 1;
                let right = self.deeper(|parser| parser.level(tighter));
                self.context.operators -= 1;
                right
            };
            rest.push(Link { place, operator, right });
        }
        if rest.is_empty() {
            return first;
        }
        Expr { place: first.place, kind: ExprKind::Chain { first: Box::new(first), rest } }
    }

    /// A value, with the signs before it.
    fn operand(&mut self) -> Expr {
        let place = self.place;
        let kind = match &self.token {
            Token::Operator(Binary::Subtract) => self.unary(Unary::Negate),
            Token::Word(Word::Not) => self.unary(Unary::Not),
            Token::Int(value) => self.constant(ExprKind::Int(*value)),
            Token::Real(value) => self.constant(ExprKind::Real(*value)),
            Token::Text(text) => self.constant(ExprKind::Text(text.clone())),
            Token::Word(Word::Nil) => self.constant(ExprKind::Nil),
            Token::Word(Word::True) => self.constant(ExprKind::Int(1)),
            Token::Word(Word::False) => self.constant(ExprKind::Int(0)),
            Token::Rest => self.constant(ExprKind::Rest),
            Token::Name(name) => self.named(name.clone(), false),
            Token::Library(function) => {
                let function = *function;
                self.advance();
                self.library(function)
            }
            Token::Word(Word::Call) => {
                self.advance();
                self.call()
            }
            Token::Word(Word::Lambda) => {
                self.advance();
                self.lambda()
            }
            Token::Open => return self.bracket(),
            _ => {
                let fault = self.expected(Code::FailedToOperate, "a value");
                return self.malformed(fault);
            }
        };
        Expr { place, kind }
    }

    fn constant(&mut self, kind: ExprKind) -> ExprKind {
        self.advance();
        kind
    }

    fn unary(&mut self, operator: Unary) -> ExprKind {
        self.advance();
        ExprKind::Unary(operator, Box::new(self.deeper(Self::operand)))
    }

    fn bracket(&mut self) -> Expr {
        self.advance();
        let inner = self.bracketed(Self::expression);
        if self.take(&Token::Close) {
            return inner;
        }
        // The dialect closes the bracket itself, and takes that for an operator.
        let code = match inner.kind {
            ExprKind::Chain { .. } => Code::WrongFunction,
            _ if self.context.operators > 0 => Code::WrongFunction,
            _ => Code::FailedToOperate,
        };
        let fault = self.expected(code, "`)`");
        self.failing(inner, fault)
    }

    /// Runs `parse` behind an open bracket.
    fn bracketed<T>(&mut self, parse: impl FnOnce(&mut Self) -> T) -> T {
        let operators = std::mem::take(&mut self.context.operators);
        let brackets = self.context.brackets;
        self.context.brackets += 1;
        let result = self.deeper(parse);
        self.context.brackets = self.context.brackets.min(brackets);
        self.context.operators = operators;
        result
    }

    /// A name that is looked at, with its arguments or indices.
    fn named(&mut self, name: Name, call: bool) -> ExprKind {
        self.advance();
        if !call {
            self.mention(&name);
        }
        match self.token {
            Token::Open => ExprKind::Apply { callee: name, args: self.arguments(false), call },
            _ if call => ExprKind::Malformed(self.expected(Code::OpenBracketExpected, "`(`")),
            _ => ExprKind::Name(name),
        }
    }

    /// `CALL name(...)`, `CALL(name)` and `CALL(value)`, behind the word.
    pub(super) fn call(&mut self) -> ExprKind {
        if self.token == Token::Open {
            let mentioned = self.mentioned.len();
            let mut args = self.arguments(false);
            if let [Expr { kind: ExprKind::Name(name), .. }] = &args[..]
                && self.mentioned.len() > mentioned
            {
                // It is a routine, which may stand further down.
                self.mentioned.remove(&name.upper);
            }
            if let Some(Expr { kind: ExprKind::Malformed(fault), .. }) = args.first() {
                return ExprKind::Malformed(Fault::new(Code::RoutineExpected, &*fault.detail));
            }
            return match (args.pop(), args.is_empty()) {
                (Some(Expr { kind: ExprKind::Name(name), .. }), true) => ExprKind::Routine(name),
                (last, _) => {
                    args.extend(last);
                    ExprKind::Library { function: Library::Call, args }
                }
            };
        }
        let Token::Name(name) = &self.token else {
            let fault = self.expected(Code::RoutineExpected, "the name of a routine");
            return self.malformed(fault).kind;
        };
        let name = name.clone();
        self.named(name, true)
    }

    /// A function of the library, behind its name.
    pub(super) fn library(&mut self, function: Library) -> ExprKind {
        let args = match function {
            _ if self.token == Token::Open => self.arguments(function == Library::List),
            Library::Rnd | Library::Mem | Library::Beep => Vec::new(),
            Library::New | Library::Reflect if !self.may_follow_expression() => {
                vec![self.deeper(Self::operand)]
            }
            Library::New | Library::Reflect => Vec::new(),
            _ => {
                let what = format!("`(` after `{}`", function.name());
                let fault = self.expected(Code::OpenBracketExpected, &what);
                return self.malformed(fault).kind;
            }
        };
        ExprKind::Library { function, args }
    }

    /// Arguments or indices from their open bracket on. In a range two of them may have `TO`
    /// between them.
    pub(super) fn arguments(&mut self, range: bool) -> Vec<Expr> {
        self.advance();
        self.bracketed(|parser| {
            let mut args = Vec::new();
            parser.skip_newlines();
            while !parser.take(&Token::Close) {
                let mut arg = parser.expression();
                if range && args.is_empty() && parser.take_word(Word::To) {
                    let place = arg.place;
                    let ends = Box::new((arg, parser.expression()));
                    arg = Expr { place, kind: ExprKind::Range(ends) };
                }
                args.push(arg);
                if parser.token == Token::Newline {
                    // Only `)` may begin the next line.
                    while parser.take(&Token::Newline) {}
                } else if parser.take(&Token::Comma) {
                    parser.skip_newlines();
                    continue;
                }
                if parser.token != Token::Close {
                    let fault = parser.expected(Code::CloseBracketExpected, "`,` or `)`");
                    args.push(parser.malformed(fault));
                    break;
                }
            }
            args
        })
    }
}

/// A statement that the dialect does not see as one of its control flow.
fn begins_plain_statement(word: Word) -> bool {
    matches!(
        word,
        Word::Print
            | Word::Input
            | Word::Let
            | Word::Dim
            | Word::Call
            | Word::Def
            | Word::EndDef
            | Word::Class
            | Word::EndClass
            | Word::Var
            | Word::Lambda
            | Word::Import
    )
}
