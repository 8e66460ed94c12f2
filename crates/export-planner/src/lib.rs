//! Plans an export: what is exported, in which work units, by how many workers, and into which
//! directories.
//!
//! The planner reads catalogs through `cluster-source` and cuts tables with its engines. Everything
//! else is pure.
//!
//! ```no_run
//! use cluster_source::{Source, SourceError};
//! use export_planner::{Survey, workers};
//! use export_task::export_only::ExportOnly;
//! use export_task::options::Options;
//!
//! # async fn plan(source: Source) -> Result<(), SourceError> {
//! let workers = workers::for_instance(Some("db.r6g.xlarge"));
//! let (only, options, smallest_unit) = (ExportOnly::default(), Options::default(), 64 << 20);
//! let survey = Survey::take(&source, &only, &options, smallest_unit, workers).await?;
//! for unit in survey.work_units() {
//!     println!("unit {}: {} partitions", unit.unit, unit.partitions.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! * [`survey`]: all selected tables of a server, their partitions and their directories.
//! * [`packing`]: the size of work units, and how partitions are packed into them.
//! * [`workers`]: the number of workers for a clone.

pub mod packing;
pub mod survey;
pub mod workers;

pub use survey::Survey;
