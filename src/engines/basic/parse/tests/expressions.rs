//! Literals, precedence, calls, lambdas.

use super::{program, tree, value};
use crate::engines::basic::syntax::{ExprKind, StatementKind};

fn check(cases: &[(&str, &str)]) {
    for (text, form) in cases {
        assert_eq!(value(text), *form, "{text:?}");
    }
}

#[test]
fn literals() {
    check(&[
        ("42", "42"),
        ("0x1F", "31"),
        ("010", "8"),
        ("1.0", "1.0"),
        (".5", "0.5"),
        ("5.", "5.0"),
        ("1e3", "1000.0"),
        ("1e-3", "0.001"),
        ("1E+3", "1000.0"),
        ("1e-3-1", "[0.001 - 1]"),
        ("0x1e-3", "[30 - 3]"),
        ("99999999999", "99999999999"),
        ("9223372036854775808", "9.223372036854776e18"),
        ("1abc", "1ABC"),
        ("1e", "1E"),
        ("1e-x", "[1E - X]"),
        ("a$b", "A$B"),
        ("NIL", "NIL"),
        ("True", "1"),
        ("false", "0"),
        ("\"\"", "\"\""),
        ("\"it's: (REM) \\n\"", "\"it's: (REM) \\\\n\""),
        ("\"two\nlines\"", "\"two\\nlines\""),
        ("größe", "GRößE"),
        ("変数.x", "変数.X"),
        ("me.a.b", "ME.A.B"),
    ]);
}

#[test]
fn operators_of_one_level_associate_to_the_left() {
    check(&[
        ("1 - 2 - 3", "[1 - 2 - 3]"),
        ("2 ^ 3 ^ 2", "[2 ^ 3 ^ 2]"),
        ("1 or 0 and 0 is t", "[1 OR 0 AND 0 IS T]"),
        ("8 / 4 * 2", "[8 / 4 * 2]"),
    ]);
}

#[test]
fn levels() {
    check(&[
        ("-2 ^ 2", "[-2 ^ 2]"),
        ("2 ^ -1 ^ 2", "[2 ^ -1 ^ 2]"),
        ("2 * 3 ^ 2", "[2 * [3 ^ 2]]"),
        ("10 mod 3 * 2", "[10 MOD [3 * 2]]"),
        ("10 * 3 mod 4", "[[10 * 3] MOD 4]"),
        ("2 + 8 mod 3", "[2 + [8 MOD 3]]"),
        ("1 + 2 < 3 * 4", "[[1 + 2] < [3 * 4]]"),
        ("a < b and c <> d", "[[A < B] AND [C <> D]]"),
        ("a is b = c", "[A IS [B = C]]"),
        ("not 1 = 2", "[NOT 1 = 2]"),
        ("not not x", "NOT NOT X"),
        ("not -x", "NOT -X"),
        ("1 - - 1", "[1 - -1]"),
        ("1--1", "[1 - -1]"),
        ("2*-3", "[2 * -3]"),
        ("1<-2", "[1 < -2]"),
        ("a>=-1", "[A >= -1]"),
        ("(1 + 2) * 3", "[[1 + 2] * 3]"),
        ("((4))", "4"),
        ("-(1 + 2)", "-[1 + 2]"),
    ]);
}

#[test]
fn calls_and_elements() {
    check(&[
        ("f()", "F()"),
        ("f(1, g(2), h)", "F(1, G(2), H)"),
        ("o.m(1)", "O.M(1)"),
        ("call f(1)", "CALL F(1)"),
        ("call(f)", "CALL(F)"),
        ("call(f) is t", "[CALL(F) IS T]"),
        ("f(...)", "F(...)"),
        ("len(...) + ...", "[LEN(...) + ...]"),
        ("list(1 to 2 + 3)", "LIST(1 TO [2 + 3])"),
        ("f(1,)", "F(1)"),
    ]);
}

#[test]
fn functions_without_brackets() {
    check(&[
        ("rnd", "RND()"),
        ("rnd + 1", "[RND() + 1]"),
        ("rnd(1, 2)", "RND(1, 2)"),
        ("mem", "MEM()"),
        ("beep", "BEEP()"),
        ("new(c)", "NEW(C)"),
        ("new c", "NEW(C)"),
        ("reflect c", "REFLECT(C)"),
        ("reflect(new(c))", "REFLECT(NEW(C))"),
    ]);
}

#[test]
fn lines_may_end_behind_a_comma_of_a_call() {
    check(&[
        ("f(1,\n 2,\r\n\r\n 3)", "F(1, 2, 3)"),
        ("f(\n1)", "F(1)"),
        ("list(1, ' one\n 2, rem two\n 3)", "LIST(1, 2, 3)"),
        ("dict(\"a\",\n 1)", "DICT(\"a\", 1)"),
        ("f(1\n, 2)", "F(1, !34)"),
        ("f(1,\n2\n)", "F(1, 2)"),
        ("(1 +\n 2)", "[[1 + !36] AND !50]; !48"),
    ]);
}

#[test]
fn lambdas() {
    check(&[
        ("lambda () ()", "LAMBDA () {}"),
        ("lambda (x, y) (return x * y)", "LAMBDA (X, Y) {RETURN [X * Y]}"),
        ("lambda (...) (return ...)", "LAMBDA (...) {RETURN ...}"),
        ("lambda (x, ...) (a = x: b = 2)", "LAMBDA (X, ...) {A = X; B = 2}"),
        ("lambda (x,\n y)\n (\n a = x\n b = y\n)", "LAMBDA (X, Y) {A = X; B = Y}"),
        ("lambda () (return (1))", "LAMBDA () {RETURN 1}"),
        ("lambda () (return)", "LAMBDA () {RETURN -}"),
        ("lambda () (print 1;)", "LAMBDA () {PRINT 1 ;}"),
        ("lambda () (if a then b = 1 else c = (2))", "LAMBDA () {IF A {B = 1} ELSE {C = 2}}"),
        ("lambda () (\nif a then\nb = 1\nendif\n)", "LAMBDA () {IF A {B = 1} ELSE {}}"),
        (
            "lambda (f) (return lambda (x) (return f(x)))",
            "LAMBDA (F) {RETURN LAMBDA (X) {RETURN F(X)}}",
        ),
        ("f(lambda () (a = 1), 2)", "F(LAMBDA () {A = 1}, 2)"),
    ]);
    assert_eq!(tree("x = lambda () (a = 1): y = 2"), "X = LAMBDA () {A = 1}; Y = 2");
}

#[test]
fn names_keep_how_they_are_written() {
    let program = program("Foo.Bar = fOO.baR").unwrap();
    let StatementKind::Let { value, .. } = &program.body[0].kind else { panic!("no assignment") };
    let ExprKind::Name(name) = &value.kind else { panic!("no name") };
    assert_eq!((&*name.upper, &*name.written), ("FOO.BAR", "fOO.baR"));
}
