//! The HTTP client of a bucket: encrypted or not, through a proxy or not.

use super::settings::S3Place;
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use std::env;

/// Builds the client for a place.
///
/// The proxy is that of the address; else, as with other programs, `HTTPS_PROXY` or `HTTP_PROXY` (by the server's
/// scheme) or `ALL_PROXY`, unless `NO_PROXY` names the server or it is this machine.
pub(super) fn http_client(place: &S3Place) -> SharedHttpClient {
    let is_encrypted = place.endpoint().is_none_or(|endpoint| endpoint.starts_with("https://"));
    let proxy = match place.proxy() {
        Some(named) => ProxyConfig::all(named).ok(),
        None => from_environment(is_encrypted),
    };
    let proxy = proxy.unwrap_or_else(ProxyConfig::disabled);
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        if is_encrypted {
            connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
        } else {
            connector.build_http()
        }
    })
}

fn from_environment(is_encrypted: bool) -> Option<ProxyConfig> {
    let variable = |name: &str| {
        [name.to_owned(), name.to_lowercase()]
            .iter()
            .find_map(|name| env::var(name).ok().filter(|v| !v.is_empty()))
    };
    let named = variable(if is_encrypted { "HTTPS_PROXY" } else { "HTTP_PROXY" });
    let proxy = match ProxyConfig::all(named.or_else(|| variable("ALL_PROXY"))?) {
        Ok(proxy) => proxy,
        Err(error) => {
            tracing::warn!(%error, "the proxy of the environment is none: HTTPS_PROXY must look like http://host:port");
            return None;
        }
    };
    let direct = variable("NO_PROXY").unwrap_or_default();
    Some(proxy.no_proxy(format!("{direct},localhost,127.0.0.1,::1")))
}
