//! Every text that a user can read, gathered in one file: help pages as the programs
//! print them, and messages as they stand in the sources. Whoever changes a text sees it
//! beside the others, and reads it as a user does.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use haltbox_tests::{programs, root};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A text that differs from the file fails; HALTBOX_BLESS=1 writes the file anew.
fn hold(file: &str, found: &str) {
    let path = root().join("tests/data/texts").join(file);
    if std::env::var_os("HALTBOX_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, found).expect("it can be written");
        return;
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = |(at, (held, found)): (usize, (&str, &str))| {
        (held != found).then(|| format!("line {}:\n- {held}\n+ {found}", at + 1))
    };
    let padded = |text: &str| format!("{text}\n<end>");
    let (a, b) = (padded(&held), padded(found));
    let first = a.lines().zip(b.lines()).enumerate().find_map(differs);
    assert_eq!(
        first, None,
        "{file} is out of date: read the changed texts, then run this test with HALTBOX_BLESS=1"
    );
}

/// What a program prints for these arguments, 100 columns wide.
fn help(program: &str, command: &str) -> String {
    let mut asked = Command::new(programs().join(program));
    if !command.is_empty() {
        asked.arg(command);
    }
    let output = asked.arg("--help").env("COLUMNS", "100").output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{program} {command} --help");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The names of the commands that a help page lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let name = |line: &str| {
        line.strip_prefix("  ")?
            .split(' ')
            .next()
            .map(str::to_owned)
    };
    let names = listed.filter_map(name).filter(|name| !name.is_empty());
    names.filter(|name| name != "help").collect()
}

#[test]
fn help_pages_are_gathered() {
    let mut text = String::new();
    for program in ["haltbox", "haltbox-record", "haltbox-watch"] {
        let front = help(program, "");
        let names = commands(&front);
        write!(text, "# {program}\n\n{front}\n").expect("memory");
        for name in names {
            write!(text, "# {program} {name}\n\n{}\n", help(program, &name)).expect("memory");
        }
    }
    let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
    hold("help.txt", &(trimmed.join("\n") + "\n"));
}

/// The sources of what is shipped: tests are not.
fn sources() -> Vec<PathBuf> {
    let listed = Command::new("find")
        .current_dir(root())
        .args(["recorder", "reader", "watch", "ffi/src", "ffi/node/src"])
        .args(["-name", "*.rs", "-not", "-path", "*/tests/*"])
        .args(["-not", "-name", "tests.rs", "-not", "-path", "*/examples/*"])
        .output()
        .expect("find runs");
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    let mut files: Vec<PathBuf> = listed.lines().map(PathBuf::from).collect();
    files.sort();
    files
}

/// Gathers the string literals of a file that read like a text, its tests left out.
struct Texts(Vec<String>);

impl Texts {
    fn take(&mut self, text: &str) {
        let words = text.split_whitespace().filter(|word| {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase())
        });
        if words.count() >= 2 {
            self.0
                .push(text.split('\n').collect::<Vec<_>>().join("\\n"));
        }
    }

    /// Arguments of macros are no syntax tree: format strings are looked for among them.
    fn take_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.take_tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let syn::Lit::Str(text) = syn::Lit::new(literal) {
                        self.take(&text.value());
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

fn is_of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        path.is_ident("test")
            || path.is_ident("cfg")
                && matches!(&attribute.meta, syn::Meta::List(list)
                    if list.tokens.to_string() == "test")
    })
}

impl<'tree> Visit<'tree> for Texts {
    /// thiserror's `#[error("...")]` alone: doc comments are attributes too, and clap's are in
    /// the help pages.
    fn visit_attribute(&mut self, attribute: &'tree syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta
            && attribute.path().is_ident("error")
        {
            self.take_tokens(list.tokens.clone());
        }
    }

    fn visit_item_mod(&mut self, module: &'tree syn::ItemMod) {
        if !is_of_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'tree syn::ItemFn) {
        if !is_of_tests(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_lit_str(&mut self, text: &'tree syn::LitStr) {
        self.take(&text.value());
    }

    fn visit_macro(&mut self, called: &'tree syn::Macro) {
        self.take_tokens(called.tokens.clone());
    }
}

fn texts_of(file: &Path) -> Vec<String> {
    let source = std::fs::read_to_string(root().join(file)).expect("a source");
    let tree = syn::parse_file(&source).expect("it compiles");
    let mut texts = Texts(Vec::new());
    texts.visit_file(&tree);
    texts.0
}

#[test]
fn messages_are_gathered() {
    let mut text = String::new();
    for file in sources() {
        let found = texts_of(&file);
        if !found.is_empty() {
            write!(text, "# {}\n\n{}\n\n", file.display(), found.join("\n")).expect("memory");
        }
    }
    hold("messages.txt", &text);
}

/// Errors that are bare texts, and error types that thiserror does not write.
struct Untyped(Vec<String>);

fn is_string(given: &syn::Type) -> bool {
    matches!(given, syn::Type::Path(path) if path.path.is_ident("String"))
}

/// Whether this is `Result<_, String>`.
fn fails_with_text(segment: &syn::PathSegment) -> bool {
    let syn::PathArguments::AngleBracketed(given) = &segment.arguments else {
        return false;
    };
    segment.ident == "Result"
        && matches!(given.args.get(1), Some(syn::GenericArgument::Type(error)) if is_string(error))
}

impl<'tree> Visit<'tree> for Untyped {
    fn visit_item_mod(&mut self, module: &'tree syn::ItemMod) {
        if !is_of_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_path_segment(&mut self, segment: &'tree syn::PathSegment) {
        if fails_with_text(segment) {
            self.0.push("Result<_, String>".to_owned());
        }
        visit::visit_path_segment(self, segment);
    }

    fn visit_impl_item_type(&mut self, item: &'tree syn::ImplItemType) {
        if ["Err", "Error"].iter().any(|name| item.ident == name) && is_string(&item.ty) {
            self.0.push(format!("type {} = String", item.ident));
        }
    }

    fn visit_item_impl(&mut self, item: &'tree syn::ItemImpl) {
        let of = item
            .trait_
            .as_ref()
            .and_then(|(_, of, _)| of.segments.last());
        if of.is_some_and(|of| of.ident == "Error") {
            self.0.push("impl Error".to_owned());
        }
        visit::visit_item_impl(self, item);
    }
}

#[test]
fn every_error_is_a_type_of_thiserror() {
    let mut found = Vec::new();
    for file in sources() {
        let source = std::fs::read_to_string(root().join(&file)).expect("a source");
        let mut untyped = Untyped(Vec::new());
        untyped.visit_file(&syn::parse_file(&source).expect("it compiles"));
        let named = |what: &String| format!("{}: {what}", file.display());
        found.extend(untyped.0.iter().map(named));
    }
    assert_eq!(found, Vec::<String>::new(), "CONTRIBUTING.md, errors");
}

/// Variants and structs whose message says what is underneath, and which give it as a source
/// too: whoever prints the chain would print it twice.
struct SaidTwice(Vec<String>);

impl SaidTwice {
    fn look(&mut self, name: &syn::Ident, attributes: &[syn::Attribute], fields: &syn::Fields) {
        let is_whole = |attribute: &syn::Attribute| {
            attribute.path().is_ident("error")
                && !matches!(&attribute.meta, syn::Meta::List(list)
                    if list.tokens.to_string() == "transparent")
        };
        let is_source = |field: &syn::Field| {
            let named = field.ident.as_ref().is_some_and(|name| name == "source");
            let marks = ["source", "from"];
            let marked = |a: &syn::Attribute| marks.iter().any(|mark| a.path().is_ident(mark));
            named || field.attrs.iter().any(marked)
        };
        if attributes.iter().any(is_whole) && fields.iter().any(is_source) {
            self.0.push(name.to_string());
        }
    }
}

impl<'tree> Visit<'tree> for SaidTwice {
    fn visit_variant(&mut self, variant: &'tree syn::Variant) {
        self.look(&variant.ident, &variant.attrs, &variant.fields);
    }

    fn visit_item_struct(&mut self, item: &'tree syn::ItemStruct) {
        self.look(&item.ident, &item.attrs, &item.fields);
    }
}

#[test]
fn no_error_is_said_twice() {
    let mut found = Vec::new();
    for file in sources() {
        let source = std::fs::read_to_string(root().join(&file)).expect("a source");
        let mut twice = SaidTwice(Vec::new());
        twice.visit_file(&syn::parse_file(&source).expect("it compiles"));
        found.extend(
            twice
                .0
                .iter()
                .map(|name| format!("{}: {name}", file.display())),
        );
    }
    assert_eq!(
        found,
        Vec::<String>::new(),
        "CONTRIBUTING.md, errors: one rule"
    );
}
