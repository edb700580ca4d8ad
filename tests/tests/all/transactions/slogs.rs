//! Recordings of hosts as words, one for each entry: what two of them say together is
//! known by how they were made.
//!
//! `[2=A` begins block 2, and `]` ends and commits it, its AppHash made of As; of `[2~A`
//! the commit alone tells it, of `[2` nothing does. `r:bank/01=1` reads, `w:` writes, with
//! `0.` before it in transaction 0; `it:bank` and `next:bank/01` iterate, the iterator being
//! the block's first operation. `decided` and `proposed` are a block's inputs, once it is
//! decided and before. `in:0` and `tx:0` name a transaction, `res:0/5` ends it with
//! that code; `phase:EndBlock` begins a phase, and `set:bank/01=1` is what the block leaves.
//! `given:txsDigest=d,local.config=e` tells what a block is given.
//! `hole` is an entry of which a container's log has the first part alone.
//! `on:2/1` goes on on branch 2, which was made of 1, and `put:2` writes it. `spaced` has the lines written by another JSON writer.

use std::path::Path;

use serde_json::{Value, json};

use super::line;

#[derive(Default)]
struct Words {
    lines: Vec<String>,
    /// The open block, its AppHash, and whether its end tells it.
    block: (u64, Option<String>, bool),
    op: u64,
}

/// Writes a recording.
pub fn write(path: &Path, words: &str) {
    let mut of = Words::default();
    words.split_whitespace().for_each(|word| of.word(word));
    let mut text = of.lines.join("\n");
    if words.contains("spaced") {
        text = text.replace("\":", "\": ").replace(",\"", ", \"");
    }
    std::fs::write(path, text + "\n").expect("a slog");
}

fn long(digit: &str) -> String {
    digit.repeat(64)
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

impl Words {
    fn word(&mut self, word: &str) {
        match (word, word.split_once(':')) {
            ("spaced", _) => {}
            ("start", _) => self.push(json!({"type": "host-start", "pid": 1, "haltbox": "0.1.0"})),
            ("]", _) => {
                self.end();
                self.commit();
            }
            ("end", _) => self.end(),
            ("commit", _) => self.commit(),
            ("decided", _) => self.push(json!({"type": "step-input", "txs": 0})),
            ("proposed", _) => {
                self.push(json!({"type": "step-input", "txs": 0, "local": {"proposal": true}}));
            }
            ("hole", _) => {
                let part = r#"{"log":"{\"type\":","stream":"stdout","time":"2026"}"#;
                self.lines.push(part.to_owned());
            }
            ("abort", _) => self.push(json!({"type": "abort-block", "height": self.block.0})),
            ("std", _) => {
                self.word("r:bank/01=1");
                self.word("w:bank/01=1");
            }
            (_, Some((kind, what))) => self.entry(kind, what),
            _ => self.begin(word.strip_prefix('[').expect("a word")),
        }
    }

    fn push(&mut self, entry: Value) {
        self.lines.push(line(&entry));
    }

    /// `2`, `2=A`, `2~A`, with `/d` behind it for another block. A block that goes on
    /// inside it, as a recording has it that begins there, is `+2=A`.
    fn begin(&mut self, word: &str) {
        let (inside, word) = (word.starts_with('+'), word.trim_start_matches('+'));
        let (word, input) = word.split_once('/').unwrap_or((word, "a"));
        let at = word.find(['=', '~']).unwrap_or(word.len());
        let hash = word.get(at + 1..).map(|digit| long(digit).to_uppercase());
        self.block = (number(&word[..at]), hash, word[at..].starts_with('='));
        self.op = 0;
        let (height, time) = (self.block.0, format!("{}.000000000", self.block.0));
        if !inside {
            self.push(json!({"type": "begin-block", "height": height, "time": time, "input": long(input)}));
        }
    }

    fn end(&mut self) {
        let mut entry = json!({"type": "end-block", "height": self.block.0});
        if let (Some(hash), true) = (&self.block.1, self.block.2) {
            entry["appHash"] = json!(hash);
        }
        self.push(entry);
    }

    fn commit(&mut self) {
        let mut entry = json!({"type": "commit-block", "height": self.block.0});
        if let Some(hash) = &self.block.1 {
            entry["appHash"] = json!(hash);
        }
        self.push(entry);
    }

    fn entry(&mut self, kind: &str, what: &str) {
        let (name, value) = what.split_once(['=', '/']).unwrap_or((what, ""));
        let digest = if value.is_empty() { "c" } else { value };
        match kind {
            "in" => self.push(
                json!({"type": "tx-input", "tx": number(name), "digest": long(digest), "bytes": 3}),
            ),
            "tx" => self.push(
                json!({"type": "tx-begin", "tx": number(name), "digest": long(digest), "bytes": 3}),
            ),
            "res" => self.result(number(name), value),
            "crank" => self.crank(number(name), value),
            "phase" => self.phase(what),
            "on" if name == "null" => self.push(json!({"type": "branch", "branch": null})),
            "on" if value.is_empty() => {
                self.push(json!({"type": "branch", "branch": number(name)}))
            }
            "on" => {
                self.push(json!({"type": "branch", "branch": number(name), "of": number(value)}))
            }
            "put" => self.push(json!({"type": "branch-written", "branch": number(name)})),
            "given" => self.given(what),
            "u" => self.push(json!({"type": "step-u", "x": what})),
            "set" | "unset" => self.leaves(kind, what),
            "root" => {
                self.push(json!({"type": "step-store-root", "store": name, "hash": long(digest)}))
            }
            _ => self.operation(kind, what),
        }
    }

    /// What the block is given, and what stands beside that.
    fn given(&mut self, what: &str) {
        let mut entry = json!({"type": "step-input"});
        for input in what.split(',') {
            let (name, value) = input.split_once('=').expect("an input");
            let value = match value {
                "true" => json!(true),
                "null" => Value::Null,
                digit => json!(long(digit)),
            };
            match name.split_once('.') {
                Some((outer, inner)) => entry[outer][inner] = value,
                None => entry[name] = value,
            }
        }
        self.push(entry);
    }

    /// Operations are numbered anew in each.
    fn phase(&mut self, name: &str) {
        self.push(json!({"type": "step-phase", "phase": name}));
        self.op = 0;
    }

    /// `bank/01=1`: what the block leaves under a key.
    fn leaves(&mut self, kind: &str, what: &str) {
        let (place, value) = what.split_once('=').expect("a value");
        let (store, key) = place.split_once('/').expect("a key");
        self.push(match kind {
            "set" => {
                json!({"type": "step-set", "store": store, "key": key, "bytes": 1, "value": long(value)})
            }
            _ => json!({"type": "step-unset", "store": store, "key": key}),
        });
    }

    /// `0`, `0/5` with that code, `0=6` with that gas.
    fn result(&mut self, tx: u64, value: &str) {
        let value = value.parse().unwrap_or(0);
        let (code, gas) = if value > 5 { (0, value) } else { (value, 5) };
        self.push(json!({"type": "tx-result", "tx": tx, "code": code, "gasWanted": 9, "gasUsed": gas, "data": null}));
    }

    /// `1=2`, with an activityhash `1=2/a`.
    fn crank(&mut self, number: u64, hashes: &str) {
        let (crank, activity) = hashes.split_once('/').unwrap_or((hashes, ""));
        let mut entry = json!({"type": "crank", "crank": number, "crankhash": long(crank)});
        if !activity.is_empty() {
            entry["activityhash"] = json!(long(activity));
        }
        self.push(entry);
    }

    fn operation(&mut self, kind: &str, what: &str) {
        let (tx, kind) = match kind.split_once('.') {
            Some((tx, kind)) => (Some(number(tx)), kind),
            None => (None, kind),
        };
        let (place, value) = what.split_once('=').unwrap_or((what, ""));
        let (store, key) = place.split_once('/').unwrap_or((place, ""));
        let value = (!value.is_empty()).then(|| long(value));
        let op = self.op;
        self.op += 1;
        let mut entry = match kind {
            "r" => json!({"type": "op-read", "op": op, "store": store, "key": key, "value": value}),
            "w" => {
                json!({"type": "op-write", "op": op, "store": store, "key": key, "value": value, "bytes": 1})
            }
            "it" => {
                json!({"type": "op-iterate", "op": op, "store": store, "start": "01", "end": "02", "reverse": false})
            }
            "next" => json!({"type": "op-next", "op": op, "store": store, "of": 0, "key": null}),
            other => panic!("no such word: {other}"),
        };
        if let Some(tx) = tx {
            entry["tx"] = json!(tx);
        }
        self.push(entry);
    }
}
