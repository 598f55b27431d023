//! How fast processes of one machine exchange data: encryption and copies, not a wire, are the limit.
//!
//! It does not know what the data is for.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::{ClientConfig, Connection};

use super::error::NetError;
use super::identity::Identity;
use super::limits::Limits;
use super::{blob, endpoint, tls};

/// Transfers that are timed, each way. Those before them open the congestion window.
const TIMED: usize = 5;
const UNTIMED: usize = 3;
/// A whole measurement takes no longer.
const WITHIN: Duration = Duration::from_secs(5);

/// The time that this number of bytes takes between two endpoints of this machine: the median of some
/// transfers, both ways.
pub(crate) async fn loopback(bytes: usize) -> Result<Duration, NetError> {
    let what = "a measurement on loopback";
    let measured = tokio::time::timeout(WITHIN, measure(bytes)).await;
    measured.map_err(|_| NetError::TimedOut {
        what,
        limit: WITHIN,
    })?
}

async fn measure(bytes: usize) -> Result<Duration, NetError> {
    let limits = Limits::default();
    let (here, there) = (Identity::generate()?, Identity::generate()?);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = endpoint::server(&here, address, &limits, true)?;
    let address = server
        .local_addr()
        .map_err(|source| NetError::Bind { address, source })?;
    let mut config = ClientConfig::new(tls::client(&there, here.id(), tls::ALPN_WORK)?);
    config.transport_config(endpoint::client_transport(&limits, true));
    let client = endpoint::client()?;
    let connecting = client
        .connect_with(config, address, super::dialer::SERVER_NAME)
        .map_err(|error| NetError::setup("QUIC", error))?;
    let accepted = async {
        let incoming = server.accept().await.ok_or(NetError::Broken)?;
        let connection = incoming.await?;
        endpoint::raise_limits(&connection);
        Ok::<_, NetError>(connection)
    };
    let connected = async { Ok::<_, NetError>(connecting.await?) };
    let (one, other) = tokio::try_join!(connected, accepted)?;
    let payload = Bytes::from(vec![0_u8; bytes]);
    let mut took = Vec::new();
    for at in 0..UNTIMED + TIMED {
        for (from, to) in [(&one, &other), (&other, &one)] {
            let since = Instant::now();
            transfer(from, to, &payload, limits).await?;
            if at >= UNTIMED {
                took.push(since.elapsed());
            }
        }
    }
    took.sort_unstable();
    Ok(took[took.len() / 2])
}

/// One transfer, until it has been read and acknowledged. The receiver is a task of its own, as it is a
/// process of its own in a run.
async fn transfer(
    from: &Connection,
    to: &Connection,
    payload: &Bytes,
    limits: Limits,
) -> Result<(), NetError> {
    let (to, expected) = (to.clone(), payload.len());
    let read = tokio::spawn(async move {
        let mut reader = blob::accept(&to, limits).await?;
        let () = reader.header().await?;
        let mut into = Vec::new();
        reader.read_exact_into(&mut into, expected, WITHIN).await
    });
    blob::send(from, &(), vec![payload.clone()]).await?;
    read.await.map_err(|_| NetError::Broken)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn more_bytes_take_longer() {
        let [few, many] = [1_000, 1_000_000].map(|bytes| async move {
            let measured = loopback(bytes).await;
            measured.expect("loopback is there")
        });
        let (few, many) = (few.await, many.await);
        assert!(few < many, "{few:?}, {many:?}");
    }
}
