//! Each target reads its corpus, and for a moment mutations of it.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use haltbox_fuzz::mutate::mutated;
use haltbox_fuzz::{TARGETS, Target};

/// How long a target runs on mutations; with HALTBOX_LONG=1, a minute.
const MOMENT: Duration = Duration::from_millis(700);
const LONG: Duration = Duration::from_secs(60);

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let kept = files
        .iter()
        .map(|path| std::fs::read(path).expect("a file of the corpus"));
    kept.chain((target.seeds)()).collect()
}

fn seed() -> u64 {
    let set = std::env::var("HALTBOX_SEED").ok();
    set.and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..))
}

fn check(target: &Target, input: &[u8], seed: u64) {
    let ran = catch_unwind(|| (target.run)(input));
    assert!(
        ran.is_ok(),
        "target {} failed; HALTBOX_SEED={seed}; the input in hex: {}",
        target.name,
        hex::encode(input)
    );
}

#[test]
fn targets_read_their_corpus_and_mutations_of_it() {
    let seed = seed();
    let long = std::env::var_os("HALTBOX_LONG").is_some();
    let moment = if long { LONG } else { MOMENT };
    println!("HALTBOX_SEED={seed}");
    for target in TARGETS {
        let corpus = corpus(target);
        assert!(
            !corpus.is_empty(),
            "{} has no input to start from",
            target.name
        );
        corpus.iter().for_each(|input| check(target, input, seed));
        let mut random = Rng::with_seed(seed);
        let (began, mut runs) = (Instant::now(), 0_u64);
        while began.elapsed() < moment {
            let input = &corpus[random.usize(..corpus.len())];
            let other = &corpus[random.usize(..corpus.len())];
            check(target, &mutated(input, other, &mut random), seed);
            runs += 1;
        }
        println!("{}: {} inputs, {runs} mutations", target.name, corpus.len());
    }
}
