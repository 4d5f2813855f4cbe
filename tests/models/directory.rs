//! The directory: ids that are stale find nobody, names have one owner, and what is remembered is
//! not stale.

use crate::{
    explore,
    runtime::{context::Address, directory::Directory},
};
use calog::{ContextId, ErrorKind, Value, engine::Resolved};
use loom::thread;
use std::sync::Arc;

const ROOM: usize = 1 << 20;

fn directory() -> Arc<Directory> {
    Arc::new(Directory::new(Vec::new(), Vec::new()).unwrap())
}

fn enter(directory: &Directory) -> ContextId {
    directory.enter(|id| Arc::new(Address(id))).unwrap().0
}

/// The data that `name` stands for.
fn data(directory: &Directory, name: &str) -> Option<i64> {
    match directory.resolve(name)? {
        Resolved::Data(value) => value.as_int(),
        _ => None,
    }
}

#[test]
fn a_stale_id_never_finds_the_successor() {
    explore(|| {
        let directory = directory();
        let old = enter(&directory);
        let successor = {
            let directory = directory.clone();
            thread::spawn(move || {
                directory.leave(old);
                // Twice does no harm, whoever is there now.
                directory.leave(old);
                enter(&directory)
            })
        };
        for _ in 0..2 {
            assert!(directory.context(old).is_none_or(|found| found.0 == old));
        }
        let new = successor.join().unwrap();
        assert_eq!((new.slot(), new.generation()), (old.slot(), old.generation() + 1));
        assert!(directory.context(old).is_none());
        assert_eq!(directory.context(new).unwrap().0, new);
        assert_eq!(directory.contexts().len(), 1);
    });
}

#[test]
fn two_that_enter_are_two() {
    explore(|| {
        let directory = directory();
        let other = {
            let directory = directory.clone();
            thread::spawn(move || enter(&directory))
        };
        let mine = enter(&directory);
        let theirs = other.join().unwrap();
        assert_ne!(mine.slot(), theirs.slot());
        assert_eq!(directory.context(theirs).unwrap().0, theirs);
    });
}

#[test]
fn of_two_that_expose_a_name_one_has_it() {
    explore(|| {
        let directory = directory();
        let ids = [enter(&directory), enter(&directory)];
        let [mine, theirs] = ids;
        let other = {
            let directory = directory.clone();
            thread::spawn(move || directory.expose(theirs, "shop", Value::Int(2), ROOM))
        };
        // What lies below a name belongs to its owner as well.
        let first = directory.expose(mine, "shop.price", Value::Int(1), ROOM);
        let second = other.join().unwrap();
        let refused = [&first, &second].map(|result| result.as_ref().err().map(|e| e.kind()));
        match refused {
            [None, Some(ErrorKind::Denied)] => {
                assert_eq!(data(&directory, "shop.price"), Some(1));
                assert!(matches!(directory.resolve("shop"), Some(Resolved::Namespace { .. })));
            }
            [Some(ErrorKind::Denied), None] => {
                assert_eq!(data(&directory, "shop"), Some(2));
                assert!(directory.resolve("shop.price").is_none());
            }
            both => panic!("{both:?}"),
        }
    });
}

#[test]
fn a_name_is_free_when_its_owner_has_left_and_not_before() {
    explore(|| {
        let directory = directory();
        let [old, new] = [enter(&directory), enter(&directory)];
        directory.expose(old, "net.a", Value::Int(1), ROOM).unwrap();
        let leaving = {
            let directory = directory.clone();
            thread::spawn(move || directory.leave(old))
        };
        let taken = directory.expose(new, "net.a", Value::Int(2), ROOM);
        leaving.join().unwrap();
        // Never half: what was refused is nobody's now, and what was taken has survived the other's
        // leave.
        assert_eq!(data(&directory, "net.a"), taken.is_ok().then_some(2));
        let is_namespace = directory.resolve("net").is_some();
        assert_eq!(is_namespace, taken.is_ok());
        assert_eq!(directory.exported_by(old, "net.a"), None);
        let left: Vec<_> = directory.contexts().iter().map(|context| context.0).collect();
        assert_eq!(left, [new]);
    });
}

/// A name is looked up and remembered while it is changed. As long as the change is not done, what
/// it stood for before may be used; after it, no more.
fn look_up_during(change: fn(&Directory, ContextId), after: Option<i64>) {
    explore(move || {
        let directory = directory();
        let owner = enter(&directory);
        directory.expose(owner, "rate", Value::Int(1), ROOM).unwrap();
        let changing = {
            let directory = directory.clone();
            thread::spawn(move || change(&directory, owner))
        };
        // What a call by name does: the epoch first, then what the name stands for.
        let epoch = directory.epoch();
        let remembered = data(&directory, "rate");
        changing.join().unwrap();
        if directory.epoch() == epoch {
            assert_eq!(remembered, after);
        }
        assert_eq!(data(&directory, "rate"), after);
    });
}

#[test]
fn what_is_remembered_of_an_export_that_is_replaced() {
    let replace = |directory: &Directory, owner| {
        directory.expose(owner, "rate", Value::Int(2), ROOM).unwrap();
    };
    look_up_during(replace, Some(2));
}

#[test]
fn what_is_remembered_of_an_owner_that_leaves() {
    look_up_during(Directory::leave, None);
}
