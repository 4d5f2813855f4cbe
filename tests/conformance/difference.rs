//! What is different between two texts, line by line.

/// More lines of an output than these are not shown: a script that prints for ever must not hide
/// what is wrong.
const MOST_LINES: usize = 200;

/// The unified difference between what was expected and what came; `None` if they are the same.
pub(crate) fn difference(expected: &str, got: &str) -> Option<String> {
    if expected == got {
        return None;
    }
    let (old, new) = (lines(expected), lines(got));
    let mut text = String::from("--- expected\n+++ got\n");
    let mut line = |sign, line: &str| {
        text.push(sign);
        text.push_str(line);
        text.push('\n');
    };
    // `common[i][j]`: the length of the longest common subsequence of what follows `i` and `j`.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            line(' ', &old[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            line('-', &old[i]);
            i += 1;
        } else {
            line('+', &new[j]);
            j += 1;
        }
    }
    Some(text)
}

/// The lines, not too many; what is missing at the end of the last one is said.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().take(MOST_LINES).map(String::from).collect();
    let left = text.lines().skip(MOST_LINES).count();
    if left > 0 {
        lines.push(format!("… and {left} lines more"));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        lines.push("(no line end)".into());
    }
    lines
}

#[test]
fn same_texts_have_no_difference() {
    assert_eq!(difference("", ""), None);
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
}

#[test]
fn a_difference_shows_what_is_gone_and_what_came() {
    let body = |expected, got| {
        let text = difference(expected, got).expect("they differ");
        text.strip_prefix("--- expected\n+++ got\n").expect("a head").to_string()
    };
    assert_eq!(body("a\nb\nc\n", "a\nx\nc\n"), " a\n-b\n+x\n c\n");
    assert_eq!(body("a\nb\n", "b\n"), "-a\n b\n");
    assert_eq!(body("a\n", "a\nb\nb\n"), " a\n+b\n+b\n");
    assert_eq!(body("", "a\n"), "+a\n");
    assert_eq!(body("a\n", ""), "-a\n");
    assert_eq!(body("a\n", "a"), " a\n+(no line end)\n");
    assert_eq!(body("a\n", "a\n\n"), " a\n+\n");
    assert_eq!(body("a\n", "a \n"), "-a\n+a \n");
    let endless = "more\n".repeat(MOST_LINES + 7);
    assert!(body("a\n", &endless).ends_with("+more\n+… and 7 lines more\n"));
}
