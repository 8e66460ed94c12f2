//! Compresses pages.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use export_task::options::Compression;
use libdeflater::CompressionLvl;
use parquet::basic::{self, GzipLevel, ZstdLevel};
use parquet::errors::{ParquetError, Result};

/// Level of gzip, on libdeflate's scale of 0 to 12. The result is within two percent of the size of
/// zlib's default and takes a quarter of its time.
pub(crate) const GZIP_LEVEL: i32 = 4;

/// Level of gzip for pages that [`GZIP_LEVEL`] makes smaller by less than [`WORTH`]: numbers
/// without repetitions, and indices of a dictionary.
pub(crate) const QUICK_GZIP_LEVEL: i32 = 1;

/// The share of a page's size that [`GZIP_LEVEL`] must save to be worth its time.
const WORTH: f64 = 0.01;

/// Level of Zstandard.
pub(crate) const ZSTD_LEVEL: i32 = 1;

/// Maximum size in bytes of a buffer that is kept for the next page. One large value can need a
/// larger buffer, which becomes the result instead.
const KEPT_BUFFER: usize = 4 << 20;

/// Compresses pages with one codec on any number of threads. Each thread takes an idle compressor
/// and gives it back, because a compressor's state is larger than most pages.
pub(crate) struct Codec {
    compression: Compression,
    idle: Mutex<Vec<Compressor>>,
}

/// How much time the compression of a page is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    Quick,
    Thorough,
}

struct Compressor {
    state: State,
    /// Has room for the largest possible result of the pages so far.
    buffer: Vec<u8>,
}

enum State {
    Gzip { quick: libdeflater::Compressor, thorough: libdeflater::Compressor },
    Zstd(zstd::bulk::Compressor<'static>),
    Snappy(Box<snap::raw::Encoder>),
}

impl Codec {
    pub(crate) fn new(compression: Compression) -> Self {
        Self { compression, idle: Mutex::default() }
    }

    /// Returns the codec's name in the file's metadata.
    pub(crate) fn named(&self) -> basic::Compression {
        match self.compression {
            Compression::Gzip => basic::Compression::GZIP(GzipLevel::default()),
            Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::default()),
            Compression::Snappy => basic::Compression::SNAPPY,
        }
    }

    /// Compresses `page` and returns the effort that similar pages are worth. A large page is
    /// compressed only once, because two results of it would take too much memory.
    pub(crate) fn try_both(&self, page: &[u8]) -> Result<(Bytes, Effort)> {
        let thorough = self.compress(page, Effort::Thorough)?;
        if self.compression != Compression::Gzip || page.len() > KEPT_BUFFER {
            return Ok((thorough, Effort::Thorough));
        }
        let quick = self.compress(page, Effort::Quick)?;
        let worth = quick.len() as f64 > thorough.len() as f64 * (1.0 + WORTH);
        Ok((thorough, if worth { Effort::Thorough } else { Effort::Quick }))
    }

    /// Compresses `page`.
    pub(crate) fn compress(&self, page: &[u8], effort: Effort) -> Result<Bytes> {
        // A panic while the lock is held leaves no compressor half-used in the list.
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut compressor = match idle {
            Some(compressor) => compressor,
            None => Compressor::new(self.compression)?,
        };
        let size = compressor.compress(page, effort)?;
        let compressed = if compressor.buffer.len() > KEPT_BUFFER {
            let mut compressed = std::mem::take(&mut compressor.buffer);
            compressed.truncate(size);
            compressed.shrink_to_fit();
            compressed.into()
        } else {
            Bytes::copy_from_slice(&compressor.buffer[..size])
        };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(compressor);
        Ok(compressed)
    }
}

impl Compressor {
    fn new(compression: Compression) -> Result<Self> {
        let state = match compression {
            Compression::Gzip => {
                let compressor = |level| libdeflater::Compressor::new(CompressionLvl::new(level).unwrap_or_default());
                State::Gzip { quick: compressor(QUICK_GZIP_LEVEL), thorough: compressor(GZIP_LEVEL) }
            }
            Compression::Zstd => State::Zstd(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
            Compression::Snappy => State::Snappy(Box::new(snap::raw::Encoder::new())),
        };
        Ok(Self { state, buffer: Vec::new() })
    }

    /// Writes the result to the start of the buffer and returns its size.
    fn compress(&mut self, page: &[u8], effort: Effort) -> Result<usize> {
        let most = match &mut self.state {
            State::Gzip { thorough, .. } => thorough.gzip_compress_bound(page.len()),
            State::Zstd(_) => zstd::zstd_safe::compress_bound(page.len()),
            State::Snappy(_) => snap::raw::max_compress_len(page.len()),
        };
        if self.buffer.len() < most {
            // A new zeroed buffer takes memory only where it is written.
            self.buffer = vec![0; most];
        }
        match &mut self.state {
            State::Gzip { quick, thorough } => {
                let compressor = if effort == Effort::Quick { quick } else { thorough };
                compressor.gzip_compress(page, &mut self.buffer).map_err(external)
            }
            State::Zstd(compressor) => Ok(compressor.compress_to_buffer(page, &mut self.buffer)?),
            State::Snappy(encoder) => encoder.compress(page, &mut self.buffer).map_err(external),
        }
    }
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> ParquetError {
    ParquetError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns bytes that no codec makes smaller.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn only_pages_that_get_smaller_are_worth_time() {
        let words = ["carefully", "final", "deposits", "sleep", "quickly", "bold", "requests", "above", "the", "even"];
        let text: Vec<u8> = noise(20_000).iter().flat_map(|n| words[usize::from(*n) % words.len()].bytes()).collect();
        let effort = |compression, page: &[u8]| Codec::new(compression).try_both(page).unwrap().1;
        assert_eq!(effort(Compression::Gzip, &text), Effort::Thorough);
        assert_eq!(effort(Compression::Gzip, &noise(100_000)), Effort::Quick);
        assert_eq!(effort(Compression::Zstd, &noise(100_000)), Effort::Thorough);
    }

    #[test]
    fn a_large_page_is_compressed_only_once() {
        let (page, effort) = Codec::new(Compression::Gzip).try_both(&noise(KEPT_BUFFER + 1)).unwrap();
        assert_eq!(effort, Effort::Thorough);
        assert!(page.len() > KEPT_BUFFER);
    }
}
