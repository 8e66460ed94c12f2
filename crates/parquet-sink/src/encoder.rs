//! Makes the bytes of one Parquet file from record batches, without any input or output. A call
//! returns pages when a row group is full. The last call returns the footer.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{Field, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowLeafColumn, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::{ParquetError, Result};
use parquet::file::FOOTER_SIZE;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescPtr;

use crate::codec::Codec;
use crate::pages::{SharedPages, Stores, lock};
use crate::{large, order, properties, schema};

const MAGIC: &[u8] = b"PAR1";

/// Encodes one Parquet file.
pub(crate) struct Encoder {
    schema: SchemaRef,
    parquet: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    codec: Arc<Codec>,
    threads: usize,
    open: Option<RowGroup>,
    closed: Vec<RowGroupMetaData>,
    /// Number of bytes returned so far.
    bytes: u64,
    rows: u64,
}

struct RowGroup {
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    writer: ArrowColumnWriter,
    pages: SharedPages,
    /// Set for a column whose statistics the parquet writer does not compute.
    statistics: Option<Statistics>,
}

impl Encoder {
    /// Returns an encoder for a file of `schema`. Up to `threads` threads encode at once.
    pub(crate) fn new(schema: SchemaRef, codec: Arc<Codec>, threads: usize) -> Result<Self> {
        let parquet = schema::descriptor(&schema)?;
        Ok(Self {
            schema,
            properties: Arc::new(properties::writer_properties(parquet.num_columns(), [])),
            parquet: Arc::new(parquet),
            codec,
            threads,
            open: None,
            closed: Vec::new(),
            bytes: 0,
            rows: 0,
        })
    }

    /// Returns the size of the file so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Encodes rows. Returns the bytes to append to the file: none until a row group is full.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<Vec<Bytes>> {
        let large = is_large(batch);
        let mut out = Vec::new();
        let mut group = match self.open.take() {
            Some(group) if !large => group,
            before => {
                if let Some(before) = before {
                    self.close(before, &mut out)?;
                }
                self.row_group(large.then_some(batch))?
            }
        };
        group.write(&self.schema, batch, self.threads)?;
        self.rows += batch.num_rows() as u64;
        if large || group.is_full() {
            self.close(group, &mut out)?;
        } else {
            self.open = Some(group);
        }
        Ok(out)
    }

    /// Returns the last bytes of the file, its size and its number of rows.
    pub(crate) fn finish(mut self) -> Result<(Vec<Bytes>, u64, u64)> {
        let mut out = Vec::new();
        if let Some(group) = self.open.take() {
            self.close(group, &mut out)?;
        }
        self.begin(&mut out);
        let rows = self.rows as i64;
        let created_by = Some(properties::CREATED_BY.to_owned());
        let version = self.properties.writer_version().as_num();
        let file = FileMetaData::new(version, rows, created_by, None, Arc::clone(&self.parquet), None);
        let metadata = ParquetMetaData::new(file, std::mem::take(&mut self.closed));
        let mut footer = Vec::with_capacity(FOOTER_SIZE);
        ParquetMetaDataWriter::new(&mut footer, &metadata).finish()?;
        order::declare(&mut footer, self.parquet.num_columns())?;
        self.bytes += footer.len() as u64;
        out.push(footer.into());
        Ok((out, self.bytes, self.rows))
    }

    /// Puts the magic number first if no bytes were returned yet.
    fn begin(&mut self, out: &mut Vec<Bytes>) {
        if self.bytes == 0 {
            self.bytes = MAGIC.len() as u64;
            out.insert(0, Bytes::from_static(MAGIC));
        }
    }

    /// Returns an empty row group. A batch that is `large` gets a row group of its own.
    fn row_group(&self, large: Option<&RecordBatch>) -> Result<RowGroup> {
        let statistics: Vec<_> = match large {
            Some(batch) => batch.columns().iter().map(large::statistics).collect(),
            None => vec![None; self.parquet.num_columns()],
        };
        let properties = match large {
            Some(_) => {
                let columns = statistics.iter().zip(self.parquet.columns()).filter(|(large, _)| large.is_some());
                let paths = columns.map(|(_, column)| column.path().clone());
                Arc::new(properties::writer_properties(self.parquet.num_columns(), paths))
            }
            None => Arc::clone(&self.properties),
        };
        // Only a file writer can create column writers. This one writes the magic number to a sink.
        let file = SerializedFileWriter::new(io::sink(), self.parquet.root_schema_ptr(), properties)?;
        let stores = Stores::new(Arc::clone(&self.codec));
        let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&self.schema))
            .with_page_store_factory(Arc::clone(&stores) as _);
        let writers = factory.create_column_writers(self.closed.len())?;
        let columns = writers.into_iter().zip(stores.pages()).zip(statistics);
        let columns = columns.map(|((writer, pages), statistics)| Column { writer, pages, statistics }).collect();
        Ok(RowGroup { columns, rows: 0 })
    }

    fn close(&mut self, group: RowGroup, out: &mut Vec<Bytes>) -> Result<()> {
        self.begin(out);
        let start = self.bytes;
        let mut uncompressed = 0;
        let mut columns = Vec::with_capacity(group.columns.len());
        for Column { writer, pages, statistics } in group.columns {
            let chunk = writer.close()?;
            let pages = std::mem::take(&mut *lock(&pages));
            let dictionary = pages.dictionary.iter().map(Bytes::len).sum::<usize>() as u64;
            let signed = |offset: u64| i64::try_from(offset).unwrap_or(i64::MAX);
            let metadata = chunk.close().metadata.clone();
            let statistics = statistics.or_else(|| metadata.statistics().cloned().map(order::statistics));
            let mut metadata = metadata.into_builder();
            if let Some(statistics) = statistics {
                metadata = metadata.set_statistics(statistics);
            }
            let metadata = metadata
                .set_compression(self.codec.named())
                .set_total_compressed_size(signed(pages.bytes as u64))
                .set_dictionary_page_offset((dictionary > 0).then_some(signed(self.bytes)))
                .set_data_page_offset(signed(self.bytes + dictionary))
                .build()?;
            uncompressed += metadata.uncompressed_size();
            columns.push(metadata);
            self.bytes += pages.bytes as u64;
            out.extend(pages.dictionary);
            out.extend(pages.data);
        }
        let metadata = RowGroupMetaData::builder(Arc::clone(&self.parquet))
            .set_column_metadata(columns)
            .set_total_byte_size(uncompressed)
            .set_num_rows(group.rows as i64)
            .set_ordinal(i32::try_from(self.closed.len()).unwrap_or(i32::MAX))
            .set_file_offset(i64::try_from(start).unwrap_or(i64::MAX))
            .build()?;
        self.closed.push(metadata);
        Ok(())
    }
}

impl RowGroup {
    /// Encodes the columns. Each goes to the next free thread.
    fn write(&mut self, schema: &SchemaRef, batch: &RecordBatch, threads: usize) -> Result<()> {
        self.rows += batch.num_rows();
        let threads = threads.min(self.columns.len());
        let columns = self.columns.iter_mut().zip(schema.fields().iter().zip(batch.columns()));
        let work = Mutex::new(columns);
        let encode = || {
            loop {
                let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((column, (field, values))) = next else { return Ok(()) };
                column.writer.write(&leaf(field, values)?)?;
            }
        };
        if threads <= 1 {
            return encode();
        }
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(encode)).collect();
            let own = encode();
            let panicked = |panic| std::panic::resume_unwind(panic);
            others.into_iter().map(|other| other.join().unwrap_or_else(panicked)).fold(own, Result::and)
        })
    }

    /// Returns whether the row group has reached the size that suits readers or its memory limit.
    fn is_full(&self) -> bool {
        let compressed: usize = self.columns.iter().map(|column| lock(&column.pages).bytes).sum();
        let pending: usize = self.columns.iter().map(|column| column.writer.memory_size()).sum();
        self.rows >= properties::ROW_GROUP_ROWS
            || compressed >= properties::ROW_GROUP_BYTES
            || compressed + pending >= properties::ROW_GROUP_MEMORY
    }
}

/// Returns whether a batch holds a value so large that as few copies as possible must be in memory.
pub(crate) fn is_large(batch: &RecordBatch) -> bool {
    let bytes = batch.columns().iter().filter_map(|column| column.to_data().get_slice_memory_size().ok());
    bytes.sum::<usize>() > properties::LARGE_BATCH
}

/// Returns the leaf of a column. A column has exactly one, because exports have lists but no
/// structs.
fn leaf(field: &Field, values: &ArrayRef) -> Result<ArrowLeafColumn> {
    let mut leaves = compute_leaves(field, values)?;
    match (leaves.pop(), leaves.pop()) {
        (Some(leaf), None) => Ok(leaf),
        _ => Err(ParquetError::NYI(format!("columns of type {}", values.data_type()))),
    }
}
