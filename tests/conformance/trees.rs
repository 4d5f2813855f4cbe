//! Random trees of actions, which scripts of all languages play into each other at the same time.
//!
//! A player is a script that plays a tree: it waits, fails, catches, cleans up, does two things at
//! once, gives something up, and has other players play parts of it. Every file in `players/` is
//! one; each language has its `player`, and may have more, if it has more than one way to write it.
//! What must come of a tree is computed here, without any script.

use crate::{
    cases::{Language, languages},
    host::Stage,
    run::TIMEOUT,
};
use calog::{Broker, Limits, Result, Value};
use futures::future::join_all;
use proptest::{collection::vec, option, prelude::*};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tokio::task::yield_now;

/// Kinds of errors that trees fail with.
const KINDS: [&str; 3] = ["busy", "denied", "raised"];

/// What is done to come from one node to the next.
#[derive(Clone, Debug)]
enum Step {
    /// Waits for what comes of it.
    Later,
    /// Has the host call back.
    Apply,
    /// Catches what it raises, and raises it again.
    Rethrow,
    /// Has another player play it.
    Call(usize),
    /// Gives another player a function that plays it, and gets one more than what comes of it.
    Back(usize),
    /// Gets a function from another player, which plays it there.
    Make(usize),
}

#[derive(Clone, Debug)]
enum Node {
    Value(i64),
    /// A native fails with this kind and this code.
    Fail(&'static str, i64),
    /// The script raises an error with this code.
    Raise(i64),
    Through(Step, Box<Self>),
    Sum(Vec<Self>),
    /// The sum of what a generator yields.
    Yielded(Vec<Self>),
    /// The first; if it fails, its code and the second together.
    Catch(Box<Self>, Box<Self>),
    /// Prints the mark when it is over, however it ends.
    Ensure(u16, Box<Self>),
    /// The sum of two that are played at once.
    Together(Box<Self>, Box<Self>),
    /// Goes these steps to a call that hangs, and gives it up. `None` is a handler that says that
    /// it has run; the sum of those is the result.
    Cancel(Vec<Option<Step>>),
}

/// The kind and the code of an error.
type Failure = (&'static str, i64);

impl Node {
    /// What must come of it, with the marks that must be printed.
    fn outcome(&self, marks: &mut Vec<u16>) -> Result<i64, Failure> {
        match self {
            Self::Value(value) => Ok(*value),
            Self::Fail(kind, code) => Err((kind, *code)),
            Self::Raise(code) => Err(("raised", *code)),
            Self::Through(Step::Back(_), node) => Ok(node.outcome(marks)? + 1),
            Self::Through(_, node) => node.outcome(marks),
            Self::Sum(nodes) | Self::Yielded(nodes) => {
                nodes.iter().map(|node| node.outcome(marks)).sum()
            }
            Self::Catch(first, second) => match first.outcome(marks) {
                Err((_, code)) => Ok(code + second.outcome(marks)?),
                value => value,
            },
            Self::Ensure(mark, node) => {
                let outcome = node.outcome(marks);
                marks.push(*mark);
                outcome
            }
            Self::Together(one, two) => {
                let (one, two) = (one.outcome(marks), two.outcome(marks));
                Ok(one? + two?)
            }
            Self::Cancel(steps) => Ok(handlers(steps)),
        }
    }
}

fn handlers(steps: &[Option<Step>]) -> i64 {
    steps.iter().filter(|step| step.is_none()).count() as i64
}

/// Writes trees as values, for players to read.
struct Writer<'a> {
    players: &'a [String],
    /// Begins every mark and key, so that no two trees share one.
    tree: usize,
    keys: usize,
}

impl Writer<'_> {
    fn op<const N: usize>(&self, op: &str, fields: [(&str, Value); N]) -> Value {
        Value::map([("op", Value::from(op))].into_iter().chain(fields))
    }

    fn step(&self, step: &Step, node: Value) -> Value {
        let (op, to) = match step {
            Step::Later => ("later", 0),
            Step::Apply => ("apply", 0),
            Step::Rethrow => ("rethrow", 0),
            Step::Call(to) => ("call", *to),
            Step::Back(to) => ("back", *to),
            Step::Make(to) => ("make", *to),
        };
        let to = self.players[to % self.players.len()].as_str();
        self.op(op, [("to", to.into()), ("node", node)])
    }

    fn nodes<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>) -> Value {
        let nodes: Vec<_> = nodes.into_iter().map(|node| self.node(node)).collect();
        Value::list(nodes)
    }

    fn node(&mut self, node: &Node) -> Value {
        match node {
            Node::Value(value) => self.op("value", [("value", (*value).into())]),
            Node::Fail(kind, code) => {
                self.op("fail", [("kind", (*kind).into()), ("code", (*code).into())])
            }
            Node::Raise(code) => self.op("raise", [("code", (*code).into())]),
            Node::Through(step, node) => {
                let node = self.node(node);
                self.step(step, node)
            }
            Node::Sum(nodes) => {
                let nodes = self.nodes(nodes);
                self.op("sum", [("nodes", nodes)])
            }
            Node::Yielded(nodes) => {
                let nodes = self.nodes(nodes);
                self.op("yielded", [("nodes", nodes)])
            }
            Node::Catch(first, second) => {
                let nodes = self.nodes([&**first, &**second]);
                self.op("catch", [("nodes", nodes)])
            }
            Node::Ensure(mark, node) => {
                let mark = format!("{}:{mark}", self.tree);
                let node = self.node(node);
                self.op("ensure", [("mark", mark.into()), ("node", node)])
            }
            Node::Together(one, two) => {
                let nodes = self.nodes([&**one, &**two]);
                self.op("together", [("nodes", nodes)])
            }
            Node::Cancel(steps) => self.cancel(steps),
        }
    }

    fn cancel(&mut self, steps: &[Option<Step>]) -> Value {
        self.keys += 1;
        let key = || Value::from(format!("{}:{}", self.tree, self.keys));
        let mut node = self.op("hang", [("key", key())]);
        for step in steps.iter().rev() {
            node = match step {
                Some(step) => self.step(step, node),
                None => self.op("clean", [("key", key()), ("node", node)]),
            };
        }
        let count = ("count", handlers(steps).into());
        self.op("cancel", [("key", key()), count, ("node", node)])
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Later),
        1 => Just(Step::Apply),
        1 => Just(Step::Rethrow),
        3 => any::<usize>().prop_map(Step::Call),
        2 => any::<usize>().prop_map(Step::Back),
        2 => any::<usize>().prop_map(Step::Make),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let code = || 0_i64..100;
    let leaf = prop_oneof![
        4 => code().prop_map(Node::Value),
        1 => (prop::sample::select(&KINDS), code()).prop_map(|(kind, code)| Node::Fail(kind, code)),
        1 => code().prop_map(Node::Raise),
        1 => vec(option::of(step()), 0..7).prop_map(Node::Cancel),
    ];
    leaf.prop_recursive(8, 40, 3, |node| {
        let boxed = node.clone().prop_map(Box::new).boxed();
        let two = || (boxed.clone(), boxed.clone());
        prop_oneof![
            8 => (step(), boxed.clone()).prop_map(|(step, node)| Node::Through(step, node)),
            2 => vec(node.clone(), 0..3).prop_map(Node::Sum),
            1 => vec(node, 0..3).prop_map(Node::Yielded),
            3 => two().prop_map(|(one, two)| Node::Catch(one, two)),
            2 => (any::<u16>(), boxed.clone()).prop_map(|(mark, node)| Node::Ensure(mark, node)),
            3 => two().prop_map(|(one, two)| Node::Together(one, two)),
        ]
    })
}

/// One tree, who begins it, and how long the host waits for it, if it does not wait for the end.
#[derive(Clone, Debug)]
struct Play {
    player: usize,
    tree: Node,
    patience: Option<usize>,
}

fn play() -> impl Strategy<Value = Play> {
    let parts = (any::<usize>(), node(), option::weighted(0.2, 0..300_usize));
    parts.prop_map(|(player, tree, patience)| Play { player, tree, patience })
}

fn players(languages: &[Language]) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/players");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    let speaks = |path: &Path, language: &Language| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| language.extensions.iter().any(|e| e == extension))
    };
    files.retain(|path| languages.iter().any(|language| speaks(path, language)));
    files.sort();
    for language in languages {
        let has_player = files.iter().any(|path| speaks(path, language));
        assert!(
            has_player,
            "no players/player.{}: the {} column",
            language.extensions[0], language.name
        );
    }
    files
}

/// Plays all at once, among two contexts for each of `players`.
async fn play_all(players: &[PathBuf], plays: &[Play]) -> Result<(), String> {
    let stage = Stage::default();
    let printed = Arc::new(Mutex::new(Vec::new()));
    let lines = printed.clone();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let failed = failures.clone();
    // A script of JavaScript that is given up while it is preempted ends without its handlers, so
    // none is preempted here.
    let limits = Limits::default().slice(TIMEOUT);
    let broker = stage
        .natives(Broker::builder())
        .workers(2)
        .limits(limits)
        .output(move |_, line| {
            lines.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        })
        .on_failure(move |failure| failed.lock().unwrap().push(format!("{:?}", failure.error)))
        .build()
        .unwrap();
    let mut names = Vec::new();
    for (index, script) in players.iter().chain(players).enumerate() {
        let name = format!("player_{index}");
        broker.load(script).name(&name).worker(index % 2).await.map_err(|e| format!("{e:?}"))?;
        names.push(name);
    }
    let runs = (0..).zip(plays).map(|(tree, play)| one(&broker, &names, tree, play));
    let outcomes = join_all(runs).await;
    settled(&broker).await;
    broker.shutdown(TIMEOUT).await.map_err(|error| format!("{error:?}"))?;

    let failures = failures.lock().unwrap();
    if !failures.is_empty() {
        return Err(format!("failures that nobody waited for: {failures:?}"));
    }
    for (tree, (play, got)) in plays.iter().zip(outcomes).enumerate() {
        let Some(got) = got else { continue };
        let mut marks = Vec::new();
        let expected = play.tree.outcome(&mut marks);
        let expected = expected.map_err(|(kind, code)| format!("{kind} {code}"));
        if got != expected {
            return Err(format!("tree {tree}: expected {expected:?}, got {got:?}"));
        }
        // What is played at once prints in no certain order.
        let mut expected: Vec<_> = marks.iter().map(|mark| format!("{tree}:{mark}")).collect();
        expected.sort_unstable();
        let mut got = printed.lock().unwrap().clone();
        got.retain(|line| line.starts_with(&format!("{tree}:")));
        got.sort_unstable();
        if got != expected {
            return Err(format!("tree {tree}: expected the marks {expected:?}, got {got:?}"));
        }
    }
    Ok(())
}

/// What comes of one tree; `None` if the host gave it up.
async fn one(
    broker: &Broker,
    players: &[String],
    tree: usize,
    play: &Play,
) -> Option<Result<i64, String>> {
    let value = Writer { players, tree, keys: 0 }.node(&play.tree);
    let player = &players[play.player % players.len()];
    let call = broker.call::<i64>(&format!("{player}.play"), (value,));
    let outcome = tokio::select! {
        outcome = call => outcome,
        () = passed(play.patience) => return None,
    };
    Some(outcome.map_err(|error| {
        let payload = error.payload().as_aggregate();
        match payload.and_then(|payload| payload.get_str("code")?.as_int()) {
            Some(code) => format!("{} {code}", error.kind()),
            None => format!("{error:?}"),
        }
    }))
}

/// Ends when other tasks had that many turns.
async fn passed(patience: Option<usize>) {
    match patience {
        Some(turns) => {
            for _ in 0..turns {
                yield_now().await;
            }
        }
        None => std::future::pending().await,
    }
}

/// Waits until nothing runs any more: what was given up must end as well.
async fn settled(broker: &Broker) {
    for context in broker.contexts() {
        while context.usage().await.unwrap().calls > 0 {
            yield_now().await;
        }
    }
}

#[test]
fn players_of_all_languages_play_any_tree_together() {
    let players = players(&languages());
    if players.is_empty() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut config = ProptestConfig::with_cases(200);
    config.failure_persistence = None;
    // A tree that hangs does so at each step of being made smaller.
    config.max_shrink_time = 2 * TIMEOUT.as_millis() as u32;
    proptest!(config, |(plays in vec(play(), 1..6))| {
        let played = async { tokio::time::timeout(TIMEOUT, play_all(&players, &plays)).await };
        let outcome = runtime.block_on(played).unwrap_or_else(|_| Err("it hangs".into()));
        prop_assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    });
}
