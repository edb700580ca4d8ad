//! The watcher's pages over HTTP: `/metrics` for Prometheus, `/health` for health checks.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use haltbox_daemon::exposition::CONTENT_TYPE;

use crate::http::{self, Answers, Refusal, Reply, Request};
use crate::metrics::{Page, Shown};
use haltbox_recorder::clock::now_ms;

/// If the page is older than this, in milliseconds, the watcher hangs.
const STALE: u64 = 10_000;
const PLAIN: &str = "text/plain; charset=utf-8";

/// Serves the pages until the process ends. Returns the address that was bound.
///
/// # Errors
/// The port is taken, or the system cannot start a thread.
pub fn start(address: SocketAddr, shown: Shown) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let at = listener.local_addr()?;
    let thread = std::thread::Builder::new().name("pages".to_owned());
    thread.spawn(move || http::serve(&listener, Arc::new(Pages(shown))))?;
    Ok(at)
}

struct Pages(Shown);

impl Answers for Pages {
    fn answer(&self, request: &Request) -> Reply {
        let page = self.0.page();
        match (request.is_get, request.path.as_str()) {
            (true, "/metrics") => reply("200 OK", CONTENT_TYPE, page.metrics),
            (true, "/health") => health(&page),
            (true, _) => reply(
                "404 Not Found",
                PLAIN,
                "metrics are at /metrics, health at /health\n".to_owned(),
            ),
            (false, _) => reply("405 Method Not Allowed", PLAIN, "GET\n".to_owned()),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Reply {
        reply(refusal.status(), PLAIN, refusal.what() + "\n")
    }
}

fn reply(status: &'static str, kind: &'static str, body: String) -> Reply {
    Reply { status, kind, body }
}

/// 200 if nothing needs attention, else 503 and why.
fn health(page: &Page) -> Reply {
    const ATTENTION: &str = "503 Service Unavailable";
    let age = now_ms().saturating_sub(page.at);
    if age > STALE {
        let why = format!("the watcher has not updated this page for {age} ms\n");
        return reply(ATTENTION, PLAIN, why);
    }
    match page.concerns.is_empty() {
        true => reply("200 OK", PLAIN, "ok\n".to_owned()),
        false => reply(ATTENTION, PLAIN, page.concerns.join("\n") + "\n"),
    }
}
