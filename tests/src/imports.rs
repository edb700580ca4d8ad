//! Which modules of a crate import each other in a circle, read from its sources.
//!
//! Modules are compared with their neighbours: what a module says counts for all
//! modules it stands in. That a child names its parent is no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module by its names from the crate's root, which has none.
type Module = Vec<String>;

/// The text of each module, without tests and comments.
type Texts = BTreeMap<Module, String>;

/// The imports between neighbours that are left when all modules are taken away that import
/// none of the others, as `a -> b`.
pub fn circles(src: &Path) -> Vec<String> {
    let mut texts = Texts::new();
    read(src, &Module::new(), &mut texts);
    assert!(texts.len() > 1, "no modules in {}", src.display());
    let mut imports = imports(&texts);
    loop {
        let users: BTreeSet<Module> = imports.iter().map(|(user, _)| user.clone()).collect();
        let before = imports.len();
        imports.retain(|(_, used)| users.contains(used));
        if imports.len() == before {
            break;
        }
    }
    let shown =
        |(user, used): &(Module, Module)| format!("{} -> {}", user.join("::"), used.join("::"));
    imports.iter().map(shown).collect()
}

fn read(folder: &Path, parent: &Module, texts: &mut Texts) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let mut module = parent.clone();
        if !matches!(&*name, "lib" | "mod") {
            module.push(name.into_owned());
        }
        if module.last().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            read(&path, &module, texts);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            texts.insert(module, without_tests(&text));
        }
    }
}

fn without_tests(text: &str) -> String {
    let own = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = own
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn imports(texts: &Texts) -> BTreeSet<(Module, Module)> {
    let mut imports = BTreeSet::new();
    for (user, text) in texts {
        for path in paths(text) {
            let used = resolve(texts, user, &path);
            let shared = user.iter().zip(&used).take_while(|(a, b)| a == b).count();
            if shared < user.len() && shared < used.len() {
                imports.insert((user[..=shared].to_vec(), used[..=shared].to_vec()));
            }
        }
    }
    imports
}

/// Every path in a text that begins at the crate's root or at a parent.
fn paths(text: &str) -> Vec<Vec<&str>> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                expand(&text[at..], &mut Vec::new(), &mut paths);
            }
        }
    }
    paths
}

/// The paths that begin with a text; gives what is behind them.
fn expand<'a>(text: &'a str, before: &mut Vec<&'a str>, paths: &mut Vec<Vec<&'a str>>) -> &'a str {
    let depth = before.len();
    let mut rest = text.trim_start();
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        if let (Some(group), "") = (behind.strip_prefix('{'), name) {
            rest = expand_group(group, before, paths);
            break;
        }
        before.push(name);
        match behind.strip_prefix("::") {
            Some(further) => rest = further,
            None => {
                paths.push(before.clone());
                rest = behind;
                break;
            }
        }
    }
    before.truncate(depth);
    rest
}

fn expand_group<'a>(
    mut rest: &'a str,
    before: &mut Vec<&'a str>,
    paths: &mut Vec<Vec<&'a str>>,
) -> &'a str {
    loop {
        let behind = expand(rest, before, paths);
        let end = behind.find([',', '}']).unwrap_or(behind.len());
        match behind[end..].strip_prefix(',') {
            Some(next) if !next.trim_start().starts_with('}') => rest = next,
            _ => return behind[end..].trim_start_matches([',', '}', ' ', '\n']),
        }
    }
}

/// The module that a path comes to: that of a name which a module hands out is its own.
fn resolve(texts: &Texts, user: &Module, path: &[&str]) -> Module {
    let parents = path.iter().take_while(|name| **name == "super").count();
    let mut module = match parents {
        0 => Module::new(),
        _ => user[..user.len().saturating_sub(parents)].to_vec(),
    };
    for name in &path[parents.max(1)..] {
        let mut child = module.clone();
        child.push((*name).to_owned());
        if !texts.contains_key(&child) {
            return origin(texts, &module, name).unwrap_or(module);
        }
        module = child;
    }
    module
}

/// The child module that a module takes a public name from.
fn origin(texts: &Texts, module: &Module, name: &str) -> Option<Module> {
    let text = texts.get(module)?;
    let uses = text.split("pub use ").skip(1);
    let statements = uses.filter_map(|rest| rest.split(';').next());
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.map(str::to_owned).collect()
    };
    let mut found = statements
        .map(words)
        .filter(|words| words[1..].iter().any(|w| w == name));
    let mut child = module.clone();
    child.push(found.next()?.into_iter().next()?);
    texts.contains_key(&child).then_some(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        circles(folder.path())
    }

    #[test]
    fn a_circle_is_found_through_children_groups_and_names_handed_out() {
        let lib = ("lib.rs", "mod a;\nmod b;\npub use b::{One, Two};\n");
        let one_way = [lib, ("a.rs", "use crate::{Two};\n"), ("b.rs", "mod c;\n")];
        assert_eq!(circles_of(&one_way), Vec::<String>::new());
        let back = (
            "b/c.rs",
            "use super::X;\nuse crate::{y::Y, a::{B, C}, One};\n",
        );
        let circle = [one_way[0], one_way[1], one_way[2], back];
        assert_eq!(circles_of(&circle), ["a -> b", "b -> a"]);
        let siblings = [
            lib,
            ("a.rs", "/// crate::b\nmod x; mod y;"),
            ("a/x.rs", "fn f() { super::y::g() }"),
            (
                "a/y.rs",
                "use super::x::f;\n#[cfg(test)]\nmod tests { use crate::b; }",
            ),
            ("b.rs", "use crate::a;"),
        ];
        assert_eq!(circles_of(&siblings), ["a::x -> a::y", "a::y -> a::x"]);
    }
}
