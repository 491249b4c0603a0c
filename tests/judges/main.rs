//! The policies that outside judges are asked about by `test_judges.py`, and our own verdict on each of them.
//!
//! `rendered` is what the templates write, `guide` the examples of the Amazon ECR user guide ('Private repository
//! policy examples'), and `bad` what must be refused.
#![expect(clippy::expect_used, clippy::panic, reason = "the helpers of these tests fail a test by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use ecr_autopolicy::{
    configuration::{Configuration, Tags},
    policy::{access::AccessLevel, document::Document, kind::Kind, sid::SidPrefix, template::Template},
    repository::{Registry, Repository},
};
use serde_json::{Map, Value, json};

const UPDATE: &str = "UPDATE_RENDERED";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges").join(name)
}

/// The policies of a folder, by file name.
fn policies(name: &str) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder(name)).into_iter().flatten().flatten();
    files
        .filter_map(|file| Some((file.file_name().to_str()?.to_owned(), fs::read_to_string(file.path()).ok()?)))
        .collect()
}

/// A configuration that uses the template with examples of its variables.
fn configuration(name: &str, template: &Template, access: Option<&str>) -> Value {
    let given = template.variables.iter().filter(|(_, variable)| access.is_some() || variable.default.is_none());
    let with = given.map(|(name, variable)| {
        let value = if variable.kind == Kind::AccessLevel { access } else { None };
        let value = value.unwrap_or_else(|| variable.kind.example());
        (name.clone(), if variable.list { json!([value]) } else { json!(value) })
    });
    json!({ "template": name, "with": with.collect::<Map<_, _>>(), "allow_public": true })
}

/// What each template writes, as it is by default and with each access level.
fn rendered() -> BTreeMap<String, String> {
    let mut rendered = BTreeMap::new();
    for name in Template::names() {
        let template = Template::named(name).unwrap_or_else(|| panic!("`{name}` does not parse"));
        rendered.insert(format!("{name}.json"), render(&configuration(name, &template, None)));
        if template.variables.values().any(|variable| variable.kind == Kind::AccessLevel) {
            for level in AccessLevel::names() {
                let file = format!("{name}-{}.json", level.to_lowercase());
                rendered.insert(file, render(&configuration(name, &template, Some(level))));
            }
        }
    }
    rendered
}

fn render(configuration: &Value) -> String {
    let prefix = SidPrefix::default();
    let registry = Registry::new("111122223333", "eu-central-1").expect("a registry");
    let repository = Repository::new(registry, "team/app").expect("a repository");
    let (read, _) = Configuration::parse(&configuration.to_string(), &prefix, &Registry::sample())
        .unwrap_or_else(|findings| panic!("{configuration}: {findings}"));
    let statements = read.desired(&repository, &Tags::new(), &prefix).expect("statements").statements;
    let document = Document { version: Some(Document::VERSION.to_owned()), id: None, statements };
    format!("{:#}\n", document.to_value())
}

#[test]
fn the_judges_see_what_the_templates_write_today() {
    let rendered = rendered();
    if env::var_os(UPDATE).is_some() {
        fs::remove_dir_all(folder("rendered")).unwrap();
        fs::create_dir(folder("rendered")).unwrap();
        for (name, text) in &rendered {
            fs::write(folder("rendered").join(name), text).unwrap();
        }
    }
    let stored = policies("rendered");
    let differing = rendered.keys().chain(stored.keys()).filter(|name| rendered.get(*name) != stored.get(*name));
    let differing = differing.collect::<BTreeSet<_>>();
    assert!(
        differing.is_empty(),
        "out of date in tests/judges/rendered: {differing:?}; run `{UPDATE}=1 cargo test --test judges` and look at the difference"
    );
}

#[test]
fn the_guides_examples_are_accepted() {
    let examples = policies("guide");
    assert!(examples.len() >= 8, "{:?}", examples.keys());
    for (name, text) in examples {
        let policy = serde_json::from_str::<Value>(&text).unwrap();
        let configuration = json!({ "policy": policy, "allow_public": true }).to_string();
        if let Err(findings) = Configuration::parse(&configuration, &SidPrefix::default(), &Registry::sample()) {
            panic!("{name}: {findings}");
        }
    }
}

#[test]
fn every_bad_policy_is_refused() {
    let bad = policies("bad");
    assert!(bad.len() >= 30, "{:?}", bad.keys());
    for (name, text) in bad {
        assert!(Configuration::parse(&text, &SidPrefix::default(), &Registry::sample()).is_err(), "{name} is accepted");
    }
}
