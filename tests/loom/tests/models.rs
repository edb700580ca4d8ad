//! Each protocol in every order of its steps, and with a step taken out.

use haltbox_loom::Bounds;
use haltbox_loom::product::{
    births, populate, queue, queue_that_settles_early, queue_without_wake, ring,
    ring_that_takes_twice, ring_with_old_laid, ring_with_relaxed_laid, ring_without_fence,
    ring_without_zero,
};
use haltbox_loom::stand_in::{Reading, Stores};
use loom::sync::atomic::Ordering;

#[test]
fn a_reused_segment_gives_a_reader_nothing_torn_and_nothing_of_another_filling() {
    ring::model::reuse(Bounds::few(1), Stores::REAL, Reading::Calls);
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_reused_segment_in_more_orders() {
    let two = Bounds {
        records: 2,
        ..Bounds::few(1)
    };
    ring::model::reuse(two, Stores::REAL, Reading::Calls);
    ring::model::reuse(Bounds::few(2), Stores::REAL, Reading::Calls);
}

#[test]
#[should_panic(expected = "a sound header counts as damaged")]
fn a_reader_that_believes_one_copy_of_a_header_is_wrong() {
    ring::model::reuse(Bounds::few(1), Stores::REAL, Reading::Believing);
}

#[test]
#[should_panic(expected = "lost its first records")]
fn a_reader_that_does_not_read_headers_again_is_wrong() {
    ring::model::reuse(Bounds::few(1), Stores::REAL, Reading::Once);
}

#[test]
#[should_panic(expected = "lost its first records")]
fn a_segment_begun_without_a_fence_is_called_damaged() {
    ring_without_fence::model::reuse(Bounds::few(1), Stores::REAL, Reading::Calls);
}

#[test]
#[should_panic(expected = "lost its first records")]
fn a_segment_begun_without_generation_0_is_called_damaged() {
    ring_without_zero::model::reuse(Bounds::few(1), Stores::REAL, Reading::Calls);
}

#[test]
fn a_mark_is_seen_behind_its_records() {
    ring::model::marks(Bounds::few(2), Stores::REAL, Reading::Calls);
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_mark_in_every_order() {
    ring::model::marks(Bounds::ALL, Stores::REAL, Reading::Calls);
}

#[test]
#[should_panic(expected = "marks, but")]
fn a_relaxed_commit_word_shows_a_mark_before_its_records() {
    let stores = Stores {
        commit: Ordering::Relaxed,
        ..Stores::REAL
    };
    ring::model::marks(Bounds::few(2), stores, Reading::Calls);
}

#[test]
#[should_panic(expected = "marks, but")]
fn calls_without_an_order_show_a_mark_before_its_records() {
    ring::model::marks(Bounds::few(2), Stores::REAL, Reading::Unordered);
}

#[test]
fn what_a_host_lays_is_taken_over_once_whole_and_in_order() {
    ring::model::lending(Bounds::ALL);
}

#[test]
fn nothing_laid_behind_the_end_is_taken_over() {
    ring::model::late_host(Bounds::ALL);
}

#[test]
#[should_panic(expected = "taken over")]
fn a_relaxed_count_takes_over_what_is_not_there_yet() {
    ring_with_relaxed_laid::model::lending(Bounds::ALL);
}

#[test]
#[should_panic(expected = "taken over")]
fn the_count_of_the_lending_before_takes_over_what_is_not_there() {
    ring_with_old_laid::model::lending(Bounds::ALL);
}

#[test]
#[should_panic(expected = "half-written")]
fn a_record_that_is_not_counted_as_taken_is_noticed() {
    ring_that_takes_twice::model::lending(Bounds::ALL);
}

#[test]
fn pages_are_made_present_inside_the_file_alone() {
    populate::model::heads(Bounds::ALL);
}

#[test]
fn who_waited_for_the_queue_finds_all_in_the_file() {
    queue::model::settled(Bounds::ALL);
}

#[test]
#[should_panic(expected = "not in the file")]
fn a_wait_that_overlooks_the_thread_is_noticed() {
    queue_that_settles_early::model::settled(Bounds::ALL);
}

#[test]
fn a_sleeping_thread_wakes_for_what_is_put() {
    queue::model::woken(Bounds::ALL);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_put_that_wakes_nobody_is_noticed() {
    queue_without_wake::model::woken(Bounds::ALL);
}

#[test]
fn all_threads_of_a_process_give_it_one_number() {
    births::model::numbers(Bounds::ALL);
}
