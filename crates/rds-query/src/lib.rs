//! The RDS Query protocol on the server's side. A form body becomes an action with named
//! parameters. A result or an error becomes the XML that the AWS CLI, boto3 and every SDK parse.
//! This crate does no I/O.
//!
//! ```
//! use rds_query::{Request, xml};
//!
//! let body = b"Action=CancelExportTask&Version=2014-10-31&ExportTaskIdentifier=nightly";
//! let request = Request::parse(body)?;
//! assert_eq!(request.action(), "CancelExportTask");
//! let identifier = request.get("ExportTaskIdentifier").unwrap_or_default();
//!
//! let document = xml::response(request.action(), "request-1", |task| {
//!     task.text("ExportTaskIdentifier", identifier).text("Status", "CANCELING");
//! });
//! assert!(document.starts_with("<CancelExportTaskResponse"));
//! assert!(document.contains("<Status>CANCELING</Status>"));
//! # Ok::<(), rds_query::ParseError>(())
//! ```
//!
//! # Layout
//!
//! * [`form`]: the decoded body. [`Request`], its [`Params`] with lists and nested structures, and
//!   [`ParseError`].
//! * [`xml`]: the response documents. [`xml::response`], [`xml::error`] and the writer
//!   [`xml::Element`].

pub mod form;
pub mod xml;

pub use form::{MAX_BODY, Params, ParseError, Request};
