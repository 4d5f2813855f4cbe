//! Operations that programs do less often.

use super::{Arriving, DEEPEST, Flow, Machine, Run, step::arguments};
use crate::engines::basic::{
    code::{Op, Register},
    fault::{Code, Failure, Fault},
    heap::Ref,
    library::iterators,
    objects::{Text, Upvalue},
    value::Value,
};

impl Machine {
    /// Does one operation of the innermost frame, which is past it already.
    #[inline(never)]
    pub(super) fn rare(&mut self, run: &mut Run, op: Op) -> Result<Flow, Failure> {
        let Some(frame) = run.frames.last_mut() else { return Ok(Flow::Next) };
        let base = frame.base;
        let place = |register: Register| base + usize::from(register);
        /// A register.
        macro_rules! r {
            ($register:expr) => {
                run.stack[place($register)]
            };
        }
        match op {
            Op::Fail { fault } => return Err(frame.proto.faults[fault as usize].clone().into()),
            Op::Global { d, global } => r!(d) = self.global(run, global)?,
            Op::Share { d } => r!(d) = self.heap.add_upvalue(Upvalue(r!(d))),
            Op::External { d, name } => r!(d) = self.external(run, name)?,
            Op::RoutineOf { d, name } => r!(d) = self.routine_of(name)?,
            Op::Is { d, a, b } => r!(d) = self.is(r!(a), r!(b))?,
            Op::Negate { d, a } => r!(d) = Self::negate(r!(a)),
            Op::JumpIfNil { a, to } => {
                if let Value::Nil = run.stack[place(a)] {
                    frame.pc = to as usize;
                }
            }
            Op::Gosub { to } => {
                if run.subs.len() >= DEEPEST {
                    let detail = "too many GOSUBs in each other";
                    return Err(Fault::new(Code::TooManyNested, detail).into());
                }
                run.subs.push(u32::try_from(frame.pc).unwrap_or(u32::MAX));
                frame.pc = to as usize;
            }
            Op::ReturnSub { from, wanted } => match run.subs.pop() {
                Some(back) => frame.pc = back as usize,
                None if wanted && run.wants_result => {
                    let result = r!(from);
                    run.frames.clear();
                    return Ok(Flow::Done(result));
                }
                None => {
                    let detail = "there is no GOSUB to return to";
                    return Err(Fault::new(Code::NoReturnPoint, detail).into());
                }
            },
            Op::Apply { d, count, callee, name, call } => {
                let count = arguments(run, place(d), count);
                return self.apply(run, r!(callee), place(d), count, name, call);
            }
            Op::CallExternal { d, count, name, call } => {
                let count = arguments(run, place(d), count);
                return self.call_external(run, place(d), count, name, call);
            }
            Op::Spread { d, count, rest } => {
                let rest = r!(rest);
                self.spread(run, place(d) + 1 + usize::from(count), rest)?;
            }
            Op::End => return Err(Failure::Ended),
            Op::SetElement { of, d, count, from } => {
                let first = place(d) + 1;
                let count = arguments(run, place(d), count);
                let indices = run.stack[first..first + count].to_vec();
                return self.set_element(run, r!(of), &indices, r!(from));
            }
            Op::Member { d, object, member } => r!(d) = self.member(r!(object), member)?,
            Op::Dim { d, count, texts } => {
                let sizes = &run.stack[place(d) + 1..][..usize::from(count)];
                r!(d) = self.dim(sizes, texts)?;
            }
            Op::NextRest { d, rest } => {
                if let Value::List(rest) = r!(rest) {
                    let next = self.heap.change_list(rest, Vec::pop);
                    r!(d) = next.unwrap_or(Value::Unknown);
                }
            }
            Op::CountRest { d, rest } => {
                if let Value::List(rest) = r!(rest) {
                    let left = self.heap.list(rest).items.len();
                    r!(d) = Value::Int(i64::try_from(left).unwrap_or(i64::MAX));
                }
            }
            Op::Lambda { d, lambda } => {
                let registers = &run.stack[base..];
                r!(d) = self.lambda(&frame.proto, lambda, registers, frame.routine);
            }
            Op::DefineClass { d, definition } => {
                let class = &frame.proto.classes[definition as usize];
                r!(d) = self.define(class, &run.stack[base..])?;
            }
            Op::Iterate { d, of } => return self.iterate(run, r!(of), place(d)),
            Op::SetCurrent { iterator, from } => {
                if let Value::Iterator(iterator) = r!(iterator) {
                    iterators::set_current(&mut self.heap, iterator, r!(from));
                }
            }
            Op::Print { a } => {
                if let Some(object) = self.speaks(r!(a)) {
                    // It comes back here with the text.
                    frame.pc -= 1;
                    return self.say(run, object, place(a));
                }
                self.print(r!(a));
            }
            Op::PrintLine => self.scope().write(b"\n"),
            Op::Input { d } => {
                run.arriving = Arriving::Line(place(d));
                return Ok(Flow::Wait(self.scope().read_line()));
            }
            Op::Candidates { d, dict, hash } => {
                r!(d) = self.candidates(r!(dict), r!(hash), &run.keys)?;
            }
            Op::Open { name } => self.open(name),
            Op::Rethrow => return Err(Self::pending(run)),
            // All others are done where operations are run.
            _ => {}
        }
        Ok(Flow::Next)
    }

    /// Puts `a + b` into the place `at` of the stack.
    pub(super) fn concat(
        &mut self,
        run: &mut Run,
        at: usize,
        a: Ref<Text>,
        b: Ref<Text>,
    ) -> Result<Flow, Failure> {
        run.stack[at] = self.add(Value::Text(a), Value::Text(b))?;
        Ok(Flow::Next)
    }
}
