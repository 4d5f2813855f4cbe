//! The JSON API of `examples/http`, as a program of its own, with a client that speaks HTTP by hand.

#![cfg(all(feature = "cli", feature = "http", feature = "js", feature = "basic"))]
// The helpers of a test may fail as the test itself may; clippy.toml excuses only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

/// How long an answer may take: far longer than it does on a slow machine.
const LONG: Duration = Duration::from_secs(60);

struct Service {
    process: Child,
    address: String,
    output: BufReader<ChildStdout>,
}

impl Service {
    /// Runs the program as its README says.
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_calog"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["run", "--allow-net=127.0.0.1"])
            .args(["examples/http/rules.bas", "examples/http/server.js", "--", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        let address = first.trim_end().strip_prefix("listening on http://").expect(&first);
        Self { address: address.to_string(), process, output }
    }

    /// One exchange on a connection of its own.
    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}",
            self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect(&text);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_string() }
    }

    fn quote(&self, parcel: &Value) -> Answer {
        self.ask("POST", "/quotes", &parcel.to_string())
    }

    /// Has the program end as Ctrl-C does: it has printed nothing else.
    #[cfg(unix)]
    fn interrupt(mut self) {
        let kill = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let (mut rest, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut rest).unwrap();
        self.process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        let code = self.process.wait().unwrap().code();
        assert_eq!((code, &*rest, &*errors), (Some(130), "", ""));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already where the test wanted it to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    /// In lower case.
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert!(self.head.contains("\r\ncontent-type: application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// The status and what the error says.
    #[track_caller]
    fn is_refused(&self, status: u16, error: &str) {
        assert_eq!((self.status, self.json()), (status, json!({"error": error})), "{self:?}");
    }
}

#[test]
fn quotes_are_given_by_the_rules() {
    let service = Service::start();
    let about = service.ask("GET", "/", "");
    let countries = ["AT", "BE", "CH", "DE", "DK", "ES", "FR", "GB", "IT", "NL", "NO", "PL", "SE"];
    assert_eq!(about.status, 200);
    assert_eq!(about.json(), json!({"service": "parcels", "countries": countries}));

    // By the prose at the top of rules.bas.
    let parcels = [
        ("DE", 1, false, 490, 2),
        ("DE", 2000, false, 490, 2),
        ("DE", 2001, false, 790, 2),
        ("DE", 10_000, true, 1190, 1),
        ("FR", 10_001, false, 1990, 5),
        ("FR", 31_500, true, 2990, 2),
        ("AT", 1500, true, 1490, 2),
        ("NO", 1500, false, 1990, 12),
    ];
    for (id, (country, grams, express, cents, days)) in (1..).zip(parcels) {
        let answer =
            service.quote(&json!({"country": country, "grams": grams, "express": express}));
        let quote = json!({"id": id, "country": country, "grams": grams, "express": express,
            "cents": cents, "days": days});
        assert_eq!((answer.status, answer.json()), (201, quote.clone()), "{country} {grams}");
        assert!(answer.head.contains(&format!("\r\nlocation: /quotes/{id}")), "{answer:?}");
        assert_eq!(service.ask("GET", &format!("/quotes/{id}"), "").json(), quote);
    }
    let plain = service.quote(&json!({"country": "DE", "grams": 5}));
    assert_eq!(plain.json()["express"], json!(false));

    let all = service.ask("GET", "/quotes", "").json();
    assert_eq!(all.as_array().unwrap().len(), parcels.len() + 1);
    let gone = service.ask("DELETE", "/quotes/1", "");
    assert_eq!((gone.status, &*gone.body), (204, ""));
    service.ask("DELETE", "/quotes/1", "").is_refused(404, "there is no quote 1");
    service.ask("GET", "/quotes/1", "").is_refused(404, "there is no quote 1");
    #[cfg(unix)]
    service.interrupt();
}

#[test]
fn what_is_wrong_is_told() {
    let service = Service::start();
    let shape = "a parcel is {\"country\": text, \"grams\": integer, \"express\": bool}";
    for parcel in [
        json!(null),
        json!([]),
        json!("DE"),
        json!({}),
        json!({"country": "DE"}),
        json!({"country": 1, "grams": 1}),
        json!({"country": "DE", "grams": "1"}),
        json!({"country": "DE", "grams": 1.5}),
        json!({"country": "DE", "grams": 0}),
        json!({"country": "DE", "grams": 1, "express": 1}),
        json!({"country": "DE", "grams": 1, "expres": true}),
    ] {
        service.quote(&parcel).is_refused(400, shape);
    }
    let no_json = service.ask("POST", "/quotes", "{\"country\": ");
    assert_eq!(no_json.status, 400);
    assert!(no_json.json()["error"].as_str().unwrap().starts_with("the body must be JSON: "));
    for (parcel, error) in [
        (json!({"country": "DE", "grams": 31_501}), "a parcel has at most 31500 grams"),
        (json!({"country": "US", "grams": 1}), "nothing is carried to US"),
        (json!({"country": "de", "grams": 1}), "nothing is carried to de"),
        (json!({"country": "GB", "grams": 1, "express": true}), "there is no express to GB"),
    ] {
        service.quote(&parcel).is_refused(422, error);
    }
    service.ask("GET", "/nowhere", "").is_refused(404, "nothing is here");
    service.ask("GET", "/quotes/x", "").is_refused(404, "nothing is here");
    let put = service.ask("PUT", "/quotes", "");
    put.is_refused(405, "here one can GET, POST");
    assert!(put.head.contains("\r\nallow: get, post"), "{put:?}");
    assert_eq!(service.ask("POST", "/quotes", &" ".repeat(10_001)).status, 413);
    let head = service.ask("HEAD", "/", "");
    assert_eq!((head.status, &*head.body), (200, ""));
    // Nothing of this was a mistake of the service.
    #[cfg(unix)]
    service.interrupt();
}

#[test]
fn many_are_served_at_a_time() {
    let service = Service::start();
    let ask = || service.quote(&json!({"country": "FR", "grams": 1500})).json();
    let mut ids: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()["id"].as_u64().unwrap()).collect()
    });
    ids.sort_unstable();
    assert_eq!(ids, (1..=20).collect::<Vec<_>>());
}
