' A script asks a server that is a script: all kinds of answers, and what becomes of failures.
r = http.post(url + "/echo?a=b", "grüße 🦀", dict("headers", dict("X-Note", list("one", "two"))))
headers = r("headers")
print r("status"), " ", r("body");
print headers("x-about");
print host.show(r("cookies"));

r = http.get(url + "/text")
print r("status"), " ", r("body"), " ", get(r("headers"), "content-type");
r = http.request(dict("method", "delete", "url", url + "/nothing"))
print r("status"), " ", len(r("body"));
r = http.get(url + "/moved")
print r("status"), " ", get(r("headers"), "location");
r = http.get(url + "/moved", dict("redirects", 1))
print r("status"), " ", r("body");

' Pieces come one by one, or as a whole.
r = http.get(url + "/pieces")
print len(r("body"));
all = ""
r = http.get(url + "/pieces", dict("on_data", lambda (data) (all = all + data)))
print r("status"), " ", host.show(get(r, "body"));
print len(all);

' Others are served while one waits.
late = ""
timer.after(0, lambda () (
  late = get(http.get(url + "/slow"), "body")
  host.signal("came")
))
host.wait("asked")
print get(http.get(url + "/text"), "body");
host.signal("answer")
host.wait("came")
print late;

' A failure is an answer for the one, and reported for the other.
r = http.get(url + "/wrong")
print r("status"), " ", len(r("body"));

def kind_of(address, options)
  r = try(lambda () (http.get(address, options)))
  return r("kind")
enddef
print kind_of("nowhere", nil);
print kind_of(url, dict("no_such", 1));
print kind_of("http://127.0.0.2/", nil);
print kind_of(url + "/text", dict("max_body", 3));
stop()
print kind_of(url + "/text", nil);
