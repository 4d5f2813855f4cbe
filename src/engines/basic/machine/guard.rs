//! Failures: what becomes of them, and the calls that are made under guard (TRY, FINALLY).
//!
//! A guard is a frame of a few fixed operations around the guarded call.

use super::{
    Failure, Flow, Machine, Ref, Run, Value, out_of_memory,
    run::{Frame, Then},
};
use crate::{
    engines::basic::{
        code::{Compare, Op, Proto, SPREAD},
        dict::{Entries, Ready},
        fault::{Code, Fault},
        names::Names,
        objects::{Dict, Text},
    },
    error::{Error, ErrorKind, Frame as TraceFrame},
    fiber,
};
use std::rc::Rc;

/// Where the operations of FINALLY begin that run after a failure.
const AFTER_FAILURE: usize = 3;

/// The frames that the machine itself puts between others.
pub(super) struct Guards {
    /// A call from outside.
    pub(super) call: Rc<Proto>,
    finally: Rc<Proto>,
    /// What asks an object what it is as a key.
    pub(super) key: Rc<Proto>,
}

impl Guards {
    pub(super) fn new(names: &mut Names) -> Self {
        let hash = names.symbols.number(&"HASH".into());
        let compare = names.symbols.number(&"COMPARE".into());
        // What is called has no name here.
        let name = names.externals.number(&"the function".into());
        let call = |d, callee, count| Op::Apply { d, count, callee, name, call: true };
        let proto = |registers, code| Rc::new(Proto { code, registers, ..Proto::default() });
        Self {
            call: proto(2, vec![call(1, 1, SPREAD), Op::Return { from: 1 }]),
            // The cleanup is in register 0, where others have their object.
            finally: proto(
                4,
                vec![
                    call(1, 1, SPREAD),
                    call(2, 0, 0),
                    Op::Return { from: 1 },
                    call(2, 0, 0),
                    Op::Rethrow,
                ],
            ),
            // The object is in register 1 and the dict in 2.
            key: proto(
                8,
                vec![
                    Op::CallMember { d: 3, count: 0, object: 1, member: hash },
                    Op::Candidates { d: 4, dict: 2, hash: 3 },
                    Op::CountRest { d: 6, rest: 4 },
                    Op::JumpUnless { a: 6, to: 9 },
                    Op::NextRest { d: 5, rest: 4 },
                    Op::Move { d: 7, from: 5 },
                    Op::CallMember { d: 6, count: 1, object: 1, member: compare },
                    Op::JumpUnlessCompareInt { compare: Compare::Equal, a: 6, int: 0, to: 2 },
                    Op::Return { from: 5 },
                    Op::Return { from: 1 },
                ],
            ),
        }
    }
}

/// Is it a frame that no program wrote?
pub(super) fn is_guard(proto: &Proto) -> bool {
    proto.places.is_empty()
}

impl Machine {
    /// `TRY(f, args...)`
    pub(super) fn try_call(
        &mut self,
        run: &mut Run,
        at: usize,
        count: usize,
    ) -> Result<Flow, Failure> {
        if count < 1 {
            let detail = "TRY(f, ...) takes a routine and its arguments";
            return Err(Fault::new(Code::RoutineExpected, detail).into());
        }
        run.spread = at + 1 + count;
        self.guard(run, self.guards.call.clone(), at, Then::Report);
        Ok(Flow::Enter)
    }

    /// `FINALLY(f, cleanup, args...)`
    pub(super) fn finally(
        &mut self,
        run: &mut Run,
        at: usize,
        count: usize,
    ) -> Result<Flow, Failure> {
        if count < 2 {
            let detail = "FINALLY(f, cleanup, ...) takes two routines and arguments of the first";
            return Err(Fault::new(Code::RoutineExpected, detail).into());
        }
        run.stack[at] = run.stack[at + 2];
        run.stack.copy_within(at + 3..at + 1 + count, at + 2);
        run.spread = at + count;
        self.guard(run, self.guards.finally.clone(), at, Then::CleanUp(None));
        Ok(Flow::Enter)
    }

    fn guard(&mut self, run: &mut Run, proto: Rc<Proto>, base: usize, then: Then) {
        let top = base + proto.registers;
        if run.stack.len() < top {
            run.stack.resize(top, Value::Nil);
        }
        // Behind the arguments lies what earlier frames have left, which may be freed already.
        if run.spread < top {
            run.stack[run.spread..top].fill(Value::Nil);
        }
        run.recount();
        run.frames.push(Frame { proto, routine: None, base, pc: 0, then });
    }

    /// What becomes of a failure: the run goes on (`None`), or has ended well, or fails.
    pub(super) fn recover(
        &mut self,
        run: &mut Run,
        failure: Failure,
    ) -> Result<Option<Value>, Failure> {
        run.keys.clear();
        let failure = match failure {
            Failure::Memory(bytes) => {
                let place = run.frames.last().map_or(0, |frame| frame.pc);
                let place = (run.frames.len(), place, self.fuel);
                // One that fails again at once has taken what was freed, and would do so for ever.
                let is_new = run.begun_again.replace(place) != Some(place);
                if is_new && self.collect(run).is_ok() && self.heap.reserve(bytes).is_ok() {
                    // Nothing had changed, so the operation is begun again.
                    if let Some(frame) = run.frames.last_mut() {
                        frame.pc = frame.pc.saturating_sub(1);
                    }
                    return Ok(None);
                }
                out_of_memory()
            }
            other => other,
        };
        let failure = match failure {
            Failure::Fault(fault) => Failure::Traced(fault.error().called_from(Self::trace(run))),
            Failure::Error(error) => Failure::Traced(error.called_from(Self::trace(run))),
            other => other,
        };
        while let Some(frame) = run.frames.last_mut() {
            match &mut frame.then {
                Then::Report if !fiber::dying() => {
                    if let Failure::Traced(error) = failure {
                        let place = frame.base;
                        run.frames.pop();
                        let report = self.report(run, &error);
                        if run.frames.is_empty() {
                            return Ok(Some(report));
                        }
                        run.stack[place] = report;
                        return Ok(None);
                    }
                }
                Then::CleanUp(waiting) if frame.pc == 1 => {
                    *waiting = Some(Box::new(failure));
                    frame.pc = AFTER_FAILURE;
                    return Ok(None);
                }
                _ => {}
            }
            run.frames.pop();
        }
        if let Failure::Ended = failure {
            return Ok(Some(Value::Nil));
        }
        Err(failure)
    }

    /// The failure that waited while FINALLY cleaned up.
    pub(super) fn pending(run: &mut Run) -> Failure {
        match run.frames.last_mut().map(|frame| &mut frame.then) {
            Some(Then::CleanUp(waiting)) => match waiting.take() {
                Some(failure) => *failure,
                None => Failure::Stopped,
            },
            _ => Failure::Stopped,
        }
    }

    /// What TRY gives for a result.
    pub(super) fn report_result(&mut self, result: Value) -> Value {
        self.dict_of(&[("ok", Value::TRUE), ("value", result)], &[])
    }

    /// What TRY gives for an error.
    fn report(&mut self, run: &Run, error: &Error) -> Value {
        // First, since what nobody can reach yet may be freed by it.
        let payload = self.enter(run, error.payload()).unwrap_or(Value::Nil);
        let kind = self.heap.new_text(error.kind().as_str().as_bytes());
        let message = self.heap.new_text(error.message().as_bytes());
        let frames = error.trace().iter().map(|frame| frame.to_string());
        let frames = frames.map(|frame| self.heap.new_text(frame.as_bytes())).collect();
        let trace = self.heap.new_list(frames);
        let pairs = [
            ("ok", Value::FALSE),
            ("kind", kind),
            ("message", message),
            ("payload", payload),
            ("trace", trace),
        ];
        self.dict_of(&pairs, error.trace())
    }

    fn dict_of(&mut self, pairs: &[(&str, Value)], trace: &[TraceFrame]) -> Value {
        let mut entries = Entries::default();
        for (key, value) in pairs {
            let key = self.heap.new_text(key.as_bytes());
            entries.insert(Ready::new(&self.heap, key), *value);
        }
        self.heap.add_dict(Dict { entries, version: 0, trace: trace.into() })
    }

    /// `RAISE("message" [, payload])` and `RAISE(report)`, where the report is one of TRY.
    pub(super) fn raise(&mut self, args: &[Value]) -> Failure {
        let mut trace = Vec::new();
        let (message, kind, payload) = match *args {
            [Value::Text(message)] => (message, ErrorKind::Raised, Value::Nil),
            [Value::Text(message), payload] => (message, ErrorKind::Raised, payload),
            [Value::Dict(report)] => match self.reported(report) {
                Some(found) => {
                    trace = self.heap.dict(report).trace.to_vec();
                    found
                }
                None => {
                    let detail = "RAISE(d) takes what TRY gave, with its kind and message";
                    return Fault::new(Code::StringExpected, detail).into();
                }
            },
            _ => {
                let detail = "RAISE takes a code, or a message and a payload, or what TRY gave";
                return Fault::new(Code::StringExpected, detail).into();
            }
        };
        let message = String::from_utf8_lossy(self.heap.text(message)).into_owned();
        match self.leave(payload) {
            Ok(payload) => {
                let error = Error::new(kind, message).with_payload(payload);
                Failure::Error(error.called_from(trace))
            }
            Err(error) => Failure::Error(error.at("payload")),
        }
    }

    /// The message, kind and payload of what TRY gave.
    fn reported(&mut self, dict: Ref<Dict>) -> Option<(Ref<Text>, ErrorKind, Value)> {
        let mut get = |key: &str| {
            let key = self.heap.new_text(key.as_bytes());
            self.heap.dict(dict).entries.get(&self.heap, key)
        };
        let (kind, message, payload) = (get("kind")?, get("message")?, get("payload"));
        let (Value::Text(kind), Value::Text(message)) = (kind, message) else { return None };
        let kind = std::str::from_utf8(self.heap.text(kind)).ok()?;
        let kind = kind.parse().unwrap_or(ErrorKind::Raised);
        Some((message, kind, payload.unwrap_or_default()))
    }
}
