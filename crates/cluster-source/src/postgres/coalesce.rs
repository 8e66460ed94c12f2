//! Coalesces the messages of a COPY. The server sends one message per row, and the client library
//! passes each through its channels, which is expensive. This stream is between the socket (or TLS)
//! and the library, so the library gets few large messages with the same bytes.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Size of the buffer, and thus the maximum size of a coalesced message. It holds hundreds of usual
/// rows.
const BUFFER: usize = 64 << 10;

/// Size of a message's type and length. The length counts itself.
const HEADER: usize = 5;

/// A stream whose adjacent `CopyData` messages arrive as one. Written bytes are passed on
/// unchanged.
pub(super) struct Coalesced<S> {
    inner: S,
    buffer: Box<[u8]>,
    /// The part of the buffer that the reader gets next.
    ready: Range<usize>,
    /// The part of the buffer that holds the start of an incomplete message.
    rest: Range<usize>,
    /// Number of missing bytes of a message that is larger than the buffer. The reader gets them
    /// unchanged.
    passing: usize,
}

impl<S> Coalesced<S> {
    /// Wraps a stream. Its next byte must be the first byte of a message.
    pub(super) fn new(inner: S) -> Self {
        Self { inner, buffer: vec![0; BUFFER].into(), ready: 0..0, rest: 0..0, passing: 0 }
    }

    /// Moves received messages from `rest` to `ready`: complete messages, and the start of one that
    /// is larger than the buffer.
    fn coalesce(&mut self) {
        let Range { start, end } = self.rest;
        let (mut read, mut written) = (start, start);
        // The position of the header of the message that others are joined to.
        let mut joined: Option<usize> = None;
        while let Some((kind, length)) = header(&self.buffer[read..end]) {
            if length > BUFFER {
                // This includes an invalid length, which the library will report.
                self.passing = length - (end - read);
                self.buffer.copy_within(read..end, written);
                written += end - read;
                read = end;
                break;
            }
            if length > end - read {
                break;
            }
            let skipped = if kind == b'd' && joined.is_some() { HEADER } else { 0 };
            self.buffer.copy_within(read + skipped..read + length, written);
            joined = (kind == b'd').then(|| joined.unwrap_or(written));
            written += length - skipped;
            read += length;
            if let Some(header) = joined {
                // The length is at most the buffer's size, so the cast keeps its value.
                let length = (written - header - 1) as u32;
                self.buffer[header + 1..header + HEADER].copy_from_slice(&length.to_be_bytes());
            }
        }
        self.ready = start..written;
        self.rest = read..end;
    }
}

/// Returns type and size of the message at the start of `bytes`. The size includes the header.
fn header(bytes: &[u8]) -> Option<(u8, usize)> {
    let (header, _) = bytes.split_first_chunk::<HEADER>()?;
    let [kind, length @ ..] = *header;
    // A length below 4 is invalid, because it counts itself. All further bytes are passed on, and
    // the library rejects them.
    let length = match u32::from_be_bytes(length) {
        length @ 4.. => length as usize + 1,
        _ => usize::MAX,
    };
    Some((kind, length))
}

impl<S: AsyncRead + Unpin> AsyncRead for Coalesced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.ready.is_empty() {
            if this.passing > 0 {
                let most = this.passing.min(out.remaining());
                let mut part = ReadBuf::new(out.initialize_unfilled_to(most));
                ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
                let read = part.filled().len();
                out.advance(read);
                this.passing -= read;
                return Poll::Ready(Ok(()));
            }
            if this.rest.start > 0 {
                this.buffer.copy_within(this.rest.clone(), 0);
                this.rest = 0..this.rest.len();
            }
            let mut more = ReadBuf::new(&mut this.buffer[this.rest.end..]);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut more))?;
            let read = more.filled().len();
            if read == 0 {
                // The connection ended within a message. The library gets the incomplete message
                // and reports it.
                this.ready = std::mem::take(&mut this.rest);
                break;
            }
            this.rest.end += read;
            this.coalesce();
        }
        let take = this.ready.len().min(out.remaining());
        let end = this.ready.start + take;
        out.put_slice(&this.buffer[this.ready.start..end]);
        this.ready.start = end;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Coalesced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Coalesced<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// TLS whose decrypted stream is coalesced.
pub(super) struct CoalescedTls<T>(pub T);

impl<S, T> TlsConnect<S> for CoalescedTls<T>
where
    S: 'static,
    T: TlsConnect<S, Future: Send> + 'static,
{
    type Stream = Coalesced<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connecting = self.0.connect(stream);
        Box::pin(async move { Ok(Coalesced::new(connecting.await?)) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Returns its chunks one by one.
    struct Chunks(VecDeque<Vec<u8>>);

    impl AsyncRead for Chunks {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if let Some(mut chunk) = self.0.pop_front() {
                let rest = chunk.split_off(chunk.len().min(out.remaining()));
                out.put_slice(&chunk);
                if !rest.is_empty() {
                    self.0.push_front(rest);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
    }

    /// Returns the bytes that arrive. Each read takes at most `most` bytes.
    fn through(bytes: &[u8], chunk: usize, most: usize) -> Vec<u8> {
        let mut stream = Coalesced::new(Chunks(bytes.chunks(chunk).map(<[u8]>::to_vec).collect()));
        let mut all = Vec::new();
        let mut buffer = vec![0; most];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        while let read @ 1.. = runtime.block_on(stream.read(&mut buffer)).unwrap() {
            all.extend_from_slice(&buffer[..read]);
        }
        all
    }

    /// Returns the messages of a stream. Adjacent `CopyData` messages are joined.
    fn joined(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut messages: Vec<(u8, Vec<u8>)> = Vec::new();
        while let Some((kind, length)) = header(bytes) {
            match messages.last_mut() {
                Some((b'd', body)) if kind == b'd' => body.extend_from_slice(&bytes[HEADER..length]),
                _ => messages.push((kind, bytes[HEADER..length].to_vec())),
            }
            bytes = &bytes[length..];
        }
        assert!(bytes.is_empty());
        messages
    }

    #[test]
    fn rows_received_together_are_one_message() {
        let bytes = [message(b'H', b"h"), message(b'd', b"one"), message(b'd', b""), message(b'd', b"two")].concat();
        let end = message(b'c', b"");
        let expected = [message(b'H', b"h"), message(b'd', b"onetwo"), end.clone()].concat();
        assert_eq!(through(&[bytes, end].concat(), 1000, 1000), expected);
    }

    #[test]
    fn invalid_and_incomplete_messages_arrive_unchanged() {
        for bytes in [&b"d\0\0\0\x03abc"[..], b"d\0\0\0\0", b"d\0\0", b"d\0\0\0\x09abc", b"Z\xff\xff\xff\xffI"] {
            for chunk in [1, 1000] {
                assert_eq!(through(bytes, chunk, 1000), bytes);
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_added_or_moved(
            messages in prop::collection::vec((prop::sample::select(&b"dddTZ"[..]), prop_oneof![9 => 0..300_usize, 1 => 0..200_000_usize]), 0..40),
            chunk in prop_oneof![1..50_usize, 1..200_000_usize], most in prop_oneof![1..50_usize, 1..200_000_usize],
        ) {
            let mut next = 0_u32;
            let mut bytes = Vec::new();
            for (kind, length) in messages {
                let body = (0..length).map(|_| { next = next.wrapping_mul(1_664_525).wrapping_add(1); (next >> 24) as u8 });
                bytes.extend(message(kind, &body.collect::<Vec<_>>()));
            }
            let arrived = through(&bytes, chunk, most);
            prop_assert!(joined(&arrived) == joined(&bytes));
        }
    }
}
