//! Network namespaces: an orchestrator and workers, each on a machine of its own as far as the network can
//! tell, with links that go down and come back.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::program;

/// For links to be there.
const UP_WITHIN: Duration = Duration::from_secs(10);

/// Machines around a bridge: number 0 is the orchestrator. Dropping it removes them.
pub(crate) struct Network {
    prefix: String,
    machines: usize,
}

/// The name of the bridge's namespace.
const HUB: &str = "hub";

impl Network {
    /// Makes it; else says why this machine does not let it be made.
    pub(crate) fn make(machines: usize) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("allot-t{}-{number}", std::process::id());
        // From here on everything that was made is removed, even if the rest fails.
        let network = Self { prefix, machines };
        let made = network.build();
        made.map_err(|why| format!("no network namespaces can be made: {why}"))?;
        Ok(network)
    }

    fn build(&self) -> Result<(), String> {
        let hub = self.name_of(HUB);
        ip(&format!("netns add {hub}"))?;
        ip(&format!("-n {hub} link add bridge type bridge"))?;
        ip(&format!("-n {hub} link set bridge up"))?;
        for machine in 0..self.machines {
            let name = self.name(machine);
            ip(&format!("netns add {name}"))?;
            ip(&format!(
                "-n {hub} link add port{machine} type veth peer name net netns {name}"
            ))?;
            ip(&format!("-n {hub} link set port{machine} master bridge up"))?;
            ip(&format!(
                "-n {name} address add {}/24 dev net",
                address(machine)
            ))?;
            ip(&format!("-n {name} link set net up"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        let until = Instant::now() + UP_WITHIN;
        for machine in 0..self.machines {
            let name = self.name(machine);
            while !ip(&format!("-n {name} link show net"))?.contains("state UP") {
                if Instant::now() > until {
                    return Err("their links do not come up".to_owned());
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn name(&self, machine: usize) -> String {
        self.name_of(&machine.to_string())
    }

    fn name_of(&self, what: &str) -> String {
        format!("{}-{what}", self.prefix)
    }

    /// Begins the command of the program on a machine.
    pub(crate) fn program(&self, machine: usize) -> Command {
        let there = program();
        let mut command = self.command(machine, &there.get_program().to_string_lossy());
        for (key, value) in there.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command
    }

    /// Begins any command on a machine.
    pub(crate) fn command(&self, machine: usize, what: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(machine), what]);
        command
    }

    /// Takes the link of a machine down, or up.
    pub(crate) fn link(&self, machine: usize, up: bool) -> Result<(), String> {
        let (hub, state) = (self.name_of(HUB), if up { "up" } else { "down" });
        ip(&format!("-n {hub} link set port{machine} {state}")).map(drop)
    }

    /// Bytes that went to a machine so far.
    pub(crate) fn sent_to(&self, machine: usize) -> Result<u64, String> {
        let hub = self.name_of(HUB);
        let said = ip(&format!("-n {hub} -s -j link show port{machine}"))?;
        let said: Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
        let bytes = said[0]["stats64"]["tx"]["bytes"].as_u64();
        bytes.ok_or_else(|| format!("no count of bytes: {said}"))
    }

    /// Gives a machine another address in place of its own.
    pub(crate) fn move_away(&self, machine: usize) -> Result<(), String> {
        let name = self.name(machine);
        ip(&format!("-n {name} address flush dev net"))?;
        let other = address(machine + 100);
        ip(&format!("-n {name} address add {other}/24 dev net")).map(drop)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let machines = (0..self.machines).map(|machine| self.name(machine));
        for name in machines.chain([self.name_of(HUB)]) {
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

/// The address of a machine.
pub(crate) fn address(machine: usize) -> String {
    format!("10.83.84.{}", machine + 1)
}

fn ip(words: &str) -> Result<String, String> {
    let output = Command::new("ip")
        .args(words.split(' '))
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| format!("`ip` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("`ip {words}`: {}", why.trim()))
}
