//! Checks who signed a file: the detached ssh signature beside it, against the
//! operator's own file of allowed signers.
//!
//! The signature may be a stranger's. It is read up to a bound and copied
//! before `ssh-keygen` sees it, and nothing in it names a file. The name of the
//! signer comes from the operator's file.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use haltbox_format::blackbox::{SIGNATURE_HEAD, SIGNATURE_MAX};
use haltbox_model::ShowPath;
use haltbox_signature::{Answer, Call, CallError, patience_for};
use serde::Serialize;
use tempfile::NamedTempFile;

/// Most names of one key in the file of signers that are tried.
const NAMES_MAX: usize = 16;

/// What a signature says about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// An allowed signer signed these bytes.
    Signed,
    /// There is no signature.
    Unsigned,
    /// The signature is not of these bytes, or is none.
    Altered,
    /// The signature is of these bytes, by a key that no allowed signer has, or
    /// may use for this.
    OtherKey,
    /// It could not be checked.
    Undecided,
}

/// What was found out about a file's signature.
#[derive(Clone, Debug, Serialize)]
pub struct Signature {
    /// The verdict.
    pub verdict: Verdict,
    /// Name of the signer, as the file of signers has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Type and digest of the key that signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What else there is to say, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Signature {
    fn of(verdict: Verdict, why: String) -> Signature {
        Signature {
            verdict,
            signer: None,
            key: None,
            why: Some(why),
        }
    }
}

/// A file of allowed signers, as ssh-keygen reads it (`ALLOWED SIGNERS` in its
/// manual).
#[derive(Clone, Debug)]
pub struct Signers(PathBuf);

impl Signers {
    /// Checks that the file can be read.
    ///
    /// # Errors
    /// It cannot.
    pub fn open(path: &Path) -> io::Result<Signers> {
        // A folder opens, and cannot be read.
        File::open(path)?.take(1).read_to_end(&mut Vec::new())?;
        Ok(Signers(path.to_owned()))
    }

    /// Checks the signature beside a file.
    pub fn check(&self, file: &Path) -> Signature {
        let beside = haltbox_signature::path_of(file);
        if file == Path::new("-") || file.is_dir() {
            let why = "only a file can have a signature beside it".to_owned();
            return Signature::of(Verdict::Unsigned, why);
        }
        match copy_of(&beside) {
            Ok(copy) => {
                let question = Question {
                    file,
                    signature: copy.path(),
                    signers: &self.0,
                };
                let answered = question.answer();
                answered
                    .unwrap_or_else(|error| Signature::of(Verdict::Undecided, error.to_string()))
            }
            Err(found) => found,
        }
    }
}

/// The signature beside a file, if there is one.
pub fn beside(file: &Path) -> Option<PathBuf> {
    Some(haltbox_signature::path_of(file)).filter(|path| path.is_file())
}

/// A copy of a signature in a file of our own.
fn copy_of(path: &Path) -> Result<NamedTempFile, Signature> {
    let undecided =
        |error: io::Error| Signature::of(Verdict::Undecided, format!("{}: {error}", path.shown()));
    let bytes = match fs::metadata(path) {
        Ok(found) if found.is_file() => read_bounded(path).map_err(undecided)?,
        // Reading a FIFO would wait.
        Ok(_) => Vec::new(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let why = format!("{} does not exist", path.shown());
            return Err(Signature::of(Verdict::Unsigned, why));
        }
        Err(error) => return Err(undecided(error)),
    };
    if !bytes.starts_with(SIGNATURE_HEAD) || bytes.len() as u64 > SIGNATURE_MAX {
        let why = format!("{} is no ssh signature", path.shown());
        return Err(Signature::of(Verdict::Altered, why));
    }
    let copy = NamedTempFile::new().and_then(|mut file| file.write_all(&bytes).map(|()| file));
    copy.map_err(undecided)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(SIGNATURE_MAX + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file, the copy of its signature, and the signers to look among.
struct Question<'a> {
    file: &'a Path,
    signature: &'a Path,
    signers: &'a Path,
}

impl Question<'_> {
    fn answer(&self) -> Result<Signature, CallError> {
        let found = haltbox_signature::find_principals(self.signature, self.signers)?;
        let found = end(found, 0)?;
        let names = String::from_utf8_lossy(found.output()).into_owned();
        let mut refused = None;
        for name in names.lines().take(NAMES_MAX).filter(|_| found.is_done()) {
            let answer = self.over_the_file(|file| {
                haltbox_signature::verify(self.signature, self.signers, name, file)
            })?;
            if answer.is_done() {
                return Ok(Signature {
                    verdict: Verdict::Signed,
                    signer: Some(name.to_owned()),
                    key: key_of(&answer),
                    why: None,
                });
            }
            refused = Some(answer);
        }
        self.of_no_signer(&refused.unwrap_or(found))
    }

    /// The verdict where no signer is accepted. `refused` says why.
    fn of_no_signer(&self, refused: &Answer) -> Result<Signature, CallError> {
        let made = self.over_the_file(|file| haltbox_signature::check(self.signature, file))?;
        if !made.is_done() {
            // Without these words it did not come to a verdict.
            let decided = made.output().starts_with(b"Could not verify signature");
            return Ok(match decided {
                true => Signature::of(Verdict::Altered, made.words()),
                false => Signature::of(Verdict::Undecided, made.words()),
            });
        }
        let reasons: Vec<String> = refused
            .complaints()
            .filter(|line| line != "No principal matched.")
            .collect();
        // A line of the file that ssh-keygen does not understand may be the signer's.
        let understood = reasons.iter().all(|line| is_about_the_key(line));
        Ok(Signature {
            verdict: match understood {
                true => Verdict::OtherKey,
                false => Verdict::Undecided,
            },
            signer: None,
            key: key_of(&made),
            why: (!reasons.is_empty()).then(|| refused.words()),
        })
    }

    fn over_the_file(
        &self,
        start: impl FnOnce(std::process::Stdio) -> Result<Call, CallError>,
    ) -> Result<Answer, CallError> {
        let file = File::open(self.file)?;
        let bytes = file.metadata()?.len();
        end(start(file.into())?, bytes)
    }
}

fn end(call: Call, bytes: u64) -> Result<Answer, CallError> {
    call.end(patience_for(bytes), &|| false)
}

/// Whether a complaint says that a key may not sign, and not that a line cannot
/// be read.
fn is_about_the_key(complaint: &str) -> bool {
    const SAYS: [&str; 4] = [
        "key has expired",
        "key is not yet valid",
        "key is not permitted",
        "Could not verify signature",
    ];
    SAYS.iter().any(|says| complaint.contains(says))
}

/// Type and digest of the key, as ssh-keygen prints them behind the name.
fn key_of(answer: &Answer) -> Option<String> {
    let out = String::from_utf8_lossy(answer.output());
    let (_, key) = out.trim_end().rsplit_once(" with ")?;
    Some(key.to_owned())
}
