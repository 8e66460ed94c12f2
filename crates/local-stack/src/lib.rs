//! The whole stack on one machine: AWS services, an RDS control plane that runs real database
//! servers, and the deployed template.
//!
//! [`Stack::up`] builds the functions, starts everything in separate processes and returns when the
//! stack is ready. [`Stack::down`] stops the stack and removes its data. Stacks with different
//! [`Layout`]s can run at the same time.
//!
//! # Layout
//!
//! * `stack` – starts, finds and stops a stack. `supervisor` – the process that hosts it. `process`
//!   – finds and ends processes.
//! * `ministack` – the local cloud. `deploy` – deploys the template there.
//! * `rds` – the RDS control plane.
//! * `layout` – directories and files. `prerequisites`, `servers` and `venv` – programs that are
//!   installed or downloaded. `cargo` – builds. `lint` – checks of template, workflows,
//!   dependencies and comments. `error` – the errors.

pub mod cargo;
pub mod deploy;
mod error;
mod layout;
pub mod lint;
pub mod ministack;
pub mod prerequisites;
mod process;
pub mod rds;
pub mod servers;
mod stack;
pub mod supervisor;
pub mod venv;

pub use error::{Error, Result};
pub use layout::Layout;
pub use stack::Stack;
