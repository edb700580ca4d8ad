//! A host that links the recorder: executes blocks, hears what the network
//! decided, and is told where the black box is when it was wrong.
//!
//! ```sh
//! cargo run -p haltbox-recorder --example embed -- /tmp/embed
//! haltbox cat /tmp/embed
//! ```

use std::error::Error;
use std::path::PathBuf;

use haltbox_format::AppHash;
use haltbox_model::Profile;
use haltbox_recorder::host::{Agreement, HostRecorder, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: embed FOLDER")?;
    let options = Options {
        size: 16 << 20,
        ..Options::new(&PathBuf::from(dir), Profile::builtin("host")?)
    };
    let (recorder, notices) = HostRecorder::open(options)?;
    notices.iter().for_each(|notice| println!("note: {notice}"));
    let first = recorder.stats()?.head + 1;
    for height in first..first + 5 {
        let app_hash = execute(&recorder, height)?;
        // In a real node this comes with the header of the next height.
        let network = if height == first + 4 {
            app_hash_of(0)
        } else {
            app_hash
        };
        if recorder.confirm(height, network)? == Agreement::Differs {
            recorder.diverged(height, app_hash, network, "AppHash")?;
            let frozen = recorder.freeze(Some(height))?;
            println!("{}", frozen.path.display());
            println!("quote {}", frozen.quote());
        }
    }
    Ok(())
}

/// One block with one transaction, which reads and writes.
fn execute(recorder: &HostRecorder, height: u64) -> Result<AppHash, Box<dyn Error>> {
    recorder.begin_block(height, 1_732_196_000_000_000_000, None)?;
    for entry in [
        r#"{"type":"tx-begin","tx":0,"digest":"5c1d"}"#.to_owned(),
        r#"{"type":"op-read","tx":0,"op":0,"store":"bank","key":"616c696365","value":"0f"}"#
            .to_owned(),
        format!(
            r#"{{"type":"op-write","tx":0,"op":1,"store":"bank","key":"626f62","value":"{height:02x}"}}"#
        ),
        r#"{"type":"tx-result","tx":0,"code":0,"gasWanted":2000,"gasUsed":1500,"data":null}"#
            .to_owned(),
    ] {
        recorder.record(entry.as_bytes())?;
    }
    let app_hash = app_hash_of(height);
    recorder.end_block(height, Some(app_hash))?;
    recorder.commit(height, Some(app_hash))?;
    Ok(app_hash)
}

fn app_hash_of(height: u64) -> AppHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&height.to_le_bytes());
    AppHash::new(&bytes).unwrap_or_else(|| unreachable!("32 bytes are an AppHash"))
}
