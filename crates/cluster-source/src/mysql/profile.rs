//! Tables as the catalog lists them, and measures of their values that the server computes. This
//! module checks the work of `catalog`, `columns` and `types`, so it shares nothing with them.

use super::connect::Connection;
use super::sql::{literal, quote};
use crate::error::SourceError;
use crate::profile::{Answer, Asked, COLUMNS, Form, ListedColumn, ListedTable, Measures, Profile};

/// Returns the tables of a database. This excludes views, sequences and the history of
/// system-versioned tables.
///
/// # Errors
/// [`SourceError`].
pub async fn listed(connection: &mut Connection, database: &str) -> Result<Vec<ListedTable>, SourceError> {
    let sql = format!(
        "SELECT t.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.CHARACTER_MAXIMUM_LENGTH, c.NUMERIC_PRECISION, \
         c.DATETIME_PRECISION FROM information_schema.TABLES t JOIN information_schema.COLUMNS c \
         ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME \
         WHERE t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND t.TABLE_SCHEMA = {} \
         ORDER BY t.TABLE_NAME, c.ORDINAL_POSITION",
        literal(database)
    );
    let mut tables: Vec<ListedTable> = Vec::new();
    connection
        .query(&sql, |row| {
            let (name, base) = (row.name(0)?, row.name(2)?.to_ascii_lowercase());
            let number = |at| Ok::<_, SourceError>(i32::try_from(row.number(at)?.unwrap_or(0)).unwrap_or(i32::MAX));
            let column = ListedColumn {
                name: row.name(1)?.to_owned(),
                original_type: base.clone(),
                char_max_length: number(3)?,
                num_precision: number(4)?,
                datetime_precision: number(5)?,
                base,
                is_array: false,
            };
            match tables.last_mut().filter(|last| last.name == name) {
                Some(table) => table.columns.push(column),
                None => tables.push(ListedTable {
                    schema: database.to_owned(),
                    name: name.to_owned(),
                    columns: vec![column],
                    partitioned: false,
                }),
            }
            Ok(())
        })
        .await?;
    Ok(tables)
}

/// Returns how to compare a column that has this form in the files, or `None` if the column's type
/// can't have become that.
pub fn form(column: &ListedColumn, form: Form, list: bool) -> Option<Form> {
    let base = column.base.as_str();
    let fits = match form {
        Form::Boolean | Form::ExactText | Form::Time => false,
        Form::Exact => {
            matches!(base, "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year")
        }
        Form::Single => base == "float",
        Form::Double => matches!(base, "float" | "double"),
        Form::Text => true,
        Form::Bytes => {
            base == "bit" || base == "vector" || is_geometry(base) || base.ends_with("blob") || base.ends_with("binary")
        }
        Form::Date => base == "date",
        Form::Timestamp => matches!(base, "datetime" | "timestamp"),
        Form::Uuid => base == "uuid",
    };
    (fits && !list).then_some(form)
}

fn is_geometry(base: &str) -> bool {
    matches!(
        base,
        "geometry"
            | "point"
            | "linestring"
            | "polygon"
            | "multipoint"
            | "multilinestring"
            | "multipolygon"
            | "geomcollection"
            | "geometrycollection"
    )
}

/// Asks the server for the measures of a table.
///
/// # Errors
/// [`SourceError`].
pub async fn profile(
    connection: &mut Connection,
    table: &ListedTable,
    asked: &[Asked<'_>],
) -> Result<Profile, SourceError> {
    let mut profile = Profile::default();
    for columns in asked.chunks(COLUMNS) {
        let sql = statement(table, columns);
        let mut answered = None;
        connection
            .query(&sql, |row| {
                let text = |at| Ok::<_, SourceError>(row.text(at)?.map(str::to_owned));
                answered = Some((0..row.len()).map(text).collect::<Result<Vec<_>, _>>()?);
                Ok(())
            })
            .await?;
        let answered = answered.ok_or(SourceError::Protocol("no result of a table's measures"))?;
        let mut answer = Answer(answered.into_iter());
        let malformed = || SourceError::Protocol("invalid number in a table's measures");
        profile.rows = answer.count().ok_or_else(malformed)?;
        let measures: Option<Vec<Measures>> = columns.iter().map(|asked| answer.measures(asked)).collect();
        profile.columns.extend(measures.ok_or_else(malformed)?);
    }
    Ok(profile)
}

fn statement(table: &ListedTable, asked: &[Asked<'_>]) -> String {
    let mut outer = vec!["COUNT(*)".to_owned()];
    for asked in asked {
        let column = quote(&asked.column.name);
        let bytes = bytes(asked, &column);
        let digits = format!("LEFT(SHA2({bytes}, 256), 15)");
        outer.push(format!("COUNT({column}), SUM(CAST(CONV({digits}, 16, 10) AS UNSIGNED))"));
        if asked.distinct {
            outer.push(format!("COUNT(DISTINCT {digits})"));
        }
        if asked.form.is_bytes() {
            outer.push(format!("SHA2(MIN({bytes}), 256), SHA2(MAX({bytes}), 256)"));
            continue;
        }
        let number = number(asked.form, &column);
        outer.push(format!("MIN({number}), MAX({number})"));
        if asked.form.has_sum() {
            outer.push(format!("SUM({number})"));
        }
    }
    format!("SELECT {} FROM {}.{}", outer.join(", "), quote(&table.schema), quote(&table.name))
}

/// Returns the expression of a value's canonical form, as bytes. As text it would follow a
/// collation, which may ignore trailing blanks.
fn bytes(asked: &Asked<'_>, column: &str) -> String {
    match asked.form {
        // Without this a bit string would be treated as a number.
        Form::Bytes if asked.column.base == "bit" => {
            let digits = (asked.column.num_precision + 7) / 8 * 2;
            format!("UNHEX(LPAD(HEX({column}), {digits}, '0'))")
        }
        Form::Bytes if is_geometry(&asked.column.base) => format!("UNHEX(HEX({column}))"),
        Form::Bytes => format!("CAST({column} AS BINARY)"),
        Form::Text | Form::Uuid => format!("CAST(CAST({column} AS CHAR CHARACTER SET utf8mb4) AS BINARY)"),
        Form::Single | Form::Double => {
            let (number, size) = (number(asked.form, column), format!("ABS({})", number(asked.form, column)));
            format!(
                "CONCAT(IF(LEFT({number}, 1) = '-', '-', '+'), CASE \
                 WHEN {size} < 1e-150 THEN CONCAT('2', {size} * POW(2, 1000) * POW(2, 74)) \
                 WHEN {size} < 1 THEN CONCAT('1', {size} * POW(2, 600)) ELSE CONCAT('0', {size}) END)"
            )
        }
        form => format!("CAST({} AS CHAR)", number(form, column)),
    }
}

/// Returns the expression of a value as a number, without the column's own rules for printing it.
fn number(form: Form, column: &str) -> String {
    match form {
        // A product keeps the sign of zero.
        Form::Single | Form::Double => format!("{column} * 1e0"),
        Form::Date => format!("DATEDIFF({column}, '1970-01-01')"),
        Form::Timestamp => format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {column})"),
        _ => format!("{column} + 0"),
    }
}
