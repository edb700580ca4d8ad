//! Calls of the host, and what they have to answer.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use haltbox_format::mark::State;
use haltbox_format::ring::{Flags, Header, Part, Seq, padded};
use haltbox_format::simulated::stored;
use haltbox_format::{AppHash, Digest, Lane};
use haltbox_recorder::host::{Agreement, HostError, HostRecorder, Kept, Span};

use super::{ROOM, World};
use crate::check::Leave;
use crate::lines::{self, Meaning};
use crate::model::{Fate, Step};
use crate::random::Random;

/// What a host told of the bytes that it laid.
static LAID: AtomicU64 = AtomicU64::new(0);

/// Largest payload of a lane of so many segments: one segment less than the lane, and each
/// with the headers of its fragments.
fn capacity(segments: u64) -> u64 {
    let fragments = ROOM.segment / 65536 + 1;
    (segments - 1) * (ROOM.segment - 64 - fragments * 16)
}

pub(super) fn app_hash(bytes: &[u8]) -> AppHash {
    AppHash::new(bytes).expect("a hash of a usual length")
}

/// A call that has no reason to fail.
pub(super) fn called<T>(answer: Result<T, HostError>) -> Result<T, String> {
    answer.map_err(|error| format!("a call: {error}"))
}

impl World {
    pub(super) fn host(&self) -> Result<&HostRecorder, String> {
        let host = self.host.as_ref();
        host.ok_or_else(|| "the recorder is closed".to_owned())
    }

    /// Makes a call that writes one entry.
    pub(super) fn give(
        &mut self,
        line: Vec<u8>,
        lane: Lane,
        meaning: Meaning,
        call: impl FnOnce(&HostRecorder, &[u8]) -> Result<Kept, HostError>,
    ) -> Result<(), String> {
        let kept = called(call(self.host()?, &line))?;
        self.given(line, lane, meaning, kept == Kept::Dropped)
    }

    fn given(
        &mut self,
        line: Vec<u8>,
        lane: Lane,
        meaning: Meaning,
        dropped: bool,
    ) -> Result<(), String> {
        let (prefix, segments) = match lane {
            Lane::Local => (8, ROOM.local),
            Lane::Main | Lane::Spine => (0, ROOM.main),
        };
        let fate = match dropped {
            true => Fate::Dropped,
            false if line.len() as u64 + prefix > capacity(segments) => Fate::Cut,
            false => Fate::Kept,
        };
        if dropped {
            self.may_drop(lane, line.len() as u64)?;
        }
        self.append(Rc::from(line), lane, false, meaning, fate);
        Ok(())
    }

    /// An entry is dropped only where what is pinned has all segments, or the file takes none.
    fn may_drop(&self, lane: Lane, length: u64) -> Result<(), String> {
        let pinned = self.model.blocks.iter().filter(|block| block.is_pinned());
        let segments = pinned.map(|block| {
            let until = block.until.unwrap_or(self.model.log.len()).max(block.from);
            let entries = self.model.log[block.from..until].iter();
            let main = entries.filter(|entry| entry.lane == Lane::Main && entry.was_there());
            main.map(|entry| entry.size()).sum::<u64>() / ROOM.segment + 2
        });
        let taken: u64 = segments.sum();
        let needed = length / (ROOM.segment - 1024) + 2;
        match self.refusing || lane == Lane::Main && taken + needed > ROOM.main {
            true => Ok(()),
            false => Err(format!(
                "an entry of {length} bytes was dropped, and at most {taken} segments are pinned"
            )),
        }
    }

    pub(super) fn begin_block(&mut self, height: u64) -> Result<(), String> {
        let time = 1_700_000_000_000_000_000 + self.next_serial() as i64;
        let line = lines::begin(height, time);
        self.give(line, Lane::Main, Meaning::Begin(height), |host, _| {
            host.begin_block(height, time, None)
        })
    }

    pub(super) fn record(&mut self, line: Vec<u8>, lane: Lane) -> Result<(), String> {
        self.give(line, lane, Meaning::Plain, HostRecorder::record)
    }

    pub(super) fn log(&mut self, line: Vec<u8>) -> Result<(), String> {
        let dropped = called(self.host()?.log(&line))? == Kept::Dropped;
        if dropped {
            self.may_drop(Lane::Local, line.len() as u64)?;
        }
        let fate = if dropped { Fate::Dropped } else { Fate::Kept };
        self.append(Rc::from(line), Lane::Local, true, Meaning::Plain, fate);
        Ok(())
    }

    pub(super) fn crank(&mut self, random: &mut Random) -> Result<(), String> {
        let number = self.next_serial();
        let (one, two) = ([random.draw() as u8; 32], [random.draw() as u8; 32]);
        let line = lines::crank(number, one, two);
        self.give(line, Lane::Main, Meaning::Plain, |host, _| {
            host.crank(number, Digest(one), Digest(two))
        })
    }

    /// A hash that no other execution has.
    pub(super) fn fresh_hash(&mut self) -> Vec<u8> {
        let serial = self.next_serial();
        blake3::hash(&serial.to_le_bytes()).as_bytes().to_vec()
    }

    pub(super) fn end_block(&mut self, height: u64, hash: Option<Vec<u8>>) -> Result<(), String> {
        let line = lines::end(height, hash.as_deref());
        let told = hash.as_deref().map(app_hash);
        self.give(line, Lane::Main, Meaning::End(height, hash), |host, _| {
            host.end_block(height, told)
        })
    }

    /// A commit ends the block if nothing else did.
    pub(super) fn commit(&mut self, height: u64, hash: Option<Vec<u8>>) -> Result<(), String> {
        let runs = self.model.latest(height);
        let runs = runs.is_some_and(|block| block.end.is_none() && block.state == State::Open);
        let host = self.host()?;
        let before = called(host.stats())?.dropped;
        let kept = called(host.commit(height, hash.as_deref().map(app_hash)))?;
        let dropped = called(host.stats())?.dropped - before;
        let last = u64::from(kept == Kept::Dropped);
        if runs {
            let line = lines::end(height, hash.as_deref());
            let meaning = Meaning::End(height, hash.clone());
            self.given(line, Lane::Main, meaning, dropped > last)?;
        }
        let line = lines::commit(height, hash.as_deref());
        self.given(line, Lane::Main, Meaning::Commit(height, hash), last > 0)
    }

    pub(super) fn abort(&mut self, height: u64) -> Result<(), String> {
        let line = lines::abort(height);
        self.give(line, Lane::Main, Meaning::Abort(height), |host, _| {
            host.abort(height)
        })
    }

    pub(super) fn confirm(&mut self, height: u64, network: Vec<u8>) -> Result<(), String> {
        let subject = self.model.subject(height);
        let expected = match subject.and_then(|block| block.app_hash.as_ref()) {
            Some(own) if *own == network => Agreement::Equal,
            Some(_) => Agreement::Differs,
            None => Agreement::Unknown,
        };
        let found = called(self.host()?.confirm(height, app_hash(&network)))?;
        if found != expected {
            return Err(format!(
                "confirm({height}) answers {found:?} instead of {expected:?}"
            ));
        }
        if found != Agreement::Unknown {
            self.step(Step::Confirm(height, Some(network)));
        }
        Ok(())
    }

    pub(super) fn release(&mut self, height: u64) -> Result<(), String> {
        called(self.host()?.release(height))?;
        self.step(Step::Confirm(height, None));
        Ok(())
    }

    pub(super) fn diverged(&mut self, height: u64, of_app_hash: bool) -> Result<(), String> {
        if self.model.subject(height).is_none() {
            return Ok(());
        }
        // What the ring reused of it before is gone, and nothing can pin it.
        self.look(Leave::default())?;
        self.model.loosen(ROOM.segment);
        let (local, network) = (self.fresh_hash(), self.fresh_hash());
        let what = match of_app_hash {
            true => "AppHash",
            false => "LastResultsHash",
        };
        let host = self.host()?;
        called(host.diverged(height, app_hash(&local), app_hash(&network), what))?;
        self.step(Step::Diverged(height, local, network, of_app_hash));
        Ok(())
    }

    /// The host lays records itself, as docs/format.md tells.
    pub(super) fn lay(&mut self, random: &mut Random) -> Result<(), String> {
        let span = match self.host()?.lend(&LAID) {
            Ok(Some(span)) => span,
            Ok(None) | Err(HostError::NotLent) => return Ok(()),
            Err(error) => return Err(format!("a call: {error}")),
        };
        let mut at = 0;
        for number in 0..1 + random.below(5) {
            let (serial, size) = (self.next_serial(), 20 + random.below(400) as usize);
            let line = lines::laid(random, serial, size);
            if at + 16 + padded(line.len()) > span.length {
                break;
            }
            lay_one(&span, at, number, &line);
            at += 16 + padded(line.len());
            LAID.store(at as u64, Ordering::Release);
            self.given(line, Lane::Main, Meaning::Plain, false)?;
            stored();
        }
        called(self.host()?.end_lending())
    }
}

#[allow(unsafe_code)]
fn lay_one(span: &Span, at: usize, number: u64, line: &[u8]) {
    let seq = Seq(span.first.0 + number);
    let header = Header {
        part: Part::Full,
        flags: Flags::default(),
    };
    let word = span.key.commit_word(seq, header, &[], line);
    // SAFETY: the span is lent until the next call, and the caller saw that the record lies
    // inside it; records begin at multiples of 16.
    unsafe {
        let record = span.start.as_ptr().add(at);
        std::ptr::copy_nonoverlapping(line.as_ptr(), record.add(16), line.len());
        record.cast::<u64>().write(span.key.mask(seq).to_le());
        stored();
        AtomicU64::from_ptr(record.add(8).cast()).store(word.to_le(), Ordering::Release);
    }
}
