//! As Lambda gives them: in environment variables alone. The SDK's own chain would make clients to look in other places.

use std::path::PathBuf;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_ecr::config::{BehaviorVersion, IdentityCache, StalledStreamProtectionConfig, retry::RetryConfig};
use aws_types::{
    SdkConfig,
    region::Region,
    service_config::{LoadServiceConfig, ServiceConfigKey},
};

use super::{Connection, timeouts};
use crate::{aws::http::Trust, error::Error, repository::partition_of};

/// The services that are called, as they stand at the end of `AWS_ENDPOINT_URL_…`.
const SERVICES: [&str; 3] = ["ECR", "SSM", "SQS"];

const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

impl Connection {
    /// Reads the variables that Lambda sets, and those that every AWS SDK knows, through `variable`.
    ///
    /// # Errors
    /// Where there are no credentials, or the file of certificates cannot be used.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable =
            |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let endpoints = Endpoints::read(variable);
        let trust = trust(variable, region.as_deref(), &endpoints);
        let name = trust.variable().to_owned();
        let http = trust.http().map_err(|error| Error::ConfigurationInvalid { name, reason: error.to_string() })?;
        let is_on = |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(SharedCredentialsProvider::new(credentials(variable)?))
            .http_client(http.client())
            .timeout_config(timeouts())
            // `Call` decides what is tried again, and when, and how long a call may take.
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // These credentials are those of the process: there is nothing to renew.
            .identity_cache(IdentityCache::no_cache())
            .region(region.map(Region::new))
            .use_fips(is_on("AWS_USE_FIPS_ENDPOINT"))
            .use_dual_stack(is_on("AWS_USE_DUALSTACK_ENDPOINT"))
            .service_config(endpoints.clone());
        config.set_endpoint_url(endpoints.all);
        Ok(Self { config: config.build(), http })
    }
}

/// Amazon's roots are enough where AWS itself answers. Elsewhere (another partition, a proxy that looks into TLS, an
/// endpoint of one's own) the system knows best.
fn trust(variable: impl Fn(&str) -> Option<String>, region: Option<&str>, endpoints: &Endpoints) -> Trust {
    if let Some(path) = variable("AWS_CA_BUNDLE") {
        return Trust::Bundle(PathBuf::from(path));
    }
    let elsewhere = ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let as_usual = region.is_some_and(|region| partition_of(region) == "aws")
        && !endpoints.any_may_be_encrypted()
        && !elsewhere.iter().any(|name| variable(name).is_some());
    if as_usual { Trust::Amazon } else { Trust::System(variable("SSL_CERT_FILE").map(PathBuf::from)) }
}

fn credentials(variable: impl Fn(&str) -> Option<String>) -> Result<Credentials, Error> {
    let required = |name: &str| {
        variable(name).ok_or_else(|| Error::ConfigurationMissing {
            reason: format!(
                "the environment variable `{name}` is not set, so there are no credentials to call AWS with"
            ),
            remedy:
                "Lambda sets it for the function's role; elsewhere, set it with the others of temporary credentials"
                    .to_owned(),
        })
    };
    let (id, secret) = (required("AWS_ACCESS_KEY_ID")?, required("AWS_SECRET_ACCESS_KEY")?);
    Ok(Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "Environment"))
}

/// Endpoints in place of AWS's own
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
#[derive(Clone, Debug, Default)]
struct Endpoints {
    all: Option<String>,
    by_service: Vec<(&'static str, String)>,
}

impl Endpoints {
    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        if variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Self::default();
        }
        let of = |service: &'static str| Some((service, variable(&format!("{ENDPOINT_URL}_{service}"))?));
        Self { all: variable(ENDPOINT_URL), by_service: SERVICES.into_iter().filter_map(of).collect() }
    }

    fn any_may_be_encrypted(&self) -> bool {
        let of_services = self.by_service.iter().map(|(_, url)| url);
        self.all.iter().chain(of_services).any(|url| !url.starts_with("http://"))
    }
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let of_service = self.by_service.iter().find(|(service, _)| *service == key.service_id());
        of_service.filter(|_| key.env() == ENDPOINT_URL).map(|(_, url)| url.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_trust(variables: &[(&str, &str)], expected: Trust) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let region = variable("AWS_REGION");
        assert_eq!(trust(variable, region.as_deref(), &Endpoints::read(variable)), expected, "{variables:?}");
    }

    #[test]
    fn amazons_roots_are_trusted_where_aws_itself_answers() {
        check_trust(&[("AWS_REGION", "eu-west-1")], Trust::Amazon);
        check_trust(&[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")], Trust::Amazon);
        let ignored =
            [("AWS_ENDPOINT_URL", "https://aws.example.com"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        check_trust(&[[("AWS_REGION", "eu-west-1")].as_slice(), &ignored].concat(), Trust::Amazon);
    }

    #[test]
    fn elsewhere_the_system_knows_whom_to_trust() {
        check_trust(&[], Trust::System(None));
        for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1"] {
            check_trust(&[("AWS_REGION", region)], Trust::System(None));
        }
        for (name, value) in [
            ("SSL_CERT_DIR", "/etc/pki"),
            ("HTTPS_PROXY", "http://proxy:3128"),
            ("https_proxy", "http://proxy:3128"),
            ("ALL_PROXY", "http://proxy:3128"),
            ("AWS_ENDPOINT_URL", "https://aws.example.com"),
            ("AWS_ENDPOINT_URL_ECR", "https://ecr.example.com"),
        ] {
            check_trust(&[("AWS_REGION", "eu-west-1"), (name, value)], Trust::System(None));
        }
        let file = Trust::System(Some("/etc/pki/ca.pem".into()));
        check_trust(&[("AWS_REGION", "eu-west-1"), ("SSL_CERT_FILE", "/etc/pki/ca.pem")], file);
    }

    #[test]
    fn a_bundle_is_trusted_before_all_else() {
        let bundle = Trust::Bundle("/etc/pki/ca.pem".into());
        check_trust(&[("AWS_REGION", "eu-west-1"), ("AWS_CA_BUNDLE", "/etc/pki/ca.pem")], bundle.clone());
        check_trust(&[("AWS_CA_BUNDLE", "/etc/pki/ca.pem"), ("SSL_CERT_FILE", "/etc/pki/other.pem")], bundle);
    }

    #[track_caller]
    fn check_endpoints(variables: &[(&str, &str)], ecr: Option<&str>, all: Option<&str>) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let endpoints = Endpoints::read(variable);
        let key = |env| ServiceConfigKey::builder().service_id("ECR").env(env).profile("endpoint_url").build().unwrap();
        assert_eq!(endpoints.load_config(key(ENDPOINT_URL)).as_deref(), ecr);
        assert_eq!(endpoints.load_config(key("AWS_SOMETHING_ELSE")), None);
        assert_eq!(endpoints.all.as_deref(), all);
    }

    #[test]
    fn a_services_own_endpoint_stands_beside_that_of_all() {
        check_endpoints(&[], None, None);
        let (all, ecr) = (("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_ECR", "http://ecr"));
        check_endpoints(&[all], None, Some("http://all"));
        check_endpoints(&[all, ecr], Some("http://ecr"), Some("http://all"));
        check_endpoints(&[all, ecr, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE")], None, None);
    }
}
