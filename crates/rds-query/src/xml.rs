//! Response documents.
//!
//! ```
//! let body = rds_query::xml::response("CancelExportTask", "r-1", |task| {
//!     task.text("ExportTaskIdentifier", "nightly").list("ExportOnly", "member", ["db.a", "db.b"]);
//! });
//! assert!(body.contains("<ExportOnly><member>db.a</member><member>db.b</member></ExportOnly>"));
//! ```

use std::fmt::Display;

/// The namespace of every response.
pub const NAMESPACE: &str = "http://rds.amazonaws.com/doc/2014-10-31/";

/// The content type of every response.
pub const CONTENT_TYPE: &str = "text/xml";

/// The side that caused an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller. The HTTP status is 4xx.
    Sender,
    /// The service. The HTTP status is 5xx.
    Receiver,
}

/// Writes the content of an open element. Names of elements are literals of the program, so only
/// text is escaped.
#[derive(Debug)]
pub struct Element<'a>(&'a mut String);

impl Element<'_> {
    /// Adds `<name>value</name>`.
    pub fn text(&mut self, name: &'static str, value: impl Display) -> &mut Self {
        self.child(name, |element| escape(element.0, &value.to_string()))
    }

    /// Adds `<name>value</name>` if there is a value.
    pub fn maybe(&mut self, name: &'static str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// Adds an element. `fill` writes its content.
    pub fn child(&mut self, name: &'static str, fill: impl FnOnce(&mut Element<'_>)) -> &mut Self {
        nest(self.0, name, "", fill);
        self
    }

    /// Adds `<name><member>item</member>…</name>`. Without items it adds an empty element.
    pub fn list<T: Display>(
        &mut self,
        name: &'static str,
        member: &'static str,
        items: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.child(name, |list| {
            for item in items {
                list.text(member, item);
            }
        })
    }
}

/// Returns the document of a successful call. `fill` writes the members of the result. If it writes
/// nothing, the document has no result element, like AWS's documents for actions that return
/// nothing. `action` must be safe to write into XML, as [`Request::action`](crate::Request::action)
/// is.
pub fn response(action: &str, request_id: &str, fill: impl FnOnce(&mut Element<'_>)) -> String {
    let mut result = String::new();
    fill(&mut Element(&mut result));
    let mut out = String::with_capacity(result.len() + 256);
    nest(&mut out, &format!("{action}Response"), &format!(" xmlns=\"{NAMESPACE}\""), |root| {
        if !result.is_empty() {
            nest(root.0, &format!("{action}Result"), "", |element| element.0.push_str(&result));
        }
        root.child("ResponseMetadata", |metadata| {
            metadata.text("RequestId", request_id);
        });
    });
    out
}

/// Returns the document of a failed call.
pub fn error(fault: Fault, code: &str, message: &str, request_id: &str) -> String {
    let fault = match fault {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    };
    let mut out = String::new();
    nest(&mut out, "ErrorResponse", &format!(" xmlns=\"{NAMESPACE}\""), |root| {
        root.child("Error", |error| {
            error.text("Type", fault).text("Code", code).text("Message", message);
        });
        root.text("RequestId", request_id);
    });
    out
}

/// Writes one element.
fn nest(out: &mut String, name: &str, attributes: &str, fill: impl FnOnce(&mut Element<'_>)) {
    for part in ["<", name, attributes, ">"] {
        out.push_str(part);
    }
    fill(&mut Element(out));
    for part in ["</", name, ">"] {
        out.push_str(part);
    }
}

/// Writes text so that a parser returns it unchanged. U+FFFD replaces the characters that XML 1.0
/// can't represent.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A parser turns a bare carriage return into a line feed.
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
}
