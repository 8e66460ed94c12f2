//! Statements: those whose result is text and small, and the one whose binary result is a table's rows.

use super::connect::Connection;
use super::failure;
use super::fields::{self, TextRow};
use super::wire::Wire;
use crate::error::SourceError;

const COM_QUERY: u8 = 0x03;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_CLOSE: u8 = 0x19;

/// First byte of a result's end. A row of text may begin so too, but is larger then.
pub(super) const END: u8 = 0xFE;
/// The largest payload of an end.
const MOST_END: usize = 0xFF_FFFE;

/// How a column of a result is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// `MYSQL_TYPE_…`, by number.
    pub kind: u8,
    pub unsigned: bool,
}

impl Connection {
    /// Runs a statement without a result.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<(), SourceError> {
        self.query(sql, |_| Ok(())).await
    }

    /// Runs a statement and hands each row of its result to `each`. An error of `each` leaves the connection of no further
    /// use.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        mut each: impl FnMut(TextRow<'_>) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        self.wire.command(&[&[COM_QUERY], sql.as_bytes()].concat()).await?;
        let Some(columns) = head(&mut self.wire).await? else {
            return Ok(());
        };
        for _ in 0..columns {
            self.wire.receive().await?;
        }
        loop {
            let packet = self.wire.receive().await?;
            match packet.first() {
                Some(&failure::ERR_HEADER) => return Err(failure::from_packet(packet)),
                Some(&END) if packet.len() <= MOST_END => return Ok(()),
                _ => each(TextRow::parse(packet, columns)?)?,
            }
        }
    }

    /// Starts a statement without parameters whose rows come in binary form: its number, and how each column is sent.
    pub(super) async fn start(&mut self, sql: &str) -> Result<(u32, Vec<Sent>), SourceError> {
        self.wire.command(&[&[COM_STMT_PREPARE], sql.as_bytes()].concat()).await?;
        let packet = self.wire.receive().await?;
        let (id, columns) = match packet {
            [0x00, a, b, c, d, e, f, 0, 0, ..] => (u32::from_le_bytes([*a, *b, *c, *d]), u16::from_le_bytes([*e, *f])),
            [failure::ERR_HEADER, ..] => return Err(failure::from_packet(packet)),
            _ => return Err(SourceError::Protocol("a malformed answer to a statement")),
        };
        for _ in 0..columns {
            self.wire.receive().await?;
        }
        // No cursor, executed once.
        let [a, b, c, d] = id.to_le_bytes();
        self.wire.command(&[COM_STMT_EXECUTE, a, b, c, d, 0, 1, 0, 0, 0]).await?;
        let columns = head(&mut self.wire).await?.ok_or(SourceError::Protocol("a result without columns"))?;
        let mut sent = Vec::new();
        for _ in 0..columns {
            sent.push(definition(self.wire.receive().await?).ok_or(SourceError::Protocol("a malformed column"))?);
        }
        Ok((id, sent))
    }

    /// Reads what is left of a statement's rows.
    pub(super) async fn pass_over(&mut self) -> Result<(), SourceError> {
        while self.running.is_some() {
            if let Some(&(END | failure::ERR_HEADER)) = self.wire.receive().await?.first() {
                self.finished = self.running.take();
            }
        }
        Ok(())
    }

    /// Frees a statement. The server doesn't answer.
    pub(super) async fn close(&mut self, id: u32) -> Result<(), SourceError> {
        let [a, b, c, d] = id.to_le_bytes();
        self.wire.command(&[COM_STMT_CLOSE, a, b, c, d]).await
    }
}

/// The number of columns of a result, `None` for a statement without one.
async fn head(wire: &mut Wire) -> Result<Option<u64>, SourceError> {
    let packet = wire.receive().await?;
    match packet {
        [0x00, ..] => Ok(None),
        [failure::ERR_HEADER, ..] => Err(failure::from_packet(packet)),
        [0xFB, ..] => Err(SourceError::Protocol("the server asks for a file")),
        mut packet => fields::integer(&mut packet).map(Some).ok_or(SourceError::Protocol("a malformed result")),
    }
}

/// What a column definition says.
fn definition(mut packet: &[u8]) -> Option<Sent> {
    // Catalog, database, table, original table, name, original name, and the length of what follows.
    for _ in 0..6 {
        fields::string(&mut packet)?;
    }
    let &[_, _, _, _, _, _, _, kind, flags, ..] = packet else { return None };
    Some(Sent { kind, unsigned: flags & 0x20 != 0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_column_says_how_it_is_sent() {
        let packet = b"\x03def\x01d\x01t\x01t\x01c\x01c\x0c\x3f\0\x0b\0\0\0\x03\x23\x50\0\0\0";
        assert_eq!(definition(packet), Some(Sent { kind: 3, unsigned: true }));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = definition(&bytes);
        }
    }
}
