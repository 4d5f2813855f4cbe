//! Classes and their objects.

use super::{Int, Nil, Real, Ref, Value, World};
use crate::engines::basic::{
    class::{Member, Shape},
    code::Proto,
    objects::{Object, Routine},
};
use std::rc::Rc;

/// An object with the fields X, Y (both of another class, which Y overrides), L and D, and a method
/// M.
fn object(world: &mut World, fields: Vec<Value>) -> Ref<Object> {
    let mut shape = Shape::default();
    let method = Member::Method(Rc::new(Proto::default()));
    let members = [
        ("X", Member::Field(0)),
        ("Y", Member::Field(1)),
        ("L", Member::Field(2)),
        ("D", Member::Field(3)),
        ("M", method.clone()),
        ("Y", method),
    ];
    for (name, member) in members {
        let symbol = world.symbols.number(&name.into());
        shape.members.entry(symbol).or_insert(member.clone());
        shape.order.push((symbol, member));
    }
    match world.heap.add_object(Object { shape: Rc::new(shape), fields }) {
        Value::Object(object) => object,
        other => panic!("{other:?}"),
    }
}

fn example(world: &mut World) -> (Value, Ref<Object>) {
    let list = world.list(&[Int(1)]);
    let dict = world.run("DICT", &[Int(2), list]);
    let object = object(world, vec![Int(7), Real(1.5), list, dict]);
    (Value::Object(object), object)
}

#[test]
fn fields_are_read_and_written_by_name() {
    let mut world = World::new();
    let (object, _) = example(&mut world);
    let (x, upper, missing) = (world.text("x"), world.text("Y"), world.text("z"));
    assert_eq!(world.shown("GET", &[object, x]), "7");
    assert_eq!(world.shown("GET", &[object, upper]), "1.5!");
    assert_eq!(world.shown("GET", &[object, missing]), "NIL");
    assert_eq!(world.shown("SET", &[object, x, Nil]), "CLASS");
    assert_eq!(world.shown("GET", &[object, x]), "NIL");
    let method = world.text("m");
    assert_eq!(world.code("SET", &[object, missing, Nil]), 19);
    assert_eq!(world.code("SET", &[object, method, Nil]), 19);
    assert_eq!(world.code("SET", &[object, Int(0), Nil]), 47);
    assert_eq!(world.code("SET", &[object, x]), 14);
    assert_eq!(world.code("SET", &[object, x, Nil, Nil]), 34);
    assert_eq!(world.code("GET", &[object, Int(0)]), 47);
    assert_eq!(world.code("GET", &[object]), 14);
    let fault = world.fault("SET", &[object, missing, Nil]);
    assert_eq!(fault.to_string(), "Code 19: Variable expected: SET: a CLASS has no field z");
}

#[test]
fn a_method_that_is_read_belongs_to_its_object() {
    let mut world = World::new();
    let (object, r) = example(&mut world);
    let method = world.text("m");
    let Value::Routine(routine) = world.run("GET", &[object, method]) else { panic!("no routine") };
    let Routine::Script { me: Value::Object(me), .. } = world.heap.routine(routine) else {
        panic!("no method")
    };
    assert_eq!(*me, r);
}

#[test]
fn objects_are_copied_with_their_collections() {
    let mut world = World::new();
    let (_, inner) = example(&mut world);
    let list = world.list(&[Int(1)]);
    let object = object(&mut world, vec![Int(7), Value::Object(inner), list, Nil]);
    let (x, y, l) = (world.text("x"), world.text("y"), world.text("l"));
    let copy = world.run("NEW", &[Value::Object(object)]);
    world.run("SET", &[copy, x, Int(8)]);
    world.run("PUSH", &[list, Int(2)]);
    assert_eq!(world.shown("GET", &[Value::Object(object), x]), "7");
    assert_eq!(world.shown("GET", &[Value::Object(object), l]), "[1 2]");
    assert_eq!(world.shown("GET", &[copy, l]), "[1]");
    assert!(world.run("GET", &[copy, y]).same(Value::Object(inner)));
    let text = world.text("nothing");
    for wrong in [Int(5), Nil, text, list] {
        assert_eq!(world.code("NEW", &[wrong]), 57);
        assert_eq!(world.code("REFLECT", &[wrong]), 57);
    }
    assert_eq!(world.code("NEW", &[]), 14);
}

#[test]
fn objects_tell_their_members() {
    let mut world = World::new();
    let (object, r) = example(&mut world);
    let members = world.run("REFLECT", &[object]);
    let shown = r#"{"D"={2=[1]} "L"=[1] "M"=ROUTINE "ME"=CLASS "X"=7 "Y"=1.5!}"#;
    assert_eq!(world.show(members), shown);
    let me = world.text("ME");
    assert!(world.run("GET", &[members, me]).same(Value::Object(r)));
}
