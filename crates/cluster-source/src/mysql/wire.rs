//! Packets over a socket (MySQL internals manual, "MySQL Packets"): three bytes of length, a sequence number, the payload. A
//! payload that fills a packet goes on in the next one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::error::SourceError;

/// The largest payload of one packet.
const MOST_PAYLOAD: usize = 0xFF_FFFF;

/// What is read from the socket at once, unless a packet is larger.
const READ_BYTES: usize = 128 * 1024;

/// What a connection runs over.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// Both directions of a connection.
pub(super) struct Wire {
    socket: Box<dyn Socket>,
    sequence: u8,
    /// What was received and not yet taken is `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The payload of packets that belong together.
    joined: Vec<u8>,
    joining: bool,
    received: u64,
}

impl Wire {
    pub fn new(socket: Box<dyn Socket>) -> Self {
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

    /// The socket alone, to go on in another way, with the sequence number that is next. The server must not have sent more
    /// than was taken.
    pub fn into_socket(self) -> Result<(Box<dyn Socket>, u8), SourceError> {
        if self.start < self.end {
            return Err(SourceError::Protocol("data before the start of TLS"));
        }
        Ok((self.socket, self.sequence))
    }

    /// Goes on with another sequence number.
    pub fn with_sequence(mut self, sequence: u8) -> Self {
        self.sequence = sequence;
        self
    }

    /// Bytes of the packets taken so far.
    pub fn taken(&self) -> u64 {
        self.received - (self.end - self.start) as u64
    }

    /// Sends a payload that belongs to what was said before.
    pub async fn send(&mut self, payload: &[u8]) -> Result<(), SourceError> {
        let mut rest = payload;
        loop {
            let (part, after) = rest.split_at(rest.len().min(MOST_PAYLOAD));
            // Below 2^24 by the line above.
            let [a, b, c, _] = (part.len() as u32).to_le_bytes();
            self.socket.write_all(&[a, b, c, self.sequence]).await.map_err(lost)?;
            self.socket.write_all(part).await.map_err(lost)?;
            self.sequence = self.sequence.wrapping_add(1);
            rest = after;
            if part.len() < MOST_PAYLOAD {
                return self.socket.flush().await.map_err(lost);
            }
        }
    }

    /// Sends the first payload of a command.
    pub async fn command(&mut self, payload: &[u8]) -> Result<(), SourceError> {
        self.sequence = 0;
        self.send(payload).await
    }

    /// The next payload.
    pub async fn receive(&mut self) -> Result<&[u8], SourceError> {
        let payload = loop {
            if let Some(payload) = self.next()? {
                break payload;
            }
            std::future::poll_fn(|cx| self.poll_fill(cx)).await?;
        };
        Ok(self.payload(payload))
    }

    /// The next payload, when all of it is there.
    #[inline]
    pub fn take(&mut self) -> Result<Option<&[u8]>, SourceError> {
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
                return Err(SourceError::Protocol("a packet out of sequence"));
            }
            self.sequence = self.sequence.wrapping_add(1);
            let from = self.start + head.len();
            self.start = from + length;
            if length < MOST_PAYLOAD && !self.joining {
                return Ok(Some(Payload::At(from, self.start)));
            }
            self.joined.extend_from_slice(&self.buffer[from..self.start]);
            self.joining = length == MOST_PAYLOAD;
            if !self.joining {
                return Ok(Some(Payload::Joined));
            }
        }
    }

    /// Receives more. Room is made for the whole packet that has begun.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let begun = self.buffer[..self.end].first_chunk().map_or(0, |head| 4 + length(*head));
        if begun > self.buffer.len() {
            // Twice what is needed, so that the next packet of this size is not moved around in a full buffer.
            self.buffer.resize(begun + begun.min(READ_BYTES), 0);
        }
        let mut room = ReadBuf::new(&mut self.buffer[self.end..]);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut room)).map_err(lost)?;
        let more = room.filled().len();
        if more == 0 {
            return Poll::Ready(Err(lost(io::Error::from(io::ErrorKind::UnexpectedEof))));
        }
        self.end += more;
        self.received += more as u64;
        Poll::Ready(Ok(()))
    }
}

/// Where a payload is.
enum Payload {
    At(usize, usize),
    Joined,
}

fn length([a, b, c, _]: [u8; 4]) -> usize {
    u32::from_le_bytes([a, b, c, 0]) as usize
}

/// An error of the socket.
pub(super) fn lost(error: io::Error) -> SourceError {
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
        let lengths = [0, 1, MOST_PAYLOAD - 1, MOST_PAYLOAD, MOST_PAYLOAD + 1, 2 * MOST_PAYLOAD, 5];
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
