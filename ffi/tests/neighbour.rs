//! Another Rust library in the same program: panics, and catches it.

/// 1 if the panic was caught.
#[unsafe(no_mangle)]
pub extern "C" fn neighbour_catches() -> i32 {
    let panicked = std::panic::catch_unwind(|| {
        let text: String = std::env::args().collect();
        std::panic::resume_unwind(Box::new(text))
    });
    i32::from(panicked.is_err())
}
