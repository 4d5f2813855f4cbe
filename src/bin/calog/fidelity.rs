//! `calog fidelity`: how values cross, in columns.

use calog::{
    Broker, Result,
    fidelity::{Direction, Rule},
};

/// How wide a line may be.
const WIDTH: usize = 100;

/// What stands between two columns.
const GAP: &str = "  ";

/// The narrowest column that still reads.
const NARROWEST: usize = 8;

/// One row: what it is about, the sample, strict and lenient.
type Row = [String; 4];

/// The tables of all languages, or of the one that is `wanted`; `None` if there is no such one.
///
/// # Errors
/// Those of building a broker.
pub(crate) fn tables(wanted: Option<&str>) -> Result<Option<String>> {
    let broker = Broker::builder().workers(1).build()?;
    let mut tables = broker.fidelity().filter(|(name, _)| wanted.is_none_or(|it| it == *name));
    let mut out = String::new();
    let mut is_known = wanted.is_none();
    for (name, rules) in tables.by_ref() {
        is_known = true;
        for (direction, heading, sample) in
            [(Direction::Out, "out of", "EXPRESSION"), (Direction::In, "into", "VALUE")]
        {
            if !out.is_empty() {
                out.push('\n');
            }
            out += &format!("{name}: {heading} a script\n\n");
            let mut rows = vec![["WHAT", sample, "STRICT", "LENIENT"].map(String::from)];
            rows.extend(rules.iter().filter(|rule| rule.direction() == direction).map(row));
            print(&rows, &mut out);
        }
    }
    Ok(is_known.then_some(out))
}

fn row(rule: &Rule) -> Row {
    let lenient = match rule.strict == rule.lenient {
        true => "same".to_string(),
        false => rule.lenient.to_string(),
    };
    [rule.about.to_string(), rule.sample.to_string(), rule.strict.to_string(), lenient]
}

/// Appends the rows in aligned columns; what does not fit its column goes on in the next line.
fn print(rows: &[Row], out: &mut String) {
    let widths = widths(rows);
    for row in rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(text, width)| wrap(text, width)).collect();
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or_default() {
            let mut text = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                let part = cell.get(line).map_or("", String::as_str);
                text += &format!("{part:width$}{GAP}");
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
    }
}

/// How wide each column is: as its widest cell, but while a line does not fit, that column gives
/// way where this makes the table the least longer.
fn widths(rows: &[Row]) -> [usize; 4] {
    let most = WIDTH - 3 * GAP.len();
    let mut widths = [NARROWEST; 4];
    for row in rows {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = text.chars().count().max(*width);
        }
    }
    while widths.iter().sum::<usize>() > most {
        let narrower = (0..widths.len()).filter(|column| widths[*column] > NARROWEST);
        let narrower = narrower.map(|column| {
            let mut widths = widths;
            widths[column] -= 1;
            widths
        });
        let Some(best) = narrower.min_by_key(|widths| length(rows, widths)) else { break };
        widths = best;
    }
    widths
}

/// How many lines the rows take, where a word that is broken counts extra; and of two that
/// take as many, the one with the more even columns counts as shorter.
fn length(rows: &[Row], widths: &[usize; 4]) -> (usize, usize) {
    const BROKEN: usize = 2;
    let mut length = 0;
    for row in rows {
        let cells = row.iter().zip(widths);
        length += cells.clone().map(|(text, width)| wrap(text, *width).len()).max().unwrap_or(1);
        let is_long = |(text, width): &(&String, &usize)| {
            text.split(' ').any(|word| word.chars().count() > **width)
        };
        length += BROKEN * cells.filter(is_long).count();
    }
    (length, widths.iter().map(|width| width * width).sum())
}

/// `text` in lines of no more than `width` characters, broken at spaces where there are some.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if !line.is_empty() && line.chars().count() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.len() > width {
            lines.push(word.drain(..width).collect());
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_goes_on_in_its_column() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
        let rows = [["a".repeat(300), "b".repeat(30), "c".into(), "d".into()]];
        assert!(widths(&rows).iter().sum::<usize>() <= WIDTH - 6);
        let mut out = String::new();
        print(&rows, &mut out);
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
        let text: String = out.chars().filter(|c| *c == 'a').collect();
        assert_eq!(text.len(), 300);
    }
}
