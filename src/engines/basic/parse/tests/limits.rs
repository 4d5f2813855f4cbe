//! Deep, long and senseless texts.

use super::{
    super::{MOST_LAMBDAS, MOST_NESTED},
    program, tree,
};
use crate::{engines::basic::syntax::Program, fiber::STACK_BYTES};
use std::thread;

/// Runs `f` on a stack like that of a fiber. A stack overflow would end the whole test program.
fn on_small_stack<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new().stack_size(STACK_BYTES).spawn(f).unwrap().join().unwrap()
}

/// Each level of `open` and `close` repeated.
fn nested(open: &str, middle: &str, close: &str, levels: usize) -> String {
    format!("{}{middle}{}", open.repeat(levels), close.repeat(levels))
}

#[test]
fn nesting_has_a_limit_that_fits_the_stack() {
    // Around them there is at most one level more.
    let most = MOST_NESTED - 2;
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("f(", "1", ")"),
        ("1 or 1 = 1 + 1 mod 1 * 1 ^ (", "1", ")"),
        ("(", "1", "^ 1 * 1 mod 1 + 1 = 1 or 1)"),
        ("- ", "1", ""),
        ("not ", "1", ""),
    ] {
        for levels in [2, 20, 100_000] {
            let text = format!("x = {}", nested(open, middle, close, levels));
            let tree = on_small_stack(move || tree(&text));
            assert_eq!(tree == "load 35", levels > MOST_NESTED, "{open} {tree}");
        }
        let text = format!("x = {}", nested(open, middle, close, most));
        on_small_stack(move || drop(program(&text)));
    }
    let lambdas = |levels| format!("x = {}", nested("list(lambda () (x = ", "1", "))", levels));
    assert_ne!(on_small_stack(move || tree(&lambdas(MOST_LAMBDAS))), "load 35");
    for levels in [MOST_LAMBDAS + 1, 100_000] {
        assert_eq!(on_small_stack(move || tree(&lambdas(levels))), "load 35");
    }
    for (open, middle, close) in [
        ("if a then ", "b = 1", ""),
        ("if a then\n", "b = 1", "\nendif\n"),
        ("for i = 1 to 2\n", "b = 1", "\nnext\n"),
        ("while a\n", "b = 1", "\nwend\n"),
        ("do\n", "b = 1", "\nuntil a\n"),
    ] {
        for (levels, deep) in [(most, false), (100_000, true)] {
            let text = nested(open, middle, close, levels);
            let tree = on_small_stack(move || tree(&text));
            assert_eq!(tree == "load 35", deep, "{open}");
        }
    }
}

/// The number of statements of a program that is meant to be right.
fn statements(text: &str) -> usize {
    fn count(program: &Program) -> usize {
        program.body.len()
    }
    count(&program(text).unwrap())
}

#[test]
fn long_texts_are_no_deep_trees() {
    let many = 10_000;
    on_small_stack(move || {
        for text in [
            format!("x = 1{}", " + 1".repeat(many)),
            format!("x = 1{}", " and 1 = 1 + 2 * 3".repeat(many)),
            format!("x = list(1{})", ", 1".repeat(many)),
            format!("print 1{}", "; 1".repeat(many)),
            format!("x = \"{}\"", "x".repeat(many)),
            format!("{} = 1", "x".repeat(many)),
            format!("x = 1{}", " ".repeat(many)),
            format!("x = {}", "1".repeat(many)),
            format!("{}x = 1", "\n".repeat(many)),
            format!("{}x = 1", "'[ '] ' x\n".repeat(many)),
            format!("if a then b = 1{}", " elseif c then d = 1".repeat(many)),
            format!("x = 1 = 1{}", " = 1".repeat(many)),
            format!("x = 1{}", " 1".repeat(many)),
            format!("x = 1 2 {}", "(".repeat(many)),
            format!("{}x = 1", ":".repeat(many)),
        ] {
            assert_eq!(statements(&text), 1, "{}", &text[..20]);
        }
        assert_eq!(statements(&"x = 1\n".repeat(many)), many);
        assert_eq!(statements(&"x = 1:".repeat(many)), many);
        assert_eq!(statements(&"endif: ) : x 1 2\n".repeat(many)), 3 * many);
        let text = format!("if a then\n{}endif", "elseif b then\nc = 1\n".repeat(many));
        assert_eq!(statements(&text), 1);
        let text = format!("class a\n{}endclass", "var x = 1\nprint\n".repeat(many));
        assert_eq!(statements(&text), 1);
        let routines: String = (0..many).map(|n| format!("def f{n}(): enddef: f{n}()\n")).collect();
        assert_eq!(statements(&routines), 2 * many);
    });
}

const SAMPLE: &str = "import \"@m\"\nclass c(b)\nvar x = 1\ndef m(a, ...)\nreturn me.x + ...\nenddef\n\
    endclass\ndef f(n)\nif n > 0 then return f(n - 1) else print \"x\", n;\nenddef\n\
    top: for i = 1 to 10 step 2 '[ block\n ']\nif i mod 2 then\nnext\nelseif i then\nexit\nelse\n\
    l(i) = lambda (x,\n y)\n (\n return list(1 to 5) )\nendif\nnext i\nwhile not a.b\ndo\n\
    dim q(2, n): input \"?\", v$\nuntil rnd(1, 2) <> -1.5e-3\nwend rem all\ngoto top\n";

#[test]
fn every_part_of_a_text_can_be_parsed() {
    for (at, _) in SAMPLE.char_indices() {
        tree(&SAMPLE[..at]);
        tree(&SAMPLE[at..]);
    }
    for (at, c) in SAMPLE.char_indices() {
        let rest = &SAMPLE[at + c.len_utf8()..];
        for other in ["", "(", ")", "\n", ":", "=", "\"", "'", " next ", " else ", " enddef "] {
            tree(&format!("{}{other}{rest}", &SAMPLE[..at]));
        }
    }
}

/// The next of a fixed row of numbers that look random.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 40).unwrap()
}

#[test]
fn senseless_texts_can_be_parsed() {
    let words: Vec<&str> =
        "let dim if then elseif else endif for in to step next while wend do until exit \
        goto gosub return call def enddef class endclass me new var reflect lambda mem type import \
        end print input not nil true false mod and or is rem list len rnd x y.z a$ 1 2.5 \"t\" \
        \"@m\" ... ( ) ( ) , ; : = = + - * / ^ < > <= >= <> == ' '[ ']"
            .split_whitespace()
            .chain(["\n", "\n", "\n", " ( ", " ) "])
            .collect();
    let mut state = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..5_000 {
        let mut text = String::new();
        for _ in 0..next(&mut state) % 60 {
            text += words[next(&mut state) % words.len()];
            text += " ";
        }
        tree(&text);
    }
}
