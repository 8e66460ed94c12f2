//! The address of a source: `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cluster_source::{Endpoint, Source, tls};
use export_task::engine::Engine;
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use url::{Host, Url};

use crate::error::CommandError;

/// Files in which systems keep the certificate authorities that they trust.
const SYSTEM_AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A server and the security of connections to it.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// The database engine.
    pub engine: Engine,
    /// Host, port and login.
    pub endpoint: Endpoint,
    /// The only database to export. `None` for all databases.
    pub database: Option<String>,
    security: Security,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Security {
    /// The connection is not encrypted.
    Plain,
    /// The certificate and the host name are verified, with the certificate authorities of a file
    /// or of the system.
    Verified(Option<PathBuf>),
}

/// An address is not valid. No message holds the password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// The text is not a URL.
    #[error("the source is not a URL such as postgres://user@host:5432/database")]
    Url,
    /// The scheme is not the name of an engine.
    #[error("the source must begin with postgres:// or mysql://, not {0}://")]
    Scheme(String),
    /// A part is missing.
    #[error("the source has no {0}")]
    Missing(&'static str),
    /// A parameter is unknown.
    #[error("unknown parameter {0} in the source: use sslmode and sslrootcert")]
    Parameter(String),
    /// `sslmode` has a value that is not supported. Only the safe ones are.
    #[error("sslmode must be disable or verify-full, not {0}")]
    Mode(String),
    /// A part is not UTF-8.
    #[error("a part of the source is not UTF-8")]
    Encoding,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::Url)?;
        let (engine, port) = match url.scheme() {
            "postgres" | "postgresql" => (Engine::Postgresql, 5432),
            "mysql" | "mariadb" => (Engine::Mysql, 3306),
            other => return Err(AddressError::Scheme(other.to_owned())),
        };
        let decoded = |part: &str| {
            let text = percent_decode_str(part).decode_utf8().map_err(|_| AddressError::Encoding)?;
            Ok(text.into_owned())
        };
        let host = decoded(url.host_str().ok_or(AddressError::Missing("host"))?)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if url.username().is_empty() {
            return Err(AddressError::Missing("user"));
        }
        let (mut mode, mut authorities) = (None, None);
        for (name, value) in url.query_pairs() {
            match (name.as_ref(), value.as_ref()) {
                ("sslmode", "disable") => mode = Some(false),
                ("sslmode", "verify-full") => mode = Some(true),
                ("sslmode", other) => return Err(AddressError::Mode(other.to_owned())),
                ("sslrootcert" | "ssl-ca", file) => authorities = Some(PathBuf::from(file)),
                (other, _) => return Err(AddressError::Parameter(other.to_owned())),
            }
        }
        // Without sslmode, only traffic that never leaves the machine is unencrypted.
        let encrypted = mode.unwrap_or(authorities.is_some() || !is_loopback(&host));
        let database = decoded(url.path().trim_start_matches('/'))?;
        Ok(Self {
            engine,
            endpoint: Endpoint {
                host,
                port: url.port().unwrap_or(port),
                user: decoded(url.username())?,
                password: decoded(url.password().unwrap_or_default())?,
            },
            database: (!database.is_empty()).then_some(database),
            security: if encrypted { Security::Verified(authorities) } else { Security::Plain },
        })
    }
}

impl Address {
    /// Parses the argument of a command. A password in the environment replaces the one in the
    /// text.
    ///
    /// # Errors
    /// When the text is not an address.
    pub(crate) fn with_password(text: &str) -> Result<Self, CommandError> {
        let mut address: Self = text.parse().map_err(|e: AddressError| CommandError::new(e.to_string()))?;
        if let Ok(password) = std::env::var("AURORA_EXPORT_PASSWORD") {
            address.endpoint.password = password;
        }
        Ok(address)
    }

    /// Returns the server as a source.
    ///
    /// # Errors
    /// When the certificate authorities can't be read.
    pub(crate) fn source(&self) -> Result<Source, CommandError> {
        let tls = match &self.security {
            Security::Plain => None,
            Security::Verified(file) => Some(client(file.as_deref())?),
        };
        let databases = self.database.iter().cloned().collect();
        Ok(Source::new(self.engine, self.endpoint.clone(), tls).knowing(databases))
    }
}

fn client(file: Option<&Path>) -> Result<ClientConfig, CommandError> {
    let system = || SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.exists());
    let missing = || CommandError::new("no certificate authorities found: name a file with sslrootcert");
    let file = file.or_else(system).ok_or_else(missing)?;
    let pem = std::fs::read(file).map_err(|e| CommandError::caused(format!("{} can't be read", file.display()), e))?;
    Ok(tls(&pem)?)
}

fn is_loopback(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        _ => host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_parsed() {
        let address: Address = "postgres://me%40home:p%2Fw@db.example.com:6000/my%20shop".parse().unwrap();
        assert_eq!((address.engine, address.endpoint.port), (Engine::Postgresql, 6000));
        assert_eq!((address.endpoint.user.as_str(), address.endpoint.password.as_str()), ("me@home", "p/w"));
        assert_eq!(address.database.as_deref(), Some("my shop"));
        let address: Address = "mysql://root@localhost".parse().unwrap();
        assert_eq!((address.engine, address.endpoint.port, address.database), (Engine::Mysql, 3306, None));
    }

    #[test]
    fn only_loopback_is_plain_unless_asked() {
        let security = |text: &str| text.parse::<Address>().unwrap().security;
        for plain in ["localhost", "127.0.0.1", "[::1]", "db.example.com/d?sslmode=disable"] {
            assert_eq!(security(&format!("postgres://u@{plain}")), Security::Plain, "{plain}");
        }
        for verified in ["db.example.com", "10.0.0.1", "localhost.example.com", "localhost/d?sslmode=verify-full"] {
            assert_eq!(security(&format!("postgres://u@{verified}")), Security::Verified(None), "{verified}");
        }
        let file = Security::Verified(Some("/ca.pem".into()));
        assert_eq!(security("postgres://u@localhost?sslrootcert=/ca.pem"), file);
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for (text, error) in [
            ("shop", AddressError::Url),
            ("https://u@h", AddressError::Scheme("https".into())),
            ("postgres://h/d", AddressError::Missing("user")),
            ("postgres:///d", AddressError::Missing("host")),
            ("postgres://u@h?sslmode=prefer", AddressError::Mode("prefer".into())),
            ("postgres://u@h?options=x", AddressError::Parameter("options".into())),
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err(), error, "{text}");
        }
    }
}
