//! The address of a server, and the certificates it is verified with.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::error::SourceError;

/// The address of a server, and the user that logs in.
#[derive(Clone)]
pub struct Endpoint {
    /// Host name or IP address. With TLS, the certificate must be for this name.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User to log in as.
    pub user: String,
    /// The user's password.
    pub password: String,
}

/// Maximum time from opening the socket to the end of the login.
pub(crate) const LOGIN_TIMEOUT: Duration = Duration::from_secs(15);

impl Endpoint {
    /// Opens a socket to the server. Keepalive probes detect a server that is gone.
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

/// Returns a TLS client that trusts only the certificate authorities in `ca_pem`.
///
/// # Errors
/// [`SourceError::CertificateAuthorities`] if `ca_pem` holds no certificate, or an invalid one.
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
