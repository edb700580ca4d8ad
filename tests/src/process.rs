//! What a program says while it runs, what it costs, and what its metrics tell.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Lines of one or several pipes, and when each came.
#[derive(Default)]
pub struct Heard(Arc<Mutex<Vec<(Instant, String)>>>);

impl Heard {
    /// Hears a pipe.
    pub fn of(pipe: impl Read + Send + 'static) -> Heard {
        let heard = Heard::default();
        heard.hear(pipe);
        heard
    }

    /// Hears a pipe too, until it ends.
    pub fn hear(&self, pipe: impl Read + Send + 'static) {
        let hears = Arc::clone(&self.0);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                hears.lock().expect("lines").push((Instant::now(), line));
            }
        });
    }

    /// All lines.
    pub fn lines(&self) -> Vec<String> {
        let said = self.0.lock().expect("lines");
        said.iter().map(|(_, line)| line.clone()).collect()
    }

    /// When each line came that is so.
    pub fn times(&self, is_so: impl Fn(&str) -> bool) -> Vec<Instant> {
        let said = self.0.lock().expect("lines");
        let own = said.iter().filter(|(_, line)| is_so(line));
        own.map(|(at, _)| *at).collect()
    }
}

/// What a process has cost so far.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Bytes of memory of its own, mapped files left out.
    pub own: u64,
    /// Bytes of memory with the pages of mapped files that it touched.
    pub resident: u64,
    /// Seconds of CPU.
    pub cpu: f64,
}

impl Cost {
    /// That of a process that runs.
    pub fn of(pid: u32) -> Cost {
        let of = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            std::fs::read_to_string(path).expect("it runs")
        };
        let status = of("status");
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
            kib.expect("its memory") * 1024
        };
        let stat = of("stat");
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let field = |at: usize| -> u64 {
            let text = fields.split_whitespace().nth(at - 3).expect("a field");
            text.parse().expect("a number")
        };
        Cost {
            own: bytes("RssAnon:"),
            resident: bytes("VmRSS:"),
            cpu: (field(14) + field(15)) as f64 / 100.0,
        }
    }
}

/// A page that a program serves, whatever its HTTP status.
pub fn page(url: &str) -> String {
    let agent = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = agent.build().new_agent();
    let mut answer = agent.get(url).call().expect("its page");
    answer.body_mut().read_to_string().expect("text")
}

/// Sum of all values of a metric whose labels hold a text.
pub fn sum(metrics: &str, name: &str, label: &str) -> u64 {
    let own = metrics.lines().filter(|line| {
        let named = line.split(['{', ' ']).next();
        named == Some(name) && line.contains(label)
    });
    // Prometheus' own library writes large numbers as 1e+06.
    let values = own.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.map(|value| value as u64).sum()
}
