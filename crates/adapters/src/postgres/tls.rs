//! TLS with rustls: which certificates are believed.
//!
//! `verify-full` checks the chain and the name. `require` encrypts; it checks the chain only where
//! `tls_ca` names whom to believe, as PostgreSQL's own client does, and never the name.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use syncline_core::error::{ErrorKind, PortError};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::settings::{Settings, Tls};

/// What connects with TLS; `None` for [`Tls::Off`]. Reading the certificates that the machine trusts
/// takes longer than a whole pass over small tables, so they are read only where they are needed.
///
/// # Errors
/// `Tls` if the file of certificates cannot be read.
pub(crate) fn connector(settings: &Settings) -> Result<Option<MakeRustlsConnect>, PortError> {
    let failed = |detail: String| {
        PortError::new(ErrorKind::Tls, format!("prepare TLS for {:?}", settings.name), detail)
    };
    let provider = Arc::new(ring::default_provider());
    let extra = match &settings.tls_ca {
        None => Vec::new(),
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| failed(format!("tls_ca {path}: {error}")))?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .dangerous();
    let verifier: Arc<dyn ServerCertVerifier> = match (settings.tls, extra.is_empty()) {
        (Tls::Off, _) => return Ok(None),
        (Tls::VerifyFull, _) => Arc::new(
            rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider)
                .map_err(|error| failed(error.to_string()))?,
        ),
        (Tls::Require, true) => Arc::new(Unverified { provider, chain: None }),
        (Tls::Require, false) => {
            let mut roots = RootCertStore::empty();
            for certificate in extra {
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
            let chain =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .build()
                    .map_err(|error| failed(error.to_string()))?;
            Arc::new(Unverified { provider, chain: Some(chain) })
        }
    };
    let mut config = builder.with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// Believes any name, and any chain unless it is to be checked.
#[derive(Debug)]
struct Unverified {
    provider: Arc<CryptoProvider>,
    chain: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The name is checked last: the chain was found good.
            Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
