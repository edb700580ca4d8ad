//! The short form: some hundred pairs of either kind. `haltbox-audit` asks as many as one
//! likes.

use haltbox_audit::run::{Order, run, seed_or};
use haltbox_audit::tally::Tally;

const PAIRS: u64 = 700;

fn asked(guilty: bool) -> Tally {
    let seed = seed_or(20);
    println!("seed {seed} (HALTBOX_SEED changes it)");
    let order = Order {
        seed,
        pairs: PAIRS,
        guilty,
    };
    let tally = run(order, 2).expect("files can be written");
    tally.print(if guilty { "one difference" } else { "honest" }, false);
    assert!(tally.pairs > PAIRS * 9 / 10, "few pairs could be made");
    tally
}

#[test]
fn nobody_honest_is_accused() {
    let tally = asked(false);
    assert_eq!(tally.wrong(), 0, "{:#?}", tally.failures);
}

#[test]
fn no_difference_is_called_identical() {
    let tally = asked(true);
    assert_eq!(tally.wrong(), 0, "{:#?}", tally.failures);
}
