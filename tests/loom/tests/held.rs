//! The lines of the product for which something else stands in the models. Whoever changes
//! one looks whether `src/stand_in.rs` still does the same.

use std::fs;
use std::path::Path;

/// A file of the product, with one space in the place of each run of white space.
fn source(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join(path)).expect("a source of the product");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is between two texts.
fn between<'a>(text: &'a str, from: &str, until: &str) -> &'a str {
    let (_, rest) = text.split_once(from).expect("the beginning");
    rest.split_once(until).expect("the end").0
}

/// `Surface::put_record`, `publish` and `write` of the stand-in.
#[test]
fn the_map_stores_as_the_stand_in_does() {
    let map = source("recorder/src/ring/map.rs");
    let put = between(&map, "pub fn put_record(", "/// Requests the cache lines");
    assert_eq!(
        between(put, "unsafe { ", " } stored(); true }"),
        "let record = self.pages.raw.as_mut_ptr().add(offset); let body = record.add(16); \
         if !prefix.is_empty() { std::ptr::copy_nonoverlapping(prefix.as_ptr(), body, prefix.len()); } \
         std::ptr::copy_nonoverlapping(payload.as_ptr(), body.add(prefix.len()), payload.len()); stored(); \
         record.cast::<u64>().write(sequence.to_le()); stored(); \
         AtomicU64::from_ptr(record.add(8).cast()).store(commit.to_le(), Ordering::Release);"
    );
    let publish = between(&map, "pub fn publish(", "nix::ioctl_read!");
    assert!(publish.contains("target.store(word.to_le(), Ordering::Release); stored(); true }"));
    assert_eq!(map.matches("Ordering::Release").count(), 2, "other stores");
    let write = between(&map, "pub fn write(", "/// Writes a record at");
    assert_eq!(write.matches("copy_nonoverlapping").count(), 1);
    let surface = source("recorder/src/ring/surface.rs");
    for call in [
        "write(offset, bytes)",
        "publish(offset, word)",
        "put_record(offset, head, prefix, payload)",
    ] {
        assert!(
            surface.contains(&format!("Surface::Mapped(map) => map.{call},")),
            "{call}"
        );
    }
}

/// `Source` of the stand-in: each read is one system call.
#[test]
fn a_file_is_read_by_calls() {
    let read_at = source("recorder/format/src/read_at.rs");
    let file = between(
        &read_at,
        "impl ReadAt for File {",
        "impl ReadAt for Vec<u8>",
    );
    assert!(file.contains("FileExt::read_at(self, buf, offset)"));
}

/// `Locked::take_over` of the model: as each call of a host begins.
#[test]
fn a_call_takes_over_as_the_model_does() {
    let recorder = source("recorder/src/recorder.rs");
    let take = between(&recorder, "fn take_laid(", "fn append(");
    assert!(take.contains("while let Some(laid) = self.writer.next_laid() {"));
    assert!(take.contains("self.writer.bytes_of(&laid)"));
    let append = between(&recorder, "fn append(", "let flags");
    assert!(append.contains("if lane == Lane::Main { self.writer.end_lending(); }"));
}

/// `Host::lay` of the model.
#[test]
fn the_go_host_lays_as_the_model_does() {
    let span = source("ffi/go/internal/api/ring_records.go");
    let finish = between(&span, "func (s *Span) finish(", "// prefetch");
    let steps = [
        "binary.LittleEndian.PutUint64(record, s.sequence^s.key)",
        "publish.Word((*uint64)(unsafe.Pointer(&record[8])), word)",
        "publish.Word(s.laid, uint64(s.at))",
    ];
    let places = steps.map(|step| finish.find(step).unwrap_or_else(|| panic!("no {step}")));
    assert!(places.is_sorted(), "other order");
}
