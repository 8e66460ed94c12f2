//! Takes the pages of a column chunk from the column's encoder and compresses each immediately.
//!
//! The encoder's set of codecs is fixed, so it is set to compress nothing. It hands over a page
//! header, then the bytes of the page. The header holds the compressed size of the page, so it is
//! written again.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::arrow::arrow_writer::{PageKey, PageStore, PageStoreArgs, PageStoreFactory};
use parquet::errors::{ParquetError, Result};

use crate::codec::{Codec, Effort};

/// The `type` of a dictionary's page header (PageType in the format's Thrift definition).
const DICTIONARY_PAGE: i64 = 2;

/// The byte after the sizes in a data page's header: field 5, a structure.
const DATA_PAGE: u8 = 0x2C;

/// The byte that begins an `i32` field in Thrift's compact protocol when its number is one more
/// than that of the previous field.
const NEXT_FIELD_I32: u8 = 0x15;

/// Compressed pages of one column chunk.
#[derive(Default)]
pub(crate) struct Pages {
    /// Header and bytes of the dictionary. The encoder returns the dictionary last. In the file it
    /// comes first.
    pub dictionary: Vec<Bytes>,
    /// Headers and bytes of the other pages.
    pub data: Vec<Bytes>,
    /// Number of bytes of all pages and headers.
    pub bytes: usize,
    /// A header whose page has not arrived yet.
    header: Option<Bytes>,
}

/// Shared between a column's encoder and whoever assembles the file.
pub(crate) type SharedPages = Arc<Mutex<Pages>>;

/// Locks the pages. A panic of another thread leaves them usable, because no change is ever
/// half-done while the lock is held.
pub(crate) fn lock(pages: &SharedPages) -> MutexGuard<'_, Pages> {
    pages.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates the page stores of one row group's columns and keeps their pages in the columns' order.
pub(crate) struct Stores {
    codec: Arc<Codec>,
    pages: Mutex<Vec<SharedPages>>,
}

impl Stores {
    pub(crate) fn new(codec: Arc<Codec>) -> Arc<Self> {
        Arc::new(Self { codec, pages: Mutex::default() })
    }

    /// Returns the pages of every column for which a store was created.
    pub(crate) fn pages(&self) -> Vec<SharedPages> {
        std::mem::take(&mut self.pages.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stores")
    }
}

impl PageStoreFactory for Stores {
    fn create(&self, _: &PageStoreArgs<'_>) -> Result<Box<dyn PageStore>> {
        let pages = SharedPages::default();
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&pages));
        Ok(Box::new(Store { codec: Arc::clone(&self.codec), pages, tried: None }))
    }
}

struct Store {
    codec: Arc<Codec>,
    pages: SharedPages,
    /// An encoding and the effort that its pages are worth. The first page of the encoding decides.
    tried: Option<(i64, Effort)>,
}

impl PageStore for Store {
    fn put(&mut self, value: Bytes) -> Result<PageKey> {
        let header = lock(&self.pages).header.take();
        let Some(header) = header else {
            lock(&self.pages).header = Some(value);
            return Ok(PageKey::new(0));
        };
        let malformed = || ParquetError::General("unknown form of page header".into());
        let header = Header::parse(&header).ok_or_else(malformed)?;
        let page = match (header.encoding(), self.tried) {
            (None, _) => self.codec.compress(&value, Effort::Thorough)?,
            (Some(encoding), Some((before, effort))) if encoding == before => self.codec.compress(&value, effort)?,
            (Some(encoding), _) => {
                let (page, effort) = self.codec.try_both(&value)?;
                self.tried = Some((encoding, effort));
                page
            }
        };
        let dictionary = header.page_type == DICTIONARY_PAGE;
        let header = header.with_compressed_size(page.len());

        let mut pages = lock(&self.pages);
        pages.bytes += header.len() + page.len();
        let kind = if dictionary { &mut pages.dictionary } else { &mut pages.data };
        kind.extend([header, page]);
        Ok(PageKey::new(0))
    }

    fn take(&mut self, _: PageKey) -> Result<Bytes> {
        Err(ParquetError::General("the pages of this store are read elsewhere".into()))
    }
}

/// A page header. Its first three fields are `i32`: `1: type, 2: uncompressed_page_size,
/// 3: compressed_page_size`.
struct Header<'a> {
    page_type: i64,
    uncompressed: i64,
    /// The bytes after these fields.
    rest: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (page_type, bytes) = field(bytes)?;
        let (uncompressed, bytes) = field(bytes)?;
        let (_, rest) = field(bytes)?;
        Some(Self { page_type, uncompressed, rest })
    }

    /// Returns the encoding of a data page's values.
    fn encoding(&self) -> Option<i64> {
        let [DATA_PAGE, bytes @ ..] = self.rest else { return None };
        let (_values, bytes) = field(bytes)?;
        Some(field(bytes)?.0)
    }

    fn with_compressed_size(&self, compressed: usize) -> Bytes {
        let mut header = Vec::with_capacity(18 + self.rest.len());
        for value in [self.page_type, self.uncompressed, compressed as i64] {
            header.push(NEXT_FIELD_I32);
            let mut zigzag = (value << 1) as u64;
            while zigzag > 0x7F {
                header.push(zigzag as u8 | 0x80);
                zigzag >>= 7;
            }
            header.push(zigzag as u8);
        }
        header.extend_from_slice(self.rest);
        header.into()
    }
}

/// Returns the value of the next field and the bytes after it. The value must not be negative.
fn field(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let [NEXT_FIELD_I32, bytes @ ..] = bytes else { return None };
    let mut zigzag = 0;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        zigzag |= i64::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return (zigzag & 1 == 0).then_some((zigzag >> 1, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_all_but_the_compressed_size() {
        // type 0, uncompressed 300, compressed 300, then field 5: 1 value, encoding 8.
        let bytes = [0x15, 0x00, 0x15, 0xD8, 0x04, 0x15, 0xD8, 0x04, 0x2C, 0x15, 0x02, 0x15, 0x10, 0x00, 0x00];
        let header = Header::parse(&bytes);
        assert_eq!(header.as_ref().and_then(Header::encoding), Some(8));
        let header = header.as_ref().map(|h| (h.page_type, h.uncompressed, h.rest));
        assert_eq!(header, Some((0, 300, &bytes[8..])));
        let (page_type, uncompressed, rest) = (0, 300, &bytes[8..]);
        let written = Header { page_type, uncompressed, rest }.with_compressed_size(70);
        assert_eq!(written[..8], [0x15, 0x00, 0x15, 0xD8, 0x04, 0x15, 0x8C, 0x01]);
        assert_eq!(written[8..], bytes[8..]);
    }

    #[test]
    fn malformed_headers_are_refused() {
        for bytes in [&[][..], &[0x15], &[0x15, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], &[0x25, 0x00], &[0x15, 0x01]] {
            assert!(Header::parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
