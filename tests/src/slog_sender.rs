//! `@haltbox/slog-sender`, packed and installed as an operator would, beside
//! Agoric's slog aggregator from npm (`tests/node`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::npm::{self, run};
use crate::{forget_package, programs, root, text};

/// A folder with the package, the aggregator and the programs of `tests/node`.
pub struct NodeHost(PathBuf);

impl NodeHost {
    /// Needs Node and npm.
    pub fn installed() -> &'static NodeHost {
        static INSTALLED: OnceLock<NodeHost> = OnceLock::new();
        npm::needed();
        INSTALLED.get_or_init(install)
    }

    /// A program of `tests/node`, in this folder's Node, whose home is `home`.
    pub fn program(&self, name: &str, home: &Path) -> Command {
        let mut command = Command::new("node");
        command
            .arg(self.0.join(name))
            .current_dir(&self.0)
            .env("STATE_DIR", home.join("data/agoric"))
            .env("HALTBOX_SIZE", "64MiB")
            .stdin(Stdio::null());
        command
    }

    /// The folder, with its `node_modules`.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Where the package's module lies.
    pub fn module(&self) -> PathBuf {
        self.0
            .join("node_modules/@haltbox/slog-sender/slog-sender.js")
    }
}

fn folder() -> PathBuf {
    programs().join("slog-sender")
}

fn install() -> NodeHost {
    let host = folder().join("host");
    npm::ci(&root().join("tests/node"), &host);
    copy_all(&root().join("tests/node"), &host, ".mjs");
    let modules = host.join("node_modules/@haltbox");
    let _ = fs::remove_dir_all(&modules);
    fs::create_dir_all(&modules).expect("a folder");
    unpack_into(&modules);
    NodeHost(host)
}

/// Installs the packed package into an empty folder, and links it to where the
/// aggregator finds it.
fn unpack_into(modules: &Path) {
    let empty = folder().join("installed");
    let _ = fs::remove_dir_all(&empty);
    install_packed(&empty);
    let installed = empty.join("node_modules/@haltbox/slog-sender");
    fs::rename(installed, modules.join("slog-sender")).expect("the package");
}

/// `npm install` of the tarball alone: no network, no script, no compiler.
pub fn install_packed(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let install = ["install", "--ignore-scripts", "--offline", text(packed())];
    npm::npm(folder, &install);
}

/// The tarball that `npm pack` makes of what `ffi/node/build` built.
pub fn packed() -> &'static Path {
    static PACKED: OnceLock<PathBuf> = OnceLock::new();
    PACKED.get_or_init(|| {
        let package = folder().join("package");
        let _ = fs::remove_dir_all(&package);
        fs::create_dir_all(&package).expect("a folder");
        let source = root().join("ffi/node");
        for kind in [".js", ".ts", ".json", ".md"] {
            copy_all(&source, &package, kind);
        }
        let release = programs().file_name().is_some_and(|name| name == "release");
        let profile = if release { "release" } else { "dev" };
        let mut build = Command::new(source.join("build"));
        run(forget_package(&mut build).args([profile, text(&package)]));
        let name = npm::npm(&package, &["pack", "--silent"]);
        package.join(name.trim())
    })
}

/// Runs the install script of one package, which `--ignore-scripts` left out:
/// it downloads or compiles the package's addon.
pub(crate) fn build_addon(package: &Path) {
    let mut command = Command::new("npm");
    command.args(["run", "install"]).current_dir(package);
    // Where Node brought its headers along, none are downloaded.
    if let Some(node) = node_prefix()
        && node.join("include/node/node.h").is_file()
    {
        command.env("npm_config_nodedir", node);
    }
    run(&mut command);
}

fn node_prefix() -> Option<PathBuf> {
    let path = run(Command::new("node").args(["-p", "process.execPath"]));
    Some(Path::new(path.trim()).ancestors().nth(2)?.to_owned())
}

/// Copies the files of a folder whose names end so.
pub(crate) fn copy_all(from: &Path, to: &Path, kind: &str) {
    let entries = fs::read_dir(from).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    for path in paths.filter(|path| text(path).ends_with(kind)) {
        fs::copy(&path, to.join(npm::name_of(&path))).expect("a copy");
    }
}
