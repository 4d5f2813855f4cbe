// A script asks a server that is a script: all kinds of answers, and what becomes of failures.
const text = (bytes) => new TextDecoder().decode(bytes);
let r = http.post(`${url}/echo?a=b`, "grüße 🦀", { headers: { "X-Note": ["one", "two"] } });
print(`${r.status} ${text(r.body)}`);
print(r.headers["x-about"]);
print(host.show(r.cookies));

r = http.get(`${url}/text`);
print(`${r.status} ${text(r.body)} ${r.headers["content-type"]}`);
r = http.request({ method: "delete", url: `${url}/nothing` });
print(`${r.status} ${r.body.length}`);
r = http.get(`${url}/moved`);
print(`${r.status} ${r.headers.location}`);
r = http.get(`${url}/moved`, { redirects: 1 });
print(`${r.status} ${text(r.body)}`);

// Pieces come one by one, or as a whole.
r = http.get(`${url}/pieces`);
print(r.body.length);
let all = "";
r = http.get(`${url}/pieces`, { on_data: (data) => void (all += text(data)) });
print(`${r.status} ${host.show(r.body)}`);
print(all.length);

// Others are served while one waits.
let late;
timer.after(0, async () => {
  late = text((await http.get.async(`${url}/slow`)).body);
  host.signal("came");
});
await host.wait.async("asked");
print(text(http.get(`${url}/text`).body));
host.signal("answer");
await host.wait.async("came");
print(late);

// A failure is an answer for the one, and reported for the other.
r = http.get(`${url}/wrong`);
print(`${r.status} ${r.body.length}`);

function kindOf(f, ...args) {
  try {
    f(...args);
  } catch (problem) {
    return problem.kind;
  }
}
print(kindOf(http.get, "nowhere"));
print(kindOf(http.get, url, { no_such: 1 }));
print(kindOf(http.get, "http://127.0.0.2/"));
print(kindOf(http.get, `${url}/text`, { max_body: 3 }));
stop();
print(kindOf(http.get, `${url}/text`));
