use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Weak;

use alloy_primitives::B256;
use tempfile::TempDir;

use super::*;
use crate::checks::keeper::Counts;
use crate::checks::sample::tests::sample;

struct Log {
    folder: TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Log {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxyd.log");
        Log { folder, path }
    }

    fn append(&self, bytes: &[u8]) {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path);
        file.unwrap().write_all(bytes).unwrap();
    }

    /// A session that reads until this many lines came, and then what comes at once.
    fn session(&self, lines: u64, before: impl FnOnce(&Log)) -> Counts {
        let keeper = Arc::new(Keeper::new(902.into(), Weak::new(), 4 << 20));
        let place = Place::Path(self.path.clone());
        let mut feed = Feed::open(&place, Arc::clone(&keeper), self.folder.path()).unwrap();
        before(self);
        let until = Instant::now() + Duration::from_secs(20);
        let mut quiet = 0;
        while (quiet < 20 || keeper.counts().lines < lines) && Instant::now() < until {
            match feed.turn() {
                true => quiet = 0,
                false => quiet += 1,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        feed.mark();
        keeper.counts()
    }
}

fn line() -> Vec<u8> {
    sample(None, B256::ZERO).line()
}

#[test]
fn what_was_there_before_is_left_and_nothing_after_it() {
    let log = Log::new();
    log.append(&line());
    log.append(&line()[..20]);
    let rest = line()[20..].to_vec();
    let counts = log.session(3, |log| log.append(&[rest, line(), line()].concat()));
    assert_eq!((counts.lines, counts.unreadable), (3, 0));
    // Lines that came while nobody read are read by the next session, and only once.
    log.append(&line());
    assert_eq!(log.session(1, |_| {}).lines, 1);
    assert_eq!(log.session(0, |_| {}).lines, 0);
    // The file was rotated meanwhile.
    log.append(&line());
    std::fs::rename(&log.path, log.folder.path().join("proxyd.log.1")).unwrap();
    log.append(&[line(), line()].concat());
    assert_eq!(log.session(3, |_| {}).lines, 3);
}

#[test]
fn a_file_may_come_later_and_a_pipe_may_be_read() {
    let log = Log::new();
    assert_eq!(log.session(1, |log| log.append(&line())).lines, 1);
    let log = Log::new();
    nix::unistd::mkfifo(&log.path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(log.session(1, |log| log.append(&line())).lines, 1);
}

#[test]
fn lines_of_any_kind_and_length_do_no_harm() {
    let log = Log::new();
    let counts = log.session(1, |log| {
        log.append(b"t=2026 lvl=info msg=\"validating interop access list\"\n\n\xff\xfe{\n");
        log.append(&[&[b'['; 200_000][..], b"\n"].concat());
        log.append(&[b'x'; 3 << 20]);
        log.append(b"\n{\"msg\":\"Starting HTTP server\"}\n");
        log.append(b"{\"check\":{\"stage\":\"mempool\",\"verdict\":\"accepted\",\"at\":1}}\n");
        let mut long = sample(None, B256::ZERO);
        long.error = Some("x".repeat(LONGEST));
        log.append(&long.line());
        log.append(&line());
    });
    let told = (counts.lines, counts.others, counts.unreadable);
    assert_eq!(told, (1, 1, 7));
}
