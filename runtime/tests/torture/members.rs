//! Workers that are processes of their own, and what a process of these uses.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use runtime::net::Token;

/// A worker, ended when this is dropped.
pub(crate) struct Worker {
    child: Child,
    errors: PathBuf,
}

impl Worker {
    /// Starts it by a command that ends with the program; its state lies in a folder of its name.
    pub(crate) fn start(
        command: Command,
        token: &str,
        name: &str,
        folder: &Path,
        more: &[&str],
    ) -> Self {
        let state = folder.join(format!("state-{name}"));
        Self::with_state(command, token, name, &state, more)
    }

    /// The same with this state.
    pub(crate) fn with_state(
        mut command: Command,
        token: &str,
        name: &str,
        state: &Path,
        more: &[&str],
    ) -> Self {
        let errors = (0..).map(|number| state.with_extension(format!("errors{number}")));
        let errors = errors
            .into_iter()
            .find(|path| !path.exists())
            .expect("there are more numbers");
        let child = command
            .args(["worker", "--join", token, "--name", name, "--no-discovery"])
            .args(more)
            .arg("--state")
            .arg(state)
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&errors).expect("a file"))
            .spawn()
            .expect("the program starts");
        Self { child, errors }
    }

    /// Its exit code, once it has ended.
    pub(crate) fn code(&mut self) -> Option<i32> {
        let status = self.child.try_wait().expect("it can be asked");
        status.map(|status| status.code().unwrap_or(-1))
    }

    /// What it said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same token with another address of the orchestrator.
pub(crate) fn at_address(token: &str, address: SocketAddr) -> Result<String, String> {
    let mut token = Token::parse(token).map_err(|error| error.to_string())?;
    token.hints = vec![address];
    Ok(token.to_string())
}

/// The address of an orchestrator, as its token has it.
pub(crate) fn address_of(token: &str) -> Result<SocketAddr, String> {
    let token = Token::parse(token).map_err(|error| error.to_string())?;
    let hint = token.hints.first().ok_or("the token has no address")?;
    Ok(*hint)
}

/// The memory of a process in KiB: what it holds, and the most that it ever held.
pub(crate) fn memory(pid: u64) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let of = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_default()
    };
    (of("VmRSS:"), of("VmHWM:"))
}

/// Bytes of a folder and everything in it.
pub(crate) fn bytes_of(path: &Path) -> u64 {
    let Ok(data) = fs::symlink_metadata(path) else {
        return 0; // it has just gone
    };
    if !data.is_dir() {
        return data.len();
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| bytes_of(&entry.path())).sum()
}
