//! Runs in a virtual machine: starts the recorder, plays a node that writes its slog,
//! and notes on the disk itself how far it is, so that the host reads off the disk's
//! writes what was safe at which of them.
//!
//! `guest-feeder RECORDER TEMPLATE NODE BOOT FROM SEED MARKS`

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use haltbox_tests::Random;
use haltbox_tests::guest::boot::{DISK, NODE_LOG, RING_SIZE, is_blamed};
use haltbox_tests::guest::slog::{Place, Template};

const O_DIRECT: i32 = 0o40000;

/// Sectors behind the file system.
struct Marks {
    place: Mutex<(File, u64)>,
    /// How many boxes the recorder told of.
    boxes: AtomicUsize,
}

#[repr(align(4096))]
struct Sector([u8; 512]);

impl Marks {
    /// Returns once the disk has it.
    fn mark(&self, text: &str) {
        let mut sector = Sector([0; 512]);
        sector.0[..text.len()].copy_from_slice(text.as_bytes());
        let mut held = self.place.lock().expect("a disk");
        let (file, at) = &mut *held;
        file.write_all_at(&sector.0, *at)
            .expect("a mark is written");
        *at += 512;
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [recorder, template, node, boot, from, seed, marks] = &arguments[..] else {
        panic!("other arguments than expected: {arguments:?}");
    };
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let disk = OpenOptions::new()
        .write(true)
        .custom_flags(O_DIRECT)
        .open(DISK);
    let marks = Marks {
        place: Mutex::new((disk.expect("the disk"), number(marks))),
        boxes: AtomicUsize::new(0),
    };
    let text = fs::read_to_string(template).expect("a template");
    // Not empty: a recorder that is slow to see an empty log grow says that it may have been
    // truncated, and its boxes are not intact then.
    fs::write(NODE_LOG, "2:28PM INF starting node\n").expect("a node log");
    let mut child = Command::new(recorder)
        .args([
            "record",
            "--dir",
            node,
            "--size",
            RING_SIZE,
            "--slog",
            "-",
            "--node-log",
            NODE_LOG,
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the recorder starts");
    let pipe = child.stdin.take().expect("a pipe");
    let said = child.stderr.take().expect("a pipe");
    let mut feeder = Feeder {
        template: Template::read(&text),
        pipe,
        ring: format!("{node}/ring"),
        boot: number(boot) as u32,
        from: number(from),
        random: Random(number(seed)),
    };
    std::thread::scope(|scope| {
        let marks = &marks;
        scope.spawn(move || listen(said, marks));
        feeder.feed(marks);
    });
    child.wait().expect("it ends");
}

/// Tells the host what the recorder says.
fn listen(said: ChildStderr, marks: &Marks) {
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        println!("recorder: {line}");
        if line.contains("recording into") {
            marks.mark("ring");
        }
        if let Some((_, path)) = line.split_once("black box  ") {
            let (path, _) = path.split_once(" (").expect("its size");
            let name = path.rsplit('/').next().unwrap_or_default();
            marks.mark(&format!("box {name}"));
            marks.boxes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

struct Feeder {
    template: Template,
    pipe: std::process::ChildStdin,
    ring: String,
    boot: u32,
    from: u64,
    random: Random,
}

impl Feeder {
    /// Goes on until the machine ends.
    fn feed(&mut self, marks: &Marks) {
        let seldom = [8, 40][self.random.below(2) as usize];
        for block in 0.. {
            let lines = block * self.template.len()..(block + 1) * self.template.len();
            marks.mark(&format!("given {}", lines.end));
            let last = lines.end - 1;
            let text = self.template.lines(self.from, self.boot, lines);
            // A pipe brings a line in pieces now and then.
            let cut = self.random.below(text.len() as u64) as usize;
            for part in [&text.as_bytes()[..cut], &text.as_bytes()[cut..]] {
                self.pipe.write_all(part).expect("the recorder reads");
                std::thread::sleep(Duration::from_millis(self.random.below(30)));
            }
            if is_blamed(self.from + block as u64) {
                self.blame(self.from + block as u64, marks);
            }
            if self.random.below(seldom) == 0 {
                self.sync(last);
                marks.mark(&format!("synced {}", last + 1));
                println!("boot {}: {} lines are safe", self.boot, last + 1);
            }
        }
    }

    /// The node's log says that the network has another AppHash. A node that halts so
    /// writes no slog until somebody starts it again.
    fn blame(&self, height: u64, marks: &Marks) {
        let log = OpenOptions::new().append(true).open(NODE_LOG);
        let failure = haltbox_tests::failure(height);
        let boxes = marks.boxes.load(Ordering::SeqCst);
        log.expect("a log").write_all(&failure).expect("a line");
        let begun = Instant::now();
        while marks.boxes.load(Ordering::SeqCst) == boxes {
            let waited = begun.elapsed();
            assert!(
                waited < Duration::from_secs(60),
                "no box of height {height}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the ring holds a line, and has all of the ring written to the disk.
    fn sync(&mut self, line: usize) {
        let boot = self.boot;
        let token = Place { boot, line }.token();
        let begun = Instant::now();
        while !self.holds(token.as_bytes()) {
            let waited = begun.elapsed();
            assert!(waited < Duration::from_secs(60), "{token} is not recorded");
            std::thread::sleep(Duration::from_millis(20));
        }
        let ring = File::open(&self.ring).expect("a ring");
        match self.random.below(2) {
            0 => ring.sync_data().expect("it is synced"),
            _ => nix::unistd::syncfs(&ring).expect("it is synced"),
        }
    }

    fn holds(&self, token: &[u8]) -> bool {
        let ring = fs::read(&self.ring).expect("a ring");
        memchr::memmem::rfind(&ring, token).is_some()
    }
}
