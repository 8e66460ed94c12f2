//! Quoting, and the only statement that reads rows.

use std::fmt::Write;

use export_task::plan::{Partition, Relation};
use export_task::range::Range;
use export_task::table::Table;

use super::types::Decode;
use crate::error::SourceError;

/// Returns a quoted identifier. Doubling quotes is enough, because an identifier never contains
/// NUL.
pub(super) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// Returns the quoted, qualified name of a relation.
pub(super) fn qualified(relation: &Relation) -> String {
    format!("{}.{}", quote(&relation.schema), quote(&relation.name))
}

/// Returns the statement that reads a partition's rows: a COPY of the relation, which the server
/// does not plan, or a COPY of a query. `ONLY` excludes the tables that inherit from an ordinary
/// table, because each is exported by itself. It also reads a partitioned table without leaves as
/// an empty table.
pub(super) fn copy(table: &Table, partition: &Partition) -> Result<String, SourceError> {
    let plain = partition.range == Range::Unplanned;
    let mut columns = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let name = quote(&column.name);
        columns.push(match Decode::from_column(column)? {
            Decode::Cast if plain => {
                return Err(SourceError::Plan(format!(
                    "column {} must be computed, which the partition does not allow",
                    column.name
                )));
            }
            Decode::Cast if column.list => printed_elements(&name),
            Decode::Cast => printed(&name),
            _ => name,
        });
    }
    let (columns, relation) = (columns.join(", "), qualified(&partition.relation));
    let mut sql = if plain {
        format!("COPY {relation} ({columns}")
    } else {
        format!("COPY (SELECT {columns} FROM ONLY {relation}")
    };
    push_range(&mut sql, &partition.range)?;
    sql.push_str(") TO STDOUT (FORMAT BINARY)");
    Ok(sql)
}

/// Returns an expression for the text that the output function of a value's type prints. A cast to
/// `text` is not used, because it could call a user's function. `IS NULL` is not used, because it
/// tests the fields of a composite value.
fn printed(value: &str) -> String {
    format!("CASE WHEN pg_catalog.num_nulls({value}) = 0 THEN pg_catalog.format('%s', {value}) END")
}

/// Returns an expression for an array of the texts of the elements. An array that a list can't
/// express is replaced by a constant array that a list can't express either, so that the reader
/// reports it.
fn printed_elements(array: &str) -> String {
    let element = printed("u.e");
    format!(
        "CASE WHEN pg_catalog.array_ndims({array}) > 1 OR pg_catalog.array_lower({array}, 1) <> 1 \
         THEN '[0:0]={{NULL}}'::pg_catalog.text[] WHEN pg_catalog.num_nulls({array}) = 0 \
         THEN ARRAY(SELECT {element} FROM (SELECT pg_catalog.unnest({array})) u (e)) END"
    )
}

fn push_range(sql: &mut String, range: &Range) -> Result<(), SourceError> {
    let mut conditions = Vec::new();
    match range {
        Range::All | Range::Unplanned => {}
        Range::Blocks { from, to } => {
            if *from > 0 {
                conditions.push(format!("ctid >= '({from},0)'::pg_catalog.tid"));
            }
            if let Some(to) = to {
                conditions.push(format!("ctid < '({to},0)'::pg_catalog.tid"));
            }
        }
        Range::Key { column, type_name, from, to } => {
            let (column, type_name) = (quote(column), quote(type_name));
            // The quotes matter: `"bpchar"` and `"bit"` have any length.
            let literal = |bound: &str| format!("'{}'::pg_catalog.{type_name}", bound.replace('\'', "''"));
            if let Some(from) = from {
                conditions.push(format!("{column} >= {}", literal(from)));
            }
            if let Some(to) = to {
                conditions.push(format!("{column} < {}", literal(to)));
            }
        }
        Range::Index { .. } => return Err(SourceError::Plan("the range belongs to another engine".to_owned())),
    }
    if !conditions.is_empty() {
        // Writing to a String can't fail.
        let _ = write!(sql, " WHERE {}", conditions.join(" AND "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use export_task::table::{Column, ParquetType};

    use super::*;

    fn sql(range: Range) -> Result<String, SourceError> {
        sql_with_columns(
            &[("id", "text", false), ("a\"; DROP", "cast", false), ("l", "cast", true), ("m", "text", true)],
            range,
        )
    }

    fn sql_with_columns(columns: &[(&str, &str, bool)], range: Range) -> Result<String, SourceError> {
        let column = |(name, decode, list): &(&str, &str, bool)| Column {
            name: (*name).to_owned(),
            original_type: String::new(),
            char_max_length: 0,
            num_precision: 0,
            datetime_precision: 0,
            decode: (*decode).to_owned(),
            parquet: ParquetType::String,
            list: *list,
        };
        let table = Table {
            id: 0,
            database: "d".to_owned(),
            schema: "s".to_owned(),
            name: "t".to_owned(),
            directory_suffix: None,
            columns: columns.iter().map(column).collect(),
        };
        let relation = Relation { schema: "s\"".to_owned(), name: "leaf".to_owned() };
        copy(&table, &Partition { table: 0, relation, batch_index: 1, partition_index: 0, range, bytes: 0 })
    }

    #[test]
    fn names_are_quoted_and_ranges_are_half_open() {
        let a = r#"CASE WHEN pg_catalog.num_nulls("a""; DROP") = 0 THEN pg_catalog.format('%s', "a""; DROP") END"#;
        let columns = format!(r#""id", {a}, {}, "m""#, printed_elements("\"l\""));
        let start = format!("COPY (SELECT {columns} FROM ONLY \"s\"\"\".\"leaf\"");
        let end = ") TO STDOUT (FORMAT BINARY)";
        assert_eq!(sql(Range::All).unwrap(), format!("{start}{end}"));
        assert_eq!(sql(Range::Blocks { from: 0, to: None }).unwrap(), format!("{start}{end}"));
        assert_eq!(
            sql(Range::Blocks { from: 7, to: Some(9) }).unwrap(),
            format!("{start} WHERE ctid >= '(7,0)'::pg_catalog.tid AND ctid < '(9,0)'::pg_catalog.tid{end}")
        );
        assert_eq!(
            sql(Range::Key {
                column: "id".to_owned(),
                type_name: "bpchar".to_owned(),
                from: Some("it's".to_owned()),
                to: None
            })
            .unwrap(),
            format!("{start} WHERE \"id\" >= 'it''s'::pg_catalog.\"bpchar\"{end}")
        );
    }

    #[test]
    fn an_unplanned_partition_computes_nothing() {
        let statement = sql_with_columns(&[("id", "text", false), ("m", "text", true)], Range::Unplanned).unwrap();
        assert_eq!(statement, "COPY \"s\"\"\".\"leaf\" (\"id\", \"m\") TO STDOUT (FORMAT BINARY)");
        assert!(matches!(sql(Range::Unplanned), Err(SourceError::Plan(_))));
    }
}
