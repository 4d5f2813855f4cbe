//! Classes and their objects, as far as functions of the library know them.

use super::{Call, Code, Failure, Heap, Ref, Text, Type, Value, collections, described};
use crate::engines::basic::{
    class::Member,
    dict::{Entries, Ready},
    names::Table,
    objects::{Dict, Object, Routine},
};

/// `NEW(object)`: an object with the same fields. Lists and dicts in them are copied, and what else
/// they refer to is shared.
pub(super) fn new(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let of = object(call, heap)?;
    let source = heap.object(of);
    let bytes = source.fields.iter().map(|field| match *field {
        Value::List(list) => size_of_val(&*heap.list(list).items),
        Value::Dict(dict) => heap.dict(dict).entries.bytes(),
        _ => 0,
    });
    heap.reserve(bytes.sum::<usize>() + size_of_val(&*source.fields))?;
    let shape = source.shape.clone();
    let mut fields = source.fields.clone();
    for field in &mut fields {
        match *field {
            Value::List(list) => *field = collections::copy_list(heap, list),
            Value::Dict(dict) => *field = collections::copy_dict(heap, dict),
            _ => {}
        }
    }
    Ok(heap.add_object(Object { shape, fields }))
}

/// `REFLECT(object)`: a dict of its members, fields with their values
pub(super) fn reflect(call: &Call<'_>, heap: &mut Heap, symbols: &Table) -> Result<Value, Failure> {
    let of = object(call, heap)?;
    let shape = heap.object(of).shape.clone();
    let mut entries = Entries::default();
    heap.reserve(entries.growth(shape.members.len() + 1))?;
    let me = heap.new_text(b"ME");
    entries.insert(Ready::new(heap, me), Value::Object(of));
    // The order also has what is overridden.
    for (symbol, _) in &shape.order {
        let value = match shape.members.get(symbol) {
            Some(Member::Field(at)) => heap.object(of).fields[*at],
            Some(Member::Method(_)) => Value::Type(Type::Routine),
            None => continue,
        };
        let name = heap.new_text(symbols.name(*symbol).as_bytes());
        entries.insert(Ready::new(heap, name), value);
    }
    Ok(heap.add_dict(Dict { entries, ..Dict::default() }))
}

fn object(call: &Call<'_>, heap: &Heap) -> Result<Ref<Object>, Failure> {
    match call.exactly()? {
        [Value::Object(object)] => Ok(object),
        [other] => Err(call.unexpected(Code::ClassExpected, heap, other, "a CLASS")),
    }
}

/// `GET(object, name)`: the value of a field, or a method as a routine that belongs to the object
pub(super) fn get(
    call: &Call<'_>,
    heap: &mut Heap,
    symbols: &Table,
    of: Ref<Object>,
) -> Result<Value, Failure> {
    let [_, _] = call.exactly()?;
    let name = call.text(heap, 1)?;
    Ok(match member(heap, symbols, of, name) {
        Some(Member::Field(at)) => heap.object(of).fields[at],
        Some(Member::Method(proto)) => heap.add_routine(Routine::Script {
            proto,
            me: Value::Object(of),
            upvalues: Box::default(),
        }),
        // Unlike a member that is written with a dot.
        None => Value::Nil,
    })
}

/// `SET(object, name, value)`: gives a field another value
pub(super) fn set(
    call: &Call<'_>,
    heap: &mut Heap,
    symbols: &Table,
    of: Ref<Object>,
) -> Result<Value, Failure> {
    let [object, _, value] = call.exactly()?;
    let name = call.text(heap, 1)?;
    match member(heap, symbols, of, name) {
        Some(Member::Field(at)) => heap.object_mut(of).fields[at] = value,
        _ => {
            let name = String::from_utf8_lossy(heap.text(name));
            let detail = format_args!("{} has no field {name}", described(heap, object));
            return Err(call.fault(Code::VariableExpected, detail));
        }
    }
    Ok(object)
}

/// The member called `name`, in any case.
fn member(heap: &Heap, symbols: &Table, of: Ref<Object>, name: Ref<Text>) -> Option<Member> {
    let name = str::from_utf8(heap.text(name)).ok()?.to_ascii_uppercase();
    heap.object(of).shape.members.get(&symbols.find(&name)?).cloned()
}
