//! Packets over a socket (MySQL internals manual, "MySQL Packets"): three bytes of length, a
//! sequence number, the payload. A payload that fills a packet continues in the next one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::error::SourceError;

/// The first byte of a packet that reports success, and of a row in binary form.
pub(super) const OK_HEADER: u8 = 0x00;
/// The first byte of a packet that reports an error.
pub(super) const ERR_HEADER: u8 = 0xFF;
/// The first byte of the packet that ends a result.
pub(super) const EOF_HEADER: u8 = 0xFE;

/// The largest payload of one packet.
const MAX_PAYLOAD: usize = 0xFF_FFFF;

/// The size of the receive buffer, unless a packet is larger.
const READ_BYTES: usize = 128 * 1024;

/// A byte stream, with or without TLS.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// Both directions of a connection.
pub(super) struct Wire {
    socket: Box<dyn Socket>,
    sequence: u8,
    /// `buffer[start..end]` holds the bytes that were received but not yet taken.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The payload of several packets, joined.
    joined: Vec<u8>,
    joining: bool,
    received: u64,
}

impl Wire {
    pub(super) fn new(socket: Box<dyn Socket>) -> Self {
        Self {
            socket,
            sequence: 0,
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            joined: Vec::new(),
            joining: false,
            received: 0,
        }
    }

    /// Returns the socket and the next sequence number, for the change to TLS. The server must not
    /// have sent more than was taken.
    pub(super) fn into_socket(self) -> Result<(Box<dyn Socket>, u8), SourceError> {
        if self.start < self.end {
            return Err(SourceError::Protocol("unexpected data before the start of TLS"));
        }
        Ok((self.socket, self.sequence))
    }

    /// Sets the next sequence number.
    pub(super) fn with_sequence(mut self, sequence: u8) -> Self {
        self.sequence = sequence;
        self
    }

    /// Returns the bytes of the packets taken so far.
    pub(super) fn bytes_taken(&self) -> u64 {
        self.received - (self.end - self.start) as u64
    }

    /// Sends a payload that continues an exchange.
    pub(super) async fn send(&mut self, payload: &[u8]) -> Result<(), SourceError> {
        let mut rest = payload;
        loop {
            let (part, after) = rest.split_at(rest.len().min(MAX_PAYLOAD));
            // `MAX_PAYLOAD` fits three bytes.
            let [a, b, c, _] = (part.len() as u32).to_le_bytes();
            self.socket.write_all(&[a, b, c, self.sequence]).await.map_err(socket_error)?;
            self.socket.write_all(part).await.map_err(socket_error)?;
            self.sequence = self.sequence.wrapping_add(1);
            rest = after;
            if part.len() < MAX_PAYLOAD {
                return self.socket.flush().await.map_err(socket_error);
            }
        }
    }

    /// Sends a command, which begins an exchange.
    pub(super) async fn command(&mut self, payload: &[u8]) -> Result<(), SourceError> {
        self.sequence = 0;
        self.send(payload).await
    }

    /// Waits for the next payload.
    pub(super) async fn receive(&mut self) -> Result<&[u8], SourceError> {
        let payload = loop {
            if let Some(payload) = self.next()? {
                break payload;
            }
            std::future::poll_fn(|cx| self.poll_fill(cx)).await?;
        };
        Ok(self.payload(payload))
    }

    /// Returns the next payload, or `None` if it has not been received completely.
    #[inline]
    pub(super) fn take(&mut self) -> Result<Option<&[u8]>, SourceError> {
        Ok(match self.next()? {
            Some(payload) => Some(self.payload(payload)),
            None => None,
        })
    }

    fn payload(&self, payload: Payload) -> &[u8] {
        match payload {
            Payload::Joined => &self.joined,
            Payload::At(from, to) => &self.buffer[from..to],
        }
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Payload>, SourceError> {
        if !self.joining && !self.joined.is_empty() {
            self.joined = Vec::new();
        }
        loop {
            let Some((head, body)) = self.buffer[self.start..self.end].split_first_chunk::<4>() else {
                return Ok(None);
            };
            let length = length(*head);
            if body.len() < length {
                return Ok(None);
            }
            if head[3] != self.sequence {
                return Err(SourceError::Protocol("packet out of sequence"));
            }
            self.sequence = self.sequence.wrapping_add(1);
            let from = self.start + head.len();
            self.start = from + length;
            if length < MAX_PAYLOAD && !self.joining {
                return Ok(Some(Payload::At(from, self.start)));
            }
            self.joined.extend_from_slice(&self.buffer[from..self.start]);
            self.joining = length == MAX_PAYLOAD;
            if !self.joining {
                return Ok(Some(Payload::Joined));
            }
        }
    }

    /// Receives more bytes. Makes room for the whole of the packet that has begun.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let begun = self.buffer[..self.end].first_chunk().map_or(0, |head| 4 + length(*head));
        if begun > self.buffer.len() {
            // Up to twice what is needed, so that the next packet of this size also fits and is
            // moved less often.
            self.buffer.resize(begun + begun.min(READ_BYTES), 0);
        }
        let mut room = ReadBuf::new(&mut self.buffer[self.end..]);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut room)).map_err(socket_error)?;
        let more = room.filled().len();
        if more == 0 {
            return Poll::Ready(Err(socket_error(io::Error::from(io::ErrorKind::UnexpectedEof))));
        }
        self.end += more;
        self.received += more as u64;
        Poll::Ready(Ok(()))
    }
}

/// The place of a payload in the buffers.
enum Payload {
    At(usize, usize),
    Joined,
}

fn length([a, b, c, _]: [u8; 4]) -> usize {
    u32::from_le_bytes([a, b, c, 0]) as usize
}

/// Returns the error of a socket.
pub(super) fn socket_error(error: io::Error) -> SourceError {
    if error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()) {
        SourceError::Untrusted { source: Box::new(error) }
    } else {
        SourceError::Unavailable { source: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn large_payloads_are_split_and_joined() {
        let lengths = [0, 1, MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD, 5];
        runtime().block_on(async {
            let (near, far) = duplex(1 << 20);
            let (mut near, mut far) = (Wire::new(Box::new(near)), Wire::new(Box::new(far)));
            let payload = |length: usize| (0..length).map(|i| (i % 251) as u8).collect::<Vec<_>>();
            let sender = async {
                for length in lengths {
                    near.send(&payload(length)).await.unwrap();
                }
            };
            let receiver = async {
                for length in lengths {
                    assert_eq!(far.receive().await.unwrap(), payload(length));
                }
            };
            tokio::join!(sender, receiver);
        });
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            runtime().block_on(async {
                let (mut near, far) = duplex(1 << 20);
                near.write_all(&bytes).await.unwrap();
                drop(near);
                let mut far = Wire::new(Box::new(far));
                while far.receive().await.is_ok() {}
            });
        }
    }
}
