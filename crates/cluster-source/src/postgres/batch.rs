//! Decodes the output of a COPY into record batches. Does no input or output: bytes go in, record
//! batches come out.

use arrow_array::RecordBatch;
use bytes::{Bytes, BytesMut};
use export_task::table::Table;

use super::copy_binary::{self, Fields, Item};
use super::types::ColumnBuilder;
use crate::batch::{BatchBuilder, BatchOptions};
use crate::error::SourceError;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Header,
    Tuple,
    End,
}

/// Decodes the chunks of one COPY into record batches. Does no input or output.
pub struct Batcher {
    builder: BatchBuilder,
    columns: Vec<ColumnBuilder>,
    expect: Expect,
    /// Bytes that are not decoded yet: the start of an incomplete tuple, or the bytes after a full
    /// batch.
    pending: Bytes,
}

impl Batcher {
    /// Returns a batcher for the COPY of `table` that [`read`](super::read) runs. `server_version`
    /// is like `150004`.
    ///
    /// # Errors
    /// [`SourceError::Plan`] if another version of this program wrote the plan.
    pub fn new(table: &Table, server_version: i32, options: BatchOptions) -> Result<Self, SourceError> {
        let columns =
            table.columns.iter().map(|column| ColumnBuilder::new(column, server_version)).collect::<Result<_, _>>()?;
        let builder = BatchBuilder::new(table, options);
        Ok(Self { builder, columns, expect: Expect::Header, pending: Bytes::new() })
    }

    /// Adds the next bytes that the server sent.
    pub fn push(&mut self, chunk: Bytes) {
        if self.pending.is_empty() {
            self.pending = chunk;
        } else {
            // Only the first call copies the pending bytes. Later calls extend the same buffer.
            let mut joined = BytesMut::from(std::mem::take(&mut self.pending));
            joined.extend_from_slice(&chunk);
            self.pending = joined.freeze();
        }
    }

    /// Returns a full record batch, or `None` if it needs more bytes.
    ///
    /// # Errors
    /// [`SourceError`] if the pushed bytes are malformed, or a value or row is too large.
    pub fn next_full(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        let pending = std::mem::take(&mut self.pending);
        let mut at = 0;
        let mut full = false;
        while at < pending.len() && !full {
            let rest = &pending[at..];
            let item = match self.expect {
                Expect::Header => copy_binary::header(rest)?,
                Expect::Tuple => copy_binary::tuple(rest, self.columns.len())?,
                Expect::End => return Err(SourceError::Protocol("data after the end of COPY")),
            };
            at += match item {
                Item::Incomplete => break,
                Item::Header(length) => {
                    self.expect = Expect::Tuple;
                    length
                }
                Item::Tuple(fields, length) => {
                    full = self.append(fields, length)?;
                    length
                }
                Item::Trailer => {
                    self.expect = Expect::End;
                    size_of::<i16>()
                }
            };
        }
        // Keeping a reference to decoded bytes would keep them in memory as long as the batch.
        self.pending = if at < pending.len() { pending.slice(at..) } else { Bytes::new() };
        if full { self.take() } else { Ok(None) }
    }

    /// Returns the remaining rows. Checks that the COPY is complete, so that rows are never
    /// silently missing.
    ///
    /// # Errors
    /// [`SourceError::Protocol`] if the COPY is incomplete.
    pub fn finish(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        if self.expect != Expect::End {
            return Err(SourceError::Protocol("COPY ended without a trailer"));
        }
        self.take()
    }

    /// Adds a row. Returns whether the record batch is full.
    fn append(&mut self, fields: Fields<'_>, length: usize) -> Result<bool, SourceError> {
        self.builder.check_row(length)?;
        let max_value_bytes = self.builder.max_value_bytes();
        let mut bytes = 0;
        for (column, field) in self.columns.iter_mut().zip(fields) {
            match field {
                Some(value) if column.size(value) > max_value_bytes => {
                    return Err(SourceError::ValueTooLarge { column: Some(column.name().to_owned()) });
                }
                Some(value) => bytes += column.append(value)?,
                None => bytes += column.append_null(),
            }
        }
        Ok(self.builder.add(bytes))
    }

    fn take(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        self.builder.take(&mut self.columns, ColumnBuilder::finish)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use export_task::table::{Column, ParquetType};
    use export_task::warning::SkipReason;
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;
    use crate::postgres::types::Decode;

    fn all() -> Vec<(&'static str, ParquetType)> {
        Decode::ALL.iter().map(|decode| (decode.name(), decode.parquet())).collect()
    }

    fn table(decodes: &[(&str, ParquetType)]) -> Table {
        let column = |(decode, parquet): &(&str, ParquetType)| Column {
            name: format!("c_{decode}"),
            original_type: String::new(),
            char_max_length: 0,
            num_precision: 0,
            datetime_precision: 0,
            decode: (*decode).to_owned(),
            parquet: *parquet,
            list: false,
        };
        Table {
            id: 0,
            database: "d".to_owned(),
            schema: "s".to_owned(),
            name: "t".to_owned(),
            directory_suffix: None,
            columns: decodes.iter().map(column).collect(),
        }
    }

    const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

    fn tuple(fields: &[Option<&[u8]>]) -> Vec<u8> {
        let mut bytes = (fields.len() as i16).to_be_bytes().to_vec();
        for field in fields {
            bytes.extend_from_slice(&field.map_or(-1, |value| value.len() as i32).to_be_bytes());
            bytes.extend_from_slice(field.unwrap_or_default());
        }
        bytes
    }

    /// Pushes `bytes` in chunks that end at `cuts` and collects every batch.
    fn decode(
        decodes: &[(&str, ParquetType)],
        bytes: &[u8],
        cuts: &[usize],
        options: BatchOptions,
    ) -> Result<Vec<RecordBatch>, SourceError> {
        let mut batcher = Batcher::new(&table(decodes), 170_000, options)?;
        let mut batches = Vec::new();
        let mut start = 0;
        for cut in cuts.iter().copied().chain([bytes.len()]) {
            let end = cut.clamp(start, bytes.len());
            batcher.push(Bytes::copy_from_slice(&bytes[start..end]));
            start = end;
            while let Some(batch) = batcher.next_full()? {
                batches.push(batch);
            }
        }
        batches.extend(batcher.finish()?);
        Ok(batches)
    }

    fn one_text(bytes: &[u8]) -> Result<Vec<RecordBatch>, SourceError> {
        decode(&[("text", ParquetType::String)], bytes, &[], BatchOptions::default())
    }

    #[test]
    fn a_copy_is_complete_and_ends_with_its_trailer() {
        let row = tuple(&[Some(b"x")]);
        let trailer: &[u8] = &[0xFF, 0xFF];
        assert_eq!(one_text(&[HEADER, trailer].concat()).unwrap().len(), 0);
        assert_eq!(one_text(&[HEADER, &row, trailer].concat()).unwrap()[0].num_rows(), 1);
        let extended = [&HEADER[..15], &[0, 0, 0, 3], b"new", &row, trailer].concat();
        assert_eq!(one_text(&extended).unwrap()[0].num_rows(), 1);
        let critical = [&HEADER[..11], &[0, 1, 0, 0], &HEADER[15..], trailer].concat();
        for broken in [
            Vec::new(),
            HEADER.to_vec(),
            b"\0not a copy".to_vec(),
            critical,
            [HEADER, &row].concat(),
            [HEADER, &row, &row[..3]].concat(),
            [HEADER, &row[..row.len() - 1]].concat(),
            [HEADER, trailer, &row].concat(),
            [HEADER, trailer, trailer].concat(),
            [HEADER, &tuple(&[Some(b"x"), None]), trailer].concat(),
            [HEADER, &[0, 1], &(-2_i32).to_be_bytes(), trailer].concat(),
            [HEADER, &[0x80, 0], trailer].concat(),
        ] {
            assert!(matches!(one_text(&broken), Err(SourceError::Protocol(_))), "{broken:?}");
        }
    }

    #[test]
    fn text_is_valid_utf8_value_by_value() {
        for values in [vec![&b"\xff"[..]], vec![b"\xc3", b"\xa4"], vec![b"ok", b"\xed\xa0\x80"]] {
            let rows: Vec<u8> = values.iter().flat_map(|value| tuple(&[Some(*value)])).collect();
            let error = one_text(&[HEADER, &rows, &[0xFF, 0xFF]].concat()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::InvalidText));
        }
    }

    #[test]
    fn infinite_intervals() {
        let interval =
            |micros: i64, rest: i32| [&micros.to_be_bytes()[..], &rest.to_be_bytes(), &rest.to_be_bytes()].concat();
        let rows =
            [tuple(&[Some(&interval(i64::MAX, i32::MAX))]), tuple(&[Some(&interval(i64::MIN, i32::MIN))])].concat();
        let bytes = [HEADER, &rows, &[0xFF, 0xFF]].concat();
        let batches = decode(&[("interval", ParquetType::String)], &bytes, &[], BatchOptions::default()).unwrap();
        let text: Vec<_> = batches[0].column(0).as_string::<i32>().iter().flatten().collect();
        assert_eq!(text, ["infinity", "-infinity"]);
    }

    proptest! {
        #[test]
        fn chunks_and_batch_limits_change_nothing(
            rows in prop::collection::vec((any::<Option<i32>>(), any::<Option<String>>()), 0..60),
            mut cuts in prop::collection::vec(0..4000_usize, 0..40),
            max_rows in 1..20_usize, max_bytes in 1..500_usize,
        ) {
            cuts.sort_unstable();
            let mut bytes = HEADER.to_vec();
            for (number, text) in &rows {
                let number = number.map(i32::to_be_bytes);
                let number = number.as_ref().map(|n| &n[..]);
                bytes.extend(tuple(&[number, text.as_ref().map(String::as_bytes)]));
            }
            bytes.extend([0xFF, 0xFF]);
            let options = BatchOptions { max_rows, max_bytes, ..BatchOptions::default() };
            let decodes = [("int4", ParquetType::Int32), ("text", ParquetType::String)];
            let batches = decode(&decodes, &bytes, &cuts, options).unwrap();
            prop_assert!(batches.iter().all(|batch| (1..=max_rows).contains(&batch.num_rows())));
            let read: Vec<_> = batches.iter().flat_map(|batch| {
                let numbers = batch.column(0).as_primitive::<Int32Type>().iter();
                numbers.zip(batch.column(1).as_string::<i32>().iter().map(|text| text.map(str::to_owned))).collect::<Vec<_>>()
            }).collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), in_tuple: bool) {
            let head = if in_tuple { HEADER } else { &[] };
            let _ = decode(&all()[..3], &[head, &bytes].concat(), &[7, 40], BatchOptions::default());
        }

        #[test]
        fn arbitrary_values_never_panic(
            column in prop::sample::select(all()),
            values in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..40),
                    prop::collection::vec(prop_oneof![Just(0_u8), Just(0xFF), Just(0x7F), Just(0x80), any::<u8>()], 16),
                    prop::collection::vec(prop_oneof![Just(0_u8), Just(0xFF), Just(0x7F), Just(0x80), any::<u8>()], 8..13),
                ],
                1..8,
            ),
        ) {
            let rows: Vec<u8> = values.iter().flat_map(|value| tuple(&[Some(value)])).collect();
            let _ = decode(&[column], &[HEADER, &rows, &[0xFF, 0xFF]].concat(), &[], BatchOptions::default());
        }
    }
}
