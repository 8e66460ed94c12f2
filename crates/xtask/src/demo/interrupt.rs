//! Ctrl-C, and what else asks a program to end.

use std::fs;
use std::future::Future;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// Catches the signals from when it is made, so that none of them ends this process before it has cleaned up.
pub struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupt {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one.
    pub async fn came(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
            _ = self.hang_up.recv() => (),
        }
    }

    /// Whether one came just now.
    pub async fn comes_soon(&mut self) -> bool {
        timeout(Duration::from_millis(200), self.came()).await.is_ok()
    }
}

/// Asks the programs this process has started to end until what waits for them has. A terminal's Ctrl-C reaches them by
/// itself; a signal to this process alone does not.
pub async fn end_children_until(ended: &mut (impl Future + Unpin)) {
    loop {
        let children = children();
        if !children.is_empty() {
            // What matters is whether they end, and that is looked at.
            let _ =
                Command::new("sh").args(["-c", &format!("kill {}", children.join(" "))]).stderr(Stdio::null()).status();
        }
        if timeout(Duration::from_millis(500), &mut *ended).await.is_ok() {
            return;
        }
    }
}

/// The ids of this process's children.
fn children() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
