use super::*;
use crate::message::tests::hello;

fn block(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn site(number: u64, hash: u8) -> Site {
    Site {
        chain: 902.into(),
        number,
        block: block(hash),
        log: 3,
        transaction: B256::repeat_byte(0xaa),
    }
}

fn invalid(incidents: &mut Incidents, site: &Site, at: u64) -> Option<(Record, Step)> {
    let reason = ("no-log".to_owned(), "there is none".to_owned());
    incidents.invalid(site, &Ok(hello().0), reason, at)
}

fn steps(told: Vec<(Record, Step)>) -> Vec<Step> {
    told.into_iter().map(|(_, step)| step).collect()
}

/// The canonical hash of every height.
fn only(hash: u8) -> impl Fn(u64) -> Option<B256> {
    move |_| Some(block(hash))
}

#[test]
fn a_transaction_that_comes_back_is_the_same_incident() {
    let mut incidents = Incidents::default();
    let opened = invalid(&mut incidents, &site(5, 1), 10).unwrap();
    assert_eq!(opened.1, Step::Opened);
    assert_eq!(
        invalid(&mut incidents, &site(5, 1), 11),
        None,
        "the same block"
    );
    let back = invalid(&mut incidents, &site(5, 2), 12).unwrap();
    assert_eq!((back.1, back.0.returns), (Step::CameBack, 1));
    let back = invalid(&mut incidents, &site(9, 3), 13).unwrap();
    assert_eq!((back.0.id, back.0.heights.len()), (opened.0.id, 2));
    let other = Site {
        transaction: B256::ZERO,
        ..site(5, 1)
    };
    assert_eq!(invalid(&mut incidents, &other, 14).unwrap().1, Step::Opened);
}

#[test]
fn only_a_canonical_block_gets_further() {
    let mut incidents = Incidents::default();
    invalid(&mut incidents, &site(5, 1), 10);
    let mut reached = |level, head, hash: u8| {
        let told = incidents.reached(level, head, only(hash), 20);
        steps(told)
    };
    assert!(
        reached(Level::CrossSafe, 4, 1).is_empty(),
        "safe is below it"
    );
    assert!(
        reached(Level::CrossSafe, 9, 2).is_empty(),
        "another block stands there"
    );
    assert_eq!(reached(Level::LocalSafe, 5, 1), [Step::Rose]);
    assert!(
        reached(Level::LocalSafe, 6, 1).is_empty(),
        "it is told once"
    );
    assert_eq!(reached(Level::CrossSafe, 6, 1), [Step::Rose]);
}

#[test]
fn it_ends_when_deposits_only_are_cross_safe_at_every_height() {
    let mut incidents = Incidents::default();
    invalid(&mut incidents, &site(5, 1), 10);
    invalid(&mut incidents, &site(6, 2), 11);
    let mut stands = |number, hash, shape| {
        let hash = Some(block(hash));
        steps(incidents.stands(number, hash, shape, &[], 12))
    };
    assert_eq!(
        stands(5, 7, Shape::DepositsOnly),
        [Step::Changed(Shape::DepositsOnly)]
    );
    assert!(
        stands(5, 7, Shape::DepositsOnly).is_empty(),
        "it is told once"
    );
    assert_eq!(stands(6, 7, Shape::Other), [Step::Changed(Shape::Other)]);
    let ends = |incidents: &mut Incidents, head| {
        steps(incidents.reached(Level::CrossSafe, head, only(7), 13))
    };
    assert!(
        ends(&mut incidents, 9).is_empty(),
        "what stands at 6 is no replacement"
    );
    incidents.stands(6, Some(block(7)), Shape::DepositsOnly, &[], 14);
    incidents.stands(6, Some(block(8)), Shape::DepositsOnly, &[], 14);
    assert!(
        ends(&mut incidents, 9).is_empty(),
        "another block is canonical at 6"
    );
    incidents.stands(6, Some(block(7)), Shape::DepositsOnly, &[], 15);
    assert!(ends(&mut incidents, 5).is_empty(), "6 is not safe yet");
    assert_eq!(ends(&mut incidents, 6), [Step::Ended(End::Replaced)]);
    assert_eq!(incidents.open().count(), 0);
}

#[test]
fn a_block_that_nothing_replaces_is_told_once() {
    let mut incidents = Incidents::default();
    invalid(&mut incidents, &site(5, 1), 10);
    assert!(incidents.overdue(15, 10).is_empty());
    assert_eq!(steps(incidents.overdue(16, 10)), [Step::NotReplaced]);
    assert!(incidents.overdue(17, 10).is_empty());
}

#[test]
fn null_heights_are_told_of_the_block_that_stood_there() {
    let mut incidents = Incidents::default();
    let (record, _) = invalid(&mut incidents, &site(5, 1), 10).unwrap();
    let told = incidents.stands(5, None, Shape::Null, &[], 11);
    assert_eq!(steps(told), [Step::Changed(Shape::Null)]);
    let told = incidents.reached(Level::CrossSafe, 9, |_| None, 12);
    assert!(told.is_empty(), "no block is no replacement");
    let told = incidents.stands(5, Some(block(2)), Shape::Other, &[record.id], 13);
    assert!(
        told.is_empty(),
        "a block that holds it is told when it is judged"
    );
}

#[test]
fn the_same_block_may_stand_there_again() {
    let mut incidents = Incidents::default();
    invalid(&mut incidents, &site(5, 1), 10);
    incidents.stands(5, None, Shape::Null, &[], 11);
    let (record, step) = invalid(&mut incidents, &site(5, 1), 12).unwrap();
    assert_eq!((step, record.returns), (Step::Changed(Shape::Holds), 0));
    let told = incidents.reached(Level::CrossSafe, 5, only(1), 13);
    assert_eq!(steps(told), [Step::Rose]);
}
