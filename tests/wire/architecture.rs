//! The floors of the house: which parts of the source know what.

use crate::source::{Source, files};

/// The lines of these files that say one of these words.
fn sayings(files: &[Source], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in &file.lines {
            for word in words {
                // An address is a value like any other; only what opens a connection is not pure.
                if says(&line.replace("std::net::Ip", ""), word) {
                    found.push(format!("src/{}:{number} says `{word}`: {line}", file.path));
                }
            }
        }
    }
    found
}

/// Whether a line has the word, and not only as the end of a longer one.
fn says(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(place, _)| {
        let before = line.get(..place).and_then(|before| before.chars().last());
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

#[test]
fn only_the_edge_names_an_sdk_type() {
    let files: Vec<Source> = files()
        .into_iter()
        .filter(|file| !["aws/", "cli/aws/"].iter().any(|edge| file.path.starts_with(edge)) && file.path != "main.rs")
        .collect();
    let found = sayings(&files, &["aws_sdk_", "aws_smithy", "aws_config", "aws_types", "aws_credential_types"]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_pure_parts_know_no_clock_no_environment_and_no_network() {
    let pure = |path: &str| {
        path.starts_with("policy/")
            || path.starts_with("configuration/")
            || ["policy.rs", "configuration.rs", "reconcile.rs", "repository.rs", "finding.rs"].contains(&path)
    };
    let files: Vec<Source> = files().into_iter().filter(|file| pure(&file.path)).collect();
    for part in ["policy/", "configuration/", "reconcile", "repository"] {
        assert!(files.iter().any(|file| file.path.starts_with(part)), "there is no `{part}`");
    }
    let words = [
        "std::time",
        "std::env",
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
        "std::io",
        "Instant",
        "SystemTime",
        "env::var",
        "tokio",
        "tracing",
        "lambda_runtime",
        "println!",
        "eprintln!",
        "static mut",
    ];
    let found = sayings(&files, &words);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_lower_floors_do_not_name_the_upper_ones() {
    // From the ground up; a floor may use those that stand before it.
    let floors = [
        "repository",
        "finding",
        "policy",
        "configuration",
        "reconcile",
        "error",
        "aws",
        "controller",
        "sweep",
        "function",
    ];
    let mut found = Vec::new();
    for (height, floor) in floors.iter().enumerate() {
        let here: Vec<Source> = files()
            .into_iter()
            .filter(|file| file.path.starts_with(&format!("{floor}/")) || file.path == format!("{floor}.rs"))
            .collect();
        let above: Vec<String> = floors.iter().skip(height + 1).map(|above| format!("crate::{above}")).collect();
        found.extend(sayings(&here, &above.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_map_of_the_code_names_every_module() {
    let map = std::fs::read_to_string(crate::source::root().join("ARCHITECTURE.md")).unwrap();
    for file in files().into_iter().filter(|file| !file.path.starts_with("cli/") && file.path != "lib.rs") {
        let module = file.path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let name = module.rsplit('/').next().unwrap();
        let named = [format!("`{name}`"), format!("{name}.rs`"), format!("{name}/`")];
        assert!(
            named.iter().any(|text| map.contains(text)),
            "ARCHITECTURE.md does not name `{name}` of src/{}",
            file.path
        );
    }
}

#[test]
fn only_the_start_reads_the_environment() {
    let files: Vec<Source> =
        files().into_iter().filter(|file| file.path != "main.rs" && !file.path.starts_with("cli/")).collect();
    let found = sayings(&files, &["env::var", "env::vars", "std::env"]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
