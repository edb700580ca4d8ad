//! Facts about the machine, its boot and the node's executable.

mod build_info;

use std::fs;
use std::io;
use std::path::Path;

use haltbox_format::Digest;
use haltbox_format::blackbox::HostFingerprint;
use haltbox_format::ring::Superblock;
use sha2::{Digest as _, Sha256};

/// BLAKE3 of the machine's id, keyed by its use, so that nobody learns the id
/// itself. Zero if the machine has no id, as in some containers.
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

/// Whether another machine made the ring. False if either machine has no id.
pub fn is_others(ring: &Superblock) -> bool {
    let here = machine();
    ring.machine != here && ring.machine != [0; 32] && here != [0; 32]
}

/// The kernel's boot id as text. Empty if it cannot be read.
pub fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// The boot id as 16 bytes. Zero if it cannot be read.
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
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Facts for a box: recorder, system, CPU, and the digest and versions of the
/// node's executable.
pub fn fingerprint(node_program: Option<&Path>) -> HostFingerprint {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let cpu = fs::read_to_string("/proc/cpuinfo").ok();
    HostFingerprint {
        recorder: Some(env!("CARGO_PKG_VERSION").to_owned()),
        os: Some(format!(
            "{} {}",
            std::env::consts::OS,
            std::env::consts::ARCH
        )),
        kernel: kernel.map(|text| text.trim().to_owned()),
        cpu: cpu.and_then(|text| cpu_model(&text)),
        node_sha256: node_program.and_then(|path| sha256(path).ok()),
        versions: node_program.map(build_info::versions).unwrap_or_default(),
    }
}

/// The model of the first CPU in the text of `/proc/cpuinfo`. On arm64 it has no name there,
/// and is told by numbers.
fn cpu_model(text: &str) -> Option<String> {
    let value = |name: &str| {
        let mut members = text.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = members.find(|(found, _)| found.trim() == name)?;
        Some(value.trim())
    };
    if let Some(name) = value("model name") {
        return Some(name.to_owned());
    }
    let numbers = ["implementer", "part", "variant", "revision"]
        .iter()
        .filter_map(|name| Some(format!("{name} {}", value(&format!("CPU {name}"))?)));
    let numbers: Vec<String> = numbers.collect();
    (!numbers.is_empty()).then(|| numbers.join(" "))
}

/// SHA-256 of a file. Takes about a second for a node's executable of some
/// hundred megabytes, in the thread that writes the box.
///
/// # Errors
/// The file cannot be read.
pub fn sha256(path: &Path) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    Ok(Digest(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_told_by_its_name_or_by_its_numbers() {
        let named =
            "processor\t: 0\nmodel\t\t: 106\nmodel name\t: A CPU: 4 GHz\n\nmodel name\t: B\n";
        assert_eq!(cpu_model(named).as_deref(), Some("A CPU: 4 GHz"));
        let arm64 = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n\
                     CPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n\n\
                     processor\t: 1\nCPU part\t: 0xd0d\n";
        let told = "implementer 0x41 part 0xd0c variant 0x3 revision 1";
        assert_eq!(cpu_model(arm64).as_deref(), Some(told));
        assert_eq!(cpu_model("processor\t: 0\n"), None);
    }
}
