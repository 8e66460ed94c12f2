//! Quoting, and the one statement that reads rows.

use std::fmt::Write;

use export_task::plan::{Partition, Relation};
use export_task::range::Range;
use export_task::table::Table;

use super::types::Decode;
use crate::error::SourceError;

/// A quoted identifier. The server never accepts one with a NUL, so doubling quotes is all there is to it.
pub(super) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A quoted, qualified relation name.
pub(super) fn qualified(relation: &Relation) -> String {
    format!("{}.{}", quote(&relation.schema), quote(&relation.name))
}

/// The statement whose output is a partition's rows. `ONLY` leaves out the tables that inherit from an ordinary table
/// (each is exported by itself), and makes a partitioned table without leaves the empty table it is.
pub(super) fn copy(table: &Table, partition: &Partition) -> Result<String, SourceError> {
    let mut sql = "COPY (SELECT ".to_owned();
    for (i, column) in table.columns.iter().enumerate() {
        if i > 0 {
            sql.push_str(", ");
        }
        sql.push_str(&quote(&column.name));
        if Decode::of_column(column)? == Decode::Cast {
            sql.push_str(if column.list { "::pg_catalog.text[]" } else { "::pg_catalog.text" });
        }
    }
    sql.push_str(" FROM ONLY ");
    sql.push_str(&qualified(&partition.relation));
    push_range(&mut sql, &partition.range)?;
    sql.push_str(") TO STDOUT (FORMAT BINARY)");
    Ok(sql)
}

fn push_range(sql: &mut String, range: &Range) -> Result<(), SourceError> {
    let mut conditions = Vec::new();
    match range {
        Range::All => {}
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
            // In quotes, `bpchar` and `bit` are of any length.
            let literal = |bound: &str| format!("'{}'::pg_catalog.{type_name}", bound.replace('\'', "''"));
            if let Some(from) = from {
                conditions.push(format!("{column} >= {}", literal(from)));
            }
            if let Some(to) = to {
                conditions.push(format!("{column} < {}", literal(to)));
            }
        }
        Range::Index { .. } => return Err(SourceError::Plan("a range of another engine".to_owned())),
    }
    if !conditions.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(sql, " WHERE {}", conditions.join(" AND "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use export_task::table::{Column, ParquetType};

    use super::*;

    fn sql(range: Range) -> String {
        let column = |name: &str, decode: &str, list: bool| Column {
            name: name.to_owned(),
            original_type: String::new(),
            char_max_length: 0,
            num_precision: 0,
            datetime_precision: 0,
            decode: decode.to_owned(),
            parquet: ParquetType::String,
            list,
        };
        let table = Table {
            id: 0,
            database: "d".to_owned(),
            schema: "s".to_owned(),
            name: "t".to_owned(),
            directory_suffix: None,
            columns: vec![
                column("id", "text", false),
                column("a\"; DROP", "cast", false),
                column("l", "cast", true),
                column("m", "text", true),
            ],
        };
        let relation = Relation { schema: "s\"".to_owned(), name: "leaf".to_owned() };
        let partition = Partition { table: 0, relation, batch: 1, index: 0, range, bytes: 0 };
        copy(&table, &partition).unwrap()
    }

    #[test]
    fn names_are_quoted_and_ranges_are_half_open() {
        let columns = r#""id", "a""; DROP"::pg_catalog.text, "l"::pg_catalog.text[], "m""#;
        let start = format!("COPY (SELECT {columns} FROM ONLY \"s\"\"\".\"leaf\"");
        let end = ") TO STDOUT (FORMAT BINARY)";
        assert_eq!(sql(Range::All), format!("{start}{end}"));
        assert_eq!(sql(Range::Blocks { from: 0, to: None }), format!("{start}{end}"));
        assert_eq!(
            sql(Range::Blocks { from: 7, to: Some(9) }),
            format!("{start} WHERE ctid >= '(7,0)'::pg_catalog.tid AND ctid < '(9,0)'::pg_catalog.tid{end}")
        );
        assert_eq!(
            sql(Range::Key {
                column: "id".to_owned(),
                type_name: "bpchar".to_owned(),
                from: Some("it's".to_owned()),
                to: None
            }),
            format!("{start} WHERE \"id\" >= 'it''s'::pg_catalog.\"bpchar\"{end}")
        );
    }
}
