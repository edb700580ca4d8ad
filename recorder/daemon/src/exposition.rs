//! Metrics as Prometheus reads them: the text exposition format, version 0.0.4.
//!
//! It is written by hand. node_exporter's textfile collector reads this format and no later
//! one, a metric stands on its page before it has a value, and the names are those that
//! alert rules and dashboards use. The library of OpenMetrics appends `_total` to each
//! counter and ends a page with `# EOF`.

use std::fmt::{self, Display, Write as _};

/// The format, in HTTP's words.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a value does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, and begins anew with its program or its ring.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Quantiles, a count and a sum.
    Summary,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        }
    }
}

/// A page of metrics. All samples of one metric stand behind its head.
#[derive(Clone, Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a metric. `help` may be empty.
    pub fn head(&mut self, name: impl Display, kind: Kind, help: &str) {
        if !help.is_empty() {
            let _ = writeln!(self.0, "# HELP {name} {help}");
        }
        let _ = writeln!(self.0, "# TYPE {name} {}", kind.word());
    }

    /// Adds a sample of the metric that was begun last. `labels` are made by
    /// [`labels`].
    pub fn sample(&mut self, name: impl Display, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    /// Adds what another page has.
    pub fn append(&mut self, other: &Exposition) {
        self.0.push_str(&other.0);
    }
}

impl Display for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Labels, with commas between them.
pub fn labels(of: &[(&str, &dyn Display)]) -> String {
    let each = of.iter().map(|(name, value)| label(name, value));
    each.collect::<Vec<String>>().join(",")
}

/// `name="value"`: a value comes from outside, and must not end its quotes.
pub fn label(name: &str, value: impl Display) -> String {
    let mut text = format!("{name}=\"");
    for c in value.to_string().chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_format_of_version_0_0_4() {
        let mut page = Exposition::default();
        page.head("a_total", Kind::Counter, "What grows.");
        page.head("b", Kind::Gauge, "");
        page.sample("b", "", 7);
        let labels = labels(&[("x", &1), ("y", &"say \"no\"\\\n")]);
        page.sample("b", &labels, f64::NAN);
        let mut whole = Exposition::default();
        whole.append(&page);
        assert_eq!(
            whole.to_string(),
            "# HELP a_total What grows.\n# TYPE a_total counter\n# TYPE b gauge\nb 7\n\
             b{x=\"1\",y=\"say \\\"no\\\"\\\\\\n\"} NaN\n"
        );
    }
}
