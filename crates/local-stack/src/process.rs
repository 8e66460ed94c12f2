//! Runs programs, and finds and ends the processes of a stack.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::layout::Layout;

/// Every process of a stack inherits this variable from the supervisor. Its value names the stack.
/// It finds all processes, even those whose parents were killed. Recorded process ids would be
/// unreliable, because the system may reuse them.
const MARK: &str = "AURORA_EXPORT_LOCAL_STACK";

/// The programs that work on the data directory of a cluster.
const SERVERS: [&str; 6] = ["/postgres", "/initdb", "/pg_basebackup", "/mariadbd", "/mariadb-backup", "/mysqld"];

/// Marks a command as part of a stack.
pub(crate) fn mark(command: &mut Command, layout: &Layout) {
    command.env(MARK, &layout.state_dir);
}

/// Runs a program to its end and returns its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done =
        command.stdin(Stdio::null()).output().map_err(|source| Error::Run { program: program.clone(), source })?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let output = [done.stdout, done.stderr].concat();
    Err(Error::Failed { program, output: tail(&String::from_utf8_lossy(&output)) })
}

/// Returns the last lines of a program's output, which usually have the reason for a failure.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Returns the processes of a stack.
pub(crate) fn stack_processes(layout: &Layout) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != std::process::id() && belongs(pid, layout))
        .collect()
}

fn belongs(pid: u32, layout: &Layout) -> bool {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let mark = format!("{MARK}={}", layout.state_dir.display());
    if read("environ").split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
        return true;
    }
    // A database server may have a different environment. Its data directory identifies the stack.
    let arguments = read("cmdline");
    let mut arguments = arguments.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    let data_dir = format!("{}/", layout.data_dir.display());
    // MySQL's arguments have the form `--option=directory`.
    let value = |argument: &[u8]| argument.split(|byte| *byte == b'=').next_back().unwrap_or_default().to_vec();
    SERVERS.iter().any(|server| program.ends_with(server.as_bytes()))
        && arguments.any(|argument| value(argument).starts_with(data_dir.as_bytes()))
}

/// Sends SIGTERM to a process and waits until it has ended.
pub(crate) fn terminate(pid: u32, timeout: Duration) {
    signal("TERM", &[pid]);
    wait_until(timeout, || !Path::new(&format!("/proc/{pid}/environ")).exists() || is_zombie(pid));
}

/// Ends every process of a stack.
pub(crate) fn sweep(layout: &Layout) -> Result<()> {
    // On SIGQUIT, PostgreSQL ends at once with its children and releases its shared memory.
    for (name, seconds) in [("QUIT", 3), ("KILL", 5)] {
        let remaining = stack_processes(layout);
        if remaining.is_empty() {
            return Ok(());
        }
        signal(name, &remaining);
        wait_until(Duration::from_secs(seconds), || stack_processes(layout).is_empty());
    }
    match stack_processes(layout) {
        remaining if remaining.is_empty() => Ok(()),
        remaining => Err(Error::StillRunning(remaining)),
    }
}

/// Sends a signal. It uses the shell's built-in `kill`, because small images do not have the
/// program. Processes that have already ended are ignored.
fn signal(name: &str, pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    let script = format!("kill -s {name} {}", pids.join(" "));
    // The caller checks whether the processes end.
    let _ = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status();
}

fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('Z'))
}

/// Polls until `condition` is true or the timeout is over. Returns whether it is true.
pub(crate) fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn orphans_are_found_by_their_mark_and_ended() {
        let layout = Layout::private(Path::new("/nowhere"), &uuid::Uuid::new_v4().to_string());
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & sleep 600 & exit 0"]);
        mark(&mut command, &layout);
        command.status().unwrap();
        // During `exec` a process has no environment for a moment.
        assert!(wait_until(Duration::from_secs(5), || stack_processes(&layout).len() == 2));
        sweep(&layout).unwrap();
        assert_eq!(stack_processes(&layout), Vec::<u32>::new());
    }

    #[test]
    fn an_error_has_the_end_of_the_program_output() {
        let error =
            run(Command::new("sh").args(["-c", "seq 100; echo the reason >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.ends_with("the reason"), "{error}");
        assert!(!error.contains("\n50\n"), "{error}");
    }
}
