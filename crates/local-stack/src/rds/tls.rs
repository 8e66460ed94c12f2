//! The certificates of the local database servers: a certificate authority, and server certificates
//! that it signs. The authority is stored in the state directory, so its `ca.pem` stays valid for
//! clients that have already loaded it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// An error of creating or reading a certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the authority cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A key or certificate cannot be created or parsed.
    #[error("cannot create a certificate")]
    Certificate(#[from] rcgen::Error),
}

/// The authority that signs the server certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: PathBuf,
}

/// A server's certificate and private key.
pub(crate) struct ServerCertificate {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// Loads the authority from `dir`, or creates it there.
    pub(crate) fn open(dir: &Path) -> Result<Self, TlsError> {
        let certificate = dir.join("ca.pem");
        let key_file = dir.join("ca-key.pem");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "aurora-export local RDS CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = if certificate.exists() && key_file.exists() {
            KeyPair::from_pem(&fs::read_to_string(&key_file).map_err(file(&key_file))?)?
        } else {
            fs::create_dir_all(dir).map_err(file(dir))?;
            let key = KeyPair::generate()?;
            write_private(&key_file, &key.serialize_pem()).map_err(file(&key_file))?;
            fs::write(&certificate, params.self_signed(&key)?.pem()).map_err(file(&certificate))?;
            key
        };
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// Returns the file with the authority's certificate, for clients.
    pub(crate) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Creates a certificate for a server on this machine.
    pub(crate) fn server(&self) -> Result<ServerCertificate, TlsError> {
        let key = KeyPair::generate()?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names)?;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(ServerCertificate { certificate, key: key.serialize_pem() })
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Returns a function for `map_err` that adds the path to an I/O error.
fn file(path: &Path) -> impl FnOnce(io::Error) -> TlsError {
    let path = path.to_owned();
    |source| TlsError::File { path, source }
}
