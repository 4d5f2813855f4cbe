//! The loop that runs operations.

use super::{Flow, Machine, Outcome, Run, STRETCH, run::Frame, run::Then};
use crate::engines::basic::{
    code::{Arithmetic, Op, SPREAD},
    fault::{Code, Failure},
    library::iterators,
    number::{Number, collapse},
    objects::Routine,
    value::Value,
};

impl Machine {
    /// Runs operations until the call ends, waits, has run for a while, or fails.
    ///
    /// What programs do most is done here, and the rest is [elsewhere](Self::rare): a loop that
    /// fits into the registers of the processor is half as long again as fast.
    pub(super) fn steps(&mut self, run: &mut Run) -> Result<Outcome, Failure> {
        'frames: loop {
            let Some(frame) = run.frames.last() else { return Ok(Outcome::Done(Value::Nil)) };
            let Frame { routine, base, mut pc, .. } = *frame;
            let proto = &*frame.proto;
            let code = &proto.code[..];
            let registers = &mut run.stack[base..base + proto.registers];

            /// A register. Values are looked at where they are: to copy one that was just written
            /// in two parts takes the processor longer than to read a part.
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
                        Flow::Done(result) => return Ok(Outcome::Done(result)),
                    }
                    if self.heap.is_due() {
                        // What is garbage is collected first.
                        return Ok(Outcome::Pause);
                    }
                    // Calls of lambdas and methods come here, and a recursion needs no loop.
                    self.fuel -= 1;
                    if self.fuel == 0 {
                        self.fuel = STRETCH;
                        return Ok(Outcome::Pause);
                    }
                    continue 'frames;
                }};
            }
            /// Has the operation done elsewhere.
            macro_rules! rare {
                ($op:expr) => {{
                    let op = *$op;
                    follow!(self.rare(run, op))
                }};
            }
            /// Ends the frame with a result.
            macro_rules! give {
                ($result:expr) => {{
                    let result = $result;
                    stay!();
                    if let [.., _, Frame { then: Then::Give, .. }] = run.frames[..] {
                        run.frames.pop();
                        run.stack[base] = result;
                    } else if let Some(result) = self.give_back(run, result)? {
                        return Ok(Outcome::Done(result));
                    }
                    continue 'frames;
                }};
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
                let op = &code[pc];
                pc += 1;
                match *op {
                    Op::Nil { d } => r!(d) = Value::Nil,
                    Op::Int { d, int } => r!(d) = Value::Int(int.into()),
                    Op::Constant { d, constant } => r!(d) = proto.constants[constant as usize],
                    Op::Move { d, from } => r!(d) = r!(from),
                    Op::Global { d, global } => match self.globals[global as usize] {
                        Value::Unset => rare!(op),
                        value => r!(d) = value,
                    },
                    Op::RawGlobal { d, global } => r!(d) = self.globals[global as usize],
                    Op::SetGlobal { global, from } => self.globals[global as usize] = r!(from),
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

                    Op::Add { d, a, b } => {
                        r!(d) = match (&r!(a), &r!(b)) {
                            (&Value::Int(x), &Value::Int(y)) => sum(x, y),
                            (&Value::Real(x), &Value::Real(y)) => collapse(x + y).into(),
                            (&Value::Text(a), &Value::Text(b)) => {
                                follow!(self.concat(run, base + usize::from(d), a, b))
                            }
                            (&a, &b) => attempt!(self.add(a, b)),
                        };
                    }
                    Op::AddInt { d, a, int } => {
                        r!(d) = match r!(a) {
                            Value::Int(x) => sum(x, int.into()),
                            a => attempt!(self.add(a, Value::Int(int.into()))),
                        };
                    }
                    Op::Subtract { d, a, b } => {
                        r!(d) = match (&r!(a), &r!(b)) {
                            (&Value::Int(x), &Value::Int(y)) => {
                                Number::Int(x).subtract(Number::Int(y)).into()
                            }
                            (&Value::Real(x), &Value::Real(y)) => collapse(x - y).into(),
                            (&a, &b) => attempt!(self.calculate(Number::subtract, "-", a, b)),
                        };
                    }
                    Op::Multiply { d, a, b } => {
                        r!(d) = match (&r!(a), &r!(b)) {
                            (&Value::Int(x), &Value::Int(y)) => product(x, y),
                            (&Value::Real(x), &Value::Real(y)) => collapse(x * y).into(),
                            (&a, &b) => attempt!(self.calculate(Number::multiply, "*", a, b)),
                        };
                    }
                    Op::MultiplyInt { d, a, int } => {
                        r!(d) = match r!(a) {
                            Value::Int(x) => product(x, int.into()),
                            a => {
                                let b = Value::Int(int.into());
                                attempt!(self.calculate(Number::multiply, "*", a, b))
                            }
                        };
                    }
                    Op::Arithmetic { arithmetic, d, a, b } => {
                        r!(d) = attempt!(self.arithmetic(arithmetic, r!(a), r!(b)));
                    }
                    Op::ArithmeticInt { arithmetic, d, a, int } => {
                        r!(d) = match (arithmetic, &r!(a)) {
                            (Arithmetic::Modulo, &Value::Int(x)) if int > 0 => {
                                Value::Int(x % i64::from(int))
                            }
                            (Arithmetic::Divide, &Value::Int(x)) => {
                                Number::Int(x).divide(Number::Int(int.into())).into()
                            }
                            (_, &a) => {
                                let b = Value::Int(int.into());
                                attempt!(self.arithmetic(arithmetic, a, b))
                            }
                        };
                    }
                    Op::Compare { compare, d, a, b } => {
                        r!(d) = Value::truth(self.compare(compare, &r!(a), &r!(b)));
                    }
                    Op::And { d, a, b } => {
                        r!(d) = Value::truth(r!(a).is_true() & r!(b).is_true());
                    }
                    Op::Or { d, a, b } => {
                        r!(d) = Value::truth(r!(a).is_true() | r!(b).is_true());
                    }
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
                    Op::JumpUnlessCompare { compare, a, b, to } => {
                        if !self.compare(compare, &r!(a), &r!(b)) {
                            pc = to as usize;
                        }
                    }
                    Op::JumpUnlessCompareInt { compare, a, int, to } => {
                        let holds = match &r!(a) {
                            Value::Int(a) => compare.holds(a, &i64::from(int)),
                            Value::Real(a) => compare.holds(a, &f64::from(int)),
                            a => self.compare(compare, a, &Value::Int(int.into())),
                        };
                        if !holds {
                            pc = to as usize;
                        }
                    }
                    Op::JumpIfPast { at, limit, step, to } => {
                        if attempt!(self.is_past(r!(at), r!(limit), r!(step))) {
                            pc = to as usize;
                        }
                    }
                    Op::NextRound { at, limit, step, to } => {
                        r!(at) = match r!(at) {
                            Value::Int(x) => sum(x, step.into()),
                            x => attempt!(self.add(x, Value::Int(step.into()))),
                        };
                        let is_past = match (&r!(at), &r!(limit)) {
                            (Value::Int(x), Value::Int(limit)) if step >= 0 => x > limit,
                            (Value::Int(x), Value::Int(limit)) => x < limit,
                            (&x, &limit) => {
                                attempt!(self.is_past(x, limit, Value::Int(step.into())))
                            }
                        };
                        if !is_past {
                            pc = to as usize;
                            burn!();
                        }
                    }

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
                    Op::Return { from } => give!(r!(from)),
                    Op::ReturnNil => give!(Value::Nil),
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
                    Op::SetElementOne { of, index, from } => {
                        let (of, index, from) = (r!(of), r!(index), r!(from));
                        if self.fast_set_element(of, index, from) {
                            continue;
                        }
                        follow!(self.set_element(run, of, &[index], from));
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
                    Op::Member { d, object, member } => match self.field(r!(object), member) {
                        Some(field) => r!(d) = field,
                        None => rare!(op),
                    },
                    Op::SetMember { object, member, from } => {
                        attempt!(self.set_member(r!(object), member, r!(from)));
                    }
                    Op::Advance { d, iterator } => match r!(iterator) {
                        Value::Iterator(iterator) => {
                            let more = attempt!(iterators::move_next(&mut self.heap, iterator));
                            r!(d) = Value::truth(more);
                        }
                        object => {
                            let at = base + usize::from(d);
                            follow!(self.call_meta(run, object, "_MOVE_NEXT", at));
                        }
                    },
                    Op::Current { d, iterator } => match r!(iterator) {
                        Value::Iterator(iterator) => {
                            r!(d) = attempt!(iterators::current(&self.heap, iterator));
                        }
                        object => {
                            let at = base + usize::from(d);
                            follow!(self.call_meta(run, object, "_GET", at));
                        }
                    },
                    _ => rare!(op),
                }
            }
        }
    }
}

#[inline]
fn sum(a: i64, b: i64) -> Value {
    Number::Int(a).add(Number::Int(b)).into()
}

#[inline]
fn product(a: i64, b: i64) -> Value {
    Number::Int(a).multiply(Number::Int(b)).into()
}

/// How many arguments lie behind the place `at`.
#[inline]
pub(super) fn arguments(run: &Run, at: usize, count: u16) -> usize {
    if count == SPREAD { run.spread.saturating_sub(at + 1) } else { count.into() }
}
