//! Columns of text that line up, and the few colours a terminal gets.

use std::borrow::Cow;
use std::fmt::Write;

/// Between two columns.
const GAP: &str = "  ";

/// Rows under a heading, with a note below a row here and there.
pub(super) struct Table {
    heading: Vec<&'static str>,
    right: &'static [usize],
    rows: Vec<(Vec<String>, Option<String>)>,
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    colours: bool,
}

impl Table {
    pub(super) fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), right: &[], rows: Vec::new() }
    }

    /// The columns whose cells stand at the right: numbers.
    pub(super) fn right(mut self, columns: &'static [usize]) -> Self {
        self.right = columns;
        self
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows
            .push((cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }).to_vec(), None));
    }

    /// A line of its own below the last row.
    pub(super) fn note(&mut self, note: Option<String>) {
        if let Some(last) = self.rows.last_mut() {
            last.1 = note;
        }
    }

    /// The table with an empty line behind it; nothing if it has no rows.
    pub(super) fn render(&self, paint: Paint) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let cells = |column: usize| self.rows.iter().filter_map(move |(row, _)| row.get(column));
        let widths: Vec<usize> = (0..)
            .zip(&self.heading)
            .map(|(column, heading)| {
                cells(column).map(|cell| width(cell)).chain([heading.len()]).max().unwrap_or(0)
            })
            .collect();
        let heading: Vec<String> = self.heading.iter().map(|heading| (*heading).to_owned()).collect();
        let mut text = paint.bold(&self.line(&heading, &widths));
        text.push('\n');
        for (row, note) in &self.rows {
            text.push_str(&self.line(row, &widths));
            text.push('\n');
            if let Some(note) = note {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "    {note}");
            }
        }
        text.push('\n');
        text
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (column, (cell, wide)) in row.iter().zip(widths).enumerate() {
            let blank = " ".repeat(wide.saturating_sub(width(cell)));
            let cell = if self.right.contains(&column) { [&blank, cell] } else { [cell, &blank] };
            line.extend(cell.map(String::as_str));
            line.push_str(GAP);
        }
        line.trim_end().to_owned()
    }
}

impl Paint {
    pub(super) fn new(colours: bool) -> Self {
        Self { colours }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// As many columns as a terminal gives a cell: colours take none.
fn width(cell: &str) -> usize {
    let mut plain = Cow::Borrowed(cell);
    while let Some((before, rest)) = plain.split_once('\x1b') {
        let after = rest.split_once('m').map_or("", |(_, after)| after);
        plain = Cow::Owned(format!("{before}{after}"));
    }
    plain.chars().count()
}
