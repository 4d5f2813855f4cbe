//! Routines, lambdas and classes.

use super::{Context, Ends, MOST_LAMBDAS, Parser, push, push_fault};
use crate::engines::basic::{
    fault::{Code, Fault},
    syntax::{Binary, Block, Class, ExprKind, Member, Name, Place, Routine, StatementKind},
    token::{Token, Word},
};
use std::{collections::HashSet, mem, rc::Rc};

/// The names of parameters, and whether `...` follows them.
type Parameters = (Vec<Name>, bool);

/// Names that are taken.
type Known = HashSet<Rc<str>>;

impl Parser<'_> {
    /// `DEF`, behind the word.
    pub(super) fn def(&mut self, place: Place, block: &mut Block) {
        match self.routine(place, None) {
            Ok(routine) => push(block, place, StatementKind::Def(routine)),
            Err(fault) => push_fault(block, place, fault),
        }
        self.must_end(Word::EndDef);
    }

    /// Goes over the `last` word of a routine or a class, which must be there.
    fn must_end(&mut self, last: Word) {
        if self.token.is(Word::EndClass) && last == Word::EndDef {
            let fault = self.expected(Code::InvalidRoutine, "`ENDDEF`");
            self.fail(fault, self.place);
        } else if !self.take_word(last) {
            let fault = self.expected(Code::Incomplete, &format!("`{}`", last.name()));
            self.endless.get_or_insert((fault, self.place));
        }
    }

    /// A routine up to its `ENDDEF`, behind its `DEF`; or a method of a class that has `methods`.
    fn routine(&mut self, place: Place, methods: Option<&mut Known>) -> Result<Routine, Fault> {
        if self.context.lambda {
            self.context.misplaced = true;
        } else if self.in_def {
            let fault = Fault::new(Code::InvalidRoutine, "`DEF` in a `DEF`");
            self.fail(fault, place);
        }
        let head = self.head(methods);
        if head.is_err() {
            self.skip_statement();
        }
        let in_def = mem::replace(&mut self.in_def, true);
        let (body, _) = self.routine_body(false);
        self.in_def = in_def;
        let (name, (parameters, rest)) = head?;
        Ok(Routine { name: Some(name), place, parameters, rest, body })
    }

    fn head(&mut self, methods: Option<&mut Known>) -> Result<(Name, Parameters), Fault> {
        let Some(name) = self.take_name().filter(|name| &*name.upper != "ME") else {
            return Err(self.expected(Code::RoutineExpected, "the name of a routine"));
        };
        if methods.is_none() && self.mentioned.contains(&name.upper) {
            let detail = format!("`{}` is a variable above", name.written);
            self.fail(Fault::new(Code::InvalidRoutine, detail), self.place);
        }
        let known = methods.unwrap_or(&mut self.routines);
        if !known.insert(Rc::clone(&name.upper)) {
            return Err(Fault::new(Code::DuplicateRoutine, format!("`{}`", name.written)));
        }
        Ok((name, self.parameters(Code::InvalidRoutine)?))
    }

    /// Parameters in brackets. `code` is for what is no name.
    fn parameters(&mut self, code: Code) -> Result<Parameters, Fault> {
        if !self.take(&Token::Open) {
            return Err(self.expected(Code::OpenBracketExpected, "`(`"));
        }
        let mut names = Vec::new();
        self.skip_newlines();
        while !self.take(&Token::Close) {
            let rest = self.take(&Token::Rest);
            if !rest {
                match self.take_name() {
                    Some(name) if &*name.upper != "ME" => names.push(name),
                    _ => return Err(self.expected(code, "the name of a parameter")),
                }
            }
            let ends_line = self.token == Token::Newline;
            while self.take(&Token::Newline) {}
            if !rest && !ends_line && self.take(&Token::Comma) {
                self.skip_newlines();
            } else if !self.take(&Token::Close) {
                return Err(self.expected(Code::CloseBracketExpected, "`)`"));
            } else {
                return Ok((names, rest));
            }
        }
        Ok((names, false))
    }

    /// The body of a routine, and whether there is in it what may not be in a lambda.
    fn routine_body(&mut self, lambda: bool) -> (Block, bool) {
        let lambdas = self.context.lambdas + usize::from(lambda);
        if lambdas > MOST_LAMBDAS {
            self.fail_too_deep(&format!("more than {MOST_LAMBDAS} lambdas in each other"));
        }
        let context = Context { routine: true, lambda, lambdas, ..Context::default() };
        let outer = mem::replace(&mut self.context, context);
        let body = self.deeper(|parser| parser.block(Ends::Text));
        let inner = mem::replace(&mut self.context, outer);
        (body, inner.misplaced)
    }

    /// `LAMBDA`, behind the word.
    pub(super) fn lambda(&mut self) -> ExprKind {
        let place = self.place;
        let (parameters, rest) = match self.parameters(Code::InvalidLambda) {
            Ok(parameters) => parameters,
            Err(fault) => return self.malformed(fault).kind,
        };
        self.skip_newlines();
        if !self.take(&Token::Open) {
            let fault = self.expected(Code::OpenBracketExpected, "`(`");
            return self.malformed(fault).kind;
        }
        let (body, misplaced) = self.routine_body(true);
        if !self.take(&Token::Close) {
            let fault = self.expected(Code::CloseBracketExpected, "`)`");
            return self.malformed(fault).kind;
        }
        if misplaced {
            let detail = "`DEF` or `CLASS` in a `LAMBDA`";
            return ExprKind::Malformed(Fault::new(Code::InvalidLambda, detail));
        }
        ExprKind::Lambda(Box::new(Routine { name: None, place, parameters, rest, body }))
    }

    /// `CLASS`, behind the word.
    pub(super) fn class(&mut self, place: Place, block: &mut Block) {
        if self.context.lambda {
            self.context.misplaced = true;
        } else if self.in_def || self.in_class {
            let fault = Fault::new(Code::InvalidClass, "`CLASS` in a `CLASS` or a `DEF`");
            return self.fail(fault, place);
        }
        let head = self.class_head();
        if head.is_err() {
            self.skip_statement();
        }
        let in_class = mem::replace(&mut self.in_class, true);
        let outer = mem::take(&mut self.context);
        let members = self.deeper(Self::members);
        self.context = outer;
        self.in_class = in_class;
        match head {
            Ok((name, bases)) => {
                push(block, place, StatementKind::Class(Class { name, bases, members }));
            }
            Err(fault) => push_fault(block, place, fault),
        }
        self.must_end(Word::EndClass);
    }

    fn class_head(&mut self) -> Result<(Name, Vec<Name>), Fault> {
        let Some(name) = self.take_name().filter(|name| &*name.upper != "ME") else {
            return Err(self.expected(Code::ClassExpected, "the name of a class"));
        };
        if !self.classes.insert(Rc::clone(&name.upper)) {
            let fault = Fault::new(Code::DuplicateClass, format!("`{}`", name.written));
            self.fail(fault, self.place);
        } else if self.mentioned.contains(&name.upper) {
            let detail = format!("`{}` is a variable above", name.written);
            self.fail(Fault::new(Code::InvalidClass, detail), self.place);
        }
        let mut bases = Vec::new();
        if self.take(&Token::Open) {
            while !self.take(&Token::Close) {
                let Some(base) = self.take_name() else {
                    return Err(self.expected(Code::ClassExpected, "a class"));
                };
                bases.push(base);
                if !self.take(&Token::Comma) && self.token != Token::Close {
                    return Err(self.expected(Code::CloseBracketExpected, "`)`"));
                }
            }
        }
        Ok((name, bases))
    }

    /// The members of a class up to its `ENDCLASS`.
    fn members(&mut self) -> Vec<Member> {
        let mut members = Vec::new();
        let mut methods = Known::new();
        loop {
            while matches!(self.token, Token::Newline | Token::Colon) {
                self.advance();
            }
            let place = self.place;
            match &self.token {
                Token::End | Token::Word(Word::EndClass) => {
                    self.goes_on();
                    return members;
                }
                Token::Word(Word::Import) => {
                    self.advance();
                    let mut block = Block::new();
                    self.import_statement(place, &mut block);
                    members.extend(block.into_iter().map(|statement| match statement.kind {
                        StatementKind::Malformed(fault) => Member::Malformed(fault, place),
                        _ => Member::Malformed(not_of_a_class("`IMPORT`"), place),
                    }));
                    continue;
                }
                Token::Word(Word::Var) => {
                    self.advance();
                    members.push(self.field(place));
                }
                Token::Name(_) => members.push(self.field(place)),
                Token::Word(Word::Def) => {
                    self.advance();
                    members.push(match self.routine(place, Some(&mut methods)) {
                        Ok(routine) => Member::Method(routine),
                        Err(fault) => Member::Malformed(fault, place),
                    });
                    self.must_end(Word::EndDef);
                }
                token => {
                    let fault = match token {
                        Token::Word(Word::Class) => {
                            let fault = Fault::new(Code::InvalidClass, "`CLASS` in a `CLASS`");
                            self.fail(fault, place);
                            return members;
                        }
                        _ => not_of_a_class(&token.to_string()),
                    };
                    self.advance();
                    self.skip_statement();
                    members.push(Member::Malformed(fault, place));
                }
            }
            if self.is_behind_statement() {
                let fault = self.expected(Code::ColonExpected, "`:`");
                members.push(Member::Malformed(fault, self.place));
                self.skip_statement();
            }
        }
    }

    /// `name [= value]`
    fn field(&mut self, place: Place) -> Member {
        let fault = match self.take_name().filter(|name| &*name.upper != "ME") {
            Some(name) if self.take(&Token::Operator(Binary::Equal)) => {
                return Member::Field { name, value: Some(self.expression()), place };
            }
            Some(name) if self.is_end_of_statement() => {
                return Member::Field { name, value: None, place };
            }
            Some(_) => self.expected(Code::AssignExpected, "`=`"),
            None => self.expected(Code::Reserved, "the name of a field"),
        };
        self.skip_statement();
        Member::Malformed(fault, place)
    }
}

fn not_of_a_class(what: &str) -> Fault {
    Fault::new(Code::InvalidClass, format!("`VAR` or `DEF` expected, got {what}"))
}
