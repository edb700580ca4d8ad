//! supersim from npm (`tests/supersim`): two chains with the real contracts of OP Stack
//! interop, and somebody who relays each message.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use alloy_primitives::{hex, keccak256};
use serde_json::{Value, json};

use crate::{anvil, npm, root, target_folder, wait_until};

/// An account that supersim's chains hold the key of.
const ACCOUNT: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
/// The contract that sends messages.
const MESSENGER: &str = "0x4200000000000000000000000000000000000023";

/// The contract that sends ETH.
const BRIDGE: &str = "0x4200000000000000000000000000000000000024";

/// Chains 901 and 902.
pub struct Supersim {
    child: Child,
    /// Their URLs.
    pub urls: [String; 2],
    agent: ureq::Agent,
}

impl Supersim {
    /// Starts it; what it says goes into files of the folder. Needs Node and npm.
    pub fn start(folder: &Path) -> Supersim {
        let anvil = anvil::program();
        let installed = target_folder().join("supersim");
        npm::ci(&root().join("tests/supersim"), &installed);
        let path = std::env::var("PATH").unwrap_or_default();
        let beside = anvil.parent().expect("its folder").display().to_string();
        let ports = ports();
        let log = File::create(folder.join("supersim.log")).expect("a file");
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs).expect("a folder");
        let mut command = Command::new(installed.join("node_modules/supersim/bin/supersim"));
        command
            .env("PATH", format!("{beside}:{path}"))
            .args(["--interop.autorelay", "--log.format", "json"])
            .args(["--l1.port", &ports.to_string()])
            .args(["--l2.starting.port", &(ports + 1).to_string()])
            .args(["--admin.port", &(ports + 3).to_string()])
            .arg("--logs.directory")
            .arg(logs)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log);
        let supersim = Supersim {
            child: command.spawn().expect("supersim starts"),
            urls: [ports + 1, ports + 2].map(|port| format!("http://127.0.0.1:{port}")),
            agent: ureq::Agent::config_builder()
                .timeout_global(Some(Duration::from_secs(10)))
                .build()
                .new_agent(),
        };
        let said = || std::fs::read_to_string(folder.join("supersim.log")).unwrap_or_default();
        wait_until("supersim is ready", || said().contains("supersim is ready"));
        supersim
    }

    /// Sends a message from 901 to 902.
    pub fn send(&self) {
        let word = |text: &str| format!("{text:0>64}");
        let call = [
            // sendMessage(uint256,address,bytes)
            "0x7056f41f".to_owned(),
            word(&format!("{:x}", 902)),
            word("aa"),
            word("60"),
            word("4"),
            format!("{:0<64}", "deadbeef"),
        ];
        self.transact(
            &json!({"from": ACCOUNT, "to": MESSENGER, "data": call.concat(), "gas": "0x100000"}),
        );
    }

    /// Sends that much ETH, in gwei, from 901 to 902.
    pub fn send_eth(&self, gwei: u64) {
        let word = |text: &str| format!("{text:0>64}");
        let call = [
            hex::encode_prefixed(&keccak256("sendETH(address,uint256)")[..4]),
            word("aa"),
            word(&format!("{:x}", 902)),
        ];
        let value = format!("{:#x}", u128::from(gwei) * 1_000_000_000);
        self.transact(&json!({
            "from": ACCOUNT, "to": BRIDGE, "data": call.concat(), "value": value, "gas": "0x100000",
        }));
    }

    fn transact(&self, transaction: &Value) {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [transaction],
        });
        let mut answer = self
            .agent
            .post(&self.urls[0])
            .send(body.to_string())
            .expect("an answer");
        let text = answer.body_mut().read_to_string().expect("text");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert!(answer["result"].is_string(), "{answer}");
    }
}

impl Drop for Supersim {
    /// It ends its chains when it is asked to end.
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// The first of four ports in a row that were free a moment ago: supersim takes none that
/// it finds itself.
fn ports() -> u16 {
    let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let from = 20_000 + (std::process::id() % 5_000) as u16 * 4;
    let mut starts = (from..60_000).step_by(4);
    let found = starts.find(|first| (*first..first + 4).all(free));
    found.expect("four free ports")
}
