//! Quoting, conditions, and the one statement that reads rows.

use export_task::plan::{Partition, Relation};
use export_task::range::{KeyColumn, KeyKind, Range};
use export_task::table::Table;

use crate::error::SourceError;

/// Returns a quoted identifier. The server accepts no identifier with a NUL, so it is enough to
/// double the quotes.
pub(super) fn quote(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

/// Returns a quoted, qualified table name.
pub(super) fn qualified(relation: &Relation) -> String {
    format!("{}.{}", quote(&relation.schema), quote(&relation.name))
}

/// Returns a text as a literal. Its hexadecimal form needs no escapes.
pub(super) fn literal(text: &str) -> String {
    format!("_utf8mb4 X'{}'", hexadecimal(text.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Returns the statement that reads a partition's rows.
pub(super) fn select(table: &Table, partition: &Partition) -> Result<String, SourceError> {
    let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
    let mut sql = format!("SELECT {} FROM {}", columns.join(", "), qualified(&partition.relation));
    match &partition.range {
        Range::All => {}
        Range::Index { index, columns, from, to } => {
            let constants = |bound: &Option<Vec<String>>| bound.as_ref().map(|b| constants(columns, b)).transpose();
            let (from, to) = (constants(from)?, constants(to)?);
            // Without the hint the server prefers to read the whole table over a large part of it.
            sql.push_str(&index_range(IndexHint::Force, index, columns, from.as_deref(), to.as_deref())?);
        }
        Range::Unplanned | Range::Blocks { .. } | Range::Key { .. } => {
            return Err(SourceError::Plan("partition range of another engine".to_owned()));
        }
    }
    Ok(sql)
}

/// How a statement asks the server to use an index.
#[derive(Clone, Copy)]
pub(super) enum IndexHint {
    /// The server reads by the index, however large the part of the table is.
    Force,
    /// The server considers no other index.
    Use,
}

/// Returns the hint and the condition that follow a table's name, to select the rows whose key is
/// at least `from` and below `to`. Both are constants for the first columns.
pub(super) fn index_range(
    hint: IndexHint,
    index: &str,
    columns: &[KeyColumn],
    from: Option<&[String]>,
    to: Option<&[String]>,
) -> Result<String, SourceError> {
    let mut conditions = Vec::new();
    if let Some(from) = from {
        conditions.push(row_comparison(columns, from, ">", ">=")?);
    }
    if let Some(to) = to {
        conditions.push(row_comparison(columns, to, "<", "<")?);
    }
    let hint = match hint {
        IndexHint::Force => "FORCE",
        IndexHint::Use => "USE",
    };
    let mut sql = format!(" {hint} INDEX ({})", quote(index));
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&conditions.join(" AND "));
    }
    Ok(sql)
}

/// Returns the comparison of several columns with constants, in a form in which the server
/// recognizes a range of the index: `a >= 1 AND (a > 1 OR (a = 1 AND …))`. `strict` is the operator
/// for the columns before the last one, and `last` for the last one.
fn row_comparison(
    columns: &[KeyColumn],
    constants: &[String],
    strict: &str,
    last: &str,
) -> Result<String, SourceError> {
    let ([column, columns @ ..], [value, values @ ..]) = (columns, constants) else {
        return Err(SourceError::Plan("partition bound without a column".to_owned()));
    };
    let name = quote(&column.name);
    if values.is_empty() {
        return Ok(format!("{name} {last} {value}"));
    }
    let rest = row_comparison(columns, values, strict, last)?;
    Ok(format!("{name} {strict}= {value} AND ({name} {strict} {value} OR ({name} = {value} AND {rest}))"))
}

/// Returns the expression that reads a column's value as a bound. It reads text as the stored
/// bytes, because converted text may differ from the text in the index. It reads a date as text,
/// because MariaDB's UNION turns a date that is not in the calendar into zeros.
pub(super) fn bound_expression(column: &KeyColumn) -> String {
    let name = quote(&column.name);
    match column.kind {
        KeyKind::Bytes | KeyKind::Text { .. } => format!("HEX({name})"),
        KeyKind::Date => format!("CAST({name} AS CHAR)"),
        _ => name,
    }
}

/// Returns a bound as constants. Each has the type and collation of its column, so that the server
/// compares it with the column itself.
pub(super) fn constants(columns: &[KeyColumn], bound: &[String]) -> Result<Vec<String>, SourceError> {
    if bound.len() > columns.len() {
        return Err(SourceError::Plan("partition bound without a column".to_owned()));
    }
    columns.iter().zip(bound).map(|(column, value)| constant(&column.kind, value)).collect()
}

fn constant(kind: &KeyKind, value: &str) -> Result<String, SourceError> {
    let allowed = |characters: &str| {
        let fits = value.chars().all(|c| c.is_ascii_digit() || characters.contains(c));
        if fits { Ok(()) } else { Err(invalid_bound()) }
    };
    Ok(match kind {
        KeyKind::Integer | KeyKind::Decimal if value.is_empty() => {
            return Err(invalid_bound());
        }
        KeyKind::Integer | KeyKind::Decimal => {
            allowed("-.")?;
            value.to_owned()
        }
        KeyKind::Date => {
            allowed("-: .")?;
            format!("'{value}'")
        }
        KeyKind::Bytes => {
            allowed("ABCDEFabcdef")?;
            format!("X'{value}'")
        }
        KeyKind::Text { charset, collation } => {
            allowed("ABCDEFabcdef")?;
            format!("_{} X'{value}' COLLATE {}", checked_name(charset)?, checked_name(collation)?)
        }
    })
}

fn invalid_bound() -> SourceError {
    SourceError::Plan("invalid partition bound".to_owned())
}

/// Returns a constant near which to look for a key. No row needs to have it. The server replaces
/// characters that the column can't hold.
pub(super) fn probe(kind: &KeyKind, value: &str) -> Result<String, SourceError> {
    match kind {
        KeyKind::Text { charset, collation } => Ok(format!(
            "CONVERT({} USING {}) COLLATE {}",
            literal(value),
            checked_name(charset)?,
            checked_name(collation)?
        )),
        _ => constant(kind, value),
    }
}

/// Checks the name of a character set or a collation, because such names can't be quoted
/// everywhere.
fn checked_name(name: &str) -> Result<&str, SourceError> {
    let fits = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    fits.then_some(name).ok_or_else(|| SourceError::Plan("invalid name of a character set or collation".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(columns: &[KeyColumn], from: Option<&[&str]>, to: Option<&[&str]>) -> String {
        let owned = |bound: &[&str]| bound.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
        let constants = |bound: &[&str]| constants(columns, &owned(bound)).unwrap();
        index_range(IndexHint::Force, "i`", columns, from.map(constants).as_deref(), to.map(constants).as_deref())
            .unwrap()
    }

    #[test]
    fn names_are_quoted_and_bounds_are_expanded() {
        let a = KeyColumn { name: "a`b".to_owned(), kind: KeyKind::Integer };
        let text = KeyKind::Text { charset: "latin1".to_owned(), collation: "latin1_bin".to_owned() };
        let b = KeyColumn { name: "b".to_owned(), kind: text };
        let columns = [a, b];
        let start = " FORCE INDEX (`i```)";
        assert_eq!(condition(&columns, None, None), start);
        assert_eq!(
            condition(&columns, Some(&["-5"]), Some(&["7"])),
            format!("{start} WHERE `a``b` >= -5 AND `a``b` < 7")
        );
        let b = "_latin1 X'27' COLLATE latin1_bin";
        assert_eq!(
            condition(&columns, Some(&["1", "27"]), None),
            format!("{start} WHERE `a``b` >= 1 AND (`a``b` > 1 OR (`a``b` = 1 AND `b` >= {b}))")
        );
        assert_eq!(
            condition(&columns, None, Some(&["1", "27"])),
            format!("{start} WHERE `a``b` <= 1 AND (`a``b` < 1 OR (`a``b` = 1 AND `b` < {b}))")
        );
    }

    #[test]
    fn a_bound_cannot_escape_its_literal() {
        for (kind, value) in [
            (KeyKind::Integer, "1 OR 1"),
            (KeyKind::Integer, ""),
            (KeyKind::Date, "2020'"),
            (KeyKind::Bytes, "0'"),
            (KeyKind::Text { charset: "a b".to_owned(), collation: "c".to_owned() }, "00"),
            (KeyKind::Text { charset: "latin1".to_owned(), collation: "latin1_bin".to_owned() }, "0'"),
        ] {
            assert!(constant(&kind, value).is_err());
        }
    }
}
