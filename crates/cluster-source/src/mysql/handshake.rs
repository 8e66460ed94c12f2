//! The login: the server's greeting, TLS, and the exchange that proves the password.

use std::collections::HashMap;
use std::sync::Arc;

use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin, Context};
use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::failure;
use super::wire::{ERR_HEADER, OK_HEADER, Wire, socket_error};
use crate::endpoint::Endpoint;
use crate::error::SourceError;

/// The capabilities that the row reader needs: with them, a result ends with one packet. All
/// supported servers have them.
const REQUIRED: CapabilityFlags = CapabilityFlags::CLIENT_PROTOCOL_41
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_DEPRECATE_EOF);

/// What the client uses if the server has it. `CLIENT_LOCAL_FILES` is missing, because no server
/// may ask for a file.
const OPTIONAL: CapabilityFlags = CapabilityFlags::CLIENT_LONG_PASSWORD
    .union(CapabilityFlags::CLIENT_LONG_FLAG)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_CONNECT_ATTRS)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA);

/// The maximum packet size that the client announces. Other clients announce the same. The server
/// ignores it.
const MAX_PACKET: u32 = 1 << 30;

/// `utf8mb4_general_ci`, which every server knows.
const COLLATION: u8 = 45;

/// The server asks for another authentication plugin.
const AUTH_SWITCH: u8 = 0xFE;
/// The server sends data to the authentication plugin.
const AUTH_MORE_DATA: u8 = 0x01;
/// The data with which `caching_sha2_password` asks for the password itself.
const PERFORM_FULL_AUTHENTICATION: u8 = 0x04;

/// Logs in. Returns the session and the server's version string.
pub(super) async fn log_in(
    mut wire: Wire,
    endpoint: &Endpoint,
    tls: Option<&Arc<ClientConfig>>,
    database: Option<&str>,
    is_local: bool,
) -> Result<(Wire, String), SourceError> {
    let greeting = wire.receive().await?;
    if greeting.first() == Some(&ERR_HEADER) {
        return Err(failure::from_packet(greeting));
    }
    let greeting: HandshakePacket<'_> = ParseBuf(greeting).parse(()).map_err(|_| MALFORMED)?;
    if !greeting.capabilities().contains(REQUIRED) {
        return Err(SourceError::Protocol("the server lacks a required capability, it may be too old"));
    }
    let mut capabilities = greeting.capabilities() & (REQUIRED | OPTIONAL);
    // The request for TLS and the login must have the same capabilities.
    capabilities.set(CapabilityFlags::CLIENT_CONNECT_WITH_DB, database.is_some());
    let version = greeting.server_version_str().into_owned();
    // If the user's plugin is another one, the server asks for it with a switch.
    let plugin = match greeting.auth_plugin() {
        Some(AuthPlugin::CachingSha2Password) => AuthPlugin::CachingSha2Password,
        _ => AuthPlugin::MysqlNativePassword,
    };
    let nonce = greeting.nonce();
    let offers_tls = greeting.capabilities().contains(CapabilityFlags::CLIENT_SSL);
    if let Some(tls) = tls {
        if !offers_tls {
            return Err(SourceError::Untrusted { source: "the server does not support TLS".into() });
        }
        capabilities |= CapabilityFlags::CLIENT_SSL;
        wire = encrypt(wire, capabilities, &endpoint.host, tls).await?;
    }
    let mut exchange = Exchange { password: endpoint.password.as_bytes(), nonce, tls: tls.is_some() };
    let mut proof = password_proof(&plugin)?;
    let answer = proof.run(&exchange, &exchange.nonce).map_err(access_denied)?;
    let attributes = HashMap::from([("program_name".to_owned(), "aurora-export".to_owned())]);
    let response = HandshakeResponse::new(
        answer.data(),
        // `mysql_common` uses the version only to choose utf8mb4 as the character set.
        (5, 7, 0),
        Some(endpoint.user.as_bytes()),
        database.map(str::as_bytes),
        Some(plugin),
        capabilities,
        Some(attributes),
        MAX_PACKET,
    );
    wire.send(&serialized(&response)).await?;
    loop {
        let packet = wire.receive().await?;
        let answer = match packet {
            [OK_HEADER, ..] => return Ok((wire, version)),
            [ERR_HEADER, ..] => return Err(failure::from_packet(packet)),
            [AUTH_SWITCH, _, ..] => {
                let switch: AuthSwitchRequest<'_> = ParseBuf(packet).parse(()).map_err(|_| MALFORMED)?;
                proof = password_proof(&switch.auth_plugin())?;
                exchange.nonce = switch.plugin_data().to_vec();
                proof.run(&exchange, &exchange.nonce).map_err(access_denied)?
            }
            // Without TLS the client would encrypt the password for whichever host claims to be the
            // server.
            [AUTH_MORE_DATA, PERFORM_FULL_AUTHENTICATION] if tls.is_none() && !is_local => {
                return Err(SourceError::Untrusted {
                    source: "the server asks for the password, but it is remote and TLS is off".into(),
                });
            }
            [AUTH_MORE_DATA, challenge @ ..] => proof.run(&exchange, challenge).map_err(access_denied)?,
            _ => return Err(MALFORMED),
        };
        if let Some(data) = answer.data() {
            wire.send(data).await?;
        }
    }
}

const MALFORMED: SourceError = SourceError::Protocol("malformed packet during the login");

async fn encrypt(
    mut wire: Wire,
    capabilities: CapabilityFlags,
    host: &str,
    tls: &Arc<ClientConfig>,
) -> Result<Wire, SourceError> {
    wire.send(&serialized(&SslRequest::new(capabilities, MAX_PACKET, COLLATION))).await?;
    let name = ServerName::try_from(host.to_owned()).map_err(|e| SourceError::Untrusted { source: Box::new(e) })?;
    let (socket, sequence) = wire.into_socket()?;
    let socket = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await.map_err(socket_error)?;
    Ok(Wire::new(Box::new(socket)).with_sequence(sequence))
}

fn serialized(packet: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.serialize(&mut bytes);
    bytes
}

/// Returns the proof of the password for one of the two plugins that RDS has. Other plugins would
/// reveal the password to the server, or Aurora does not have them.
fn password_proof(plugin: &AuthPlugin<'_>) -> Result<AuthProc, SourceError> {
    match plugin {
        AuthPlugin::CachingSha2Password | AuthPlugin::MysqlNativePassword => plugin.init().map_err(access_denied),
        other => Err(access_denied(format!(
            "authentication plugin {} is not supported",
            String::from_utf8_lossy(other.as_bytes())
        ))),
    }
}

fn access_denied(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SourceError {
    SourceError::AccessDenied { source: source.into() }
}

/// The inputs of a password's proof.
struct Exchange<'a> {
    password: &'a [u8],
    nonce: Vec<u8>,
    tls: bool,
}

impl Context for &Exchange<'_> {
    fn pass(&self) -> &[u8] {
        self.password
    }

    fn is_ipc_transport(&self) -> bool {
        false
    }

    fn is_tls_transport(&self) -> bool {
        self.tls
    }

    fn scramble(&self) -> &[u8] {
        &self.nonce
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}
