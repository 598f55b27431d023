//! UDP sockets and QUIC endpoints, with every limit set.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::congestion::CubicConfig;
use quinn::{EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};

use super::error::NetError;
use super::identity::Identity;
use super::limits::{self, Limits};
use super::pulse;
use super::tls;

/// The orchestrator's endpoint. Its connections begin with the limits of those not yet admitted.
pub(super) fn server(
    identity: &Identity,
    address: SocketAddr,
    limits: &Limits,
    offload: bool,
) -> Result<quinn::Endpoint, NetError> {
    let mut config = ServerConfig::with_crypto(tls::server(identity)?);
    let mut transport = transport(limits, offload);
    transport.max_concurrent_bidi_streams(1_u32.into());
    transport.max_concurrent_uni_streams(0_u32.into());
    transport.receive_window(limits::JOIN_WINDOW.into());
    config.transport_config(Arc::new(transport));
    config.migration(false);
    config.max_incoming(limits::PENDING);
    config.incoming_buffer_size(64 * 1024);
    config.incoming_buffer_size_total(4 * 1024 * 1024);
    // No address validation tokens: they would link a worker's connections to each other.
    config.validation_token.sent(0);
    let socket = socket(address).map_err(|source| NetError::Bind { address, source })?;
    endpoint(socket, Some(config))
}

/// The worker's endpoint, on any address and port.
pub(super) fn client() -> Result<quinn::Endpoint, NetError> {
    let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let socket = socket(address).map_err(|source| NetError::Bind { address, source })?;
    endpoint(socket, None)
}

/// The limits that a worker sets for the orchestrator, whose key is proved in the handshake.
pub(super) fn client_transport(limits: &Limits, offload: bool) -> Arc<TransportConfig> {
    let mut transport = transport(limits, offload);
    transport.max_concurrent_bidi_streams(limits::BIDI_STREAMS.into());
    transport.max_concurrent_uni_streams(limits::UNI_STREAMS.into());
    Arc::new(transport)
}

/// Raises the limits of a connection to those of an admitted worker.
pub(super) fn raise_limits(connection: &quinn::Connection) {
    connection.set_receive_window(limits::CONNECTION_WINDOW.into());
    connection.set_max_concurrent_bi_streams(limits::BIDI_STREAMS.into());
    connection.set_max_concurrent_uni_streams(limits::UNI_STREAMS.into());
}

fn transport(limits: &Limits, offload: bool) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = IdleTimeout::try_from(limits.idle).unwrap_or(IdleTimeout::from(VarInt::MAX));
    transport.max_idle_timeout(Some(idle));
    transport.keep_alive_interval(Some(limits.keep_alive));
    transport.stream_receive_window(limits::STREAM_WINDOW.into());
    transport.receive_window(limits::CONNECTION_WINDOW.into());
    transport.send_window(u64::from(limits::CONNECTION_WINDOW));
    transport.datagram_receive_buffer_size(Some(pulse::BUFFER));
    transport.congestion_controller_factory(Arc::new(CubicConfig::default()));
    transport.enable_segmentation_offload(offload);
    transport
}

fn endpoint(socket: UdpSocket, server: Option<ServerConfig>) -> Result<quinn::Endpoint, NetError> {
    let config = EndpointConfig::default();
    let runtime = Arc::new(quinn::TokioRuntime);
    quinn::Endpoint::new(config, server, socket, runtime)
        .map_err(|error| NetError::setup("QUIC", error))
}

/// A socket on this address. On a machine without IPv6, all IPv4 addresses stand in for all
/// addresses.
fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
    socket_on(address).or_else(|error| match address {
        SocketAddr::V6(v6) if v6.ip().is_unspecified() && error.kind() != ErrorKind::AddrInUse => {
            socket_on((Ipv4Addr::UNSPECIFIED, v6.port()).into()).map_err(|_| error)
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => Err(error),
    })
}

/// A UDP socket with large buffers; an unspecified IPv6 address serves IPv4 too.
fn socket_on(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if let SocketAddr::V6(v6) = address {
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    // The system caps the sizes silently, so they are read back.
    socket.set_recv_buffer_size(limits::SOCKET_BUFFER)?;
    socket.set_send_buffer_size(limits::SOCKET_BUFFER)?;
    warn_if_capped("rmem_max", socket.recv_buffer_size()?);
    warn_if_capped("wmem_max", socket.send_buffer_size()?);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn warn_if_capped(setting: &str, reported: usize) {
    // Linux reports twice the usable size, to include its bookkeeping.
    let got = if cfg!(target_os = "linux") {
        reported / 2
    } else {
        reported
    };
    if got < limits::SOCKET_BUFFER_ENOUGH {
        tracing::warn!(
            "the system caps a socket buffer at {} KiB, which slows transfers on fast links: \
             run `sysctl -w net.core.{setting}={}`",
            got / 1024,
            limits::SOCKET_BUFFER
        );
    }
}
