//! Programs of the OP Stack: the events of each line, in every form of their loggers.

use super::*;
use crate::log_line::End;

/// A field's value, which each form prints in its own way.
#[derive(Clone, Copy)]
enum Printed {
    /// A number; in groups of three on a terminal.
    Number(u64),
    /// A big number: a string in JSON.
    Big(u64),
    /// A number that prints itself as hex.
    Hex(u64),
    /// A hash: its ends on a terminal.
    Hash(char),
    /// `HASH:NUMBER`.
    Id(char, u64),
    Text(&'static str),
}
use Printed::{Big, Hash, Hex, Id, Number, Text};

struct Said {
    level: &'static str,
    message: &'static str,
    fields: Vec<(&'static str, Printed)>,
}

fn said(level: &'static str, message: &'static str, fields: &[(&'static str, Printed)]) -> Said {
    Said {
        level,
        message,
        fields: fields.to_vec(),
    }
}

fn full(digit: char) -> String {
    format!("0x{}", digit.to_string().repeat(64))
}

fn short(digit: char) -> String {
    let end = digit.to_string().repeat(6);
    format!("{end}..{end}")
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if number < 100_000 {
        return digits;
    }
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups = groups.map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

/// Quotes like Go's strconv.Quote and its JSON writer, for the texts here.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}

impl Printed {
    fn json(self) -> String {
        match self {
            Number(number) => number.to_string(),
            Big(number) => quoted(&number.to_string()),
            Hex(number) => quoted(&format!("{number:#x}")),
            Hash(digit) => quoted(&full(digit)),
            Id(digit, number) => quoted(&format!("{}:{number}", full(digit))),
            Text(text) => quoted(text),
        }
    }

    fn logfmt(self) -> String {
        match self {
            Number(number) | Big(number) => number.to_string(),
            Hex(number) => format!("{number:#x}"),
            Hash(digit) => full(digit),
            Id(digit, number) => format!("{}:{number}", full(digit)),
            Text(text) => as_needed(text),
        }
    }

    fn terminal(self) -> String {
        match self {
            Number(number) | Big(number) => grouped(number),
            Hex(number) => format!("{number:#x}"),
            Hash(digit) => short(digit),
            Id(digit, number) => format!("{}:{number}", short(digit)),
            Text(text) => as_needed(text),
        }
    }
}

fn as_needed(text: &str) -> String {
    let plain = |c: char| c > '"' && c <= '~' && c != '=';
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

impl Said {
    fn json(&self) -> String {
        let fields = self.fields.iter();
        let fields: String = fields
            .map(|(key, value)| format!(",\"{key}\":{}", value.json()))
            .collect();
        let (level, message) = (self.level, quoted(self.message));
        format!(
            "{{\"t\":\"2026-11-20T23:47:19.048590932Z\",\"lvl\":\"{level}\",\"msg\":{message}{fields}}}"
        )
    }

    fn logfmt(&self) -> String {
        let fields = self.fields.iter();
        let fields: String = fields
            .map(|(key, value)| format!(" {key}={}", value.logfmt()))
            .collect();
        let (level, message) = (self.level, as_needed(self.message));
        format!("t=2026-11-20T23:47:19+0000 lvl={level} msg={message}{fields}")
    }

    fn terminal(&self) -> String {
        let fields = self.fields.iter();
        let fields: String = fields
            .map(|(key, value)| format!(" {key}={}", value.terminal()))
            .collect();
        let (level, message) = (self.level.to_uppercase(), self.message);
        format!("{level:<5}[11-20|23:47:19.048] {message:<40}{fields}")
    }

    fn coloured(&self) -> String {
        let fields = self.fields.iter();
        let fields: String = fields
            .map(|(key, value)| format!(" \x1b[32m{key}\x1b[0m={}", value.terminal()))
            .collect();
        let (level, message) = (self.level.to_uppercase(), self.message);
        format!("\x1b[32m{level:<5}\x1b[0m[11-20|23:47:19.048] {message:<40}{fields}")
    }
}

fn rules_of(name: &str) -> NodeRules {
    let profile = crate::Profile::builtin(name).unwrap();
    profile.node.unwrap()
}

/// `full` is expected if hashes are printed in full, `short` on a terminal.
fn check(profile: &str, rows: &[(Said, &str, &str)]) {
    let rules = rules_of(profile);
    for (said, full, short) in rows {
        let forms = [
            (said.json(), full),
            (said.logfmt(), full),
            (said.terminal(), short),
            (said.coloured(), short),
        ];
        for (line, expected) in forms {
            // Hashes are shown by their first digits.
            let found = show_all(&read(&rules, line.as_bytes(), true));
            let found = "aAbB".chars().fold(found, |found, digit| {
                let digits = digit.to_string();
                found.replace(&digits.repeat(64), &digits)
            });
            assert_eq!(&found, expected, "{profile}: {line}");
        }
    }
}

const REORG: &str = "L2 reorg: existing unsafe block does not match derived attributes from L1";

#[test]
fn op_node_tells_blocks_and_breaks() {
    let block = [("hash", Hash('a')), ("number", Number(12_345_678))];
    let progress = [
        ("reason", Text("new chain head block")),
        ("l2_finalized", Id('b', 5)),
        ("l2_safe", Id('b', 7)),
        ("l2_pending_safe", Id('b', 7)),
        ("l2_unsafe", Id('a', 12_345_679)),
        ("l2_backup_unsafe", Id('b', 0)),
        ("l2_time", Number(1_763_715_911)),
    ];
    let told = "local 12345678 A; end 12345678; commit 12345678 -";
    let bare = "end 12345678; commit 12345678 -";
    let denied = [("blockNumber", Hex(132)), ("blockHash", Hash('a'))];
    check(
        "op-node",
        &[
            (
                said("info", "Inserted new L2 unsafe block", &block),
                told,
                bare,
            ),
            (
                said("info", "Inserted new L2 unsafe block (synchronous)", &block),
                told,
                bare,
            ),
            (
                said("info", "Sync progress", &progress),
                "local 12345679 A; end 12345679; commit 12345679 -",
                "end 12345679; commit 12345679 -",
            ),
            (
                said(
                    "info",
                    "Sync progress",
                    &[("l2_unsafe", Id('0', 0)), ("l2_safe", Id('a', 9))],
                ),
                "nothing",
                "nothing",
            ),
            (
                said(
                    "warn",
                    REORG,
                    &[
                        ("err", Text("tx 0 mismatch")),
                        ("unsafe", Id('a', 132)),
                        ("pending_safe", Id('b', 131)),
                    ],
                ),
                "break 132 A unsafe 0xa:132, err tx 0 mismatch",
                "break 132 - unsafe aaaaaa..aaaaaa:132, err tx 0 mismatch",
            ),
            (
                said(
                    "warn",
                    "Consolidated block denied by SuperAuthority, forcing reorg to build replacement",
                    &denied,
                ),
                "break 132 A blockNumber 0x84, blockHash 0xa",
                "break 132 - blockNumber 0x84, blockHash aaaaaa..aaaaaa",
            ),
            (
                said(
                    "info",
                    "Invalidating block",
                    &[(
                        "block",
                        Text(
                            "BlockSeal(hash:0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, number:132, time:1763715911)",
                        ),
                    )],
                ),
                "break 132 A block BlockSeal(hash:0xa, number:132, time:1763715911)",
                "break 132 A block BlockSeal(hash:0xa, number:132, time:1763715911)",
            ),
            (
                said(
                    "warn",
                    "Dropping invalid unsafe payload",
                    &[("hash", Hash('b')), ("number", Number(132))],
                ),
                "break 132 - number 132, hash 0xb",
                "break 132 - number 132, hash bbbbbb..bbbbbb",
            ),
            (
                said(
                    "error",
                    "deposit only block was invalid",
                    &[("parent", Id('a', 131)), ("err", Text("invalid"))],
                ),
                "break 132 - parent 0xa:131, err invalid",
                "break 132 - parent aaaaaa..aaaaaa:131, err invalid",
            ),
            (
                said(
                    "info",
                    "Initializing rollup node",
                    &[("version", Text("v1.19.6"))],
                ),
                "start",
                "start",
            ),
        ],
    );
}

#[test]
fn op_geth_tells_blocks_and_alarms() {
    let block = [("number", Big(132)), ("hash", Hash('a'))];
    check(
        "op-geth",
        &[
            (
                said("info", "Imported new potential chain segment", &block),
                "local 132 A; end 132",
                "end 132",
            ),
            (
                said("info", "Chain head was updated", &block),
                "local 132 A; end 132; commit 132 -",
                "end 132; commit 132 -",
            ),
            (
                said("error", "Impossible reorg, please file an issue", &block),
                "alarm geth was given a head that it cannot reorganize to",
                "alarm geth was given a head that it cannot reorganize to",
            ),
            (
                said("info", "Got interrupt, shutting down...", &[]),
                "farewell an interrupt",
                "farewell an interrupt",
            ),
        ],
    );
}

#[test]
fn programs_of_several_chains_tell_of_no_chain_s_height() {
    check(
        "op-supernode",
        &[
            (
                said(
                    "info",
                    "committed verified result",
                    &[("timestamp", Number(99_000))],
                ),
                "end 99000; commit 99000 -",
                "end 99000; commit 99000 -",
            ),
            (
                said(
                    "error",
                    "failed to invalidate block",
                    &[("chainID", Big(902)), ("blockID", Id('a', 132))],
                ),
                "break - - chainID 902, blockID 0xa:132",
                "break - - chainID 902, blockID aaaaaa..aaaaaa:132",
            ),
            (
                said(
                    "info",
                    "added block to deny list",
                    &[("chainID", Big(902)), ("invalidatedBlock", Id('a', 132))],
                ),
                "break - - chainID 902, invalidatedBlock 0xa:132",
                "break - - chainID 902, invalidatedBlock aaaaaa..aaaaaa:132",
            ),
            (
                said(
                    "info",
                    "Inserted new L2 unsafe block",
                    &[
                        ("hash", Hash('a')),
                        ("number", Number(132)),
                        ("chain_id", Big(902)),
                    ],
                ),
                "nothing",
                "nothing",
            ),
        ],
    );
    let seal = "BlockSeal(hash:0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, number:132, time:1763715911)";
    check(
        "op-supervisor",
        &[
            (
                said(
                    "info",
                    "Updated cross-unsafe",
                    &[("chain", Big(902)), ("crossUnsafe", Text(seal))],
                ),
                "end 1763715911; commit 1763715911 -",
                "end 1763715911; commit 1763715911 -",
            ),
            (
                said(
                    "warn",
                    "Found a conflicting local-safe block that cannot be promoted to cross-safe",
                    &[("chain", Big(902)), ("err", Text("conflicting data"))],
                ),
                "break - - chain 902, err conflicting data",
                "break - - chain 902, err conflicting data",
            ),
        ],
    );
}

#[test]
fn a_filter_that_halts_over_a_reorg_is_healthy() {
    let halted = |reason| {
        let fields = [
            ("chain", Big(902)),
            ("reason", Text(reason)),
            ("msg", Text("parent hash mismatch at block 5")),
        ];
        said("error", "Ingester halted", &fields)
    };
    let rules = rules_of("op-interop-filter");
    let events = |line: String| show_all(&read(&rules, line.as_bytes(), true));
    for form in [Said::json, Said::logfmt, Said::terminal] {
        assert_eq!(events(form(&halted("reorg"))), "nothing");
        let told = events(form(&halted("conflict")));
        assert!(
            told.starts_with("break - - chain 902, reason conflict"),
            "{told}"
        );
    }
    let ingested = [
        ("chain", Big(902)),
        ("block", Number(132)),
        ("timestamp", Number(99_000)),
    ];
    let failed = [("timestamp", Number(99_000)), ("err", Text("no log"))];
    check(
        "op-interop-filter",
        &[
            (
                said("info", "Ingested block", &ingested),
                "end 99000; commit 99000 -",
                "end 99000; commit 99000 -",
            ),
            (
                said("error", "Cross-validation failed", &failed),
                "break 99000 - timestamp 99000, err no log",
                "break 99000 - timestamp 99000, err no log",
            ),
        ],
    );
}

const BAD_BLOCK: &str = "\n########## BAD BLOCK #########\nBlock: 132 \
                         (0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)\n\
                         Error: invalid merkle root (remote: bb local: cc)\nPlatform: geth 1.101\n\
                         Chain config: &params.ChainConfig{ChainID:901}\nReceipts: \n\
                         ##############################\n";

fn read_lines(rules: &NodeRules, text: &str) -> String {
    let (mut events, mut log) = (Vec::new(), NodeLog::default());
    for line in text.split_terminator('\n') {
        rules.read(&mut log, line.as_bytes(), true, &mut |e| events.push(e));
    }
    show_all(&events).replace(&"a".repeat(64), "a")
}

#[test]
fn a_bad_block_is_told_in_every_form() {
    let rules = rules_of("op-geth");
    let bad = said("error", BAD_BLOCK, &[]);
    let told = "break 132 - Block: 132 (0xa)";
    assert_eq!(read_lines(&rules, &bad.json()), told);
    assert_eq!(read_lines(&rules, &bad.logfmt()), told);
    assert_eq!(read_lines(&rules, &bad.terminal()), told);
    // A collector removes spaces from the ends of lines, and puts its own before them.
    let head = "ERROR[11-20|23:47:19.048]";
    assert_eq!(read_lines(&rules, &format!("{head}{BAD_BLOCK}")), told);
    let collected: [fn(&str) -> String; 4] = [
        |line| format!("Nov 20 23:47:19 host op-geth[12]: {line}"),
        |line| format!("Nov 20 23:47:19 host op-geth: {}", line.trim_end()),
        |line| format!("chain op-geth {line}"),
        |line| {
            let line = line.trim_end();
            format!("{{\"message\":{line:?},\"source_type\":\"file\"}}")
        },
    ];
    for collect in collected {
        let text = format!("{head} {BAD_BLOCK}");
        let lines: Vec<String> = text.lines().map(collect).collect();
        assert_eq!(read_lines(&rules, &lines.join("\n")), told, "{lines:?}");
    }
    // With a character that geth escapes, the message is one line in quotes.
    let quoted = format!("{head} {:?}", format!("{BAD_BLOCK}Error: é"));
    assert_eq!(read_lines(&rules, &quoted), told);
    // Without the block's line the break is reported all the same.
    let cut = format!("{head} \n########## BAD BLOCK #########\nsomething else\n");
    assert_eq!(read_lines(&rules, &cut), "break - - something else");
}

#[test]
fn a_bad_block_in_words_of_others_is_none() {
    let rules = rules_of("op-geth");
    let info = said("info", BAD_BLOCK, &[]);
    let field = said("error", "Failed to decode", &[("err", Text(BAD_BLOCK))]);
    let behind = said(
        "error",
        "Failed\n########## BAD BLOCK #########\nBlock: 1 (0x1)",
        &[],
    );
    for said in [info, field, behind] {
        for form in [Said::json, Said::logfmt, Said::terminal] {
            assert_eq!(
                read_lines(&rules, &form(&said)),
                "nothing",
                "{}",
                form(&said)
            );
        }
    }
    // The same text with an ordinary line before it is not a banner.
    assert_eq!(read_lines(&rules, BAD_BLOCK), "nothing");
    let after = format!("ERROR[11-20|23:47:19.048] Failed err=x{BAD_BLOCK}");
    assert_eq!(read_lines(&rules, &after), "nothing");
}

/// The name of a peer, a transaction or a contract is never a message.
#[test]
fn breaks_in_words_of_others_are_none() {
    let texts = [
        ("op-node", REORG),
        ("op-node", "Invalidating block"),
        ("op-supernode", "added block to deny list"),
        ("op-interop-filter", "Cross-validation failed"),
        (
            "op-supervisor",
            "Found a conflicting local-safe block that cannot be promoted to cross-safe",
        ),
        ("op-geth", "Chain reorg detected"),
        ("op-geth", "Large chain reorg detected"),
    ];
    for (profile, text) in texts {
        let rules = rules_of(profile);
        let line = format!("{{\"lvl\":\"warn\",\"msg\":\"{text}\"}}");
        let terminal = format!("x\nWARN [11-20|23:47:19.048] {text} unsafe=0x1:5");
        let said = [
            said("info", "connected", &[("peer", Printed::Text(leak(text)))]),
            said("error", "rejected", &[("err", Text(leak(&line)))]),
            said("error", "rejected", &[("err", Text(leak(&terminal)))]),
            said("warn", leak(&format!("peer said: {text}")), &[]),
            said("warn", leak(&format!("{text} or so")), &[]),
        ];
        for said in said {
            for form in [Said::json, Said::logfmt, Said::terminal, Said::coloured] {
                let line = form(&said);
                assert_eq!(
                    show_all(&read(&rules, line.as_bytes(), true)),
                    "nothing",
                    "{line}"
                );
            }
        }
    }
}

/// A process that panics leaves a line without a head.
#[test]
fn a_node_that_dies_of_two_final_blocks_is_alarmed() {
    let text = "superAuthority finalized head conflicts with cached superAuthority finalized head at same height";
    for profile in ["op-node", "op-supernode"] {
        let rules = rules_of(profile);
        let told = read_lines(&rules, &format!("panic: {text}\n\ngoroutine 1 [running]:"));
        assert_eq!(told, "alarm two blocks of one height were told to be final");
        let quoted = said("info", "connected", &[("peer", Printed::Text(leak(text)))]);
        let told = read_lines(&rules, &quoted.json());
        assert!(told.starts_with("quoted"), "{told}");
    }
}

/// Fields beside a program's message may have the names that other loggers use.
#[test]
fn a_field_called_like_a_message_is_none() {
    let rules = rules_of("op-node");
    for name in ["message", "_msg", "body", "msg"] {
        let fields = [(name, Text("Invalidating block")), ("unsafe", Id('a', 132))];
        for form in [Said::json, Said::logfmt] {
            let line = form(&said("warn", REORG, &fields));
            let told = show_all(&read(&rules, line.as_bytes(), true));
            assert!(told.starts_with("break 132 "), "{line}: {told}");
            let fields = [(name, Text(REORG)), ("unsafe", Id('a', 132))];
            let line = form(&said("warn", "rejected", &fields));
            let told = show_all(&read(&rules, line.as_bytes(), true));
            assert_eq!(told, "nothing", "{line}");
        }
    }
    // zap prints the logger before its message, slog the source.
    let zap = format!(
        "{{\"level\":\"warn\",\"ts\":1.5,\"logger\":\"x\",\"caller\":\"a.go:1\",\"msg\":\"{REORG}\",\"message\":\"x\"}}"
    );
    let slog = format!(
        "{{\"time\":\"x\",\"level\":\"WARN\",\"source\":{{\"line\":1}},\"msg\":\"{REORG}\",\"message\":\"x\"}}"
    );
    // zerolog puts its message last, behind fields of any name.
    let zerolog =
        format!("{{\"level\":\"warn\",\"msg\":\"x\",\"time\":\"x\",\"message\":\"{REORG}\"}}");
    for line in [zap, slog, zerolog] {
        let told = show_all(&read(&rules, line.as_bytes(), true));
        assert!(told.starts_with("break - "), "{line}: {told}");
    }
    let zerolog =
        format!("{{\"level\":\"warn\",\"msg\":\"{REORG}\",\"time\":\"x\",\"message\":\"x\"}}");
    assert_eq!(show_all(&read(&rules, zerolog.as_bytes(), true)), "nothing");
}

/// A value that may be one of the healthy ones counts as healthy.
#[test]
fn an_exception_that_cannot_be_read_is_no_break() {
    let rules = rules_of("op-interop-filter");
    let told = |fields: &str, complete: bool| {
        let line = format!("ERROR[11-20|23:47:19.048] Ingester halted {fields}");
        show_all(&read(&rules, line.as_bytes(), complete))
    };
    let plain = |fields: &str| told(fields, true);
    assert!(plain("chain=902 reason=conflict").starts_with("break"));
    // Other values of a repeated key are ignored.
    assert_eq!(plain("chain=902 reason=conflict reason=reorg"), "nothing");
    assert_eq!(plain("chain=902 reason=reorg reason=conflict"), "nothing");
    assert!(plain("chain=902 reason=conflict reason=conflict").starts_with("break"));
    // Without the key, or with a value that may continue, nobody knows.
    assert_eq!(plain("chain=902"), "nothing");
    assert_eq!(plain("chain=902 reason=\"reo"), "nothing");
    for json in [
        r#"{"lvl":"error","msg":"Ingester halted","reason":null}"#,
        r#"{"lvl":"error","msg":"Ingester halted","reason":{"is":"conflict"}}"#,
        r#"{"lvl":"error","msg":"Ingester halted","reason":["conflict"]}"#,
        r#"{"lvl":"error","msg":"Ingester halted","reason":"conflict","reason":"reorg"}"#,
    ] {
        assert_eq!(
            show_all(&read(&rules, json.as_bytes(), true)),
            "nothing",
            "{json}"
        );
    }
}

/// A head ends a banner, and its own line counts.
#[test]
fn a_head_behind_a_banner_ends_it_and_counts() {
    let rules = rules_of("op-geth");
    let open = "ERROR[11-20|23:47:19.048] \n########## BAD BLOCK #########\n";
    let head = said(
        "info",
        "Chain head was updated",
        &[("number", Big(133)), ("hash", Hash('a'))],
    );
    let told = read_lines(&rules, &format!("{open}{}", head.terminal()));
    assert_eq!(told, "break - - ; end 133; commit 133 -");
}

/// A log may end where a banner's block should follow.
#[test]
fn a_banner_at_the_end_of_a_log_is_told() {
    let rules = rules_of("op-geth");
    let open = "ERROR[11-20|23:47:19.048] \n########## BAD BLOCK #########\n";
    let (mut events, mut log) = (Vec::new(), NodeLog::default());
    for line in open.split_terminator('\n') {
        rules.read(&mut log, line.as_bytes(), true, &mut |e| events.push(e));
    }
    assert_eq!(show_all(&events), "nothing");
    rules.end(&mut log, &mut |event| events.push(event));
    assert_eq!(show_all(&events), "break - - ");
    rules.end(&mut log, &mut |event| events.push(event));
    assert_eq!(show_all(&events), "break - - ", "once");
}

/// geth's console quotes a message with characters outside ASCII.
#[test]
fn a_message_with_a_dash_is_read_in_every_form() {
    let text = "invalidation parent payload missing from WAL \u{2014} invalidation cannot proceed";
    let rules = rules_of("op-supernode");
    let fields = [("chain", Big(902)), ("block", Id('a', 132))];
    let message = leak(text);
    let quoted = leak(&format!("{text:?}"));
    let lines = [
        said("error", message, &fields).json(),
        said("error", message, &fields).logfmt(),
        said("error", quoted, &fields).terminal(),
        said("error", quoted, &fields).coloured(),
    ];
    for line in lines {
        let told = show_all(&read(&rules, line.as_bytes(), true));
        assert!(
            told.starts_with("break - - chain 902, block "),
            "{line}: {told}"
        );
    }
}

#[test]
fn a_height_of_a_parent_is_that_of_the_block_before() {
    let profile = |key: &str| {
        let rule = format!(
            r#"{{"breaks": [{{"texts": ["does not stand"], "height": {{"key": "{key}", "form": "{{hash}}:{{height}}"}}, "why": "it does not stand"}}]}}"#
        );
        let rules: NodeRules = serde_json::from_str(&rule).unwrap();
        rules
    };
    let told = |key: &str, parent: &str| {
        let line = format!("ERROR[11-20|23:47:19.048] does not stand parent={parent}");
        show_all(&read(&profile(key), line.as_bytes(), true))
    };
    assert_eq!(told("parent+1", "0xaa:7"), "break 8 - ");
    assert_eq!(told("parent-1", "0xaa:7"), "break 6 - ");
    assert_eq!(told("parent", "0xaa:7"), "break 7 - ");
    assert_eq!(told("parent+1", "0xaa:0"), "break 1 - ");
    assert_eq!(told("parent+1", "0xaa:18446744073709551615"), "break - - ");
    assert_eq!(profile("parent+1").check(), Ok(()));
    for key in ["parent+2", "parent+", "parent+1+1"] {
        let wrong = profile(key).check().unwrap_err().to_string();
        assert!(wrong.contains("breaks[0].height"), "{wrong}");
    }
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

#[test]
fn healthy_lines_with_scary_words_tell_nothing() {
    let node = [
        "Received reset request",
        "Deriver system is resetting",
        "Reset of Engine is completed",
        "trying to restore unsafe head",
        "Unsafe payload denied by SuperAuthority, dropping",
        "Holocene active, requesting deposits-only attributes",
        "could not process payload attributes",
        "dropping past batch with old timestamp",
        "Cannot rewind finality,",
        "Follow Source: local safe diverged from upstream",
        "Follow Source: Reorg. May Trigger EL sync",
        "Requesting deposits-only replacement for derived payload",
        "Payload denied by SuperAuthority",
    ];
    let geth = [
        "Chain reorg detected",
        "Large chain reorg detected",
        "Ignoring beacon update to old head",
        "Beacon client online, but no consensus updates received in a while",
    ];
    let supernode = [
        "rewinding accepted state due to drift",
        "invalid executing message",
        "block hash mismatch",
        "interop validation failed",
        "initiating rewind after block invalidation",
        "current block matches invalidated block, initiating rewind",
        "Requesting deposits-only replacement for derived payload",
        "chain rewind completed",
        "current block differs from invalidated block, no rewind needed",
        "Unsafe payload denied by SuperAuthority, dropping",
    ];
    let supervisor = [
        "Failed to process work",
        "DB indicated a conflict with this node, checking if node is inconsistent",
        "Last seen block from node is inconsistent with supervisor local-unsafe blocks",
        "Last seen block from node is inconsistent with supervisor local-safe blocks",
        "Resetting cross-unsafe to cross-safe, since prior block was invalidated",
        "Instructing node to replace invalidated local-safe block",
        "Cannot replace invalidated block in local-safe DB",
    ];
    let filter = ["Detected reorg: parent hash mismatch", "Failsafe active"];
    let of = |profile, texts: &[&'static str]| -> Vec<(&'static str, &'static str)> {
        texts.iter().map(|text| (profile, *text)).collect()
    };
    let all = [
        of("op-node", &node),
        of("op-geth", &geth),
        of("op-supernode", &supernode),
        of("op-supervisor", &supervisor),
        of("op-interop-filter", &filter),
        of("proxyd", &["interop access list validation failed"]),
    ];
    for (profile, text) in all.concat() {
        let fields = [
            ("number", Number(7)),
            ("hash", Hash('a')),
            ("block", Id('a', 7)),
            ("err", Text("conflicting data")),
        ];
        check(
            profile,
            &[(said("warn", text, &fields), "nothing", "nothing")],
        );
    }
}

#[test]
fn a_huge_line_is_read_in_bounded_time() {
    let rules = rules_of("op-geth");
    let flood = "########## BAD BLOCK #########\\n".repeat(100_000);
    let line = format!("{{\"lvl\":\"error\",\"msg\":\"x{flood}\",\"err\":\"{flood}\"}}");
    assert_eq!(show_all(&read(&rules, line.as_bytes(), true)), "nothing");
    let head = "ERROR[11-20|23:47:19.048]\n########## BAD BLOCK #########\n";
    let told = read_lines(&rules, &format!("{head}Block: {}\n", "9".repeat(1 << 20)));
    assert!(told.starts_with("break - - Block: 999"), "{}", told.len());
    assert!(told.len() < 300, "{}", told.len());
}

#[test]
fn numbers_of_a_form_are_read_whole() {
    let form = |text: &str| value_template::Form::from(text.to_owned());
    let height = |text: &str| {
        let told = form("{height}").read(text.as_bytes(), End::Closed);
        told.and_then(|told| told.height)
    };
    for (text, expected) in [
        ("132", Some(132)),
        ("12,345,678", Some(12_345_678)),
        ("0x84", Some(132)),
        ("1,23", None),
        (",123", None),
        ("1234,567", None),
        ("1,234,", None),
        ("0x", None),
        ("0x-4", None),
        ("-4", None),
        ("+4", None),
        ("", None),
        ("18446744073709551616", None),
    ] {
        assert_eq!(height(text), expected, "{text}");
    }
    let read = |text: &str| form("at {height} ({_})").read(text.as_bytes(), End::Closed);
    assert_eq!(read("at 7 (x)").and_then(|told| told.height), Some(7));
    assert!(read("at 7 (x) or so").is_none());
    assert!(read("not at 7 (x)").is_none());
    for (text, wrong) in [
        ("{height}{hash}", "expected text between two {}"),
        ("{heigth}", "expected {height}, {hash} or {_}"),
        ("{height", "expected } after {"),
        ("block", "expected {height} and {hash} at most once"),
        (
            "{height}:{height}",
            "expected {height} and {hash} at most once",
        ),
    ] {
        let error = form(text).check().unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}

/// Lines that the programs' own logger printed (log of op-geth v1.101702.3-rc.7), in
/// each of its forms: the events are the same in all of them.
#[test]
fn the_real_logger_s_lines_are_read_in_every_form() {
    macro_rules! forms {
        ($name:literal) => {
            [
                include_str!(concat!("../fixtures/", $name, ".json")),
                include_str!(concat!("../fixtures/", $name, ".logfmt")),
                include_str!(concat!("../fixtures/", $name, ".terminal")),
                include_str!(concat!("../fixtures/", $name, ".color")),
            ]
        };
    }
    let cases = [
        (
            "op-node",
            forms!("op-node"),
            "start, commit 130130, commit 130131, commit 130132, commit 130133, commit 130134, \
             break 130132, break 130131",
        ),
        (
            "op-geth",
            forms!("op-geth"),
            "start, commit 130130, commit 130131, commit 130132, commit 130133, break 130134, \
             break 130135",
        ),
        (
            "op-interop-filter",
            forms!("op-interop-filter"),
            "commit 1795218000, break -, break 1795218001",
        ),
    ];
    for (profile, forms, expected) in cases {
        let rules = rules_of(profile);
        for (form, text) in ["json", "logfmt", "terminal", "color"].iter().zip(forms) {
            let (mut told, mut log) = (Vec::new(), NodeLog::default());
            let mut hear = |event: Event| match event {
                Event::LocalHash { .. } | Event::End { .. } => {}
                event => {
                    let shown = show(&event);
                    let words: Vec<&str> = shown.split(' ').take(2).collect();
                    told.push(words.join(" "));
                }
            };
            for line in text.split_terminator('\n') {
                rules.read(&mut log, line.as_bytes(), true, &mut hear);
            }
            assert_eq!(told.join(", "), expected, "{profile} as {form}");
        }
    }
}

#[test]
fn a_program_may_say_much_before_its_first_block() {
    let unread_after = |profile: &str, lines: usize| {
        let (rules, mut log) = (rules_of(profile), NodeLog::default());
        for i in 0..lines {
            let line = format!("INFO [11-20|23:47:19.048] Advancing bq origin number={i}");
            rules.read(&mut log, line.as_bytes(), true, &mut |_| ());
        }
        rules.unread(&log).is_some()
    };
    assert!(!unread_after("op-node", 1999));
    assert!(unread_after("op-node", 2000));
    assert!(unread_after("cosmos", 100));
    assert!(!unread_after("proxyd", 10_000));
    assert_eq!(
        rules_of("op-node").example(),
        "Inserted new L2 unsafe block"
    );
}
