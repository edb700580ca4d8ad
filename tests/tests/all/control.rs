//! Callers of the control socket that do not behave: recording goes on beside
//! them, and others are answered.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use haltbox_daemon::operator::control::{Reply, Request, SOCKET, ask, ask_within};
use haltbox_tests::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn recording(folder: &Path) -> (Recorder, File) {
    let slog = folder.join("slog");
    let mut file = File::create(&slog).expect("a slog");
    file.write_all(&block(5)).expect("a block");
    let arguments = ["--size", "4MiB", "--slog", text(&slog)];
    let recorder = Recorder::start(&folder.join("node"), &arguments, Stdio::null());
    recorder.wait_for("recording into");
    wait_until("the recorder to answer", || hello(&recorder.dir));
    let file = OpenOptions::new().append(true).open(&slog);
    (recorder, file.expect("the slog"))
}

fn hello(dir: &Path) -> bool {
    let reply = ask_within(dir, &Request::Hello, Some(Duration::from_secs(10)));
    matches!(reply, Ok(Some(Reply::Done(_))))
}

fn call(dir: &Path) -> UnixStream {
    let stream = UnixStream::connect(dir.join(SOCKET)).expect("a connection");
    stream.set_nonblocking(true).expect("a socket");
    stream
}

/// The recorder has closed the connection.
fn is_let_go(stream: &mut UnixStream) -> bool {
    match stream.read(&mut [0; 256]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Each drips a byte well within what one read may take: as a whole they would
/// hold the loop for minutes if it waited for them.
#[test]
fn dripping_callers_hold_up_neither_records_nor_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, mut slog) = recording(folder.path());
    let mut callers: Vec<_> = (0..12).map(|_| call(&recorder.dir)).collect();
    let begun = Instant::now();
    for height in 6..=10 {
        for caller in &mut callers {
            let _ = caller.write_all(b" ");
        }
        slog.write_all(&block(height)).expect("a block");
        let told = Instant::now();
        wait_until("the block to be recorded", || {
            status(&recorder.dir)["head"] == height
        });
        assert!(hello(&recorder.dir), "at {height}");
        assert!(
            told.elapsed() < Duration::from_secs(15),
            "{:?}",
            told.elapsed()
        );
    }
    wait_until("the dripping ones to be let go", || {
        callers.iter_mut().all(|caller| {
            let _ = caller.write_all(b" ");
            is_let_go(caller)
        })
    });
    println!("let go after {:?}", begun.elapsed());
    recorder.stop();
}

/// Mute ones, more than are heard at once; one that never ends its request; ones
/// that ask and never read the answer.
#[test]
fn callers_that_never_send_or_never_read_hold_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, mut slog) = recording(folder.path());
    let mut mute: Vec<_> = (0..40).map(|_| call(&recorder.dir)).collect();
    assert!(hello(&recorder.dir), "beside mute callers");
    let mut endless = call(&recorder.dir);
    let mut sent = 0;
    wait_until("the endless request to be refused", || {
        match endless.write(&[b'A'; 4096]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return true,
        }
        false
    });
    assert!(sent < 4 << 20, "{sent} bytes were taken");
    let mut deaf: Vec<_> = (0..200)
        .map(|_| {
            let mut caller = call(&recorder.dir);
            caller
                .write_all(b"\"hello\"\n{\"freeze\":{}}\n")
                .expect("a request");
            caller
        })
        .collect();
    slog.write_all(&block(6)).expect("a block");
    wait_until("the block to be recorded", || {
        status(&recorder.dir)["head"] == 6
    });
    assert!(hello(&recorder.dir), "beside deaf callers");
    wait_until("all of them to be let go", || {
        mute.iter_mut().chain(&mut deaf).all(is_let_go)
    });
    recorder.stop();
}

/// A recorder that was stopped answers nothing, and whoever asks it hears so: also
/// where its queue is full.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_stopped_recorder_is_not_waited_for_without_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, _slog) = recording(folder.path());
    let pid = recorder_of(&recorder.dir);
    kill(pid, Signal::SIGSTOP).expect("it runs");
    let begun = Instant::now();
    let ask_briefly = || {
        ask_within(
            &recorder.dir,
            &Request::Hello,
            Some(Duration::from_millis(300)),
        )
    };
    let error = ask_briefly().expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    let freeze = Request::Freeze {
        height: None,
        boxes: None,
    };
    let error = ask(&recorder.dir, &freeze).expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    let mut queue = Vec::new();
    let full = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
    while queue.len() < 5000
        && !queue
            .last()
            .is_some_and(|last: &Result<_, _>| last.as_ref().err().is_some_and(full))
    {
        queue.push(queue_up(&recorder.dir));
    }
    let error = ask_briefly().expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(50),
        "{:?}",
        begun.elapsed()
    );
    drop(queue);
    kill(pid, Signal::SIGCONT).expect("it runs");
    wait_until("the recorder to answer again", || hello(&recorder.dir));
    recorder.stop();
}

/// Connects without waiting.
fn queue_up(dir: &Path) -> std::io::Result<std::os::fd::OwnedFd> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    use std::os::fd::AsRawFd;
    let stream = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    connect(stream.as_raw_fd(), &UnixAddr::new(&dir.join(SOCKET))?)?;
    Ok(stream)
}

/// The process that records, whatever started it.
fn recorder_of(dir: &Path) -> Pid {
    Pid::from_raw(status(dir)["pid"].as_i64().expect("a process") as i32)
}
