//! The `aurora-export` command line, and what of it others use.
//!
//! # Layout
//!
//! * [`endpoint`]: the export API on a loopback port, for the unmodified AWS CLI and SDKs.
//! * [`local`]: an export in one process, straight from a database.

pub mod endpoint;
pub mod local;
