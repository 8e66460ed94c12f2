//! Where a server is and how it is trusted.

use std::fmt;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

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
