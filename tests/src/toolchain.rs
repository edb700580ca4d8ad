//! Programs that some tests need, and that a machine may not have. Such a test is
//! `#[ignore]`d with the reason; who asks for it is told what is missing.

/// Fails unless this program is on PATH.
///
/// # Panics
///
/// Without the program: a test that returned would count as passed.
#[track_caller]
pub fn needs(name: &str) {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|folder| folder.join(name).is_file());
    assert!(found, "this test needs `{name}`, which is not on PATH");
}
