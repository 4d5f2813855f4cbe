//! `import`: files beside the script and in its folders, never one outside of them.

#![cfg(all(feature = "js", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Broker, Context, Error, ErrorKind, Value};
use futures::future::try_join_all;
use js_support::*;
use std::{fs, future::IntoFuture, path::Path};
use tempfile::TempDir;

/// A folder with the files of one test.
fn files(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

async fn try_load(broker: &Broker, path: impl AsRef<Path>) -> Result<Context, Error> {
    within(broker.load(path).into_future()).await
}

/// The context of `main.js` in `folder`.
async fn load(broker: &Broker, folder: &TempDir) -> Context {
    try_load(broker, folder.path().join("main.js")).await.unwrap_or_else(|e| panic!("{e:?}"))
}

/// The error of `main.js` with `text`, beside `others`.
async fn refused(text: &str, others: &[(&str, &str)]) -> Error {
    let broker = builder().build().unwrap();
    let names = broker.names();
    let folder = files(&[&[("main.js", text)], others].concat());
    let result = try_load(&broker, folder.path().join("main.js")).await;
    assert_eq!(broker.names(), names, "no half-open context is left");
    result.expect_err("it should have failed")
}

// C-161, C-162: all forms of import and export, in folders too, found from the importing file.
#[tokio::test]
async fn modules_import_each_other() {
    let log = Log::default();
    let broker = log.of(builder()).build().unwrap();
    let folder = files(&[
        (
            "main.js",
            "import def, { named, renamed as other } from './lib/one.js';
             import * as all from './lib/one.js';
             import { deep, up } from './lib/sub/deep.js';
             import './side.js';
             import Both, { extra } from './lib/both.js';
             export const answer = () => [def(1), named, other, Object.keys(all).join(), deep,
               up(), Both.name, extra].join('|');
             export { named as again } from './lib/one.js';
             export * from './lib/both.js';
             export * as space from './lib/numbers.js';
             export let live = 1;
             export default function ignored() {}
             live = 2;
             print('main', this === undefined, typeof import.meta);",
        ),
        ("side.js", "print('side');"),
        (
            "lib/one.js",
            "print('one'); export default x => 'def' + x; export const named = 'n';
             const inner = 'r'; export { inner as renamed };",
        ),
        (
            "lib/sub/deep.js",
            "import { named } from '../one.js'; import { top } from '../../top.js';
             export const deep = 'deep' + named; export const up = () => top;",
        ),
        ("top.js", "export let top = 'top';"),
        ("lib/both.js", "export default class Both {} export const extra = 'extra';"),
        ("lib/numbers.js", "export const one = 1; export const two = 2;"),
    ]);
    let context = load(&broker, &folder).await;
    // In the order of the imports, each once, before the script itself.
    assert_eq!(log.take(), ["one", "side", "main true object"]);
    let answer: String = within(context.call("answer", ())).await.unwrap();
    assert_eq!(answer, "def1|n|r|default,named,renamed|deepn|top|Both|extra");
    // The main module's exports are offered to all, but for the default one.
    assert_eq!(broker.export("again").unwrap().as_str(), Some("n"));
    assert_eq!(broker.export("extra").unwrap().as_str(), Some("extra"));
    assert_eq!(broker.export("live").unwrap().as_int(), Some(2));
    let space = broker.export("space").unwrap();
    assert_eq!(space.as_aggregate().unwrap().get_str("two"), Some(&2.into()));
    assert!(!broker.names().iter().any(|name| name == "default" || name == "ignored"));
    assert!(!broker.names().contains(&"up".to_string()));
}

// Modules that import each other share their bindings, as they come to be.
#[tokio::test]
async fn modules_may_import_in_a_circle() {
    let broker = builder().build().unwrap();
    let folder = files(&[
        (
            "main.js",
            "import { even } from './even.js'; export const is_even = n => even(n);
                     import * as me from './main.js'; export const self = me.is_even === is_even;",
        ),
        (
            "even.js",
            "import { odd } from './odd.js'; export function even(n) {
          return n === 0 || odd(n - 1); }
                     export let early; try { early = late; } catch (e) { early = e.name;
                       } const late = 1;",
        ),
        (
            "odd.js",
            "import { even, early } from './even.js';
          export const odd = n => n !== 0 && even(n - 1);
                    let seen; try { seen = early; } catch (e) { seen = e.name; } export { seen };
                    expose('seen', seen);",
        ),
    ]);
    let context = load(&broker, &folder).await;
    assert!(within(context.call::<bool>("is_even", (100,))).await.unwrap());
    assert_eq!(broker.export("self").unwrap(), Value::from(true));
    assert_eq!(broker.export("seen").unwrap().as_str(), Some("ReferenceError"));
}

// The top level of a module may wait, in both forms, and so may what it exports.
#[tokio::test]
async fn modules_may_wait() {
    let broker = builder().build().unwrap();
    let folder = files(&[
        (
            "main.js",
            "import { get, order } from './slow.js';
                     order.push('main'); export { get, order };
                     export const later_import = async n => (await import('./late.js')).twice(n);",
        ),
        (
            "slow.js",
            "export const order = []; const base = later(40); order.push('plain');
                     const other = await later.async(2); order.push('awaited');
                     export const get = n => base + later(n) + other - 2;",
        ),
        (
            "late.js",
            "const factor = await later.async(2); export const twice = n => later(n) * factor;",
        ),
    ]);
    let context = load(&broker, &folder).await;
    let calls = (0..50).map(|n| context.call::<i64>("get", (n,)));
    let wanted: Vec<i64> = (40..90).collect();
    assert_eq!(within(try_join_all(calls)).await.unwrap(), wanted);
    let calls = (0..20).map(|n| context.call::<i64>("later_import", (n,)));
    let wanted: Vec<i64> = (0..20).map(|n| n * 2).collect();
    assert_eq!(within(try_join_all(calls)).await.unwrap(), wanted);
    let order = broker.export("order").unwrap();
    assert_eq!(format!("{order:?}"), r#"["plain", "awaited", "main"]"#);
}

// `import()` while the script runs: once evaluated, a module is the same for all.
#[tokio::test]
async fn a_dynamic_import_is_a_promise() {
    let log = Log::default();
    let broker = log.of(builder()).build().unwrap();
    let folder = files(&[
        (
            "main.js",
            "export const get = async name => { const m = await import(name);
          return m.default ?? m.value; };
                     export const same = async () =>
                       (await import('./a.js')) === (await import('./sub/../a.js'));
                     export const fails = async name => { try { await import(name);
                       return 'nothing'; }
                       catch (e) { return (e.kind ?? e.name) + ': ' + e.message; } };",
        ),
        ("a.js", "print('a'); export default 'A';"),
        ("sub/b.js", "export { default } from '../a.js';"),
        ("sub/relative.js", "export const value = (await import('./b.js')).default + '!';"),
        ("broken.js", "let = ;"),
        ("throws.js", "print('throws'); throw new RangeError('at the top');"),
        ("rejects.js", "await null; throw Object.assign(new Error('later'), { code: 7 });"),
        ("needs.js", "import { missing } from './a.js';"),
        ("empty.js", ""),
    ]);
    let context = load(&broker, &folder).await;
    assert_eq!(log.take(), Vec::<String>::new());
    for (name, wanted) in
        [("./a.js", "A"), ("./sub/b.js", "A"), ("./sub/relative.js", "A!"), ("./a.js", "A")]
    {
        assert_eq!(
            within(context.call::<String>("get", (name,))).await.unwrap(),
            wanted,
            "of {name}"
        );
    }
    assert_eq!(log.take(), ["a"]);
    assert!(within(context.call::<bool>("same", ())).await.unwrap());
    for (name, wanted) in [
        ("./broken.js", "SyntaxError: "),
        ("./throws.js", "RangeError: at the top"),
        // Evaluated once, it failed for good.
        ("./throws.js", "RangeError: at the top"),
        ("./rejects.js", "Error: later"),
        ("./needs.js", "SyntaxError: "),
        ("./nothing.js", "not_found: "),
        ("./sub", "io: "),
        ("./a", "not_found: "),
        ("a.js", "not_found: "),
        ("fs", "not_found: "),
        ("../main.js", "denied: "),
        ("/etc/passwd", "not_found: "),
        ("./../../../../../../etc/passwd", "denied: "),
        ("./empty.js", "nothing"),
    ] {
        let got: String = within(context.call("fails", (name,))).await.unwrap();
        assert!(got.starts_with(wanted), "of {name}: {got}");
    }
    assert_eq!(log.take(), ["throws"]);
}

// C-164: what cannot be imported ends the script that imports it, and says so.
#[tokio::test]
async fn imports_that_fail_say_why() {
    let error = refused("import './nothing.js';", &[]).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.message().contains("nothing.js"), "{error}");

    let error = refused("import { a } from './a.js';", &[("a.js", "export const b = 1;")]).await;
    assert_eq!(error.kind(), ErrorKind::Load, "{error:?}");
    assert!(error.message().contains('a'), "{error}");

    let error = refused("import './a.js';", &[("a.js", "\nlet x = = 1;")]).await;
    assert_eq!(error.kind(), ErrorKind::Load, "{error:?}");
    assert!(error.message().contains("a.js:2"), "{error}");

    let error = refused(
        "import './a.js';",
        &[("a.js", "import './b.js';"), ("b.js", "\n\nthrow new TypeError('b');")],
    )
    .await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "b"), "{error:?}");
    let last = error.trace().last().unwrap();
    assert!(last.script.ends_with("b.js") && last.line == Some(3), "{error:?}");

    let error = refused("import fs from 'node:fs';", &[]).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.message().contains("./node:fs"), "{error}");

    let error = refused("import '../outside.js';", &[]).await;
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");

    let error = refused("await import('./a.js');", &[("a.js", "fail('busy', 'native');")]).await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Busy, "native"), "{error:?}");

    let error = refused("export const f = () => 1; export const one = () => 2;", &[]).await;
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    assert!(error.message().contains("one"), "{error}");

    let error = refused("export const s = Symbol();", &[]).await;
    assert_eq!(error.kind(), ErrorKind::Unrepresentable, "{error:?}");
    assert!(error.message().contains('s'), "{error}");

    let error = refused("export const f = 1; await null; throw new Error('late');", &[]).await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "late"), "{error:?}");
}

// Only what lies in the script's folder can be imported, whatever it is called or links to.
#[cfg(unix)]
#[tokio::test]
async fn no_link_leads_out_of_the_folder() {
    let outside =
        files(&[("secret.js", "export default 'secret';"), ("folder/x.js", "export default 'x';")]);
    let folder = files(&[
        (
            "main.js",
            "export const fetched = async name => { try { return (await import(name)).default; }
                       catch (e) { return e.kind ?? e.name; } };",
        ),
        ("inside.js", "export default 'inside';"),
    ]);
    let link =
        |from: &Path, to: &str| std::os::unix::fs::symlink(from, folder.path().join(to)).unwrap();
    link(&outside.path().join("secret.js"), "secret.js");
    link(&outside.path().join("folder"), "folder");
    link(Path::new("inside.js"), "linked.js");
    link(Path::new("nowhere.js"), "dangling.js");
    link(Path::new("loop.js"), "loop.js");
    let broker = builder().build().unwrap();
    let context = load(&broker, &folder).await;
    for (name, wanted) in [
        ("./secret.js", "denied"),
        ("./folder/x.js", "denied"),
        ("./linked.js", "inside"),
        ("./inside.js", "inside"),
        ("./dangling.js", "not_found"),
    ] {
        let got: String = within(context.call("fetched", (name,))).await.unwrap();
        assert_eq!(got, wanted, "of {name}");
    }
    let got: String = within(context.call("fetched", ("./loop.js",))).await.unwrap();
    assert!(["io", "not_found", "denied"].contains(&&*got), "{got}");
    // A name with a NUL is no name.
    let got: String = within(context.call("fetched", ("./a\0b.js",))).await.unwrap();
    assert!(["not_found", "TypeError", "type"].contains(&&*got), "{got}");
}

// A script that came from no file has no folder to import from.
#[tokio::test]
async fn an_evaluated_script_imports_nothing() {
    let broker = builder().build().unwrap();
    let context = js(&broker, "").await;
    let source = "try { await import('./x.js'); 'nothing' } catch (e) { e.kind }";
    assert_eq!(eval::<String>(&context, source).await, "unsupported");
}

// Files are text: with a mark, without an end of line, of any name; every context has its own.
#[tokio::test]
async fn each_context_has_its_own_modules() {
    let folder = files(&[
        ("main.js", "import { next } from './état.js'; export const count = () => next();"),
        ("other.js", "import { next } from './état.js'; export const count_too = () => next();"),
        ("état.js", "\u{feff}#!/usr/bin/env calog\nlet n = 0; export const next = () => ++n"),
    ]);
    let broker = builder().build().unwrap();
    let first = load(&broker, &folder).await;
    let second = try_load(&broker, folder.path().join("other.js")).await.unwrap();
    for wanted in 1..4 {
        assert_eq!(within(first.call::<i64>("count", ())).await.unwrap(), wanted);
    }
    assert_eq!(within(second.call::<i64>("count_too", ())).await.unwrap(), 1);
    // Not UTF-8 is no script.
    fs::write(folder.path().join("état.js"), b"export const next = () => '\xff';").unwrap();
    let error = try_load(&broker, folder.path().join("other.js")).await.unwrap_err();
    assert!([ErrorKind::Load, ErrorKind::Denied].contains(&error.kind()), "{error:?}");
}
