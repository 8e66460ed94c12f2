//! The whole stack on one machine: AWS services, an RDS control plane over real database servers, and the deployed template.
//!
//! [`Stack::up`] builds the functions, starts everything in processes of its own and returns when it is ready; [`Stack::down`] leaves nothing
//! behind. Stacks with different [`Layout`]s run side by side.
//!
//! # Layout
//!
//! * `stack` – up, down, and what is running; `supervisor` – the process that hosts it; `process` – finding and ending processes.
//! * `ministack` – the local cloud; `deploy` – the template in it.
//! * `rds` – the RDS control plane.
//! * `layout` – where things are; `prerequisites`, `servers` and `venv` – what must be installed or fetched; `cargo` – building; `lint` – checks of template
//!   and workflow.

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
