//! Lists tables, and profiles their values on the server. It shares no code with `catalog`,
//! `columns` and `types`, because it serves to check them.

use tokio_postgres::SimpleQueryMessage;

use super::connect::Connection;
use super::sql::quote;
use crate::error::SourceError;
use crate::profile::{Answer, Asked, COLUMNS, Form, ListedColumn, ListedTable, Measures, Profile};

/// Lists ordinary tables and the roots of partitioned ones, with their columns. The last columns
/// are the base type of a domain, or of an array's elements, and whether the column is an array.
/// The name of the base type is empty unless it is a built-in type.
const LISTED: &str = "
    WITH RECURSIVE bases (type, base) AS (
      SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
      UNION ALL
      SELECT t.oid, b.base FROM pg_type t JOIN bases b ON b.type = t.typbasetype WHERE t.typtype = 'd'
    ), kinds (type, base, is_array) AS (
      SELECT b.type, CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname ELSE '' END, e.oid IS NOT NULL
      FROM bases b LEFT JOIN pg_type e ON e.typarray = b.base LEFT JOIN bases f ON f.type = e.oid
        JOIN pg_type t ON t.oid = coalesce(f.base, b.base)
    )
    SELECT n.nspname, c.relname, c.relkind = 'p', a.attname, i.data_type, coalesce(i.character_maximum_length, 0)::int4,
      coalesce(i.numeric_precision, 0)::int4, coalesce(i.datetime_precision, 0)::int4, k.base, k.is_array
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN (pg_attribute a JOIN kinds k ON k.type = a.atttypid)
        ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN information_schema.columns i
        ON i.table_schema = n.nspname AND i.table_name = c.relname AND i.column_name = a.attname
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY n.nspname, c.relname, a.attnum";

/// Lists the tables of the connection's database.
///
/// # Errors
/// [`SourceError`].
pub async fn listed(connection: &Connection) -> Result<Vec<ListedTable>, SourceError> {
    let mut tables: Vec<ListedTable> = Vec::new();
    for row in connection.client().query(LISTED, &[]).await? {
        let (schema, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if tables.last().is_none_or(|last| (&last.schema, &last.name) != (&schema, &name)) {
            tables.push(ListedTable { schema, name, columns: Vec::new(), partitioned: row.try_get(2)? });
        }
        let (Some(table), Some(name)) = (tables.last_mut(), row.try_get(3)?) else { continue };
        table.columns.push(ListedColumn {
            name,
            // The view hides columns on which the user has no privilege.
            original_type: row.try_get::<_, Option<String>>(4)?.unwrap_or_default(),
            char_max_length: row.try_get(5)?,
            num_precision: row.try_get(6)?,
            datetime_precision: row.try_get(7)?,
            base: row.try_get(8)?,
            is_array: row.try_get(9)?,
        });
    }
    Ok(tables)
}

/// Returns how a column is compared whose values have the form `form` in the files, or `None` if
/// the column's type can't have that form.
pub fn form(column: &ListedColumn, form: Form, list: bool) -> Option<Form> {
    let base = column.base.as_str();
    let fits = match form {
        Form::Boolean => base == "bool",
        Form::Exact => matches!(base, "int2" | "int4" | "int8" | "numeric"),
        Form::ExactText => base == "numeric",
        Form::Single => base == "float4",
        Form::Double => base == "float8",
        Form::Text => true,
        Form::Bytes => base == "bytea",
        Form::Date => base == "date",
        Form::Time => base == "time",
        Form::Timestamp => matches!(base, "timestamp" | "timestamptz"),
        Form::Uuid => base == "uuid",
    };
    match form {
        // A text column of the files may come from an array.
        Form::Text if list || column.is_array => (column.is_array || !list).then_some(Form::Text),
        Form::Text if base == "numeric" => Some(Form::ExactText),
        _ => (fits && list == column.is_array).then_some(form),
    }
}

/// Returns the profile of a table.
///
/// # Errors
/// [`SourceError`].
pub async fn profile(
    connection: &Connection,
    table: &ListedTable,
    asked: &[Asked<'_>],
) -> Result<Profile, SourceError> {
    let mut profile = Profile::default();
    // Without columns the rows are counted as well.
    for columns in asked.chunks(COLUMNS).chain(asked.is_empty().then_some(asked)) {
        let answers = connection.client().simple_query(&statement(table, columns)).await?;
        let row = answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.ok_or(SourceError::Protocol("no result row for a profile"))?;
        let mut answer = Answer((0..row.len()).map(|at| row.get(at).map(str::to_owned)));
        let malformed = || SourceError::Protocol("invalid number in a profile");
        profile.rows = answer.count().ok_or_else(malformed)?;
        let measures: Option<Vec<Measures>> = columns.iter().map(|asked| answer.measures(asked)).collect();
        profile.columns.extend(measures.ok_or_else(malformed)?);
    }
    Ok(profile)
}

fn statement(table: &ListedTable, asked: &[Asked<'_>]) -> String {
    let (mut inner, mut outer) = (Vec::new(), vec!["count(*)".to_owned()]);
    for (at, asked) in asked.iter().enumerate() {
        let column = quote(&asked.column.name);
        let bytes = if asked.list { list(asked, &column) } else { bytes(asked, &column) };
        // `IS NULL` is not used, because it tests the fields of a composite value.
        inner.push(format!("CASE WHEN num_nulls({column}) = 0 THEN {bytes} END AS x{at}"));
        let digits = format!("left({}, 15)", sha256(&format!("x{at}")));
        outer.push(format!("count(x{at}), sum(('x' || {digits})::bit(60)::int8)"));
        if asked.distinct {
            outer.push(format!("count(DISTINCT {digits})"));
        }
        if asked.list {
            continue;
        }
        if asked.form.is_bytes() {
            // Servers before version 18 have no min of bytea. So bytes are compared as hexadecimal
            // text in the C collation, which keeps their order.
            let bound = |which: &str| sha256(&format!("decode({which}(encode(x{at}, 'hex') COLLATE \"C\"), 'hex')"));
            outer.extend([bound("min"), bound("max")]);
            continue;
        }
        inner.push(format!("{} AS n{at}", ordered(asked, &column)));
        outer.push(format!("min(n{at}), max(n{at})"));
        if asked.form.has_sum() {
            let finite = format!("FILTER (WHERE x{at} NOT IN ('NaN'::bytea, 'Infinity'::bytea, '-Infinity'::bytea))");
            outer.push(format!("sum(n{at}) {finite}"));
        }
    }
    let only = if table.partitioned { "" } else { "ONLY " };
    let name = format!("{}.{}", quote(&table.schema), quote(&table.name));
    // OFFSET prevents the server from merging the queries, so each value is computed only once.
    format!("SELECT {} FROM (SELECT {} FROM {only}{name} OFFSET 0) p", outer.join(", "), inner.join(", "))
}

/// Returns an expression for the hexadecimal digits of a hash.
fn sha256(bytes: &str) -> String {
    format!("encode(sha256({bytes}), 'hex')")
}

/// Returns an expression for the canonical form of a value. The output function of the value's type
/// prints it, because a cast may call a user's function.
fn bytes(asked: &Asked<'_>, value: &str) -> String {
    let text = match asked.form {
        Form::Bytes => return value.to_owned(),
        Form::Single => return format!("float4send({value})"),
        Form::Double => return format!("float8send({value})"),
        Form::Boolean => format!("CASE WHEN {value} THEN 't' ELSE 'f' END"),
        // The output function omits the mask of a single host, but the files always contain it.
        Form::Text if asked.column.base == "inet" && asked.list == asked.column.is_array => {
            format!("pg_catalog.text({value})")
        }
        Form::Text | Form::Exact | Form::ExactText | Form::Uuid => format!("format('%s', {value})"),
        Form::Date | Form::Time | Form::Timestamp => format!("format('%s', {})", ordered(asked, value)),
    };
    format!("convert_to({text}, 'UTF8')")
}

/// Returns an expression for the canonical form of a list. `unnest` is in the select list, because
/// in FROM it would expand a composite value to its fields.
fn list(asked: &Asked<'_>, value: &str) -> String {
    let element = format!("CASE WHEN num_nulls(e) = 0 THEN {} ELSE '-' END", sha256(&bytes(asked, "e")));
    let elements = format!("(SELECT string_agg({element}, ',') FROM (SELECT unnest({value}) AS e) u)");
    format!("convert_to(coalesce({elements}, ''), 'UTF8')")
}

/// Returns an expression for a value as a number, for bounds and sums. The server sends dates and
/// timestamps counted from 2000-01-01.
fn ordered(asked: &Asked<'_>, value: &str) -> String {
    let sent = |function: &str, bits: &str| format!("('x' || encode({function}({value}), 'hex'))::bit({bits})");
    match asked.form {
        Form::Boolean => format!("CASE WHEN {value} THEN 1 WHEN NOT {value} THEN 0 END"),
        Form::Date => format!("({}::int4::numeric + 10957)", sent("date_send", "32")),
        Form::Time => format!("{}::int8", sent("time_send", "64")),
        Form::Timestamp => {
            let function = format!("{}_send", asked.column.base);
            format!("({}::int8::numeric + 946684800000000)", sent(&function, "64"))
        }
        _ => value.to_owned(),
    }
}
