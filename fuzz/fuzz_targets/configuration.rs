//! Whatever stands in the parameter is read or refused, and what is read renders to a policy that can be written.

#![no_main]

use std::collections::BTreeSet;

use ecr_autopolicy::{
    configuration::{Configuration, Tags},
    finding::{Place, Severity},
    policy::{
        document::{Document, Statement},
        exposure::{Exposure, exposure},
        grammar,
        sid::SidPrefix,
    },
    repository::{Registry, Repository},
};
use libfuzzer_sys::fuzz_target;

const REPOSITORIES: [(&str, &str, &str); 3] = [
    ("111122223333", "eu-central-1", "team/app"),
    ("444455556666", "cn-north-1", "ci-cache/x/y"),
    ("000000000000", "us-gov-west-1", "00"),
];

fuzz_target!(|text: &str| {
    let prefix = SidPrefix::default();
    let (_, findings) = Configuration::examine(text, &prefix, &Registry::sample());
    for finding in &findings.0 {
        assert!(!finding.to_string().is_empty());
    }
    let Ok((configuration, _)) = Configuration::parse(text, &prefix, &Registry::sample()) else {
        assert!(findings.has_errors());
        return;
    };
    for (account, region, name) in REPOSITORIES {
        let registry = Registry::new(account, region).expect("an account and a Region");
        let repository = Repository::new(registry, name).expect("a repository's name");
        for tags in [Tags::new(), Tags::from([("team".to_owned(), "pay".to_owned())])] {
            let Ok(desired) = configuration.desired(&repository, &tags, &prefix) else { continue };
            check(&desired.statements, configuration.allow_public);
        }
    }
});

fn check(statements: &[Statement], allow_public: bool) {
    if statements.is_empty() {
        return;
    }
    let version = Some(Document::VERSION.to_owned());
    let document = Document { version, id: None, statements: statements.to_vec() };
    let mut findings = grammar::check(&document.to_value(), &Place::root());
    findings.retain(|finding| finding.severity == Severity::Error);
    assert!(findings.is_empty(), "{findings:?}");

    let sids = statements.iter().filter_map(Statement::sid).collect::<BTreeSet<_>>();
    assert_eq!(sids.len(), statements.len(), "an id stands twice");
    assert!(sids.iter().all(|sid| sid.starts_with(SidPrefix::DEFAULT)));
    assert!(allow_public || !statements.iter().any(|statement| matches!(exposure(statement), Exposure::Public(_))));
}
