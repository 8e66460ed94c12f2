//! Batches to write and files to read back.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BinaryArray, Int16Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};

/// Returns the schema of a NOT NULL key, and of a smallint and a text that may be NULL.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("small", DataType::Int16, true),
        Field::new("text", DataType::Utf8, true),
    ]))
}

/// Returns the rows `from..to` of [`schema`].
pub(crate) fn batch(from: i64, to: i64) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(from..to)),
        Arc::new(Int16Array::from_iter((from..to).map(|n| (n % 3 != 0).then_some((n % 1000) as i16 - 500)))),
        Arc::new(StringArray::from_iter((from..to).map(|n| (n % 5 != 0).then(|| format!("row {n} é"))))),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// Returns the schema of one column of bytes that do not compress, so that sizes on disk are known.
pub(crate) fn noise_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("noise", DataType::Binary, true)]))
}

/// Returns `mib` MiB of noise in rows of one KiB. Every seed gives other bytes.
pub(crate) fn noise(mib: usize, seed: u64) -> RecordBatch {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let values = (0..mib * 1024).map(|_| {
        let words = (0..128).flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        words.collect::<Vec<u8>>()
    });
    let column: ArrayRef = Arc::new(BinaryArray::from_iter_values(values));
    RecordBatch::try_new(noise_schema(), vec![column]).unwrap()
}

/// Returns a list of numbers and a list of texts. Of every four rows, one is NULL, one is empty,
/// one has a NULL element, and one is long.
pub(crate) fn lists(from: i32, to: i32) -> RecordBatch {
    let numbers = Field::new("element", DataType::Int32, true);
    let texts = Field::new("element", DataType::Utf8, true);
    let mut number = ListBuilder::new(Int32Builder::new()).with_field(numbers.clone());
    let mut text = ListBuilder::new(StringBuilder::new()).with_field(texts.clone());
    for n in from..to {
        let length = [0, 0, 3, 50][n as usize % 4];
        for i in 0..length {
            number.values().append_option((i % 3 != 1).then_some(n * i));
            text.values().append_option((i % 3 != 1).then(|| format!("[{n}, {i}]")));
        }
        number.append(n % 4 != 0);
        text.append(n % 4 != 0);
    }
    let schema = Schema::new(vec![Field::new_list("numbers", numbers, true), Field::new_list("texts", texts, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(number.finish()), Arc::new(text.finish())]).unwrap()
}

/// Returns all rows of a file.
pub(crate) fn read(file: Bytes) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

/// Returns whether both hold the same rows in the same order, however they are cut into batches.
pub(crate) fn same_rows(left: &[RecordBatch], right: &[RecordBatch]) -> bool {
    fn next(batches: &mut Vec<RecordBatch>) -> Option<RecordBatch> {
        batches.retain(|b| b.num_rows() > 0);
        (!batches.is_empty()).then(|| batches.remove(0))
    }
    let (mut left, mut right) = (left.to_vec(), right.to_vec());
    loop {
        match (next(&mut left), next(&mut right)) {
            (None, None) => return true,
            (Some(l), Some(r)) => {
                let rows = l.num_rows().min(r.num_rows());
                if l.slice(0, rows).columns() != r.slice(0, rows).columns() {
                    return false;
                }
                left.insert(0, l.slice(rows, l.num_rows() - rows));
                right.insert(0, r.slice(rows, r.num_rows() - rows));
            }
            _ => return false,
        }
    }
}

/// Returns the file's footer.
pub(crate) fn footer(file: Bytes) -> parquet::file::metadata::ParquetMetaData {
    let reader = SerializedFileReader::new(file).unwrap();
    reader.metadata().clone()
}
