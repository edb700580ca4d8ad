use super::*;
use crate::event::Weight;
use crate::recordings::seeded;
use fastrand::Rng;
use haltbox_format::AppHash;

const COSMOS: &str = include_str!("../../profiles/cosmos.json");
const FIXTURES: &str = concat!(
    include_str!("fixtures/cosmos.log"),
    include_str!("fixtures/divergence.log")
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    profile: u32,
    name: String,
    node: NodeRules,
}

struct Fixture {
    line: Vec<u8>,
    complete: bool,
    expected: String,
}

fn cosmos() -> NodeRules {
    let profile: Profile = serde_json::from_str(COSMOS).unwrap();
    assert_eq!((profile.profile, profile.name.as_str()), (1, "cosmos"));
    profile.node
}

fn fixtures() -> Vec<Fixture> {
    let mut lines = FIXTURES.lines().filter(|line| !line.starts_with("# "));
    let mut fixtures = Vec::new();
    while let Some(line) = lines.next() {
        let expected = lines.next().and_then(|line| line.strip_prefix("=> "));
        let expected = expected.unwrap_or_else(|| panic!("no => line after {line}"));
        let (line, complete) = match line.strip_suffix("<CUT>") {
            Some(line) => (line, false),
            None => (line, true),
        };
        let line = line
            .replace("<ESC>", "\x1b")
            .replace("<TAB>", "\t")
            .replace("<CR>", "\r");
        fixtures.push(Fixture {
            line: line.into_bytes(),
            complete,
            expected: expected.to_owned(),
        });
    }
    fixtures
}

fn read(rules: &NodeRules, line: &[u8], complete: bool) -> Vec<Event> {
    let mut events = Vec::new();
    let mut log = NodeLog::default();
    rules.read(&mut log, line, complete, &mut |event| events.push(event));
    events
}

fn hash(hash: Option<AppHash>) -> String {
    hash.map(|hash| hash.to_string())
        .filter(|hash| !hash.is_empty())
        .unwrap_or("-".into())
}

fn show(event: &Event) -> String {
    match event {
        Event::Begin { height, .. } => format!("begin {height}"),
        Event::End { height } => format!("end {height}"),
        Event::Commit { height, app_hash } => format!("commit {height} {}", hash(*app_hash)),
        Event::LocalHash { height, app_hash } => format!("local {height} {app_hash}"),
        Event::Confirm { height, app_hash } => format!("confirm {height} {}", hash(*app_hash)),
        Event::Mismatch(found) => format!(
            "mismatch {} {} {} {} {}",
            if found.weight == Weight::Proved {
                "hard"
            } else {
                "soft"
            },
            found.height.map_or("-".into(), |height| height.to_string()),
            found.field,
            hash(Some(found.local)),
            hash(Some(found.network)),
        ),
        Event::Refused(refusal) => {
            let words: Vec<&str> = refusal.text.split(' ').take(4).collect();
            let height = refusal
                .height
                .map_or("-".into(), |height| height.to_string());
            format!("refused {height} {}", words.join(" "))
        }
        Event::Failure { text, over } => {
            let words: Vec<&str> = text.split(' ').take(4).collect();
            let of = match over {
                FailedOver::Hashes => "of hashes",
                FailedOver::Refusal(_) => "of a refusal",
                FailedOver::Other => "of else",
            };
            format!("failure {of} {}", words.join(" "))
                .trim_end()
                .to_owned()
        }
        Event::Break(told) => {
            let height = told.height.map_or("-".into(), |height| height.to_string());
            format!("break {height} {} {}", hash(told.local), told.text)
        }
        Event::ProcessStart => "start".to_owned(),
        Event::Alarm { why, quoted: false } => format!("alarm {why}"),
        Event::Alarm { why, .. } => format!("quoted alarm {why}"),
        Event::Farewell { why } => format!("farewell {why}"),
        other => panic!("no line of a node's log gives {other:?}"),
    }
}

fn show_all(events: &[Event]) -> String {
    match events.is_empty() {
        true => "nothing".into(),
        false => events.iter().map(show).collect::<Vec<_>>().join("; "),
    }
}

fn hashes(event: &Event) -> Vec<AppHash> {
    match event {
        Event::Commit { app_hash, .. } | Event::Confirm { app_hash, .. } => {
            app_hash.iter().copied().collect()
        }
        Event::LocalHash { app_hash, .. } => vec![*app_hash],
        Event::Mismatch(found) => vec![found.local, found.network],
        _ => Vec::new(),
    }
}

mod op_stack;

#[test]
fn every_fixture_gives_its_events() {
    let rules = cosmos();
    let fixtures = fixtures();
    assert!(fixtures.len() > 180, "{}", fixtures.len());
    let wrong: Vec<String> = fixtures
        .iter()
        .filter_map(|fixture| {
            let found = show_all(&read(&rules, &fixture.line, fixture.complete));
            (found != fixture.expected).then(|| {
                let line = String::from_utf8_lossy(&fixture.line);
                format!(
                    "{line}\n  expected {}\n  found    {found}",
                    fixture.expected
                )
            })
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Logs of a real node with one validator (CometBFT 0.38.17, its kvstore,
/// whose AppHash is the number of transactions: one of them, in block 4).
#[test]
fn a_real_node_tells_every_block() {
    let rules = cosmos();
    let logs = [
        include_str!("fixtures/cometbft-0.38.17-plain.log"),
        include_str!("fixtures/cometbft-0.38.17-json.log"),
    ];
    for log in logs {
        let lines = log.lines().map(|line| read(&rules, line.as_bytes(), true));
        let found: Vec<Event> = lines.flatten().collect();
        let expected = (1..=5).flat_map(real_block).collect::<Vec<_>>();
        assert_eq!(show_all(&found), expected.join("; "));
    }
}

fn real_block(height: u64) -> Vec<String> {
    let hash = |height| match height {
        1..=3 => "0000000000000000",
        _ => "0200000000000000",
    };
    let (own, before) = (hash(height), hash((height - 1).max(1)));
    let confirm = format!("confirm {} {before}", height - 1);
    let events = [
        confirm.clone(),
        format!("begin {height}"),
        format!("local {height} {own}"),
        format!("end {height}"),
        format!("local {height} {own}"),
        format!("end {height}"),
        format!("commit {height} -"),
        confirm,
    ];
    // Nothing before the first block could be confirmed.
    let told = |event: &String| !event.starts_with("confirm 0 ");
    events.into_iter().filter(told).collect()
}

/// A cut line may give less than the whole one, never anything else.
#[test]
fn a_cut_line_tells_nothing_new() {
    let rules = cosmos();
    let mut cuts = 0;
    for fixture in fixtures() {
        let whole: Vec<_> = read(&rules, &fixture.line, fixture.complete);
        for len in 0..fixture.line.len() {
            for event in read(&rules, &fixture.line[..len], false) {
                cuts += 1;
                let told = whole.iter().any(|whole| tells_less(&event, whole));
                let line = String::from_utf8_lossy(&fixture.line[..len]);
                assert!(told, "{line}\n  gave {}", show(&event));
            }
        }
    }
    assert!(cuts > 1000, "{cuts}");
}

fn tells_less(event: &Event, whole: &Event) -> bool {
    // The text about the failure stands before the reason.
    if let Event::Failure { text, .. } = event
        && text.is_empty()
    {
        return match whole {
            Event::Mismatch(whole) => whole.weight == Weight::Proved,
            whole => matches!(whole, Event::Failure { .. } | Event::Farewell { .. }),
        };
    }
    let mut weaker = whole.clone();
    match (&mut weaker, event) {
        (Event::Confirm { app_hash, .. }, Event::Confirm { app_hash: None, .. })
        | (Event::Commit { app_hash, .. }, Event::Commit { app_hash: None, .. }) => {
            *app_hash = None;
        }
        (Event::Mismatch(weaker), Event::Mismatch(found)) => {
            weaker.weight = weaker.weight.min(found.weight);
            weaker.height = weaker.height.filter(|_| found.height.is_some());
            weaker.round = weaker.round.filter(|_| found.round.is_some());
        }
        _ => {}
    }
    weaker == *event
}

fn mutate(random: &mut Rng, line: &mut Vec<u8>, other: &[u8]) {
    let at = random.usize(..=line.len());
    let to = at + random.usize(..=line.len() - at);
    let alphabet = b"\"\\{}[]=: ,.\n\t\x1b[0mAF09af|IE%\xff\0";
    match random.usize(..7) {
        0 => line.truncate(at),
        1 => drop(line.drain(at..to)),
        2 => line.splice(at..at, other.iter().copied()).for_each(drop),
        3 => drop(line.drain(..at)),
        4 => line.insert(at, alphabet[random.usize(..alphabet.len())]),
        5 if at < line.len() => line[at] = alphabet[random.usize(..alphabet.len())],
        _ => {
            let from = random.usize(..=other.len());
            line.truncate(at);
            line.extend_from_slice(&other[from..]);
        }
    }
}

#[test]
fn broken_lines_never_give_a_hash_they_do_not_hold() {
    let rules = cosmos();
    let fixtures = fixtures();
    let mut random = seeded(0x9e37_79b9_7f4a_7c15);
    let mut events = 0;
    for round in 0..60_000 {
        let mut line = fixtures[random.usize(..fixtures.len())].line.clone();
        for _ in 0..=random.usize(..3) {
            let other = &fixtures[random.usize(..fixtures.len())].line;
            mutate(&mut random, &mut line, other);
        }
        for event in read(&rules, &line, random.bool()) {
            events += 1;
            let text = String::from_utf8_lossy(&line).to_ascii_uppercase();
            for hash in hashes(&event) {
                let whole = runs(&text).any(|run| run.eq_ignore_ascii_case(&hash.to_string()));
                assert!(
                    hash.as_bytes().is_empty() || whole,
                    "round {round}: {hash} is not in {text}"
                );
            }
        }
    }
    assert!(events > 10_000, "{events}");
}

/// Full runs of hex digits; colour codes and JSON's escapes end a run too.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_hexdigit())
}

#[test]
fn a_long_hostile_line_is_read_in_bounded_memory() {
    let rules = cosmos();
    let mut line = b"2:00PM INF executed block ".to_vec();
    line.extend(b"a=b ".iter().cycle().take(4 << 20));
    line.extend(b"height=10");
    assert_eq!(read(&rules, &line, true), []);
    let mut deep = br#"{"_msg":"executed block","height":10,"x":"#.to_vec();
    deep.extend(std::iter::repeat_n(b'[', 1 << 20));
    assert_eq!(read(&rules, &deep, true), []);
    let many = b"wrong Block.Header.AppHash.  Expected AA, got ".repeat(1 << 16);
    assert_eq!(read(&rules, &many, true), []);
}

#[test]
fn a_field_with_two_values_has_none() {
    let rules = cosmos();
    let twice = b"2:28PM INF executed block app_hash=AB height=10 height=11 x=1";
    assert_eq!(show_all(&read(&rules, twice, true)), "nothing");
    let other = b"2:28PM INF executed block app_hash=AB app_hash=CD height=10 x=1";
    assert_eq!(show_all(&read(&rules, other, true)), "end 10");
    let same = b"2:28PM INF executed block app_hash=AB app_hash=AB height=10 x=1";
    assert_eq!(show_all(&read(&rules, same, true)), "local 10 AB; end 10");
}

/// zerolog can print the time as seconds: glued to a height, all are digits.
#[test]
fn a_value_before_a_glued_time_is_not_believed() {
    let rules = cosmos();
    let glued = b"1776333600 INF executed block app_hash=AB height=101776333600 INF \
        committed state app_hash=AB height=10 x=1";
    assert_eq!(show_all(&read(&rules, glued, true)), "commit 10 AB");
}

fn rules(node: &str) -> NodeRules {
    serde_json::from_str(node).unwrap()
}

/// A text weighs as much as its place on the line.
#[test]
fn each_place_has_its_weight() {
    let (local, network) = ("AB".repeat(32), "CD".repeat(32));
    let wrong = format!("wrong Block.Header.AppHash.  Expected {local}, got {network}");
    let table = [
        (
            format!("2:28PM ERR CONSENSUS FAILURE!!! err=\"{wrong}\" module=consensus"),
            Weight::Proved,
        ),
        (
            format!("2:28PM INF CONSENSUS FAILURE!!! err=\"{wrong}\" module=consensus"),
            Weight::Seen,
        ),
        (
            format!(
                "2:28PM ERR prevote step: ProposalBlock is invalid err=\"{wrong}\" height=8 round=1"
            ),
            Weight::Seen,
        ),
        (
            format!("2:28PM ERR Error in validation err=\"{wrong}\" module=blocksync"),
            Weight::Blamed,
        ),
        (
            format!(
                "E[2025-03-29|19:44:06.114] Invalid block   module=blocksync height=17 err=\"{wrong}\""
            ),
            Weight::Blamed,
        ),
        (
            format!("panic: +2/3 committed an invalid block: {wrong}"),
            Weight::LastWords,
        ),
        (
            format!(
                "Nov 20 01:02:03 host agd[12]: panic: +2/3 committed an invalid block: {wrong}"
            ),
            Weight::LastWords,
        ),
        (
            format!("Error: error during handshake: error on replay: {wrong}"),
            Weight::LastWords,
        ),
        (
            format!(
                "panic: block.AppHash does not match AppHash after replay. Got {local}, expected {network}."
            ),
            Weight::LastWords,
        ),
        (format!("SwingSet: vat: v9: panic: {wrong}"), Weight::Quoted),
        (
            format!("2:28PM INF memo text=\"CONSENSUS FAILURE!!! {wrong}\""),
            Weight::Quoted,
        ),
        (
            format!("2:28PM ERR peer says CONSENSUS FAILURE!!! {wrong}"),
            Weight::Quoted,
        ),
    ];
    for (line, weight) in table {
        let events = read(&cosmos(), line.as_bytes(), true);
        let found = events.iter().find_map(|event| match event {
            Event::Mismatch(found) => Some(found.weight),
            _ => None,
        });
        assert_eq!(found, Some(weight), "{line}\n{}", show_all(&events));
    }
}

#[test]
fn trouble_and_announced_ends_are_told_apart() {
    let table = [
        (
            "2:28PM ERR CONSENSUS FAILURE!!! err=\"index out of range [3] with length 3\"",
            "failure of else index out of range",
        ),
        (
            "1:16PM ERR CONSENSUS FAILURE!!! err=\"UPGRADE \\\"v2\\\" NEEDED at height: 18\"",
            "farewell an upgrade is needed",
        ),
        (
            "1:16PM ERR UPGRADE \"v2\" NEEDED at height: 18: module=x/upgrade",
            "farewell an upgrade is needed",
        ),
        (
            "panic: UPGRADE \"v2\" NEEDED at height: 18: ",
            "farewell an upgrade is needed",
        ),
        (
            "1:16PM INF halting node per configuration height=100 time=0",
            "farewell the configured halt height",
        ),
        (
            "2026-11-20T01:02:03.004Z SwingSet: kernel: anachrophobia strikes v9 on delivery 5",
            "alarm the kernel could not replay what a vat had done",
        ),
        (
            "panic: state.AppHash does not match AppHash after replay. Got",
            "alarm the AppHash after a replay is not the one that was saved",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(
            show_all(&read(&cosmos(), line.as_bytes(), true)),
            expected,
            "{line}"
        );
    }
}

#[test]
fn another_chain_brings_its_own_texts() {
    let rules = rules(
        r#"{"rules": [{"texts": ["block sealed"], "events": [
              {"local_hash": {"height": "number", "hash": "stateRoot"}},
              {"commit": {"height": "number"}}]}],
            "mismatches": [{"pattern": "bad state root: ours={local} theirs={network}",
              "fields": ["StateRoot"], "in": ["reason"], "height": "number",
              "proof": ["halting the node"]}]}"#,
    );
    assert_eq!(rules.check(), Ok(()));
    let sealed = b"time=1 level=info msg=\"block sealed\" number=5 stateRoot=ab01 x=1";
    assert_eq!(
        show_all(&read(&rules, sealed, true)),
        "local 5 AB01; commit 5 -"
    );
    let halt = br#"{"level":"error","msg":"halting the node","number":6,
        "reason":"bad state root: ours=ab01 theirs=cd02"}"#;
    let expected = "mismatch hard 6 StateRoot AB01 CD02";
    assert_eq!(show_all(&read(&rules, halt, true)), expected);
}

#[test]
fn the_cosmos_profile_passes_its_check() {
    assert_eq!(cosmos().check(), Ok(()));
}

#[test]
fn a_profile_without_texts_reads_nothing() {
    let rules = rules(r#"{"rules": []}"#);
    assert_eq!(
        read(&rules, b"2:00PM INF executed block height=1 x=1", true),
        []
    );
    assert_eq!(rules.check(), Ok(()));
    assert!(!rules.tells_of_blocks());
}

#[test]
fn check_names_the_key_at_fault() {
    let begin = r#"[{"begin": {"height": "height"}}]"#;
    let rule = |texts: &str, events: &str| {
        format!(r#"{{"rules": [{{"texts": {texts}, "events": {events}}}]}}"#)
    };
    let mismatch = |rest: &str| {
        format!(
            r#"{{"rules": [{{"texts": ["executed block"], "events": {begin}}}],
                "mismatches": [{{{rest}}}]}}"#
        )
    };
    let cases = [
        (rule("[]", begin), "node.rules[0].texts: expected 1 to 64"),
        (
            rule(r#"["executed block"]"#, "[]"),
            "node.rules[0].events: ",
        ),
        (
            rule(r#"["a block", "x"]"#, begin),
            "node.rules[0].texts[1]: expected 6 to 200",
        ),
        (rule(r#"["a block "]"#, begin), "node.rules[0].texts[0]: "),
        (
            rule(r#"["a <block>"]"#, begin),
            "node.rules[0].texts[0]: expected printable",
        ),
        (
            rule(r#"["block a=b"]"#, begin),
            "node.rules[0].texts[0]: expected a text without =",
        ),
        (
            rule(r#"["a block"]"#, r#"[{"begin": {"height": "-1"}}]"#),
            "node.rules[0].events[0].height: expected a name",
        ),
        (
            rule(
                r#"["a block"]"#,
                r#"[{"local_hash": {"height": "h", "hash": "a b"}}]"#,
            ),
            "node.rules[0].events[0].hash: ",
        ),
        (
            rule(
                r#"["a block"]"#,
                r#"[{"confirm": {"height": "h", "when": "?"}}]"#,
            ),
            "node.rules[0].events[0].when: ",
        ),
        (
            mismatch(r#""pattern": "wrong {local}", "fields": ["A"], "in": []"#),
            "node.mismatches[0].pattern: expected {local} and {network}",
        ),
        (
            mismatch(r#""pattern": "wrong block {local}{network}", "fields": ["A"], "in": []"#),
            "node.mismatches[0].pattern: expected text between",
        ),
        (
            mismatch(r#""pattern": "{local} is not {network}", "fields": ["A"], "in": []"#),
            "node.mismatches[0].pattern: expected text before",
        ),
        (
            mismatch(r#""pattern": "wrong {local} {other}", "fields": ["A"], "in": []"#),
            "node.mismatches[0].pattern: expected field, local or network, found {other}",
        ),
        (
            mismatch(r#""pattern": "wrong hash {local} {network}", "fields": [], "in": []"#),
            "node.mismatches[0].pattern: expected exactly 1 name",
        ),
        (
            mismatch(r#""pattern": "no {local} {network}", "fields": ["A"], "in": []"#),
            "node.mismatches[0].pattern: expected 6 to 200",
        ),
    ];
    for (node, expected) in cases {
        let error = rules(&node).check().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{node}\n  {error}");
    }
}

#[test]
fn unknown_keys_are_refused() {
    for node in [
        r#"{"rules": [], "rule": []}"#,
        r#"{"rules": [{"texts": [], "events": [], "level": "info"}]}"#,
        r#"{"rules": [{"texts": [], "events": [{"end": {"height": "h", "hash": "x"}}]}]}"#,
        r#"{"rules": [{"texts": [], "events": [{"ends": {"height": "h"}}]}]}"#,
    ] {
        assert!(serde_json::from_str::<NodeRules>(node).is_err(), "{node}");
    }
}

fn told(lines: &[&str]) -> Vec<Event> {
    let (rules, mut log) = (cosmos(), NodeLog::default());
    let mut events = Vec::new();
    for line in lines {
        rules.read(&mut log, line.as_bytes(), true, &mut |event| {
            events.push(event)
        });
    }
    events
}

fn committed(height: u64) -> String {
    format!("5:31PM INF committed state block_app_hash=AB height={height} module=state")
}

fn failure(field: &str, local: &str, network: &str) -> String {
    format!(
        "5:31PM ERR CONSENSUS FAILURE!!! err=\"+2/3 committed an invalid block: wrong \
         Block.Header.{field}.  Expected {local}, got {network}\" module=consensus"
    )
}

fn refusal(height: u64, field: &str, local: &str, network: &str) -> String {
    format!(
        "5:31PM ERR prevote step: ProposalBlock is invalid err=\"wrong Block.Header.{field}.  \
         Expected {local}, got {network}\" height={height} module=consensus round=0"
    )
}

fn carried(events: &[Event]) -> Option<Option<u64>> {
    events.iter().rev().find_map(|event| match event {
        Event::Mismatch(seen) if seen.weight == Weight::Proved => Some(seen.carried),
        _ => None,
    })
}

/// A divergent proposer is refused once, and the chain continues: a later failure is not
/// about that height.
#[test]
fn a_height_is_carried_until_the_chain_goes_on() {
    let (own, other, third) = ("AB".repeat(32), "CD".repeat(32), "EF".repeat(32));
    let refused = refusal(501, "LastResultsHash", &own, &other);
    let same = failure("LastResultsHash", &own, &other);
    let another = failure("LastResultsHash", &own, &third);
    let (at, on) = (committed(500), committed(501));
    assert_eq!(carried(&told(&[&at, &refused, &same])), Some(Some(500)));
    assert_eq!(carried(&told(&[&at, &refused, &another])), Some(Some(500)));
    assert_eq!(carried(&told(&[&at, &refused, &on, &same])), Some(None));
    assert_eq!(carried(&told(&[&at, &refused, &on, &another])), Some(None));
    // Without any height in the log, nothing shows whether the chain continued.
    assert_eq!(carried(&told(&[&refused, &same])), Some(Some(500)));
    assert_eq!(carried(&told(&[&refused, &another])), Some(None));
}

/// Text of others about an upgrade announces nothing, and hides no failure.
#[test]
fn an_end_is_announced_by_the_node_alone() {
    let is_farewell = |events: &[Event]| {
        let farewell = |event: &Event| matches!(event, Event::Farewell { .. });
        events.iter().any(farewell)
    };
    let at = committed(500);
    let words = "UPGRADE \\\"x\\\" NEEDED at height: 501: ";
    let raw = words.replace('\\', "");
    let message = format!("5:31PM ERR {raw} module=x/upgrade");
    let failed =
        |reason: &str| format!("5:31PM ERR CONSENSUS FAILURE!!! err=\"{reason}\" module=consensus");
    let deep = failed(&format!("failed to apply block; error tx 3: memo: {words}"));
    let own = failed(&format!("failed to apply block; error {words}"));
    assert!(is_farewell(&told(&[&at, &message])));
    assert!(is_farewell(&told(&[&at, &own])));
    assert!(is_farewell(&told(&[&at, &format!("panic: {raw}")])));
    assert!(!is_farewell(&told(&[&at, &raw])), "a raw line");
    assert!(!is_farewell(&told(&[
        &at,
        &message.replace("x/upgrade", "x/wasm")
    ])));
    let posing = format!("5:31PM ERR {raw}a=\"b\" 5:31PM INF x height=9 module=x/wasm");
    assert!(
        !is_farewell(&told(&[&at, &posing])),
        "its module stands behind"
    );
    let hidden = told(&[&at, &deep]);
    assert!(!is_farewell(&hidden), "{hidden:?}");
    assert!(
        hidden
            .iter()
            .any(|event| matches!(event, Event::Failure { .. }))
    );
    assert!(
        !is_farewell(&told(&[&at, &own.replace("501", "7")])),
        "long ago"
    );
}

/// A node that prints its lines plainly does not wrap one of them.
#[test]
fn a_wrapped_line_among_plain_ones_is_not_the_node_s() {
    let (own, other) = ("AB".repeat(32), "CD".repeat(32));
    let plain: Vec<String> = (497..=500).map(committed).collect();
    let wrap = |line: &String| {
        let message = serde_json::to_string(line).unwrap();
        format!("{{\"@timestamp\":\"now\",\"message\":{message}}}")
    };
    let failed = failure("AppHash", &own, &other);
    let proved = |lines: Vec<String>| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        carried(&told(&lines)).is_some()
    };
    let with = |mut lines: Vec<String>, last: String| {
        lines.push(last);
        lines
    };
    assert!(proved(with(plain.clone(), failed.clone())));
    assert!(!proved(with(plain.clone(), wrap(&failed))));
    let wrapped: Vec<String> = plain.iter().map(wrap).collect();
    assert!(proved(with(wrapped, wrap(&failed))));
}

#[test]
fn a_line_that_comes_twice_counts_once_where_all_do() {
    let blamed = "5:31PM ERR Error in validation err=\"wrong Block.Header.AppHash.  Expected AB, \
                  got CD\" module=blocksync";
    let count = |lines: Vec<&str>| {
        let events = told(&lines);
        let mismatch = |event: &&Event| matches!(event, Event::Mismatch(_));
        let begin = |event: &&Event| matches!(event, Event::Commit { .. });
        let mismatches = events.iter().filter(mismatch).count();
        (events.iter().filter(begin).count(), mismatches)
    };
    let (one, two) = (committed(500), committed(501));
    assert_eq!(count(vec![&one, &two, blamed, blamed, blamed]), (2, 3));
    let twice = [one.as_str(), &two, blamed, blamed, blamed].map(|line| [line, line]);
    assert_eq!(count(twice.concat()), (2, 3));
    let tagged = format!("[AGD] {one}");
    let by_two = vec![one.as_str(), &tagged, blamed, blamed];
    assert_eq!(count(by_two), (1, 1));
}

/// A module that logs text which others chose may print it as its message, with whole
/// fields. Its own name stands behind them.
#[test]
fn fields_in_a_message_do_not_hide_whose_it_is() {
    let (own, other) = ("AB".repeat(32), "CD".repeat(32));
    let real = failure("AppHash", &own, &other);
    assert!(carried(&told(&[&real])).is_some());
    for hiding in [
        "",
        " module=consensus",
        " junk",
        " 5:31PM INF committed state",
        " a=\"b\" junk",
    ] {
        let line = format!("{real}{hiding} height=9 module=x/wasm");
        let events = told(&[&line]);
        let quoted = |event: &Event| match event {
            Event::Mismatch(seen) => seen.weight == Weight::Quoted,
            _ => false,
        };
        assert!(events.iter().all(quoted), "{line}: {events:?}");
    }
}
