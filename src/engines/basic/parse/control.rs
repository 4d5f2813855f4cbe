//! Branches and loops.

use super::{Ends, Parser, push, push_fault};
use crate::engines::basic::{
    fault::{Code, Fault},
    syntax::{Binary, Block, Expr, ExprKind, Name, Place, StatementKind},
    token::{Token, Word},
};

/// What stands between `FOR` and the body.
enum Range {
    To { from: Box<Expr>, to: Box<Expr>, step: Option<Box<Expr>> },
    In(Expr),
}

impl Parser<'_> {
    pub(super) fn if_statement(&mut self, place: Place, block: &mut Block) {
        let condition = self.expression();
        if self.token.is(Word::Then) {
            self.advance();
            if matches!(self.token, Token::Newline | Token::End) {
                self.block_if(condition, place, block);
            } else {
                self.line_if(condition, None, place, block);
            }
        } else {
            let fault = self.expected(Code::ThenExpected, "`THEN`");
            self.line_if(condition, Some(fault), place, block);
        }
    }

    /// `IF` in one line, behind its `THEN`, which may be missing.
    fn line_if(&mut self, condition: Expr, then: Option<Fault>, place: Place, block: &mut Block) {
        let at = self.place;
        let mut body = self.deeper(Self::line);
        if let Some(fault) = then {
            body.clear();
            push_fault(&mut body, at, fault);
        }
        // Here the dialect has no ELSEIF: what it would guard is passed over.
        while self.token.is(Word::ElseIf) {
            self.advance();
            self.deeper(Self::line);
            while self.take_word(Word::Then) {
                self.deeper(Self::line);
            }
        }
        let mut otherwise = Block::new();
        if self.take_word(Word::Else) {
            otherwise = self.deeper(Self::line);
        }
        self.take_word(Word::EndIf);
        push(block, place, StatementKind::If { branches: vec![(condition, body)], otherwise });
    }

    /// `IF` over several lines, behind its `THEN`.
    fn block_if(&mut self, condition: Expr, place: Place, block: &mut Block) {
        let body = self.deeper(|parser| parser.block(Ends::If));
        let mut branches = vec![(condition, body)];
        while self.take_word(Word::ElseIf) {
            let condition = self.expression();
            let mut body = Block::new();
            if !self.take_word(Word::Then) {
                let fault = self.expected(Code::ThenExpected, "`THEN`");
                self.fault(fault, place, &mut body);
            }
            body.append(&mut self.deeper(|parser| parser.block(Ends::If)));
            branches.push((condition, body));
        }
        let mut otherwise = Block::new();
        let has_else = self.take_word(Word::Else);
        if has_else {
            otherwise = self.deeper(|parser| parser.block(Ends::If));
        }
        while matches!(self.token, Token::Word(Word::Else | Word::ElseIf)) {
            let at = self.place;
            let fault = Fault::new(Code::WrongFunction, format!("{} after `ELSE`", self.token));
            self.advance();
            self.fault(fault, at, &mut otherwise);
            otherwise.append(&mut self.deeper(|parser| parser.block(Ends::If)));
        }
        let is_whole = self.take_word(Word::EndIf);
        if !is_whole && !has_else {
            // The dialect looks for what is next when no condition is true.
            let fault = self.expected(Code::Syntax, "`ENDIF`");
            push_fault(&mut otherwise, self.place, fault);
        }
        push(block, place, StatementKind::If { branches, otherwise });
        if !is_whole {
            let fault = self.expected(Code::Incomplete, "`ENDIF`");
            push_fault(block, self.place, fault);
        }
    }

    pub(super) fn for_statement(&mut self, place: Place, block: &mut Block) {
        let range = self.range();
        if range.is_err() {
            self.skip_statement();
        }
        let variable = range.as_ref().ok().map(|(variable, _)| variable.clone());
        let (body, whole) = self.body(variable, Ends::Next, Word::Next, Code::NextExpected);
        if whole.is_some() {
            self.take_name();
        }
        let kind = match range {
            Ok((variable, Range::To { from, to, step })) => {
                StatementKind::For { variable, from, to, step, body }
            }
            Ok((variable, Range::In(of))) => StatementKind::ForIn { variable, of, body },
            Err(fault) => StatementKind::Malformed(fault),
        };
        self.push_loop(kind, whole, "`NEXT`", place, block);
    }

    fn range(&mut self) -> Result<(Name, Range), Fault> {
        let Some(variable) = self.take_name() else {
            return Err(self.expected(Code::LoopVariableExpected, "a variable after `FOR`"));
        };
        self.mention(&variable);
        if self.take_word(Word::In) {
            return Ok((variable, Range::In(self.expression())));
        }
        if !self.take(&Token::Operator(Binary::Equal)) {
            let what = format!("`=` or `IN` after `{}`", variable.written);
            return Err(self.expected(Code::AssignExpected, &what));
        }
        let from = self.expression();
        let to = if self.take_word(Word::To) {
            self.expression()
        } else {
            let fault = self.expected(Code::ToExpected, "`TO`");
            self.malformed(fault)
        };
        let step = self.take_word(Word::Step).then(|| Box::new(self.expression()));
        Ok((variable, Range::To { from: Box::new(from), to: Box::new(to), step }))
    }

    pub(super) fn while_statement(&mut self, place: Place, block: &mut Block) {
        let condition = self.expression();
        let (body, whole) = self.body(None, Ends::Wend, Word::Wend, Code::Syntax);
        self.push_loop(StatementKind::While { condition, body }, whole, "`WEND`", place, block);
    }

    pub(super) fn do_statement(&mut self, place: Place, block: &mut Block) {
        let mut start = Block::new();
        if !matches!(self.token, Token::Newline | Token::End) {
            let fault = self.expected(Code::Syntax, "the end of the line after `DO`");
            push_fault(&mut start, place, fault);
        }
        let (mut body, whole) = self.body(None, Ends::Until, Word::Until, Code::UntilExpected);
        start.append(&mut body);
        let until = match whole {
            Some(_) => self.expression(),
            // The body fails at its end.
            None => Expr { place, kind: ExprKind::Nil },
        };
        push(block, place, StatementKind::Do { body: start, until });
    }

    /// The body of a loop with the `last` word, and whether that begins its line. If it is missing,
    /// the body ends with a failure.
    fn body(
        &mut self,
        variable: Option<Name>,
        ends: Ends,
        last: Word,
        code: Code,
    ) -> (Block, Option<bool>) {
        self.context.loops.push(variable);
        let mut body = self.deeper(|parser| parser.block(ends));
        self.context.loops.pop();
        let first = self.first;
        if self.take_word(last) {
            return (body, Some(first));
        }
        let fault = self.expected(code, &format!("`{}`", last.name()));
        push_fault(&mut body, self.place, fault);
        (body, None)
    }

    /// Adds a loop. When it ends, the dialect looks for its `last` word where a line begins.
    fn push_loop(
        &self,
        kind: StatementKind,
        whole: Option<bool>,
        last: &str,
        place: Place,
        block: &mut Block,
    ) {
        push(block, place, kind);
        if whole != Some(true) {
            let detail = format!("a line that begins with {last} expected");
            push_fault(block, self.place, Fault::new(Code::Incomplete, detail));
        }
    }

    /// `NEXT` in the middle of a body.
    pub(super) fn early_next(&mut self, place: Place, block: &mut Block) {
        let mut variables = self.context.loops.iter().flatten();
        let fault = match &self.token {
            _ if variables.clone().next().is_none() => {
                Fault::new(Code::WrongFunction, "`NEXT` without `FOR`")
            }
            Token::Name(name) if variables.any(|variable| variable.upper == name.upper) => {
                let name = self.take_name();
                return push(block, place, StatementKind::Next(name));
            }
            Token::Name(_) => self.expected(Code::LoopVariableExpected, "the variable of a loop"),
            _ => return push(block, place, StatementKind::Next(None)),
        };
        self.fault(fault, place, block);
    }
}
