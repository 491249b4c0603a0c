//! Where a configuration comes from, and what is said about it.

use std::{io::Read, path::Path};

use anyhow::Context;
use ecr_autopolicy::{
    configuration::{Configuration, Findings},
    policy::sid::SidPrefix,
    repository::Registry,
};

use crate::{args::SourceArgs, printer, printer::Printer};

/// A configuration with its findings.
pub(crate) struct Source {
    /// What the user calls it.
    pub(crate) name: String,
    pub(crate) configuration: Configuration,
    pub(crate) findings: Findings,
    pub(crate) prefix: SidPrefix,
    pub(crate) registry: Registry,
}

impl Source {
    pub(crate) fn read(args: &SourceArgs) -> anyhow::Result<Self> {
        let prefix = SidPrefix::new(&args.prefix)?;
        let registry = Registry::new(&args.registry_id, &args.region)?;
        let (name, text) = match args.file.as_path() {
            path if path == Path::new("-") => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("the standard input cannot be read")?;
                ("standard input".to_owned(), text)
            }
            path => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path).with_context(|| format!("`{name}` cannot be read"))?;
                (name, text)
            }
        };
        let (configuration, findings) = Configuration::examine(&text, &prefix, &registry);
        Ok(Self { name, configuration, findings, prefix, registry })
    }

    /// The findings as text, in the order of their places.
    pub(crate) fn findings_text(&self) -> String {
        let findings = self.findings.0.iter().map(|finding| printer::finding(finding, &self.name));
        findings.collect::<Vec<_>>().join("\n")
    }

    /// Says the findings on stderr, and fails where one is an error.
    pub(crate) fn require_valid(&self, printer: &Printer) -> anyhow::Result<()> {
        if !self.findings.0.is_empty() {
            printer.note(self.findings_text());
        }
        anyhow::ensure!(!self.findings.has_errors(), "the configuration in {} cannot be used", self.name);
        Ok(())
    }
}
