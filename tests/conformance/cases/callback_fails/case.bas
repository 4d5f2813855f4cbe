' Who calls back catches what the callback raises.
print host.show(attempt_there(lambda () (raise("no"))));
print host.show(attempt_there(lambda () (host.fail("busy", "later"))));
print host.show(attempt_there(lambda () (host.fail_later("denied", "not you"))));
print host.show(attempt_there(lambda () (f = call("nobody"))));
print host.show(attempt_there(lambda () (return 1)));
print host.show(attempt_there(lambda () (return attempt_there(lambda () (raise("inner"))))));
