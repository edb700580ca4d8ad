//! One recorder in a simulated system, and the model beside it.

mod boxes;
mod calls;
mod death;
mod live;
mod operations;

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use haltbox_format::Lane;
use haltbox_model::Profile;
use haltbox_recorder::archive::Archiver;
use haltbox_recorder::host::{HostRecorder, Options};
use haltbox_recorder::ring::engine::Engine;

use crate::check::{self, Leave, Room};
use crate::lines::{self, Meaning};
use crate::look::Look;
use crate::model::{Fate, Model, Step};
use crate::op::Op;
use crate::random::Random;
use crate::system::System;
use boxes::Boxes;

/// The smallest ring that there may be.
const SIZE: u64 = 4 << 20;
/// docs/format.md, "The ring", for that size.
const ROOM: Room = Room {
    segment: 256 << 10,
    main: 10,
    local: 3,
};

/// A world.
pub struct World {
    dir: tempfile::TempDir,
    system: System,
    profile: Arc<Profile>,
    engine: Engine,
    host: Option<HostRecorder>,
    archiver: Option<Archiver>,
    heard: Arc<boxes::Heard>,
    model: Model,
    boxes: Boxes,
    serial: u64,
    /// What the disk had at some times.
    on_disk: Vec<Vec<u8>>,
    /// The process dies in the next operation, and how.
    doomed: Option<death::Doom>,
    /// What the operation that it dies in began with, and what it did by then.
    dying: Option<(Model, Vec<Step>)>,
    /// The ring's file takes no writes now.
    refusing: bool,
    /// Power cuts so far.
    cuts: u64,
}

impl World {
    /// An empty folder, and a recorder in it.
    pub fn begin(seed: u64) -> Result<World, String> {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let dir = tempfile::Builder::new()
            .prefix("haltbox-sim-")
            .tempdir_in(place);
        let dir = dir.map_err(|error| format!("no folder: {error}"))?;
        let mut random = Random(seed ^ 0xE10C);
        let engine = if random.percent(80) {
            Engine::Map
        } else {
            Engine::Write
        };
        let profile = Profile::builtin("host").map_err(|error| error.to_string())?;
        let mut world = World {
            system: System::begin(dir.path(), seed),
            dir,
            profile: Arc::new(profile),
            engine,
            host: None,
            archiver: None,
            heard: Arc::default(),
            model: Model::default(),
            boxes: Boxes::default(),
            serial: 0,
            on_disk: Vec::new(),
            doomed: None,
            dying: None,
            refusing: false,
            cuts: 0,
        };
        world.open()?;
        world.on_disk.push(blank(&world.image()));
        Ok(world)
    }

    /// Does one operation, and compares what came of it.
    pub fn run(&mut self, op: &Op) -> Result<(), String> {
        let doom = self.doomed.take();
        if let Some(doom) = &doom {
            self.boxes.set_aside();
            self.dying = Some((self.model.clone(), Vec::new()));
            self.system.arm(doom.after);
        }
        self.operate(op)?;
        match doom {
            Some(doom) => self.die(&doom),
            None => Ok(()),
        }
    }

    /// The last look, at the ring and at all files.
    pub fn end(&mut self) -> Result<(), String> {
        self.dying = None;
        self.look(Leave::default())?;
        self.check_boxes()?;
        self.check_archive(false)
    }

    fn ring(&self) -> PathBuf {
        self.dir.path().join("ring")
    }

    fn image(&self) -> Vec<u8> {
        fs::read(self.ring()).unwrap_or_default()
    }

    fn options(&self) -> Options {
        let profile = Profile::clone(&self.profile);
        Options {
            size: SIZE,
            engine: Some(self.engine),
            ..Options::new(self.dir.path(), profile)
        }
    }

    /// Opens the recorder: its first entry is the start of the process.
    fn open(&mut self) -> Result<(), String> {
        let (host, notices) =
            HostRecorder::open(self.options()).map_err(|error| format!("opening: {error}"))?;
        if let Some(notice) = notices.iter().find(|notice| notice.contains("moved to")) {
            return Err(format!("a ring was set aside: {notice}"));
        }
        self.host = Some(host);
        let line = Rc::from(lines::start());
        self.append(line, Lane::Local, false, Meaning::Start, Fate::Kept);
        Ok(())
    }

    fn append(&mut self, line: Rc<[u8]>, lane: Lane, node: bool, meaning: Meaning, fate: Fate) {
        self.step(Step::Append {
            line,
            lane,
            node,
            meaning,
            fate,
        });
    }

    fn step(&mut self, step: Step) {
        self.model.apply(&step);
        if let Some((_, steps)) = &mut self.dying {
            steps.push(step);
        }
        self.system.count_step();
    }

    fn look(&mut self, leave: Leave) -> Result<(), String> {
        let look = crate::system::outside(|| Look::at(&self.ring(), &self.profile))?;
        check::compare(&mut self.model, &look, ROOM, leave)?;
        self.boxes.learn(&look);
        Ok(())
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// A new ring as it was synced: superblocks, and nothing behind them.
fn blank(image: &[u8]) -> Vec<u8> {
    let mut blank = image.to_vec();
    if let Some(rest) = blank.get_mut(8192..) {
        rest.fill(0);
    }
    blank
}
