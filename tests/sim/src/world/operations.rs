//! What each kind of operation does.

use haltbox_format::Lane;
use haltbox_recorder::host::{HostError, HostRecorder};
use haltbox_recorder::ring::file::OpenError;
use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::World;
use super::death::Doom;
use crate::check::Leave;
use crate::lines;
use crate::op::{Kind, Op};
use crate::random::Random;
use crate::system::Refusals;

impl World {
    pub(super) fn operate(&mut self, op: &Op) -> Result<(), String> {
        let mut random = Random(op.pick);
        let random = &mut random;
        match op.kind {
            Kind::Block => self.whole_block(random),
            Kind::Storm => self.storm(random),
            Kind::Begin => {
                let height = self.some_height_to_begin(random);
                self.begin_block(height)
            }
            Kind::Record => self.some_entry(random, 9),
            Kind::Bulk => self.bulk(random),
            Kind::Same => self.same(random),
            Kind::Large => self.large(random),
            Kind::Local => {
                let line = lines::local(self.next_serial(), random.skewed(11) as usize);
                self.record(line, Lane::Local)
            }
            Kind::Log => {
                let serial = self.next_serial();
                let line = lines::log(random, serial, random.clone().skewed(12) as usize);
                self.log(line)
            }
            Kind::Crank => self.crank(random),
            Kind::Lay => self.lay(random),
            Kind::End => self.some_end(random),
            Kind::Commit => self.some_commit(random),
            Kind::Confirm => self.some_confirm(random),
            Kind::Release => {
                let height = self.some_height(random);
                self.release(height)
            }
            Kind::Abort => {
                let height = self.some_height(random);
                self.abort(height)
            }
            Kind::Diverge => {
                let height = self.some_height(random);
                self.diverged(height, random.percent(70))
            }
            other => self.beside(other, random),
        }
    }

    /// What is no call of the host's execution.
    fn beside(&mut self, kind: Kind, random: &mut Random) -> Result<(), String> {
        match kind {
            Kind::Freeze => {
                let height = random.percent(60).then(|| self.some_height(random));
                self.freeze(height, false)?;
                self.check_boxes()
            }
            Kind::FreezeRefused => self.freeze_refused(random),
            Kind::Archive => self.archive(random, false),
            Kind::ArchiveRefused => self.archive_refused(random),
            Kind::Budget => self.keep_budget(random),
            Kind::RingRefuses => self.ring_refuses(random),
            Kind::Clock => self.clock(random),
            Kind::Look => self.look(Leave::default()),
            Kind::LiveLook => self.live_look(random),
            Kind::Writeback => self.writeback(random),
            Kind::Reopen => self.reopen(),
            Kind::SecondOpener => self.second_opener(),
            Kind::Fork => self.fork(),
            _ => self.doom(kind, random),
        }
    }

    fn doom(&mut self, kind: Kind, random: &mut Random) -> Result<(), String> {
        let power = matches!(kind, Kind::PowerCut | Kind::CutInNext | Kind::Damage);
        let doom = Doom {
            after: random.skewed(10),
            power_cut: power.then(|| random.draw()),
            damage: kind == Kind::Damage,
        };
        match kind {
            Kind::DieInNext | Kind::CutInNext => {
                self.doomed = Some(doom);
                Ok(())
            }
            _ => self.die(&doom),
        }
    }

    fn some_entry(&mut self, random: &mut Random, bits: u64) -> Result<(), String> {
        let (serial, size) = (self.next_serial(), random.skewed(bits) as usize);
        self.record(lines::entry(random, serial, size), Lane::Main)
    }

    fn whole_block(&mut self, random: &mut Random) -> Result<(), String> {
        let height = self.model.highest() + 1;
        self.begin_block(height)?;
        for _ in 0..random.skewed(4) {
            self.some_entry(random, 12)?;
        }
        let hash = self.fresh_hash();
        if random.percent(70) {
            self.end_block(height, random.percent(60).then(|| hash.clone()))?;
        }
        if random.percent(90) {
            self.commit(height, random.percent(80).then_some(hash))?;
        }
        Ok(())
    }

    fn storm(&mut self, random: &mut Random) -> Result<(), String> {
        for _ in 0..20 + random.skewed(9) {
            let height = self.model.highest() + 1;
            self.begin_block(height)?;
            let hash = self.fresh_hash();
            self.end_block(height, Some(hash.clone()))?;
            self.commit(height, Some(hash))?;
        }
        Ok(())
    }

    fn bulk(&mut self, random: &mut Random) -> Result<(), String> {
        let bits = random.pick(&[8, 12, 14, 16]);
        for _ in 0..random.skewed(8) {
            self.some_entry(random, bits)?;
        }
        Ok(())
    }

    /// A lap of records that are alike but for one number stand where those of the lap before
    /// did.
    fn same(&mut self, random: &mut Random) -> Result<(), String> {
        let size = 64 + 16 * random.below(8) as usize;
        for _ in 0..random.skewed(11) {
            let serial = 1_000_000_000 + self.next_serial();
            let mut line = format!(r#"{{"type":"note","n":{serial},"pad":""#).into_bytes();
            line.resize(size - 2, b'.');
            line.extend_from_slice(br#""}"#);
            self.record(line, Lane::Main)?;
        }
        Ok(())
    }

    fn large(&mut self, random: &mut Random) -> Result<(), String> {
        let size = match random.below(12) {
            0 => 2_300_000 + random.below(200_000),
            1..3 => 400_000 + random.below(600_000),
            _ => 60_000 + random.below(200_000),
        };
        let serial = self.next_serial();
        match random.below(6) {
            0 => self.record(lines::local(serial, size as usize / 4), Lane::Local),
            _ => self.record(lines::entry(random, serial, size as usize), Lane::Main),
        }
    }

    /// The next height, mostly; the same or an earlier one after a rollback, one further on
    /// after a gap.
    fn some_height_to_begin(&mut self, random: &mut Random) -> u64 {
        let last = self.model.blocks.last().map_or(0, |block| block.of.0);
        let back = random.below(4);
        match random.below(10) {
            0 => last.max(1),
            1 => last.saturating_sub(back).max(1),
            2 => last + 2 + back,
            _ => last + 1,
        }
    }

    /// One of the heights that were begun last.
    fn some_height(&mut self, random: &mut Random) -> u64 {
        let last = self.model.blocks.last().map_or(1, |block| block.of.0);
        last.saturating_sub(random.skewed(3)).max(1)
    }

    fn some_end(&mut self, random: &mut Random) -> Result<(), String> {
        let open = self.model.open().map(|block| block.of.0);
        let height = match open.filter(|_| random.percent(95)) {
            Some(height) => height,
            None => self.some_height(random),
        };
        // What a second end of the same execution means to the next block is not told.
        if self.model.latest(height).is_some_and(|block| block.ended) {
            return Ok(());
        }
        let hash = self.fresh_hash();
        self.end_block(height, random.percent(50).then_some(hash))
    }

    fn some_commit(&mut self, random: &mut Random) -> Result<(), String> {
        let last = self.model.blocks.last().map(|block| block.of.0);
        let height = match last.filter(|_| random.percent(90)) {
            Some(height) => height,
            None => self.some_height(random),
        };
        let known = self
            .model
            .latest(height)
            .and_then(|block| block.app_hash.clone());
        let hash = match known {
            Some(known) => known,
            None => self.fresh_hash(),
        };
        self.commit(height, random.percent(80).then_some(hash))
    }

    fn some_confirm(&mut self, random: &mut Random) -> Result<(), String> {
        let height = self.some_height(random);
        let known = self
            .model
            .subject(height)
            .and_then(|block| block.app_hash.clone());
        match known.filter(|_| random.percent(80)) {
            Some(own) => self.confirm(height, own),
            None => {
                let other = self.fresh_hash();
                self.confirm(height, other)
            }
        }
    }

    fn freeze_refused(&mut self, random: &mut Random) -> Result<(), String> {
        let refusals = box_refusals(random);
        let height = random.percent(60).then(|| self.some_height(random));
        self.system.refuse(refusals);
        let frozen = self.freeze(height, true);
        self.system.refuse(Refusals::default());
        frozen?;
        self.look(Leave::default())?;
        self.check_boxes()
    }

    fn archive_refused(&mut self, random: &mut Random) -> Result<(), String> {
        self.system.refuse(box_refusals(random));
        let archived = self.archive(random, true);
        self.system.refuse(Refusals::default());
        archived
    }

    /// Only a recorder that writes by calls hears of it.
    fn ring_refuses(&mut self, random: &mut Random) -> Result<(), String> {
        let errno = random.pick(&[libc::ENOSPC, libc::EIO, libc::EROFS, libc::EDQUOT]);
        self.system.refuse(Refusals {
            ring: Some(errno),
            ..Refusals::default()
        });
        self.refusing = true;
        for _ in 0..random.below(6) {
            self.some_entry(random, 9)?;
        }
        self.system.refuse(Refusals::default());
        // It tries again a moment later.
        self.system.pass(200, 0);
        self.refusing = false;
        Ok(())
    }

    fn clock(&mut self, random: &mut Random) -> Result<(), String> {
        let jump = match random.below(4) {
            0 => -(random.skewed(36) as i64),
            1 => random.skewed(36) as i64,
            _ => 0,
        };
        self.system.pass(random.skewed(24), jump);
        Ok(())
    }

    fn writeback(&mut self, random: &mut Random) -> Result<(), String> {
        let image = crate::system::outside(|| self.image());
        match self.on_disk.len() < 3 {
            true => self.on_disk.push(image),
            false => self.on_disk[random.below(3) as usize] = image,
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), String> {
        (self.host, self.archiver) = (None, None);
        self.open()?;
        let leave = Leave {
            opened: true,
            ..Leave::default()
        };
        self.look(leave)
    }

    fn second_opener(&mut self) -> Result<(), String> {
        match HostRecorder::open(self.options()) {
            Err(HostError::Open(OpenError::Locked(_))) => Ok(()),
            Err(error) => Err(format!("a second recorder hears {error}")),
            Ok(_) => Err("two recorders have one ring".to_owned()),
        }
    }

    /// The child of a fork must not record.
    #[allow(unsafe_code)]
    fn fork(&mut self) -> Result<(), String> {
        // SAFETY: no other thread of this process runs now; the child makes one call that only
        // looks where it is, and ends without running anything else.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                let answer = self.host.as_ref().map(|host| host.record(b"child"));
                let refused = matches!(answer, Some(Err(HostError::Forked)));
                // SAFETY: as above.
                unsafe { libc::_exit(i32::from(!refused)) }
            }
            Ok(ForkResult::Parent { child }) => match waitpid(child, None) {
                Ok(WaitStatus::Exited(_, 0)) => self.look(Leave::default()),
                other => Err(format!("a forked child recorded: {other:?}")),
            },
            Err(error) => Err(format!("fork: {error}")),
        }
    }
}

/// What a disk refuses of boxes and archive files.
fn box_refusals(random: &mut Random) -> Refusals {
    let errno = Some(random.pick(&[libc::ENOSPC, libc::EIO, libc::EROFS]));
    let none = Refusals::default();
    match random.below(4) {
        0 => Refusals {
            room: Some(random.skewed(18)),
            ..none
        },
        1 => Refusals {
            sync: errno,
            ..none
        },
        2 => Refusals {
            link: errno,
            ..none
        },
        _ => Refusals {
            make: errno,
            ..none
        },
    }
}
