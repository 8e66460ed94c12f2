//! Names that can't be exported, for every engine.

use export_task::limits;
use export_task::table::Table;
use export_task::warning::SkipReason;

/// Returns why a table can't be exported because of its names or its columns, if that is so.
pub(crate) fn skip(table: &Table) -> Option<(SkipReason, String)> {
    for (kind, name) in [("table", &table.name), ("schema", &table.schema), ("database", &table.database)] {
        if name.contains('/') {
            let message = format!("The name of the {kind} contains a slash. Rename the {kind}.");
            return Some((SkipReason::UnsupportedTableName, message));
        }
    }
    if table.columns.is_empty() {
        return Some((SkipReason::NoColumns, "The table has no columns.".to_owned()));
    }
    let column = table.columns.iter().find(|column| column.name.contains(limits::COLUMN_NAME_FORBIDDEN))?;
    let message = format!(
        "The name of column {:?} contains a space or one of the characters , ; {{ }} ( ) \\n \\t =. Rename the column.",
        column.name
    );
    Some((SkipReason::UnsupportedColumnName, message))
}
