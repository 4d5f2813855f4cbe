//! Makes a tree of a text.
//!
//! What is wrong becomes a malformed node in the place where the dialect would stumble over it, and
//! the parser goes on behind the statement. Only what the dialect itself finds when it loads a text
//! fails at once. So does a text that is nested deeper than [`MOST_NESTED`], because here and in
//! what walks the tree nesting is recursion.

mod control;
mod expr;
mod routine;
mod statement;
#[cfg(test)]
mod tests;

use super::{
    fault::{Code, Failure, Fault},
    lex::{Lexed, Lexer, Names},
    syntax::{Block, Expr, ExprKind, Name, Place, Program, Statement, StatementKind},
    token::{Token, Word},
};
use std::{collections::HashSet, mem, rc::Rc};

/// How deep brackets, calls, lambdas and blocks may be nested, all together. People stay below 20;
/// at 200 parsing takes a fraction of a fiber's stack.
pub(super) const MOST_NESTED: usize = 200;

/// How deep lambdas may be nested. The compiler looks through what is in a lambda for each that is
/// around it.
pub(super) const MOST_LAMBDAS: usize = 30;

/// How deep imports may be nested: a bound on the texts that are held at once.
const MOST_IMPORTS: usize = 32;

/// Every so many tokens others may run.
const TOKENS_PER_CHECK: u32 = 1024;

/// The program of a text that is called `name` in traces. `import` gives the text of a file.
pub(super) fn parse(
    name: &str,
    text: &str,
    import: &mut dyn FnMut(&str) -> Result<String, Failure>,
) -> Result<Program, (Failure, Place)> {
    let mut parser = Parser {
        sources: vec![Lexer::new(text, 0)],
        names: Names::default(),
        files: vec![name.into()],
        imported: HashSet::from([name.into()]),
        import,
        token: Token::Newline,
        place: Place::default(),
        first: true,
        read: 0,
        nested: 0,
        context: Context::default(),
        in_def: false,
        in_class: false,
        routines: HashSet::new(),
        classes: HashSet::new(),
        mentioned: HashSet::new(),
        incomplete: false,
        endless: None,
        failure: None,
    };
    parser.advance();
    let mut body = parser.block(Ends::Text);
    if let Some((fault, place)) = parser.endless.take() {
        body.insert(0, Statement { place, kind: StatementKind::Malformed(fault) });
    }
    match parser.failure {
        Some(failure) => Err(failure),
        None => Ok(Program { body, files: parser.files, incomplete: parser.incomplete }),
    }
}

struct Parser<'a> {
    /// The text, and the imports in it that are being read. Without any, all that is left to read
    /// is the end.
    sources: Vec<Lexer<'a>>,
    names: Names,
    files: Vec<Rc<str>>,
    imported: HashSet<Box<str>>,
    import: &'a mut dyn FnMut(&str) -> Result<String, Failure>,
    /// The token that is looked at, where it stands, and whether it begins its line.
    token: Token,
    place: Place,
    first: bool,
    /// Tokens read so far.
    read: u32,
    nested: usize,
    context: Context,
    in_def: bool,
    in_class: bool,
    /// The routines and classes so far.
    routines: HashSet<Rc<str>>,
    classes: HashSet<Rc<str>>,
    /// The variables that the main program has mentioned so far.
    mentioned: HashSet<Rc<str>>,
    /// The text has ended in the middle of something.
    incomplete: bool,
    /// A routine or a class does not end. The dialect finds that before the program begins.
    endless: Option<(Fault, Place)>,
    failure: Option<(Failure, Place)>,
}

/// What surrounds a statement within its routine, method, lambda or text.
#[derive(Default)]
struct Context {
    /// The body of a routine, a method or a lambda.
    routine: bool,
    /// The body of a lambda, so that `)` ends it.
    lambda: bool,
    /// In how many lambdas it is.
    lambdas: usize,
    /// The loops from the outside to the inside, with the variables of those that have one.
    loops: Vec<Option<Name>>,
    /// Brackets of the statement that are open.
    brackets: usize,
    /// Operators of the innermost bracket that wait for their right sides.
    operators: usize,
    /// Where a DEF or a CLASS stands in a lambda.
    misplaced: bool,
}

/// What ends a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// The end of the text, or of the routine or the lambda that is around.
    Text,
    /// `ELSEIF`, `ELSE`, `ENDIF`.
    If,
    Next,
    Wend,
    Until,
}

impl Parser<'_> {
    /// Goes to the next token; gives the one that was looked at.
    fn advance(&mut self) -> Token {
        let token = loop {
            let Some(source) = self.sources.last_mut() else { break Token::End };
            match source.next(&mut self.names) {
                Err((fault, place)) => self.fail(fault, place),
                Ok(Lexed { token, place, first }) => {
                    (self.place, self.first) = (place, first);
                    if token != Token::End || self.sources.len() == 1 {
                        break token;
                    }
                    // The end of an import ends a line of what imports it.
                    self.sources.pop();
                    break Token::Newline;
                }
            }
        };
        let token = mem::replace(&mut self.token, token);
        self.read = self.read.wrapping_add(1);
        if self.read.is_multiple_of(TOKENS_PER_CHECK) && !crate::fiber::checkpoint() {
            self.fail(Failure::Stopped, self.place);
        }
        token
    }

    /// Ends it all: what is left to read is the end of the text.
    fn fail(&mut self, failure: impl Into<Failure>, place: Place) {
        self.failure.get_or_insert((failure.into(), place));
        self.sources.clear();
        self.token = Token::End;
    }

    /// Goes over the token if it is this one.
    fn take(&mut self, token: &Token) -> bool {
        let is = self.token == *token;
        if is {
            self.advance();
        }
        is
    }

    fn take_word(&mut self, word: Word) -> bool {
        self.take(&Token::Word(word))
    }

    fn take_name(&mut self) -> Option<Name> {
        let Token::Name(name) = &self.token else { return None };
        let name = name.clone();
        self.advance();
        Some(name)
    }

    fn skip_newlines(&mut self) {
        while self.take(&Token::Newline) {}
        self.goes_on();
    }

    /// Is this the main program, outside of all routines, lambdas and classes?
    fn is_main(&self) -> bool {
        !self.in_class && !self.context.routine
    }

    /// A variable is mentioned, or a routine. What the main program knows as a variable it cannot
    /// define any more.
    fn mention(&mut self, name: &Name) {
        if self.is_main() && !self.routines.contains(&name.upper) {
            self.mentioned.insert(Rc::clone(&name.upper));
        }
    }

    /// Here the text may go on in another line, and it must.
    fn goes_on(&mut self) {
        self.incomplete |= self.token == Token::End;
    }

    /// Runs `parse` one level deeper.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> T) -> T {
        if self.nested == MOST_NESTED {
            self.fail_too_deep(&format!("more than {MOST_NESTED} levels"));
        }
        self.nested += 1;
        let result = parse(self);
        self.nested -= 1;
        result
    }

    fn fail_too_deep(&mut self, detail: &str) {
        self.fail(Fault::new(Code::TooManyNested, detail), self.place);
    }

    /// `code`, because not `what` stands here.
    fn expected(&self, code: Code, what: &str) -> Fault {
        Fault::new(code, format!("{what} expected, got {}", self.token))
    }

    /// An expression that fails with `fault`. Nothing more of the statement is read.
    fn malformed(&mut self, fault: Fault) -> Expr {
        let place = self.place;
        self.skip();
        Expr { place, kind: ExprKind::Malformed(fault) }
    }

    /// Goes on to what may follow an expression that went wrong. Brackets that end on the way are
    /// no longer open.
    fn skip(&mut self) {
        let mut depth = self.context.brackets;
        loop {
            match &self.token {
                Token::Newline
                | Token::End
                | Token::Word(
                    Word::Then | Word::Else | Word::ElseIf | Word::EndIf | Word::To | Word::Step,
                ) => break,
                Token::Colon if depth == 0 => break,
                Token::Word(Word::EndDef) if self.in_def => break,
                Token::Word(Word::EndClass) if self.in_class => break,
                Token::Open => depth += 1,
                Token::Close if depth == 0 && self.context.lambda => break,
                Token::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.advance();
        }
        self.context.brackets = self.context.brackets.min(depth);
    }

    /// Goes on to the end of the statement.
    fn skip_statement(&mut self) {
        self.context.brackets = 0;
        self.skip();
        while self.is_behind_statement() {
            self.advance();
            self.skip();
        }
    }

    fn is_end_of_statement(&self) -> bool {
        match &self.token {
            Token::Newline | Token::Colon | Token::End => true,
            Token::Close => self.context.lambda,
            Token::Word(Word::Else | Word::ElseIf | Word::EndIf) => true,
            _ => false,
        }
    }

    /// Whether what is around the block ends here.
    fn is_end_of_body(&self) -> bool {
        match &self.token {
            Token::End => true,
            Token::Close => self.context.lambda,
            Token::Word(Word::EndDef) => self.in_def,
            Token::Word(Word::EndClass) => self.in_class,
            _ => false,
        }
    }

    /// Whether there is something behind a statement that does not belong there.
    fn is_behind_statement(&self) -> bool {
        !self.is_end_of_statement() && !self.is_end_of_body()
    }

    /// Statements up to what ends them, which is left to be read.
    fn block(&mut self, ends: Ends) -> Block {
        let mut block = Block::new();
        loop {
            while matches!(self.token, Token::Newline | Token::Colon) {
                self.advance();
            }
            let ended = match (ends, &self.token) {
                (Ends::If, Token::Word(Word::ElseIf | Word::Else | Word::EndIf))
                | (Ends::Next, Token::Word(Word::Next))
                | (Ends::Wend, Token::Word(Word::Wend))
                | (Ends::Until, Token::Word(Word::Until)) => true,
                _ => self.is_end_of_body(),
            };
            if ended {
                if self.nested > 0 {
                    self.goes_on();
                }
                return block;
            }
            self.statement(&mut block);
        }
    }

    /// The statements up to the end of the line, or up to `ELSE`.
    fn line(&mut self) -> Block {
        let mut block = Block::new();
        loop {
            while self.take(&Token::Colon) {}
            if self.is_end_of_statement() || self.is_end_of_body() {
                return block;
            }
            self.statement(&mut block);
        }
    }
}

/// Adds a statement.
fn push(block: &mut Block, place: Place, kind: StatementKind) {
    block.push(Statement { place, kind });
}

/// Adds a statement that fails with `fault`.
fn push_fault(block: &mut Block, place: Place, fault: Fault) {
    push(block, place, StatementKind::Malformed(fault));
}
