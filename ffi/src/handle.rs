//! One open recorder, and what is left of a closed one.
//!
//! What the host's pointer points to stays for the life of the process: a few
//! words per opening. A host closes while its other threads still record, or
//! keeps a copy of the pointer; that must give `HALTBOX_CLOSED`, and not read
//! memory that something else has by now.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use haltbox_recorder::host::{Birth, HostError, HostRecorder};

/// A recorder. Any thread may use it from `haltbox_open` to `haltbox_close`.
pub struct haltbox {
    birth: Birth,
    broken: AtomicBool,
    /// Bytes that the host laid in what is lent to it.
    laid: AtomicU64,
    /// `None` once it is closed.
    recorder: RwLock<Option<Arc<HostRecorder>>>,
    /// The one opened before it: so that none of them is a leak to those who
    /// look for leaks.
    before: AtomicPtr<haltbox>,
}

/// The one opened last. Without a lock, as a fork may come at any time.
static LAST: AtomicPtr<haltbox> = AtomicPtr::new(ptr::null_mut());

impl haltbox {
    pub fn new(recorder: HostRecorder) -> *mut haltbox {
        let handle = Box::leak(Box::new(haltbox {
            birth: Birth::here(),
            broken: AtomicBool::new(false),
            laid: AtomicU64::new(0),
            recorder: RwLock::new(Some(Arc::new(recorder))),
            before: AtomicPtr::default(),
        }));
        let own = ptr::from_mut(handle);
        let before = LAST.swap(own, Ordering::AcqRel);
        handle.before.store(before, Ordering::Release);
        own
    }

    /// Nothing of it may be touched in the child of a fork: a lock may be held
    /// there by a thread that the child does not have.
    pub fn is_forked(&self) -> bool {
        self.birth.is_elsewhere()
    }

    /// From here on every call is refused.
    pub fn disable(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Where the host tells how much it laid.
    pub fn laid(&self) -> &AtomicU64 {
        &self.laid
    }

    /// Works on the recorder while nobody closes it.
    pub fn with<R>(
        &self,
        work: impl FnOnce(&HostRecorder) -> Result<R, HostError>,
    ) -> Result<R, HostError> {
        self.check()?;
        let recorder = self.recorder.read().unwrap_or_else(PoisonError::into_inner);
        work(recorder.as_deref().ok_or(HostError::Closed)?)
    }

    /// The recorder, for work that closing must not wait for.
    pub fn share(&self) -> Result<Arc<HostRecorder>, HostError> {
        self.check()?;
        let recorder = self.recorder.read().unwrap_or_else(PoisonError::into_inner);
        recorder.clone().ok_or(HostError::Closed)
    }

    /// Closes the ring. What is closed already stays so.
    pub fn close(&self) -> Result<(), HostError> {
        if self.is_forked() {
            return Err(HostError::Forked);
        }
        let taken = self
            .recorder
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        taken.iter().for_each(|recorder| recorder.close());
        Ok(())
    }

    fn check(&self) -> Result<(), HostError> {
        if self.is_forked() {
            return Err(HostError::Forked);
        }
        match self.broken.load(Ordering::Relaxed) {
            true => Err(HostError::Broken),
            false => Ok(()),
        }
    }
}
