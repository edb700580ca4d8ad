//! Boxes that are being signed. A thread waits for `ssh-keygen`, so an agent
//! that hangs holds up neither the recorder nor the next box.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use haltbox_model::ShowPath;

use crate::host_threads;
use crate::signing::Signer;
use crate::voice::{Speaker, Voice};

/// Time that signing has left once the recorder is told to end.
const LAST: Duration = Duration::from_secs(2);

pub(super) struct Signatures {
    signer: Arc<Signer>,
    voice: Speaker,
    end: End,
    threads: Vec<JoinHandle<()>>,
}

/// When the recorder was told to end. Clones share one state.
#[derive(Clone, Default)]
struct End(Arc<Mutex<Option<Instant>>>);

impl End {
    fn has_come(&self) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.is_some_and(|told| told.elapsed() >= LAST)
    }

    fn is_told(&self) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get_or_insert_with(Instant::now);
    }
}

impl Signatures {
    /// Signs by `signer`. Tries the key, and tells the operator if it does not
    /// sign.
    pub(super) fn of(signer: Signer, voice: &Speaker) -> Signatures {
        let mut signatures = Signatures {
            signer: Arc::new(signer),
            voice: Speaker::clone(voice),
            end: End::default(),
            threads: Vec::new(),
        };
        signatures.run(|signer, end, voice| {
            if let Err(error) = signer.try_out(&|| end.has_come()) {
                voice.say(&format!(
                    "boxes will be UNSIGNED as long as this is so: {error}"
                ));
            }
        });
        signatures
    }

    /// Signs a box, then calls `then` with the path of its signature, if it has
    /// one.
    pub(super) fn sign(
        &mut self,
        path: PathBuf,
        then: impl FnOnce(Option<&Path>) + Send + 'static,
    ) {
        self.run(move |signer, end, voice| {
            let signature = sign(signer, end, &path, voice);
            then(signature.as_deref());
        });
    }

    fn run(&mut self, work: impl FnOnce(&Signer, &End, &dyn Voice) + Send + 'static) {
        self.threads.retain(|thread| !thread.is_finished());
        let (signer, end) = (Arc::clone(&self.signer), self.end.clone());
        let voice = Speaker::clone(&self.voice);
        let thread = Builder::new().name("haltbox-sign".to_owned());
        let spawned = host_threads::spawn(thread, move || work(&signer, &end, &*voice));
        match spawned {
            Ok(thread) => self.threads.push(thread),
            Err(error) => {
                self.voice.say(&format!(
                    "cannot start a thread, so no box is signed and no --on-freeze command is \
                     started: {error}"
                ));
            }
        }
    }

    pub(super) fn is_at_work(&self) -> bool {
        self.threads.iter().any(|thread| !thread.is_finished())
    }

    pub(super) fn hurry(&self) {
        self.end.is_told();
    }
}

/// Signs a box, and tells the operator. Returns the path of the signature.
fn sign(signer: &Signer, end: &End, path: &Path, voice: &dyn Voice) -> Option<PathBuf> {
    match signer.sign(path, &|| end.has_come()) {
        Ok(signed) => {
            voice.say(&format!(
                "{} is signed: {}",
                path.shown(),
                signed.path.shown()
            ));
            Some(signed.path)
        }
        Err(error) => {
            voice.say(&format!(
                "{} is UNSIGNED: {error}; to sign it by hand: {}",
                path.shown(),
                signer.by_hand(path)
            ));
            None
        }
    }
}
