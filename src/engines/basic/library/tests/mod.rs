//! Each function by what the dialect says of it.

mod collections;
mod objects;
mod values;

use super::*;
use crate::engines::basic::objects::Items;

const LIMIT: usize = 64 << 20;

/// A heap, and short ways to call and to compare.
struct World {
    heap: Heap,
    state: State,
    symbols: Table,
}

impl World {
    fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    fn with_limit(limit: usize) -> Self {
        Self { heap: Heap::new(limit), state: State::default(), symbols: Table::default() }
    }

    fn text(&mut self, text: &str) -> Value {
        self.heap.new_text(text.as_bytes())
    }

    fn list(&mut self, items: &[Value]) -> Value {
        self.heap.new_list(items.to_vec())
    }

    fn try_run(&mut self, name: &str, args: &[Value]) -> Result<Value, Failure> {
        let function = Library::find(name).unwrap_or_else(|| panic!("no {name}"));
        run(&mut self.heap, &mut self.state, &self.symbols, function, args)
    }

    fn run(&mut self, name: &str, args: &[Value]) -> Value {
        self.try_run(name, args).unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    /// The code that the call fails with.
    fn code(&mut self, name: &str, args: &[Value]) -> u8 {
        self.fault(name, args).code as u8
    }

    fn fault(&mut self, name: &str, args: &[Value]) -> Fault {
        match self.try_run(name, args) {
            Err(Failure::Fault(fault)) => *fault,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The result of a call, as [`show`](Self::show) does.
    fn shown(&mut self, name: &str, args: &[Value]) -> String {
        let value = self.run(name, args);
        self.show(value)
    }

    /// A value so that its type can be seen.
    fn show(&self, value: Value) -> String {
        let all = |values: &[Value]| {
            let values: Vec<String> = values.iter().map(|value| self.show(*value)).collect();
            values.join(" ")
        };
        match value {
            Int(int) => int.to_string(),
            Real(real) => format!("{}!", Number::Real(real)),
            Value::Text(r) => format!("{:?}", String::from_utf8_lossy(self.heap.text(r))),
            Value::Type(kind) => kind.name().into(),
            Value::List(r) => format!("[{}]", all(&self.heap.list(r).items)),
            Value::Dict(r) => {
                let entries = &self.heap.dict(r).entries;
                let entries = (0..entries.len()).filter_map(|index| entries.at(index));
                let mut entries: Vec<String> = entries
                    .map(|(key, value)| format!("{}={}", self.show(key), self.show(value)))
                    .collect();
                entries.sort();
                format!("{{{}}}", entries.join(" "))
            }
            Value::Array(r) => match &self.heap.array(r).items {
                Items::Numbers(items) => format!("{:?}{items:?}", self.heap.array(r).sizes),
                Items::Texts(items) => format!("({})", all(items)),
            },
            other => self.heap.type_of(other).name().into(),
        }
    }
}

use Value::{Int, Nil, Real};

fn item_of(value: Value) -> i64 {
    match value {
        Int(int) => int,
        other => panic!("{other:?}"),
    }
}
