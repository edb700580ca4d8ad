//! What machine and boot this is.

use std::fs;

/// BLAKE3 of the machine's id, keyed by use, so that the id itself is never
/// told; zero where the machine has none (some containers).
pub fn machine() -> [u8; 32] {
    let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .find(|text| !text.is_empty());
    match id {
        Some(id) => blake3::derive_key("haltbox ring machine", id.as_bytes()),
        None => [0; 32],
    }
}

/// The kernel's boot id as text; empty where it cannot be read.
pub fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// The boot id's 16 bytes; zero where it cannot be read.
pub fn boot_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    let text = boot();
    let digits: Vec<u8> = text
        .bytes()
        .filter_map(|digit| (digit as char).to_digit(16))
        .map(|d| d as u8)
        .collect();
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    bytes
}

/// Fresh random bytes from the kernel.
pub fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    use std::io::Read;
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
