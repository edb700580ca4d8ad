//! What Agoric's context-aware-slog makes of a slog: its `makeContextualSlogProcessor`
//! and `serializeSlogObj` (the npm package @agoric/telemetry 0.7.0), statement by
//! statement, on the text of the values. tests/data holds what the package itself made
//! of an excerpt, and a test holds this to that.

use haltbox_model::json;

/// A value's JSON, or `undefined`.
type Value = Option<String>;

/// An object as JavaScript spreads it: a name keeps its first place, the last value
/// counts.
#[derive(Clone, Debug, Default)]
struct Object(Vec<(String, Value)>);

impl Object {
    fn of<const N: usize>(members: [(&str, Value); N]) -> Object {
        let members = members.into_iter();
        Object(
            members
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => *own = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn spread(&mut self, other: Option<&Object>) {
        for (name, value) in other.into_iter().flat_map(|other| &other.0) {
            self.set(name, value.clone());
        }
    }

    fn get(&self, name: &str) -> Value {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.and_then(|(_, value)| value.clone())
    }

    fn take(&mut self, name: &str) -> Value {
        let at = self.0.iter().position(|(own, _)| own == name)?;
        self.0.remove(at).1
    }

    fn json(&self) -> String {
        let told = self.0.iter();
        let told = told.filter_map(|(name, value)| Some(format!("\"{name}\":{}", value.as_ref()?)));
        format!("{{{}}}", told.collect::<Vec<_>>().join(","))
    }
}

/// The sender. Its contexts are those of the original.
#[derive(Default)]
pub struct ContextSender {
    block: Option<Object>,
    crank: Option<Object>,
    init: Option<Object>,
    persisted: Option<Object>,
    replay: Option<Object>,
    trigger: Option<Object>,
}

/// What the sender writes of a slog: entries that it throws at are left out, as
/// `makeSlogSender` does.
pub fn wrap(slog: &[u8]) -> Vec<u8> {
    let mut sender = ContextSender::default();
    let mut out = Vec::new();
    for line in slog.split(|byte| *byte == b'\n') {
        if let Some(line) = sender.line(line) {
            out.extend(line);
            out.push(b'\n');
        }
    }
    out
}

fn is_truthy(value: &Value) -> bool {
    let value = value.as_deref();
    !matches!(value, None | Some("null" | "false" | "0" | "-0" | "\"\""))
}

fn text(value: &str) -> Value {
    Some(format!("\"{value}\""))
}

/// As `${value}` prints it.
fn printed(value: &Value) -> String {
    match value {
        None => "undefined".to_owned(),
        Some(value) => value.trim_matches('"').to_owned(),
    }
}

/// As `Number(text)`, and JSON of that.
fn number(text: Option<&str>) -> Value {
    match text.map(str::trim) {
        Some("") => Some("0".to_owned()),
        Some(text) => Some(match text.parse::<u64>() {
            Ok(number) => number.to_string(),
            Err(_) => "null".to_owned(),
        }),
        None => Some("null".to_owned()),
    }
}

impl ContextSender {
    /// The line for an entry; `None`: it throws, or this is no entry.
    pub fn line(&mut self, entry: &[u8]) -> Option<Vec<u8>> {
        let members: Result<Vec<_>, _> = json::members(entry).collect();
        let mut body = Object::default();
        for member in members.ok()? {
            let name = String::from_utf8(member.key.to_vec()).ok()?;
            let value = String::from_utf8(member.value.to_vec()).ok()?;
            body.set(&name, Some(value));
        }
        let (monotime, time) = (body.take("monotime"), body.take("time"));
        let kind = printed(&body.get("type"));
        let original = body.clone();
        let number = self.before(&kind, &original, &mut body)?;
        let mut attributes = Object::of([("chain-id", text("agoric-3"))]);
        for context in [
            &self.init,
            &self.block,
            &self.trigger,
            &self.crank,
            &self.replay,
        ] {
            attributes.spread(context.as_ref());
        }
        attributes.spread(number.as_ref());
        attributes.set("process.uptime", monotime);
        self.after(&kind, &original)?;
        let line = Object::of([
            ("body", Some(body.json())),
            ("attributes", Some(attributes.json())),
            ("time", time),
        ]);
        Some(line.json().into_bytes())
    }

    /// Its first switch. `None`: an assertion does not hold.
    fn before(&mut self, kind: &str, entry: &Object, body: &mut Object) -> Option<Option<Object>> {
        let get = |name: &str| entry.get(name);
        match kind {
            "kernel-init-start" => {
                self.init = Some(Object::of([("init", Some("true".to_owned()))]));
            }
            "cosmic-swingset-begin-block" => {
                let members = [
                    ("block.height", get("blockHeight")),
                    ("block.time", get("blockTime")),
                ];
                self.block = Some(Object::of(members));
            }
            "cosmic-swingset-bootstrap-block-start" => {
                let height = get("blockHeight");
                let height = match is_truthy(&height) {
                    true => height,
                    false => Some("0".to_owned()),
                };
                let members = [("block.height", height), ("block.time", get("blockTime"))];
                self.block = Some(Object::of(members));
            }
            "cosmic-swingset-end-block-start"
            | "cosmic-swingset-end-block-finish"
            | "cosmic-swingset-bootstrap-block-finish"
            | "cosmic-swingset-commit-start"
            | "cosmic-swingset-commit-finish"
            | "cosmic-swingset-after-commit-stats" => {
                (self.block.is_some() && self.trigger.is_none()).then_some(())?;
            }
            "cosmic-swingset-bridge-inbound" | "cosmic-swingset-deliver-inbound" => {
                let trigger = if kind.contains("bridge") {
                    "bridge"
                } else {
                    "deliver"
                };
                self.trigger = Some(inbound(trigger, entry)?);
            }
            "cosmic-swingset-install-bundle" => {
                self.trigger = Some(inbound("install-bundle", entry)?);
            }
            "cosmic-swingset-timer-poll" => {
                let id = format!("timer-poll-{}", printed(&get("blockHeight")));
                self.trigger = Some(Object::of([
                    ("run.num", None),
                    ("run.id", text(&id)),
                    ("run.trigger.type", text("timer-poll")),
                    ("run.trigger.time", get("blockTime")),
                    ("run.trigger.blockHeight", get("blockHeight")),
                ]));
            }
            "cosmic-swingset-run-start" => self.run_start(entry)?,
            "crank-start" => {
                self.crank = Some(Object::of([
                    ("crank.num", get("crankNum")),
                    ("crank.type", get("crankType")),
                ]));
            }
            "clist" => self.crank.as_mut()?.set("crank.vatID", get("vatID")),
            "start-replay" | "finish-replay" => {
                self.replay = Some(Object::of([
                    ("replay", Some("true".to_owned())),
                    ("crank.vatID", get("vatID")),
                ]));
            }
            "deliver" => {
                let replayed = is_truthy(&get("replay"));
                let context = match &mut self.replay {
                    Some(replay) => replayed.then_some(replay)?,
                    None => self.crank.as_mut().filter(|_| !replayed)?,
                };
                context.set("crank.vatID", get("vatID"));
                context.set("crank.deliveryNum", get("deliveryNum"));
                drop_members(body, &["deliveryNum", "replay"]);
            }
            "deliver-result" => drop_members(body, &["deliveryNum", "replay"]),
            "syscall" | "syscall-result" => {
                drop_members(body, &["deliveryNum", "replay", "syscallNum"]);
                return Some(Some(Object::of([("crank.syscallNum", get("syscallNum"))])));
            }
            "console" => drop_members(body, &["crankNum", "deliveryNum"]),
            _ => {}
        }
        Some(None)
    }

    fn run_start(&mut self, entry: &Object) -> Option<()> {
        let number = entry.get("runNum");
        if !is_truthy(&number) {
            self.trigger.is_none().then_some(())?;
            self.trigger.clone_from(&self.persisted);
        } else if self.trigger.is_none() {
            self.block.is_some().then_some(())?;
            let height = entry.get("blockHeight");
            let id = format!("unknown-{}-{}", printed(&height), printed(&number));
            self.trigger = Some(Object::of([
                ("run.num", None),
                ("run.id", text(&id)),
                ("run.trigger.type", text("unknown")),
                ("run.trigger.blockHeight", height),
            ]));
        }
        let trigger = self.trigger.get_or_insert_default();
        trigger.set("run.num", text(&printed(&number)));
        Some(())
    }

    /// Its second switch.
    fn after(&mut self, kind: &str, entry: &Object) -> Option<()> {
        match kind {
            "kernel-init-finish" => self.init = None,
            "cosmic-swingset-bootstrap-block-start" => {
                let id = format!("bootstrap-{}", printed(&entry.get("blockTime")));
                self.trigger = Some(Object::of([
                    ("run.num", None),
                    ("run.id", text(&id)),
                    ("run.trigger.type", text("bootstrap")),
                    ("run.trigger.time", entry.get("blockTime")),
                ]));
            }
            "cosmic-swingset-after-commit-stats" | "cosmic-swingset-bootstrap-block-finish" => {
                self.block = None;
            }
            "cosmic-swingset-run-finish" => {
                let trigger = self.trigger.take()?;
                let beans = entry.get("remainingBeans");
                let left = beans.and_then(|beans| beans.parse::<f64>().ok());
                self.persisted = Some(match left.is_some_and(|left| left > 0.0) {
                    true => Object::default(),
                    false => trigger,
                });
            }
            "crank-finish" => self.crank = None,
            "finish-replay" => self.replay = None,
            _ => {}
        }
        Some(())
    }
}

fn drop_members(body: &mut Object, names: &[&str]) {
    for name in names {
        body.take(name);
    }
}

/// The context of an input. Anything but text throws at `split`.
fn inbound(trigger: &str, entry: &Object) -> Option<Object> {
    let number_text = entry.get("inboundNum");
    let own = match is_truthy(&number_text) {
        true => number_text.as_ref()?.strip_prefix('"')?.strip_suffix('"')?,
        false => "",
    };
    let mut parts = own.split('-');
    let (height, hash, index) = (parts.next(), parts.next(), parts.next());
    let id = format!("{trigger}-{}", printed(&number_text));
    let mut context = Object::of([
        ("run.num", None),
        ("run.id", text(&id)),
        ("run.trigger.type", text(trigger)),
    ]);
    match trigger {
        "install-bundle" => {
            context.set("run.trigger.bundleHash", entry.get("endoZipBase64Sha512"));
        }
        _ => {
            context.set("run.trigger.source", entry.get("source"));
            context.set("run.trigger.sender", entry.get("sender"));
        }
    }
    context.set("run.trigger.blockHeight", number(height));
    context.set("run.trigger.txHash", hash.and_then(text));
    context.set("run.trigger.msgIdx", number(index));
    Some(context)
}
