//! Programs that some tests need, and that a machine may not have.

/// Whether this program is on PATH. A test without it says so and is left out;
/// on a CI machine that is a failure, or nobody would see that nothing is tested.
pub fn toolchain(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|folder| folder.join(name).is_file());
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(found || !ci, "no `{name}` on PATH, and this is CI");
    if !found {
        println!("left out: there is no `{name}` on PATH");
    }
    found
}
