//! The machine under a kernel's slog.

use std::collections::{BTreeMap, VecDeque};

use sha2::{Digest as _, Sha256};

use super::{Block, Kernel, Own, Step, VATS};
use crate::fault::{Fault, Kind, Trigger};
use crate::random::Random;

/// Keys that a vat uses.
const KEYS: u64 = 5;
/// Deliveries of one run: what is left waits for the next block.
const BUDGET: u64 = 4;

/// Executes blocks.
pub struct Machine {
    chain: u64,
    size: u64,
    trigger: Trigger,
    fault: Option<Fault>,
    stores: [BTreeMap<u64, u64>; VATS],
    deliveries: [u64; VATS],
    crank: u64,
    activity: String,
    queue: VecDeque<(usize, u64)>,
    promises: u64,
    syscalls: u64,
    height: u64,
    run: u64,
    steps: Vec<Step>,
    /// Writes of the block: store, key, and what stood there before.
    written: Vec<(usize, u64, Option<u64>)>,
}

fn key(key: u64) -> String {
    format!("vc.{}.sacct-{key}", key % 3)
}

/// A value as a vat writes it, as a string's JSON.
fn value(value: u64) -> String {
    format!(r##""{{\"body\":\"#\\\"+{value}\\\"\",\"slots\":[]}}""##)
}

fn text(value: Option<u64>) -> String {
    value.map_or("null".to_owned(), self::value)
}

/// The rule of swing-store.
fn link(before: &str, crankhash: &str) -> String {
    let digest = Sha256::digest(format!("activityhash\n{before}\n{crankhash}\n"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

struct Delivery {
    vat: usize,
    number: u64,
    next: u64,
    sum: u64,
}

impl Machine {
    /// Before its first block.
    pub fn new(chain: u64, size: u64, fault: Option<Fault>) -> Machine {
        let mut random = Random::at(chain, &[1]);
        let stores = [(); VATS].map(|()| {
            let keys = 0..KEYS;
            keys.map(|key| (key, random.below(900))).collect()
        });
        Machine {
            chain,
            size,
            trigger: Trigger::new(fault),
            fault,
            stores,
            deliveries: [4; VATS],
            crank: 100 + random.below(50),
            activity: hex("before"),
            queue: VecDeque::new(),
            promises: 40,
            syscalls: 100,
            height: 0,
            run: 0,
            steps: Vec::new(),
            written: Vec::new(),
        }
    }

    /// Executes so many blocks.
    pub fn run(mut self, blocks: u64) -> Kernel {
        let mut made = BTreeMap::new();
        for height in 1..=blocks {
            self.height = height;
            self.block();
            let steps = std::mem::take(&mut self.steps);
            made.insert(height, Block { steps });
        }
        Kernel { blocks: made }
    }

    fn fires(&mut self, kind: Kind) -> bool {
        self.trigger.fires(kind, self.height)
    }

    fn is(&self, kind: Kind) -> Option<u64> {
        let fault = self.fault?;
        (fault.kind == kind && fault.height == self.height).then_some(fault.at)
    }

    fn push(&mut self, kind: &'static str, head: String) -> &mut Step {
        let at = self.steps.len();
        self.steps.push(Step {
            kind,
            head: format!(r#"{{"type":"{kind}"{head}"#),
            own: Own::None,
            tail: String::new(),
            timed: false,
            replay: None,
            vat: 0,
            delivery: 0,
        });
        &mut self.steps[at]
    }

    fn block(&mut self) {
        let height = self.height;
        let mut random = Random::at(self.chain, &[2, height]);
        if let Some(at) = self.is(Kind::Row) {
            let store = &mut self.stores[at as usize % VATS];
            *store.entry(at % KEYS).or_default() += 1000;
        }
        (self.run, self.written) = (0, Vec::new());
        let time = 1_700_000_000 + 6 * height + u64::from(self.fires(Kind::Time));
        let at = format!(r#","blockHeight":{height},"blockTime":{time}"#);
        self.push("cosmic-swingset-begin-block", at.clone()).own = Own::Lag;
        self.push("cosmic-swingset-end-block-start", at.clone());
        if self.is(Kind::Hidden).is_some() {
            self.activity = link(&self.activity, &"0".repeat(64));
        }
        self.run_of("leftover", BUDGET);
        for number in 0..random.below(1 + self.size) {
            self.input(number, &mut random);
        }
        self.poll(&at, &mut random);
        let end = self.push("cosmic-swingset-end-block-finish", at.clone());
        end.head += r#","inboundQueueStartLengths":{"forced":0,"priority":0,"inbound":0}"#;
        end.tail = r#","processedActionCounts":[]"#.to_owned();
        (end.own, end.timed) = (Own::Queue, true);
        self.push("cosmic-swingset-commit-block-start", at.clone());
        let done = self.push("cosmic-swingset-commit-block-finish", at.clone());
        done.timed = true;
        self.push("cosmic-swingset-after-commit-stats", at).own = Own::Stats;
        self.lose();
    }

    /// What was written is not there.
    fn lose(&mut self) {
        let Some(at) = self.is(Kind::LostWrite) else {
            return;
        };
        if self.written.is_empty() {
            return;
        }
        let (vat, key, before) = self.written[at as usize % self.written.len()];
        match before {
            Some(before) => self.stores[vat].insert(key, before),
            None => self.stores[vat].remove(&key),
        };
    }

    fn poll(&mut self, at: &str, random: &mut Random) {
        let added = random.percent(30);
        let polls = 1 + u64::from(self.fires(Kind::Trigger));
        for _ in 0..polls {
            self.push(
                "cosmic-swingset-timer-poll",
                format!(r#"{at},"added":{added}"#),
            );
        }
        if added {
            self.queue
                .push_back((random.place(VATS), random.below(100)));
        }
        self.run_of("timer", 2);
    }

    fn input(&mut self, number: u64, random: &mut Random) {
        let height = self.height;
        let other = u64::from(self.fires(Kind::Input)) * 1000;
        let (vat, say) = (random.place(VATS), random.below(100) + other);
        self.push(
            "cosmic-swingset-bridge-inbound",
            format!(
                r#","inboundNum":"{height}-{}-","source":"core","body":{{"type":"CORE_EVAL","evals":[{{"json_permits":"true","js_code":"call({say})"}}]}}"#,
                number + 1
            ),
        );
        self.queue.push_back((vat, say));
        self.run_of("priority", BUDGET);
    }

    fn run_of(&mut self, phase: &str, budget: u64) {
        let (height, run) = (self.height, self.run);
        self.run += 1;
        let at =
            format!(r#","blockHeight":{height},"runNum":{run},"phase":"{phase}","startBeans":0"#);
        self.push(
            "cosmic-swingset-run-start",
            format!(r#"{at},"remainingBeans":800000000"#),
        );
        for _ in 0..budget {
            let Some((vat, say)) = self.queue.pop_front() else {
                break;
            };
            self.message(vat, say);
        }
        let syscalls = self.syscalls;
        self.push(
            "kernel-stats",
            format!(r#","stats":{{"syscalls":{syscalls},"kernelObjects":39}}"#),
        );
        let used = self.syscalls * 100;
        let end = self.push(
            "cosmic-swingset-run-finish",
            format!(r#"{at},"finishBeans":{used},"usedBeans":{used},"remainingBeans":7000000"#),
        );
        end.timed = true;
    }

    /// A message is routed, and delivered.
    fn message(&mut self, vat: usize, say: u64) {
        self.promises += 1;
        let body = format!(
            r##"{{"methargs":{{"body":"#[\"say\",[\"+{say}\"]]","slots":[]}},"result":"kp{}"}}"##,
            self.promises
        );
        let send = format!(
            r#"{{"type":"send","target":"ko{}","msg":{body}}}"#,
            20 + vat
        );
        let from = self.crank_start("routing", &send);
        self.crank_finish("routing", from);
        let from = self.crank_start("delivery", &send);
        self.deliver(vat, say, &body);
        self.crank_finish("delivery", from);
    }

    fn crank_start(&mut self, kind: &str, message: &str) -> usize {
        let crank = self.crank;
        self.push(
            "crank-start",
            format!(
                r#","crankType":"{kind}","crankNum":{crank},"messageType":"send","message":{message}"#
            ),
        );
        self.steps.len() - 1
    }

    fn crank_finish(&mut self, kind: &str, from: usize) {
        let crank = self.crank;
        self.crank += 1;
        let steps: Vec<String> = self.steps[from..].iter().map(Step::canonical).collect();
        let mut crankhash = hex(&steps.concat());
        if self.fires(Kind::Hash) {
            crankhash = hex(&crankhash);
        }
        self.activity = link(&self.activity, &crankhash);
        let activity = self.activity.clone();
        let end = self.push(
            "crank-finish",
            format!(
                r#","crankType":"{kind}","messageType":"send","crankNum":{crank},"crankhash":"{crankhash}","activityhash":"{activity}""#
            ),
        );
        end.timed = true;
    }

    fn deliver(&mut self, vat: usize, say: u64, body: &str) {
        let crank = self.crank;
        let mut random = Random::at(self.chain, &[3, self.height, crank, say]);
        if random.percent(50) {
            let promise = self.promises;
            self.push(
                "clist",
                format!(
                    r#","crankNum":{crank},"mode":"import","vatID":"v{vat}","kobj":"kp{promise}","vobj":"p-{}""#,
                    promise + 60
                ),
            );
        }
        let number = self.deliveries[vat];
        self.deliveries[vat] += 1;
        let mut delivery = Delivery {
            vat,
            number,
            next: 0,
            sum: say,
        };
        let vd = format!(r#"["message","o+{}",{body}]"#, 20 + vat);
        let kd = format!(r#"["message","ko{}",{body}]"#, 20 + vat);
        let at = format!(r#","vatID":"v{vat}","deliveryNum":{number}"#);
        self.step(
            "deliver",
            &delivery,
            format!(
                r#","crankNum":{crank}{at},"replay":false,"dispatch":"message","kd":{kd},"vd":{vd}"#
            ),
            format!(r#"{at},"replay":true,"dispatch":"message","vd":{vd}"#),
        );
        for _ in 0..2 + random.below(2 + self.size) {
            self.calls(&mut delivery, &mut random);
        }
        self.result(&delivery, &at);
        if random.percent(8) {
            self.snapshot(&delivery);
        }
    }

    fn result(&mut self, delivery: &Delivery, at: &str) {
        let crank = self.crank;
        let compute = 60_000 + delivery.sum % 1000 + u64::from(self.fires(Kind::Cost));
        let status = if self.fires(Kind::Outcome) {
            "error"
        } else {
            "ok"
        };
        let meter = r#""meterType":"xs-meter-36""#;
        let rest = format!(r#","compute":{compute},"allocate":42074144}}]"#);
        let step = self.step(
            "deliver-result",
            delivery,
            format!(
                r#","crankNum":{crank}{at},"replay":false,"dispatch":"message","dr":["{status}",null,{{{meter}"#
            ),
            format!(r#"{at},"replay":true,"dispatch":"message","dr":["{status}",null,{{{meter}{rest}"#),
        );
        (step.own, step.tail, step.timed) = (Own::Meter, rest, true);
    }

    fn snapshot(&mut self, delivery: &Delivery) {
        let (vat, number, sum) = (delivery.vat, delivery.number, delivery.sum);
        let other = if self.fires(Kind::Snapshot) {
            "other"
        } else {
            ""
        };
        let id = hex(&format!("{other}{vat} {number} {sum}"));
        let step = self.push(
            "heap-snapshot-save",
            format!(r#","vatID":"v{vat}","snapshotID":"{id}","endPosition":{number}"#),
        );
        step.own = Own::Sizes;
    }

    fn step(
        &mut self,
        kind: &'static str,
        delivery: &Delivery,
        head: String,
        replay: String,
    ) -> &mut Step {
        let (vat, number) = (delivery.vat, delivery.number);
        let step = self.push(kind, head);
        (step.vat, step.delivery) = (vat, number);
        step.replay = Some(format!(r#"{{"type":"{kind}"{replay}"#));
        step
    }

    fn calls(&mut self, delivery: &mut Delivery, random: &mut Random) {
        let (one, other) = (random.below(KEYS), random.below(KEYS));
        match random.below(12) {
            0..=3 => self.get(delivery, one),
            4 => {
                let second = (one + 1 + other % (KEYS - 1)) % KEYS;
                let [one, other] = match self.fires(Kind::Order) {
                    true => [second, one],
                    false => [one, second],
                };
                self.get(delivery, one);
                self.get(delivery, other);
            }
            5..=7 => self.set(delivery, one),
            8 => self.delete(delivery, one),
            9 => self.next_key(delivery, one),
            10 => self.device(delivery),
            _ => self.send(delivery, random),
        }
        if self.fires(Kind::Extra) {
            self.syscall(
                delivery,
                "vatstoreGet",
                "\"extra\"",
                true,
                "null".to_owned(),
            );
        }
    }

    /// A call of a delivery, and its answer.
    fn syscall(
        &mut self,
        delivery: &mut Delivery,
        name: &str,
        arguments: &str,
        of_store: bool,
        answer: String,
    ) {
        if self.fires(Kind::Skipped) {
            return;
        }
        let (crank, vat, number) = (self.crank, delivery.vat, delivery.next);
        delivery.next += 1;
        self.syscalls += 1;
        let at = format!(
            r#","vatID":"v{vat}","deliveryNum":{},"syscallNum":{number}"#,
            delivery.number
        );
        let vat = if of_store {
            format!("\"v{vat}\",")
        } else {
            String::new()
        };
        self.step(
            "syscall",
            delivery,
            format!(
                r#","crankNum":{crank}{at},"replay":false,"syscall":"{name}","ksc":["{name}",{vat}{arguments}],"vsc":["{name}",{arguments}]"#
            ),
            format!(r#"{at},"replay":true,"syscall":"{name}","vsc":["{name}",{arguments}]"#),
        );
        let step = self.step(
            "syscall-result",
            delivery,
            format!(
                r#","crankNum":{crank}{at},"replay":false,"syscall":"{name}","ksr":["ok",{answer}],"vsr":["ok",{answer}]"#
            ),
            format!(r#"{at},"replay":true,"syscall":"{name}","vsr":["ok",{answer}]"#),
        );
        step.timed = true;
    }

    fn get(&mut self, delivery: &mut Delivery, at: u64) {
        let mut found = self.stores[delivery.vat].get(&at).copied();
        if self.fires(Kind::Read) {
            found = Some(found.unwrap_or(0) + 5000);
        }
        let own = found.unwrap_or(7) * (3 + at);
        delivery.sum = delivery.sum.wrapping_add(own);
        let name = format!("\"{}\"", key(at));
        self.syscall(delivery, "vatstoreGet", &name, true, text(found));
    }

    fn set(&mut self, delivery: &mut Delivery, at: u64) {
        let other = u64::from(self.fires(Kind::Write));
        let new = delivery.sum % 9973 + other;
        let vat = delivery.vat;
        let before = self.stores[vat].insert(at, new);
        self.written.push((vat, at, before));
        let arguments = format!("\"{}\",{}", key(at), value(new));
        self.syscall(delivery, "vatstoreSet", &arguments, true, "null".to_owned());
    }

    fn delete(&mut self, delivery: &mut Delivery, at: u64) {
        let vat = delivery.vat;
        let before = self.stores[vat].remove(&at);
        self.written.push((vat, at, before));
        let name = format!("\"{}\"", key(at));
        self.syscall(delivery, "vatstoreDelete", &name, true, "null".to_owned());
    }

    fn next_key(&mut self, delivery: &mut Delivery, at: u64) {
        let found = self.stores[delivery.vat].range(at + 1..).next();
        let found = found.map(|(key, _)| *key);
        delivery.sum = delivery.sum.wrapping_add(found.unwrap_or(11));
        let answer = found.map_or("null".to_owned(), |found| format!("\"{}\"", key(found)));
        let name = format!("\"{}\"", key(at));
        self.syscall(delivery, "vatstoreGetNextKey", &name, true, answer);
    }

    fn device(&mut self, delivery: &mut Delivery) {
        let other = u64::from(self.fires(Kind::Device));
        let told = self.height * 10 + other;
        delivery.sum = delivery.sum.wrapping_add(told);
        let answer = format!(r##"{{"body":"#\"+{told}\"","slots":[]}}"##);
        let arguments = r##""d-70","getTime",{"body":"#[]","slots":[]}"##;
        self.syscall(delivery, "callNow", arguments, false, answer);
    }

    fn send(&mut self, delivery: &mut Delivery, random: &mut Random) {
        let (to, say) = (random.place(VATS), delivery.sum % 500);
        if self.queue.len() < 6 {
            self.queue.push_back((to, say));
        }
        let arguments = format!(
            r##""ko{}",{{"methargs":{{"body":"#[\"say\",[\"+{say}\"]]","slots":[]}},"result":null}}"##,
            20 + to
        );
        self.syscall(delivery, "send", &arguments, false, "null".to_owned());
    }
}
