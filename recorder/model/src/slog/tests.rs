use super::*;
use crate::profile::Profile;
use crate::recordings::{each_line, samples};

fn agoric() -> SlogRules {
    Profile::builtin("agoric").unwrap().slog.unwrap()
}

fn events(line: &str) -> Vec<Event> {
    agoric().read(line.as_bytes()).events().collect()
}

/// Every type that the slog's documentation lists, by its class.
const CANONICAL: &[&str] = &[
    "cosmic-swingset-bootstrap-block-start",
    "cosmic-swingset-bootstrap-block-finish",
    "cosmic-swingset-upgrade-start",
    "cosmic-swingset-upgrade-finish",
    "cosmic-swingset-begin-block",
    "cosmic-swingset-end-block-start",
    "cosmic-swingset-end-block-finish",
    "cosmic-swingset-run-start",
    "cosmic-swingset-run-finish",
    "kernel-stats",
    "cosmic-swingset-timer-poll",
    "cosmic-swingset-bridge-inbound",
    "cosmic-swingset-deliver-inbound",
    "cosmic-swingset-install-bundle",
    "cosmic-swingset-inject-kernel-upgrade-events",
    "crank-start",
    "crank-finish",
    "deliver",
    "deliver-result",
    "syscall",
    "syscall-result",
    "clist",
    "terminate",
    "vat-cleanup",
    "vat-cleanup-complete",
    "heap-snapshot-save",
];
const BLOCK: &[&str] = &[
    "cosmic-swingset-commit-block-start",
    "cosmic-swingset-commit-block-finish",
    "cosmic-swingset-after-commit-stats",
    "console",
    "slog-record-too-big",
    "a-type-of-a-later-release",
];
const LOCAL: &[&str] = &[
    "cosmic-swingset-init",
    "cosmic-swingset-snapshot-start",
    "cosmic-swingset-snapshot-finish",
    "kernel-init-start",
    "kernel-init-finish",
    "bundle-kernel-start",
    "bundle-kernel-finish",
    "import-kernel-start",
    "import-kernel-finish",
    "create-vat",
    "vat-startup-start",
    "vat-startup-finish",
    "start-replay",
    "finish-replay",
    "heap-snapshot-load",
    "slogger-confused",
];

#[test]
fn every_type_has_the_lane_of_its_class() {
    let rules = agoric();
    let classes = [
        (CANONICAL, Lane::Main, true),
        (BLOCK, Lane::Main, false),
        (LOCAL, Lane::Local, false),
    ];
    for (names, lane, canonical) in classes {
        for name in names {
            for line in [
                format!(r#"{{"type":"{name}","time":1}}"#),
                format!(r#"{{ "time": 1, "type": "{name}" }}"#),
            ] {
                let entry = rules.read(line.as_bytes());
                assert_eq!((entry.lane, entry.canonical), (lane, canonical), "{line}");
                let cut = rules.canonical().cut(line.as_bytes(), &mut Vec::new());
                assert_eq!(cut, canonical, "{line}");
            }
        }
    }
}

#[test]
fn every_type_of_the_recordings_is_listed() {
    for line in samples() {
        let entry: serde_json::Value = serde_json::from_slice(line).unwrap();
        let name = entry["type"].as_str().unwrap();
        let listed = [CANONICAL, BLOCK, LOCAL].concat().contains(&name);
        assert!(listed, "{name}");
    }
}

#[test]
fn a_replay_is_local_and_never_canonical() {
    let rules = agoric();
    let mut replays = 0;
    for line in samples() {
        let entry: serde_json::Value = serde_json::from_slice(line).unwrap();
        if entry.get("replay") == Some(&true.into()) {
            let entry = rules.read(line);
            assert_eq!((entry.lane, entry.canonical), (Lane::Local, false));
            assert!(!rules.canonical().cut(line, &mut Vec::new()));
            replays += 1;
        }
    }
    assert_eq!(replays, 4);
    for name in ["deliver", "deliver-result", "syscall", "syscall-result"] {
        let lane = |rest: &str| {
            rules
                .read(format!(r#"{{"type":"{name}",{rest}}}"#).as_bytes())
                .lane
        };
        assert_eq!(lane(r#""replay":true"#), Lane::Local);
        assert_eq!(lane(r#""replay" : true"#), Lane::Local);
        assert_eq!(lane(r#""kd":{"replay":true},"replay":false"#), Lane::Main);
        assert_eq!(lane(r#""kd":{"replay":false},"replay":true"#), Lane::Local);
        assert_eq!(lane(r#""kd":"\"replay\":true""#), Lane::Main);
        assert_eq!(lane(r#""replay":"true""#), Lane::Main);
    }
}

/// Where a replay or a wrapped line can be, the type alone tells nothing.
#[test]
fn a_type_tells_all_of_an_entry_only_where_no_member_can_tell_otherwise() {
    let rules = |rest: &str, canonical: &str| {
        let profile = format!(
            r#"{{"profile":1,"name":"x","slog":{{"type":"type","events":{{"executed":["op-end"]}},
                "local":["local-*"]{rest},"canonical":{{"types":["op-*","tx-*"]{canonical}}}}}}}"#
        );
        let profile = Profile::parse(profile.as_bytes(), "x.json").unwrap();
        profile.slog.unwrap()
    };
    let plain = rules("", "");
    assert!(plain.only_keeps("tx-"));
    assert!(!plain.only_keeps("op-") && !plain.only_keeps("local-"));
    let replays = rules("", r#","replay":{"member":"again","is":true}"#);
    assert!(!replays.only_keeps("tx-"));
    let wraps = rules(r#","wrapped":{"entry":"body","context":"attributes"}"#, "");
    assert!(!wraps.only_keeps("tx-"));
}

#[test]
fn marks_give_their_events() {
    let start = vec![Event::ProcessStart];
    assert_eq!(events(r#"{"type":"kernel-init-start","time":1}"#), start);
    assert_eq!(
        events(r#"{"type":"cosmic-swingset-init","blockHeight":7}"#),
        start
    );
    assert_eq!(
        events(r#"{"type":"cosmic-swingset-begin-block","blockHeight":7}"#),
        [Event::Begin {
            height: 7,
            early: false
        }]
    );
    assert_eq!(
        events(r#"{"type":"cosmic-swingset-upgrade-start","blockHeight":"7"}"#),
        [Event::Begin {
            height: 7,
            early: true
        }]
    );
    assert_eq!(
        events(r#"{"type":"cosmic-swingset-run-start","blockHeight":7,"runNum":0}"#),
        [
            Event::Begin {
                height: 7,
                early: true
            },
            Event::Executed
        ]
    );
    assert_eq!(
        events(r#"{"type":"cosmic-swingset-end-block-finish","blockHeight":7}"#),
        [Event::End { height: 7 }]
    );
    assert_eq!(
        events(r#"{"type":"cosmic-swingset-commit-block-finish","blockHeight":7}"#),
        [Event::Commit {
            height: 7,
            app_hash: None
        }]
    );
}

#[test]
fn a_crank_gives_its_hashes_or_nothing() {
    let [a, b] = ["a1".repeat(32), "b2".repeat(32)];
    let crank = |number: &str, crankhash: &str| {
        events(&format!(
            r#"{{"type":"crank-finish","crankNum":{number},"crankhash":{crankhash},"activityhash":"{b}"}}"#
        ))
    };
    assert_eq!(
        crank("5", &format!("\"{a}\"")),
        [Event::Crank {
            number: 5,
            crankhash: Digest([0xa1; 32]),
            activityhash: Digest([0xb2; 32])
        }]
    );
    for malformed in ["null", "\"\"", "\"a1\"", &format!("\"{a}00\""), &a] {
        assert_eq!(crank("5", malformed), [], "{malformed}");
    }
    assert_eq!(crank("-5", &format!("\"{a}\"")), []);
    assert_eq!(events(r#"{"type":"crank-finish","crankNum":5}"#), []);
}

#[test]
fn an_entry_without_its_height_gives_no_event_of_a_height() {
    assert_eq!(
        events(r#"{"type":"cosmic-swingset-begin-block","blockTime":1}"#),
        []
    );
    assert_eq!(
        events(r#"{"type":"cosmic-swingset-begin-block","blockHeight":-1}"#),
        []
    );
    assert_eq!(
        events(r#"{"type":"cosmic-swingset-run-start""#),
        [Event::Executed]
    );
}

#[test]
fn what_is_no_entry_is_kept_and_tells_nothing() {
    let rules = agoric();
    let lines: [&[u8]; 8] = [
        b"",
        b" ",
        b"I[2026-11-20] committed state",
        b"{\"type\":\"deliv",
        b"{\"time\":1,\"type\":\"deliver\"",
        b"{\"x\":\"\xff\",\"type\":\"deliver\"}",
        b"[{\"type\":\"deliver\"}]",
        b"{\"Type\":\"deliver\"}",
    ];
    for line in lines {
        let entry = rules.read(line);
        assert_eq!(
            (entry.lane, entry.canonical),
            (Lane::Main, false),
            "{line:?}"
        );
        assert_eq!(entry.events().count(), 0);
        assert!(!rules.canonical().cut(line, &mut Vec::new()));
    }
}

#[test]
fn a_whole_recording_tells_its_blocks_and_cranks() {
    let rules = agoric();
    let mut heights = Vec::new();
    let mut cranks = 0;
    let mut starts = 0;
    let read = each_line("honest-d-restart", |line| {
        for event in rules.read(line).events() {
            match event {
                Event::Crank { number, .. } => {
                    assert_eq!(number, cranks);
                    cranks += 1;
                }
                Event::Commit { height, .. } => heights.push(height),
                Event::ProcessStart => starts += 1,
                _ => {}
            }
        }
    });
    if read {
        assert_eq!(heights, (1..=28).collect::<Vec<_>>());
        assert_eq!((cranks, starts), (12_233, 4));
    }
}
