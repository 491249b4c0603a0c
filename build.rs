//! Lists the files of `policies/`, so that a new template or access level is a new file and nothing else.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let policies = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("policies");
    let generated = format!(
        "pub(super) const TEMPLATES: &[(&str, &str)] = &[{}];\n\
         pub(super) const ACCESS_LEVELS: &[(&str, &str)] = &[{}];\n\
         pub(super) const ACTIONS: &[(&str, &str)] = &[{}];\n",
        listing(&policies)?,
        listing(&policies.join("access-levels"))?,
        listing(&policies.join("actions"))?,
    );
    let target = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(target.join("policies.rs"), generated)
}

/// The JSON files of a folder as `(name, include_str!(path))` pairs, sorted by name.
fn listing(folder: &Path) -> io::Result<String> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files
        .iter()
        .map(|path| format!("({:?}, include_str!({path:?})),", path.file_stem().unwrap_or_default()))
        .collect())
}
