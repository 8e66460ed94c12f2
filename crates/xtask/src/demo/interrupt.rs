//! Handles Ctrl-C and other signals that ask the program to end.

use std::fs;
use std::future::Future;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// Receives the signals from its creation on, so that none of them ends this process before the
/// cleanup.
pub(super) struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupt {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal.
    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
            _ = self.hang_up.recv() => (),
        }
    }

    /// Returns whether a signal arrives within 200 ms.
    pub(super) async fn received_soon(&mut self) -> bool {
        timeout(Duration::from_millis(200), self.received()).await.is_ok()
    }
}

/// Sends SIGTERM to the children of this process until `ended` completes. A Ctrl-C in the terminal
/// reaches them directly, but a signal to this process alone does not.
pub(super) async fn end_children_until(ended: &mut (impl Future + Unpin)) {
    loop {
        let children = children();
        if !children.is_empty() {
            // The result does not matter, because the loop waits until the children have ended.
            let _ =
                Command::new("sh").args(["-c", &format!("kill {}", children.join(" "))]).stderr(Stdio::null()).status();
        }
        if timeout(Duration::from_millis(500), &mut *ended).await.is_ok() {
            return;
        }
    }
}

/// Returns the process ids of the children of this process.
fn children() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
