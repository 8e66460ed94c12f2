//! The rows of a partition as a stream of record batches.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use arrow_array::RecordBatch;
use export_task::plan::Partition;
use export_task::table::Table;
use futures_util::Stream;
use tokio_postgres::CopyOutStream;

use super::batch::Batcher;
use super::connect::Connection;
use super::{failure, sql};
use crate::batch::BatchOptions;
use crate::error::SourceError;

/// Starts reading the rows of a partition.
///
/// The connection must live until the stream ends. If the stream is dropped earlier, the connection
/// can't be used any more: drop both.
///
/// # Errors
/// [`SourceError`], from this call or from the stream. A stream that ends without an error has
/// returned every row.
pub async fn read(
    connection: &Connection,
    table: &Table,
    partition: &Partition,
    options: BatchOptions,
) -> Result<Batches, SourceError> {
    let batcher = Batcher::new(table, connection.server_version(), options)?;
    let statement = sql::copy(table, partition)?;
    let copy = connection.client().copy_out(&statement).await.map_err(failure::from_copy)?;
    Ok(Batches { copy: Box::pin(copy), batcher, bytes_read: 0, ended: false })
}

/// A stream of record batches, none of them empty.
pub struct Batches {
    copy: Pin<Box<CopyOutStream>>,
    batcher: Batcher,
    bytes_read: u64,
    ended: bool,
}

impl Batches {
    /// Returns the number of bytes of row data received so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>, SourceError>> {
        loop {
            if let Some(batch) = self.batcher.next_full()? {
                return Poll::Ready(Ok(Some(batch)));
            }
            match ready!(self.copy.as_mut().poll_next(cx)) {
                Some(chunk) => {
                    let chunk = chunk.map_err(failure::from_copy)?;
                    self.bytes_read += chunk.len() as u64;
                    self.batcher.push(chunk);
                }
                None => {
                    self.ended = true;
                    return Poll::Ready(self.batcher.finish());
                }
            }
        }
    }
}

impl Stream for Batches {
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
