//! TLS, by rustls on ring. There is no state of the process: the provider is handed to each
//! configuration, and the roots of the system belong to whoever holds a [`Roots`].

use super::{address::bare, failure::failed, waits::late};
use crate::{
    error::{Error, ErrorKind, Result},
    natives::milliseconds::Milliseconds,
    value::{Aggregate, FromValue, Key, Value},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::OnceCell, time::timeout};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, client,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};

/// The roots that the system trusts, read when they are first needed.
#[derive(Default)]
pub(in crate::natives) struct Roots(OnceCell<Arc<RootCertStore>>);

impl Roots {
    async fn get(&self) -> Result<Arc<RootCertStore>> {
        let roots = self.0.get_or_try_init(|| async {
            // Hundreds of files, perhaps.
            let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            let found = found
                .map_err(|_| Error::new(ErrorKind::Shutdown, "the runtime is shutting down"))?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(found.certs);
            match roots.is_empty() {
                false => Ok(Arc::new(roots)),
                true => {
                    let message = "the system has no root certificates to trust: give `ca`";
                    Err(Error::new(ErrorKind::Io, message))
                }
            }
        });
        roots.await.cloned()
    }
}

/// What scripts may say about TLS: PEM texts, the name that the peer must prove, a time limit.
#[derive(Default)]
pub(in crate::natives) struct Options {
    /// The roots to trust, instead of the system's; for a server, those of its clients, who must
    /// then have a certificate.
    pub(in crate::natives) ca: Option<Bytes>,
    /// The name that the server's certificate must be for; else it is the host.
    pub(in crate::natives) name: Option<String>,
    /// One's own certificates, the leaf first, and their key.
    pub(in crate::natives) cert: Option<Bytes>,
    pub(in crate::natives) key: Option<Bytes>,
    pub(in crate::natives) timeout: Option<Duration>,
}

impl FromValue for Options {
    fn from_value(value: Value) -> Result<Self> {
        let mut options = Self::default();
        let (_, array, pairs) = Aggregate::from_value(value)?.into_parts();
        if !array.is_empty() {
            return Err(Error::new(ErrorKind::Type, "options have names"));
        }
        for (key, value) in pairs {
            let name = match &key {
                Key::String(name) => String::from_utf8_lossy(name).into_owned(),
                Key::Int(_) | Key::Real(_) => format!("{key:?}"),
            };
            options.set(&name, value).map_err(|error| error.at(format_args!(".{name}")))?;
        }
        Ok(options)
    }
}

impl Options {
    fn set(&mut self, name: &str, value: Value) -> Result<()> {
        match name {
            "ca" => self.ca = Option::from_value(value)?,
            "name" => self.name = Option::from_value(value)?,
            "cert" => self.cert = Option::from_value(value)?,
            "key" => self.key = Option::from_value(value)?,
            "timeout" => {
                self.timeout =
                    Option::<Milliseconds>::from_value(value)?.map(Milliseconds::duration);
            }
            _ => {
                let message = "no such option: there are ca, name, cert, key and timeout";
                return Err(Error::new(ErrorKind::Type, message));
            }
        }
        Ok(())
    }

    /// One's own certificates and their key, if both are given.
    fn identity(&self) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>> {
        match (&self.cert, &self.key) {
            (None, None) => Ok(None),
            (Some(cert), Some(key)) => {
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|error| no_pem("key", "private key", &error))?;
                Ok(Some((certificates("cert", cert)?, key)))
            }
            _ => Err(Error::new(ErrorKind::Type, "`cert` and `key` belong together")),
        }
    }
}

fn no_pem(option: &str, what: &str, error: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Type, format!("`{option}` is no {what} in PEM form: {error}"))
}

fn certificates(option: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if all.is_empty() => Err(no_pem(option, "certificate", &"there is none")),
        Ok(all) => Ok(all),
        Err(error) => Err(no_pem(option, "certificate", &error)),
    }
}

fn root_store(pem: &[u8]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", pem)? {
        roots.add(certificate).map_err(|error| no_pem("ca", "certificate", &error))?;
    }
    Ok(roots)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The error for what rustls does not take from a script.
fn unusable(error: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Type, format!("TLS cannot work with this: {error}"))
}

/// How to speak TLS as a client that trusts what `options` say.
///
/// # Errors
/// `type` if they are not what they should be; `io` if the system has no roots.
pub(in crate::natives) async fn client(roots: &Roots, options: &Options) -> Result<ClientConfig> {
    let roots = match &options.ca {
        Some(pem) => Arc::new(root_store(pem)?),
        None => roots.get().await?,
    };
    let config = ClientConfig::builder_with_provider(provider());
    let config = config.with_safe_default_protocol_versions().map_err(|e| unusable(&e))?;
    let config = config.with_root_certificates(roots);
    match options.identity()? {
        None => Ok(config.with_no_client_auth()),
        Some((chain, key)) => {
            config.with_client_auth_cert(chain, key).map_err(|error| unusable(&error))
        }
    }
}

/// How to speak TLS as a server.
///
/// # Errors
/// `type` if the options are not what they should be.
pub(in crate::natives) fn server(options: &Options) -> Result<TlsAcceptor> {
    if options.name.is_some() || options.timeout.is_some() {
        return Err(Error::new(ErrorKind::Type, "a listener takes ca, cert and key"));
    }
    let Some((chain, key)) = options.identity()? else {
        return Err(Error::new(ErrorKind::Type, "a listener needs `cert` and `key`"));
    };
    let config = ServerConfig::builder_with_provider(provider());
    let config = config.with_safe_default_protocol_versions().map_err(|e| unusable(&e))?;
    let config = match &options.ca {
        None => config.with_no_client_auth(),
        Some(pem) => {
            let roots = Arc::new(root_store(pem)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            config.with_client_cert_verifier(verifier.map_err(|error| unusable(&error))?)
        }
    };
    let config = config.with_single_cert(chain, key).map_err(|error| unusable(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Speaks TLS over `stream` with the server `name`, which has to prove that it is that.
///
/// # Errors
/// `transport` if it does not, or breaks off; `timeout`; `type` if `name` is no name of a server.
pub(in crate::natives) async fn connect(
    config: Arc<ClientConfig>,
    stream: TcpStream,
    name: &str,
    limit: Duration,
) -> Result<client::TlsStream<TcpStream>> {
    let what = format!("TLS with {name}");
    let server = ServerName::try_from(bare(name).to_string()).map_err(|_| {
        Error::new(ErrorKind::Type, format!("`{name}` is no name that a server could prove"))
    })?;
    match timeout(limit, TlsConnector::from(config).connect(server, stream)).await {
        Ok(connected) => connected.map_err(|error| failed(what, &error)),
        Err(_) => Err(late(&what, limit)),
    }
}
