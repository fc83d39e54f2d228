//! TLS of HTTP: of requests, whose chain and name are always checked, and of the daemon's own door.

use std::{path::Path, sync::Arc};

pub use rustls::ServerConfig;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use syncline_core::error::{ErrorKind, PortError};

/// Whom to believe: whom the machine does, and whom `tls_ca` names. Where nothing is encrypted
/// nobody is, and the machine's certificates are not read.
///
/// # Errors
/// `Tls` if a certificate cannot be read.
pub(crate) fn config(
    whom: &str,
    is_encrypted: bool,
    authority: Option<&str>,
) -> Result<ClientConfig, PortError> {
    let failed = |detail: String| {
        PortError::new(ErrorKind::Tls, format!("prepare TLS for \"{whom}\""), detail)
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    if !is_encrypted {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let extra = match authority {
        None => Vec::new(),
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| failed(format!("tls_ca {path}: {error}")))?,
    };
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider)
        .map_err(|error| failed(error.to_string()))?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

/// What a server shows to whoever calls it: this chain, leaf first, and that it holds the key of it. Both
/// files are PEM.
///
/// # Errors
/// `Tls` if a file cannot be read, or they do not belong together.
pub fn server(chain: &Path, key: &Path) -> Result<ServerConfig, PortError> {
    let failed = |detail: String| PortError::new(ErrorKind::Tls, "prepare TLS", detail);
    let of =
        |path: &Path, error: &dyn std::fmt::Display| failed(format!("{}: {error}", path.display()));
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of(chain, &error))?;
    if certificates.is_empty() {
        return Err(of(chain, &"it holds no certificate"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| of(key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(|error| of(chain, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
