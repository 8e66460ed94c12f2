//! Statements: those with a small result in text form, and the one whose binary result is a table's
//! rows.

use std::collections::HashSet;

use mysql_common::constants::{ColumnFlags, ColumnType, Command};

use super::connect::Connection;
use super::failure;
use super::fields::{self, TextRow};
use super::wire::{EOF_HEADER, ERR_HEADER, OK_HEADER, Wire};
use crate::error::SourceError;

/// The largest payload of a packet that ends a result. A text row that begins with [`EOF_HEADER`]
/// is larger.
const MAX_EOF_PAYLOAD: usize = 0xFF_FFFE;
/// The first byte of a request for a local file.
const LOCAL_INFILE_HEADER: u8 = 0xFB;

/// The server's definition of a column of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ColumnDefinition {
    pub column_type: ColumnType,
    pub unsigned: bool,
}

impl Connection {
    /// Runs a statement without a result.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<(), SourceError> {
        self.query(sql, |_| Ok(())).await
    }

    /// Runs a statement and calls `each` with each row of its result. After an error of `each` the
    /// connection can't be used.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        mut each: impl FnMut(TextRow<'_>) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        self.wire.command(&[&[Command::COM_QUERY as u8], sql.as_bytes()].concat()).await?;
        let Some(columns) = result_header(&mut self.wire).await? else {
            return Ok(());
        };
        for _ in 0..columns {
            self.wire.receive().await?;
        }
        loop {
            let packet = self.wire.receive().await?;
            match packet.first() {
                Some(&ERR_HEADER) => return Err(failure::from_packet(packet)),
                Some(&EOF_HEADER) if packet.len() <= MAX_EOF_PAYLOAD => return Ok(()),
                _ => each(TextRow::parse(packet, columns)?)?,
            }
        }
    }

    /// Runs a query and returns the names in the first column of its result.
    pub(super) async fn first_column(&mut self, sql: &str) -> Result<HashSet<String>, SourceError> {
        let mut names = HashSet::new();
        self.query(sql, |row| {
            names.insert(row.name(0)?.to_owned());
            Ok(())
        })
        .await?;
        Ok(names)
    }

    /// Starts a prepared statement without parameters, whose rows come in binary form. Returns the
    /// statement's id and the definitions of its columns.
    pub(super) async fn start(&mut self, sql: &str) -> Result<(u32, Vec<ColumnDefinition>), SourceError> {
        self.wire.command(&[&[Command::COM_STMT_PREPARE as u8], sql.as_bytes()].concat()).await?;
        let packet = self.wire.receive().await?;
        let (id, columns) = match packet {
            [OK_HEADER, a, b, c, d, e, f, 0, 0, ..] => {
                (u32::from_le_bytes([*a, *b, *c, *d]), u16::from_le_bytes([*e, *f]))
            }
            [ERR_HEADER, ..] => return Err(failure::from_packet(packet)),
            _ => return Err(SourceError::Protocol("malformed response to a prepared statement")),
        };
        for _ in 0..columns {
            self.wire.receive().await?;
        }
        // The flags ask for no cursor, and the iteration count is always one.
        let [a, b, c, d] = id.to_le_bytes();
        self.wire.command(&[Command::COM_STMT_EXECUTE as u8, a, b, c, d, 0, 1, 0, 0, 0]).await?;
        let columns = result_header(&mut self.wire).await?.ok_or(SourceError::Protocol("result without columns"))?;
        let mut definitions = Vec::new();
        for _ in 0..columns {
            let definition = column_definition(self.wire.receive().await?);
            definitions.push(definition.ok_or(SourceError::Protocol("malformed column definition"))?);
        }
        Ok((id, definitions))
    }

    /// Reads and discards the remaining rows of the running statement.
    pub(super) async fn drain(&mut self) -> Result<(), SourceError> {
        while self.running.is_some() {
            if let Some(&(EOF_HEADER | ERR_HEADER)) = self.wire.receive().await?.first() {
                self.finished = self.running.take();
            }
        }
        Ok(())
    }

    /// Frees a statement. The server doesn't answer.
    pub(super) async fn close(&mut self, id: u32) -> Result<(), SourceError> {
        let [a, b, c, d] = id.to_le_bytes();
        self.wire.command(&[Command::COM_STMT_CLOSE as u8, a, b, c, d]).await
    }
}

/// Returns the number of a result's columns, or `None` if the statement has no result.
async fn result_header(wire: &mut Wire) -> Result<Option<u64>, SourceError> {
    let packet = wire.receive().await?;
    match packet {
        [OK_HEADER, ..] => Ok(None),
        [ERR_HEADER, ..] => Err(failure::from_packet(packet)),
        [LOCAL_INFILE_HEADER, ..] => Err(SourceError::Protocol("the server asks for a local file")),
        mut packet => {
            fields::integer(&mut packet).map(Some).ok_or(SourceError::Protocol("malformed header of a result"))
        }
    }
}

/// Parses a column definition.
fn column_definition(mut packet: &[u8]) -> Option<ColumnDefinition> {
    // Catalog, schema, table, original table, name, original name.
    for _ in 0..6 {
        fields::string(&mut packet)?;
    }
    // The length of the fixed fields, the character set (two bytes), the column's length (four).
    let &[_, _, _, _, _, _, _, column_type, low_flags, high_flags, ..] = packet else { return None };
    // An unknown type is no error here: the reader of the column refuses it.
    let column_type = ColumnType::try_from(column_type).unwrap_or(ColumnType::MYSQL_TYPE_UNKNOWN);
    let flags = ColumnFlags::from_bits_truncate(u16::from_le_bytes([low_flags, high_flags]));
    Some(ColumnDefinition { column_type, unsigned: flags.contains(ColumnFlags::UNSIGNED_FLAG) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn column_definitions_are_parsed() {
        let packet = b"\x03def\x01d\x01t\x01t\x01c\x01c\x0c\x3f\0\x0b\0\0\0\x03\x23\x50\0\0\0";
        let expected = ColumnDefinition { column_type: ColumnType::MYSQL_TYPE_LONG, unsigned: true };
        assert_eq!(column_definition(packet), Some(expected));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = column_definition(&bytes);
        }
    }
}
