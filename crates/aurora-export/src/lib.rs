//! The commands of `aurora-export`.
//!
//! # Layout
//!
//! * [`error`]: why a command failed.
//! * [`local`]: exports a database in one process, without a stack.
//! * [`verify`]: reads an export back and compares it with its metadata and with a database.

pub mod error;
pub mod local;
pub mod verify;
