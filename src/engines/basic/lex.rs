//! Cuts a text into tokens.

use super::{
    fault::{Code, Fault},
    number::Number,
    syntax::{Library, Name, Place},
    token::{Token, Word, operator},
};
use std::{borrow::Cow, collections::HashMap, rc::Rc};

/// The names that were met, so that each has one text.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Rc<str>, Name>);

impl Names {
    pub(super) fn name(&mut self, written: &str) -> Name {
        if let Some(name) = self.0.get(written) {
            return name.clone();
        }
        let name = Name::new(written);
        self.0.insert(Rc::clone(&name.written), name.clone());
        name
    }
}

/// A token, and where it stands.
#[derive(Debug)]
pub(super) struct Lexed {
    pub(super) token: Token,
    pub(super) place: Place,
    /// It is the first one of its line.
    pub(super) first: bool,
}

/// One text that is being read.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: Cow<'a, str>,
    /// Where in the text, in bytes.
    at: usize,
    place: Place,
    /// Nothing of the line has been read.
    fresh: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: impl Into<Cow<'a, str>>, file: u16) -> Self {
        let text = text.into();
        // Editors of some systems begin a file with a mark of its encoding.
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, at, place: Place { file, line: 1, column: 1 }, fresh: true }
    }

    pub(super) fn next(&mut self, names: &mut Names) -> Result<Lexed, (Fault, Place)> {
        self.skip(|c| matches!(c, ' ' | '\t'));
        let place = self.place;
        let first = self.fresh;
        let token = match self.peek() {
            None => Token::End,
            Some('\n' | '\r') => self.newline(),
            Some('\'') => self.comment(),
            Some('"') => self.text(place)?,
            Some(c) if is_of_name(c) => self.word(names),
            Some(c) if is_sign(c) => self.signs(),
            Some(c) => {
                self.skip_one();
                match c {
                    ':' => Token::Colon,
                    ',' => Token::Comma,
                    ';' => Token::Semicolon,
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => {
                        let detail = format!("`{}`", c.escape_debug());
                        return Err((Fault::new(Code::InvalidCharacter, detail), place));
                    }
                }
            }
        };
        self.fresh = token == Token::Newline;
        Ok(Lexed { token, place, first })
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn skip_one(&mut self) {
        let Some(c) = self.peek() else { return };
        self.at += c.len_utf8();
        // CR, LF and both are one end of a line each.
        if c == '\n' || (c == '\r' && self.peek() != Some('\n')) {
            self.place.line = self.place.line.saturating_add(1);
            self.place.column = 1;
        } else {
            self.place.column = self.place.column.saturating_add(1);
        }
    }

    /// Goes on while there is a character that passes. Gives what it went over.
    fn skip(&mut self, pass: impl Fn(char) -> bool) -> &str {
        let from = self.at;
        while self.peek().is_some_and(&pass) {
            self.skip_one();
        }
        &self.text[from..self.at]
    }

    /// Empty lines, and those with nothing but blanks, are part of the end of the line before.
    fn newline(&mut self) -> Token {
        self.skip(|c| matches!(c, '\n' | '\r' | ' ' | '\t'));
        Token::Newline
    }

    /// A comment ends the statement before it. One that begins with `'[` may span lines.
    fn comment(&mut self) -> Token {
        if !self.text[self.at..].starts_with("'[") {
            self.skip(|c| !matches!(c, '\n' | '\r'));
            return Token::Newline;
        }
        while self.peek().is_some() && !self.text[self.at..].starts_with("']") {
            self.skip_one();
        }
        self.skip_one();
        self.skip_one();
        Token::Newline
    }

    fn text(&mut self, place: Place) -> Result<Token, (Fault, Place)> {
        self.skip_one();
        let text = self.skip(|c| c != '"').into();
        if self.peek().is_none() {
            let fault = Fault::new(Code::Syntax, "the text that begins here does not end");
            return Err((fault, place));
        }
        self.skip_one();
        Ok(Token::Text(text))
    }

    fn signs(&mut self) -> Token {
        let from = self.at;
        self.skip_one();
        // A minus begins a token of its own: it may belong to the number after it.
        self.skip(|c| is_sign(c) && c != '-');
        let signs = &self.text[from..self.at];
        operator(signs).map_or_else(|| Token::Signs(signs.into()), Token::Operator)
    }

    fn word(&mut self, names: &mut Names) -> Token {
        let from = self.at;
        self.skip(is_of_name);
        if self.is_before_exponent(from) {
            self.skip_one();
            self.skip(is_of_name);
        }
        let written = &self.text[from..self.at];
        match Number::literal(written) {
            Some(Number::Int(value)) => return Token::Int(value),
            Some(Number::Real(value)) => return Token::Real(value),
            None if written == "..." => return Token::Rest,
            None => {}
        }
        let name = names.name(written);
        if &*name.upper == "REM" {
            self.skip(|c| !matches!(c, '\n' | '\r'));
            return Token::Newline;
        }
        let word = Word::find(&name.upper).map(Token::Word);
        let word = word.or_else(|| operator(&name.upper).map(Token::Operator));
        let word = word.or_else(|| Library::find(&name.upper).map(Token::Library));
        word.unwrap_or(Token::Name(name))
    }

    /// What was read since `from` is a number up to the `e` of its exponent, and the sign follows.
    fn is_before_exponent(&self, from: usize) -> bool {
        let Some(digits) = self.text[from..self.at].strip_suffix(['e', 'E']) else { return false };
        let mut after = self.text[self.at..].chars();
        !digits.is_empty()
            && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
            && matches!(after.next(), Some('+' | '-'))
            && after.next().is_some_and(|c| c.is_ascii_digit())
    }
}

fn is_of_name(c: char) -> bool {
    // Quotes of a text processor are a mistake, not a name.
    c.is_ascii_alphanumeric()
        || matches!(c, '_' | '.' | '$')
        || !(c.is_ascii() || matches!(c, '“' | '”'))
}

fn is_sign(c: char) -> bool {
    matches!(c, '+' | '-' | '*' | '/' | '^' | '=' | '<' | '>')
}
