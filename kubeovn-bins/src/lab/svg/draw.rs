//! The few shapes a picture is made of, as SVG text.

use std::fmt::Write;

/// A place on the page; y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Point {
    /// The place this far to the right and down.
    pub(super) fn by(self, x: f64, y: f64) -> Self {
        Self { x: self.x + x, y: self.y + y }
    }
}

/// How much room something takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    pub(super) w: f64,
    pub(super) h: f64,
}

/// How the classes look that shapes and texts are given.
const STYLE: &str = "\
text{font-family:system-ui,'DejaVu Sans',sans-serif;fill:#222}\
.title{font-size:18px;font-weight:600}.vpcname{font-size:15px;font-weight:600;fill:#334}\
.vpc{fill:#f6f7fa;stroke:#9aa5b8;stroke-width:1.5}.router{fill:#3b4a66;stroke:none}\
.routername{font-size:12px;fill:#fff}.wire{stroke:#7c8798;stroke-width:1.5;fill:none}\
.subnet{fill:#fff;stroke:#b9c1ce}.subnetname{font-size:13px;font-weight:600}.cidr{font-size:11px;fill:#556}\
.remark{font-size:10.5px;fill:#a04010}.pod{stroke-width:1.2}.broken{stroke:#c00!important;stroke-dasharray:4 3}\
.podname{font-size:11.5px;font-weight:600}.ip{font-size:11px}.legend{font-size:12px}\
.peering{stroke:#b0468c;stroke-width:2.5;stroke-dasharray:7 4;fill:none}";

/// A page that is drawn on.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    shapes: String,
}

impl Canvas {
    pub(super) fn rect(&mut self, at: Point, size: Size, radius: f64, class: &str, style: &str) {
        let style = if style.is_empty() { String::new() } else { format!(" style=\"{style}\"") };
        let (Point { x, y }, Size { w, h }) = (at, size);
        self.add(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"{radius:.1}\" class=\"{class}\"{style}/>"
        ));
    }

    pub(super) fn line(&mut self, from: Point, to: Point, class: &str) {
        self.add(&format!(
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" class=\"{class}\"/>",
            from.x, from.y, to.x, to.y
        ));
    }

    /// A line that bows towards `by`.
    pub(super) fn curve(&mut self, from: Point, by: Point, to: Point, class: &str) {
        self.add(&format!(
            "<path d=\"M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}\" class=\"{class}\"/>",
            from.x, from.y, by.x, by.y, to.x, to.y
        ));
    }

    /// Text on one line. What is longer than `room`, with each letter taken as `letter` wide, loses its middle,
    /// since names differ at their ends; the whole is shown on hovering.
    pub(super) fn text(&mut self, at: Point, text: &str, class: &str, room: f64, letter: f64) {
        let wide = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * letter;
        let length = text.chars().count();
        let mut kept = length;
        while kept > 0 && wide(kept + usize::from(kept < length)) > room {
            kept -= 1;
        }
        let (shown, title) = if kept == length {
            (escape(text), String::new())
        } else {
            let start: String = text.chars().take(kept / 2).collect();
            let end: String = text.chars().skip(length - kept.div_ceil(2)).collect();
            (escape(&format!("{start}…{end}")), format!("<title>{}</title>", escape(text)))
        };
        self.add(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" class=\"{class}\">{title}{shown}</text>",
            at.x, at.y
        ));
    }

    /// The document.
    pub(super) fn finish(self, size: Size) -> String {
        let Size { w, h } = size;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\">\n\
             <style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}</svg>\n",
            self.shapes
        )
    }

    fn add(&mut self, shape: &str) {
        self.shapes.push_str(shape);
        self.shapes.push('\n');
    }
}

/// Text as XML takes it; control characters, which it does not take at all, become blanks.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match c {
            '&' | '<' | '>' | '"' | '\'' => write!(escaped, "&#{};", u32::from(c)),
            _ if c.is_control() => escaped.write_char(' '),
            _ => escaped.write_char(c),
        };
    }
    escaped
}
