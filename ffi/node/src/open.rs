//! `open(dir, size, background, archiveBytes, engine)`: takes texts from the environment
//! and returns a recorder.

use std::path::Path;
use std::rc::Rc;

use haltbox_model::size::{SizeError, parse_size};
use haltbox_model::{Profile, ProfileError};
use haltbox_recorder::host::{
    Background, DEFAULT_SIZE, HostError, HostErrorKind, HostRecorder, Options,
};
use haltbox_recorder::ring::engine::{Engine, NoEngine};
use thiserror::Error;

use crate::js::{Env, Method, Value};
use crate::sender::Sender;

/// Size of the archive in bytes, if the environment does not set it.
const DEFAULT_ARCHIVE: u64 = 2 << 30;

/// An error that is thrown to JavaScript.
pub(crate) struct Refusal {
    /// Distinguishes the causes. `LOCKED` may be over in a moment.
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl From<SettingError> for Refusal {
    fn from(error: SettingError) -> Refusal {
        Refusal {
            code: "SETTING",
            message: error.to_string(),
        }
    }
}

impl From<HostError> for Refusal {
    fn from(error: HostError) -> Refusal {
        let code = match error.kind() {
            HostErrorKind::Locked => "LOCKED",
            _ => "REFUSED",
        };
        let message = error.to_string();
        Refusal { code, message }
    }
}

/// Opens the recorder and returns it to JavaScript.
pub(crate) fn open(env: &Env, arguments: &[Value]) -> Result<Value, Refusal> {
    let setting = |at: usize| env.setting(arguments.get(at));
    let texts = [0, 1, 2, 3, 4].map(setting);
    let options = options(texts.each_ref().map(String::as_str));
    let (recorder, notices) = HostRecorder::open(options?)?;
    let sender = Rc::new(Sender::new(recorder));
    let given = give(env, &sender, &notices);
    given.ok_or_else(|| Refusal {
        code: "NODE",
        message: "Node.js could not create an object for the recorder".to_owned(),
    })
}

/// Why a variable of the environment cannot be used.
#[derive(Debug, Error)]
enum SettingError {
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("{name}: {why}")]
    Size { name: &'static str, why: SizeError },
    #[error("{name}: expected 1 or 0, found {other:?}")]
    Switch { name: &'static str, other: String },
    #[error("HALTBOX_ENGINE: {0}")]
    Engine(NoEngine),
}

/// The options. An empty text means that the environment does not set the value.
fn options([dir, size, background, archive, engine]: [&str; 5]) -> Result<Options, SettingError> {
    let profile = Profile::builtin("agoric")?;
    let archive_bytes = bytes("HALTBOX_ARCHIVE_BYTES", archive, DEFAULT_ARCHIVE)?;
    let background = is_on("HALTBOX_BACKGROUND", background)?.then(|| Background {
        archive_bytes,
        ..Background::default()
    });
    Ok(Options {
        size: bytes("HALTBOX_SIZE", size, DEFAULT_SIZE)?,
        background,
        engine: Engine::by_name(engine).map_err(SettingError::Engine)?,
        ..Options::new(Path::new(dir), profile)
    })
}

fn bytes(name: &'static str, text: &str, default: u64) -> Result<u64, SettingError> {
    match text {
        "" => Ok(default),
        text => parse_size(text).map_err(|why| SettingError::Size { name, why }),
    }
}

fn is_on(name: &'static str, text: &str) -> Result<bool, SettingError> {
    match text {
        "" | "1" => Ok(true),
        "0" => Ok(false),
        other => Err(SettingError::Switch {
            name,
            other: other.to_owned(),
        }),
    }
}

fn give(env: &Env, sender: &Rc<Sender>, notices: &[String]) -> Option<Value> {
    let given = env.object()?;
    let methods: [(&str, Method<Sender>); 3] = [
        ("record", Sender::record),
        ("stats", Sender::stats),
        ("close", Sender::close),
    ];
    for (name, method) in methods {
        env.set_method(given, name, method, sender)?;
    }
    env.set(given, "notices", env.texts(notices)?)?;
    Some(given)
}
