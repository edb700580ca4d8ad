//! The frame of a page, and the text of a recording on it. A page runs no script and loads
//! nothing, and what a recording says is text there and never markup.

use haltbox_model::outside::visible;
use maud::{Escaper, Markup, PreEscaped, Render, html};
use std::fmt::Write as _;

/// How every page begins. A command that replaces a page knows it by these bytes.
pub const BEGINNING: &str = "<!doctype html>\n<html lang=en>";

/// Text from outside. Characters that markup is made of are escaped, and hidden characters
/// (control characters, changes of direction) become visible.
pub(super) struct Shown<'a>(pub &'a str);

impl Render for Shown<'_> {
    fn render_to(&self, page: &mut String) {
        // An Escaper fails only if the String below it fails, and that never does.
        let _ = Escaper::new(page).write_str(&visible(self.0));
    }
}

/// A whole page.
pub(super) fn page(title: &str, body: &Markup) -> String {
    // Style sheet and policy are the only parts that are no escaped text. Both are constants.
    let style = PreEscaped(include_str!("style.css"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    let page = html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="referrer" content="no-referrer";
            title { (Shown(title)) }
            style { (style) }
        }
        body {
            (body)
            footer.dim {
                "haltbox " (env!("CARGO_PKG_VERSION"))
                "; this page loads no resources and runs no scripts"
            }
        }
    };
    format!("{BEGINNING}{}</html>\n", page.into_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_no_markup() {
        let hostile = "<script>\"&\u{202e}\u{1b}[2J";
        let shown = html! { p title=(Shown(hostile)) { (Shown(hostile)) } }.into_string();
        let text = "&lt;script&gt;&quot;&amp;\\u{202e}\\x1b[2J";
        assert_eq!(shown, format!("<p title=\"{text}\">{text}</p>"));
    }
}
