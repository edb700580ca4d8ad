//! The life of a block as a table, and what holds for every sequence of events.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::*;
use crate::event::{Break, Weight};
use fastrand::Rng;
use haltbox_format::mark::{
    Begin, Counters, Frozen, Loss, Release, ReleasedBy, Stamp, decode_marks, encode_mark,
    encode_stamp,
};
use haltbox_format::{AppHash, Digest, Lane};

/// One entry of a host's stream, and whether it is canonical.
#[derive(Clone, Debug)]
struct Entry {
    by: Stream,
    canonical: bool,
    event: Option<Event>,
}

/// A recorder without a ring: takes entries, gives marks. Each mark stands at the main
/// counter of its entry.
#[derive(Clone, Default)]
struct Tape {
    life: Lifecycle,
    canonical: Vec<bool>,
    /// Marks of each entry as the spine keeps them.
    spine: Vec<Vec<u8>>,
    marks: Vec<Mark>,
}

fn main(counter: usize) -> Position {
    Position {
        main: counter as u64,
        local: 0,
    }
}

impl Tape {
    fn tell(&mut self, entry: &Entry) -> Vec<Mark> {
        let before = main(self.canonical.len());
        self.canonical.push(entry.canonical);
        let after = main(self.canonical.len());
        if entry.by == Stream::Slog {
            self.life.entry(entry.canonical, before);
        }
        let event = entry.event.as_ref();
        let marks = event.map_or(Vec::new(), |event| {
            self.life.on(event, entry.by, before, after)
        });
        self.publish(&marks);
        marks
    }

    /// A mark of the recorder's own.
    fn put(&mut self, mark: Mark) {
        self.life.apply(&mark, main(self.canonical.len()));
        self.publish(&[mark]);
    }

    fn publish(&mut self, marks: &[Mark]) {
        let at = main(self.canonical.len());
        let mut payload = Vec::new();
        encode_stamp(&Stamp { at, time_ms: 0 }, &mut payload);
        marks
            .iter()
            .for_each(|mark| encode_mark(mark, &mut payload));
        self.spine.push(payload);
        self.marks.extend_from_slice(marks);
    }

    /// State of a recorder that opens the ring now.
    fn reopened(&self) -> Tape {
        let mut life = folded(&self.spine);
        if let Some(from) = life.search_from() {
            let from = usize::try_from(from.main).unwrap();
            for counter in from..self.canonical.len() {
                life.entry(self.canonical[counter], main(counter));
            }
        }
        Tape {
            life,
            ..self.clone()
        }
    }
}

fn fold(life: &mut Lifecycle, payload: &[u8]) {
    let (stamp, marks) = decode_marks(payload).unwrap();
    marks.iter().for_each(|mark| life.apply(mark, stamp.at));
}

fn folded(spine: &[Vec<u8>]) -> Lifecycle {
    let mut life = Lifecycle::default();
    spine.iter().for_each(|payload| fold(&mut life, payload));
    life
}

fn protected(life: &Lifecycle) -> Vec<&Block> {
    life.blocks().iter().filter(|b| b.is_protected()).collect()
}

// The table's language: steps separated by `;`, from the slog, or from the node's log
// behind an `n`.

fn hash(hex: &str) -> AppHash {
    hex.parse().unwrap()
}

fn mismatch(words: &[&str], hard: bool) -> Event {
    let (local, network) = words[1].split_once('/').unwrap();
    Event::Mismatch(Mismatch {
        carried: None,
        round: None,
        height: words[0].parse().ok(),
        field: words.get(2).unwrap_or(&"AppHash").to_string(),
        local: hash(local),
        network: hash(network),
        weight: if hard { Weight::Proved } else { Weight::Seen },
    })
}

fn event(verb: &str, words: &[&str]) -> Option<Event> {
    let height = words.first().map_or(0, |w| w.parse().unwrap_or(0));
    let app_hash = words.get(1).and_then(|w| w.parse().ok());
    Some(match verb {
        "start" => Event::ProcessStart,
        "begin" | "early" => Event::Begin {
            height,
            early: verb == "early",
        },
        "exec" => Event::Executed,
        "crank" => Event::Crank {
            number: height,
            crankhash: Digest([1; 32]),
            activityhash: Digest([height as u8; 32]),
        },
        "end" => Event::End { height },
        "commit" => Event::Commit { height, app_hash },
        "hash" => Event::LocalHash {
            height,
            app_hash: app_hash.unwrap(),
        },
        "confirm" => Event::Confirm { height, app_hash },
        "abort" => Event::Abort { height },
        "hard" | "soft" => mismatch(words, verb == "hard"),
        "break" => Event::Break(Break {
            height: Some(height).filter(|height| *height > 0),
            local: app_hash,
            why: "it does not stand".to_owned(),
            text: String::new(),
        }),
        "gap" => Event::Gap,
        "eof" => Event::StreamEnd,
        "work" | "idle" => return None,
        other => panic!("no such step: {other}"),
    })
}

fn entries(step: &str) -> Vec<Entry> {
    let words: Vec<&str> = step.split_whitespace().collect();
    let (by, words) = match words.as_slice() {
        ["n", rest @ ..] => (Stream::Node, rest),
        rest => (Stream::Slog, rest),
    };
    let (verb, words) = words.split_first().unwrap();
    if *verb == "run" {
        let h = words[0];
        let block = format!("begin {h}; exec; crank {h}; end {h}; commit {h}");
        return block.split(';').flat_map(entries).collect();
    }
    let canonical =
        by == Stream::Slog && ["begin", "early", "exec", "crank", "end", "work"].contains(verb);
    vec![Entry {
        by,
        canonical,
        event: event(verb, words),
    }]
}

fn play(tape: &mut Tape, steps: &str) {
    for step in steps.split(';').map(str::trim).filter(|s| !s.is_empty()) {
        match step.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["frozen", h, a] => tape.put(Mark::Frozen(Frozen {
                of: attempt(h, a),
                name: "box".to_owned(),
            })),
            ["reopen"] => *tape = tape.reopened(),
            ["lost", dropped] => tape.put(Mark::Loss(Loss {
                lane: Lane::Main,
                stream: None,
                records: 1,
                bytes: 9,
                why: "no room".to_owned(),
                dropped: *dropped == "new",
                counters: None,
            })),
            ["lost", "at", from, until] => tape.put(Mark::Loss(Loss {
                lane: Lane::Main,
                stream: Some(Stream::Slog),
                records: 1,
                bytes: 9,
                why: "no room".to_owned(),
                dropped: true,
                counters: Some(Counters {
                    from: from.parse().unwrap(),
                    until: until.parse().unwrap(),
                }),
            })),
            _ => entries(step)
                .iter()
                .for_each(|entry| drop(tape.tell(entry))),
        }
    }
}

/// A chain whose blocks may be replaced; only its node's log reports them.
#[test]
fn a_broken_block_is_kept_and_a_replaced_one_is_not() {
    let head = |height: u64, hash: &str| {
        format!("n hash {height} {hash}; n end {height}; n commit {height};")
    };
    let heads = |all: &[(u64, &str)]| all.iter().map(|(h, a)| head(*h, a)).collect::<String>();
    let chain = heads(&[(4, "A4"), (5, "A5"), (6, "A6")]);
    let replaced = heads(&[(5, "B5"), (6, "B6"), (7, "B7")]);
    let cases = [
        // The unsafe chain is replaced, and nothing is wrong.
        (
            format!("{chain} {replaced}"),
            "4.1 confirmed; 5.1 confirmed; 6.1 confirmed; 5.2 confirmed; 6.2 confirmed; 7.1 committed P",
        ),
        // The node says which block does not stand, although it was released long ago.
        (
            format!("{chain} n break 5 A5; {replaced}"),
            "4.1 confirmed; 5.1 pinned P; 6.1 confirmed; 5.2 confirmed; 6.2 confirmed; 7.1 committed P",
        ),
        // Said after the height got another block: the hash still selects the first.
        (
            format!("{chain} {replaced} n break 5 A5"),
            "4.1 confirmed; 5.1 pinned P; 6.1 confirmed; 5.2 confirmed; 6.2 confirmed; 7.1 committed P",
        ),
        // The recorder knows the height with another hash: that is another block, and sound.
        (
            format!("{chain} n break 5 C5; {replaced}"),
            "4.1 confirmed; 5.1 confirmed; 6.1 confirmed; 5.2 pinned P; 5.3 confirmed; 6.2 confirmed; 7.1 committed P",
        ),
        // A height far above all that is recorded: the newest block is kept, and what
        // follows is recorded as before.
        (
            format!("{chain} n break 50 A50; {}", heads(&[(7, "A7"), (8, "A8")])),
            "4.1 confirmed; 5.1 confirmed; 6.1 pinned P; 7.1 confirmed; 8.1 committed P",
        ),
        // The block is not recorded: it gets a place, and later entries at its height
        // another one.
        (
            format!("{chain} n break 7; {}", heads(&[(7, "B7"), (8, "B8")])),
            "4.1 confirmed; 5.1 confirmed; 6.1 confirmed; 7.1 pinned P; 7.2 confirmed; 8.1 committed P",
        ),
        // The height is unknown.
        (
            format!("{chain} n break 0; {}", heads(&[(7, "A7"), (8, "A8")])),
            "4.1 confirmed; 5.1 confirmed; 6.1 pinned P; 7.1 confirmed; 8.1 committed P",
        ),
        // Once a box holds it, it can be released.
        (
            format!("{chain} n break 5 A5; frozen 5 1; {replaced}"),
            "4.1 confirmed; 5.1 pinned; 6.1 confirmed; 5.2 confirmed; 6.2 confirmed; 7.1 committed P",
        ),
        ("n break 0".to_owned(), ""),
        ("n break 9 A9".to_owned(), "9.1 pinned P"),
    ];
    for (steps, expected) in cases {
        let mut tape = Tape::default();
        play(&mut tape, &steps);
        assert_eq!(states(&tape.life), expected, "{steps}");
        assert_eq!(states(&folded(&tape.spine)), expected, "folded: {steps}");
    }
}

fn attempt(height: &str, attempt: &str) -> Attempt {
    Attempt {
        height: height.parse().unwrap(),
        attempt: attempt.parse().unwrap(),
    }
}

/// `HEIGHT.ATTEMPT state FLAGS`: Whole, Complete, eXecuted, Protected.
fn states(life: &Lifecycle) -> String {
    let state = |b: &Block| {
        let mut text = format!("{}.{} {} ", b.of.height, b.of.attempt, b.state.name());
        let flags = [
            (b.whole, 'W'),
            (b.is_complete(), 'C'),
            (b.executed, 'X'),
            (b.is_protected(), 'P'),
        ];
        let set = flags.iter().filter(|(set, _)| *set).map(|(_, c)| *c);
        text.extend(set);
        text.trim_end().to_owned()
    };
    life.blocks()
        .iter()
        .map(state)
        .collect::<Vec<_>>()
        .join("; ")
}

/// `HEIGHT.ATTEMPT from..end..until`.
fn spans(life: &Lifecycle) -> String {
    let place = |at: Option<Position>| at.map_or("-".to_owned(), |at| at.main.to_string());
    let span = |b: &Block| {
        let (end, until) = (place(b.end), place(b.until));
        format!(
            "{}.{} {}..{end}..{until}",
            b.of.height, b.of.attempt, b.from.main
        )
    };
    life.blocks()
        .iter()
        .map(span)
        .collect::<Vec<_>>()
        .join("; ")
}

fn sentence(mark: &Mark) -> String {
    let of = |of: &Attempt| format!("{}.{}", of.height, of.attempt);
    match mark {
        Mark::Begin(m) => format!("begin {} {}", of(&m.of), m.by.name()),
        Mark::End(m) => format!("end {} {}", of(&m.of), m.by.name()),
        Mark::Commit(m) => format!("commit {} {}", of(&m.of), m.by.name()),
        Mark::LocalHash(m) => format!("hash {} {}", of(&m.of), m.app_hash),
        Mark::Release(m) => format!("release {} {:?} {:?}", of(&m.of), m.by, m.network),
        Mark::Pin(m) => format!("pin {} {}", of(&m.of), m.why),
        Mark::Diverged(m) => {
            format!(
                "diverged {} {} {}/{}",
                of(&m.of),
                m.field,
                m.local,
                m.network
            )
        }
        Mark::Note(m) => format!("note {}", m.text),
        Mark::NodeStart => "node-start".to_owned(),
        other => format!("{other:?}"),
    }
}

struct Row {
    name: &'static str,
    steps: &'static str,
    states: &'static str,
    /// Not checked if empty.
    spans: &'static str,
    /// `N text`: N marks begin with the text.
    marks: &'static [&'static str],
}

const fn row(
    name: &'static str,
    steps: &'static str,
    states: &'static str,
    spans: &'static str,
    marks: &'static [&'static str],
) -> Row {
    Row {
        name,
        steps,
        states,
        spans,
        marks,
    }
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // A plain life.
    row("three heights",
        "start; run 1; run 2; run 3",
        "1.1 confirmed WCX; 2.1 confirmed WCX; 3.1 committed WCXP",
        "1.1 1..5..6; 2.1 6..10..11; 3.1 11..15..16",
        &["1 release 1.1 NextCommit", "1 release 2.1 NextCommit", "0 release 3.1", "0 pin", "1 commit 1.1"]),
    row("the begin and the end of the next height prove nothing",
        "start; run 1; begin 2; exec; end 2",
        "1.1 committed WCXP; 2.1 open WCXP", "", &["0 release"]),
    row("an entry that is told twice means nothing the second time",
        "start; run 1; end 1; commit 1; exec; run 2",
        "1.1 confirmed WCX; 2.1 committed WCXP", "", &["1 end 1.1", "1 commit 1.1", "0 begin 1.2"]),
    row("nothing is below height 0",
        "start; run 0; run 1", "0.1 confirmed WCX; 1.1 committed WCXP", "", &[]),
    row("the greatest height there can be",
        "start; run 18446744073709551614; run 18446744073709551615; n commit 18446744073709551615",
        "18446744073709551614.1 confirmed WCX; 18446744073709551615.1 committed WCXP", "", &[]),

    // The node's log is far ahead of the slog, as after a time without a recorder. A line
    // without a height is about a block that is not recorded yet.
    row("a failure of a height that is not recorded yet accuses no block",
        "start; run 1; n hash 6 AA; n hard ? AA/BB",
        "1.1 pinned WCXP", "", &["0 diverged", "1 pin 1.1 AppHash mismatch at an unknown height"]),
    row("one block ahead the hash tells which it is",
        "start; run 1; n hash 2 AA; n hard ? AA/BB",
        "1.1 committed WCXP; 2.1 diverged P", "", &["1 diverged 2.1"]),
    row("a log that tells its heights again is believed",
        "start; run 1; n hash 6 AA; run 2; n hash 2 CC; n hard ? CC/BB",
        "1.1 confirmed WCX; 2.1 diverged WCXP", "", &["1 diverged 2.1"]),

    // The network's word.
    row("confirmed by an equal hash",
        "start; run 1; n hash 1 AA; n confirm 1 AA",
        "1.1 confirmed WCX", "", &["1 release 1.1 Network Some(AppHash(AA))"]),
    row("not confirmed by another hash",
        "start; run 1; n hash 1 AA; n confirm 1 BB",
        "1.1 pinned WCXP", "", &["0 release", "1 pin 1.1 the network has another AppHash"]),
    row("not confirmed by another hash, told by the host itself",
        "start; run 1; hash 1 AA; confirm 1 BB; confirm 1 BB",
        "1.1 pinned WCXP", "", &["0 release", "1 pin 1.1"]),
    row("pinned for another hash, let go by the next commit",
        "start; run 1; n hash 1 AA; n confirm 1 BB; run 2",
        "1.1 confirmed WCX; 2.1 committed WCXP", "", &["1 release 1.1 NextCommit"]),
    row("confirmed by a decision that names no hash",
        "start; run 1; n hash 1 AA; n confirm 1",
        "1.1 confirmed WCX", "", &["1 release 1.1 Network None"]),
    row("confirmed while this node's hash is unknown",
        "start; run 1; n confirm 1 BB", "1.1 confirmed WCX", "", &["0 pin"]),
    row("confirmed above: everything below is confirmed",
        "start; run 1; begin 2; end 2; start; begin 2; end 2; n confirm 2",
        "1.1 confirmed WCX; 2.1 confirmed W; 2.2 confirmed W", "", &["3 release"]),
    row("what the network agreed with is not called back by another hash",
        "start; run 1; n hash 1 AA; run 2; n confirm 1 BB",
        "1.1 confirmed WCX; 2.1 committed WCXP", "", &["0 pin"]),
    row("another hash beside an empty re-run speaks of the attempt that ran",
        "start; run 1; n hash 1 AA; start; begin 1; end 1; n confirm 1 BB",
        "1.1 pinned WCXP; 1.2 open WP", "", &["1 pin 1.1"]),

    // Heights that are executed again.
    row("an empty re-run of a saved block",
        "start; run 1; run 2; start; begin 2; end 2; commit 2; run 3",
        "1.1 confirmed WCX; 2.1 confirmed WCX; 2.2 confirmed W; 3.1 committed WCXP",
        "", &["1 begin 2.2", "0 pin"]),
    row("a failure after an empty re-run speaks of the attempt that ran",
        "start; run 1; run 2; start; begin 2; end 2; commit 2; n hard 2 AA/BB",
        "1.1 confirmed WCX; 2.1 diverged WCXP; 2.2 committed WP", "", &["1 diverged 2.1"]),
    row("a failure during a re-run speaks of the attempt that ended",
        "start; run 1; run 2; start; begin 2; exec; n hard 2 AA/BB",
        "1.1 confirmed WCX; 2.1 diverged WCXP; 2.2 open WXP", "", &["1 diverged 2.1"]),
    row("a failure after a full re-run speaks of the re-run",
        "start; run 1; begin 2; exec; end 2; start; run 2; n hard 2 AA/BB",
        "1.1 confirmed WCX; 2.1 pinned WCXP; 2.2 diverged WCXP", "", &["1 diverged 2.2"]),
    row("rollback to lower heights",
        "start; run 1; run 2; run 3; start; run 2; run 3; run 4",
        "1.1 confirmed WCX; 2.1 confirmed WCX; 3.1 confirmed WCX; \
         2.2 confirmed WCX; 3.2 confirmed WCX; 4.1 committed WCXP", "", &["0 pin"]),
    row("rollback in mid-block without a process start",
        "start; run 8; begin 9; exec; begin 5; exec; end 5; commit 5",
        "8.1 committed WCXP; 9.1 pinned WXP; 5.1 committed WCXP", "",
        &["1 pin 9.1 the node went on", "0 release"]),

    // Attempts.
    row("thrown away and begun again, with work before it",
        "start; run 1; begin 2; exec; abort 2; idle; work; begin 2; exec; end 2; commit 2",
        "1.1 confirmed WCX; 2.1 pinned WXP; 2.2 committed WCXP",
        "1.1 1..5..6; 2.1 6..-..9; 2.2 10..14..15", &["1 pin 2.1 the host discarded"]),
    row("thrown away and begun again: both let go by the next commit",
        "start; run 1; begin 2; abort 2; run 2; run 3",
        "1.1 confirmed WCX; 2.1 confirmed W; 2.2 confirmed WCX; 3.1 committed WCXP", "", &[]),
    row("thrown away after its end: its end does not count",
        "start; run 1; begin 2; exec; end 2; abort 2; begin 2; exec; n hard 2 AA/BB",
        "1.1 committed WCXP; 2.1 pinned WXP; 2.2 diverged WXP", "", &["1 diverged 2.2"]),
    row("thrown away, then work that prepares the next attempt",
        "start; run 1; begin 2; exec; abort 2; early 2; exec; begin 2; exec; end 2",
        "1.1 committed WCXP; 2.1 pinned WXP; 2.2 open WCXP",
        "1.1 1..5..6; 2.1 6..-..9; 2.2 9..14..-", &[]),
    row("thrown away as the node's log tells: the slog alone knows where it ended",
        "start; begin 2; exec; n abort 2; exec; end 2",
        "2.1 pinned WCXP", "2.1 1..6..-", &[]),
    row("thrown away after it was judged: what follows prepares the next attempt",
        "start; run 1; begin 2; exec; hard 2 AA/BB; abort 2; idle; work; begin 2; exec; end 2; commit 2",
        "1.1 confirmed WCX; 2.1 diverged WXP; 2.2 committed WCXP",
        "1.1 1..5..6; 2.1 6..-..10; 2.2 11..15..16", &[]),
    row("what is committed cannot be thrown away",
        "start; run 1; abort 1; abort 7", "1.1 committed WCXP", "", &["0 pin"]),
    row("begun twice",
        "start; run 1; begin 2; exec; begin 2; exec; end 2; commit 2",
        "1.1 confirmed WCX; 2.1 pinned WXP; 2.2 committed WCXP",
        "1.1 1..5..6; 2.1 6..-..8; 2.2 8..11..12", &["1 pin 2.1 another attempt"]),
    row("begun twice, the first with a hole: what prepared the second may be missing",
        "start; run 1; begin 2; gap; begin 2; exec; end 2",
        "1.1 committed WCXP; 2.1 pinned P; 2.2 open XP", "", &[]),
    row("the attempt that ran to its end outlives empty re-runs",
        "start; run 1; begin 2; exec; start; run 2; start; begin 2; end 2; commit 2; start; begin \
         2; end 2; commit 2; start; begin 2; end 2; n hard 2 AA/BB",
        "1.1 confirmed WCX; 2.1 pinned WXP; 2.2 diverged WCXP; 2.3 superseded W; 2.4 superseded \
         W; 2.5 open WP", "", &["1 release 2.3 LaterAttempt", "1 release 2.4 LaterAttempt"]),
    row("attempts that saw a mismatch do not pile up",
        "start; run 1; n soft 1 AA/BB; start; run 1; n soft 1 AA/BB; start; run 1; n soft 1 AA/BB; start; run 1",
        "1.1 pinned WCXP; 1.2 superseded WCX; 1.3 pinned WCXP; 1.4 committed WCXP", "", &[]),

    // The process or the stream ends.
    row("restart in mid-block",
        "start; run 1; begin 2; exec; start; idle; start; work; begin 2; exec; end 2; commit 2",
        "1.1 confirmed WCX; 2.1 pinned WXP; 2.2 committed WCXP",
        "1.1 1..5..6; 2.1 6..-..9; 2.2 11..15..16", &["1 pin 2.1 the node restarted", "3 node-start"]),
    row("restart between end and commit",
        "start; begin 1; exec; end 1; start; run 1",
        "1.1 pinned WCXP; 1.2 committed WCXP", "1.1 1..4..5; 1.2 5..9..10", &["1 pin 1.1"]),
    row("restart between end and commit, and the host goes on: it was durable",
        "start; begin 1; exec; end 1; start; run 2",
        "1.1 confirmed WCX; 2.1 committed WCXP", "", &["1 release 1.1 NextCommit"]),
    row("restart after commit",
        "start; run 1; idle; start; run 2",
        "1.1 confirmed WCX; 2.1 committed WCXP", "1.1 1..5..6; 2.1 8..12..13", &["0 pin"]),
    row("restart before the next begin: work of the old process prepares nothing",
        "start; run 1; work; start; work; begin 2",
        "1.1 committed WCXP; 2.1 open WP", "1.1 1..5..6; 2.1 8..-..-", &[]),
    row("stream end in mid-block",
        "start; run 1; begin 2; exec; eof; eof",
        "1.1 committed WCXP; 2.1 pinned WXP", "", &["1 pin 2.1 the stream ended"]),
    row("stream end in mid-block, then it goes on",
        "start; begin 1; crank 1; eof; exec; crank 2; end 1; commit 1",
        "1.1 pinned WCXP", "1.1 1..7..8", &["1 pin"]),
    row("stream end in mid-block, then it goes on, and the network agrees",
        "start; begin 1; exec; eof; end 1; commit 1; run 2",
        "1.1 confirmed WCX; 2.1 committed WCXP", "", &["1 release 1.1"]),
    row("stream end between blocks",
        "start; run 1; eof; run 2", "1.1 confirmed WCX; 2.1 committed WCXP", "", &["0 pin"]),
    row("the node's log ends in mid-block",
        "start; begin 1; n begin 1; n eof; exec; end 1; commit 1; run 2",
        "1.1 confirmed WCX; 2.1 committed WCXP", "", &["1 pin 1.1 the stream ended"]),

    // Mismatches.
    row("a sighting pins",
        "start; run 1; n soft 1 AA/BB; n soft 1 AA/BB",
        "1.1 pinned WCXP", "", &["1 pin 1.1 AppHash mismatch seen, not proven", "0 diverged"]),
    row("a sighting is dropped by the next commit, not by its begin",
        "start; run 1; n soft 1 AA/BB; begin 2; exec; end 2",
        "1.1 pinned WCXP; 2.1 open WCXP", "", &["0 release"]),
    row("a sighting is dropped by the next commit",
        "start; run 1; n soft 1 AA/BB; run 2",
        "1.1 confirmed WCX; 2.1 committed WCXP", "", &["1 release 1.1 NextCommit"]),
    row("a sighting of what the network agreed with already",
        "start; run 1; run 2; n soft 1 AA/BB",
        "1.1 confirmed WCX; 2.1 committed WCXP", "", &["0 pin"]),
    row("a sighting adds the network's hash to another pin",
        "start; begin 1; exec; end 1; eof; n soft 1 AA/BB; n soft 1 AA/CC",
        "1.1 pinned WCXP", "", &["2 pin 1.1"]),
    row("a sighting of an old block nobody recorded",
        "start; run 5; n soft 3 AA/BB; n soft 3 AA/BB",
        "5.1 committed WCXP", "", &["0 pin", "1 note node stream, height 3: a mismatch was seen, but no such block is recorded"]),
    row("a sighting of a later block nobody recorded: nothing else tells of it",
        "start; run 5; n soft 9 AA/BB; n soft 9 AA/BB",
        "5.1 committed WCXP; 9.1 pinned P", "", &["1 pin"]),
    row("a failure without a height whose hash is not that of the block executed last",
        "start; run 1; n hash 1 CC; n hard ? AA/BB",
        "1.1 pinned WCXP", "", &["0 diverged", "1 pin 1.1 AppHash mismatch at an unknown height"]),
    row("a failure with its height",
        "start; run 1; n hard 1 AA/BB", "1.1 diverged WCXP", "1.1 1..5..6", &["1 diverged 1.1 AppHash AA/BB"]),
    row("a failure without a height: the block whose hash it quotes",
        "start; n hash 1 AA; run 1; n hash 2 CC; run 2; n hard ? AA/BB",
        "1.1 diverged WCXP; 2.1 committed WCXP", "", &["1 diverged 1.1"]),
    row("a failure without a height: of two equal hashes the later",
        "start; run 1; n hash 1 AA; run 2; n hash 2 AA; n hard ? AA/BB",
        "1.1 confirmed WCX; 2.1 diverged WCXP", "", &["1 diverged 2.1"]),
    row("a failure without a height: the block executed last",
        "start; run 1; run 2; begin 3; exec; n hard ? AA/BB",
        "1.1 confirmed WCX; 2.1 diverged WCXP; 3.1 open WXP", "", &["1 diverged 2.1"]),
    row("a failure without a height: results are not looked up among AppHashes",
        "start; run 1; n hash 1 AA; run 2; n hard ? AA/BB LastResultsHash",
        "1.1 confirmed WCX; 2.1 diverged WCXP", "", &["1 diverged 2.1 LastResultsHash"]),
    row("a failure without a height while the first block runs",
        "start; begin 1; exec; n hard ? AA/BB", "1.1 diverged WXP", "1.1 1..-..-", &[]),
    row("a failure of a block nobody recorded",
        "start; run 1; n hard 7 AA/BB; idle; run 2",
        "1.1 confirmed WCX; 7.1 diverged P; 2.1 committed WCXP",
        "1.1 1..5..6; 7.1 6..-..7; 2.1 8..12..13", &["1 diverged 7.1"]),
    row("a failure before anything was recorded",
        "n hard ? AA/BB", "", "", &["0 diverged", "1 note node stream, unknown height"]),
    row("one divergence, however often it is told",
        "start; run 1; n hard 1 AA/BB; n soft 1 AA/BB; n hard 1 AA/CC; n hard ? AA/BB",
        "1.1 diverged WCXP", "", &["1 diverged", "0 pin"]),
    row("a divergence proved after a sighting",
        "start; run 1; n soft 1 AA/BB; n hard 1 AA/BB", "1.1 diverged WCXP", "", &["1 pin", "1 diverged"]),
    row("a failure of a block that was confirmed already",
        "start; run 1; run 2; n hard 1 AA/BB",
        "1.1 diverged WCXP; 2.1 committed WCXP", "", &["1 diverged 1.1"]),
    row("a diverged block is not released by anybody's commit",
        "start; run 1; n hard 1 AA/BB; run 2; run 3; n confirm 2",
        "1.1 diverged WCXP; 2.1 confirmed WCX; 3.1 committed WCXP", "", &["0 release 1.1"]),
    row("a durable box lets go",
        "start; run 1; n hard 1 AA/BB; frozen 1 1", "1.1 diverged WCX", "", &[]),
    row("replay over a frozen block",
        "start; run 1; n hard 1 AA/BB; frozen 1 1; start; begin 1; end 1; commit 1; n hard 1 AA/BB",
        "1.1 diverged WCX; 1.2 committed WP", "", &["1 diverged"]),
    row("a failure runs ahead of the slog",
        "start; run 1; n begin 2; n end 2; n hash 2 AA; n commit 2; n hard 2 AA/BB; run 2",
        "1.1 confirmed WCX; 2.1 diverged WCXP", "1.1 1..5..6; 2.1 11..15..16", &["1 diverged 2.1"]),
    row("a failure comes while the slog is in the block",
        "start; begin 1; exec; n hard 1 AA/BB; crank 1; end 1; commit 1",
        "1.1 diverged WCXP", "1.1 1..6..7", &[]),

    // The recorder comes late, or misses something.
    row("attached in mid-block: not whole, the next one is",
        "work; crank 1; end 1; commit 1; run 2",
        "1.1 confirmed; 2.1 committed WCXP", "1.1 0..3..4; 2.1 4..8..9", &[]),
    row("attached in mid-block where a run begins",
        "work; early 1; exec; crank 1; end 1; commit 1; run 2",
        "1.1 confirmed X; 2.1 committed WCXP", "1.1 0..5..6; 2.1 6..10..11", &[]),
    row("attached between end and commit: the commit does not tell where the next one begins",
        "idle; commit 1; run 2; run 3",
        "1.1 confirmed; 2.1 confirmed X; 3.1 committed WCXP", "1.1 0..-..2; 2.1 2..6..7; 3.1 7..11..12", &[]),
    row("attached between blocks",
        "idle; run 2; run 3", "2.1 confirmed X; 3.1 committed WCXP", "2.1 1..5..6; 3.1 6..10..11", &[]),
    row("attached in mid-block by the node's log alone",
        "n idle; n hash 4 AA; n end 4; n commit 4; n begin 5",
        "4.1 committed P; 5.1 open P", "4.1 0..3..4; 5.1 4..-..-", &[]),
    row("attached late: what the node's log tells of blocks before is not here",
        "start; run 5; n begin 4; n end 3; n hash 3 AA; n commit 3",
        "5.1 committed WCXP; 4.1 open P", "", &["0 end 3", "0 hash 3", "0 commit 3"]),
    row("a missing commit entry",
        "start; begin 1; exec; end 1; run 2; run 3",
        "1.1 confirmed WCX; 2.1 confirmed WCX; 3.1 committed WCXP",
        "1.1 1..4..4; 2.1 4..8..9; 3.1 9..13..14", &["1 commit 1.1 slog"]),
    row("a missing begin entry",
        "start; run 1; exec; crank 2; end 2; commit 2; run 3",
        "1.1 confirmed WCX; 2.1 confirmed; 3.1 committed WCXP", "1.1 1..5..6; 2.1 6..9..10; 3.1 10..14..15",
        &["1 begin 2.1"]),
    row("a missing end entry",
        "start; begin 1; exec; commit 1; run 2; run 3",
        "1.1 confirmed WX; 2.1 confirmed X; 3.1 committed WCXP", "", &["0 pin"]),
    row("missing end and begin entries",
        "start; begin 1; exec; crank 1; end 2; commit 2",
        "1.1 confirmed WX; 2.1 committed P", "", &["1 pin 1.1 the node went on"]),
    row("a gap in mid-block",
        "start; run 1; begin 2; exec; gap; crank 2; end 2; commit 2; run 3",
        "1.1 confirmed WCX; 2.1 confirmed X; 3.1 committed WCXP", "", &[]),
    row("a gap between blocks: the next one is not whole",
        "start; run 1; work; gap; work; run 2; run 3",
        "1.1 confirmed WCX; 2.1 confirmed X; 3.1 committed WCXP",
        "1.1 1..5..6; 2.1 8..13..14; 3.1 14..18..19", &[]),
    row("a gap behind which the stream is back in an earlier block: what follows that may be of the open one",
        "start; run 10; begin 11; exec; begin 12; exec; begin 13; exec; gap; work; end 11; commit \
         11; work; begin 12; exec; end 12; commit 12",
        "10.1 confirmed WCX; 11.1 confirmed X; 12.1 pinned XP; 13.1 pinned XP; 12.2 committed XP", "", &[]),
    row("a gap in the node's log takes nothing from the slog",
        "start; begin 1; n gap; exec; end 1; n gap; commit 1; run 2",
        "1.1 confirmed WCX; 2.1 committed WCXP", "", &[]),
    row("new records dropped in mid-block",
        "start; begin 1; exec; lost new; end 1; commit 1; run 2",
        "1.1 confirmed X; 2.1 committed WCXP", "", &[]),
    row("new records dropped between blocks",
        "start; run 1; lost new; run 2", "1.1 confirmed WCX; 2.1 committed XP", "", &[]),
    row("the open block's oldest records overwritten",
        "start; begin 1; exec; lost old; end 1; commit 1; run 2",
        "1.1 confirmed X; 2.1 committed WCXP", "", &[]),

    // Work before the begin entry.
    row("bootstrap before the first begin entry",
        "start; idle; work; early 1; exec; crank 0; work; begin 1; early 1; exec; end 1; commit 1",
        "1.1 committed WCXP", "1.1 2..11..12", &["2 begin 1.1", "0 pin"]),
    row("upgrade before a begin entry",
        "start; run 1; idle; early 2; work; begin 2; early 2; exec; end 2; commit 2; run 3",
        "1.1 confirmed WCX; 2.1 confirmed WCX; 3.1 committed WCXP",
        "1.1 1..5..6; 2.1 7..13..14; 3.1 14..18..19", &["0 pin"]),
    row("a run inside a block opens nothing",
        "start; begin 1; early 1; exec; early 1; exec; end 1; commit 1",
        "1.1 committed WCXP", "1.1 1..7..8", &["1 begin"]),
    row("the node's log tells of the begin between an upgrade and its begin entry",
        "start; run 1; early 2; n begin 2; begin 2; exec; end 2; commit 2",
        "1.1 confirmed WCX; 2.1 committed WCXP", "1.1 1..5..6; 2.1 6..11..12", &["0 pin", "0 begin 2.2"]),
    row("an upgrade that never comes to its begin entry",
        "start; run 1; early 2; exec; start; run 2",
        "1.1 confirmed WCX; 2.1 pinned WXP; 2.2 committed WCXP", "", &["1 pin 2.1"]),

    // The node's log alone, ahead, behind, or forged.
    row("the node's log alone",
        "n confirm 0; n begin 1; n hash 1 AA; n end 1; n commit 1; n confirm 1 AA; n begin 2; n hash 2 BB; n end 2; n commit 2",
        "1.1 confirmed; 2.1 committed P", "1.1 1..4..5; 2.1 6..9..10", &["1 release 1.1 Network Some(AppHash(AA))"]),
    row("the node's log alone, a failure",
        "n begin 1; n hash 1 AA; n end 1; n commit 1; n idle; n hard ? AA/BB; n idle",
        "1.1 diverged P", "1.1 0..3..4", &["1 diverged 1.1"]),
    row("the node's log alone, a height executed again after a restart",
        "n begin 1; n begin 1; n end 1; n commit 1; n begin 2; n end 2; n commit 2",
        "1.1 confirmed; 1.2 confirmed; 2.1 committed P", "", &["1 pin 1.1 another attempt"]),
    row("the node's log alone, no begin lines (blocksync)",
        "n end 7; n commit 7; n end 8; n commit 8; n end 9; n commit 9",
        "7.1 confirmed; 8.1 confirmed; 9.1 committed P", "7.1 0..1..2; 8.1 2..3..4; 9.1 4..5..6", &[]),
    row("the slog alone carries no AppHash and needs none",
        "start; run 1; run 2", "1.1 confirmed WCX; 2.1 committed WCXP", "", &["0 hash"]),
    row("the node's log runs three blocks ahead",
        "start; run 1; n begin 2; n end 2; n commit 2; n begin 3; n end 3; n commit 3; n begin 4; \
         n end 4; n commit 4; run 2; run 3; run 4",
        "1.1 confirmed WCX; 2.1 confirmed WCX; 3.1 confirmed WCX; 4.1 committed WCXP",
        "1.1 1..5..6; 2.1 15..19..20; 3.1 20..24..25; 4.1 25..29..30", &["0 pin"]),
    row("the node's log tells of an end before the slog begins: it has not ended",
        "start; run 1; n begin 2; n end 2; begin 2; exec",
        "1.1 committed WCXP; 2.1 open WXP", "1.1 1..5..6; 2.1 8..-..-", &[]),
    row("a block only the node's log told of ends where the slog goes beyond it",
        "start; run 1; n begin 2; run 3; idle",
        "1.1 confirmed WCX; 2.1 confirmed; 3.1 committed WCXP",
        "1.1 1..5..6; 2.1 6..-..7; 3.1 7..11..12", &[]),
    row("the node's log is in the next attempt while the slog is in the first",
        "start; begin 1; n begin 1; exec; n begin 1; crank 1; end 1; start; run 1",
        "1.1 pinned WCXP; 1.2 committed WCXP", "1.1 1..7..8; 1.2 8..12..13", &["1 begin 1.1 slog", "1 begin 1.2 slog", "1 end 1.1 slog"]),
    row("a forged far commit releases nothing",
        "start; run 1; n soft 1 AA/BB; n commit 900; n commit 901; n confirm 950; n commit 3",
        "1.1 pinned WCXP", "", &["0 release", "1 note node stream, height 900"]),
    row("a forged far begin does not make a far commit believed",
        "start; run 1; n soft 1 AA/BB; n begin 900; n end 900; n hash 900 AA; n commit 900; n commit 901",
        "1.1 pinned WCXP", "", &["0 release", "1 note"]),
    row("a forged far failure does not make a far commit believed",
        "start; run 1; n soft 1 AA/BB; n hard 900 AA/BB; n commit 900; n commit 901",
        "1.1 pinned WCXP; 900.1 diverged P", "", &["0 release 1.1", "1 note"]),
    row("the next height's commit is believed",
        "start; run 1; n soft 1 AA/BB; n commit 2",
        "1.1 confirmed WCX; 2.1 committed P", "", &["1 release 1.1", "0 note"]),
    row("the slog is believed however far it jumps",
        "start; run 1; run 900; n commit 901",
        "1.1 confirmed WCX; 900.1 confirmed WCX; 901.1 committed P", "", &["0 note"]),
    row("the node's log alone may jump: its begin is believed, a lone commit is not",
        "n begin 1; n commit 900; n begin 900; n commit 900",
        "1.1 confirmed; 900.1 committed P", "", &["1 note", "1 release 1.1"]),
    row("the first height that is told is believed",
        "n commit 900; n commit 901", "900.1 confirmed; 901.1 committed P", "", &["0 note"]),
];

fn wrong_marks(marks: &[Mark], wanted: &[&str]) -> String {
    let said: Vec<String> = marks.iter().map(sentence).collect();
    let mut wrong = String::new();
    for want in wanted {
        let (count, text) = want.split_once(' ').unwrap();
        let found = said.iter().filter(|s| s.starts_with(text)).count();
        if found.to_string() != count {
            writeln!(wrong, "  {count} marks wanted, {found} found: {text}").unwrap();
        }
    }
    wrong
}

#[test]
fn the_table() {
    let mut wrong = String::new();
    for row in TABLE {
        let mut tape = Tape::default();
        play(&mut tape, row.steps);
        let (states, spans) = (states(&tape.life), spans(&tape.life));
        let mut found = wrong_marks(&tape.marks, row.marks);
        if states != row.states {
            writeln!(found, "  states {states}\n  wanted {}", row.states).unwrap();
        }
        if !row.spans.is_empty() && spans != row.spans {
            writeln!(found, "  spans  {spans}\n  wanted {}", row.spans).unwrap();
        }
        if folded(&tape.spine).blocks() != tape.life.blocks() {
            writeln!(
                found,
                "  folding its marks gives {}",
                self::states(&folded(&tape.spine))
            )
            .unwrap();
        }
        if !found.is_empty() {
            writeln!(wrong, "{}:\n{found}", row.name).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    println!("{} rows", TABLE.len());
}

#[test]
fn a_crash_loop_keeps_the_first_and_the_newest_attempt() {
    let mut tape = Tape::default();
    play(&mut tape, "start; run 1");
    play(&mut tape, &"begin 2; exec; start;".repeat(1000));
    let kept: Vec<u32> = protected(&tape.life).iter().map(|b| b.of.attempt).collect();
    assert_eq!(
        kept,
        [1, 1, 1000],
        "height 1, then the first and the newest of height 2"
    );
    play(&mut tape, &"begin 2; exec; end 2; start;".repeat(1000));
    let kept: Vec<u32> = protected(&tape.life).iter().map(|b| b.of.attempt).collect();
    assert_eq!(
        kept,
        [1, 1, 1999, 2000],
        "also the last that was executed to its end"
    );
    tape.life.forget(10);
    assert_eq!(tape.life.blocks().len(), 10);
}

#[test]
fn cranks_are_counted_with_the_attempt_they_ran_in() {
    let mut tape = Tape::default();
    play(
        &mut tape,
        "crank 4; start; begin 1; crank 5; crank 6; n begin 2; crank 7; end 1; crank 8",
    );
    play(&mut tape, "start; begin 1; crank 5; end 1; commit 1");
    let counted = |attempt| {
        let block = tape.life.block(Attempt { height: 1, attempt }).unwrap();
        (
            block.cranks,
            block.first_crank,
            block.last_crank,
            block.activityhash,
        )
    };
    assert_eq!(counted(1), (3, Some(5), Some(7), Some(Digest([7; 32]))));
    assert_eq!(counted(2), (1, Some(5), Some(5), Some(Digest([5; 32]))));
    let told = tape
        .marks
        .iter()
        .filter(|m| matches!(m, Mark::Crank(_)))
        .count();
    assert_eq!(told, 6, "a hash outside every block is kept as well");
}

/// The entries between belong to another block: a HASH of the rest would be of half of it.
#[test]
fn an_end_behind_the_beginning_of_another_block_completes_nothing() {
    for between in ["begin 6; exec; end 6", "start"] {
        let mut tape = Tape::default();
        play(&mut tape, "start; begin 5; exec");
        play(&mut tape, between);
        play(&mut tape, "end 5");
        let late = tape.life.latest(5).unwrap();
        assert!(late.end.is_some() && late.whole, "{between}");
        assert!(!late.is_complete(), "{between}");
    }
}

#[test]
fn a_release_told_of_a_diverged_block_does_not_let_go_of_it() {
    let mut tape = Tape::default();
    play(&mut tape, "start; run 1; n hard 1 AA/BB");
    tape.put(Mark::Release(Release {
        of: attempt("1", "1"),
        by: ReleasedBy::Network,
        network: None,
    }));
    assert_eq!(states(&tape.life), "1.1 diverged WCXP");
}

#[test]
fn what_the_slog_has_yet_to_begin_is_neither_forgotten_nor_left_out() {
    let ahead = "start; run 1; n begin 2; n end 2; n commit 2; n begin 3; n end 3; n commit 3";
    let mut tape = Tape::default();
    play(&mut tape, ahead);
    assert_eq!(
        states(&tape.life),
        "1.1 confirmed WCX; 2.1 confirmed; 3.1 committed P"
    );
    tape.life.forget(0);
    assert_eq!(states(&tape.life), "2.1 confirmed; 3.1 committed P");
    (tape.life, _) = late_reader(&tape.life);
    play(&mut tape, "run 2; run 3");
    assert_eq!(states(&tape.life), "2.1 confirmed WCX; 3.1 committed WCXP");
    tape.life.forget(0);
    assert_eq!(states(&tape.life), "3.1 committed WCXP");
}

#[test]
fn a_divergence_of_results_leaves_the_app_hashes_alone() {
    let mut tape = Tape::default();
    play(
        &mut tape,
        "start; run 1; n hash 1 AA; n hard 1 CC/DD LastResultsHash",
    );
    let block = tape.life.latest(1).unwrap();
    assert_eq!((block.app_hash, block.network), (Some(hash("AA")), None));
    assert_eq!(block.why.as_deref(), Some("LastResultsHash"));
    play(&mut tape, "run 2; n soft 2 CC/DD LastResultsHash");
    assert_eq!(tape.life.latest(2).unwrap().network, None);
}

#[test]
fn an_operator_who_names_no_block_means_the_worst() {
    let mut tape = Tape::default();
    let meant = |tape: &Tape| {
        tape.life
            .default_subject()
            .map(|b| (b.of.height, b.of.attempt))
    };
    assert_eq!(meant(&tape), None);
    play(&mut tape, "start; begin 1");
    assert_eq!(meant(&tape), Some((1, 1)), "the only one");
    play(&mut tape, "end 1; commit 1; begin 2; exec");
    assert_eq!(meant(&tape), Some((1, 1)), "the last committed");
    play(&mut tape, "eof");
    assert_eq!(meant(&tape), Some((2, 1)), "a pinned one");
    play(&mut tape, "n hard 1 AA/BB");
    assert_eq!(meant(&tape), Some((1, 1)), "the diverged one");
    play(&mut tape, "frozen 1 1");
    assert_eq!(
        meant(&tape),
        Some((2, 1)),
        "its box is durable: the pinned one again"
    );
}

// What holds for every sequence.

fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let fixed = std::env::var("HALTBOX_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let long = if std::env::var_os("HALTBOX_LONG").is_some() {
        50
    } else {
        1
    };
    let range = fixed.map_or(1..count * long + 1, |seed| seed..seed + 1);
    range.inspect(|seed| println!("HALTBOX_SEED={seed}"))
}

/// Anything at all, near one height most of the time.
fn anything(dice: &mut Rng, clock: u64) -> Entry {
    const VERBS: [&str; 20] = [
        "start", "begin", "begin", "begin", "early", "exec", "crank", "end", "end", "end",
        "commit", "commit", "commit", "hash", "confirm", "abort", "hard", "soft", "gap", "eof",
    ];
    let height = match dice.u64(..40) {
        0 => 0,
        1 => u64::MAX,
        2 => 1000 + dice.u64(..3),
        _ => 1 + clock / 12 + dice.u64(..4),
    };
    let verb = VERBS[dice.usize(..20)];
    let (one, other) = (
        ["AA", "BB"][dice.usize(..2)],
        ["AA", "BB", "CC"][dice.usize(..3)],
    );
    let step = match verb {
        "hard" | "soft" if dice.u64(..3) == 0 => format!("{verb} ? {one}/{other}"),
        "hard" | "soft" => format!("{verb} {height} {one}/{other}"),
        "commit" | "confirm" if dice.bool() => format!("{verb} {height}"),
        _ => format!("{verb} {height} {one}"),
    };
    let by = if dice.u64(..3) == 0 { "n " } else { "" };
    entries(&format!("{by}{step}")).remove(0)
}

/// Checks the marks that may end protection against the events.
fn check_release(mark: &Mark, event: Option<&Event>) {
    let Mark::Release(release) = mark else { return };
    let height = release.of.height;
    let right = match (release.by, event) {
        (ReleasedBy::NextCommit, Some(Event::Commit { height: told, .. })) => *told > height,
        (ReleasedBy::Network, Some(Event::Confirm { height: told, .. })) => *told >= height,
        (ReleasedBy::LaterAttempt, Some(Event::Begin { height: told, .. })) => *told == height,
        _ => false,
    };
    assert!(right, "{release:?} by {event:?}");
}

fn check_protection(was: &Lifecycle, is: &Lifecycle, marks: &[Mark]) {
    for block in protected(was) {
        let let_go = marks.iter().any(|mark| match mark {
            Mark::Release(release) => release.of == block.of && block.state != State::Diverged,
            Mark::Frozen(frozen) => frozen.of == block.of,
            _ => false,
        });
        let now = is.block(block.of).unwrap();
        assert!(now.is_protected() || let_go, "{block:?}\nbecame {now:?}");
    }
}

/// The protected blocks are the same without the marks before a checkpoint, except for a
/// block that was settled then and diverged later.
fn check_late(late: &Lifecycle, settled: &[Attempt], life: &Lifecycle) {
    assert_eq!(protected(late).len(), protected(life).len());
    for block in protected(life) {
        let known = late.block(block.of).unwrap();
        let recalled = block.state == State::Diverged && settled.contains(&block.of);
        assert!(known == block || recalled, "{known:?}\nis not {block:?}");
        assert_eq!(known.state, block.state);
    }
    assert_eq!(late.search_from(), life.search_from());
}

/// A reader that finds nothing before a checkpoint, and what it lacks.
fn late_reader(life: &Lifecycle) -> (Lifecycle, Vec<Attempt>) {
    let mut late = Lifecycle::default();
    late.apply(&Mark::Checkpoint(life.checkpoint()), main(0));
    let all = life.blocks().iter().map(|b| b.of);
    let settled = all.filter(|of| late.block(*of).is_none()).collect();
    (late, settled)
}

#[test]
fn marks_tell_everything_whatever_happens() {
    let mut sequences = 0;
    for seed in seeds(3000) {
        let mut dice = Rng::with_seed(seed);
        let mut tape = Tape::default();
        let mut whole = Lifecycle::default();
        let mut late: Option<(Lifecycle, Vec<Attempt>)> = None;
        for clock in 0..80 {
            let was = tape.life.clone();
            let entry = anything(&mut dice, clock);
            let marks = tape.tell(&entry);
            marks
                .iter()
                .for_each(|mark| check_release(mark, entry.event.as_ref()));
            check_protection(&was, &tape.life, &marks);
            let payload = tape.spine.last().unwrap();
            fold(&mut whole, payload);
            assert_eq!(whole.blocks(), tape.life.blocks());
            assert_eq!(whole.search_from(), tape.life.search_from());
            if let Some((late, settled)) = &mut late {
                fold(late, payload);
                check_late(late, settled, &tape.life);
            }
            if dice.u64(..20) == 0 {
                late = Some(late_reader(&tape.life));
            }
        }
        sequences += 1;
    }
    println!("{sequences} sequences of 80 events");
}

#[test]
fn a_checkpoint_between_marks_changes_nothing() {
    for seed in seeds(500) {
        let mut dice = Rng::with_seed(seed);
        let mut tape = Tape::default();
        for clock in 0..80 {
            tape.tell(&anything(&mut dice, clock));
            if dice.u64(..10) == 0 {
                let blocks = tape.life.blocks().to_vec();
                tape.put(Mark::Checkpoint(tape.life.checkpoint()));
                assert_eq!(tape.life.blocks(), blocks);
            }
        }
        assert_eq!(folded(&tape.spine).blocks(), tape.life.blocks());
    }
}

#[test]
fn a_checkpoint_puts_blocks_whose_marks_were_evicted_in_their_place() {
    let mut tape = Tape::default();
    play(
        &mut tape,
        "start; begin 5; exec; eof; begin 6; exec; eof; run 4",
    );
    let mut late = Lifecycle::default();
    late.apply(
        &Mark::Begin(Begin {
            of: attempt("6", "1"),
            from: main(0),
            whole: true,
            by: Stream::Slog,
            joins: false,
            early: false,
        }),
        main(0),
    );
    late.apply(&Mark::Checkpoint(tape.life.checkpoint()), main(0));
    assert_eq!(late.blocks(), tape.life.blocks());
}

/// Protected blocks by name: blocks between them may have been removed.
fn sorted(life: &Lifecycle) -> Vec<&Block> {
    let mut blocks = protected(life);
    blocks.sort_by_key(|b| (b.of.height, b.of.attempt));
    blocks
}

#[test]
fn forgetting_bounds_the_list_and_takes_nothing_protected() {
    const KEPT: usize = 4;
    let mut longest = 0;
    for seed in seeds(300) {
        let mut dice = Rng::with_seed(seed);
        let mut tape = Tape::default();
        let mut reader = Lifecycle::default();
        for clock in 0..600 {
            let was = tape.spine.len();
            tape.tell(&anything(&mut dice, clock));
            let pinned = tape
                .life
                .blocks()
                .iter()
                .find(|b| b.is_pinned())
                .map(|b| b.of);
            if let Some(of) = pinned.filter(|_| clock % 4 == 0) {
                let name = "box".to_owned();
                tape.put(Mark::Frozen(Frozen { of, name }));
            }
            tape.spine[was..]
                .iter()
                .for_each(|payload| fold(&mut reader, payload));
            let kept: Vec<Block> = protected(&tape.life).into_iter().cloned().collect();
            tape.life.forget(KEPT);
            assert_eq!(protected(&tape.life), kept.iter().collect::<Vec<_>>());
            assert_eq!(sorted(&reader), sorted(&tape.life));
            longest = longest.max(tape.life.blocks().len());
        }
    }
    println!("longest list: {longest}");
    assert!(longest <= 40, "{longest}");
}

/// A node with both streams, killed now and then. The node's log is read up to
/// `lag` entries before or behind the slog.
fn node(dice: &mut Rng, heights: u64, lag: u64) -> Vec<Entry> {
    let (mut slog, mut log) = (entries("start"), Vec::new());
    for h in 1..=heights {
        slog.extend(entries(&format!("run {h}")));
        let result = if h % 3 == 0 { "AA" } else { "BB" };
        let before = if (h - 1) % 3 == 0 { "AA" } else { "BB" };
        for line in [
            format!("n confirm {} {before}", h - 1),
            format!("n begin {h}"),
            format!("n hash {h} {result}"),
            format!("n end {h}"),
            format!("n commit {h}"),
        ] {
            log.extend(entries(&line));
        }
    }
    let (mut slog, mut log) = (slog.into_iter().peekable(), log.into_iter().peekable());
    let (mut merged, mut ahead) = (Vec::new(), 0i64);
    while slog.peek().is_some() || log.peek().is_some() {
        let lag = lag.cast_signed();
        let log_next = ahead < lag && (dice.bool() || ahead <= -lag);
        let next = if log_next || slog.peek().is_none() {
            log.next()
        } else {
            slog.next()
        };
        let Some(next) = next.or_else(|| slog.next()) else {
            break;
        };
        ahead += if next.by == Stream::Node { 1 } else { -1 };
        merged.push(next);
    }
    merged
}

#[test]
fn both_streams_tell_of_the_same_blocks_in_any_order() {
    const HEIGHTS: u64 = 12;
    for seed in seeds(1000) {
        let mut dice = Rng::with_seed(seed);
        let lag = 1 + dice.u64(..15);
        let entries = node(&mut dice, HEIGHTS, lag);
        let mut tape = Tape::default();
        entries.iter().for_each(|entry| drop(tape.tell(entry)));
        assert!(
            !tape
                .marks
                .iter()
                .any(|m| matches!(m, Mark::Pin(_) | Mark::Note(_)))
        );
        let told = |at: Option<Position>| {
            let before = at.unwrap().main - 1;
            entries[usize::try_from(before).unwrap()]
                .event
                .clone()
                .unwrap()
        };
        for (block, height) in tape.life.blocks().iter().zip(1..) {
            assert_eq!(block.of, Attempt { height, attempt: 1 });
            assert!(block.is_complete() && block.executed, "{block:?}");
            assert_eq!(block.cranks, 1);
            assert_eq!(told(block.end), Event::End { height });
            assert!(matches!(told(block.until), Event::Commit { height: h, .. } if h == height));
            let first = Some(main(usize::try_from(block.from.main).unwrap() + 1));
            assert_eq!(
                told(first),
                Event::Begin {
                    height,
                    early: false
                }
            );
            assert_eq!(
                block.app_hash,
                Some(hash(if height % 3 == 0 { "AA" } else { "BB" }))
            );
            assert_eq!(block.is_protected(), height == HEIGHTS);
        }
        assert_eq!(tape.life.blocks().len(), usize::try_from(HEIGHTS).unwrap());
    }
}

/// A node with random kills and gaps after its first start. Before it, the begin of a
/// block is unknown, and a recorder that is opened again searches no further back.
fn troubled(dice: &mut Rng) -> Vec<Entry> {
    let lag = 1 + dice.u64(..15);
    let mut entries = node(dice, 6, lag);
    let is_start = |entry: &Entry| entry.event == Some(Event::ProcessStart);
    let started = 1 + entries.iter().position(is_start).unwrap();
    for trouble in [
        "start",
        "gap",
        "eof",
        "work",
        "idle",
        "abort 3",
        "begin 4",
        "early 5",
        "n soft 2 AA/BB",
    ] {
        if dice.bool() {
            let place = started + dice.usize(..entries.len() - started);
            entries.insert(place, self::entries(trouble).remove(0));
        }
    }
    entries
}

#[test]
fn a_recorder_opened_again_goes_on_as_if_it_had_never_been_away() {
    for seed in seeds(300) {
        let mut dice = Rng::with_seed(seed);
        let entries = troubled(&mut dice);
        let mut tape = Tape::default();
        let mut again = Tape::default();
        for entry in &entries {
            again = again.reopened();
            assert_eq!(again.tell(entry), tape.tell(entry));
            assert_eq!(again.life.blocks(), tape.life.blocks());
        }
    }
}

/// The streams are not in step: the node's log reports a start that the slog reported
/// long before. A recorder that was opened in between must not cut the block in two,
/// because the second half would have a HASH of its own.
#[test]
fn a_start_that_the_node_s_log_tells_late_cuts_no_block_of_the_slog() {
    let steps = "start; run 4; begin 5; work; reopen; n start; exec; crank 5; end 5; commit 5";
    let mut tape = Tape::default();
    play(&mut tape, steps);
    assert_eq!(
        states(&tape.life),
        "4.1 confirmed WCX; 5.1 committed WCXP",
        "{:?}",
        tape.marks.iter().map(sentence).collect::<Vec<_>>()
    );
}

/// The bytes of a checkpoint and the blocks in memory have separate types: the conversion
/// loses and moves nothing.
#[test]
fn the_blocks_of_a_checkpoint_are_written_again_as_they_were_read() {
    let text = include_str!("../../../format/testdata/checkpoint.json").trim_end();
    let mut life = Lifecycle::default();
    let read = Mark::Checkpoint(serde_json::from_str(text).unwrap());
    life.apply(&read, Position::default());
    let written = serde_json::to_string(&life.checkpoint()).unwrap();
    assert_eq!(written, text);
}

/// A spine record of every mark.
const MARKS: &[u8] = include_bytes!("../../../format/testdata/marks.bin");

#[test]
fn damaged_marks_are_folded_without_harm() {
    let mut dice = Rng::with_seed(1);
    let (mut folded, mut changed) = (0, 0);
    let sound = decode_marks(MARKS).unwrap().1;
    for _ in 0..20_000 {
        let mut bytes = MARKS.to_vec();
        for _ in 0..=dice.u64(..8) {
            let place = dice.usize(..bytes.len());
            bytes[place] = dice.u8(..);
        }
        bytes.truncate(bytes.len() - dice.usize(..4) * dice.usize(..200));
        let (stamp, marks) = decode_marks(&bytes).unwrap();
        let mut life = Lifecycle::default();
        marks.iter().for_each(|mark| life.apply(mark, stamp.at));
        folded += marks.len();
        changed += usize::from(marks != sound);
    }
    println!("{folded} marks folded, {changed} of 20000 records were changed by the damage");
    assert!(changed > 10_000);
}

/// With a look at all blocks for each event, this takes minutes. Readers keep every block of a
/// plain slog, and whoever hands one out chooses how many there are.
#[test]
fn an_event_does_not_look_at_all_blocks() {
    const BLOCKS: u64 = 100_000;
    let begun = Instant::now();
    for commits in [false, true] {
        let mut life = Lifecycle::default();
        for height in 0..BLOCKS {
            let at = |main| Position { main, local: 0 };
            let (early, app_hash) = (false, None);
            let events = [
                Some(Event::Begin { height, early }),
                Some(Event::End { height }),
                commits.then_some(Event::Commit { height, app_hash }),
            ];
            for event in events.iter().flatten() {
                life.on(event, Stream::Slog, at(height), at(height + 1));
            }
        }
        assert_eq!(life.blocks().len() as u64, BLOCKS);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "it took {took:?}");
}

/// The gap may have taken a second attempt at height 1, which then ended at the last entry.
/// The recorder that was not away knows better.
#[test]
fn an_end_of_what_is_over_behind_a_gap_leaves_the_next_block_no_whole_beginning() {
    let whole = |steps: &str| {
        let mut tape = Tape::default();
        play(&mut tape, steps);
        let reopened = tape.reopened().life;
        let of = |life: &Lifecycle| life.latest(3).map(|block| block.whole);
        assert_eq!(of(&tape.life), of(&reopened), "{steps}");
        of(&tape.life)
    };
    for verb in ["end 1", "abort 1"] {
        let steps = format!("begin 1; end 1; gap; begin 2; end 2; {verb}; begin 3; end 3");
        assert_eq!(whole(&steps), Some(false), "{verb}");
        let reopened = steps.replace("; begin 3", "; reopen; begin 3");
        assert_eq!(whole(&reopened), Some(false), "{verb}");
        let steps = format!("begin 1; end 1; begin 2; end 2; {verb}; begin 3; end 3");
        assert_eq!(whole(&steps), Some(true), "{verb}");
    }
    // The gap may have taken the commit. Then nothing was left to discard.
    let steps = "begin 1; end 1; gap; abort 1; begin 3; end 3";
    assert_eq!(whole(steps), Some(false));
    let steps = "begin 1; end 1; gap; begin 2; end 2; start; abort 1; begin 3; end 3";
    assert_eq!(whole(steps), Some(true));
}

/// The network may agree with a block before or after its host discards it.
#[test]
fn what_the_network_says_does_not_decide_where_the_next_block_begins() {
    let from = |steps: &str| {
        let mut tape = Tape::default();
        play(&mut tape, steps);
        let block = tape.life.latest(2);
        block.map(|block| (block.from.main, block.whole))
    };
    let agreed = from("begin 1; end 1; confirm 1; work; abort 1; begin 2; end 2");
    let late = from("begin 1; end 1; work; abort 1; confirm 1; begin 2; end 2");
    assert_eq!(agreed, Some((5, true)));
    assert_eq!(late, agreed);
}
