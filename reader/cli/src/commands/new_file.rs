//! A file that becomes visible as a whole, and never replaces another file.

use haltbox_model::ShowPath;
use haltbox_reader::report::page::BEGINNING;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::NamedTempFile;

/// A file under a hidden name, beside its final path. If it is dropped without
/// [`NewFile::publish`], nothing is left.
pub(crate) struct NewFile {
    path: PathBuf,
    replaces: bool,
    content: NamedTempFile,
}

impl NewFile {
    /// Creates the file. Fails at once if the path exists, and not only at the end. Only the owner
    /// may read it, because a box holds what the chain's users sent.
    pub(crate) fn create(path: &Path) -> anyhow::Result<NewFile> {
        if path.symlink_metadata().is_ok() {
            bail!("{}", exists(path));
        }
        NewFile::beside(path, false)
    }

    /// Creates a page. It may replace an older page, and nothing else.
    pub(crate) fn page(path: &Path) -> anyhow::Result<NewFile> {
        let there = path.symlink_metadata().is_ok();
        if there && !is_page(path) {
            bail!("{}", exists(path));
        }
        NewFile::beside(path, there)
    }

    fn beside(path: &Path, replaces: bool) -> anyhow::Result<NewFile> {
        if path == Path::new("-") {
            bail!("cannot write to standard output (-): name a file (./- for a file named -)");
        }
        let content = tempfile::Builder::new()
            .prefix(".haltbox-")
            .suffix(".tmp")
            .tempfile_in(folder(path));
        let content = content.with_context(|| format!("cannot create {}", path.shown()))?;
        Ok(NewFile {
            path: path.to_owned(),
            replaces,
            content,
        })
    }

    /// The file to write to.
    pub(crate) fn file(&self) -> &File {
        self.content.as_file()
    }

    /// Makes the file durable, then visible.
    pub(crate) fn publish(self) -> anyhow::Result<()> {
        let path = self.path;
        let doing = || format!("cannot write {}", path.shown());
        self.content.as_file().sync_all().with_context(doing)?;
        let done = match self.replaces {
            true => self.content.persist(&path),
            false => self.content.persist_noclobber(&path),
        };
        match done {
            Ok(_) => {}
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => bail!("{}", exists(&path)),
            Err(e) => return Err(e.error).with_context(doing),
        }
        let folder = File::open(folder(&path)).with_context(doing)?;
        folder.sync_all().with_context(doing)
    }
}

fn is_page(path: &Path) -> bool {
    let mut head = Vec::new();
    let opened = path.is_file().then(|| File::open(path).ok()).flatten();
    let read = opened.map(|file| file.take(BEGINNING.len() as u64).read_to_end(&mut head));
    read.is_some_and(|read| read.is_ok()) && head == BEGINNING.as_bytes()
}

fn exists(path: &Path) -> String {
    format!(
        "{} already exists and was not changed; name another file",
        path.shown()
    )
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
