//! A made-up validator: what CometBFT of a version prints, in the form of a
//! logger and of what collects its lines, and the slog beside it.
//!
//! The texts are CometBFT's own; that nobody executes anything here is the
//! point: sequences that take a network hours are played in a moment.

use std::fmt::Write as _;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// cosmos-sdk's zerolog console.
    Console,
    /// The same with colours.
    Coloured,
    /// cosmos-sdk's zerolog JSON.
    Json,
    /// CometBFT's own plain form.
    Plain,
    /// CometBFT's own JSON.
    NativeJson,
    /// zap's console around CometBFT.
    Zap,
    /// Console lines in docker's json-file.
    Docker,
    /// Console lines behind journald's head.
    Journald,
}

/// All of them.
pub const FORMATS: [Format; 8] = [
    Format::Console,
    Format::Coloured,
    Format::Json,
    Format::Plain,
    Format::NativeJson,
    Format::Zap,
    Format::Docker,
    Format::Journald,
];

/// Which CometBFT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 0.34 and 0.37: the hash is known at commit.
    V034,
    /// 0.38 to 0.40.
    V038,
    /// 1.0: messages begin with a capital letter.
    V1,
}

/// All of them.
pub const VERSIONS: [Version; 3] = [Version::V034, Version::V038, Version::V1];

/// A validator's log and slog as they grow.
pub struct Node {
    format: Format,
    version: Version,
    /// Lines of the node's log so far.
    pub log: String,
    /// Lines of the slog so far.
    pub slog: String,
    /// How long log and slog were when a process ended.
    pub ends: Vec<(usize, usize)>,
    seconds: u64,
}

/// A made-up AppHash.
pub fn app_hash(height: u64, salt: u8) -> String {
    format!("{:02X}{salt:02X}", height % 256).repeat(16)
}

/// CometBFT's words for two hashes.
pub fn wrong(field: &str, height: u64) -> String {
    format!(
        "wrong Block.Header.{field}.  Expected {}, got {}",
        app_hash(height, 0),
        app_hash(height, 0xEE)
    )
}

impl Node {
    /// A node that printed nothing yet.
    pub fn new(format: Format, version: Version) -> Node {
        Node {
            format,
            version,
            log: String::new(),
            slog: String::new(),
            ends: Vec::new(),
            seconds: 0,
        }
    }

    /// The process starts; one that ran is over.
    pub fn start(&mut self) {
        self.ends.push((self.log.len(), self.slog.len()));
        self.slog_line("kernel-init-start", "");
        self.slog_line("kernel-init-finish", "");
        self.slog_line("cosmic-swingset-init", "");
        self.say("INF", "ABCI Handshake App Info", &[("module", "consensus")]);
    }

    /// A block is decided, executed and committed.
    pub fn block(&mut self, height: u64) {
        let number = height.to_string();
        let before = app_hash(height.saturating_sub(1), 0);
        let own = app_hash(height, 0);
        self.say_of(
            "INF",
            "finalizing commit of block",
            &[
                ("hash", &own),
                ("height", &number),
                ("module", "consensus"),
                ("num_txs", "0"),
                ("root", &before),
            ],
        );
        self.execute(height);
        match self.version {
            Version::V034 => {
                self.say_of(
                    "INF",
                    "executed block",
                    &[
                        ("height", &number),
                        ("module", "state"),
                        ("num_invalid_txs", "0"),
                    ],
                );
                self.say_of(
                    "INF",
                    "committed state",
                    &[("app_hash", &own), ("height", &number), ("module", "state")],
                );
            }
            _ => {
                self.say_of(
                    "INF",
                    "finalized block",
                    &[
                        ("block_app_hash", &own),
                        ("height", &number),
                        ("module", "state"),
                        ("num_txs_res", "0"),
                    ],
                );
                self.say_of(
                    "INF",
                    "committed state",
                    &[
                        ("block_app_hash", &before),
                        ("height", &number),
                        ("module", "state"),
                    ],
                );
            }
        }
        self.slog_line(
            "cosmic-swingset-commit-block-start",
            &format!(",\"blockHeight\":{height}"),
        );
        self.slog_line(
            "cosmic-swingset-commit-block-finish",
            &format!(",\"blockHeight\":{height}"),
        );
    }

    /// A proposal is executed before it is decided, and thrown away: another
    /// one is decided, or none.
    pub fn thrown_away(&mut self, height: u64) {
        self.execute(height);
        let (hash, number) = (app_hash(height, 2), height.to_string());
        self.say(
            "ERR",
            "OE aborted due to hash mismatch",
            &[
                ("module", "baseapp"),
                ("oe_hash", &hash),
                ("oe_height", &number),
                ("req_hash", &app_hash(height, 3)),
                ("req_height", &number),
            ],
        );
    }

    fn execute(&mut self, height: u64) {
        let at = format!(",\"blockHeight\":{height}");
        self.slog_line(
            "cosmic-swingset-begin-block",
            &format!("{at},\"blockTime\":{}", 1000 + height),
        );
        self.slog_line(
            "cosmic-swingset-end-block-start",
            &format!("{at},\"blockTime\":{}", 1000 + height),
        );
        self.slog_line("cosmic-swingset-run-start", &at);
        self.slog_line(
            "crank-start",
            &format!(",\"crankNum\":{height},\"crankType\":\"routing\""),
        );
        self.slog_line(
            "crank-finish",
            &format!(
                ",\"crankNum\":{height},\"crankhash\":\"{0}\",\"activityhash\":\"{0}\"",
                app_hash(height, 1).to_lowercase()
            ),
        );
        self.slog_line("cosmic-swingset-run-finish", &at);
        self.slog_line(
            "cosmic-swingset-end-block-finish",
            &format!("{at},\"blockTime\":{}", 1000 + height),
        );
    }

    /// A proposal for the height behind `height` is refused.
    pub fn refuse(&mut self, height: u64, round: u32) {
        let text = match self.version {
            Version::V034 => "prevote step: ProposalBlock is invalid",
            _ => "prevote step: consensus deems this block invalid; prevoting nil",
        };
        let (next, round) = ((height + 1).to_string(), round.to_string());
        self.say(
            "ERR",
            text,
            &[
                ("err", &wrong("AppHash", height)),
                ("height", &next),
                ("module", "consensus"),
                ("round", &round),
            ],
        );
    }

    /// Consensus fails with these words.
    pub fn fail(&mut self, err: &str) {
        let stack = "goroutine 175 [running]:\\nruntime/debug.Stack()";
        self.say(
            "ERR",
            "CONSENSUS FAILURE!!!",
            &[("err", err), ("module", "consensus"), ("stack", stack)],
        );
    }

    /// A block behind `height` is refused while syncing.
    pub fn blame(&mut self, height: u64) {
        let (err, next) = (wrong("AppHash", height), (height + 1).to_string());
        match self.version {
            Version::V1 => self.say(
                "ERR",
                "Invalid block",
                &[("err", &err), ("height", &next), ("module", "blocksync")],
            ),
            _ => self.say(
                "ERR",
                "Error in validation",
                &[("err", &err), ("module", "blockchain")],
            ),
        }
        self.say(
            "ERR",
            "Stopping peer for error",
            &[
                ("err", &format!("reactor validation error: {err}")),
                ("module", "p2p"),
            ],
        );
    }

    /// A line that no logger made.
    pub fn raw(&mut self, text: &str) {
        let line = self.collected(text.to_owned());
        self.log.push_str(&line);
    }

    /// A message whose first letter version 1.0 writes large.
    fn say_of(&mut self, level: &str, message: &str, fields: &[(&str, &str)]) {
        let mut message = message.to_owned();
        if self.version == Version::V1 {
            message[..1].make_ascii_uppercase();
        }
        self.say(level, &message, fields);
    }

    /// A line of the node's logger.
    pub fn say(&mut self, level: &str, message: &str, fields: &[(&str, &str)]) {
        self.seconds += 1;
        let line = match self.format {
            Format::Console | Format::Docker | Format::Journald => console(level, message, fields),
            Format::Coloured => coloured(level, message, fields),
            Format::Json => json(
                &[("level", word(level)), ("time", "2026-11-20T01:02:03Z")],
                "message",
                message,
                fields,
            ),
            Format::NativeJson => json(
                &[("level", word(level)), ("ts", "2026-11-20T01:02:03Z")],
                "_msg",
                message,
                fields,
            ),
            Format::Plain => plain(level, message, fields),
            Format::Zap => zap(level, message, fields),
        };
        let line = self.collected(line);
        self.log.push_str(&line);
    }

    fn collected(&self, line: String) -> String {
        match self.format {
            Format::Docker => {
                let log = serde_json::Value::from(format!("{line}\n"));
                format!(
                    "{{\"log\":{log},\"stream\":\"stderr\",\"time\":\"2026-11-20T01:02:03.004005006Z\"}}\n"
                )
            }
            Format::Journald => format!("Nov 20 01:02:03 host agd[123]: {line}\n"),
            _ => format!("{line}\n"),
        }
    }

    fn slog_line(&mut self, kind: &str, members: &str) {
        self.seconds += 1;
        let _ = writeln!(
            self.slog,
            "{{\"type\":\"{kind}\"{members},\"time\":{},\"monotime\":{}}}",
            self.seconds, self.seconds
        );
    }
}

fn word(level: &str) -> &'static str {
    if level == "ERR" { "error" } else { "info" }
}

fn quoted(value: &str) -> String {
    let simple = |c: char| c.is_ascii_alphanumeric() || "_-./+".contains(c);
    match value.chars().all(simple) {
        true => value.to_owned(),
        false => serde_json::Value::from(value).to_string(),
    }
}

fn console(level: &str, message: &str, fields: &[(&str, &str)]) -> String {
    let mut line = format!("2:28PM {level} {message}");
    for (key, value) in fields {
        let _ = write!(line, " {key}={}", quoted(value));
    }
    line
}

fn coloured(level: &str, message: &str, fields: &[(&str, &str)]) -> String {
    let mut line = format!("\x1b[90m2:28PM\x1b[0m \x1b[32m{level}\x1b[0m {message}");
    for (key, value) in fields {
        let _ = write!(line, " \x1b[36m{key}=\x1b[0m{}", quoted(value));
    }
    line
}

fn plain(level: &str, message: &str, fields: &[(&str, &str)]) -> String {
    let mut line = format!("{}[2026-11-20|01:02:03.004] {message:<44}", &level[..1]);
    for (key, value) in fields {
        let _ = write!(line, " {key}={}", quoted(value));
    }
    line
}

fn json(head: &[(&str, &str)], name: &str, message: &str, fields: &[(&str, &str)]) -> String {
    let mut object = serde_json::Map::new();
    for (key, value) in head.iter().chain(fields) {
        let number = value
            .parse::<u64>()
            .ok()
            .filter(|_| *key == "height" || *key == "round");
        let value = number.map_or_else(|| (*value).into(), serde_json::Value::from);
        object.insert((*key).to_owned(), value);
    }
    object.insert(name.to_owned(), message.into());
    serde_json::Value::from(object).to_string()
}

fn zap(level: &str, message: &str, fields: &[(&str, &str)]) -> String {
    let level = if level == "ERR" { "ERROR" } else { "INFO" };
    let object = json(&[], "_", "", fields).replace("\"_\":\"\",", "");
    format!(
        "2026-11-20T01:02:03.004Z\t{level}\tcometbft\tconsensus/state.go:801\t{message}\t{object}"
    )
}
