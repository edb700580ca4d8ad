use super::*;

/// Microseconds since 1970 of `T0`.
const T0: u64 = 1_795_955_751_000_000;

/// `2026-11-29T12:35:51`, plus some microseconds.
fn time(micros: u64) -> String {
    let at = jiff::Timestamp::from_microsecond(i64::try_from(T0 + micros).unwrap());
    at.unwrap().to_string()
}

fn tx(of: u8) -> B256 {
    B256::repeat_byte(of)
}

fn start(id: &str, of: u8, at: u64) -> String {
    format!(
        r#"{{"time":"{}","level":"INFO","msg":"validating interop access list","source":"rpc","req_id":"{id}","tx_hash":"{}","strategy":"agreement"}}"#,
        time(at),
        tx(of)
    )
}

fn backend(id: &str, url: &str, error: &str, at: u64) -> String {
    format!(
        r#"{{"time":"{}","level":"DEBUG","msg":"an interop validating backend has responded","interop_filter_url":"{url}","strategy":"agreement","req_id":"{id}","method":"eth_sendRawTransaction","error":{error}}}"#,
        time(at)
    )
}

fn outcome(id: &str, word: &str, [valid, invalid]: [u8; 2], nanos: u64, at: u64) -> String {
    format!(
        r#"{{"time":"{}","level":"DEBUG","msg":"interop agreement outcome","req_id":"{id}","outcome":"{word}","valid":{valid},"invalid":{invalid},"min_responses":2,"duration":{nanos}}}"#,
        time(at)
    )
}

fn passed(id: &str, of: u8, at: u64) -> String {
    format!(
        r#"{{"time":"{}","level":"INFO","msg":"interop access list validated successfully","req_id":"{id}","tx_hash":"{}"}}"#,
        time(at),
        tx(of)
    )
}

fn failed(id: &str, of: u8, error: &str, at: u64) -> String {
    format!(
        r#"{{"time":"{}","level":"INFO","msg":"interop access list validation failed","req_id":"{id}","tx_hash":"{}","error":"{error}"}}"#,
        time(at),
        tx(of)
    )
}

struct Joined {
    joiner: Joiner,
    begun: Instant,
    done: Vec<Sample>,
}

/// Verdict, backend, time and error of a sample.
type Brief<'a> = (Outcome, Option<&'a str>, Option<u64>, Option<&'a str>);

impl Joined {
    fn of(lines: &[String]) -> Joined {
        let mut joined = Joined {
            joiner: Joiner::default(),
            begun: Instant::now(),
            done: Vec::new(),
        };
        lines.iter().for_each(|line| joined.take(line, 0));
        joined
    }

    fn take(&mut self, line: &str, after: u64) {
        let line: LogLine = serde_json::from_str(line).unwrap();
        let now = self.begun + Duration::from_secs(after);
        let is_of_check = self.joiner.take(&line, now, 7, &mut self.done);
        assert_eq!(is_of_check, line.kind().is_some() && line.id().is_some());
    }

    fn look(&mut self, after: u64) {
        let now = self.begun + Duration::from_secs(after);
        self.joiner.look(now, &mut self.done);
    }

    fn told(&self) -> Vec<Brief<'_>> {
        let told = self.done.iter().map(|sample| {
            assert_eq!(
                (sample.stage, sample.part),
                (Stage::Proxyd, sample.backend.is_some())
            );
            (
                sample.verdict,
                sample.backend.as_deref(),
                sample.took_us,
                sample.error.as_deref(),
            )
        });
        told.collect()
    }
}

const A: Option<&str> = Some("http://a:1");
const B: Option<&str> = Some("http://b:1");

#[test]
fn all_lines_of_a_check_become_a_sample_each_backend_and_one_of_all() {
    let lines = [
        start("r1", 1, 0),
        backend("r1", "http://a:1", "null", 4_000),
        backend("r1", "http://b:1", "null", 9_000),
        outcome("r1", "accept", [2, 0], 9_500_123, 9_600),
        passed("r1", 1, 10_000),
    ];
    let joined = Joined::of(&lines);
    let accepted = |backend, took| (Outcome::Accepted, backend, Some(took), None);
    let expected = [
        accepted(A, 4_000),
        accepted(B, 9_000),
        accepted(None, 9_500),
    ];
    assert_eq!(joined.told(), expected);
    assert!(joined.done.iter().all(|sample| sample.tx == Some(tx(1))));
    assert_eq!(joined.done[2].at, (T0 + 10_000) / 1000);
    // Each line matters.
    for without in 0..lines.len() {
        let mut fewer = lines.to_vec();
        fewer.remove(without);
        let mut joined = Joined::of(&fewer);
        joined.look(120);
        assert_ne!(joined.told(), expected, "without line {without}");
    }
}

#[test]
fn the_pair_of_info_lines_is_enough() {
    let joined = Joined::of(&[
        start("r1", 1, 0),
        failed("r1", 1, "checksum mismatch", 10_000),
    ]);
    let error = Some("checksum mismatch");
    assert_eq!(
        joined.told(),
        [(Outcome::Refused, None, Some(10_000), error)]
    );
    // And an end alone still names a transaction.
    let joined = Joined::of(&[passed("r1", 1, 10_000)]);
    assert_eq!(joined.told(), [(Outcome::Accepted, None, None, None)]);
    assert_eq!(joined.done[0].tx, Some(tx(1)));
}

#[test]
fn an_error_refuses_only_if_it_is_a_verdict() {
    let of = |word: &str, counts, texts: [&str; 2]| {
        let quoted = texts.map(|text| format!("\"{text}\""));
        let joined = Joined::of(&[
            start("r1", 1, 0),
            backend("r1", "http://a:1", &quoted[0], 1),
            backend("r1", "http://b:1", &quoted[1], 2),
            outcome("r1", word, counts, 5_000, 5),
            failed("r1", 1, texts[0], 6),
        ]);
        let told = joined.told();
        let verdicts: Vec<Outcome> = told.iter().map(|(verdict, ..)| *verdict).collect();
        (verdicts, told[2].3.map(str::to_owned))
    };
    use Outcome::{Refused, Undecided};
    let (verdicts, error) = of("reject_agreed", [0, 2], ["bad", "worse"]);
    assert_eq!(verdicts, [Refused, Refused, Refused]);
    assert_eq!(error.as_deref(), Some("reject_agreed: bad"));
    let (verdicts, _) = of("reject_quorum_not_reached", [0, 0], ["log mismatch", "EOF"]);
    assert_eq!(verdicts, [Undecided, Undecided, Refused]);
    let (verdicts, _) = of(
        "reject_agreed",
        [0, 1],
        ["context canceled", "log Mismatch"],
    );
    assert_eq!(verdicts, [Undecided, Refused, Refused]);
}

#[test]
fn checks_that_run_at_the_same_time_are_kept_apart() {
    let mut joined = Joined::of(&[
        start("r1", 1, 0),
        start("r2", 2, 1_000),
        backend("r2", "http://a:1", "null", 3_000),
        backend("r1", "http://a:1", "\"conflict\"", 5_000),
        passed("r2", 2, 6_000),
        failed("r1", 1, "conflict", 9_000),
        // A batch has one req_id for all its transactions.
        start("r1", 3, 10_000),
        passed("r1", 3, 30_000),
    ]);
    joined.look(120);
    let of = |of: u8| {
        let own = joined
            .done
            .iter()
            .filter(|sample| sample.tx == Some(tx(of)));
        let own = own.map(|sample| (sample.verdict, sample.took_us.unwrap()));
        own.collect::<Vec<_>>()
    };
    use Outcome::{Accepted, Refused};
    assert_eq!(of(1), [(Refused, 5_000), (Refused, 9_000)]);
    assert_eq!(of(2), [(Accepted, 2_000), (Accepted, 5_000)]);
    assert_eq!(of(3), [(Accepted, 20_000)]);
    assert_eq!((joined.joiner.waiting(), joined.joiner.dropped), (0, 0));
}

#[test]
fn a_backend_may_answer_behind_the_end() {
    let mut joined = Joined::of(&[start("r1", 1, 0), passed("r1", 1, 2_000)]);
    joined.take(
        &backend("r1", "http://b:1", "\"context canceled\"", 3_000),
        1,
    );
    let canceled = Some("context canceled");
    assert_eq!(
        joined.told()[1],
        (Outcome::Undecided, B, Some(3_000), canceled)
    );
    assert_eq!(joined.done[1].tx, Some(tx(1)));
    joined.look(6);
    assert_eq!((joined.joiner.waiting(), joined.done.len()), (0, 2));
}

#[test]
fn a_check_without_an_end_is_undecided_after_a_minute() {
    let mut joined = Joined::of(&[start("r1", 1, 0), backend("r1", "http://a:1", "null", 5)]);
    joined.look(59);
    assert_eq!(joined.told(), []);
    joined.look(60);
    let no_end = Some("its end is not in the log");
    let expected = [
        (Outcome::Accepted, A, Some(5), None),
        (Outcome::Undecided, None, None, no_end),
    ];
    assert_eq!(joined.told(), expected);
    // The next transaction of a batch begins without one too.
    let joined = Joined::of(&[start("r1", 1, 0), start("r1", 2, 5), passed("r1", 2, 9)]);
    let told: Vec<_> = joined.done.iter().map(|s| (s.tx, s.verdict)).collect();
    let [one, two] = [1, 2].map(|of| Some(tx(of)));
    assert_eq!(told, [(one, Outcome::Undecided), (two, Outcome::Accepted)]);
}

#[test]
fn no_more_checks_are_followed_than_there_is_room_for() {
    let lines: Vec<String> = (0..OPEN as u64 + 100)
        .map(|at| start(&format!("r{at}"), 1, at))
        .collect();
    let joined = Joined::of(&lines);
    assert_eq!(
        (joined.joiner.waiting(), joined.joiner.dropped),
        (OPEN, 100)
    );
    assert_eq!(joined.done.len(), 100);
    // One repeated id takes no room either.
    let lines: Vec<String> = (0..3 * OPEN as u64).map(|at| start("r", 1, at)).collect();
    let joined = Joined::of(&lines);
    assert!(joined.joiner.waiting() == 1 && joined.joiner.order.len() <= OPEN);
    // Nor do endless answers.
    let lines: Vec<String> = (0..1000).map(|at| backend("r", "u", "null", at)).collect();
    let mut joined = Joined::of(&lines);
    joined.look(61);
    assert_eq!(joined.done.len(), BACKENDS + 1);
}

#[test]
fn times_and_values_that_cannot_be_are_not_believed() {
    // The clock was set back.
    let joined = Joined::of(&[start("r1", 1, 9_000), passed("r1", 1, 1_000)]);
    assert_eq!(joined.told(), [(Outcome::Accepted, None, None, None)]);
    // A nanosecond count that is not a number, and one that is too large.
    for (value, took) in [
        ("-5", Some(8)),
        ("1.5", Some(8)),
        ("\"12ms\"", Some(8)),
        ("18446744073709551615", Some(u64::MAX / 1000)),
        ("99999999999999999999999999", Some(8)),
    ] {
        let line = outcome("r1", "accept", [1, 0], 123_456, 5);
        let line = line.replace("123456", value);
        let joined = Joined::of(&[start("r1", 1, 0), line, passed("r1", 1, 8)]);
        assert_eq!(
            joined.told(),
            [(Outcome::Accepted, None, took, None)],
            "{value}"
        );
    }
    // A line without a time gets the time at which it is read.
    let line = passed("r1", 1, 0).replace(&time(0), "99999-99-99");
    let joined = Joined::of(&[start("r1", 1, 0), line]);
    assert_eq!((joined.done[0].took_us, joined.done[0].at), (None, 7));
    // No transaction, no id, other types.
    let strange = [
        r#"{"msg":"interop access list validated successfully","req_id":"r1","tx_hash":"0x12"}"#
            .to_owned(),
        r#"{"msg":"interop access list validated successfully","req_id":7}"#.to_owned(),
        r#"{"msg":"interop access list validated successfully","req_id":""}"#.to_owned(),
        r#"{"msg":"something else","req_id":"r1","error":{"deep":[1]},"time":5}"#.to_owned(),
        passed(&"x".repeat(1000), 1, 0),
    ];
    let joined = Joined::of(&strange);
    assert_eq!(joined.told(), [(Outcome::Accepted, None, None, None)]);
    assert_eq!(joined.done[0].tx, None);
    // Texts are cut, and an error need not be a text.
    let long = "y".repeat(10_000);
    let joined = Joined::of(&[
        start("r1", 1, 0),
        backend("r1", &long, &format!("{{\"code\":\"{long}\"}}"), 1),
        backend("r1", &long, "\"<nil>\"", 1),
        failed("r1", 1, &long, 2),
    ]);
    let sizes = joined
        .told()
        .into_iter()
        .map(|(.., error)| error.map(str::len));
    assert_eq!(sizes.collect::<Vec<_>>(), [Some(ERROR), None, Some(ERROR)]);
    assert_eq!(joined.done[0].backend.as_ref().unwrap().len(), BACKEND);
}

#[test]
fn the_generation_before_names_its_backends_otherwise() {
    let line =
        backend("r1", "http://a:1", "null", 1).replace("interop_filter_url", "supervisor_url");
    let joined = Joined::of(&[start("r1", 1, 0), line, passed("r1", 1, 2)]);
    assert_eq!(joined.told()[0], (Outcome::Accepted, A, Some(1), None));
}
