//! Text for terminals of 100 columns.

use std::fmt::Write as _;

/// Columns of a line.
pub const WIDTH: usize = 100;

/// Words in lines of at most [`WIDTH`] columns, each behind `indent` blanks. A word that is longer has a line of its own.
pub fn wrapped(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let mut out = String::new();
    let mut line = margin.clone();
    for word in text.split_whitespace() {
        let begun = line.len() > indent;
        if begun && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line.clone_from(&margin);
            line.push_str(word);
        } else {
            if begun {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    out + &line + "\n"
}

/// Columns that stand below each other; numbers, that is what is `right`, at their right ends.
pub fn table(head: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let cell = |row: &[String], at: usize| row.get(at).map_or(0, |text| text.chars().count());
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(at, name)| rows.iter().map(|row| cell(row, at)).max().unwrap_or(0).max(name.len()))
        .collect();
    let mut out = String::new();
    let mut put = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (at, (text, width)) in cells.zip(&widths).enumerate() {
            let gap = if at == 0 { "" } else { "  " };
            // writing to a String does not fail
            let _ = if right.contains(&at) {
                write!(line, "{gap}{text:>width$}")
            } else {
                write!(line, "{gap}{text:<width$}")
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    };
    put(&mut head.iter().copied());
    rows.iter().for_each(|row| put(&mut row.iter().map(String::as_str)));
    out
}

/// `1 pod`, `2 pods`.
pub fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_a_terminal() {
        let text = wrapped(&"word ".repeat(60), 4);
        assert!(text.lines().all(|line| line.len() <= WIDTH && line.starts_with("    word")), "{text}");
        assert!(text.lines().next().is_some_and(|line| line.len() > WIDTH - 6), "{text}");
        assert_eq!(text.split_whitespace().count(), 60);
    }

    #[test]
    fn numbers_stand_at_the_right() {
        let rows = [vec!["a".to_owned(), "7".to_owned()], vec!["long".to_owned(), "1234".to_owned()]];
        assert_eq!(table(&["NAME", "USED"], &[1], &rows), "NAME  USED\na        7\nlong  1234\n");
    }
}
