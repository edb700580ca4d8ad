use super::*;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::voice::Voice;

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Voice for Heard {
    fn say(&self, sentence: &str) {
        self.tell(&format!("haltbox: {sentence}\n"));
    }

    fn tell(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

fn supervisor(folder: &Path) -> (Supervisor<&'static str>, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let (policy, after) = (Policy::default(), AfterFreeze::default());
    let voice: Speaker = heard.clone();
    let supervisor = Supervisor::new(folder.to_owned(), policy, after, voice);
    (supervisor, heard)
}

fn of(reason: &str) -> Wanted<&'static str> {
    found(Finding::Broken, reason)
}

fn found(finding: Finding, reason: &str) -> Wanted<&'static str> {
    let attempt = Attempt {
        height: 7,
        attempt: 1,
    };
    Wanted::unasked(attempt, finding, reason.to_owned(), Path::new("/boxes"))
}

fn asked() -> Wanted<&'static str> {
    Wanted {
        finding: Finding::Nothing,
        asked_by: Some("somebody"),
        unasked: false,
        ..of("by request")
    }
}

fn done<A>(supervisor: &mut Supervisor<A>) -> Done<A> {
    loop {
        if let Some(done) = supervisor.take_done() {
            return done;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn full(_: &Progress) -> Result<Frozen, FreezeError> {
    Err(FreezeError::NoSpace {
        folder: "/boxes".into(),
        written: 1,
    })
}

/// Somebody asks in the middle of an incident. The box is announced all the
/// same.
#[test]
fn what_was_asked_for_hides_nothing_that_is_wanted_besides() {
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, _) = supervisor(folder.path());
    supervisor.want(asked());
    supervisor.want(of("it does not stand"));
    supervisor.want(of("it does not stand"));
    let next = supervisor.next(|_| true).unwrap();
    assert!(next.unasked && next.asked_by.is_some());
    assert_eq!(next.reason, "it does not stand");
    assert!(!supervisor.wants());
}

#[test]
fn a_box_that_is_being_written_for_somebody_knows_nothing_of_what_is_wanted_now() {
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, _) = supervisor(folder.path());
    let (go, wait) = channel::<()>();
    supervisor.write(asked(), move |_| {
        let _ = wait.recv();
        Err(FreezeError::NoBlock(7))
    });
    supervisor.want(of("it does not stand"));
    supervisor.want(of("it does not stand"));
    assert!(supervisor.next(|_| true).is_none(), "one at a time");
    drop(go);
    done(&mut supervisor);
    let next = supervisor.next(|_| true).unwrap();
    assert_eq!(next.reason, "it does not stand");
    assert!(!supervisor.wants());
}

/// The box that is being written states a doubt. Without another box nobody
/// would announce the proof.
#[test]
fn more_than_what_was_known_of_a_box_that_is_being_written_wants_another() {
    use Finding::{Broken, Doubt, Proved};
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, _) = supervisor(folder.path());
    supervisor.write(found(Doubt, "failed"), |_| Err(FreezeError::NoBlock(7)));
    supervisor.want(found(Doubt, "failed otherwise"));
    assert!(!supervisor.wants(), "as much is being told");
    supervisor.want(found(Broken, "it does not stand"));
    supervisor.want(found(Proved, "AppHash differs"));
    assert!(supervisor.next(|_| true).is_none(), "one at a time");
    done(&mut supervisor);
    let next = supervisor.next(|_| true).unwrap();
    assert_eq!((next.finding, &*next.reason), (Proved, "AppHash differs"));
    assert!(!supervisor.wants());
    supervisor.write(next, |_| Err(FreezeError::NoBlock(7)));
    supervisor.want(found(Proved, "AppHash differs"));
    supervisor.want(found(Broken, "it does not stand"));
    assert!(!supervisor.wants());
}

/// The box of a divergence must not state a doubt only.
#[test]
fn of_what_is_wanted_together_the_reason_that_weighs_more_is_told() {
    use Finding::{Doubt, Proved};
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, _) = supervisor(folder.path());
    supervisor.want(asked());
    for (finding, reason) in [(Doubt, "no divergence"), (Proved, "AppHash differs")] {
        supervisor.want(found(finding, reason));
    }
    supervisor.want(found(Doubt, "no divergence"));
    let next = supervisor.next(|_| true).unwrap();
    assert_eq!((next.finding, &*next.reason), (Proved, "AppHash differs"));
    assert!(next.unasked && next.asked_by.is_some());
    assert!(!supervisor.wants());
}

/// A failed box is tried again, unless somebody asked for it or its ring is
/// gone.
#[test]
fn what_failed_is_put_off_where_it_may_work_later() {
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisor, heard) = supervisor(folder.path());
    let mut fail = |wanted, renewed: bool| {
        supervisor.write(wanted, full);
        if renewed {
            supervisor.another_ring();
        }
        let failed = done(&mut supervisor);
        let answer = supervisor.follow_up(failed);
        let put_off = supervisor.queue.has_postponed();
        supervisor.queue = Queue::default();
        (
            answer.asked_by,
            answer.told.unwrap_err().to_string(),
            put_off,
        )
    };
    let (_, told, put_off) = fail(of("it does not stand"), false);
    assert!(put_off && told.ends_with("retrying in 5 s"), "{told}");
    let (asked_by, told, put_off) = fail(asked(), false);
    assert_eq!((asked_by, put_off), (Some("somebody"), false));
    assert!(told.ends_with("haltbox freeze"), "{told}");
    let (_, _, put_off) = fail(of("it does not stand"), true);
    assert!(!put_off);
    let heard = heard.0.lock().unwrap();
    assert_eq!(heard.len(), 3);
    let failed = |told: &String| told.starts_with("haltbox: NOT FROZEN: the disk of /boxes");
    assert!(heard.iter().all(failed), "{heard:?}");
}
