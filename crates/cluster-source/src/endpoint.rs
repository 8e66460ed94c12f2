//! Where a server is and how it is trusted.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::error::SourceError;

/// Where a server listens and who logs in.
#[derive(Clone)]
pub struct Endpoint {
    /// Host name or address; with TLS, the name the certificate must be for.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Role to log in as.
    pub user: String,
    /// The role's password.
    pub password: String,
}

/// From opening the socket to the end of the login.
pub(crate) const LOGIN: Duration = Duration::from_secs(15);

impl Endpoint {
    /// A socket to the server, which notices when the server is gone.
    pub(crate) async fn open(&self) -> io::Result<TcpStream> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        socket.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(30))
            .with_interval(Duration::from_secs(10))
            .with_retries(3);
        SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
        Ok(socket)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A TLS client that trusts the certificate authorities in `ca_pem`, and only those.
///
/// # Errors
/// [`SourceError::CertificateAuthorities`] when `ca_pem` holds no certificate or one that can't be read.
pub fn tls(ca_pem: &[u8]) -> Result<ClientConfig, SourceError> {
    fn unreadable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SourceError {
        SourceError::CertificateAuthorities { source: source.into() }
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate.map_err(unreadable)?).map_err(unreadable)?;
    }
    if roots.is_empty() {
        return Err(unreadable("no certificate found"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unreadable)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
