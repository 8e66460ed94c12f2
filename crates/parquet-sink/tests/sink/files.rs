//! Files in a directory: their format, their names, and what is left when writing stops.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, ListBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use export_destination::{Destination, DestinationError};
use export_task::options::Compression;
use parquet::basic::{self, ConvertedType, LogicalType, Repetition, Type};
use parquet::file::statistics::Statistics;
use parquet_sink::{PartWriter, Settings, SinkError};

use crate::rows::{batch, footer, lists, noise, noise_schema, read, same_rows, schema};

const MIB: u64 = 1 << 20;

/// A directory of the test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sink-{test}"));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn writer(&self, schema: arrow_schema::SchemaRef, settings: Settings) -> PartWriter {
        let destination = Destination::Directory(self.0.clone());
        let key_of = |n| format!("task/db/public.t/1/part-{n:05}.gz.parquet");
        PartWriter::new(destination, schema, key_of, settings)
    }

    fn read(&self, key: &str) -> Bytes {
        std::fs::read(self.0.join(key)).unwrap().into()
    }

    /// Names in the part's directory, hidden ones too.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.0.join("task/db/public.t/1")) else {
            return Vec::new();
        };
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn rows_come_back_as_they_were() {
    let scratch = Scratch::new("rows");
    let mut writer = scratch.writer(schema(), Settings::default());
    writer.write(&batch(0, 5_000)).await.unwrap();
    writer.write(&batch(5_000, 5_000)).await.unwrap();
    writer.write(&batch(5_000, 12_345)).await.unwrap();
    assert_eq!(scratch.names(), [".part-00000.gz.parquet.partial"]);
    let files = writer.finish().await.unwrap();
    assert_eq!(scratch.names(), ["part-00000.gz.parquet"]);
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].key, "task/db/public.t/1/part-00000.gz.parquet");
    assert_eq!(files[0].rows, 12_345);
    let file = scratch.read(&files[0].key);
    assert_eq!(files[0].bytes, file.len() as u64);
    assert!(same_rows(&read(file), &[batch(0, 12_345)]));
}

#[tokio::test]
async fn the_format_is_that_of_the_files_aws_writes() {
    let scratch = Scratch::new("format");
    let mut writer = scratch.writer(schema(), Settings::default());
    writer.write(&batch(0, 1_000)).await.unwrap();
    let files = writer.finish().await.unwrap();
    let metadata = footer(scratch.read(&files[0].key));

    let file = metadata.file_metadata();
    assert_eq!(file.version(), 1);
    let created_by = concat!("aurora-export version ", env!("CARGO_PKG_VERSION"));
    assert_eq!(file.created_by(), Some(created_by));
    assert!(file.key_value_metadata().is_none(), "no ARROW:schema");
    let root = file.schema_descr().root_schema();
    assert_eq!(root.name(), "spark_schema");

    let found = root.get_fields().iter().map(|field| {
        let info = field.get_basic_info();
        assert_eq!(info.repetition(), Repetition::OPTIONAL, "{}", field.name());
        let (physical, converted) = (field.get_physical_type(), info.converted_type());
        (physical, converted, info.logical_type_ref().cloned())
    });
    let int16 = LogicalType::integer(16, true);
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            (Type::INT64, ConvertedType::NONE, None),
            (Type::INT32, ConvertedType::INT_16, Some(int16)),
            (Type::BYTE_ARRAY, ConvertedType::UTF8, Some(LogicalType::String)),
        ]
    );
    for column in metadata.row_group(0).columns() {
        assert!(matches!(column.compression(), basic::Compression::GZIP(_)));
        assert!(column.statistics().unwrap().min_bytes_opt().is_some());
        assert!(column.statistics().unwrap().null_count_opt().is_some());
        assert!(column.dictionary_page_offset().is_some());
        assert!(column.column_index_offset().is_none());
        assert!(column.offset_index_offset().is_none());
        assert!(column.bloom_filter_offset().is_none());
    }
}

#[tokio::test]
async fn floats_have_the_order_every_reader_knows() {
    let scratch = Scratch::new("floats");
    let fields = [("a", DataType::Float32), ("b", DataType::Float64), ("c", DataType::Float64), ("d", DataType::Int32)];
    let fields: Vec<Field> = fields.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float32Array::from(vec![Some(0.0), None, Some(2.5)])),
        Arc::new(Float64Array::from(vec![Some(-1.5), None, Some(-0.0)])),
        Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN), Some(2.0)])),
        Arc::new(Int32Array::from(vec![1, 2, 3])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let mut writer = scratch.writer(schema, Settings::default());
    writer.write(&batch).await.unwrap();
    let files = writer.finish().await.unwrap();
    let file = scratch.read(&files[0].key);
    assert!(same_rows(&read(file.clone()), &[batch]));
    // The end of the metadata: a list of four unions, each of whose first member is set; what follows is its length and PAR1.
    let orders = [&[0x19, 0x4C][..], &[0x1C, 0, 0].repeat(4), &[0]].concat();
    assert!(file[..file.len() - 8].ends_with(&orders));
    let metadata = footer(file);
    let column = |n: usize| metadata.row_group(0).column(n).statistics().unwrap().clone();
    let (Statistics::Float(a), Statistics::Double(b), Statistics::Double(c)) = (column(0), column(1), column(2)) else {
        panic!("{metadata:?}");
    };
    assert_eq!((a.min_opt().unwrap().to_bits(), a.max_opt()), ((-0.0_f32).to_bits(), Some(&2.5)));
    assert_eq!((b.min_opt(), b.max_opt().unwrap().to_bits()), (Some(&-1.5), 0));
    assert_eq!((c.min_opt(), c.max_opt()), (None, None));
    assert_eq!((a.null_count_opt(), c.null_count_opt()), (Some(1), Some(0)));
}

#[tokio::test]
async fn lists_come_back_as_they_were() {
    let scratch = Scratch::new("lists");
    let settings = Settings { threads: 2, ..Settings::default() };
    let mut writer = scratch.writer(lists(0, 0).schema(), settings);
    // Several pages, and batches that begin where no page does.
    let batches: Vec<_> = (0..7).map(|n| lists(n * 8_001, (n + 1) * 8_001)).collect();
    for batch in &batches {
        writer.write(batch).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    assert_eq!(files[0].rows, 7 * 8_001);
    assert!(same_rows(&read(scratch.read(&files[0].key)), &batches));
}

#[tokio::test]
async fn lists_have_three_levels_and_annotated_elements() {
    let kinds = [
        (DataType::Int32, None, None),
        (DataType::Utf8, Some("arrow.json"), Some(LogicalType::Json)),
        (DataType::FixedSizeBinary(16), Some("arrow.uuid"), Some(LogicalType::Uuid)),
    ];
    let list = |(of, extension, _): &(DataType, Option<&str>, _)| {
        let metadata = extension.map(|name| (EXTENSION_TYPE_NAME_KEY.to_owned(), name.to_owned()));
        let element =
            Field::new("element", of.clone(), true).with_metadata(metadata.into_iter().collect::<HashMap<_, _>>());
        Field::new_list("v", element, true)
    };
    let schema = Arc::new(Schema::new(kinds.iter().map(list).collect::<Vec<_>>()));
    let scratch = Scratch::new("levels");
    let write_empty = Settings { write_empty: true, ..Settings::default() };
    let files = scratch.writer(schema, write_empty).finish().await.unwrap();
    let metadata = footer(scratch.read(&files[0].key));
    let schema = metadata.file_metadata().schema_descr();
    for (index, (_, _, annotation)) in kinds.iter().enumerate() {
        let group = schema.root_schema().get_fields()[index].get_basic_info();
        assert_eq!(group.repetition(), Repetition::OPTIONAL);
        assert_eq!((group.logical_type_ref(), group.converted_type()), (Some(&LogicalType::List), ConvertedType::LIST));
        let leaf = schema.column(index);
        assert_eq!(leaf.path().string(), "v.list.element");
        assert_eq!((leaf.max_def_level(), leaf.max_rep_level()), (3, 1));
        assert_eq!(leaf.logical_type_ref(), annotation.as_ref());
    }
}

#[tokio::test]
async fn every_codec_gives_the_rows_back_whatever_the_number_of_threads() {
    let codecs = [(Compression::Gzip, "GZIP"), (Compression::Zstd, "ZSTD"), (Compression::Snappy, "SNAPPY")];
    for (compression, name) in codecs {
        for threads in [1, 2, 16] {
            let scratch = Scratch::new(&format!("{name}-{threads}"));
            let settings = Settings { compression, threads, ..Settings::default() };
            let mut writer = scratch.writer(schema(), settings);
            // Ends dictionaries, and takes several pages and two row groups.
            let batches: Vec<_> = (0..140).map(|n| batch(n * 8_000, (n + 1) * 8_000)).collect();
            for batch in &batches {
                writer.write(batch).await.unwrap();
            }
            let files = writer.finish().await.unwrap();
            let file = scratch.read(&files[0].key);
            let metadata = footer(file.clone());
            assert_eq!(metadata.num_row_groups(), 2);
            for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
                assert!(column.compression().to_string().starts_with(name), "{}", column.compression());
                assert!(column.compressed_size() < column.uncompressed_size());
            }
            assert!(same_rows(&read(file), &batches), "{name}, {threads} threads");
        }
    }
}

#[tokio::test]
async fn row_groups_and_files_end_at_their_size() {
    let scratch = Scratch::new("sizes");
    let mut writer = scratch.writer(noise_schema(), Settings::default());
    for seed in 0..5 {
        writer.write(&noise(8, seed)).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    assert_eq!(files.len(), 1);
    let metadata = footer(scratch.read(&files[0].key));
    let mib = |g: &parquet::file::metadata::RowGroupMetaData| g.compressed_size() >> 20;
    let sizes: Vec<_> = metadata.row_groups().iter().map(mib).collect();
    assert!(matches!(sizes[..], [15..=17, 15..=17, 7..=9]), "{sizes:?}");

    let every_group = Settings { target_file_bytes: MIB, ..Settings::default() };
    let mut writer = scratch.writer(noise_schema(), every_group);
    let batches: Vec<_> = (0..5).map(|seed| noise(8, seed)).collect();
    for batch in &batches {
        writer.write(batch).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!(files[1].key, "task/db/public.t/1/part-00001.gz.parquet");
    assert_eq!(files.iter().map(|f| f.rows).sum::<u64>(), 40 * 1024);
    let read: Vec<_> = files.iter().flat_map(|f| read(scratch.read(&f.key))).collect();
    assert!(same_rows(&read, &batches));
}

#[tokio::test]
async fn a_table_with_many_columns_does_without_dictionaries() {
    let fields: Vec<_> = (0..1_600).map(|n| Field::new(format!("c{n}"), DataType::Int32, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let column: ArrayRef = Arc::new(Int32Array::from(vec![1; 10]));
    let rows = RecordBatch::try_new(schema.clone(), vec![column; 1_600]).unwrap();

    let scratch = Scratch::new("wide");
    let mut writer = scratch.writer(schema, Settings::default());
    writer.write(&rows).await.unwrap();
    let files = writer.finish().await.unwrap();
    let metadata = footer(scratch.read(&files[0].key));
    let columns = metadata.row_group(0).columns();
    assert_eq!(columns.len(), 1_600);
    assert!(columns.iter().all(|c| c.dictionary_page_offset().is_none()));
}

#[tokio::test]
async fn a_part_without_rows_leaves_a_schema_or_nothing() {
    let scratch = Scratch::new("empty");
    let mut writer = scratch.writer(schema(), Settings::default());
    writer.write(&batch(0, 0)).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), []);
    assert_eq!(scratch.names(), [""; 0]);

    let write_empty = Settings { write_empty: true, ..Settings::default() };
    let files = scratch.writer(schema(), write_empty).finish().await.unwrap();
    assert_eq!((files.len(), files[0].rows), (1, 0));
    let file = scratch.read(&files[0].key);
    assert_eq!(files[0].bytes, file.len() as u64);
    let metadata = footer(file);
    assert_eq!(metadata.num_row_groups(), 0);
    assert_eq!(metadata.file_metadata().schema_descr().num_columns(), 3);

    let mut writer = scratch.writer(schema(), write_empty);
    writer.write(&batch(0, 3)).await.unwrap();
    let files = writer.finish().await.unwrap();
    assert_eq!((files.len(), files[0].rows), (1, 3));
}

#[tokio::test]
async fn an_aborted_or_dropped_part_leaves_nothing() {
    let scratch = Scratch::new("abort");
    let mut writer = scratch.writer(noise_schema(), Settings::default());
    writer.write(&noise(9, 1)).await.unwrap();
    assert_eq!(scratch.names().len(), 1);
    writer.abort().await.unwrap();
    assert_eq!(scratch.names(), [""; 0]);

    let mut writer = scratch.writer(schema(), Settings::default());
    writer.write(&batch(0, 10)).await.unwrap();
    drop(writer);
    assert_eq!(scratch.names(), [""; 0]);
}

#[tokio::test]
async fn a_failed_write_cannot_be_finished() {
    let scratch = Scratch::new("failed");
    let mut writer = scratch.writer(schema(), Settings::default());
    writer.write(&batch(0, 10)).await.unwrap();
    let error = writer.write(&noise(1, 1)).await.unwrap_err();
    assert!(matches!(error, SinkError::Parquet { .. }), "{error}");
    assert_eq!(scratch.names(), [""; 0]);
    let again = writer.write(&batch(10, 20)).await.unwrap_err();
    assert!(matches!(again, SinkError::Incomplete));
    assert!(matches!(writer.finish().await, Err(SinkError::Incomplete)));
}

#[tokio::test]
async fn documents_are_written_and_overwritten() {
    let scratch = Scratch::new("documents");
    let destination = Destination::Directory(scratch.0.clone());
    for text in ["first", "second"] {
        destination.put("task/export_info.json", text.into()).await.unwrap();
        assert_eq!(scratch.read("task/export_info.json"), text);
    }
    let error = destination.put("../outside", Bytes::new()).await.unwrap_err();
    assert!(matches!(error, DestinationError::Directory { .. }), "{error}");
}

#[tokio::test]
async fn a_large_value_is_a_row_group_of_its_own() {
    let scratch = Scratch::new("large");
    let mut writer = scratch.writer(noise_schema(), Settings::default());
    let large: ArrayRef = Arc::new(BinaryArray::from_iter_values([vec![7; 40 << 20]]));
    let large = RecordBatch::try_new(noise_schema(), vec![large]).unwrap();
    let batches = [noise(1, 1), large.clone(), large, noise(1, 2), noise(1, 3)];
    for batch in &batches {
        writer.write(batch).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    let file = scratch.read(&files[0].key);
    let groups = footer(file.clone());
    let told: Vec<_> = groups.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(told, [1024, 1, 1, 2048]);
    assert!(same_rows(&read(file), &batches));
}

#[tokio::test]
async fn every_row_group_has_statistics_of_every_column() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("text", DataType::Utf8, true),
        Field::new_list("list", Field::new("element", DataType::Binary, true), true),
    ]));
    // The second batch is a large one; its texts begin with more `é` than a bound has room for.
    let batch = |from: i64, text: &str, bytes: &[u8]| {
        let mut list = ListBuilder::new(BinaryBuilder::new()).with_field(Field::new("element", DataType::Binary, true));
        list.append_value([Some(bytes), None, Some(b"z")]);
        list.append_null();
        list.append_value([None::<&[u8]>; 0]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(from), Some(from + 1), None])),
            Arc::new(StringArray::from(vec![Some(text), None, Some("z")])),
            Arc::new(list.finish()),
        ];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    let batches = [batch(0, "a", b"a"), batch(10, &"é".repeat(20 << 20), &vec![0xFF; 9 << 20]), batch(20, "b", b"b")];
    let scratch = Scratch::new("statistics");
    let mut writer = scratch.writer(Arc::clone(&schema), Settings::default());
    for batch in &batches {
        writer.write(batch).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    let metadata = footer(scratch.read(&files[0].key));
    let bounds = |group: usize, column: usize| {
        let statistics = metadata.row_group(group).column(column).statistics().unwrap();
        let bytes = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        (bytes(statistics.min_bytes_opt()), bytes(statistics.max_bytes_opt()), statistics.null_count_opt())
    };
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    for (group, from) in [(0, 0_i64), (1, 10), (2, 20)] {
        let (min, max) = (some(&from.to_le_bytes()), some(&(from + 1).to_le_bytes()));
        assert_eq!(bounds(group, 0), (min, max, Some(1)));
    }
    assert_eq!(bounds(0, 1), (some(b"a"), some(b"z"), Some(1)));
    let high = format!("{}ê", "é".repeat(31));
    assert_eq!(bounds(1, 1), (some(b"z"), some(high.as_bytes()), Some(1)));
    // No bound is above so many of the highest byte.
    assert_eq!(bounds(1, 2), (some(b"z"), None, Some(3)));
    assert_eq!(bounds(2, 2), (some(b"b"), some(b"z"), Some(3)));
}
