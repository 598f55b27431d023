//! Finding an orchestrator's addresses: its interfaces, and DNS-SD over multicast DNS.
//!
//! Every address here is a hint that anyone in the network could forge; the pinned key decides.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use mdns_sd::{ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::sync::mpsc;

use super::identity::PeerId;
use super::limits;

const SERVICE: &str = "_allot._udp.local.";
const ID: &str = "id";

/// The addresses at which others may reach a socket that listens on `address`.
pub(super) fn reachable(address: SocketAddr) -> Vec<SocketAddr> {
    if !address.ip().is_unspecified() {
        return vec![address];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let found = interfaces
        .iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
        .filter(|interface| interface.ip().is_ipv4() || address.is_ipv6())
        .map(|interface| (interface.name.as_str(), interface.ip()));
    let mut addresses = in_order(found.collect(), &outward());
    if addresses.len() > limits::ADDRESSES / 2 {
        let left_out = addresses.split_off(limits::ADDRESSES / 2);
        let left_out: Vec<String> = left_out.iter().map(IpAddr::to_string).collect();
        let left_out = left_out.join(", ");
        tracing::warn!(
            "more addresses than fit a token, left out: {left_out}; --address names one"
        );
    }
    if addresses.is_empty() {
        addresses.push(Ipv4Addr::LOCALHOST.into());
    }
    let port = address.port();
    let addresses = addresses.into_iter();
    addresses.map(|ip| SocketAddr::new(ip, port)).collect()
}

/// Our own addresses towards other networks. Nothing is sent for it.
fn outward() -> Vec<IpAddr> {
    let towards = |own: IpAddr, other: IpAddr| {
        let socket = UdpSocket::bind((own, 0)).ok()?;
        socket.connect((other, 9)).ok()?; // of the blocks for documentation: nobody has it
        Some(socket.local_addr().ok()?.ip())
    };
    let v4 = towards(
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv4Addr::new(192, 0, 2, 1).into(),
    );
    let v6 = towards(
        Ipv6Addr::UNSPECIFIED.into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    );
    v4.into_iter().chain(v6).collect()
}

/// Those first that other machines most likely reach: of the default route; of interfaces that are
/// no bridges for containers and virtual machines; IPv4, which every local network has.
fn in_order(mut found: Vec<(&str, IpAddr)>, outward: &[IpAddr]) -> Vec<IpAddr> {
    const INNER: [&str; 11] = [
        "docker", "br-", "veth", "virbr", "cni", "flannel", "podman", "lxc", "lxd", "vmnet", "cali",
    ];
    let is_inner = |name: &str| INNER.iter().any(|inner| name.starts_with(inner));
    found.sort_by_key(|(name, ip)| (!outward.contains(ip), is_inner(name), *ip));
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (_, ip) in found {
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    addresses
}

/// A running announcement; dropping it withdraws it.
pub(super) struct Announcement {
    daemon: ServiceDaemon,
    name: String,
}

/// Announces this orchestrator in the local network. A network without multicast is no error:
/// workers then use the token's addresses.
pub(super) fn announce(id: PeerId, address: SocketAddr) -> Option<Announcement> {
    if address.ip().is_loopback() {
        return None;
    }
    let announced = try_announce(id, address);
    if let Err(error) = &announced {
        tracing::warn!("cannot announce the orchestrator in the local network: {error}");
    }
    announced.ok()
}

fn try_announce(id: PeerId, address: SocketAddr) -> mdns_sd::Result<Announcement> {
    let host = format!("allot-{id}.local.");
    let properties = [(ID, id.full())];
    let ips: &[IpAddr] = match address.ip() {
        ip if ip.is_unspecified() => &[],
        ip => &[ip],
    };
    let mut service = ServiceInfo::new(
        SERVICE,
        &id.to_string(),
        &host,
        ips,
        address.port(),
        &properties[..],
    )?;
    if ips.is_empty() {
        service = service.enable_addr_auto();
    }
    // The name is the hash of a key and so unique; probing for conflicts would take a second.
    service.set_requires_probe(false);
    let name = service.get_fullname().to_owned();
    let daemon = daemon()?;
    daemon.register(service)?;
    Ok(Announcement { daemon, name })
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // The process continues whether or not the withdrawal is sent.
        let _ = self.daemon.unregister(&self.name);
        let _ = self.daemon.shutdown();
    }
}

/// Browses the local network for an orchestrator, until the receiver of addresses is dropped.
pub(super) async fn browse(id: PeerId, found: mpsc::Sender<SocketAddr>) -> mdns_sd::Result<()> {
    let daemon = Daemon(daemon()?);
    let events = daemon.0.browse(SERVICE)?;
    while let Ok(event) = events.recv_async().await {
        let ServiceEvent::ServiceResolved(service) = event else {
            continue;
        };
        if service.get_property_val_str(ID) != Some(id.full().as_str()) {
            continue;
        }
        let port = service.get_port();
        let addresses = service.get_addresses().iter();
        let addresses: BTreeSet<_> = addresses.map(|ip| socket_address(ip, port)).collect();
        for address in addresses {
            if found.send(address).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A link-local IPv6 address is usable only with the interface on which it was found.
fn socket_address(ip: &ScopedIp, port: u16) -> SocketAddr {
    match ip {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => {
            SocketAddrV6::new(*v6.addr(), port, 0, v6.scope_id().index).into()
        }
        _ => SocketAddr::new(ip.to_ip_addr(), port),
    }
}

/// Checks for new interfaces every second: a machine that has just booted may start its programs
/// before its network.
fn daemon() -> mdns_sd::Result<ServiceDaemon> {
    let daemon = ServiceDaemon::new()?;
    daemon.set_ip_check_interval(1)?;
    Ok(daemon)
}

struct Daemon(ServiceDaemon);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.shutdown();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_others_reach_comes_first_and_bridges_last() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let bridges = (0..8).map(|number| ip(&format!("172.{}.0.1", 17 + number)));
        let mut found: Vec<(&str, IpAddr)> = bridges.map(|ip| ("br-5f0c", ip)).collect();
        found.extend([
            ("wg0", ip("10.9.0.1")),
            ("eth0", ip("192.168.1.5")),
            ("eth0", ip("fd00::5")),
            ("eth0", ip("192.168.1.5")),
        ]);
        let ordered = in_order(found.clone(), &[ip("192.168.1.5")]);
        assert_eq!(ordered[0], ip("192.168.1.5"));
        assert_eq!(ordered[1], ip("10.9.0.1"));
        assert_eq!(ordered[2], ip("fd00::5"));
        assert_eq!(ordered.len(), 11, "each once");
        let unknown = in_order(found, &[]);
        assert_eq!(unknown[..2], [ip("10.9.0.1"), ip("192.168.1.5")]);
    }
}
