//! A plan in a file, to look at today and to apply tomorrow.
//!
//! One JSON object a line, so that neither writing nor reading it takes memory: what the plan is for, then a change a
//! line, then their number, by which a file that was cut off is told.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write},
    path::Path,
};

use anyhow::{Context, bail, ensure};
use ecr_autopolicy::{
    configuration::Desired,
    controller::Planned,
    policy::{
        document::{Document, Statement},
        exposure::{Exposure, exposure},
        sid::SidPrefix,
    },
    reconcile::Plan,
    repository::{Registry, Repository},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::diff::sides;

const FORMAT: u32 = 1;

/// What a plan is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Purpose {
    ecr_autopolicy_plan: u32,
    registry_id: String,
    region: String,
    prefix: String,
    allow_public: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Change {
    repository: String,
    rules: Vec<String>,
    before: Option<Value>,
    after: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    changes: usize,
}

impl Purpose {
    pub(crate) fn new(registry: &Registry, prefix: &SidPrefix, allow_public: bool) -> Self {
        Self {
            ecr_autopolicy_plan: FORMAT,
            registry_id: registry.id().to_owned(),
            region: registry.region().to_owned(),
            prefix: prefix.as_str().to_owned(),
            allow_public,
        }
    }
}

/// Writes a plan.
pub(crate) struct PlanWriter {
    file: BufWriter<File>,
    changes: usize,
}

impl PlanWriter {
    pub(crate) fn new(file: File, purpose: &Purpose) -> anyhow::Result<Self> {
        let mut writer = Self { file: BufWriter::new(file), changes: 0 };
        writer.line(purpose)?;
        Ok(writer)
    }

    /// Adds what is to be done for a repository, if that is anything.
    pub(crate) fn add(&mut self, planned: &Planned) -> anyhow::Result<()> {
        let Some((before, after)) = sides(planned) else { return Ok(()) };
        self.changes += 1;
        self.line(&Change {
            repository: planned.repository.name().to_owned(),
            rules: planned.desired.rules.clone(),
            before,
            after,
        })
    }

    /// Says that the plan is complete.
    pub(crate) fn end(mut self) -> anyhow::Result<File> {
        self.line(&End { changes: self.changes })?;
        Ok(self.file.into_inner()?)
    }

    fn line(&mut self, object: &impl Serialize) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.file, object)?;
        Ok(self.file.write_all(b"\n")?)
    }
}

/// A plan that was saved.
pub(crate) struct SavedPlan {
    pub(crate) registry: Registry,
    pub(crate) prefix: SidPrefix,
    /// How many changes there are.
    pub(crate) changes: usize,
    allow_public: bool,
    file: File,
}

impl SavedPlan {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("`{name}` cannot be read"))?;
        Self::read(file).with_context(|| format!("`{name}` is no plan that can be applied"))
    }

    /// Reads what the plan is for, and whether it is complete.
    pub(crate) fn read(mut file: File) -> anyhow::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        let mut lines = BufReader::new(&file).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let purpose: Purpose = serde_json::from_str(&first)
            .ok()
            .context("it does not begin as a plan does; make one with `plan --save`")?;
        let format = purpose.ecr_autopolicy_plan;
        ensure!(format == FORMAT, "it has the format {format}, and this version knows {FORMAT}; plan again");
        let mut last = String::new();
        let mut changes = 0;
        for line in lines {
            last = line?;
            changes += 1;
        }
        let complete = serde_json::from_str::<End>(&last).is_ok_and(|end| end.changes + 1 == changes);
        ensure!(complete, "it is cut off; plan again");
        let registry = Registry::new(&purpose.registry_id, &purpose.region)?;
        let prefix = SidPrefix::new(&purpose.prefix)?;
        let saved = Self { registry, prefix, changes: changes - 1, allow_public: purpose.allow_public, file };
        // All of it is looked at before any of it is done.
        saved.planned()?.try_for_each(|planned| planned.map(|_| ()))?;
        Ok(saved)
    }

    /// The changes, one after the other.
    pub(crate) fn planned(&self) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Planned>>> {
        (&self.file).seek(SeekFrom::Start(0))?;
        let lines = BufReader::new(&self.file).lines().enumerate().skip(1).take(self.changes);
        Ok(lines.map(|(index, line)| self.change(parse(&line?, index + 1)?)))
    }

    fn change(&self, change: Change) -> anyhow::Result<Planned> {
        let document = |value: Option<Value>| value.map(Document::from_value).transpose();
        let Change { repository, rules, before, after } = change;
        let repository = Repository::new(self.registry.clone(), &repository)?;
        let (before, after) = (document(before)?, document(after)?);
        let ours = |statement: &&Statement| statement.sid().is_some_and(|sid| self.prefix.owns(sid));
        let (statements, foreign): (Vec<_>, Vec<_>) =
            after.iter().flat_map(|document| &document.statements).cloned().partition(|statement| ours(&statement));
        // The file may have been through an editor since the checks that made it.
        let known = |statement| before.as_ref().is_some_and(|before| before.statements.contains(statement));
        ensure!(foreign.iter().all(known), "it adds a foreign statement to the policy for `{}`", repository.name());
        if !self.allow_public && statements.iter().any(|statement| matches!(exposure(statement), Exposure::Public(_))) {
            bail!("it opens `{}` to everyone", repository.name());
        }
        let plan = after.map_or(Plan::Delete, Plan::Set);
        Ok(Planned { repository, current: before, desired: Desired { rules, statements }, plan })
    }
}

fn parse<T: DeserializeOwned>(line: &str, number: usize) -> anyhow::Result<T> {
    serde_json::from_str(line).with_context(|| format!("line {number} is not what it should be"))
}
