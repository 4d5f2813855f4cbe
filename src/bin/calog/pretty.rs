//! Values for people: bounded in depth, in width and in all, whatever a script has built.

use crate::text::{clean, shorten};
use calog::{Aggregate, Key, Value};

/// How many aggregates deep, how many items of all aggregates together, and how many characters of
/// each string are shown; `…` stands for the rest.
const MAX_DEPTH: usize = 8;
const MAX_ITEMS: usize = 200;
const MAX_CHARS: usize = 400;

/// What does not fit this width goes on several lines.
const WIDTH: usize = 80;

/// `value` on as many lines as it needs.
pub(crate) fn lines(value: &Value) -> String {
    let mut out = String::new();
    Node::new(value, 0, &mut { MAX_ITEMS }).write(0, &mut out);
    out
}

/// `value` on one line, cut where it gets long.
pub(crate) fn line(value: &Value) -> String {
    shorten(&Node::new(value, 0, &mut { MAX_ITEMS }).flat(), 2 * MAX_CHARS)
}

/// A value on its way to text.
enum Node {
    Leaf(String),
    /// The items of an aggregate, each with its key if it has one.
    Items(Vec<(String, Self)>),
}

impl Node {
    /// The text for `value`. `left` is how many items may still be shown: one budget for all, since
    /// every level multiplies.
    fn new(value: &Value, depth: usize, left: &mut usize) -> Self {
        match value {
            Value::Nil => Self::leaf("nil"),
            Value::Bool(bool) => Self::Leaf(bool.to_string()),
            Value::Int(int) => Self::Leaf(int.to_string()),
            Value::Real(real) => Self::Leaf(format!("{real:?}")),
            Value::String(bytes) => Self::Leaf(quoted(bytes)),
            Value::Bytes(bytes) => Self::Leaf(format!("b{}", quoted(bytes))),
            Value::Function(_) => Self::leaf("function"),
            Value::Aggregate(aggregate) if aggregate.is_empty() => Self::leaf("{}"),
            Value::Aggregate(_) if depth == MAX_DEPTH => Self::leaf("{…}"),
            Value::Aggregate(aggregate) => Self::items(aggregate, depth, left),
        }
    }

    fn leaf(text: &str) -> Self {
        Self::Leaf(text.to_string())
    }

    fn items(aggregate: &Aggregate, depth: usize, left: &mut usize) -> Self {
        let array = aggregate.array().iter().map(|value| (String::new(), value));
        let pairs = aggregate.pairs().map(|(key, value)| (format!("{} = ", label(key)), value));
        let mut items = Vec::new();
        for (key, value) in array.chain(pairs) {
            if *left == 0 {
                items.push((String::new(), Self::leaf("…")));
                break;
            }
            *left -= 1;
            items.push((key, Self::new(value, depth + 1, left)));
        }
        Self::Items(items)
    }

    /// All of it on one line.
    fn flat(&self) -> String {
        match self {
            Self::Leaf(text) => text.clone(),
            Self::Items(items) => {
                let items: Vec<_> =
                    items.iter().map(|(key, node)| format!("{key}{}", node.flat())).collect();
                format!("{{{}}}", items.join(", "))
            }
        }
    }

    /// Appends it to `out`, where the line is already indented by `indent`.
    fn write(&self, indent: usize, out: &mut String) {
        let flat = self.flat();
        let Self::Items(items) = self else { return out.push_str(&flat) };
        if indent + flat.chars().count() <= WIDTH {
            return out.push_str(&flat);
        }
        out.push_str("{\n");
        for (key, node) in items {
            out.push_str(&" ".repeat(indent + 2));
            out.push_str(key);
            node.write(indent + 2, out);
            out.push_str(",\n");
        }
        out.push_str(&" ".repeat(indent));
        out.push('}');
    }
}

/// A key: `name`, or `["odd name"]`, `[3]`.
fn label(key: &Key) -> String {
    match key {
        Key::Int(int) => format!("[{int}]"),
        Key::Real(real) => format!("[{:?}]", real.get()),
        Key::String(bytes) => match key.as_str() {
            Some(name) if is_name(name) => name.to_string(),
            _ => format!("[{}]", quoted(bytes)),
        },
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    text.len() <= MAX_CHARS
        && chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// A string in quotes, with escapes for what cannot be shown: `\n`, `\xff`.
fn quoted(bytes: &[u8]) -> String {
    let (mut out, mut shown) = (String::from("\""), 0);
    let chunks = bytes.utf8_chunks().flat_map(|chunk| {
        let chars = chunk.valid().chars().map(Ok);
        chars.chain(chunk.invalid().iter().map(|byte| Err(*byte)))
    });
    for part in chunks.take(MAX_CHARS) {
        shown += part.map_or(1, char::len_utf8);
        match part {
            Ok(c @ ('"' | '\\' | '\t')) => out.extend(c.escape_default()),
            Ok(c) => out.push_str(&clean(c.encode_utf8(&mut [0; 4]))),
            Err(byte) => out.extend(std::ascii::escape_default(byte).map(char::from)),
        }
    }
    out.push('"');
    if shown < bytes.len() {
        out += &format!("… ({} bytes)", bytes.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        let value = Value::map([
            ("name", Value::from("Ada \"the\"\n")),
            ("a b", Value::list([1, 2])),
            ("half", Value::from(0.5)),
            ("one", Value::from(1.0)),
        ]);
        let text = r#"{name = "Ada \"the\"\n", ["a b"] = {1, 2}, half = 0.5, one = 1.0}"#;
        assert_eq!(lines(&value), text);
        assert_eq!(lines(&Value::list::<i64>([])), "{}");
        let bytes = bytes::Bytes::from_static(b"a\xff\x1b");
        assert_eq!(lines(&Value::String(bytes.clone())), r#""a\xff\u{1b}""#);
        assert_eq!(lines(&bytes.into()), r#"b"a\xff\u{1b}""#);
        let mut both = Aggregate::list(vec![1.into()]);
        both.insert(7, true);
        assert_eq!(lines(&both.into()), "{1, [7] = true}");
    }

    #[test]
    fn what_is_wide_goes_on_several_lines() {
        let value = Value::map([("a", Value::from("x".repeat(50))), ("b", "y".repeat(50).into())]);
        let text = format!("{{\n  a = \"{}\",\n  b = \"{}\",\n}}", "x".repeat(50), "y".repeat(50));
        assert_eq!(lines(&value), text);
        assert!(!line(&value).contains('\n'));
    }

    #[test]
    fn what_is_large_is_cut() {
        let deep = (0..100).fold(Value::from(1), |inner, _| Value::list([inner]));
        assert_eq!(lines(&deep), "{{{{{{{{{…}}}}}}}}}");
        let wide = (0..20).fold(Value::from("z"), |inner, _| Value::list([inner.clone(), inner]));
        assert!(lines(&wide).len() < 10_000);
        let long = lines(&Value::from("é".repeat(10_000)));
        assert!(long.ends_with("\"… (20000 bytes)"), "{long}");
        assert!(line(&Value::list(vec!["x".repeat(400); 300])).len() < 1000);
    }
}
