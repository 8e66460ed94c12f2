//! The rows of a partition as a stream of record batches.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use arrow_array::RecordBatch;
use export_task::plan::Partition;
use export_task::table::Table;
use futures_util::Stream;

use super::batch::Batcher;
use super::connect::Connection;
use super::wire::{EOF_HEADER, ERR_HEADER, OK_HEADER};
use super::{failure, sql};
use crate::batch::BatchOptions;
use crate::error::SourceError;

/// Starts to read the rows of a partition. First discards the remaining rows of a stream that was
/// dropped before its end.
///
/// # Errors
/// [`SourceError`], from this function or from the stream. A stream that ends without an error has
/// returned each row.
pub async fn read<'a>(
    connection: &'a mut Connection,
    table: &Table,
    partition: &Partition,
    options: BatchOptions,
) -> Result<Batches<'a>, SourceError> {
    let batcher = Batcher::new(table, options)?;
    connection.drain().await?;
    if let Some(statement) = connection.finished.take() {
        connection.close(statement).await?;
    }
    let (statement, definitions) = connection.start(&sql::select(table, partition)?).await?;
    connection.running = Some(statement);
    batcher.check(&definitions)?;
    let taken_before = connection.wire.bytes_taken();
    Ok(Batches { connection, batcher, taken_before, ended: false })
}

/// A stream of record batches, none of them empty.
pub struct Batches<'a> {
    connection: &'a mut Connection,
    batcher: Batcher,
    /// The bytes taken from the connection before the first row.
    taken_before: u64,
    ended: bool,
}

impl Batches<'_> {
    /// Returns the bytes of row data read so far.
    pub fn bytes_read(&self) -> u64 {
        self.connection.wire.bytes_taken() - self.taken_before
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>, SourceError>> {
        loop {
            while let Some(packet) = self.connection.wire.take()? {
                match packet.first() {
                    Some(&OK_HEADER) => {
                        if self.batcher.append(packet)? {
                            return Poll::Ready(self.batcher.take());
                        }
                    }
                    Some(&EOF_HEADER) => {
                        self.ended = true;
                        self.connection.finished = self.connection.running.take();
                        return Poll::Ready(self.batcher.take());
                    }
                    Some(&ERR_HEADER) => {
                        let error = failure::from_row(packet);
                        self.connection.finished = self.connection.running.take();
                        return Poll::Ready(Err(error));
                    }
                    _ => return Poll::Ready(Err(SourceError::Protocol("malformed row"))),
                }
            }
            ready!(self.connection.wire.poll_fill(cx))?;
        }
    }
}

impl Stream for Batches<'_> {
    type Item = Result<RecordBatch, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let batch = ready!(self.poll_batch(cx));
        self.ended |= batch.is_err();
        Poll::Ready(batch.transpose())
    }
}
