//! The watcher's pages over HTTP: `/metrics` for Prometheus, `/health` for whoever decides
//! by it.

use std::io;
use std::net::SocketAddr;

use tiny_http::{Header, Method, Request, Response, Server};

use crate::metrics::{Page, Shown};
use crate::watcher::now;

/// A page of this age, in milliseconds, was left by a watcher that hangs.
const STALE: u64 = 10_000;

/// Serves the pages until the process ends. Gives the address that was bound.
///
/// # Errors
/// The port is taken, or no thread can be started.
pub fn start(address: SocketAddr, shown: Shown) -> io::Result<SocketAddr> {
    let server = Server::http(address).map_err(io::Error::other)?;
    let at = server.server_addr().to_ip().unwrap_or(address);
    let work = move || {
        for request in server.incoming_requests() {
            // A scraper that went away does not matter.
            let _ = answer(request, &shown.page());
        }
    };
    let thread = std::thread::Builder::new().name("pages".to_owned());
    thread.spawn(work)?;
    Ok(at)
}

fn answer(request: Request, page: &Page) -> io::Result<()> {
    let path = request.url().split('?').next().unwrap_or_default();
    let (status, kind, text) = match (request.method(), path) {
        (Method::Get | Method::Head, "/metrics") => (200, METRICS, page.metrics.clone()),
        (Method::Get | Method::Head, "/health") => health(page),
        (Method::Get | Method::Head, _) => (
            404,
            PLAIN,
            "metrics are at /metrics, health at /health\n".to_owned(),
        ),
        _ => (405, PLAIN, "GET or HEAD\n".to_owned()),
    };
    let kind = Header::from_bytes("Content-Type", kind).map_err(|()| io::ErrorKind::InvalidData)?;
    let response = Response::from_string(text).with_status_code(status);
    request.respond(response.with_header(kind))
}

const PLAIN: &str = "text/plain; charset=utf-8";
/// The text exposition format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// 200 if nothing needs attention, else 503 and why.
fn health(page: &Page) -> (u16, &'static str, String) {
    let age = now().saturating_sub(page.at);
    if age > STALE {
        return (
            503,
            PLAIN,
            format!("the watcher wrote nothing for {age} ms\n"),
        );
    }
    match page.concerns.is_empty() {
        true => (200, PLAIN, "ok\n".to_owned()),
        false => (503, PLAIN, page.concerns.join("\n") + "\n"),
    }
}
