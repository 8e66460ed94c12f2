//! The `aurora-export` command line, and what of it others use.
//!
//! # Layout
//!
//! * [`endpoint`]: the export API on a loopback port, for the unmodified AWS CLI and SDKs.

pub mod endpoint;
