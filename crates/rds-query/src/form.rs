//! Form bodies: `Action=…&Version=…&Name=value&List.member.1=value`.
//!
//! A request with a duplicate parameter is refused. AWS's SDKs never send one, and the code that
//! checks a request must see the same value as the code that carries it out.

use std::collections::BTreeMap;
use std::fmt;

/// Maximum size of a body in bytes. The largest valid request has an `ExportOnly` list of 200 KB,
/// which takes three times as much if every byte is percent-encoded.
pub const MAX_BODY: usize = 1 << 20;

/// Why a body is not a valid request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The body is longer than [`MAX_BODY`].
    #[error("the request body is larger than {MAX_BODY} bytes")]
    TooLarge,
    /// A `%` is not followed by two hexadecimal digits, or the decoded bytes are not UTF-8.
    #[error("the request body is not a valid form-encoded string")]
    Encoding,
    /// A parameter occurs more than once.
    #[error("the parameter {0} occurs more than once")]
    Duplicate(String),
    /// `Action` is absent or empty.
    #[error("the request must contain the parameter Action")]
    MissingAction,
    /// `Action` has characters other than ASCII letters and digits.
    #[error("the action {0:?} is not a valid action name")]
    InvalidAction(String),
}

impl ParseError {
    /// Returns the error code of AWS's response.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "RequestEntityTooLarge",
            Self::Encoding | Self::Duplicate(_) => "MalformedQueryString",
            Self::MissingAction => "MissingAction",
            Self::InvalidAction(_) => "InvalidAction",
        }
    }

    /// Returns the HTTP status that belongs to [`ParseError::code`].
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Encoding | Self::Duplicate(_) => 404,
            Self::MissingAction | Self::InvalidAction(_) => 400,
        }
    }
}

/// A call: its action and its parameters. `Action` and `Version` are not among the parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    action: String,
    params: Params,
}

impl Request {
    /// Decodes a form body.
    ///
    /// # Errors
    ///
    /// [`ParseError`]. The response has its [`code`](ParseError::code) and its
    /// [`status`](ParseError::status).
    pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
        if body.len() > MAX_BODY {
            return Err(ParseError::TooLarge);
        }
        let mut params = BTreeMap::new();
        for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            let end = pair.iter().position(|&byte| byte == b'=');
            let (name, value) = match end {
                Some(end) => (&pair[..end], &pair[end + 1..]),
                None => (pair, &pair[..0]),
            };
            let name = decode(name)?;
            if params.contains_key(&name) {
                return Err(ParseError::Duplicate(name));
            }
            params.insert(name, decode(value)?);
        }
        let action = params.remove("Action").unwrap_or_default();
        if action.is_empty() {
            return Err(ParseError::MissingAction);
        }
        // The action names the elements of the response, so it must be safe to write into XML.
        if !action.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(ParseError::InvalidAction(action));
        }
        params.remove("Version");
        Ok(Self { action, params: Params(params) })
    }

    /// Returns the action. It has ASCII letters and digits only.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Returns all parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Calls [`Params::get`] of all parameters.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }

    /// Calls [`Params::list`] of all parameters.
    pub fn list(&self, prefix: &str, member: &str) -> Vec<&str> {
        self.params.list(prefix, member)
    }

    /// Calls [`Params::structs`] of all parameters.
    pub fn structs(&self, prefix: &str, member: &str) -> Vec<Params> {
        self.params.structs(prefix, member)
    }
}

/// Parameters by their full dotted names, or the fields of a nested structure by their names inside
/// the structure.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, String>);

/// Writes names only, because some values are passwords.
impl fmt::Debug for Params {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

impl Params {
    /// Returns the value of a parameter. An empty value is `Some("")`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the full dotted names of all parameters.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the values of a list of strings, `prefix.member.N`, in the order of N.
    ///
    /// `member` is the name of an element in the service's model, such as `Value` or `TagKey`. The
    /// generic name `member` is accepted, too. Clients send an empty list as `prefix=`, which is an
    /// empty list here.
    pub fn list(&self, prefix: &str, member: &str) -> Vec<&str> {
        let mut elements = self.elements(prefix, member);
        elements.retain(|(_, field, _)| field.is_none());
        elements.sort_by_key(|(index, ..)| *index);
        elements.into_iter().map(|(.., value)| value).collect()
    }

    /// Returns the elements of a list of structures, `prefix.member.N.Field`, in the order of N.
    /// The parameters of an element are named by `Field`.
    pub fn structs(&self, prefix: &str, member: &str) -> Vec<Params> {
        let mut found: BTreeMap<u32, Params> = BTreeMap::new();
        for (index, field, value) in self.elements(prefix, member) {
            if let Some(field) = field {
                let fields = &mut found.entry(index).or_default().0;
                fields.insert(field.to_owned(), value.to_owned());
            }
        }
        found.into_values().collect()
    }

    /// Returns every parameter below `prefix.member.N`: N, the rest of its name, and its value.
    fn elements(&self, prefix: &str, member: &str) -> Vec<(u32, Option<&str>, &str)> {
        let start = format!("{prefix}.");
        let mut found = Vec::new();
        for (name, value) in self.0.range(start.clone()..) {
            let Some(rest) = name.strip_prefix(&start) else {
                break;
            };
            let Some((element, rest)) = rest.split_once('.') else {
                continue;
            };
            let (index, field) = match rest.split_once('.') {
                Some((index, field)) => (index, Some(field)),
                None => (rest, None),
            };
            if let (true, Ok(index)) = (element == member || element == "member", index.parse()) {
                found.push((index, field, value.as_str()));
            }
        }
        found
    }
}

/// Decodes `+` and `%XX`.
fn decode(encoded: &[u8]) -> Result<String, ParseError> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(&byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => (hex(bytes.next())? << 4) | hex(bytes.next())?,
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|_| ParseError::Encoding)
}

/// The value of one hexadecimal digit.
fn hex(digit: Option<&u8>) -> Result<u8, ParseError> {
    let value = digit.and_then(|&digit| char::from(digit).to_digit(16)).ok_or(ParseError::Encoding)?;
    u8::try_from(value).map_err(|_| ParseError::Encoding)
}
