//! The `aurora-export` command line, and what of it others use.
//!
//! # Layout
//!
//! * [`endpoint`]: the export API on a loopback port, for the unmodified AWS CLI and SDKs.
//! * [`local`]: an export in one process, straight from a database.
//! * [`verify`]: an export read back and compared with its metadata and with a database.

pub mod endpoint;
pub mod local;
pub mod verify;
