use super::*;
use std::os::unix::process::ExitStatusExt;

fn answer(err: &str) -> Answer {
    Answer {
        status: ExitStatus::from_raw(255 << 8),
        out: Vec::new(),
        err: err.as_bytes().to_vec(),
    }
}

fn call(script: &str) -> Call {
    let mut shell = Command::new("/bin/sh");
    let shell = shell.args(["-c", script]).stdin(Stdio::null());
    let shell = shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    Call(shell.spawn().unwrap())
}

fn never() -> bool {
    false
}

/// A shell stands for it: what counts is that it hangs.
#[test]
fn a_program_that_hangs_is_killed() {
    let hanging = call("exec sleep 600");
    let process = hanging.0.id();
    let begun = Instant::now();
    let ended = hanging.end(Duration::from_millis(50), &never);
    assert!(matches!(ended, Err(CallError::TooSlow(_))), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(!Path::new(&format!("/proc/{process}")).exists());
    let ended = call("exec sleep 600").end(Duration::from_secs(600), &|| true);
    assert!(matches!(ended, Err(CallError::Hurried)), "{ended:?}");
}

/// What the program started may outlive it, and hold its output.
#[test]
fn an_output_that_stays_open_is_not_waited_for() {
    let begun = Instant::now();
    let ended = call("sleep 60 & echo done").end(Duration::from_secs(50), &never);
    assert!(ended.unwrap().is_done());
    assert!(begun.elapsed() < Duration::from_secs(40));
}

#[test]
fn output_is_bounded_and_does_not_stop_the_program() {
    let endless = call("head -c 10000000 /dev/zero; exit 3");
    let ended = endless.end(Duration::from_secs(60), &never).unwrap();
    assert_eq!(ended.output().len() as u64, OUTPUT_MAX);
    assert!(!ended.is_done());
}

#[test]
fn complaints_are_told_once_and_steer_no_terminal() {
    let told = answer("Signing data on standard input\nLoad key\x1b[2J\nLoad key\x1b[2J\n");
    assert_eq!(told.words(), "Load key\\x1b[2J");
    assert!(answer("").words().contains("255"));
    assert!(answer(&"a".repeat(5000)).words().len() <= WORDS_MAX);
}

#[test]
fn a_large_file_has_more_time() {
    assert_eq!(patience_for(0), PATIENCE);
    assert_eq!(patience_for(8 << 30), PATIENCE + Duration::from_secs(512));
    assert_eq!(
        path_of(Path::new("/b/13-ab.2")),
        Path::new("/b/13-ab.2.sig")
    );
}
