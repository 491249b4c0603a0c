//! The source of this crate, as text without comments and without its own tests.

use std::path::{Path, PathBuf};

/// One file under `src`.
pub(crate) struct Source {
    /// Its path from `src`, with `/` between the parts.
    pub(crate) path: String,
    /// Its lines with their numbers, without comments, until its tests begin.
    pub(crate) lines: Vec<(usize, String)>,
}

/// The crate's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under `src`, apart from those that hold tests only.
pub(crate) fn files() -> Vec<Source> {
    let base = root().join("src");
    let mut files = Vec::new();
    let mut folders = vec![base.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_name().is_some_and(|name| name != "tests.rs")
            {
                files.push(read(&base, &path));
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!files.is_empty());
    files
}

fn read(base: &Path, path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    let parts = path.strip_prefix(base).unwrap().iter().map(|part| part.to_string_lossy());
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        // The tests of a file are its last module.
        if line.trim() == "#[cfg(test)]" {
            break;
        }
        let code = match line.trim_start() {
            comment if comment.starts_with("//") => "",
            code => code.split_once(" // ").map_or(code, |(code, _)| code),
        };
        if !code.is_empty() {
            lines.push((number, code.to_owned()));
        }
    }
    Source { path: parts.collect::<Vec<_>>().join("/"), lines: flat(lines) }
}

/// The same lines with a line of its own for every path that a `use` names, so that a grouped import says what it is.
fn flat(lines: Vec<(usize, String)>) -> Vec<(usize, String)> {
    let mut flat = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in lines {
        let begins = ["use ", "pub use ", "pub(crate) use "].iter().any(|word| line.trim_start().starts_with(word));
        let (number, text) = match open.take() {
            Some((begun, text)) => (begun, text + line.trim()),
            None if begins => (number, line.trim().to_owned()),
            None => {
                flat.push((number, line));
                continue;
            }
        };
        match text.strip_suffix(';').and_then(|text| text.split_once("use ")) {
            Some((_, tree)) => flat.extend(paths(tree).into_iter().map(|path| (number, format!("use {path};")))),
            None => open = Some((number, text)),
        }
    }
    flat
}

/// Every path of a `use` tree, written out.
fn paths(tree: &str) -> Vec<String> {
    let Some((prefix, group)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let group = group.strip_suffix('}').unwrap();
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(character);
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(paths).map(|path| format!("{}{path}", prefix.trim())).collect()
}

#[test]
fn a_grouped_import_is_read_as_the_paths_that_it_names() {
    let text =
        ["use crate::{", "    controller::Outcome,", "    policy::{sid, wildcard::matches},", "};", "let x = 1;"];
    let lines = (1..).zip(text.map(str::to_owned)).collect();
    let expected = [
        (1, "use crate::controller::Outcome;"),
        (1, "use crate::policy::sid;"),
        (1, "use crate::policy::wildcard::matches;"),
        (5, "let x = 1;"),
    ];
    assert_eq!(flat(lines), expected.map(|(number, line)| (number, line.to_owned())));
}
