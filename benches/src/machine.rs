//! What machine the figures are of.

use std::fs;
use std::path::Path;

/// Lines that say it: processor, caches, cores, memory, kernel, file system and
/// load.
pub fn description(folder: &Path) -> Vec<String> {
    vec![
        format!("processor    {}", processor()),
        format!(
            "caches       {}",
            caches(Path::new("/sys/devices/system/cpu/cpu0/cache"))
        ),
        format!("cores        {}{}", cores(), hypervisor()),
        format!("memory       {}", memory()),
        format!("kernel       {}", kernel()),
        format!("file system  {}", file_system(folder)),
        format!("load         {}", read("/proc/loadavg")),
    ]
}

fn read(path: impl AsRef<Path>) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

/// What a line of `text` has behind its name and a colon.
fn member(text: &str, name: &str) -> String {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(own, _)| own.trim() == name);
    let value = found.next().map(|(_, value)| value.trim().to_owned());
    value.unwrap_or_else(|| "unknown".to_owned())
}

fn processor() -> String {
    let text = read("/proc/cpuinfo");
    let [name, family, model] =
        ["model name", "cpu family", "model"].map(|name| member(&text, name));
    format!(
        "{name}, family {family}, model {model}, {}",
        std::env::consts::ARCH
    )
}

fn hypervisor() -> &'static str {
    match read("/proc/cpuinfo").contains(" hypervisor") {
        true => ", of a virtual machine",
        false => "",
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn caches(folder: &Path) -> String {
    let caches = (0..5).map(|index| folder.join(format!("index{index}")));
    let told = caches.filter(|cache| cache.is_dir()).map(|cache| {
        let of = |name: &str| read(cache.join(name));
        format!(
            "L{} {} {}",
            of("level"),
            of("type").to_lowercase(),
            of("size")
        )
    });
    told.collect::<Vec<_>>().join(", ")
}

fn memory() -> String {
    member(&read("/proc/meminfo"), "MemTotal")
}

fn kernel() -> String {
    let of = |name: &str| read(Path::new("/proc/sys/kernel").join(name));
    format!("{} {}", of("ostype"), of("osrelease"))
}

/// Kind and options of the mount that a folder lies in.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = read("/proc/self/mounts");
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let around = fields.filter(|fields| fields.len() > 3 && folder.starts_with(fields[1]));
    let nearest = around.max_by_key(|fields| fields[1].len());
    nearest.map_or("unknown".to_owned(), |fields| {
        format!("{} ({})", fields[2], fields[3])
    })
}
