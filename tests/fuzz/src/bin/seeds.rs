//! Writes what a target starts from into a folder, for libFuzzer: `seeds TARGET FOLDER`.

use std::path::Path;
use std::process::ExitCode;

use haltbox_fuzz::target;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = arguments.as_slice() else {
        eprintln!("usage: seeds TARGET FOLDER");
        return ExitCode::from(2);
    };
    let Some(target) = target(name) else {
        eprintln!("no target is named {name}");
        return ExitCode::from(2);
    };
    for (at, seed) in (target.seeds)().iter().enumerate() {
        let path = Path::new(folder).join(format!("seed-{at}"));
        if let Err(error) = std::fs::write(&path, seed) {
            eprintln!("cannot write {}: {error}", path.display());
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
