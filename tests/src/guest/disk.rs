//! A disk that the host serves to a virtual machine (NBD), with a write cache that a
//! power cut loses. It remembers every write and every flush, so one run of a machine
//! gives the disk of a power cut at any moment of it.

#![expect(clippy::big_endian_bytes, reason = "NBD has its numbers so")]

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::Random;

/// What a disk writes as one piece, whatever happens.
const SECTOR: usize = 512;
/// A file system that changes its superblock at a mount needs this much in one piece:
/// ext4 whose superblock is torn does not mount any more.
const ONE_PIECE: usize = 4096;
/// Longest wait before the disk answers. Requests overtake each other meanwhile.
const SLOWEST: u64 = 3_000;

const OPTION: u64 = 0x4948_4156_454F_5054; // IHAVEOPT
const OPTION_REPLY: u64 = 0x0003_E889_0455_65A9;
const OPTION_UNKNOWN: u32 = 0x8000_0001;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;

/// A write that the machine asked for.
pub struct Write {
    /// Where.
    pub at: usize,
    /// What.
    pub bytes: Vec<u8>,
    /// When it was asked for, on the disk's own clock.
    pub received: u64,
    /// When the machine was told that it is done.
    pub answered: Option<u64>,
}

/// A flush: all that was answered before it was asked for is safe once it is answered.
struct Flush {
    received: u64,
    answered: u64,
}

/// What a disk did in one run of the machine.
#[derive(Default)]
pub struct Log {
    /// What it holds now, its cache included.
    bytes: Vec<u8>,
    /// Writes in the order in which they were asked for.
    pub writes: Vec<Write>,
    flushes: Vec<Flush>,
    clock: u64,
}

impl Log {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The moment of its last request or answer.
    pub fn now(&self) -> u64 {
        self.clock
    }

    /// Flushes that were answered.
    pub fn flushes(&self) -> usize {
        self.flushes.len()
    }
}

/// A disk that a machine uses.
pub struct Disk {
    before: Vec<u8>,
    log: Arc<Mutex<Log>>,
}

impl Disk {
    /// Serves a disk that holds `bytes` to the first that asks at `socket`.
    pub fn serve(bytes: Vec<u8>, socket: &Path, seed: u64) -> Disk {
        let listener = UnixListener::bind(socket).expect("a socket");
        let log = Log {
            bytes: bytes.clone(),
            ..Log::default()
        };
        let log = Arc::new(Mutex::new(log));
        let served = Arc::clone(&log);
        std::thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            serve(stream, &served, Random(seed))
        });
        Disk { before: bytes, log }
    }

    /// What it did so far.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("a log")
    }

    /// The run is over.
    pub fn end(self) -> (Vec<u8>, Log) {
        let log = std::mem::take(&mut *self.log());
        (self.before, log)
    }
}

/// Disks of power cuts in one run, from its beginning to its end.
pub struct Cuts<'a> {
    log: &'a Log,
    /// What is safe.
    solid: Vec<u8>,
    /// Writes before `next` that are not safe yet.
    loose: Vec<usize>,
    next: usize,
}

impl<'a> Cuts<'a> {
    /// Of a run that began with this disk.
    pub fn new(before: Vec<u8>, log: &'a Log) -> Cuts<'a> {
        Cuts {
            log,
            solid: before,
            loose: Vec::new(),
            next: 0,
        }
    }

    /// The disk after a power cut at this moment, which is not before that of the last
    /// call: what is safe, and any part of what is not.
    pub fn at(&mut self, moment: u64, random: &mut Random) -> Vec<u8> {
        self.settle(moment);
        let mut image = self.solid.clone();
        let kept = [0, 10, 50, 90, 100][random.below(5) as usize];
        for index in &self.loose {
            let write = &self.log.writes[*index];
            if random.below(100) >= kept {
                continue;
            }
            let torn = random.below(8) == 0;
            for (number, sector) in write.bytes.chunks(SECTOR).enumerate() {
                let at = write.at + number * SECTOR;
                if !torn || at < ONE_PIECE || random.below(2) == 0 {
                    image[at..at + sector.len()].copy_from_slice(sector);
                }
            }
        }
        image
    }

    /// Writes that a cut at the moment of the last call may lose.
    pub fn loose(&self) -> usize {
        self.loose.len()
    }

    fn settle(&mut self, moment: u64) {
        let writes = &self.log.writes;
        while writes.get(self.next).is_some_and(|w| w.received <= moment) {
            self.loose.push(self.next);
            self.next += 1;
        }
        let done = self.log.flushes.iter().filter(|f| f.answered <= moment);
        let safe = done.map(|flush| flush.received).max().unwrap_or(0);
        let solid = &mut self.solid;
        self.loose.retain(|index| {
            let write = &writes[*index];
            let is_safe = write.answered.is_some_and(|answered| answered < safe);
            if is_safe {
                solid[write.at..write.at + write.bytes.len()].copy_from_slice(&write.bytes);
            }
            !is_safe
        });
    }
}

enum Task {
    Read { at: usize, length: usize },
    Write(usize),
    Flush { received: u64 },
}

struct Waiting {
    handle: u64,
    task: Task,
    due: Instant,
}

fn serve(mut stream: UnixStream, log: &Arc<Mutex<Log>>, random: Random) -> io::Result<()> {
    let size = log.lock().expect("a log").bytes.len() as u64;
    negotiate(&mut stream, size)?;
    let (tell, told) = mpsc::channel();
    let (answers, logged) = (stream.try_clone()?, Arc::clone(log));
    std::thread::spawn(move || answer(answers, &logged, &told));
    let mut random = random;
    loop {
        let (handle, task) = request(&mut stream, log)?;
        let due = Instant::now() + Duration::from_micros(random.below(SLOWEST));
        let waiting = Waiting { handle, task, due };
        tell.send(waiting).map_err(io::Error::other)?;
    }
}

/// Answers requests in the order in which they are due.
fn answer(mut stream: UnixStream, log: &Mutex<Log>, told: &Receiver<Waiting>) -> io::Result<()> {
    let mut waiting: Vec<Waiting> = Vec::new();
    loop {
        let now = Instant::now();
        let next = waiting.iter().map(|w| w.due).min();
        let wait = next.map_or(Duration::from_secs(60), |due| due.duration_since(now));
        match told.recv_timeout(wait) {
            Ok(one) => waiting.push(one),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        let now = Instant::now();
        while let Some(index) = waiting.iter().position(|w| w.due <= now) {
            let Waiting { handle, task, .. } = waiting.swap_remove(index);
            reply(&mut stream, log, handle, task)?;
        }
    }
}

fn reply(stream: &mut UnixStream, log: &Mutex<Log>, handle: u64, task: Task) -> io::Result<()> {
    let mut log = log.lock().expect("a log");
    let mut message = [&REPLY.to_be_bytes()[..], &[0; 4], &handle.to_be_bytes()].concat();
    let answered = log.tick();
    match task {
        Task::Read { at, length } => message.extend_from_slice(&log.bytes[at..at + length]),
        Task::Write(index) => {
            let Log { bytes, writes, .. } = &mut *log;
            let write = &mut writes[index];
            bytes[write.at..write.at + write.bytes.len()].copy_from_slice(&write.bytes);
            write.answered = Some(answered);
        }
        Task::Flush { received } => log.flushes.push(Flush { received, answered }),
    }
    stream.write_all(&message)
}

fn request(stream: &mut UnixStream, log: &Mutex<Log>) -> io::Result<(u64, Task)> {
    if u32(stream)? != REQUEST {
        return Err(io::Error::other("not a request"));
    }
    let kind = u32(stream)? & 0xFFFF;
    let handle = u64(stream)?;
    let (at, length) = (u64(stream)? as usize, u32(stream)? as usize);
    let mut bytes = Vec::new();
    if kind == 1 {
        bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
    }
    let mut log = log.lock().expect("a log");
    let received = log.tick();
    let task = match kind {
        0 => Task::Read { at, length },
        1 => {
            let answered = None;
            log.writes.push(Write {
                at,
                bytes,
                received,
                answered,
            });
            Task::Write(log.writes.len() - 1)
        }
        3 => Task::Flush { received },
        _ => return Err(ErrorKind::ConnectionAborted.into()),
    };
    Ok((handle, task))
}

/// The handshake: a disk of this size that knows flushes.
fn negotiate(stream: &mut UnixStream, size: u64) -> io::Result<()> {
    stream.write_all(b"NBDMAGICIHAVEOPT\0\x03")?;
    u32(stream)?;
    loop {
        if u64(stream)? != OPTION {
            return Err(io::Error::other("not an option"));
        }
        let (option, length) = (u32(stream)?, u32(stream)?);
        io::copy(&mut stream.take(length.into()), &mut io::sink())?;
        if !matches!(option, 6 | 7) {
            option_reply(stream, option, OPTION_UNKNOWN, &[])?;
            continue;
        }
        let flags: u16 = 0b101;
        let export = [&[0; 2][..], &size.to_be_bytes(), &flags.to_be_bytes()].concat();
        option_reply(stream, option, 3, &export)?;
        let sizes = [SECTOR as u32, 4096, 1 << 25]
            .map(u32::to_be_bytes)
            .concat();
        option_reply(stream, option, 3, &[&[0, 3][..], &sizes].concat())?;
        option_reply(stream, option, 1, &[])?;
        if option == 7 {
            return Ok(());
        }
    }
}

fn option_reply(stream: &mut UnixStream, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    let head = [option, kind, data.len() as u32].map(u32::to_be_bytes);
    stream.write_all(&[&OPTION_REPLY.to_be_bytes()[..], &head.concat(), data].concat())
}

fn u32(stream: &mut UnixStream) -> io::Result<u32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn u64(stream: &mut UnixStream) -> io::Result<u64> {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}
