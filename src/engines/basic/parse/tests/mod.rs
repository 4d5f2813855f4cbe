//! Unit tests of the parser. Trees are compared in a short form.

mod errors;
mod expressions;
mod limits;
mod statements;

use super::parse;
use crate::engines::basic::{
    fault::{Code, Failure, Fault},
    syntax::{
        Block, Expr, ExprKind, Member, Name, Place, PrintItem, Program, Routine, Statement,
        StatementKind, Target, Unary as Sign,
    },
    token::sign,
};

/// The program of a text without imports.
fn program(text: &str) -> Result<Program, (Failure, Place)> {
    parse("text", text, &mut |path| Err(Fault::new(Code::FailedToOpen, path).into()))
}

/// The short form of a text.
fn tree(text: &str) -> String {
    match program(text) {
        Ok(program) => block(&program.body),
        Err((Failure::Fault(fault), _)) => format!("load {}", fault.code as u8),
        Err((failure, _)) => format!("{failure:?}"),
    }
}

/// The short form of an expression.
fn value(text: &str) -> String {
    let tree = tree(&format!("x = {text}"));
    tree.strip_prefix("X = ").map_or(tree.clone(), str::to_owned)
}

fn block(block: &Block) -> String {
    block.iter().map(statement).collect::<Vec<_>>().join("; ")
}

fn statement(statement: &Statement) -> String {
    use StatementKind::*;
    match &statement.kind {
        Malformed(fault) => malformed(fault),
        Let { target: Target::Name(name), value } => format!("{} = {}", upper(name), expr(value)),
        Let { target: Target::Element { of, indices }, value } => {
            format!("{}[{}] = {}", upper(of), list(indices), expr(value))
        }
        Dim { name, sizes } => format!("DIM {}[{}]", upper(name), list(sizes)),
        If { branches, otherwise } => {
            let mut form = String::from("IF ");
            for (condition, body) in branches {
                form += &format!("{} {{{}}} ", expr(condition), block(body));
            }
            form + &format!("ELSE {{{}}}", block(otherwise))
        }
        For { variable, from, to, step, body } => {
            let step =
                step.as_deref().map_or(String::new(), |step| format!(" STEP {}", expr(step)));
            let (variable, from, to) = (upper(variable), expr(from), expr(to));
            format!("FOR {variable} = {from} TO {to}{step} {{{}}}", block(body))
        }
        ForIn { variable, of, body } => {
            format!("FOR {} IN {} {{{}}}", upper(variable), expr(of), block(body))
        }
        While { condition, body } => format!("WHILE {} {{{}}}", expr(condition), block(body)),
        Do { body, until } => format!("DO {{{}}} UNTIL {}", block(body), expr(until)),
        Next(name) => format!("NEXT {}", name.as_ref().map_or("", upper)),
        Exit => "EXIT".into(),
        Label(name) => format!("{}:", upper(name)),
        Goto(name) => format!("GOTO {}", upper(name)),
        Gosub(name) => format!("GOSUB {}", upper(name)),
        Return(value) => format!("RETURN {}", value.as_ref().map_or("-".into(), expr)),
        End => "END".into(),
        Print(items) => {
            let items = items.iter().map(|item| match item {
                PrintItem::Value(value) => expr(value),
                PrintItem::NewLine => ";".into(),
            });
            format!("PRINT {}", items.collect::<Vec<_>>().join(" "))
        }
        Input { prompt, target } => {
            format!("INPUT {prompt:?} {}", target.as_ref().map_or("-", upper))
        }
        Call(value) => format!("CALL {}", expr(value)),
        Def(def) => format!("DEF {}", routine(def)),
        Class(class) => {
            let bases: Vec<_> = class.bases.iter().map(upper).collect();
            let members: Vec<_> = class.members.iter().map(member).collect();
            let (name, bases, members) = (upper(&class.name), bases.join(", "), members.join("; "));
            format!("CLASS {name}({bases}) {{{members}}}")
        }
        Open(name) => format!("OPEN {}", upper(name)),
    }
}

fn member(member: &Member) -> String {
    match member {
        Member::Field { name, value, .. } => {
            format!("{} = {}", upper(name), value.as_ref().map_or("-".into(), expr))
        }
        Member::Method(method) => format!("DEF {}", routine(method)),
        Member::Malformed(fault, _) => malformed(fault),
    }
}

fn routine(routine: &Routine) -> String {
    let name = routine.name.as_ref().map_or("", upper);
    let mut parameters: Vec<_> = routine.parameters.iter().map(upper).collect();
    if routine.rest {
        parameters.push("...");
    }
    format!("{name}({}) {{{}}}", parameters.join(", "), block(&routine.body))
}

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(expr).collect::<Vec<_>>().join(", ")
}

fn expr(value: &Expr) -> String {
    use ExprKind::*;
    match &value.kind {
        Malformed(fault) => malformed(fault),
        Nil => "NIL".into(),
        Int(value) => value.to_string(),
        Real(value) => format!("{value:?}"),
        Text(text) => format!("{text:?}"),
        Name(name) => upper(name).into(),
        Rest => "...".into(),
        Apply { callee, args, call } => {
            format!("{}{}({})", if *call { "CALL " } else { "" }, upper(callee), list(args))
        }
        Routine(name) => format!("CALL({})", upper(name)),
        Library { function, args } => format!("{}({})", function.name(), list(args)),
        Range(ends) => format!("{} TO {}", expr(&ends.0), expr(&ends.1)),
        Unary(Sign::Negate, value) => format!("-{}", expr(value)),
        Unary(Sign::Not, value) => format!("NOT {}", expr(value)),
        Chain { first, rest } => {
            let mut form = expr(first);
            for link in rest {
                form += &format!(" {} {}", sign(link.operator), expr(&link.right));
            }
            format!("[{form}]")
        }
        Lambda(lambda) => format!("LAMBDA {}", routine(lambda)),
    }
}

fn malformed(fault: &Fault) -> String {
    assert!(!fault.detail.is_empty(), "an error in words: {fault}");
    format!("!{}", fault.code as u8)
}

fn upper(name: &Name) -> &str {
    assert_eq!(&*name.upper, name.written.to_ascii_uppercase());
    &name.upper
}
