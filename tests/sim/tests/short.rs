//! The simulator finds nothing in the recorder as it is.

use std::process::{Child, Command, Stdio};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How long a simulation goes on.
#[derive(Clone, Copy)]
enum Until {
    /// The same rounds on every machine.
    Rounds(u64),
    Seconds(u64),
}

/// One simulation runs in a process: as many processes as there are cores.
fn start(seed: u64, until: Until) -> Child {
    let (rounds, seconds) = match until {
        Until::Rounds(rounds) => (rounds, u64::MAX),
        Until::Seconds(seconds) => (u64::MAX, seconds),
    };
    let mut sim = Command::new(env!("CARGO_BIN_EXE_haltbox-sim"));
    sim.args(["--steps", "250", "--rounds", &rounds.to_string()]);
    sim.args(["--seed", &seed.to_string()]);
    sim.args(["--seconds", &seconds.to_string()]);
    sim.stdout(Stdio::piped()).spawn().expect("it starts")
}

#[test]
fn nothing_is_found_in_the_recorder_as_it_is() {
    let seed = number("HALTBOX_SEED").unwrap_or(100);
    println!("seed {seed} (HALTBOX_SEED changes it)");
    let until = match std::env::var_os("HALTBOX_LONG") {
        Some(_) => Until::Seconds(60 * number("HALTBOX_MINUTES").unwrap_or(10)),
        None => Until::Rounds(16),
    };
    let all: Vec<Child> = (0..2).map(|core| start(seed + core, until)).collect();
    let mut failed = Vec::new();
    for child in all {
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{told}");
        if !output.status.success() {
            failed.push(told);
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
