//! What contexts run in the benches, in each language.

/// Calls that a script makes from one `lap()` to the next.
pub const BATCH: u64 = 10;

/// Exports a function that adds 1.
pub fn inc(language: &str, name: &str) -> String {
    match language {
        "lua" => format!("expose('{name}', function(x) return x + 1 end)"),
        "js" => format!("expose('{name}', x => x + 1); undefined"),
        "basic" => format!("def {name}(x)\nreturn x + 1\nenddef\nexpose(\"{name}\", {name})"),
        _ => panic!("no language `{language}`"),
    }
}

/// Exports two loops around `call`, which adds 1 to `s`: `calls` makes so many calls, `laps` so many
/// batches of them, each between two calls of `lap`.
pub fn loops(language: &str, call: &str) -> String {
    match language {
        "lua" => format!(
            "expose('calls', function(n) local s = 0 for _ = 1, n do s = {call} end return s end)
            expose('laps', function(n) local s = 0
                for _ = 1, n do lap() for _ = 1, {BATCH} do s = {call} end end lap() return s end)"
        ),
        "js" => format!(
            "expose('calls', n => {{ let s = 0; for (let i = 0; i < n; i++) s = {call}; return s }})
            expose('laps', n => {{ let s = 0; for (let i = 0; i < n; i++) {{ lap()
                for (let k = 0; k < {BATCH}; k++) s = {call} }} lap(); return s }}); undefined"
        ),
        "basic" => format!(
            "def calls(n)\ns = 0\nfor i = 1 to n\ns = {call}\nnext\nreturn s\nenddef
            def laps(n)\ns = 0\nfor i = 1 to n\nlap()\nfor k = 1 to {BATCH}\ns = {call}\nnext\nnext
            lap()\nreturn s\nenddef\nexpose(\"calls\", calls)\nexpose(\"laps\", laps)"
        ),
        _ => panic!("no language `{language}`"),
    }
}

/// Exports what takes a value, what keeps one, and what gives it back.
pub fn keeper(language: &str) -> &'static str {
    match language {
        "lua" => {
            "expose('take', function(v) return 1 end)
            local kept
            expose('keep', function(v) kept = v end)
            expose('give', function() return kept end)"
        }
        "js" => {
            "expose('take', v => 1)
            let kept
            expose('keep', v => { kept = v })
            expose('give', () => kept); undefined"
        }
        "basic" => {
            "kept = 0
            def take(v)\nreturn 1\nenddef
            def keep(v)\nkept = v\nenddef
            def give()\nreturn kept\nenddef
            expose(\"take\", take)\nexpose(\"keep\", keep)\nexpose(\"give\", give)"
        }
        _ => panic!("no language `{language}`"),
    }
}
