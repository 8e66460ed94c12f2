//! The RDS Query protocol as a server sees it: a form body becomes an action with named parameters, and a result or
//! an error becomes the XML that the AWS CLI, boto3 and every SDK parse. Nothing here does I/O.
//!
//! # Layout
//!
//! * [`form`] – the percent-decoded body: [`Request`], its [`Params`] with lists and nested structures, [`ParseError`].
//! * [`xml`] – the response documents: [`xml::response`], [`xml::error`] and the [`xml::Element`] writer.

pub mod form;
pub mod xml;

pub use form::{MAX_BODY, Params, ParseError, Request};
