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
    Source { path: parts.collect::<Vec<_>>().join("/"), lines }
}
