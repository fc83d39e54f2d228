//! TLS of HTTP requests: the chain and the name are always checked.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
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
