//! The loop that runs operations.

use super::{Arriving, Flow, Machine, Outcome, Run, STRETCH, run::Frame};
use crate::engines::basic::{
    code::{Arithmetic, Op, SPREAD},
    fault::{Code, Failure, Fault},
    library::iterators,
    number::Number,
    objects::{Routine, Upvalue},
    value::Value,
};

impl Machine {
    /// Runs operations until the call ends, waits, has run for a while, or fails.
    pub(super) fn steps(&mut self, run: &mut Run) -> Result<Outcome, Failure> {
        'frames: loop {
            let Some(frame) = run.frames.last() else { return Ok(Outcome::Done(Value::Nil)) };
            let Frame { proto, routine, base, pc, .. } = frame;
            let (proto, routine, base, mut pc) = (proto.clone(), *routine, *base, *pc);
            let code = &proto.code[..];
            let registers = &mut run.stack[base..base + proto.registers];

            /// A register.
            macro_rules! r {
                ($register:expr) => {
                    registers[usize::from($register)]
                };
            }
            /// Leaves the place where we are in the frame, for traces and for going on.
            macro_rules! stay {
                () => {
                    if let Some(frame) = run.frames.last_mut() {
                        frame.pc = pc;
                    }
                };
            }
            /// The result, or the failure of this operation.
            macro_rules! attempt {
                ($result:expr) => {
                    match $result {
                        Ok(value) => value,
                        Err(failure) => {
                            stay!();
                            return Err(failure.into());
                        }
                    }
                };
            }
            /// Does what an operation leads to.
            macro_rules! follow {
                ($flow:expr) => {{
                    stay!();
                    match $flow? {
                        Flow::Next | Flow::Enter => {}
                        Flow::Wait(operation) => return Ok(Outcome::Wait(operation)),
                    }
                    if self.heap.is_due() {
                        self.collect(run)?;
                    }
                    continue 'frames;
                }};
            }
            /// Collects what is garbage if there is enough new: after the result is in its place.
            macro_rules! allocated {
                () => {
                    if self.heap.is_due() {
                        stay!();
                        self.collect(run)?;
                        continue 'frames;
                    }
                };
            }
            /// One step towards the end of the stretch.
            macro_rules! burn {
                () => {
                    self.fuel -= 1;
                    if self.fuel == 0 {
                        self.fuel = STRETCH;
                        stay!();
                        return Ok(Outcome::Pause);
                    }
                };
            }

            loop {
                let op = code[pc];
                pc += 1;
                match op {
                    Op::Fail { fault } => {
                        attempt!(Err::<(), _>(proto.faults[fault as usize].clone()));
                    }
                    Op::Nil { d } => r!(d) = Value::Nil,
                    Op::Int { d, int } => r!(d) = Value::Int(int.into()),
                    Op::Constant { d, constant } => r!(d) = proto.constants[constant as usize],
                    Op::Move { d, from } => r!(d) = r!(from),
                    Op::Global { d, global } => match self.globals[global as usize] {
                        Value::Unset => {
                            stay!();
                            let value = self.global(run, global)?;
                            run.stack[base + usize::from(d)] = value;
                            continue 'frames;
                        }
                        value => r!(d) = value,
                    },
                    Op::RawGlobal { d, global } => r!(d) = self.globals[global as usize],
                    Op::SetGlobal { global, from } => self.globals[global as usize] = r!(from),
                    Op::Share { d } => {
                        r!(d) = self.heap.add_upvalue(Upvalue(r!(d)));
                        allocated!();
                    }
                    Op::Shared { d, of } => {
                        if let Value::Upvalue(upvalue) = r!(of) {
                            r!(d) = self.heap.upvalue(upvalue).0;
                        }
                    }
                    Op::SetShared { of, from } => {
                        if let Value::Upvalue(upvalue) = r!(of) {
                            self.heap.upvalue_mut(upvalue).0 = r!(from);
                        }
                    }
                    Op::Upvalue { d, upvalue } => {
                        if let Some(routine) = routine
                            && let Routine::Script { upvalues, .. } = self.heap.routine(routine)
                        {
                            let upvalue = upvalues[usize::from(upvalue)];
                            r!(d) = self.heap.upvalue(upvalue).0;
                        }
                    }
                    Op::SetUpvalue { upvalue, from } => {
                        if let Some(routine) = routine
                            && let Routine::Script { upvalues, .. } = self.heap.routine(routine)
                        {
                            let upvalue = upvalues[usize::from(upvalue)];
                            self.heap.upvalue_mut(upvalue).0 = r!(from);
                        }
                    }
                    Op::External { d, name } => {
                        stay!();
                        let value = self.external(run, name)?;
                        run.stack[base + usize::from(d)] = value;
                        continue 'frames;
                    }
                    Op::RoutineOf { d, name } => {
                        r!(d) = attempt!(self.routine_of(name));
                        allocated!();
                    }

                    Op::Add { d, a, b } => {
                        r!(d) = match (r!(a), r!(b)) {
                            (Value::Int(x), Value::Int(y)) => match x.checked_add(y) {
                                Some(sum) => Value::Int(sum),
                                None => attempt!(self.add(r!(a), r!(b))),
                            },
                            (a @ Value::Text(_), b) => {
                                r!(d) = attempt!(self.add(a, b));
                                allocated!();
                                continue;
                            }
                            (a, b) => attempt!(self.add(a, b)),
                        };
                    }
                    Op::AddInt { d, a, int } => {
                        let int = i64::from(int);
                        r!(d) = match r!(a) {
                            Value::Int(x) => match x.checked_add(int) {
                                Some(sum) => Value::Int(sum),
                                None => attempt!(self.add(r!(a), Value::Int(int))),
                            },
                            a => attempt!(self.add(a, Value::Int(int))),
                        };
                    }
                    Op::Subtract { d, a, b } => {
                        r!(d) = match (r!(a), r!(b)) {
                            (Value::Int(x), Value::Int(y)) => match x.checked_sub(y) {
                                Some(left) => Value::Int(left),
                                None => {
                                    attempt!(self.calculate(Number::subtract, "-", r!(a), r!(b)))
                                }
                            },
                            (a, b) => attempt!(self.calculate(Number::subtract, "-", a, b)),
                        };
                    }
                    Op::Multiply { d, a, b } => {
                        r!(d) = match (r!(a), r!(b)) {
                            (Value::Int(x), Value::Int(y)) => match x.checked_mul(y) {
                                Some(product) => Value::Int(product),
                                None => {
                                    attempt!(self.calculate(Number::multiply, "*", r!(a), r!(b)))
                                }
                            },
                            (a, b) => attempt!(self.calculate(Number::multiply, "*", a, b)),
                        };
                    }
                    Op::Arithmetic { arithmetic, d, a, b } => {
                        let (of, sign): (fn(Number, Number) -> Number, _) = match arithmetic {
                            Arithmetic::Divide => (Number::divide, "/"),
                            Arithmetic::Modulo => (Number::modulo, "MOD"),
                            Arithmetic::Power => (Number::power, "^"),
                        };
                        r!(d) = attempt!(self.calculate(of, sign, r!(a), r!(b)));
                    }
                    Op::Compare { compare, d, a, b } => {
                        r!(d) = Value::truth(attempt!(self.compare(compare, r!(a), r!(b))));
                    }
                    Op::And { d, a, b } => {
                        r!(d) = Value::truth(r!(a).is_true() & r!(b).is_true());
                    }
                    Op::Or { d, a, b } => {
                        r!(d) = Value::truth(r!(a).is_true() | r!(b).is_true());
                    }
                    Op::Is { d, a, b } => r!(d) = attempt!(self.is(r!(a), r!(b))),
                    Op::Negate { d, a } => r!(d) = Self::negate(r!(a)),
                    Op::Not { d, a } => r!(d) = Value::truth(!r!(a).is_true()),

                    Op::Jump { to } => pc = to as usize,
                    Op::Loop { to } => {
                        pc = to as usize;
                        burn!();
                    }
                    Op::JumpIf { a, to } => {
                        if r!(a).is_true() {
                            pc = to as usize;
                        }
                    }
                    Op::JumpUnless { a, to } => {
                        if !r!(a).is_true() {
                            pc = to as usize;
                        }
                    }
                    Op::JumpIfNil { a, to } => {
                        if let Value::Nil = r!(a) {
                            pc = to as usize;
                        }
                    }
                    Op::JumpUnlessCompare { compare, a, b, to } => {
                        if !attempt!(self.compare(compare, r!(a), r!(b))) {
                            pc = to as usize;
                        }
                    }
                    Op::JumpUnlessCompareInt { compare, a, int, to } => {
                        let b = Value::Int(int.into());
                        if !attempt!(self.compare(compare, r!(a), b)) {
                            pc = to as usize;
                        }
                    }
                    Op::JumpIfPast { at, limit, step, to } => {
                        let is_past =
                            match (r!(at), r!(limit), r!(step)) {
                                (Value::Int(at), Value::Int(limit), Value::Int(step)) => {
                                    if step >= 0 { at > limit } else { at < limit }
                                }
                                (at, limit, step) => attempt!(self.is_past(at, limit, step)),
                            };
                        if is_past {
                            pc = to as usize;
                        }
                    }
                    Op::Gosub { to } => {
                        if run.subs.len() >= super::DEEPEST {
                            let detail = "too many GOSUBs in each other";
                            attempt!(Err::<(), _>(Fault::new(Code::TooManyNested, detail)));
                        }
                        run.subs.push(u32::try_from(pc).unwrap_or(u32::MAX));
                        pc = to as usize;
                        burn!();
                    }
                    Op::ReturnSub { from, wanted } => match run.subs.pop() {
                        Some(back) => pc = back as usize,
                        None if wanted && run.wants_result => {
                            let result = r!(from);
                            stay!();
                            run.frames.clear();
                            return Ok(Outcome::Done(result));
                        }
                        None => {
                            let detail = "there is no GOSUB to return to";
                            attempt!(Err::<(), _>(Fault::new(Code::NoReturnPoint, detail)));
                        }
                    },

                    Op::CallRoutine { d, count, routine } => {
                        stay!();
                        let at = base + usize::from(d);
                        let count = arguments(run, at, count);
                        let Some(Some(defining)) = self.routines.get(routine as usize) else {
                            return Err(Code::InvalidRoutine.into());
                        };
                        let proto = defining.proto.clone();
                        self.push(run, proto, None, Value::Nil, at, count)?;
                        self.fuel -= 1;
                        if self.fuel == 0 {
                            self.fuel = STRETCH;
                            return Ok(Outcome::Pause);
                        }
                        continue 'frames;
                    }
                    Op::Apply { d, count, callee, name, call } => {
                        let callee = r!(callee);
                        let at = base + usize::from(d);
                        let count = arguments(run, at, count);
                        follow!(self.apply(run, callee, at, count, name, call));
                    }
                    Op::ApplyOne { d, callee, arg, name } => {
                        let (callee, arg) = (r!(callee), r!(arg));
                        if let Some(element) = self.fast_element(callee, arg) {
                            r!(d) = element;
                            continue;
                        }
                        r!(d + 1) = arg;
                        let at = base + usize::from(d);
                        follow!(self.apply(run, callee, at, 1, name, false));
                    }
                    Op::CallExternal { d, count, name, call } => {
                        let at = base + usize::from(d);
                        let count = arguments(run, at, count);
                        follow!(self.call_external(run, at, count, name, call));
                    }
                    Op::CallMember { d, count, object, member } => {
                        let object = r!(object);
                        let at = base + usize::from(d);
                        let count = arguments(run, at, count);
                        follow!(self.call_member(run, object, member, at, count));
                    }
                    Op::CallLibrary { d, count, library } => {
                        let at = base + usize::from(d);
                        let count = arguments(run, at, count);
                        follow!(self.call_library(run, library, at, count));
                    }
                    Op::Spread { d, count, rest } => {
                        let rest = r!(rest);
                        let at = base + usize::from(d) + 1 + usize::from(count);
                        stay!();
                        self.spread(run, at, rest)?;
                        continue 'frames;
                    }
                    Op::Return { from } => {
                        let result = r!(from);
                        stay!();
                        if let Some(result) = self.give_back(run, result)? {
                            return Ok(Outcome::Done(result));
                        }
                        continue 'frames;
                    }
                    Op::ReturnNil => {
                        stay!();
                        if let Some(result) = self.give_back(run, Value::Nil)? {
                            return Ok(Outcome::Done(result));
                        }
                        continue 'frames;
                    }
                    Op::End => {
                        stay!();
                        return Err(Failure::Ended);
                    }

                    Op::SetElementOne { of, index, from } => {
                        let (of, index, from) = (r!(of), r!(index), r!(from));
                        if self.fast_set_element(of, index, from) {
                            continue;
                        }
                        follow!(self.set_element(run, of, &[index], from));
                    }
                    Op::SetElement { of, d, count, from } => {
                        let (of, from) = (r!(of), r!(from));
                        let at = base + usize::from(d);
                        let count = arguments(run, at, count);
                        let indices = run.stack[at + 1..at + 1 + count].to_vec();
                        follow!(self.set_element(run, of, &indices, from));
                    }
                    Op::Member { d, object, member } => {
                        r!(d) = attempt!(self.member(r!(object), member));
                        allocated!();
                    }
                    Op::SetMember { object, member, from } => {
                        attempt!(self.set_member(r!(object), member, r!(from)));
                    }
                    Op::Dim { d, count, texts } => {
                        let sizes = &registers[usize::from(d) + 1..][..usize::from(count)];
                        let array = attempt!(self.dim(sizes, texts));
                        r!(d) = array;
                        allocated!();
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
                        let lambda = self.lambda(&proto, lambda, registers, routine);
                        r!(d) = lambda;
                        allocated!();
                    }
                    Op::DefineClass { d, definition } => {
                        let class = &proto.classes[definition as usize];
                        let class = attempt!(self.define(class, registers));
                        r!(d) = class;
                        allocated!();
                    }

                    Op::Iterate { d, of } => {
                        let of = r!(of);
                        let at = base + usize::from(d);
                        follow!(self.iterate(run, of, at));
                    }
                    Op::Advance { d, iterator } => {
                        if let Value::Iterator(iterator) = r!(iterator) {
                            let more = attempt!(iterators::move_next(&mut self.heap, iterator));
                            r!(d) = Value::truth(more);
                            continue;
                        }
                        let (iterator, at) = (r!(iterator), base + usize::from(d));
                        follow!(self.call_meta(run, iterator, "_MOVE_NEXT", at));
                    }
                    Op::Current { d, iterator } => {
                        if let Value::Iterator(iterator) = r!(iterator) {
                            r!(d) = attempt!(iterators::current(&self.heap, iterator));
                            continue;
                        }
                        let (iterator, at) = (r!(iterator), base + usize::from(d));
                        follow!(self.call_meta(run, iterator, "_GET", at));
                    }
                    Op::SetCurrent { iterator, from } => {
                        if let Value::Iterator(iterator) = r!(iterator) {
                            let from = r!(from);
                            iterators::set_current(&mut self.heap, iterator, from);
                        }
                    }

                    Op::Print { a } => {
                        let value = r!(a);
                        if let Some(object) = self.speaks(value) {
                            // It comes back here with the text.
                            pc -= 1;
                            let at = base + usize::from(a);
                            follow!(self.say(run, object, at));
                        }
                        self.print(value);
                    }
                    Op::PrintLine => self.scope().write(b"\n"),
                    Op::Input { d } => {
                        stay!();
                        run.arriving = Arriving::Line(base + usize::from(d));
                        return Ok(Outcome::Wait(self.scope().read_line()));
                    }
                    Op::Candidates { d, dict, hash } => {
                        r!(d) = attempt!(self.candidates(r!(dict), r!(hash)));
                    }
                    Op::Open { name } => self.open(name),
                    Op::Rethrow => {
                        stay!();
                        return Err(Self::pending(run));
                    }
                }
            }
        }
    }
}

/// How many arguments lie behind the place `at`.
#[inline]
fn arguments(run: &Run, at: usize, count: u16) -> usize {
    if count == SPREAD { run.spread.saturating_sub(at + 1) } else { count.into() }
}
