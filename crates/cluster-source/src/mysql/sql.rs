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
            // The server would rather read a whole table than a large part of it.
            sql.push_str(&within("FORCE", index, columns, from.as_deref(), to.as_deref())?);
        }
        Range::Unplanned | Range::Blocks { .. } | Range::Key { .. } => {
            return Err(SourceError::Plan("a range of another engine".to_owned()));
        }
    }
    Ok(sql)
}

/// What follows a table's name to have only the rows whose key is `from` or above and below `to`. `hint` is how much the
/// server is told to read by the index.
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

/// `(a, b, c) > bound`, written so that the server finds a range of the index in it: `a >= 1 AND (a > 1 OR (a = 1 AND …))`.
fn beyond(columns: &[KeyColumn], bound: &[String], more: &str, last: &str) -> Result<String, SourceError> {
    let ([column, columns @ ..], [value, values @ ..]) = (columns, bound) else {
        return Err(SourceError::Plan("a bound without a column".to_owned()));
    };
    let (name, value) = (quote(&column.name), bound_literal(&column.kind, value)?);
    if values.is_empty() {
        return Ok(format!("{name} {last} {value}"));
    }
    let rest = beyond(columns, values, more, last)?;
    Ok(format!("{name} {more}= {value} AND ({name} {more} {value} OR ({name} = {value} AND {rest}))"))
}

/// A bound as a constant the server compares with the column itself, in the column's own type and collation.
fn bound_literal(kind: &KeyKind, value: &str) -> Result<String, SourceError> {
    let allowed = |characters: &str| {
        let fits = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit() || characters.contains(c));
        if fits { Ok(()) } else { Err(SourceError::Plan("a bound that is none".to_owned())) }
    };
    Ok(match kind {
        KeyKind::Integer => {
            allowed("-")?;
            value.to_owned()
        }
        KeyKind::Decimal => {
            allowed("-.")?;
            value.to_owned()
        }
        KeyKind::Date => {
            allowed("-: .")?;
            format!("'{value}'")
        }
        KeyKind::Bytes if value.is_empty() => "X''".to_owned(),
        KeyKind::Bytes => {
            allowed("ABCDEFabcdef")?;
            format!("X'{value}'")
        }
        KeyKind::Text { charset, collation } => {
            let name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !name(charset) || !name(collation) {
                return Err(SourceError::Plan("a collation that is none".to_owned()));
            }
            // Characters the column can't hold become others, in every statement the same.
            format!("CONVERT({} USING {charset}) COLLATE {collation}", literal(value))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(columns: &[KeyColumn], from: Option<&[&str]>, to: Option<&[&str]>) -> String {
        let owned = |bound: &[&str]| bound.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
        within("FORCE", "i`", columns, from.map(owned).as_deref(), to.map(owned).as_deref()).unwrap()
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
        let b = "CONVERT(_utf8mb4 X'27' USING latin1) COLLATE latin1_bin";
        assert_eq!(
            condition(&columns, Some(&["1", "'"]), None),
            format!("{start} WHERE `a``b` >= 1 AND (`a``b` > 1 OR (`a``b` = 1 AND `b` >= {b}))")
        );
        assert_eq!(
            condition(&columns, None, Some(&["1", "'"])),
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
            (KeyKind::Text { charset: "a b".to_owned(), collation: "c".to_owned() }, "x"),
        ] {
            assert!(bound_literal(&kind, value).is_err());
        }
    }
}
