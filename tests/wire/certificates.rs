//! Which certificates the function trusts: those that `AWS_CA_BUNDLE` or `SSL_CERT_FILE` names, and no others.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use support::door::{self, Certificate};

use crate::event;
use crate::stage::Stage;

/// A certificate authority of the test's own, and a door with its certificate before the services.
struct Door {
    url: String,
    certificate: PathBuf,
}

impl Door {
    fn before(url: &str) -> Door {
        let certificate = Certificate::of("localhost");
        let address = door::open(url, Some(&certificate));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let file = folder.join(format!("certificate-{}.pem", address.port()));
        std::fs::write(&file, certificate.pem).unwrap();
        Door { url: format!("https://localhost:{}", address.port()), certificate: file }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.certificate);
    }
}

/// A stage whose services are reached through the door, and the door.
fn behind_a_door() -> (Stage, Door) {
    let stage = Stage::new().repository("team/app").configuration(&json!({"template": "deny-pull"}));
    let door = Door::before(&stage.aws().url());
    let url = door.url.clone();
    (stage.env("AWS_ENDPOINT_URL", &url), door)
}

#[track_caller]
fn check_trusted(variables: &[&str]) {
    let (stage, door) = behind_a_door();
    let certificate = door.certificate.to_str().unwrap();
    let mut function = variables.iter().fold(stage, |stage, name| stage.env(name, certificate)).start();
    let answer = function.invoke(&event::created("team/app")).response();
    assert_eq!(answer["outcomes"][0]["outcome"], "applied", "{answer}");
}

#[test]
fn a_certificate_that_ssl_cert_file_names_is_trusted() {
    check_trusted(&["SSL_CERT_FILE"]);
}

#[test]
fn a_certificate_that_aws_ca_bundle_names_is_trusted() {
    check_trusted(&["AWS_CA_BUNDLE"]);
}

#[test]
fn aws_ca_bundle_counts_before_ssl_cert_file() {
    let (stage, door) = behind_a_door();
    let (_, other) = behind_a_door();
    let certificate = |door: &Door| door.certificate.to_str().unwrap().to_owned();
    let stage = stage.env("AWS_CA_BUNDLE", &certificate(&door)).env("SSL_CERT_FILE", &certificate(&other));
    let answer = stage.start().invoke(&event::created("team/app")).response();
    assert_eq!(answer["outcomes"][0]["outcome"], "applied", "{answer}");
}

#[track_caller]
fn check_refused(variables: impl Fn(&Door, &Door) -> Vec<(&'static str, PathBuf)>) {
    let (stage, door) = behind_a_door();
    let (_, other) = behind_a_door();
    let variables = variables(&door, &other);
    let stage = variables.iter().fold(stage, |stage, (name, file)| stage.env(name, file.to_str().unwrap()));
    let mut function = stage.start();
    let failure = function.invoke_within(&event::created("team/app"), Duration::from_millis(2_500)).failure();
    assert_eq!(failure.kind, "ServiceUnavailable", "{}", failure.message);
    assert!(failure.message.contains("name its certificates by `AWS_CA_BUNDLE`"), "{}", failure.message);
    assert!(function.aws.calls().is_empty());
}

#[test]
fn a_certificate_that_nobody_names_is_refused() {
    check_refused(|_, other| vec![("SSL_CERT_FILE", other.certificate.clone())]);
}

#[test]
fn a_certificate_that_is_not_in_aws_ca_bundle_is_refused() {
    check_refused(|door, other| {
        vec![("AWS_CA_BUNDLE", other.certificate.clone()), ("SSL_CERT_FILE", door.certificate.clone())]
    });
}
