//! BASIC: any text, and programs that are made by the grammar of the language, so that hardly any of
//! them stumbles in its first line.
//!
//! What must hold: a program ends at its limits, the context can be used afterwards, and a neighbour
//! on the same worker does not notice. A program that ends by itself prints the same and ends in the
//! same way each time, however often it is interrupted.

use arbitrary::{Arbitrary, Result, Unstructured};
use calog::{Broker, Context, ErrorKind, Limits, Value};
use std::{
    future::IntoFuture,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::runtime::Runtime;

/// What a program has, with all that it calls.
const DEADLINE: Duration = Duration::from_millis(30);

/// How long it may take until it is over and gone, on a machine that does much else.
const AT_THE_MOST: Duration = Duration::from_secs(20);

/// No text is longer.
const MOST_BYTES: usize = 4 << 10;

/// No program that is made has more statements.
const MOST_STATEMENTS: usize = 60;

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "\n", "\n", "\n", ":", "print ", "print ;", ";", ",", "(", ")", "()", "(1)", "=", "<>", "<", ">", "<=", ">=", "+",
    "-", "*", "/", "^", "mod", "and", "or", "not", "is", "nil", "true", "false", "0", "1", "2", "-1", "0.5", "1e308",
    "9223372036854775807", "0x1f", "\"x\"", "\"\"", "\"é🦀\"", "\"", "'", "'[", "']", "rem", "a", "b", "c$", "o", "f", "l", "d",
    "o.x", "o.m()", "me", "me.x", "let", "dim a(3)", "dim b$(2, 2)", "a(0)", "if a then", "if 1 then\n", "elseif", "else",
    "endif\n", "for i = 1 to 3\n", "for x in", "to", "step", "next\n", "next i", "while a\n", "while 1\n", "wend\n", "do\n",
    "until", "exit", "goto here", "gosub here", "here:", "return", "end", "def f(a, b)\n", "def g(...)\n", "enddef\n",
    "f(", "g(", "call f(", "call(f)", "call(\"twice\")", "...", "len(...)", "lambda (x) (", "lambda () (return ", "class k(o)\n",
    "class o\n", "var x = 1\n", "endclass\n", "new(o)", "reflect(o)", "list(", "list(1 to 9)", "dict(", "push(l, ", "pop(l)",
    "back(l)", "insert(l, 0, ", "sort(l)", "exists(l, ", "index_of(l, ", "remove(l, ", "clear(l)", "clone(l)", "to_array(l)",
    "iterator(l)", "move_next(i)", "get(", "set(", "val(", "str(", "len(", "left(", "right(", "mid(", "asc(", "chr(", "abs(",
    "sqr(", "round(", "rnd", "rnd(6)", "type(", "type(\"LIST\")", "mem", "ticks()", "now(", "trace()", "raise(", "try(", "finally(",
    "expose(\"e\", ", "import \"@host\"\n", "import \"x\"\n", "input a\n", "wait(1)", "echo(", "fail()", "twice(f, ",
];

/// Makes programs of what the fuzzer gives.
struct Maker<'a, 'b> {
    input: &'a mut Unstructured<'b>,
    text: String,
    left: usize,
    /// How deep the block is that is written now.
    depth: usize,
    /// Is it in a loop, and in a routine?
    in_loop: bool,
    in_routine: bool,
}

impl Maker<'_, '_> {
    fn pick<'x>(&mut self, of: &[&'x str]) -> Result<&'x str> {
        Ok(*self.input.choose(of)?)
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(&"  ".repeat(self.depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn program(&mut self) -> Result<()> {
        self.line("class base\n  var n = 1\n  var l = list(1, 2)\n  def m(x)\n    n = n + 1\n    return x\n  enddef");
        self.line("  def to_string()\n    return \"base \" + str(n)\n  enddef\nendclass");
        self.line("class more(base)\n  var k = 2\n  def m(x)\n    return k\n  enddef\nendclass");
        self.line("a = 1\nb = 2\ns = \"text\"\nl = list(3, 1, 2)\nd = dict(\"k\", 1, 2, \"v\")\no = new(more)");
        self.line("dim t(4)\nf = lambda (x) (return x)");
        for name in ["one", "two"] {
            if bool::arbitrary(self.input)? {
                self.line(&format!("def {name}(x, y)"));
                self.in_routine = true;
                self.block()?;
                self.in_routine = false;
                self.line("enddef");
            } else {
                self.line(&format!("{name} = lambda (x, y) (return list(x, y))"));
            }
        }
        // What fails in one statement does not keep the next ones from running.
        while self.left > 0 && !self.input.is_empty() {
            self.line("g = lambda () (");
            self.in_routine = true;
            self.block()?;
            self.in_routine = false;
            self.line(
                ")\nr = try(g)\nif not r(\"ok\") then print r(\"kind\"), \": \", r(\"message\");",
            );
        }
        self.line("print a, b, s, l, d, o, len(l), len(d);");
        Ok(())
    }

    fn block(&mut self) -> Result<()> {
        self.depth += 1;
        for _ in 0..self.input.int_in_range(1..=3)? {
            self.statement()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn within_loop(&mut self, begin: &str, end: &str) -> Result<()> {
        let outside = std::mem::replace(&mut self.in_loop, true);
        self.line(begin);
        self.block()?;
        self.line(end);
        self.in_loop = outside;
        Ok(())
    }

    fn statement(&mut self) -> Result<()> {
        if self.left == 0 {
            self.line("b = b + 1");
            return Ok(());
        }
        self.left -= 1;
        let kind = u8::arbitrary(self.input)? % 20;
        match kind {
            7..=12 if self.depth > 5 => self.line("a = a + 1"),
            0 | 1 => {
                let (target, value) = (self.target()?, self.expression(0)?);
                self.line(&format!("{target} = {value}"));
            }
            2 | 3 => {
                let (one, two) = (self.expression(0)?, self.expression(0)?);
                self.line(&format!("print {one}, \" \", {two};"));
            }
            4 => {
                let (condition, value) = (self.expression(1)?, self.expression(0)?);
                self.line(&format!("if {condition} then a = {value} else b = b + 1"));
            }
            5 => {
                let (item, index) = (self.expression(1)?, self.expression(2)?);
                let change = self.pick(&[
                    "push(l, ITEM)",
                    "insert(l, INDEX, ITEM)",
                    "remove(l, INDEX)",
                    "remove(d, ITEM)",
                    "clear(l)",
                    "set(d, ITEM, INDEX)",
                    "sort(l)",
                    "l = clone(l)",
                    "l = list(1 to INDEX)",
                    "push(o.l, ITEM)",
                    "a = pop(l)",
                    "o.n = ITEM",
                    "t(INDEX) = 5",
                    "gc()",
                ])?;
                let change = change.replace("ITEM", &item).replace("INDEX", &index);
                self.line(&change);
            }
            6 => {
                let body = self.expression(0)?;
                let name = self.pick(&["f", "one", "a"])?;
                self.line(&format!("{name} = lambda (x) (return {body})"));
            }
            7 => {
                let condition = self.expression(1)?;
                self.line(&format!("if {condition} then"));
                self.block()?;
                if bool::arbitrary(self.input)? {
                    let condition = self.expression(1)?;
                    self.line(&format!("elseif {condition} then"));
                    self.block()?;
                }
                self.line("else");
                self.block()?;
                self.line("endif");
            }
            8 => {
                let name = self.pick(&["i", "j", "a"])?;
                let limit = self.expression(2)?;
                self.within_loop(&format!("for {name} = 1 to {limit}"), "next")?;
            }
            9 => {
                let of = self.pick(&[
                    "l",
                    "d",
                    "list(1, 2, 3)",
                    "list(3 to 1)",
                    "clone(l)",
                    "dict(1, 2)",
                    "o.l",
                ])?;
                let name = self.pick(&["x", "a", "k"])?;
                self.within_loop(&format!("for {name} in {of}"), "next")?;
            }
            10 => {
                let condition = self.expression(1)?;
                self.line("n = 0");
                self.within_loop(&format!("while n < 5 and ({condition})\nn = n + 1"), "wend")?;
            }
            11 => self.within_loop("do", "b = b + 1\nuntil b > 5")?,
            12 => {
                let what = self.expression(0)?;
                self.line(&format!("r = try(lambda () (return {what}))"));
                self.line("if r(\"ok\") then a = r(\"value\") else print r(\"kind\"), \": \", r(\"message\");");
            }
            13 if self.in_loop => {
                let how = self.pick(&["exit", "if a then exit", "if b then next"])?;
                self.line(how);
            }
            14 if self.in_routine => {
                let value = self.expression(0)?;
                self.line(&format!("return {value}"));
            }
            15 => {
                let value = self.expression(1)?;
                self.line(&format!(
                    "a = finally(lambda () (return {value}), lambda () (b = b + 1))"
                ));
            }
            16 => {
                let value = self.expression(1)?;
                self.line(&format!("expose(\"e\", lambda (x) (return {value}))"));
            }
            _ => {
                let value = self.call(1)?;
                self.line(&format!("b = {value}"));
            }
        }
        Ok(())
    }

    fn target(&mut self) -> Result<String> {
        let target = self.pick(&[
            "a", "b", "s", "x", "l(INDEX)", "d(INDEX)", "t(INDEX)", "o.n", "o.k", "l", "d", "n",
        ])?;
        Ok(if target.contains("INDEX") {
            let index = self.expression(2)?;
            target.replace("INDEX", &index)
        } else {
            target.into()
        })
    }

    fn expression(&mut self, depth: usize) -> Result<String> {
        if depth > 3 || self.input.is_empty() {
            return Ok(self.pick(&["a", "b", "1", "0"])?.into());
        }
        Ok(match u8::arbitrary(self.input)? % 8 {
            0 | 1 => self
                .pick(&[
                    "a",
                    "b",
                    "s",
                    "x",
                    "y",
                    "l",
                    "d",
                    "o",
                    "f",
                    "o.n",
                    "o.k",
                    "o.l",
                    "t",
                    "nil",
                    "n",
                    "call(one)",
                ])?
                .into(),
            2 | 3 => self
                .pick(&[
                    "0",
                    "1",
                    "2",
                    "5",
                    "-1",
                    "0.5",
                    "9223372036854775807",
                    "1e300",
                    "\"\"",
                    "\"k\"",
                    "\"é🦀\"",
                    "true",
                    "type(\"LIST\")",
                    "more",
                    "list()",
                    "dict()",
                ])?
                .into(),
            4 | 5 => {
                let operator = self.pick(&[
                    "+", "-", "*", "/", "^", "mod", "=", "<>", "<", ">", "<=", ">=", "and", "or",
                    "is",
                ])?;
                let (left, right) = (self.expression(depth + 1)?, self.expression(depth + 1)?);
                format!("({left} {operator} {right})")
            }
            6 => {
                let operator = self.pick(&["-", "not "])?;
                format!("{operator}({})", self.expression(depth + 1)?)
            }
            _ => self.call(depth + 1)?,
        })
    }

    fn call(&mut self, depth: usize) -> Result<String> {
        let (one, two) = (self.expression(depth + 1)?, self.expression(depth + 1)?);
        let call = self.pick(&[
            "f(ONE)",
            "one(ONE, TWO)",
            "two(ONE, TWO)",
            "o.m(ONE)",
            "l(ONE)",
            "d(ONE)",
            "t(ONE)",
            "len(ONE)",
            "str(ONE)",
            "val(ONE)",
            "left(ONE, TWO)",
            "right(ONE, TWO)",
            "mid(ONE, TWO, 1)",
            "asc(ONE)",
            "chr(ONE)",
            "abs(ONE)",
            "sqr(ONE)",
            "round(ONE)",
            "floor(ONE)",
            "get(ONE, TWO)",
            "set(ONE, 0, TWO)",
            "list(ONE, TWO)",
            "dict(ONE, TWO)",
            "push(ONE, TWO)",
            "pop(ONE)",
            "back(ONE)",
            "exists(ONE, TWO)",
            "index_of(ONE, TWO)",
            "clone(ONE)",
            "sort(ONE)",
            "to_array(ONE)",
            "type(ONE)",
            "new(ONE)",
            "reflect(ONE)",
            "iterator(ONE)",
            "echo(ONE)",
            "wait(ONE)",
            "twice(ONE, TWO)",
            "fail()",
            "base.m(ONE)",
            "get(o, \"m\")",
            "mem > 0",
        ])?;
        Ok(call.replace("ONE", &one).replace("TWO", &two))
    }
}

/// The program that `data` stands for.
fn program(data: &[u8]) -> Result<String> {
    let mut input = Unstructured::new(data);
    let mut maker = Maker {
        input: &mut input,
        text: String::new(),
        left: MOST_STATEMENTS,
        depth: 0,
        in_loop: false,
        in_routine: false,
    };
    maker.program()?;
    Ok(maker.text)
}

/// What came of a program: what it printed, and its result.
#[derive(Debug, PartialEq)]
struct Outcome {
    printed: String,
    result: std::result::Result<String, (ErrorKind, String)>,
}

impl Outcome {
    /// Did a limit end it? Where that was depends on the machine.
    fn is_cut_off(&self) -> bool {
        matches!(self.result, Err((ErrorKind::Timeout | ErrorKind::Memory, _)))
    }
}

struct Stage {
    runtime: Runtime,
    broker: Broker,
    printed: Arc<Mutex<String>>,
    /// Lives on the same worker as every script, and must not notice any.
    innocent: Context,
}

impl Stage {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let prints = printed.clone();
        let limits =
            Limits::default().deadline(DEADLINE).memory_bytes(8 << 20).value_bytes(1 << 20);
        let open = async {
            let broker = Broker::builder()
                .limits(limits)
                .workers(1)
                .output(move |_, line| {
                    let mut printed = prints.lock().unwrap();
                    printed.push_str(&String::from_utf8_lossy(line));
                    printed.push('\n');
                })
                .on_failure(|_| {})
                .native("echo", |value: Value| value)
                .native("fail", || Err::<(), _>(calog::Error::raised("no")))
                .native_async("wait", |value: Value| async move {
                    tokio::task::yield_now().await;
                    value
                })
                .native_async("twice", |f: calog::Function, x: Value| async move {
                    f.call::<Value>((x.clone(),)).await?;
                    f.call::<Value>((x,)).await
                })
                .build()
                .unwrap();
            // It has all the time that a busy machine may take.
            let patient = Limits::default().deadline(AT_THE_MOST);
            let innocent = broker.open("basic").name("innocent").limits(patient).await.unwrap();
            innocent.eval::<()>("expose(\"innocent\", lambda () (return 42))").await.unwrap();
            (broker, innocent)
        };
        let (broker, innocent) = runtime.block_on(open);
        Self { runtime, broker, printed, innocent }
    }

    /// Runs `text` in a context of its own, interrupted every `slice`.
    fn outcome(&self, text: &str, slice: Duration) -> Outcome {
        let run = async {
            let limits = Limits::default()
                .deadline(DEADLINE)
                .memory_bytes(8 << 20)
                .value_bytes(1 << 20)
                .slice(slice);
            let open = self.broker.open("basic").name("script").limits(limits);
            let context = open.into_future().await.unwrap();
            self.printed.lock().unwrap().clear();
            let result = context.eval::<Value>(text).await;
            let outcome = Outcome {
                printed: self.printed.lock().unwrap().clone(),
                result: match result {
                    Ok(value) => Ok(format!("{value:?}")),
                    Err(error) => Err((error.kind(), error.message().to_string())),
                },
            };
            // What it has exposed may be called as well.
            let _ = context.call::<Value>("e", (1,)).await;
            let answer = self.innocent.call::<i64>("innocent", ()).await;
            assert_eq!(answer.unwrap(), 42, "the neighbour is harmed");
            // It can be used again, unless it has spent its memory, or something of it still takes
            // the time.
            match context.eval::<i64>("return 7").await {
                Ok(seven) => assert_eq!(seven, 7),
                Err(error) => {
                    let allowed = matches!(error.kind(), ErrorKind::Memory | ErrorKind::Timeout);
                    assert!(allowed, "{error:?}");
                }
            }
            context.close().await;
            assert_eq!(self.broker.contexts().len(), 1);
            outcome
        };
        let run = async { tokio::time::timeout(AT_THE_MOST, run).await };
        let outcome = self.runtime.block_on(run).unwrap_or_else(|_| panic!("it hangs:\n{text}"));
        if let Err((kind, message)) = &outcome.result {
            let allowed = !matches!(kind, ErrorKind::Dead | ErrorKind::Panicked);
            assert!(allowed, "{kind}: {message}");
        }
        outcome
    }
}

thread_local! {
    /// Never dropped: the end of a thread is no place to end a broker.
    static STAGE: &'static Stage = Box::leak(Box::new(Stage::new()));
}

/// Runs `data` as a text, or, if its first byte is odd, as words of the language.
pub fn run_text(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let rest = &rest[..rest.len().min(MOST_BYTES)];
    let text = if first & 1 == 0 {
        String::from_utf8_lossy(rest).into_owned()
    } else {
        rest.iter().map(|byte| WORDS[usize::from(*byte) % WORDS.len()]).fold(
            String::new(),
            |mut text, word| {
                text.push_str(word);
                text.push(' ');
                text
            },
        )
    };
    STAGE.with(|stage| stage.outcome(&text, Duration::from_millis(2)));
}

/// Runs the program that `data` stands for, twice.
pub fn run_program(data: &[u8]) {
    let Ok(text) = program(&data[..data.len().min(MOST_BYTES)]) else { return };
    STAGE.with(|stage| {
        let long = stage.outcome(&text, Duration::from_millis(10));
        let short = stage.outcome(&text, Duration::from_micros(100));
        if !long.is_cut_off() && !short.is_cut_off() {
            assert_eq!(long, short, "interruptions change what it does:\n{text}");
        }
    });
}
