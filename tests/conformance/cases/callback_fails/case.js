// Who calls back catches what the callback raises.
const fails = (message) => () => {
  throw new Error(message);
};
print(host.show(attempt_there(fails("no"))));
print(host.show(attempt_there(() => host.fail("busy", "later"))));
print(host.show(attempt_there(() => host.fail_later("denied", "not you"))));
print(host.show(attempt_there(() => call("nobody"))));
print(host.show(attempt_there(() => 1)));
print(host.show(attempt_there(() => attempt_there(fails("inner")))));
