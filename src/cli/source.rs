//! Where a configuration comes from, and what is said about it.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use ecr_autopolicy::{
    aws::{Deadline, ParameterClient},
    configuration::{Configuration, Findings},
    controller::Wanted,
    policy::sid::SidPrefix,
    repository::Registry,
};

use crate::{
    args::{ConnectionArgs, PrefixArgs, SourceArgs},
    aws::connect,
    printer,
    printer::Printer,
};

/// How long the parameter is asked for.
pub(crate) const PARAMETER_PATIENCE: Duration = Duration::from_secs(30);

/// A configuration as it was written.
pub(crate) struct SourceText {
    /// What the user calls it.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A configuration with its findings.
pub(crate) struct Source {
    /// What the user calls it.
    pub(crate) name: String,
    pub(crate) configuration: Configuration,
    pub(crate) findings: Findings,
    pub(crate) prefix: SidPrefix,
    pub(crate) registry: Registry,
}

impl SourceText {
    pub(crate) async fn read(args: &SourceArgs, connection: &ConnectionArgs) -> anyhow::Result<Self> {
        match (&args.file, &args.parameter) {
            (Some(path), _) => Self::of_file(path),
            (None, Some(name)) => {
                let aws = connect(connection).await?;
                let parameter = ParameterClient::new(&aws.connection, name.clone());
                let stored = parameter.read(Deadline::after(PARAMETER_PATIENCE)).await?;
                Ok(Self { name: name.clone(), text: stored.value })
            }
            (None, None) => anyhow::bail!("no configuration; name a file, `-`, or `--parameter NAME`"),
        }
    }

    pub(crate) fn of_file(path: &PathBuf) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("the standard input cannot be read")?;
            return Ok(Self { name: "standard input".to_owned(), text });
        }
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| format!("`{name}` cannot be read"))?;
        Ok(Self { name, text })
    }

    /// What it means for a registry.
    pub(crate) fn examine(&self, prefix: &PrefixArgs, registry: &Registry) -> anyhow::Result<Source> {
        let prefix = SidPrefix::new(&prefix.prefix)?;
        let (configuration, findings) = Configuration::examine(&self.text, &prefix, registry);
        Ok(Source { name: self.name.clone(), configuration, findings, prefix, registry: registry.clone() })
    }
}

impl Source {
    /// What repositories are brought in line with.
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted { configuration: &self.configuration, name: &self.name }
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

/// The registry to check for without asking AWS which it is.
pub(crate) fn offline_registry(id: Option<&str>, connection: &ConnectionArgs) -> anyhow::Result<Registry> {
    let sample = Registry::sample();
    let region = connection.region.as_deref().unwrap_or(sample.region());
    Ok(Registry::new(id.unwrap_or(sample.id()), region)?)
}
