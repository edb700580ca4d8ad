//! A file that becomes visible whole, and never in place of another.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::NamedTempFile;

/// A file under a hidden name beside the one it is to have. Dropped without
/// [`NewFile::publish`] it leaves nothing.
pub(crate) struct NewFile {
    path: PathBuf,
    content: NamedTempFile,
}

impl NewFile {
    /// Refuses at once what would be refused at the end. Readable to its owner
    /// only: a box holds what the chain's users sent.
    pub(crate) fn create(path: &Path) -> anyhow::Result<NewFile> {
        if path.symlink_metadata().is_ok() {
            bail!("{}", exists(path));
        }
        let content = tempfile::Builder::new()
            .prefix(".haltbox-")
            .suffix(".tmp")
            .tempfile_in(folder(path));
        let content = content.with_context(|| format!("cannot create {}", path.display()))?;
        Ok(NewFile {
            path: path.to_owned(),
            content,
        })
    }

    /// To write to.
    pub(crate) fn file(&self) -> &File {
        self.content.as_file()
    }

    /// Makes it durable, then visible.
    pub(crate) fn publish(self) -> anyhow::Result<()> {
        let path = self.path;
        let doing = || format!("cannot write {}", path.display());
        self.content.as_file().sync_all().with_context(doing)?;
        match self.content.persist_noclobber(&path) {
            Ok(_) => {}
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => bail!("{}", exists(&path)),
            Err(e) => return Err(e.error).with_context(doing),
        }
        let folder = File::open(folder(&path)).with_context(doing)?;
        folder.sync_all().with_context(doing)
    }
}

fn exists(path: &Path) -> String {
    format!(
        "{} exists and is left as it is; name another file",
        path.display()
    )
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
