//! Classes, their objects, and lambdas.

use super::Machine;
use crate::engines::basic::{
    class::{MOST_ANCESTORS, Member, Shape, Symbol},
    code::{DefinedClass, Proto, Shared},
    fault::{Code, Failure, Fault},
    heap::Ref,
    objects::{Object, Routine},
    value::Value,
};
use std::{io::Write as _, rc::Rc};

impl Machine {
    /// A field of an object, if it is one.
    #[inline]
    pub(super) fn field(&self, object: Value, member: Symbol) -> Option<Value> {
        let Value::Object(object) = object else { return None };
        let object = self.heap.object(object);
        object.fields.get(object.shape.field(member)?).copied()
    }

    /// A member of an object, or UNKNOWN.
    pub(super) fn member(&mut self, object: Value, member: Symbol) -> Result<Value, Failure> {
        let Value::Object(of) = object else {
            return Err(self.no_object(Code::InvalidIdentifier, object, member).into());
        };
        let object = self.heap.object(of);
        match object.shape.members.get(&member) {
            Some(Member::Field(field)) => Ok(object.fields[*field]),
            Some(Member::Method(proto)) => {
                let (proto, me) = (proto.clone(), Value::Object(of));
                Ok(self.heap.add_routine(Routine::Script { proto, me, upvalues: Box::default() }))
            }
            None => Ok(Value::Unknown),
        }
    }

    pub(super) fn set_member(
        &mut self,
        object: Value,
        member: Symbol,
        value: Value,
    ) -> Result<(), Failure> {
        let Value::Object(of) = object else {
            return Err(self.no_object(Code::ColonExpected, object, member).into());
        };
        match self.heap.object(of).shape.field(member) {
            Some(field) => self.heap.object_mut(of).fields[field] = value,
            None => return Err(self.no_member(of, member).into()),
        }
        Ok(())
    }

    /// The fault of a member that is asked of what is no object.
    pub(super) fn no_object(&self, code: Code, value: Value, member: Symbol) -> Fault {
        let kind = self.heap.type_of(value).name();
        let name = self.names.symbols.name(member);
        Fault::new(code, format!("a value of type {kind} has no `{name}`"))
    }

    /// The fault of a member that an object should have.
    pub(super) fn no_member(&self, object: Ref<Object>, member: Symbol) -> Fault {
        let class = &self.heap.object(object).shape.name;
        let name = self.names.symbols.name(member);
        Fault::new(Code::ColonExpected, format!("the class {class} has no `{name}` like this"))
    }

    /// Defines a class: its prototype, with the first values of its fields from the registers.
    pub(super) fn define(
        &mut self,
        class: &DefinedClass,
        registers: &[Value],
    ) -> Result<Value, Failure> {
        let mut shape = Shape { name: class.name.clone(), ..Shape::default() };
        shape.ancestors.push(self.classes);
        self.classes += 1;
        let mut fields = Vec::new();
        let mut add = |shape: &mut Shape, name: Symbol, value: Result<Value, Rc<Proto>>| {
            // What was found first counts: what is the class's own, then its bases' from the left.
            if shape.members.contains_key(&name) {
                return;
            }
            let member = match value {
                Ok(value) => {
                    fields.push(value);
                    Member::Field(fields.len() - 1)
                }
                Err(proto) => Member::Method(proto),
            };
            shape.members.insert(name, member.clone());
            shape.order.push((name, member));
        };
        for (field, value) in class.fields.iter().zip(&registers[usize::from(class.values)..]) {
            add(&mut shape, *field, Ok(*value));
        }
        for (method, proto) in &class.methods {
            add(&mut shape, *method, Err(proto.clone()));
        }
        for base in &class.bases {
            let Value::Object(base) = registers[usize::from(*base)] else {
                let kind = self.heap.type_of(registers[usize::from(*base)]).name();
                let detail = format!("the base of {} is no class but of type {kind}", class.name);
                return Err(Fault::new(Code::ClassExpected, detail).into());
            };
            let base = self.heap.object(base);
            for ancestor in &base.shape.ancestors {
                if !shape.ancestors.contains(ancestor) {
                    shape.ancestors.push(*ancestor);
                }
            }
            if shape.ancestors.len() > MOST_ANCESTORS + 1 {
                let detail =
                    format!("{} comes from more than {MOST_ANCESTORS} classes", class.name);
                return Err(Fault::new(Code::TooManyNested, detail).into());
            }
            for (name, member) in &base.shape.order {
                match member {
                    Member::Field(at) => add(&mut shape, *name, Ok(base.fields[*at])),
                    Member::Method(proto) => add(&mut shape, *name, Err(proto.clone())),
                }
            }
        }
        let has =
            |name| self.names.symbols.find(name).is_some_and(|name| shape.method(name).is_some());
        let (hash, compare) = (has("HASH"), has("COMPARE"));
        if hash != compare {
            let detail = format!("the class {} has only one of them", class.name);
            return Err(Fault::new(Code::HashAndCompare, detail).into());
        }
        let speaks = has("TO_STRING");
        let overrides =
            shape.order.iter().any(|(name, _)| self.names.symbols.name(*name).starts_with('_'));
        (shape.hashes, shape.speaks, shape.overrides) = (hash, speaks, overrides);
        Ok(self.heap.add_object(Object { shape: Rc::new(shape), fields }))
    }

    /// The object that `value` is, if it says its text itself.
    pub(super) fn speaks(&self, value: Value) -> Option<Value> {
        match value {
            Value::Object(object) if self.heap.object(object).shape.speaks => Some(value),
            _ => None,
        }
    }

    /// Makes a lambda: what it shares is in the registers of the routine that makes it, or shared
    /// with that already.
    pub(super) fn lambda(
        &mut self,
        proto: &Proto,
        lambda: u32,
        registers: &[Value],
        routine: Option<Ref<Routine>>,
    ) -> Value {
        let lambda = &proto.lambdas[lambda as usize];
        let mut upvalues = Vec::with_capacity(lambda.shared.len());
        for shared in &lambda.shared {
            match *shared {
                Shared::Register(register) => {
                    if let Value::Upvalue(upvalue) = registers[usize::from(register)] {
                        upvalues.push(upvalue);
                    }
                }
                Shared::Upvalue(at) => {
                    if let Some(routine) = routine
                        && let Routine::Script { upvalues: outer, .. } = self.heap.routine(routine)
                    {
                        upvalues.push(outer[usize::from(at)]);
                    }
                }
            }
        }
        let (proto, me) = (lambda.proto.clone(), Value::Nil);
        self.heap.add_routine(Routine::Script { proto, me, upvalues: upvalues.into() })
    }

    /// Writes what PRINT makes of a value.
    pub(super) fn print(&mut self, value: Value) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        match value {
            // Writing to a vector cannot fail.
            Value::Int(int) => drop(write!(text, "{int}")),
            Value::Real(real) => {
                drop(write!(text, "{}", crate::engines::basic::number::Number::Real(real)));
            }
            Value::Text(r) => {
                self.scope().write(self.heap.text(r));
            }
            Value::Type(kind) => text.extend_from_slice(kind.name().as_bytes()),
            other => text.extend_from_slice(self.heap.type_of(other).name().as_bytes()),
        }
        self.scope().write(&text);
        self.text = text;
    }
}
