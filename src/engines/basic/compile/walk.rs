//! Which names statements use, found before they are compiled.

use super::scope::first;
use crate::engines::basic::syntax::{
    Block, Expr, ExprKind, Name, PrintItem, Routine, Statement, StatementKind, Target,
};
use std::{collections::HashSet, rc::Rc};

/// The variables that `body` assigns to, those of lambdas and routines in it left out.
pub(super) fn assigned(body: &Block) -> Vec<Rc<str>> {
    let mut names = Vec::new();
    statements(body, &mut |statement| {
        if let Some(name) = target(&statement.kind)
            && !name.upper.contains('.')
        {
            names.push(name.upper.clone());
        }
    });
    names
}

/// Adds the names that lambdas in `body` mention. `true`: there are lambdas.
pub(super) fn captured(body: &Block, names: &mut HashSet<Rc<str>>) -> bool {
    let mut found = false;
    expressions(body, &mut |expr| {
        if let ExprKind::Lambda(lambda) = &expr.kind {
            found = true;
            mentioned(lambda, names);
        }
    });
    found
}

/// Is there a lambda in `expr`?
pub(super) fn has_lambda(expr: &Expr) -> bool {
    let mut found = false;
    inner(expr, &mut |expr| found |= matches!(expr.kind, ExprKind::Lambda(_)));
    found
}

fn mentioned(lambda: &Routine, names: &mut HashSet<Rc<str>>) {
    fn add(name: &Name, names: &mut HashSet<Rc<str>>) {
        let name = first(&name.upper);
        if !names.contains(name) {
            names.insert(name.into());
        }
    }
    statements(&lambda.body, &mut |statement| match &statement.kind {
        StatementKind::Let { target: Target::Element { of, .. }, .. } => add(of, names),
        kind => target(kind).into_iter().for_each(|name| add(name, names)),
    });
    expressions(&lambda.body, &mut |expr| match &expr.kind {
        ExprKind::Name(name) | ExprKind::Routine(name) | ExprKind::Apply { callee: name, .. } => {
            add(name, names);
        }
        ExprKind::Lambda(inner) => mentioned(inner, names),
        _ => {}
    });
}

/// The variable that a statement assigns to as a whole.
fn target(kind: &StatementKind) -> Option<&Name> {
    match kind {
        StatementKind::Let { target: Target::Name(name), .. }
        | StatementKind::Dim { name, .. }
        | StatementKind::Input { target: Some(name), .. }
        | StatementKind::For { variable: name, .. }
        | StatementKind::ForIn { variable: name, .. } => Some(name),
        _ => None,
    }
}

/// Shows `see` each statement, also those inside of others.
fn statements(body: &Block, see: &mut dyn FnMut(&Statement)) {
    for statement in body {
        see(statement);
        blocks(&statement.kind, &mut |body| statements(body, see));
    }
}

/// Shows `see` the statements that are inside of another one.
fn blocks(kind: &StatementKind, see: &mut dyn FnMut(&Block)) {
    match kind {
        StatementKind::If { branches, otherwise } => {
            branches.iter().for_each(|(_, body)| see(body));
            see(otherwise);
        }
        StatementKind::For { body, .. }
        | StatementKind::ForIn { body, .. }
        | StatementKind::While { body, .. }
        | StatementKind::Do { body, .. } => see(body),
        _ => {}
    }
}

/// Shows `see` each expression of `body` and those inside of them, but not what is in a lambda.
fn expressions(body: &Block, see: &mut dyn FnMut(&Expr)) {
    statements(body, &mut |statement| match &statement.kind {
        StatementKind::Let { target, value } => {
            if let Target::Element { indices, .. } = target {
                indices.iter().for_each(|index| inner(index, see));
            }
            inner(value, see);
        }
        StatementKind::Dim { sizes, .. } => sizes.iter().for_each(|size| inner(size, see)),
        StatementKind::If { branches, .. } => {
            branches.iter().for_each(|(condition, _)| inner(condition, see));
        }
        StatementKind::For { from, to, step, .. } => {
            [Some(from), Some(to), step.as_ref()].into_iter().flatten().for_each(|e| inner(e, see));
        }
        StatementKind::ForIn { of: expr, .. }
        | StatementKind::While { condition: expr, .. }
        | StatementKind::Do { until: expr, .. }
        | StatementKind::Return(Some(expr))
        | StatementKind::Call(expr) => inner(expr, see),
        StatementKind::Print(items) => items.iter().for_each(|item| {
            if let PrintItem::Value(expr) = item {
                inner(expr, see);
            }
        }),
        _ => {}
    });
}

fn inner(expr: &Expr, see: &mut dyn FnMut(&Expr)) {
    see(expr);
    match &expr.kind {
        ExprKind::Apply { args, .. } | ExprKind::Library { args, .. } => {
            args.iter().for_each(|arg| inner(arg, see));
        }
        ExprKind::Range(ends) => {
            inner(&ends.0, see);
            inner(&ends.1, see);
        }
        ExprKind::Unary(_, of) => inner(of, see),
        ExprKind::Chain { first, rest } => {
            inner(first, see);
            rest.iter().for_each(|link| inner(&link.right, see));
        }
        _ => {}
    }
}

/// Is there nothing in `body` that fails because it could not be parsed?
pub(super) fn is_sound(body: &Block) -> bool {
    let mut sound = true;
    statements(body, &mut |statement| {
        sound &= !matches!(statement.kind, StatementKind::Malformed(_));
    });
    expressions(body, &mut |expr| sound &= !matches!(expr.kind, ExprKind::Malformed(_)));
    sound
}
