//! The Parquet schema of a file. The parquet crate converts the Arrow schema. This module adds the
//! annotations UUID and JSON, which are extension types in Arrow, to columns and to elements of
//! lists.

use std::sync::Arc;

use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{LogicalType, Repetition};
use parquet::errors::Result;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

/// Name of the root group in every file AWS exports.
const SCHEMA_ROOT: &str = "spark_schema";

/// Returns the schema with every column OPTIONAL. Spark writes columns this way, whatever the
/// database declares.
pub(crate) fn optional(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter();
    Arc::new(Schema::new(fields.map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>()))
}

/// Returns the Parquet schema of `schema`.
pub(crate) fn descriptor(schema: &Schema) -> Result<SchemaDescriptor> {
    let converted = ArrowSchemaConverter::new().schema_root(SCHEMA_ROOT).convert(schema)?;
    let columns = converted.root_schema().get_fields().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| annotated(column, field)).collect::<Result<_>>()?;
    let root = Type::group_type_builder(SCHEMA_ROOT).with_fields(columns).build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

fn annotated(column: &TypePtr, field: &Field) -> Result<TypePtr> {
    if let (DataType::List(element), [repeated]) = (field.data_type(), fields(column)) {
        let elements = fields(repeated).iter().map(|column| annotated(column, element)).collect::<Result<_>>()?;
        let repeated = Type::group_type_builder(repeated.name()).with_repetition(Repetition::REPEATED);
        let list = Type::group_type_builder(column.name())
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(Some(LogicalType::List))
            .with_fields(vec![Arc::new(repeated.with_fields(elements).build()?)])
            .build()?;
        return Ok(Arc::new(list));
    }
    let (logical, length) = match field.metadata().get(EXTENSION_TYPE_NAME_KEY).map(String::as_str) {
        Some("arrow.uuid") => (LogicalType::Uuid, 16),
        Some("arrow.json") => (LogicalType::Json, -1),
        _ => return Ok(Arc::clone(column)),
    };
    let annotated = Type::primitive_type_builder(column.name(), column.get_physical_type())
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(logical))
        .with_length(length)
        .build()?;
    Ok(Arc::new(annotated))
}

fn fields(column: &Type) -> &[TypePtr] {
    if column.is_group() { column.get_fields() } else { &[] }
}
