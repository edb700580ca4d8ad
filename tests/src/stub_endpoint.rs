//! A stub of a filter, supervisor, op-node or supernode: JSON-RPC over HTTP, with answers
//! that a test writes. The real programs cannot be built from their modules alone; what
//! they answer was measured.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tiny_http::{Response, Server};

/// An answer to one call.
pub type Reply = Result<Value, (i64, &'static str)>;
type Script = Box<dyn FnMut(&str, &Value) -> Reply + Send>;

/// The stub. It answers until it is dropped.
pub struct StubEndpoint {
    url: String,
    inner: Arc<Inner>,
    server: Arc<Server>,
}

struct Inner {
    script: Mutex<Script>,
    /// Method and parameters of each call.
    asked: Mutex<Vec<(String, Value)>>,
    slow_ms: AtomicU64,
    down: AtomicBool,
}

impl StubEndpoint {
    /// Starts it on a free port of the loopback interface.
    pub fn start(script: impl FnMut(&str, &Value) -> Reply + Send + 'static) -> StubEndpoint {
        let server = Arc::new(Server::http("127.0.0.1:0").expect("a port"));
        let address = server.server_addr().to_ip().expect("an address");
        let inner = Arc::new(Inner {
            script: Mutex::new(Box::new(script)),
            asked: Mutex::default(),
            slow_ms: AtomicU64::new(0),
            down: AtomicBool::new(false),
        });
        let (requests, answers) = (Arc::clone(&server), Arc::clone(&inner));
        std::thread::spawn(move || {
            for mut request in requests.incoming_requests() {
                let mut body = String::new();
                request
                    .as_reader()
                    .read_to_string(&mut body)
                    .expect("a request");
                let answer = answers.answer(&body);
                let status = if answer.is_some() { 200 } else { 503 };
                let text = answer.unwrap_or_else(|| "down".to_owned());
                // Whoever asked may be gone.
                let _ = request.respond(Response::from_string(text).with_status_code(status));
            }
        });
        StubEndpoint {
            url: format!("http://{address}"),
            inner,
            server,
        }
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers otherwise from here on.
    pub fn answer_with(&self, script: impl FnMut(&str, &Value) -> Reply + Send + 'static) {
        *self.inner.script.lock().expect("the script") = Box::new(script);
    }

    /// Has each request wait so long for its answer.
    pub fn slow(&self, by: Duration) {
        self.inner
            .slow_ms
            .store(by.as_millis() as u64, Ordering::Relaxed);
    }

    /// Has it answer with no JSON-RPC, as a proxy whose backend is gone, or go on.
    pub fn down(&self, is: bool) {
        self.inner.down.store(is, Ordering::Relaxed);
    }

    /// Parameters of all calls of a method so far.
    pub fn asked(&self, method: &str) -> Vec<Value> {
        let asked = self.inner.asked.lock().expect("calls");
        let own = asked.iter().filter(|(name, _)| name == method);
        own.map(|(_, params)| params.clone()).collect()
    }
}

impl Drop for StubEndpoint {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

impl Inner {
    /// `None`: it is down.
    fn answer(&self, body: &str) -> Option<String> {
        let slow = self.slow_ms.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(slow));
        if self.down.load(Ordering::Relaxed) {
            return None;
        }
        let calls: Vec<Value> = serde_json::from_str(body).expect("a batch");
        let answers: Vec<Value> = calls.iter().map(|call| self.one(call)).collect();
        Some(Value::Array(answers).to_string())
    }

    fn one(&self, call: &Value) -> Value {
        let method = call["method"].as_str().expect("a method");
        let params = &call["params"];
        self.asked
            .lock()
            .expect("calls")
            .push((method.to_owned(), params.clone()));
        let reply = (self.script.lock().expect("the script"))(method, params);
        match reply {
            Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
            Err((code, message)) => {
                let error = json!({"code": code, "message": message});
                json!({"jsonrpc": "2.0", "id": call["id"], "error": error})
            }
        }
    }
}
