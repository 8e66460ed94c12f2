//! The progress line of a local export.

use std::convert::Infallible;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use partition_extractor::Watch;

/// A progress line on standard error, if that is a terminal. Clones share the line.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    bytes: ProgressBar,
    rows: ProgressBar,
}

impl Progress {
    /// Returns the progress of an export of about `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let line = "{percent:>3} % of {total_bytes} {wide_bar} {msg} {elapsed_precise}, {eta} left";
        let style = ProgressStyle::with_template(line).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(bytes).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bytes: bar, rows: ProgressBar::hidden() }
    }

    /// Adds a finished partition, whose size was estimated as `bytes`.
    pub(super) fn partition(&self, bytes: u64) {
        self.bytes.inc(bytes);
    }

    /// Removes the line.
    pub(super) fn end(&self) {
        self.bytes.finish_and_clear();
    }
}

impl Watch for Progress {
    type Reason = Infallible;

    fn record_batch(&self, rows: usize) {
        self.rows.inc(rows as u64);
        self.bytes.set_message(format!("{} rows", HumanCount(self.rows.position())));
    }

    async fn stop(&self) -> Infallible {
        std::future::pending().await
    }
}
