//! Quoting, conditions, and the one statement that reads rows.

use export_task::plan::{Partition, Relation};
use export_task::range::{KeyColumn, KeyKind, Range};
use export_task::table::Table;

use crate::error::SourceError;

/// A quoted identifier. The server never accepts one with a NUL, so doubling quotes is all there is to it.
pub(super) fn quote(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

/// A quoted, qualified table name.
pub(super) fn qualified(relation: &Relation) -> String {
    format!("{}.{}", quote(&relation.schema), quote(&relation.name))
}

/// A text, in a form that no character can end.
pub(super) fn literal(text: &str) -> String {
    format!("_utf8mb4 X'{}'", hexadecimal(text.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The statement whose result is a partition's rows.
pub(super) fn select(table: &Table, partition: &Partition) -> Result<String, SourceError> {
    let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
    let mut sql = format!("SELECT {} FROM {}", columns.join(", "), qualified(&partition.relation));
    match &partition.range {
        Range::All => {}
        Range::Index { index, columns, from, to } => {
            let constants = |bound: &Option<Vec<String>>| bound.as_ref().map(|b| constants(columns, b)).transpose();
            let (from, to) = (constants(from)?, constants(to)?);
            // The server would rather read a whole table than a large part of it.
            sql.push_str(&within("FORCE", index, columns, from.as_deref(), to.as_deref())?);
        }
        Range::Unplanned | Range::Blocks { .. } | Range::Key { .. } => {
            return Err(SourceError::Plan("a range of another engine".to_owned()));
        }
    }
    Ok(sql)
}

/// What follows a table's name to have only the rows whose key is `from` or above and below `to`, which are constants for the
/// first columns. `hint` is how much the server is told to read by the index.
pub(super) fn within(
    hint: &str,
    index: &str,
    columns: &[KeyColumn],
    from: Option<&[String]>,
    to: Option<&[String]>,
) -> Result<String, SourceError> {
    let mut conditions = Vec::new();
    if let Some(from) = from {
        conditions.push(beyond(columns, from, ">", ">=")?);
    }
    if let Some(to) = to {
        conditions.push(beyond(columns, to, "<", "<")?);
    }
    let mut sql = format!(" {hint} INDEX ({})", quote(index));
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&conditions.join(" AND "));
    }
    Ok(sql)
}

/// `(a, b, c) > constants`, written so that the server finds a range of the index in it: `a >= 1 AND (a > 1 OR (a = 1 AND …))`.
fn beyond(columns: &[KeyColumn], constants: &[String], more: &str, last: &str) -> Result<String, SourceError> {
    let ([column, columns @ ..], [value, values @ ..]) = (columns, constants) else {
        return Err(SourceError::Plan("a bound without a column".to_owned()));
    };
    let name = quote(&column.name);
    if values.is_empty() {
        return Ok(format!("{name} {last} {value}"));
    }
    let rest = beyond(columns, values, more, last)?;
    Ok(format!("{name} {more}= {value} AND ({name} {more} {value} OR ({name} = {value} AND {rest}))"))
}

/// What a column's value is asked for as, to be a bound. Text comes as the bytes it is stored in: what went through a conversion
/// need not be equal to what is in the index. A date comes as text: MariaDB makes zeros of one that is not in the calendar when
/// it puts the results of two statements together.
pub(super) fn exact(column: &KeyColumn) -> String {
    let name = quote(&column.name);
    match column.kind {
        KeyKind::Bytes | KeyKind::Text { .. } => format!("HEX({name})"),
        KeyKind::Date => format!("CAST({name} AS CHAR)"),
        _ => name,
    }
}

/// A bound as constants the server compares with the columns themselves, each in its column's own type and collation.
pub(super) fn constants(columns: &[KeyColumn], bound: &[String]) -> Result<Vec<String>, SourceError> {
    if bound.len() > columns.len() {
        return Err(SourceError::Plan("a bound without a column".to_owned()));
    }
    columns.iter().zip(bound).map(|(column, value)| constant(&column.kind, value)).collect()
}

fn constant(kind: &KeyKind, value: &str) -> Result<String, SourceError> {
    let allowed = |characters: &str| {
        let fits = value.chars().all(|c| c.is_ascii_digit() || characters.contains(c));
        if fits { Ok(()) } else { Err(SourceError::Plan("a bound that is none".to_owned())) }
    };
    Ok(match kind {
        KeyKind::Integer | KeyKind::Decimal if value.is_empty() => {
            return Err(SourceError::Plan("a bound that is none".to_owned()));
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
            format!("_{} X'{value}' COLLATE {}", plain(charset)?, plain(collation)?)
        }
    })
}

/// A value that no row need have, to look for one that is near. Characters the column can't hold become others.
pub(super) fn probe(kind: &KeyKind, value: &str) -> Result<String, SourceError> {
    match kind {
        KeyKind::Text { charset, collation } => {
            Ok(format!("CONVERT({} USING {}) COLLATE {}", literal(value), plain(charset)?, plain(collation)?))
        }
        _ => constant(kind, value),
    }
}

/// The name of a character set or a collation, which can't be quoted everywhere.
fn plain(name: &str) -> Result<&str, SourceError> {
    let fits = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    fits.then_some(name).ok_or_else(|| SourceError::Plan("a collation that is none".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(columns: &[KeyColumn], from: Option<&[&str]>, to: Option<&[&str]>) -> String {
        let owned = |bound: &[&str]| bound.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
        let constants = |bound: &[&str]| constants(columns, &owned(bound)).unwrap();
        within("FORCE", "i`", columns, from.map(constants).as_deref(), to.map(constants).as_deref()).unwrap()
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
    fn a_bound_can_not_leave_its_literal() {
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
