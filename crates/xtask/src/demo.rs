//! One export from nothing to rows read back, on a stack of its own, which is stopped however it ends.
//!
//! # Layout
//!
//! * `story`: what is done and told, in order.
//! * `shop`: the sample databases; `client`: connections to them; `writer`: who keeps changing them.
//! * `watch`: the progress of the task; `report`: what the files say.
//! * `tools`: the AWS CLI and Python; `screen`: how it looks; `interrupt`: Ctrl-C.

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

/// Anything that ends the demo early.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Runs the demo of a checkout.
pub fn run(checkout: &Path, engine: Engine) -> Result<ExitCode, Box<dyn Error>> {
    let began = Instant::now();
    let layout = Layout::private(checkout, "demo");
    fs::create_dir_all(&layout.state_dir)?;
    let lock = File::create(layout.state_dir.join("demo.lock"))?;
    if lock.try_lock().is_err() {
        return Err("a demo is running in this checkout already".into());
    }
    // One that was killed may have left its stack.
    Stack::down(&layout)?;
    let screen = Screen::new();
    let stopping = Stopping(&layout);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(until_interrupted(&layout, engine, screen));
    drop(runtime);
    drop(stopping);
    // Again, for its answer: what the guard could not stop is an error.
    Stack::down(&layout)?;
    match ended {
        Ok(Some(())) => {
            story::farewell(&layout, engine, screen, began.elapsed());
            Ok(ExitCode::SUCCESS)
        }
        Ok(None) => {
            screen.line("Stopped. Nothing is left running.");
            // As shells do: 128 and SIGINT's number.
            Ok(ExitCode::from(130))
        }
        Err(error) => {
            let logs = screen::path(&layout.state_dir.join("logs"));
            Err(format!("{}\nThe stack is stopped; its logs are in {logs}", crate::chain(&*error)).into())
        }
    }
}

/// Nothing when Ctrl-C, or a signal to the same end, came first.
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
        () = interrupt.came() => {
            screen.line("\nStopping …");
            interrupt::end_children_until(&mut starting).await;
            return Ok(None);
        }
        started = &mut starting => started?,
    };
    let ended = match started {
        Ok(stack) => {
            let demo = story::tell(layout, &stack, engine, screen);
            tokio::select! { biased; () = interrupt.came() => Err(None), ended = demo => ended.map_err(Some) }
        }
        Err(error) => Err(Some(error.into())),
    };
    match ended {
        Ok(()) => Ok(Some(())),
        // A program that was interrupted as well may have said so first.
        Err(Some(error)) if !interrupt.comes_soon().await => Err(error),
        Err(_) => {
            screen.line("\nStopping …");
            Ok(None)
        }
    }
}

/// Stops the stack when it is dropped, also by a panic.
struct Stopping<'a>(&'a Layout);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        if let Err(error) = Stack::down(self.0) {
            crate::say(&crate::chain(&error));
        }
    }
}
