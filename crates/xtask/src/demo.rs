//! A complete export of a sample database on a separate stack. The stack is stopped in every case.
//!
//! # Layout
//!
//! * `story`: the steps of the demo in order.
//! * `shop`: the sample databases. `client`: connections to them. `writer`: changes them during the
//!   export.
//! * `watch`: shows the progress of the task. `report`: shows the content of the files.
//! * `tools`: runs the AWS CLI and Python. `screen`: prints to the terminal. `interrupt`: handles
//!   Ctrl-C.

mod client;
mod interrupt;
mod report;
mod screen;
mod shop;
mod story;
mod tools;
mod watch;
mod writer;

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use export_task::engine::Engine;
use local_stack::servers::MARIADB;
use local_stack::{Layout, Stack};

use interrupt::Interrupt;
use screen::Screen;

/// A `Result` with any error that ends the demo.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Runs the demo.
pub(crate) fn run(checkout: &Path, engine: Engine) -> Result<ExitCode, Box<dyn Error>> {
    let began = Instant::now();
    let layout = Layout::private(checkout, "demo");
    fs::create_dir_all(&layout.state_dir)?;
    let lock = File::create(layout.state_dir.join("demo.lock"))?;
    if lock.try_lock().is_err() {
        return Err("a demo is already running in this checkout".into());
    }
    // A demo that was killed may have left its stack.
    Stack::down(&layout)?;
    let screen = Screen::new();
    let guard = StopOnDrop(&layout);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(until_interrupted(&layout, engine, screen));
    drop(runtime);
    drop(guard);
    // The guard cannot return an error, so a stack that could not be stopped is reported here.
    Stack::down(&layout)?;
    match ended {
        Ok(Some(())) => {
            story::farewell(&layout, engine, screen, began.elapsed());
            Ok(ExitCode::SUCCESS)
        }
        Ok(None) => {
            screen.line("Stopped. Nothing is left running.");
            // Shells use 128 plus the number of the signal; SIGINT is 2.
            Ok(ExitCode::from(130))
        }
        Err(error) => {
            let logs = screen::path(&layout.state_dir.join("logs"));
            Err(format!("{}\nThe stack has been stopped. Its logs are in {logs}", crate::chain(&*error)).into())
        }
    }
}

/// Runs the demo. Returns `None` if Ctrl-C or a similar signal interrupts it.
async fn until_interrupted(layout: &Layout, engine: Engine, screen: Screen) -> Result<Option<()>> {
    let mut interrupt = Interrupt::new()?;
    screen.title();
    let up = {
        let layout = layout.clone();
        move || {
            if engine == Engine::Mysql {
                MARIADB.ensure(&crate::say)?;
            }
            Stack::up_for_this_process(&layout, &crate::say)
        }
    };
    let mut starting = tokio::task::spawn_blocking(up);
    let started = tokio::select! {
        biased;
        () = interrupt.received() => {
            screen.line("\nStopping …");
            interrupt::end_children_until(&mut starting).await;
            return Ok(None);
        }
        started = &mut starting => started?,
    };
    let ended = match started {
        Ok(stack) => {
            let demo = story::run(layout, &stack, engine, screen);
            tokio::select! { biased; () = interrupt.received() => Err(None), ended = demo => ended.map_err(Some) }
        }
        Err(error) => Err(Some(error.into())),
    };
    match ended {
        Ok(()) => Ok(Some(())),
        // The signal may also have interrupted a program, whose error then arrives first.
        Err(Some(error)) if !interrupt.received_soon().await => Err(error),
        Err(_) => {
            screen.line("\nStopping …");
            Ok(None)
        }
    }
}

/// Stops the stack when it is dropped, also during a panic.
struct StopOnDrop<'a>(&'a Layout);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if let Err(error) = Stack::down(self.0) {
            crate::say(&crate::chain(&error));
        }
    }
}
