//! Text of scripts, made fit for a terminal.

use std::fmt::Write;

/// `text` without anything that a terminal would obey: control characters and those that change the
/// direction of writing are shown as escapes (`\u{1b}`), a tab becomes spaces.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => clean.push_str("    "),
            c if obeyed(c) => {
                // Writing to a string cannot fail.
                let _ = write!(clean, "{}", c.escape_default());
            }
            c => clean.push(c),
        }
    }
    clean
}

fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The first `most` characters of `text`; `…` stands for the rest.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// The last `most` characters of `text`: the end of a path tells more than its beginning.
pub(crate) fn shorten_left(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_string();
    }
    std::iter::once('…').chain(text.chars().skip(count - most)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        assert_eq!(clean("a\x1b[31mb\r\n\x07"), r"a\u{1b}[31mb\r\n\u{7}");
        assert_eq!(clean("\u{202e}x\u{9b}"), r"\u{202e}x\u{9b}");
        assert_eq!(clean("\tnaïve ✓"), "    naïve ✓");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shorten("naïve", 3), "naï…");
        assert_eq!(shorten("naïve", 5), "naïve");
        assert_eq!(shorten_left("/a/ï/c", 3), "…ï/c");
        assert_eq!(shorten_left("ï", 3), "ï");
    }
}
