//! What large, deep and senseless texts of BASIC can do to the one who runs them: nothing.

#![cfg(feature = "basic")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use calog::{Broker, Context, ErrorKind, Limits, Result, Value};
use std::{
    fmt::Write,
    future::{Future, IntoFuture},
    time::Duration,
};

/// How long a test may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long a senseless program may run: most end at once.
const DEADLINE: Duration = Duration::from_millis(50);

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(TIMEOUT, future).await.expect("it hangs")
}

async fn open(limits: Limits) -> (Broker, Context) {
    let broker = Broker::builder().workers(1).limits(limits).output(|_, _| {}).build().unwrap();
    let context = within(broker.open("basic").into_future()).await.unwrap();
    (broker, context)
}

async fn eval(context: &Context, source: &str) -> Result<Value> {
    within(context.eval::<Value>(source)).await
}

/// A text of what `part` makes of each number.
fn text(numbers: std::ops::Range<usize>, part: impl Fn(usize) -> String) -> String {
    numbers.map(part).collect()
}

#[tokio::test]
async fn a_class_comes_from_so_many_others_at_most() {
    let (_broker, context) = open(Limits::default()).await;
    let mut source = "class c0\nvar x = 5\nvar y = 1\nendclass\n".to_owned();
    source += &text(1..65, |n| format!("class c{n}(c{})\nvar y = {n}\nendclass\n", n - 1));
    source += "o = new(c64)\nreturn o.x * 100 + o.y";
    assert_eq!(eval(&context, &source).await, Ok(Value::from(564)));
    let error = eval(&context, "class c65(c64)\nendclass").await.unwrap_err();
    assert!(error.message().starts_with("Code 35"), "{error}");
}

#[tokio::test]
async fn what_classes_inherit_counts_as_memory() {
    let (_broker, context) = open(Limits::default().memory_bytes(16 << 20)).await;
    let methods = text(0..5_000, |n| format!("def m{n}()\nenddef\n"));
    let classes = text(0..100, |n| format!("class c{n}(base)\nendclass\n"));
    let source = format!("class base\n{methods}endclass\n{classes}");
    assert_eq!(eval(&context, &source).await.unwrap_err().kind(), ErrorKind::Memory);
}

#[tokio::test]
async fn a_lambda_shares_so_many_variables_at_most() {
    let (_broker, context) = open(Limits::default()).await;
    let source = |count| {
        let assign = text(0..count, |n| format!("v{n} = 1\n"));
        let sum = text(0..count, |n| format!("+ v{n}"));
        format!(
            "def f{count}()\n{assign}return lambda () (return 0 {sum})\nenddef\nl = f{count}()\nreturn l()"
        )
    };
    assert_eq!(eval(&context, &source(255)).await, Ok(Value::from(255)));
    let error = eval(&context, &source(256)).await.unwrap_err();
    assert!(error.message().starts_with("Code 35"), "{error}");
}

#[tokio::test]
async fn deep_texts_fail_when_they_are_loaded() {
    let (_broker, context) = open(Limits::default()).await;
    let source = |levels: usize| format!("return {}1{}", "abs(".repeat(levels), ")".repeat(levels));
    assert_eq!(eval(&context, &source(190)).await, Ok(Value::from(1)));
    let error = eval(&context, &source(100_000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Load);
    assert!(error.message().contains("Code 35"), "{error}");
}

const WORDS: &str = "let dim if then elseif else endif for in to step next while wend do until exit \
    goto gosub return call def enddef class endclass me new var reflect lambda type end print nil \
    true mod and or is not list dict len push pop get set remove iterator move_next sort left mid \
    str val rnd x y z x.y y.z a$ f g h c f( g( x( y( list( dict( push( lambda(x)( new( 0 1 2 2.5 -1 \
    9223372036854775807 \"t\" \"key\" ... ( ) ) ) , , ; : : = = = + - * / ^ < >= <> expose raise \
    try finally";

/// The next of a fixed row of numbers that look random.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 40).unwrap()
}

#[tokio::test]
async fn senseless_programs_do_no_harm() {
    let (_broker, context) = open(Limits::default().deadline(DEADLINE)).await;
    let words: Vec<_> = WORDS.split_whitespace().chain(["\n"; 20]).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..1_000 {
        let mut source = String::new();
        for _ in 0..next(&mut state) % 40 {
            write!(source, "{} ", words[next(&mut state) % words.len()]).unwrap();
        }
        if let Err(error) = eval(&context, &source).await {
            let kind = error.kind();
            let bad = matches!(kind, ErrorKind::Panicked | ErrorKind::Dead | ErrorKind::Shutdown);
            assert!(!bad, "{error}\n{source}");
        }
    }
    assert_eq!(eval(&context, "1 + 1").await, Ok(Value::from(2)));
}
