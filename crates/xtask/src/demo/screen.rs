//! The output of the demo. The text is always the same. Colours and progress bars appear only on a
//! terminal.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The width at which commands continue on the next line.
const WIDTH: usize = 96;

/// The output of the demo.
#[derive(Clone, Copy)]
pub(super) struct Screen {
    /// Whether the output is a terminal, which can show progress bars.
    terminal: bool,
    colours: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        Self { terminal, colours: terminal && std::env::var_os("NO_COLOR").is_none() }
    }

    /// Returns whether the output has colours. Python programs need to know that, too.
    pub(super) fn colours(self) -> bool {
        self.colours
    }

    /// Prints a line. The demo goes on even if nobody reads the output.
    pub(super) fn line(self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    pub(super) fn title(self) {
        self.line(&self.bold("aurora-export: an export from start to end"));
    }

    pub(super) fn heading(self, text: &str) {
        self.line(&format!(
            "\n{}",
            self.bold(&format!("── {text} {}", "─".repeat(WIDTH.saturating_sub(text.chars().count() + 4))))
        ));
    }

    /// Prints a command as a user would type it.
    pub(super) fn command(self, words: &[&str]) {
        let mut lines = vec![String::from("$")];
        for (at, word) in words.iter().enumerate() {
            let option_with_value =
                word.starts_with("--") && words.get(at + 1).is_some_and(|next| !next.starts_with("--"));
            let length = word.len() + if option_with_value { words[at + 1].len() + 1 } else { 0 };
            // `lines` always has at least one line.
            let last = lines.len() - 1;
            if word.starts_with("--") && lines[last].chars().count() + length + 3 > WIDTH {
                lines[last].push_str(" \\");
                lines.push(format!("      {word}"));
            } else {
                lines[last].push(' ');
                lines[last].push_str(word);
            }
        }
        self.line(&self.coloured("36", &lines.join("\n")));
    }

    /// Shows that the demo waits for something.
    pub(super) fn wait(self, description: &str) -> Wait {
        let bar = self.terminal.then(|| {
            let bar = ProgressBar::new_spinner().with_message(description.to_owned());
            bar.set_style(style("  {spinner} {msg}  {elapsed}"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Wait { screen: self, bar, began: Instant::now() }
    }

    /// Returns a progress bar from 0 to 100, on a terminal.
    pub(super) fn percent(self) -> Option<ProgressBar> {
        self.terminal.then(|| {
            let bar = ProgressBar::new(100).with_message("STARTING");
            bar.set_style(style("  {msg:<12} {bar:50} {pos:>3} %  {elapsed}"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        })
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.coloured("1", text)
    }

    fn coloured(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A wait that is shown on the screen.
pub(super) struct Wait {
    screen: Screen,
    bar: Option<ProgressBar>,
    began: Instant,
}

impl Wait {
    /// Ends the wait and prints a line with its duration.
    pub(super) fn done(self, result: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.screen.line(&format!("  {result} ({:.1} s)", self.began.elapsed().as_secs_f64()));
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Returns the style for a template. An invalid template gives the default style.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Returns a path relative to the current directory, if it is below that.
pub(super) fn path(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Formats a number with separators: 1234567 becomes 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
