//! What a mistake becomes. A number behind `!` is the code of a malformed node.

use super::{program, tree};
use crate::engines::basic::{
    fault::{Code, Failure, Fault},
    parse::parse,
    syntax::{Block, Expr, ExprKind, Place, PrintItem, StatementKind},
};

fn check(cases: &[(&str, &str)]) {
    for (text, form) in cases {
        assert_eq!(tree(text), *form, "{text:?}");
    }
}

#[test]
fn statements_that_begin_wrong() {
    check(&[
        ("10 print 1", "!48"),
        ("\"a\"", "!48"),
        ("* 2", "!48"),
        ("mod 2", "!48"),
        (", a = 1", "!48"),
        ("nil", "!48"),
        ("(a)", "!50"),
        (") : a = 1", "!50; A = 1"),
        ("then a = 1", "!50"),
        ("elseif a then b = 1\nc = 1", "!50; C = 1"),
        ("else b = 1\nc = 1", "!50; C = 1"),
        ("endif: a = 1", "!50; A = 1"),
        ("wend\nuntil a\nnext\nexit", "!50; !50; !50; !50"),
        ("for = 1", "!45; !27"),
        ("a = 1\nenddef", "load 53"),
        ("a = 1\nendclass", "load 56"),
        ("var x", "!38"),
        ("if a then b = 1\nelseif c then\nd = 1", "IF A {B = 1} ELSE {}; !50; D = 1"),
    ]);
}

#[test]
fn assignments_that_are_none() {
    check(&[
        ("true = 5\nfalse = 1\nnil = 1\nme = 1", "!25; !25; !25; !25"),
        ("print = 5\nlen = 1\nif = 1\nlet then = 1", "!25; !25; !25; !25"),
        ("true", "!25"),
        ("let 5 = 1", "!25"),
        ("x * 2", "!38"),
        ("x", "!38"),
        ("x 5: a = 1", "!38; A = 1"),
        ("x == 5", "!38"),
        ("x += 5", "!38"),
        ("f(1) * 2", "CALL F(1); !38"),
        ("def f()\nenddef\nf", "DEF F() {}; !33"),
        ("def f()\nf: g = 1\nenddef", "DEF F() {F:; G = 1}"),
        ("x =", "X = !14"),
        ("x = : y = 1", "X = !14; Y = 1"),
    ]);
}

#[test]
fn expressions() {
    check(&[
        ("x = 1 +\ny = 1", "X = [1 + !36]; Y = 1"),
        ("x = * 2", "X = !36"),
        ("x = 1 = 1 = 1", "X = [1 = 1 = !36]"),
        ("x = 1 < 2 and 2 < 3", "X = [[1 < 2] AND [2 < 3]]"),
        ("x = 1 2", "X = [1 AND !37]"),
        ("x = 1 >< 2", "X = [1 AND !37]"),
        ("x = 1 print 2", "X = [1 AND !30]"),
        ("x = 1 len(2)", "X = [1 AND !30]"),
        ("x = (1 + 2", "X = [[1 + 2] AND !50]"),
        ("x = 2 * (3", "X = [2 * [3 AND !50]]"),
        ("x = (1", "X = [1 AND !36]"),
        ("x = ()", "X = [!14 AND !36]"),
        ("x = f(1, 2", "X = F(1, 2, !34)"),
        ("x = f(1; 2)", "X = F(1, !34)"),
        ("x = f(1 2) : y = 1", "X = F([1 AND !37], !34); Y = 1"),
        ("x = f(1)(2)", "X = [F(1) AND !37]"),
        ("x = abs", "X = !33"),
        ("x = call f", "X = !33"),
        ("x = call 5", "X = !54"),
        ("x = call(len)", "X = !54"),
        ("x = call(f", "X = CALL(F, !34)"),
        ("x = dict(1 to 2)", "X = DICT(1, !34); !30"),
        ("x = list(1 to 2, 3)", "X = LIST(1 TO 2, 3)"),
        ("x = 1)", "X = 1; !30"),
    ]);
}

#[test]
fn printing() {
    check(&[
        ("print", "!3"),
        ("print : a = 1", "PRINT ; A = 1"),
        ("print 1, 2 3, 4", "PRINT 1 [2 AND !37]"),
        ("print \"a\" \"b\"", "PRINT \"a\" !32"),
        ("print 1 to 2", "PRINT 1 !32; !30"),
        ("print f(1) + ; 2", "PRINT [F(1) + !36]"),
        ("input \"a\" b", "!31"),
        ("input 5", "!19"),
        ("input a(1)", "!19"),
        ("input a, b", "INPUT None A; !30"),
    ]);
}

#[test]
fn arrays() {
    check(&[
        ("dim 5", "!24"),
        ("dim a", "!33"),
        ("dim a()", "!14"),
        ("dim a(1 + 1)", "!14"),
        ("dim a(2.5)", "!14"),
        ("dim a(-1)", "!14"),
        ("dim a(0)", "!20"),
        ("dim a(1, 2, 3, 4, 5)", "!22"),
        ("dim a(1", "!14"),
        ("dim a(1) b", "DIM A[1]; !30"),
    ]);
}

#[test]
fn branches() {
    check(&[
        ("if a print 1", "IF [A AND !30] {!39} ELSE {}"),
        ("if a\nb = 1", "IF A {!39} ELSE {}; B = 1"),
        ("if a : b = 1 else c = 1", "IF A {!39} ELSE {C = 1}"),
        ("if then b = 1", "IF !14 {B = 1} ELSE {}"),
        ("if a then\nb = 1", "IF A {B = 1} ELSE {!11}; !27"),
        ("if a then", "IF A {} ELSE {!11}; !27"),
        ("if a then\nb = 1\nelse\nc = 1", "IF A {B = 1} ELSE {C = 1}; !27"),
        ("if a then\nb = 1\nend if\nc = 1", "IF A {B = 1; !27; C = 1} ELSE {!11}; !27"),
        ("if a then\nelseif b\nc = 1\nendif", "IF A {} B {!39; C = 1} ELSE {}"),
        ("if a then\nelse\nelse\nb = 1\nendif", "IF A {} ELSE {!50; B = 1}"),
        ("if a then b = 1 2 else c = 1", "IF A {B = [1 AND !37]} ELSE {C = 1}"),
        ("if a then b * 2 else c = 1", "IF A {!38} ELSE {C = 1}"),
        // What is wrong does not change where the blocks end.
        ("if a then\nif 1 2 then\nb = 1\nendif\nendif\nc = 1", {
            "IF A {IF [1 AND !37] {B = 1} ELSE {}} ELSE {}; C = 1"
        }),
        ("if a then\nx * 2\nfor 5\nnext\nendif\nc = 1", "IF A {!38; !45} ELSE {}; C = 1"),
    ]);
}

#[test]
fn loops() {
    check(&[
        ("for i = 1 2\nnext", "FOR I = [1 AND !37] TO !42 {}"),
        ("for i = 1\nnext", "FOR I = 1 TO !42 {}"),
        ("for i = 1 to\nnext", "FOR I = 1 TO !14 {}"),
        ("for 1 = 1 to 2\na = 1\nnext\nb = 1", "!45; B = 1"),
        ("for to = 1 to 2\nnext", "!45"),
        ("for i 1 to 2\nnext", "!38"),
        ("for i = 1 to 2\na = 1", "FOR I = 1 TO 2 {A = 1; !43}; !27"),
        ("for i in l\na = 1", "FOR I IN L {A = 1; !43}; !27"),
        ("while a\nb = 1", "WHILE A {B = 1; !11}; !27"),
        ("do\na = 1", "DO {A = 1; !44} UNTIL NIL"),
        ("do a = 1\nuntil b", "DO {!11; A = 1} UNTIL B"),
        ("for i = 1 to 2: a = 1: next\nb = 1", "FOR I = 1 TO 2 {A = 1}; !27; B = 1"),
        ("while a: b = 1: wend", "WHILE A {B = 1}; !27"),
        ("for i = 1 to 2\nif a then next j\nnext", "FOR I = 1 TO 2 {IF A {!45} ELSE {}}"),
        ("while a\nif b then next\nwend", "WHILE A {IF B {!50} ELSE {}}"),
        ("while a\nendif\nwend", "WHILE A {!50}"),
        // A loop around a routine is none of its own.
        ("while a\nb = lambda () (exit)\nwend", "WHILE A {B = LAMBDA () {!50}}"),
        ("goto", "!46"),
        ("goto 10", "!46"),
        ("gosub print", "!46"),
    ]);
}

#[test]
fn routines() {
    check(&[
        ("def 5()\nenddef\na = 1", "!54; A = 1"),
        ("def len()\nenddef", "!54"),
        ("def f\nenddef", "!33"),
        ("def f(1)\nenddef", "!53"),
        ("def f(a b)\nenddef", "!34"),
        ("def f(..., a)\nenddef", "!34"),
        ("def f()\na = 1", "!27; DEF F() {A = 1}"),
        ("def f()\nwhile a\nenddef\nb = 1", "DEF F() {WHILE A {!11}; !27}; B = 1"),
        ("def f()\ngoto a\ngosub a\nenddef", "DEF F() {!52; !52}"),
        ("def f()\nenddef\ndef F(x)\nenddef\na = 1", "DEF F() {}; !55; A = 1"),
        ("x = lambda (x) (x * 2)", "X = LAMBDA (X) {!38}"),
        ("x = lambda x (y)", "X = !33"),
        ("x = lambda (1) (y)", "X = !60"),
        ("x = lambda (x)\ny = 1", "X = !33"),
        ("x = lambda () (\na = 1", "X = !34"),
        ("x = lambda () (\ndef f()\nenddef\n): y = 1", "X = !60; Y = 1"),
        ("x = lambda () (\nclass a\nendclass\n)", "X = !60"),
        ("x = lambda () (goto a)", "X = LAMBDA () {!52}"),
        ("x = lambda () (f(1 2) : y = 1): z = 1", {
            "X = LAMBDA () {CALL F([1 AND !37], !34); Y = 1}; Z = 1"
        }),
        ("def f()\nx = lambda () (\nenddef\ny = 1", "DEF F() {X = [!34 AND !30]}; Y = 1"),
    ]);
}

#[test]
fn classes() {
    check(&[
        ("class 5\nendclass", "!57"),
        ("class a(5)\nendclass", "!57"),
        ("class a(b\nendclass", "!34"),
        ("class a\nendclass\nclass A\nendclass", "load 58"),
        ("class a\nprint 1\nvar x = 1\nendclass", "CLASS A() {!56; X = 1}"),
        ("class a\nvar 5\nvar x 5\nvar me = 1\nendclass", "CLASS A() {!25; !38; !25}"),
        ("class a\nvar x = 1 2\nendclass", "CLASS A() {X = [1 AND !37]}"),
        ("class a\ndef m()\nenddef\ndef M()\nenddef\nendclass", "CLASS A() {DEF M() {}; !55}"),
        ("class a\nimport \"@x\"\nimport 5\nendclass", "CLASS A() {!56; !18}"),
        ("class a\nvar x = 1", "!27; CLASS A() {X = 1}"),
        ("class a\ndef m()\nendclass\nb = 1", "load 53"),
    ]);
}

#[test]
fn what_is_found_when_a_text_is_loaded() {
    for sign in "%&[]{}\\!?@#|~`\u{1}".chars() {
        assert_eq!(tree(&format!("a = 1 {sign} b")), "load 6", "{sign:?}");
    }
    check(&[
        ("a = 1\n' % in a comment and \"%\"\nb = \"%\"", "A = 1; B = \"%\""),
        ("a = \"x\nb = 1", "load 11"),
        ("def f()\ndef g()\nenddef\nenddef", "load 53"),
        ("class a\ndef m()\ndef g()\nenddef\nenddef\nendclass", "load 53"),
        ("class a\nclass b\nendclass\nendclass", "load 56"),
        ("def f()\nclass b\nendclass\nenddef", "load 56"),
        ("import \"file\"", "load 4"),
        ("if 0 then import \"file\"", "load 4"),
        ("import a", "!18"),
    ]);
}

#[test]
fn imports_are_nested_only_so_deep() {
    let mut next = 0;
    let result = parse("text", "import \"0\"", &mut |_| {
        next += 1;
        Ok(format!("import \"{next}\""))
    });
    assert!(matches!(result, Err((Failure::Fault(fault), _)) if fault.code == Code::FailedToOpen));
    assert_eq!(next, super::super::MOST_IMPORTS);
}

/// The first fault of a text, and where it stands.
fn first_fault(block: &Block) -> Option<(Place, &Fault)> {
    block.iter().find_map(|statement| match &statement.kind {
        StatementKind::Malformed(fault) => Some((statement.place, fault)),
        StatementKind::While { body, .. } => first_fault(body),
        StatementKind::Print(items) => items.iter().find_map(|item| match item {
            PrintItem::Value(Expr { kind: ExprKind::Chain { rest, .. }, .. }) => {
                rest.iter().find_map(|link| match &link.right.kind {
                    ExprKind::Malformed(fault) => Some((link.right.place, fault)),
                    _ => None,
                })
            }
            _ => None,
        }),
        _ => None,
    })
}

#[test]
fn faults_say_where_and_what() {
    let cases = [
        ("a = 1\n  X * 2", 2, 3, "`=` after `X` expected, got `*`"),
        ("print 1 +", 1, 10, "a value expected, got the end of the text"),
        ("print 1;\r\nprint \"äöü\" + 1 \"x\"", 2, 17, "an operator expected, got a text"),
        ("'[\n\n'] wend", 3, 4, "`WEND` without what it belongs to"),
        ("f(1) g(2)", 1, 6, "`:` expected, got `g`"),
        ("while 1\n", 2, 1, "`WEND` expected, got the end of the text"),
    ];
    for (text, line, column, detail) in cases {
        let program = program(text).unwrap();
        let (place, fault) = first_fault(&program.body).unwrap();
        assert_eq!((place.line, place.column, &*fault.detail), (line, column, detail), "{text:?}");
    }
}
