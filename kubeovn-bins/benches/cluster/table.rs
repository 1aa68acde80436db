//! A line per figure: what it is, the figure, its aim, and what to compare it with.

pub(crate) fn heading() {
    println!("{:<48}{:>10}  {:<10}{:>10}", "", "", "aim", "baseline");
}

/// With so many digits.
pub(crate) fn row(what: &str, figure: f64, digits: usize, aim: &str, baseline: Option<(f64, &str)>) {
    let baseline = baseline.map(|(figure, what)| format!("{figure:>10.digits$}  {what}")).unwrap_or_default();
    println!("{}", format!("{what:<48}{figure:>10.digits$}  {aim:<10}{baseline}").trim_end());
}
