//! A virtual machine records, and loses its power. Its disk is served by the test, which
//! knows every write and every flush of it, so that one run gives the disk of a power cut
//! at any moment: what was flushed is there, and any part of the rest.

mod after_cut; // what is on the disk then
mod intact; // records that prove themselves

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use haltbox_tests::guest::boot::{Boot, Machine, needs_a_machine};
use haltbox_tests::guest::disk::{Cuts, Disk, Log};
use haltbox_tests::loop_disk::LoopDisk;
use haltbox_tests::*;

use after_cut::{Cut, Figures, Known, Note, SYNCED_BLOCKS, Truth, notes};

use crate::kill::build_with_fault;

/// Disks that are checked at a time.
const AT_A_TIME: usize = 4;

/// What the disk is.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    make: &'static [&'static str],
    options: &'static str,
    /// How the test mounts it.
    here: &'static str,
    /// Bytes of the file system.
    size: usize,
    /// It has a write cache, and a power cut loses that.
    cache: bool,
}

const EXT4: Kind = Kind {
    name: "ext4",
    make: &["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0"],
    options: "data=ordered",
    here: "rw",
    size: 64 << 20,
    cache: true,
};

const WITHOUT_CACHE: Kind = Kind {
    cache: false,
    ..EXT4
};

/// A journal that does not wait for the data.
const WRITEBACK: Kind = Kind {
    options: "data=writeback",
    ..EXT4
};

const XFS: Kind = Kind {
    name: "xfs",
    make: &["mkfs.xfs", "-q", "-f"],
    options: "rw",
    // Several disks of one origin are mounted at a time.
    here: "nouuid",
    size: 304 << 20,
    cache: true,
};

impl Kind {
    /// A new disk: the file system, and room for marks behind it.
    fn disk(self, folder: &Path) -> Vec<u8> {
        let path = folder.join("new");
        let file = fs::File::create(&path).expect("a file");
        file.set_len(self.size as u64).expect("its length");
        let [program, arguments @ ..] = self.make else {
            panic!("no program");
        };
        let made = Command::new(program).args(arguments).arg(&path).status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "this test needs mkfs ({program})"
        );
        let mut bytes = fs::read(path).expect("a disk");
        bytes.resize(self.size + (8 << 20), 0);
        bytes
    }
}

/// Boots of one disk, each until its power is cut, and cuts of each.
struct Trial<'a> {
    kind: Kind,
    boots: u32,
    cuts: u64,
    recorder: PathBuf,
    truth: &'a Truth,
    random: Random,
    figures: Figures,
}

impl Trial<'_> {
    fn run(&mut self) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut disk = self.kind.disk(folder.path());
        let mut history: Vec<Known> = Vec::new();
        let mut from = 1;
        for number in 1..=self.boots {
            let boot = Boot {
                boot: number,
                from,
                seed: self.random.draw(),
                kind: self.kind.name,
                options: self.kind.options,
                expire: [40, 100, 400][self.random.below(3) as usize],
                marks: self.kind.size,
                cache: self.kind.cache,
                recorder: self.recorder.clone(),
            };
            let (before, log) = self.until_cut(folder.path(), disk, &boot);
            disk = self.check(before, &log, &boot, &mut history);
            let last = history.last().expect("a boot");
            from = last.from + (last.synced / self.truth.template.len()) as u64 + 1;
        }
    }

    /// One run of the machine.
    fn until_cut(&mut self, folder: &Path, disk: Vec<u8>, boot: &Boot) -> (Vec<u8>, Log) {
        let socket = folder.join("disk");
        let _ = fs::remove_file(&socket);
        let disk = Disk::serve(disk, &socket, self.random.draw());
        let blocks = 60 + self.random.below(120);
        let enough = format!("given {}", blocks as usize * self.truth.template.len());
        let mut machine = Machine::boot(folder, boot, &self.truth.template);
        let begun = Instant::now();
        let is_enough = || {
            let log = disk.log();
            let mut newest = log
                .writes
                .iter()
                .rev()
                .filter(|write| write.at >= self.kind.size);
            newest
                .next()
                .is_some_and(|write| write.bytes.starts_with(enough.as_bytes()))
        };
        while !is_enough() {
            let waits = begun.elapsed() < Duration::from_secs(300);
            assert!(waits && machine.runs(), "{}", machine.console());
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(self.random.below(300)));
        if std::env::var_os("HALTBOX_CONSOLE").is_some() {
            println!("{}", machine.console());
        }
        drop(machine);
        disk.end()
    }

    /// Moments of power cuts, the last one included. A quarter is about the making of the
    /// ring, and a quarter is right behind a note that something is safe.
    fn moments(&mut self, end: u64, notes: &[Note]) -> Vec<u64> {
        let claims: Vec<&Note> = notes
            .iter()
            .filter(|n| !n.text.starts_with("given"))
            .collect();
        let ring = claims.iter().find(|note| note.text == "ring");
        let begun = ring.expect("a ring").received;
        let early = begun - begun / 10;
        let moment = |number: u64| match number % 4 {
            0 => early + self.random.below(begun - early + (end - begun) / 20),
            1 => {
                let claim = claims[self.random.below(claims.len() as u64) as usize];
                end.min(claim.answered.unwrap_or(end) + self.random.below(10))
            }
            _ => early + self.random.below(end - early),
        };
        let mut moments: Vec<u64> = (1..self.cuts).map(moment).collect();
        moments.sort_unstable();
        moments.push(end);
        moments
    }

    /// Checks cuts of a run. What is left at its end is the disk of the next boot.
    fn check(
        &mut self,
        before: Vec<u8>,
        log: &Log,
        boot: &Boot,
        history: &mut Vec<Known>,
    ) -> Vec<u8> {
        let notes = notes(log, self.kind.size);
        let moments = self.moments(log.now(), &notes);
        let mut cuts = Cuts::new(before, log);
        let mut image = Vec::new();
        for moments in moments.chunks(AT_A_TIME) {
            let disks = moments.iter().map(|moment| {
                let mut known = history.clone();
                known.push(Known::at(boot, &notes, *moment));
                image = cuts.at(*moment, &mut self.random);
                self.figures
                    .add("writes that the cuts could lose", cuts.loose());
                (*moment, image.clone(), known)
            });
            let disks: Vec<_> = disks.collect();
            self.check_all(boot, &disks);
        }
        history.push(Known::at(boot, &notes, log.now()));
        self.figures.add("boots", 1);
        self.figures.add("writes", log.writes.len());
        self.figures.add("flushes", log.flushes());
        image
    }

    /// Checks disks beside each other: a mount waits more than it works.
    fn check_all(&mut self, boot: &Boot, disks: &[(u64, Vec<u8>, Vec<Known>)]) {
        let (this, whole) = (&*self, &self.figures.whole);
        let found: Vec<Figures> = std::thread::scope(|scope| {
            let begun = disks
                .iter()
                .map(|(_, image, known)| scope.spawn(move || this.check_one(image, known, whole)));
            let begun: Vec<_> = begun.collect();
            let ended = begun
                .into_iter()
                .map(|one| one.join().expect("a check ends"));
            ended.collect()
        });
        for ((moment, image, _), mut found) in disks.iter().zip(found) {
            if !found.faults.is_empty() {
                let what = format!("{} boot {} cut at {moment}", self.kind.name, boot.boot);
                let kept = root().join(format!("target/power-cut-{}-{moment}", boot.boot));
                let _ = fs::write(&kept, image);
                println!("{what}: {:#?}, kept as {}", found.faults, kept.display());
                found.faults = found
                    .faults
                    .iter()
                    .map(|f| format!("{what}: {f}"))
                    .collect();
            }
            self.figures.join(found);
        }
    }

    fn check_one(&self, image: &[u8], known: &[Known], whole: &HashSet<blake3::Hash>) -> Figures {
        let mut figures = Figures {
            whole: whole.clone(),
            ..Figures::default()
        };
        figures.add("cuts", 1);
        let Some(disk) = LoopDisk::holding(&image[..self.kind.size], self.kind.here) else {
            figures
                .faults
                .push("the file system does not mount".to_owned());
            return figures;
        };
        let mut cut = Cut {
            truth: self.truth,
            known,
            disk,
            figures,
        };
        cut.check();
        cut.figures
    }
}

/// Boots of a disk of each kind, and cuts of each boot.
fn trials(kinds: &[(Kind, u32, u64)], seed: u64, recorder: &Path) -> Vec<String> {
    needs_a_machine();
    let folder = tempfile::tempdir().expect("a folder");
    let truth = Truth::find(folder.path());
    let mut random = Random::seeded(seed);
    let mut faults = Vec::new();
    for (kind, boots, cuts) in kinds {
        let mut trial = Trial {
            kind: *kind,
            boots: *boots,
            cuts: *cuts,
            recorder: recorder.to_owned(),
            truth: &truth,
            random: Random(random.draw()),
            figures: Figures::default(),
        };
        trial.run();
        let Figures {
            counts,
            whole,
            faults: told,
        } = trial.figures;
        println!(
            "{kind:?}: {counts:#?}, {} different boxes, {} faults",
            whole.len(),
            told.len()
        );
        assert!(counts.get(SYNCED_BLOCKS) > Some(&0), "nothing was synced");
        faults.extend(told);
    }
    faults
}

#[test]
#[ignore = "needs root, loop devices, mkfs, busybox, qemu and a guest kernel; `-- --ignored` runs it"]
fn a_machine_that_loses_its_power_leaves_a_ring_that_is_read() {
    let short = [(EXT4, 2, 8), (WITHOUT_CACHE, 1, 4)];
    let longer = [
        (EXT4, 5, 80),
        (WITHOUT_CACHE, 2, 40),
        (WRITEBACK, 2, 40),
        (XFS, 2, 40),
    ];
    let kinds = if long() { &longer[..] } else { &short };
    let faults = trials(kinds, 31, &programs().join("haltbox-record"));
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The same with a recorder that does not sync the ring that it makes. Long form: it
/// compiles the recorder once more.
#[test]
#[ignore = "needs HALTBOX_LONG=1, root, loop devices, mkfs, busybox, qemu and a guest kernel; `-- --ignored` runs it"]
fn a_recorder_that_does_not_sync_its_ring_is_caught() {
    if !long() {
        println!("left out: HALTBOX_LONG=1 builds and runs it");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = build_with_fault(folder.path(), "no-sync", "haltbox-record");
    let faults = trials(&[(EXT4, 1, 40)], 37, &recorder);
    println!("a wrong recorder: {} faults found", faults.len());
    assert!(!faults.is_empty(), "a ring that is lost was not noticed");
}
