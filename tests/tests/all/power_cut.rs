use std::collections::BTreeMap;

use haltbox_format::Lane;
use haltbox_format::ring::{Flags, Found, RecordCursor, RingView};
use haltbox_recorder::ring::file::{RingOptions, open};
use haltbox_tests::*;

const RING: u64 = 4 << 20;

/// Snapshots of one ring while it is written over and over.
fn snapshots(folder: &std::path::Path) -> (Vec<Vec<u8>>, u64) {
    let path = folder.join("ring");
    let options = RingOptions {
        size: RING,
        in_host: false,
        engine: None,
    };
    let mut writer = open(&path, &options).expect("a ring").writer;
    let mut payload = Vec::new();
    // Headers are blank in the first: pages that never came to the disk.
    let mut taken = vec![std::fs::read(&path).expect("the ring's bytes")];
    for part in 0..4 {
        for _ in 0..700 + 900 * part {
            record_bytes(writer.next_counter(Lane::Main), &mut payload);
            writer.append(Lane::Main, Flags::default(), &[], &payload);
        }
        taken.push(std::fs::read(&path).expect("the ring's bytes"));
    }
    (taken, writer.next_counter(Lane::Main))
}

/// Pages, or sectors, of one file as they stood at different times.
fn mixed(snapshots: &[Vec<u8>], unit: usize, random: &mut Random) -> Vec<u8> {
    let mut image = Vec::with_capacity(snapshots[0].len());
    while image.len() < snapshots[0].len() {
        let from = &snapshots[random.below(snapshots.len() as u64) as usize];
        image.extend_from_slice(&from[image.len()..(image.len() + unit).min(from.len())]);
    }
    image
}

/// Where each record of one fragment stands in the snapshots, found without
/// the production scan: by its own bytes.
fn whereabouts(snapshots: &[Vec<u8>]) -> BTreeMap<u64, (usize, Vec<u8>)> {
    let mut places = BTreeMap::new();
    for snapshot in snapshots {
        let view = RingView::read(snapshot).expect("a clean ring");
        for run in &view.lane(Lane::Main).runs {
            let base = view.geometry.offset(run.segment) as usize;
            let mut at = run.from;
            for counter in run.first..=run.last {
                let word = &snapshot[base + at + 8..base + at + 12];
                let meta = u32::from_le_bytes(word.try_into().expect("four bytes"));
                let length = (meta & 0xF_FFFF) as usize;
                let bytes = snapshot[base + at..base + at + 16 + length].to_vec();
                places.insert(counter, (base + at, bytes));
                at += 16 + length.next_multiple_of(16);
            }
        }
    }
    places
}

#[test]
fn every_intact_record_of_a_mixed_image_is_found_and_nothing_else() {
    let images = if long() { 10_000 } else { 200 };
    let folder = tempfile::tempdir().expect("a folder");
    let (taken, written) = snapshots(folder.path());
    let places = whereabouts(&taken);
    let mut random = Random::seeded(23);
    let (mut found_all, mut intact_all, mut holes) = (0_u64, 0_u64, 0_u64);
    for number in 0..images {
        let unit = if number % 2 == 0 { 4096 } else { 512 };
        let image = mixed(&taken, unit, &mut random);
        let Ok(view) = RingView::read(&image) else {
            panic!("image {number}: superblocks are written once and cannot be mixed");
        };
        let lane = view.lane(Lane::Main);
        let found: Vec<(u64, u64)> = lane
            .runs
            .iter()
            .chain(&lane.strays)
            .map(|run| (run.first, run.last))
            .collect();
        let newest = lane.runs.last().map(|run| run.last);
        assert!(
            lane.strays.iter().all(|stray| Some(stray.last) < newest),
            "image {number}: the newest records are set aside"
        );
        let is_found = |counter: u64| found.iter().any(|(a, b)| (*a..=*b).contains(&counter));
        for (counter, (at, bytes)) in &places {
            if image[*at..*at + bytes.len()] == bytes[..] {
                intact_all += 1;
                assert!(
                    is_found(*counter),
                    "image {number}: record {counter} is intact, not found"
                );
            }
        }
        holes += lane.gaps().len() as u64;
        found_all += check_delivered(&image, &view, written, number);
    }
    println!("{images} images: {intact_all} intact, {found_all} delivered, {holes} holes reported");
    assert!(intact_all > 1000);
}

/// Everything delivered is what was written; everything missing is reported.
fn check_delivered(image: &Vec<u8>, view: &RingView, written: u64, number: u64) -> u64 {
    let mut cursor = RecordCursor::new(image, view, Lane::Main);
    // The oldest record's first fragments may have been overwritten.
    let mut next = None;
    let (mut count, mut expected) = (0, Vec::new());
    while let Some(found) = cursor.next().expect("memory") {
        let (from, to) = match found {
            Found::Record(record) => {
                count += 1;
                assert!(record.last < written);
                if record.counter == record.last {
                    record_bytes(record.counter, &mut expected);
                    assert!(
                        record.payload == expected,
                        "image {number}: {} wrong",
                        record.counter
                    );
                }
                (record.counter, record.last)
            }
            Found::Gap { from, to, .. } | Found::Torn { from, to } => (from, to),
            Found::Overrun { .. } => panic!("image {number}: nobody writes"),
        };
        assert!(
            next.is_none_or(|next| from <= next),
            "image {number}: {next:?} to {from} went unreported"
        );
        next = next.max(Some(to + 1));
    }
    count
}

/// A writer goes on after a power cut, and what was there stays.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_writer_goes_on_after_a_power_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let (taken, _) = snapshots(folder.path());
    let mut random = Random::seeded(29);
    for number in 0..if long() { 2000 } else { 60 } {
        let image = mixed(&taken, 4096, &mut random);
        let before = RingView::read(&image)
            .expect("a ring")
            .lane(Lane::Main)
            .next_counter();
        let path = folder.path().join(format!("cut-{number}"));
        std::fs::write(&path, &image).expect("an image");
        let mut opened = open(
            &path,
            &RingOptions {
                size: RING,
                in_host: false,
                engine: None,
            },
        )
        .expect("it opens");
        assert!(opened.aside.is_empty(), "{:?}", opened.notices);
        let mut payload = Vec::new();
        for _ in 0..50 {
            let counter = opened.writer.next_counter(Lane::Main);
            assert!(counter >= before, "counters are never used again");
            record_bytes(counter, &mut payload);
            opened
                .writer
                .append(Lane::Main, Flags::default(), &[], &payload);
        }
        drop(opened);
        let after = std::fs::read(&path).expect("the ring's bytes");
        let view = RingView::read(&after).expect("a ring");
        let newest = view.lane(Lane::Main).runs.last().expect("records");
        assert!(newest.last + 1 >= before + 50);
        check_delivered(&after, &view, newest.last + 1, number);
    }
}
