//! TLS 1.3 with raw ed25519 public keys (RFC 7250) on both sides: the device key is the whole identity.
//!
//! What TLS calls a certificate is here the 44-byte SubjectPublicKeyInfo of RFC 8410:
//!
//! ```text
//! 30 2A 30 05 06 03 2B 65 70 03 21 00 | 32 bytes of public key
//! ```
//!
//! TLS proves only that the peer holds its key; whether that key is welcome is decided above.

use std::fmt;
use std::sync::{Arc, OnceLock};

use ed25519_dalek::pkcs8::EncodePrivateKey;
use ed25519_dalek::{SigningKey, VerifyingKey};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme,
};

use super::error::TransportError;

/// Protocol name and version that TLS negotiates (ALPN, RFC 7301); others are refused in the handshake.
const ALPN: &[u8] = b"musubi/2";

/// What precedes the key in the SubjectPublicKeyInfo of an ed25519 key (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The ed25519 public key of a device, as its peer proved it in TLS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey([u8; 32]);

impl PeerKey {
    /// Wraps 32 bytes; whether they are a usable key shows when a peer proves it.
    pub const fn new(bytes: [u8; 32]) -> PeerKey {
        PeerKey(bytes)
    }

    /// Returns the public key that belongs to a device's ed25519 seed.
    pub fn of_seed(seed: &[u8; 32]) -> PeerKey {
        PeerKey(SigningKey::from_bytes(seed).verifying_key().to_bytes())
    }

    /// Returns the 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the key from a SubjectPublicKeyInfo; `None` unless it is exactly that of a strong ed25519 key.
    fn from_spki(spki: &[u8]) -> Option<PeerKey> {
        let bytes: [u8; 32] = spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok()?;
        let key = VerifyingKey::from_bytes(&bytes).ok()?;
        (!key.is_weak()).then_some(PeerKey(bytes))
    }

    fn to_spki(self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }
}

impl From<[u8; 32]> for PeerKey {
    fn from(bytes: [u8; 32]) -> PeerKey {
        PeerKey(bytes)
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

/// Returns the key that the peer of this connection has proven.
pub(super) fn proven_key(connection: &quinn::Connection) -> Option<PeerKey> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    match identity.as_slice() {
        [spki] => PeerKey::from_spki(spki),
        _ => None,
    }
}

/// This device's key, ready for TLS in both roles.
#[derive(Debug)]
pub(super) struct TlsIdentity {
    provider: Arc<CryptoProvider>,
    certified: Arc<CertifiedKey>,
}

impl TlsIdentity {
    /// Prepares the device key with this ed25519 seed.
    ///
    /// # Errors
    ///
    /// [`TransportError::Setup`] when the crypto provider does not take the key.
    pub(super) fn new(seed: &[u8; 32]) -> Result<TlsIdentity, TransportError> {
        let pkcs8 = SigningKey::from_bytes(seed).to_pkcs8_der().map_err(setup)?;
        let key = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_bytes())).map_err(setup)?;
        let spki = CertificateDer::from(PeerKey::of_seed(seed).to_spki());
        Ok(TlsIdentity {
            provider: Arc::new(ring::default_provider()),
            certified: Arc::new(CertifiedKey::new(vec![spki], key)),
        })
    }

    /// Builds the configuration of the accepting side: every peer must prove a key.
    pub(super) fn accepting(&self) -> Result<QuicServerConfig, TransportError> {
        let verifier = Arc::new(RawKeyVerifier { provider: self.provider.clone(), pinned: None });
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(setup)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.certified.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Every session proves both keys anew: no tickets, no early data.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        QuicServerConfig::try_from(config).map_err(setup)
    }

    /// Builds the configuration of one dial; a peer other than `pin` never sees this device's key.
    pub(super) fn dialling(&self, pin: Option<Arc<Pin>>) -> Result<QuicClientConfig, TransportError> {
        self.dialling_as(ALPN, pin)
    }

    /// Builds a dial that offers another protocol.
    #[cfg(test)]
    pub(super) fn dialling_with_protocol(&self, alpn: &[u8]) -> Result<QuicClientConfig, TransportError> {
        self.dialling_as(alpn, None)
    }

    fn dialling_as(&self, alpn: &[u8], pin: Option<Arc<Pin>>) -> Result<QuicClientConfig, TransportError> {
        let verifier = Arc::new(RawKeyVerifier { provider: self.provider.clone(), pinned: pin });
        let mut config = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(setup)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                self.certified.clone(),
            )));
        config.alpn_protocols = vec![alpn.to_vec()];
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        QuicClientConfig::try_from(config).map_err(setup)
    }
}

/// The key that one dial expects, and what it found instead.
#[derive(Debug)]
pub(super) struct Pin {
    expected: PeerKey,
    found_other: OnceLock<PeerKey>,
}

impl Pin {
    /// Expects this key.
    pub(super) fn new(expected: PeerKey) -> Pin {
        Pin { expected, found_other: OnceLock::new() }
    }

    /// Returns the key that was expected, and the other that answered, if one did.
    pub(super) fn mismatch(&self) -> Option<(PeerKey, PeerKey)> {
        self.found_other.get().map(|found| (self.expected, *found))
    }
}

/// Checks that the peer shows one raw ed25519 key, the pinned one if any, and signs with it.
#[derive(Debug)]
struct RawKeyVerifier {
    provider: Arc<CryptoProvider>,
    pinned: Option<Arc<Pin>>,
}

impl RawKeyVerifier {
    fn check_key(&self, spki: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Result<(), Error> {
        let found = PeerKey::from_spki(spki)
            .filter(|_| rest.is_empty())
            .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        match &self.pinned {
            Some(pin) if pin.expected != found => {
                // A second certificate message is impossible in one handshake: the first finding stands.
                pin.found_other.get_or_init(|| found);
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(spki.as_ref()),
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }
}

impl ServerCertVerifier for RawKeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check_key(end_entity, intermediates)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKeyVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_key(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

fn setup(error: impl fmt::Display) -> TransportError {
    TransportError::Setup { detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_key_survives_its_spki() {
        let key = PeerKey::of_seed(&[7; 32]);
        assert_eq!(key.to_spki().len(), 44);
        assert_eq!(PeerKey::from_spki(&key.to_spki()), Some(key));
    }

    #[test]
    fn the_prefix_is_what_the_crypto_provider_itself_encodes() {
        let identity = TlsIdentity::new(&[7; 32]).expect("any seed is a key");
        let encoded = identity.certified.key.public_key().expect("ed25519 keys have one");
        assert_eq!(encoded.as_ref(), PeerKey::of_seed(&[7; 32]).to_spki());
    }

    #[test]
    fn a_key_of_small_order_is_refused_because_anyone_can_sign_for_it() {
        let identity_point = PeerKey([
            1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        assert_eq!(PeerKey::from_spki(&identity_point.to_spki()), None);
    }

    proptest! {
        #[test]
        fn any_other_length_or_prefix_is_refused(flip in 0_usize..12, bit in 0_u8..8, cut in 0_usize..44) {
            let spki = PeerKey::of_seed(&[9; 32]).to_spki();
            prop_assert_eq!(PeerKey::from_spki(&spki[..cut]), None);
            prop_assert_eq!(PeerKey::from_spki(&[&spki[..], &[0]].concat()), None);
            let mut other = spki;
            other[flip] ^= 1 << bit;
            prop_assert_eq!(PeerKey::from_spki(&other), None);
        }
    }
}
