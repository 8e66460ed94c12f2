//! Parameters of requests, checked with the messages of RDS.

use rds_query::{Params, Request};

use super::error::ApiError;

/// A parameter that must be there.
pub(crate) fn required<'a>(request: &'a Request, name: &str) -> Result<&'a str, ApiError> {
    optional(request, name)
        .ok_or_else(|| ApiError::new("MissingParameter", format!("The request must contain the parameter {name}.")))
}

/// A parameter that may be left out; an empty one counts as left out.
pub(crate) fn optional<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.get(name).filter(|value| !value.is_empty())
}

/// A boolean parameter that may be left out.
pub(crate) fn boolean(request: &Request, name: &str) -> Result<Option<bool>, ApiError> {
    match optional(request, name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(ApiError::value(format!("Invalid value {other} for parameter {name}: true or false"))),
    }
}

/// The identifier of a new cluster or instance. RDS keeps identifiers in lower case.
pub(crate) fn new_identifier(request: &Request, name: &str) -> Result<String, ApiError> {
    let id = required(request, name)?;
    let valid = id.len() <= 63
        && id.starts_with(|first: char| first.is_ascii_alphabetic())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !id.ends_with('-')
        && !id.contains("--");
    if valid {
        return Ok(id.to_ascii_lowercase());
    }
    Err(ApiError::value(format!(
        "The parameter {name} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII \
         letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
    )))
}

/// What the engines keep for themselves.
const RESERVED: [&str; 9] = [
    "rdsadmin",
    "rds_superuser",
    "template0",
    "template1",
    "root",
    "mysql",
    "sys",
    "information_schema",
    "performance_schema",
];

/// A database or role name: a letter, then letters, digits and underscores, none the server keeps for itself.
pub(crate) fn sql_name(name: &str, parameter: &str) -> Result<String, ApiError> {
    let valid = name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let folded = name.to_ascii_lowercase();
    let reserved = folded.starts_with("pg_") || RESERVED.contains(&folded.as_str());
    if valid && !reserved {
        return Ok(name.to_owned());
    }
    Err(ApiError::value(format!(
        "{parameter} {name} cannot be used: it must begin with a letter, contain only letters, digits and underscores, \
         and not be a word reserved by the engine."
    )))
}

/// A master password.
pub(crate) fn password(password: &str) -> Result<&str, ApiError> {
    const PREFIX: &str = "The parameter MasterUserPassword is not a valid password";
    if password.len() < 8 {
        return Err(ApiError::value(format!("{PREFIX} because it is shorter than 8 characters.")));
    }
    if password.len() > 41 {
        return Err(ApiError::value(format!("{PREFIX} because it is longer than 41 characters.")));
    }
    if password.bytes().any(|byte| !byte.is_ascii_graphic() || b"/@\"".contains(&byte)) {
        return Err(ApiError::value(format!(
            "{PREFIX}. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used."
        )));
    }
    Ok(password)
}

/// The `Tags` of a request.
pub(crate) fn tags(request: &Request) -> Result<Vec<(String, String)>, ApiError> {
    request
        .structs("Tags", "Tag")
        .iter()
        .map(|tag| {
            let key = tag.get("Key").filter(|key| !key.is_empty() && key.chars().count() <= 128);
            let key = key.ok_or_else(|| ApiError::value("Tag keys must have 1 to 128 characters."))?;
            if key.starts_with("aws:") {
                return Err(ApiError::value("Tag keys must not begin with aws:."));
            }
            Ok((key.to_owned(), tag.get("Value").unwrap_or_default().to_owned()))
        })
        .collect()
}

/// One page of `items`, which are in the order of their ids, and the marker of the next page.
pub(crate) fn page<'a, T>(
    request: &Request,
    items: Vec<&'a T>,
    id: impl Fn(&T) -> &str,
) -> Result<(Vec<&'a T>, Option<String>), ApiError> {
    let size = match optional(request, "MaxRecords") {
        None => 100,
        Some(text) => text.parse().ok().filter(|size| (20..=100).contains(size)).ok_or_else(|| {
            ApiError::value(format!("Invalid value {text} for MaxRecords. Must be between 20 and 100"))
        })?,
    };
    // The marker is the last id of the page before, so that a page stays right while items come and go.
    let mut rest = items.into_iter().filter(|item| optional(request, "Marker").is_none_or(|last| id(item) > last));
    let page: Vec<&T> = rest.by_ref().take(size).collect();
    let marker = page.last().filter(|_| rest.next().is_some()).map(|item| id(item).to_owned());
    Ok((page, marker))
}

/// The `Filters` of a request.
pub(crate) struct Filters(Vec<Params>);

impl Filters {
    /// Reads them; only the names in `known` may be used.
    pub(crate) fn read(request: &Request, known: &[&str]) -> Result<Self, ApiError> {
        let filters = request.structs("Filters", "Filter");
        for filter in &filters {
            let name = filter.get("Name").unwrap_or_default();
            if !known.contains(&name) {
                return Err(ApiError::value(format!("Unrecognized filter name: {name}")));
            }
        }
        Ok(Self(filters))
    }

    /// True if what `value_of` gives for the name of each filter is one of the filter's values.
    pub(crate) fn match_all<'a>(&self, value_of: impl Fn(&str) -> &'a str) -> bool {
        self.0.iter().all(|filter| {
            let value = value_of(filter.get("Name").unwrap_or_default());
            // Identifiers may be given as ARNs; those end with the identifier.
            filter.list("Values", "Value").iter().any(|wanted| {
                let arn = wanted.strip_prefix("arn:").and_then(|arn| arn.rsplit(':').next());
                arn.unwrap_or(wanted) == value
            })
        })
    }
}
