//! Compresses pages.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use export_task::options::Compression;
use libdeflater::CompressionLvl;
use parquet::basic::{self, GzipLevel, ZstdLevel};
use parquet::errors::{ParquetError, Result};

/// Level of gzip, on libdeflate's scale of 0 to 12: within two percent of the size of zlib's default in a quarter of its
/// time.
pub const GZIP_LEVEL: i32 = 4;

/// Level of gzip for pages that lose less than [`WORTH`] by it, as numbers without repetitions and indices of a dictionary do.
pub const QUICK_GZIP_LEVEL: i32 = 1;

/// The share of a page's size that makes [`GZIP_LEVEL`] worth its time.
const WORTH: f64 = 0.01;

/// Level of Zstandard.
pub const ZSTD_LEVEL: i32 = 1;

/// A larger buffer, which one large value needs, is not kept: it becomes the result.
const KEPT_BUFFER: usize = 4 << 20;

/// Compresses with one codec on any number of threads, of which each takes one of the idle compressors: their state is
/// larger than most pages.
pub(crate) struct Codec {
    compression: Compression,
    idle: Mutex<Vec<Compressor>>,
}

/// How much time pages are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    Quick,
    Thorough,
}

struct Compressor {
    state: State,
    /// As large as the largest result so far might have been.
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

    /// The codec as a file's metadata names it.
    pub(crate) fn named(&self) -> basic::Compression {
        match self.compression {
            Compression::Gzip => basic::Compression::GZIP(GzipLevel::default()),
            Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::default()),
            Compression::Snappy => basic::Compression::SNAPPY,
        }
    }

    /// `page` in compressed form, and what pages like it are worth. A large one, of which there must not be two results in
    /// memory, is not tried.
    pub(crate) fn try_both(&self, page: &[u8]) -> Result<(Bytes, Effort)> {
        let thorough = self.compress(page, Effort::Thorough)?;
        if self.compression != Compression::Gzip || page.len() > KEPT_BUFFER {
            return Ok((thorough, Effort::Thorough));
        }
        let quick = self.compress(page, Effort::Quick)?;
        let worth = quick.len() as f64 > thorough.len() as f64 * (1.0 + WORTH);
        Ok((thorough, if worth { Effort::Thorough } else { Effort::Quick }))
    }

    /// `page` in compressed form.
    pub(crate) fn compress(&self, page: &[u8], effort: Effort) -> Result<Bytes> {
        // A compressor is whole whenever it is in the list, whoever panicked while holding the lock.
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
                let of = |level| libdeflater::Compressor::new(CompressionLvl::new(level).unwrap_or_default());
                State::Gzip { quick: of(QUICK_GZIP_LEVEL), thorough: of(GZIP_LEVEL) }
            }
            Compression::Zstd => State::Zstd(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
            Compression::Snappy => State::Snappy(Box::new(snap::raw::Encoder::new())),
        };
        Ok(Self { state, buffer: Vec::new() })
    }

    /// Size of the result, which is at the start of the buffer.
    fn compress(&mut self, page: &[u8], effort: Effort) -> Result<usize> {
        let most = match &mut self.state {
            State::Gzip { thorough, .. } => thorough.gzip_compress_bound(page.len()),
            State::Zstd(_) => zstd::zstd_safe::compress_bound(page.len()),
            State::Snappy(_) => snap::raw::max_compress_len(page.len()),
        };
        if self.buffer.len() < most {
            // A new one takes no memory where nothing is written.
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

    /// Bytes that nothing makes smaller.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn time_is_spent_on_what_gets_smaller_by_it() {
        let words = ["carefully", "final", "deposits", "sleep", "quickly", "bold", "requests", "above", "the", "even"];
        let text: Vec<u8> = noise(20_000).iter().flat_map(|n| words[usize::from(*n) % words.len()].bytes()).collect();
        let effort = |compression, page: &[u8]| Codec::new(compression).try_both(page).unwrap().1;
        assert_eq!(effort(Compression::Gzip, &text), Effort::Thorough);
        assert_eq!(effort(Compression::Gzip, &noise(100_000)), Effort::Quick);
        assert_eq!(effort(Compression::Zstd, &noise(100_000)), Effort::Thorough);
    }

    #[test]
    fn a_large_page_is_in_memory_compressed_only_once() {
        let (page, effort) = Codec::new(Compression::Gzip).try_both(&noise(KEPT_BUFFER + 1)).unwrap();
        assert_eq!(effort, Effort::Thorough);
        assert!(page.len() > KEPT_BUFFER);
    }
}
