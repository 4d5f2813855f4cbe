//! Statements, blocks, comments, imports.

use super::{block, tree};
use crate::engines::basic::{
    fault::{Code, Fault},
    parse::parse,
};

fn check(cases: &[(&str, &str)]) {
    for (text, form) in cases {
        assert_eq!(tree(text), *form, "{text:?}");
    }
}

#[test]
fn lines_and_statements() {
    check(&[
        ("", ""),
        ("\n\n ' nothing\n rem nothing\n", ""),
        ("a = 1 : b = 2", "A = 1; B = 2"),
        ("a = 1\rb = 2\r\nc = 3\n", "A = 1; B = 2; C = 3"),
        ("\u{feff}a = 1", "A = 1"),
        (":: a = 1 ::", "A = 1"),
        ("LET a = 1", "A = 1"),
        ("Print 1", "PRINT 1"),
    ]);
}

#[test]
fn comments() {
    check(&[
        ("a = 1 ' b = 2", "A = 1"),
        ("a = 1 rem b = 2", "A = 1"),
        ("a = 1: rem b: c = 2\nd = 3", "A = 1; D = 3"),
        ("'[ a = 1\n b = 2 '] c = 3", "C = 3"),
        ("a = 1 '[\n'] b = 2", "A = 1; B = 2"),
        ("'[ to the end", ""),
        ("remark = 1", "REMARK = 1"),
    ]);
}

#[test]
fn assignments() {
    check(&[
        ("a(1, 2) = 3", "A[1, 2] = 3"),
        ("d(\"k\") = 3", "D[\"k\"] = 3"),
        ("o.l(0) = 3", "O.L[0] = 3"),
        ("me.x = 3", "ME.X = 3"),
        ("let a(0) = 1", "A[0] = 1"),
        ("a = b = c", "A = [B = C]"),
        ("a=-1", "A = -1"),
    ]);
}

#[test]
fn calls() {
    check(&[
        ("f(1)", "CALL F(1)"),
        ("call f(1)", "CALL CALL F(1)"),
        ("call(f)", "CALL CALL(F)"),
        ("o.m(1): f()", "CALL O.M(1); CALL F()"),
        ("push(l, 1)", "CALL PUSH(L, 1)"),
        ("beep", "CALL BEEP()"),
        ("expose(\"n\", 1): expose(f)", "CALL EXPOSE(\"n\", 1); CALL EXPOSE(F)"),
        ("...", "CALL ..."),
    ]);
}

#[test]
fn labels() {
    check(&[
        ("a: b = 1", "A:; B = 1"),
        ("a :\nb:", "A:; B:"),
        ("goto a: gosub b", "GOTO A; GOSUB B"),
        ("x = 1: a: b = 1", "X = 1; !38; B = 1"),
        ("if 1 then\na: b = 1\nendif", "IF 1 {A:; B = 1} ELSE {}"),
    ]);
}

#[test]
fn print_and_input() {
    check(&[
        ("print 1, 2; 3;", "PRINT 1 2 ; 3 ;"),
        ("print ;", "PRINT ;"),
        ("print , ,1", "PRINT 1"),
        ("print \"a\";;\"b\"", "PRINT \"a\" ; ; \"b\""),
        ("print -1; -x", "PRINT -1 ; -X"),
        ("input a", "INPUT None A"),
        ("input \"a?\", a$", "INPUT Some(\"a?\") A$"),
        ("input", "INPUT None -"),
        ("input o.x: b = 1", "INPUT None O.X; B = 1"),
    ]);
}

#[test]
fn arrays() {
    check(&[
        ("dim a(3)", "DIM A[3]"),
        ("dim a$(n, 2, 3, 4)", "DIM A$[N, 2, 3, 4]"),
        ("dim a(1), b(2): c = 1", "DIM A[1]; DIM B[2]; C = 1"),
    ]);
}

#[test]
fn if_in_one_line() {
    check(&[
        ("if a then b = 1", "IF A {B = 1} ELSE {}"),
        ("if a then b = 1: c = 2 else d = 3: e = 4", "IF A {B = 1; C = 2} ELSE {D = 3; E = 4}"),
        ("if a then b = 1\nc = 2", "IF A {B = 1} ELSE {}; C = 2"),
        ("if a then if b then c = 1 else d = 1", "IF A {IF B {C = 1} ELSE {D = 1}} ELSE {}"),
        (
            "if a then if b then c = 1 else d = 1 else e = 1",
            "IF A {IF B {C = 1} ELSE {D = 1}} ELSE {E = 1}",
        ),
        ("if a then b = 1 elseif c then d = 1 else e = 1", "IF A {B = 1} ELSE {E = 1}"),
        ("if a then b = 1 elseif c then d = 1\ne = 1", "IF A {B = 1} ELSE {}; E = 1"),
        ("if a then b = 1 : endif\nc = 1", "IF A {B = 1} ELSE {}; C = 1"),
        ("if a then b = 1 ' c", "IF A {B = 1} ELSE {}"),
        ("if a then print 1; else print 2", "IF A {PRINT 1 ;} ELSE {PRINT 2}"),
        ("if a then : b = 1", "IF A {B = 1} ELSE {}"),
    ]);
}

#[test]
fn if_over_lines() {
    check(&[
        ("if a then\nb = 1\nendif", "IF A {B = 1} ELSE {}"),
        ("if a then ' why\nb = 1\nelse ' not\nc = 1\nendif", "IF A {B = 1} ELSE {C = 1}"),
        ("if a then\nelseif b then\nc = 1\nendif", "IF A {} B {C = 1} ELSE {}"),
        ("if a then\nb = 1\nelse c = 1\nd = 1\nendif", "IF A {B = 1} ELSE {C = 1; D = 1}"),
        (
            "if a then\nif b then\nc = 1\nendif\nd = 1\nendif",
            "IF A {IF B {C = 1} ELSE {}; D = 1} ELSE {}",
        ),
        ("if a then\nif b then c = 1\nendif", "IF A {IF B {C = 1} ELSE {}} ELSE {}"),
        ("if a then\nif b then c = 1 else d = 1\nelse\ne = 1\nendif", {
            "IF A {IF B {C = 1} ELSE {D = 1}} ELSE {E = 1}"
        }),
        ("if a then\nelse if b then\nc = 1\nendif\nendif", "IF A {} ELSE {IF B {C = 1} ELSE {}}"),
    ]);
}

#[test]
fn loops() {
    check(&[
        ("for i = 1 to 2\na = i\nnext", "FOR I = 1 TO 2 {A = I}"),
        ("for i = 1 to n + 1 step -2\nnext i", "FOR I = 1 TO [N + 1] STEP -2 {}"),
        ("for x in l\na = x\nnext", "FOR X IN L {A = X}"),
        ("for i = 1 to 2 : a = i\nnext : b = 1", "FOR I = 1 TO 2 {A = I}; B = 1"),
        ("while a\nexit\nwend", "WHILE A {EXIT}"),
        ("do\na = 1\nuntil a = 1", "DO {A = 1} UNTIL [A = 1]"),
        ("do ' so\na = 1: until a", "DO {A = 1} UNTIL A"),
        ("if a then\nwhile b\nwend\nendif", "IF A {WHILE B {}} ELSE {}"),
    ]);
}

#[test]
fn next_in_the_middle() {
    check(&[
        ("for i = 1 to 2\nif a then next\nnext", "FOR I = 1 TO 2 {IF A {NEXT } ELSE {}}"),
        ("for i = 1 to 2\nwhile a\nnext\nwend\nnext", "FOR I = 1 TO 2 {WHILE A {NEXT }}"),
        (
            "for i = 1 to 2\nfor j = 1 to 2\nif a then next I\nnext\nnext",
            "FOR I = 1 TO 2 {FOR J = 1 TO 2 {IF A {NEXT I} ELSE {}}}",
        ),
        // At the level of the body it ends the loop, whatever it names.
        ("for i = 1 to 2\nfor j = 1 to 2\nnext i\nnext j", "FOR I = 1 TO 2 {FOR J = 1 TO 2 {}}"),
    ]);
}

#[test]
fn routines() {
    check(&[
        ("def f()\nenddef", "DEF F() {}"),
        ("def f(a, b,\n ...)\nreturn a\nenddef", "DEF F(A, B, ...) {RETURN A}"),
        ("def f(x): return x: enddef", "DEF F(X) {RETURN X}"),
        ("if a then\ndef f()\nenddef\nendif", "IF A {DEF F() {}} ELSE {}"),
        ("def f(n)\nif n then return f(0)\nenddef", "DEF F(N) {IF N {RETURN F(0)} ELSE {}}"),
    ]);
}

#[test]
fn classes() {
    check(&[
        ("class a\nendclass", "CLASS A() {}"),
        ("class c(a, b)\nvar x = 1\nvar y\nendclass", "CLASS C(A, B) {X = 1; Y = -}"),
        ("class a: var x = 1: def m(): return x: enddef: endclass", {
            "CLASS A() {X = 1; DEF M() {RETURN X}}"
        }),
        ("class a\nx = 1\nendclass", "CLASS A() {X = 1}"),
        ("class a\nvar f = lambda () (return 1)\nendclass", {
            "CLASS A() {F = LAMBDA () {RETURN 1}}"
        }),
        // Methods of two classes may have one name, and that of a routine.
        (
            "def m()\nenddef\nclass a\ndef m()\nenddef\nendclass\nclass b\ndef m()\nenddef\nendclass",
            { "DEF M() {}; CLASS A() {DEF M() {}}; CLASS B() {DEF M() {}}" },
        ),
    ]);
}

#[test]
fn imports_are_read_in_place_and_once() {
    let mut asked = Vec::new();
    let mut import = |path: &str| {
        asked.push(path.to_owned());
        match path {
            "one" => Ok("a = 1\nimport \"two\"\nb = 1 ' end".into()),
            "two" => Ok("import \"one\"\nimport \"text\": if c then".into()),
            _ => Err(Fault::new(Code::FailedToOpen, path).into()),
        }
    };
    let text = "import \"one\" : d = 1\nimport \"two\"\nendif\nImport \"@Mod\" : e = 1";
    let program = parse("text", text, &mut import).unwrap();
    assert_eq!(block(&program.body), "A = 1; IF C {B = 1; D = 1} ELSE {}; OPEN MOD; E = 1");
    assert_eq!(asked, ["one", "two"]);
    let files: Vec<_> = program.files.iter().map(|file| &**file).collect();
    assert_eq!(files, ["text", "one", "two"]);
    let places: Vec<_> = program.body.iter().map(|s| (s.place.file, s.place.line)).collect();
    assert_eq!(places, [(1, 1), (2, 2), (0, 4), (0, 4)]);
}
