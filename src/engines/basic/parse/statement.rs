//! Statements, apart from control flow.

use super::{MOST_IMPORTS, Parser, push, push_fault};
use crate::engines::basic::{
    fault::{Code, Failure, Fault},
    lex::Lexer,
    syntax::{Binary, Block, Expr, ExprKind, Name, Place, PrintItem, StatementKind, Target},
    token::{Token, Word},
};
use std::rc::Rc;

const MOST_DIMENSIONS: usize = 4;

impl Parser<'_> {
    /// A statement up to its end, with all that stands there and does not belong there. It is at
    /// least one token.
    pub(super) fn statement(&mut self, block: &mut Block) {
        let (place, first) = (self.place, self.first);
        (self.context.brackets, self.context.operators) = (0, 0);
        let calls = match self.advance() {
            Token::Name(name) => self.named_statement(name, first, place, block),
            token @ (Token::Word(_) | Token::Library(_))
                if self.assigns() && !token.is(Word::For) =>
            {
                let fault =
                    Fault::new(Code::Reserved, format!("{token} is a word of the language"));
                self.fault(fault, place, block)
            }
            Token::Word(Word::Import) => return self.import_statement(place, block),
            Token::Word(word) => self.word_statement(word, place, block),
            Token::Library(function) => {
                let kind = self.library(function);
                call(kind, place, block)
            }
            Token::Rest => call(ExprKind::Rest, place, block),
            token @ (Token::Open | Token::Close) => {
                let detail = format!("a statement does not begin with {token}");
                self.fault(Fault::new(Code::WrongFunction, detail), place, block)
            }
            token => {
                let detail = format!("a statement does not begin with {token}");
                self.fault(Fault::new(Code::InvalidExpression, detail), place, block)
            }
        };
        if self.is_behind_statement() {
            let fault = match self.token {
                Token::Operator(_) if calls => self.expected(Code::AssignExpected, "`=`"),
                _ => self.expected(Code::ColonExpected, "`:`"),
            };
            push_fault(block, self.place, fault);
            self.skip_statement();
        }
    }

    fn assigns(&self) -> bool {
        self.token == Token::Operator(Binary::Equal)
    }

    /// The rest of the statement is skipped, and fails with `fault`. It is no call.
    pub(super) fn fault(&mut self, fault: Fault, place: Place, block: &mut Block) -> bool {
        self.skip_statement();
        push_fault(block, place, fault);
        false
    }

    /// An assignment, a call or a label. Tells whether it is a call.
    fn named_statement(&mut self, name: Name, first: bool, at: Place, block: &mut Block) -> bool {
        if !(first && self.token == Token::Colon) {
            self.mention(&name);
        }
        match self.token {
            Token::Colon if first => {
                push(block, at, StatementKind::Label(name));
                false
            }
            Token::Open => {
                let indices = self.arguments(false);
                if self.assigns() {
                    self.assignment(Target::Element { of: name, indices }, at, block)
                } else {
                    call(ExprKind::Apply { callee: name, args: indices, call: false }, at, block)
                }
            }
            _ if &*name.upper == "ME" => {
                self.fault(Fault::new(Code::Reserved, "`ME` is the object"), at, block)
            }
            Token::Operator(Binary::Equal)
                if self.is_main() && self.classes.contains(&name.upper) =>
            {
                let detail = format!("`{}` is a class", name.written);
                self.fault(Fault::new(Code::InvalidExpression, detail), at, block)
            }
            Token::Operator(Binary::Equal) => self.assignment(Target::Name(name), at, block),
            _ => {
                let after = format!("after `{}`", name.written);
                let fault = if self.routines.contains(&name.upper) {
                    self.expected(Code::OpenBracketExpected, &format!("`(` {after}"))
                } else {
                    self.expected(Code::AssignExpected, &format!("`=` {after}"))
                };
                self.fault(fault, at, block)
            }
        }
    }

    /// The value of an assignment, from its `=` on.
    fn assignment(&mut self, target: Target, place: Place, block: &mut Block) -> bool {
        self.advance();
        let value = self.expression();
        push(block, place, StatementKind::Let { target, value });
        false
    }

    /// A statement that begins with `word`, behind it. Tells whether it is a call.
    fn word_statement(&mut self, word: Word, place: Place, block: &mut Block) -> bool {
        match word {
            // Outside of a class, VAR is another word for LET.
            Word::Let | Word::Var => return self.let_statement(word, place, block),
            Word::Dim => self.dim(block),
            Word::If => self.if_statement(place, block),
            Word::For => self.for_statement(place, block),
            Word::While => self.while_statement(place, block),
            Word::Do => self.do_statement(place, block),
            Word::Next => self.early_next(place, block),
            Word::Exit if !self.context.loops.is_empty() => push(block, place, StatementKind::Exit),
            Word::Goto | Word::Gosub => self.jump(word, place, block),
            Word::Return => {
                let value = (!self.is_end_of_statement()).then(|| self.expression());
                push(block, place, StatementKind::Return(value));
            }
            Word::End if self.token.is(Word::If) => {
                let fault = Fault::new(Code::Incomplete, "`ENDIF` is one word");
                self.fault(fault, place, block);
            }
            Word::End => push(block, place, StatementKind::End),
            Word::Print => self.print(place, block),
            Word::Input => self.input(place, block),
            Word::Call => {
                let kind = self.call();
                return call(kind, place, block);
            }
            Word::Lambda => {
                let kind = self.lambda();
                return call(kind, place, block);
            }
            Word::Def => self.def(place, block),
            Word::Class => self.class(place, block),
            // These the dialect finds when it loads the text.
            Word::EndDef | Word::EndClass => self.fail(stray(word), place),
            word => {
                let fault = stray(word);
                self.fault(fault, place, block);
            }
        }
        false
    }

    fn let_statement(&mut self, word: Word, place: Place, block: &mut Block) -> bool {
        if let Token::Name(name) = &self.token {
            let name = name.clone();
            self.advance();
            return self.named_statement(name, false, place, block);
        }
        let what = format!("a variable after `{}`", word.name());
        let fault = self.expected(Code::Reserved, &what);
        self.fault(fault, place, block)
    }

    fn dim(&mut self, block: &mut Block) {
        loop {
            let place = self.place;
            match self.array() {
                Ok((name, sizes)) => push(block, place, StatementKind::Dim { name, sizes }),
                Err(fault) => {
                    self.fault(fault, place, block);
                }
            }
            if !self.take(&Token::Comma) {
                return;
            }
        }
    }

    fn array(&mut self) -> Result<(Name, Vec<Expr>), Fault> {
        let Some(name) = self.take_name() else {
            return Err(self.expected(Code::InvalidIdentifier, "the name of an array"));
        };
        if !self.take(&Token::Open) {
            return Err(self.expected(Code::OpenBracketExpected, "`(`"));
        }
        let mut sizes = Vec::new();
        loop {
            self.skip_newlines();
            let kind = match &self.token {
                Token::Int(size) if *size <= 0 => {
                    return Err(Fault::new(Code::OutOfBound, format!("a size of {size}")));
                }
                Token::Int(size) => ExprKind::Int(*size),
                Token::Name(name) => ExprKind::Name(name.clone()),
                _ => return Err(self.expected(Code::UnexpectedType, SIZE)),
            };
            if sizes.len() == MOST_DIMENSIONS {
                let detail = format!("at most {MOST_DIMENSIONS}");
                return Err(Fault::new(Code::TooManyDimensions, detail));
            }
            sizes.push(Expr { place: self.place, kind });
            self.advance();
            if self.take(&Token::Close) {
                return Ok((name, sizes));
            }
            if !self.take(&Token::Comma) {
                return Err(self.expected(Code::UnexpectedType, SIZE));
            }
        }
    }

    fn jump(&mut self, word: Word, place: Place, block: &mut Block) {
        let fault = if self.context.routine {
            Fault::new(Code::CannotMix, format!("`{}` in a routine", word.name()))
        } else if let Some(label) = self.take_name() {
            let goes = if word == Word::Goto { StatementKind::Goto } else { StatementKind::Gosub };
            return push(block, place, goes(label));
        } else {
            self.expected(Code::LabelExpected, "a label")
        };
        self.fault(fault, place, block);
    }

    fn print(&mut self, place: Place, block: &mut Block) {
        if self.is_end_of_statement() && self.token != Token::Colon {
            return push_fault(block, place, Fault::new(Code::NotSupported, "nothing to print"));
        }
        let mut items = Vec::new();
        while !self.is_end_of_statement() {
            if self.take(&Token::Comma) {
                continue;
            }
            if self.take(&Token::Semicolon) {
                items.push(PrintItem::NewLine);
                continue;
            }
            let value = self.bare_expression();
            let misplaced = self.misplaced();
            if let Some(fault) = misplaced
                && !matches!(value.kind, ExprKind::Text(_))
            {
                let value = self.failing(value, fault);
                items.push(PrintItem::Value(value));
                break;
            }
            items.push(PrintItem::Value(value));
            if !matches!(self.token, Token::Comma | Token::Semicolon) && !self.is_end_of_statement()
            {
                let fault = self.expected(Code::CommaOrSemicolonExpected, "`,` or `;`");
                let value = self.malformed(fault);
                items.push(PrintItem::Value(value));
                break;
            }
        }
        push(block, place, StatementKind::Print(items));
    }

    fn input(&mut self, place: Place, block: &mut Block) {
        if self.is_end_of_statement() {
            return push(block, place, StatementKind::Input { prompt: None, target: None });
        }
        match self.prompt_and_target() {
            Ok((prompt, target)) => {
                push(block, place, StatementKind::Input { prompt, target: Some(target) });
            }
            Err(fault) => {
                self.fault(fault, place, block);
            }
        }
    }

    fn prompt_and_target(&mut self) -> Result<(Option<Rc<str>>, Name), Fault> {
        let mut prompt = None;
        if let Token::Text(text) = &self.token {
            prompt = Some(Rc::clone(text));
            self.advance();
            if !self.take(&Token::Comma) {
                return Err(self.expected(Code::CommaExpected, "`,` after the prompt"));
            }
        }
        match self.take_name() {
            Some(name) if self.token != Token::Open && &*name.upper != "ME" => Ok((prompt, name)),
            _ => Err(self.expected(Code::VariableExpected, "a variable")),
        }
    }

    /// `IMPORT "file"` goes on with what the file says, `IMPORT "@name"` opens names of the host.
    pub(super) fn import_statement(&mut self, place: Place, block: &mut Block) {
        let Token::Text(path) = &self.token else {
            let fault = self.expected(Code::StringExpected, "the name of a file in quotes");
            self.fault(fault, place, block);
            return;
        };
        let path = Rc::clone(path);
        if let Some(name) = path.strip_prefix('@') {
            let name = self.names.name(name);
            push(block, place, StatementKind::Open(name));
        } else if self.imported.insert(path.as_ref().into())
            && let Err(failure) = self.open(path)
        {
            return self.fail(failure, self.place);
        }
        self.advance();
    }

    /// Reads on in a file.
    fn open(&mut self, path: Rc<str>) -> Result<(), Failure> {
        let file = u16::try_from(self.files.len()).ok();
        let Some(file) = file.filter(|_| self.sources.len() <= MOST_IMPORTS) else {
            return Err(
                Fault::new(Code::FailedToOpen, format!("`{path}`: too many imports")).into()
            );
        };
        let text = (self.import)(&path)?;
        self.files.push(path);
        self.sources.push(Lexer::new(text, file));
        Ok(())
    }
}

const SIZE: &str = "an integer or a variable as size";

/// Adds a call.
fn call(kind: ExprKind, place: Place, block: &mut Block) -> bool {
    push(block, place, StatementKind::Call(Expr { place, kind }));
    true
}

/// What is wrong with a statement that begins with a word that begins none.
fn stray(word: Word) -> Fault {
    let (code, detail) = match word {
        Word::True | Word::False => (Code::Reserved, "is a value"),
        Word::Nil | Word::Not => (Code::InvalidExpression, "does not begin a statement"),
        Word::EndDef => (Code::InvalidRoutine, "without `DEF`"),
        Word::EndClass => (Code::InvalidClass, "without `CLASS`"),
        Word::Exit => (Code::WrongFunction, "outside of a loop"),
        _ => (Code::WrongFunction, "without what it belongs to"),
    };
    Fault::new(code, format!("`{}` {detail}", word.name()))
}
