//! The handle of a recorder, open or closed.
//!
//! A handle is never freed: a few words for each opening. A host may close while its
//! other threads still record, or keep a copy of the pointer. Such a call must return
//! `HALTBOX_CLOSED`, and not read memory that was freed and reused.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use haltbox_recorder::host::{Birth, HostError, HostRecorder};

/// A recorder. Any thread may use it from `haltbox_open` to `haltbox_close`.
pub struct haltbox {
    birth: Birth,
    broken: AtomicBool,
    /// Bytes that the host wrote into the lent part.
    laid: AtomicU64,
    /// `None` after close.
    recorder: RwLock<Option<Arc<HostRecorder>>>,
    /// The handle opened before this one. The list keeps every handle reachable, so that
    /// leak checkers report none.
    before: AtomicPtr<haltbox>,
}

/// The handle opened last. It has no lock, because a process may fork at any time.
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

    /// Whether this process is a fork of the one that opened it. Nothing else of the
    /// handle may be used there: a thread that the child does not have may hold a lock.
    pub fn is_forked(&self) -> bool {
        self.birth.is_elsewhere()
    }

    /// Refuses every later call.
    pub fn disable(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Place where the host stores how many bytes it wrote.
    pub fn laid(&self) -> &AtomicU64 {
        &self.laid
    }

    /// Runs `work` on the recorder. Close waits for it.
    pub fn with<R>(
        &self,
        work: impl FnOnce(&HostRecorder) -> Result<R, HostError>,
    ) -> Result<R, HostError> {
        self.check()?;
        let recorder = self.recorder.read().unwrap_or_else(PoisonError::into_inner);
        work(recorder.as_deref().ok_or(HostError::Closed)?)
    }

    /// The recorder, for work that close must not wait for.
    pub fn share(&self) -> Result<Arc<HostRecorder>, HostError> {
        self.check()?;
        let recorder = self.recorder.read().unwrap_or_else(PoisonError::into_inner);
        recorder.clone().ok_or(HostError::Closed)
    }

    /// Closes the ring. A second call does nothing.
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
