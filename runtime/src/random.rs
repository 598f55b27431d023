//! Random bytes.

use std::io;

use ring::rand::{SecureRandom, SystemRandom};

/// Fresh random bytes from the system.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other("the system provides no random bytes"))?;
    Ok(bytes)
}
