//! The aurora-export command line.
