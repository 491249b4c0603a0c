//! Which repositories a command is about.

use std::{collections::BTreeSet, time::Duration};

use ecr_autopolicy::{
    aws::{Deadline, RegistryClient, Unreachable},
    controller::{Controller, Target},
    error::Error,
    policy::{sid::SidPrefix, wildcard},
    repository::{InvalidRepository, Registry, Repository},
};

use crate::{
    args::{PrefixArgs, ScopeArgs},
    aws::connect,
    names::Names,
    printer::Printer,
    tally::{Absence, Problem, Tally},
};

/// A service that cannot be reached at all is given up after this.
const UNREACHABLE: Duration = Duration::from_secs(20);

/// Repositories of one registry, and the means to act on them.
pub(crate) struct Scope {
    pub(crate) controller: Controller,
    pub(crate) registry: Registry,
    /// Their names, in their order.
    pub(crate) names: Names,
    /// What ECR lists though it cannot be a repository's name.
    strange: Vec<InvalidRepository>,
    patience: Duration,
}

impl Scope {
    /// Lists the repositories.
    pub(crate) async fn open(args: &ScopeArgs, prefix: &PrefixArgs, printer: &Printer) -> anyhow::Result<Self> {
        let prefix = SidPrefix::new(&prefix.prefix)?;
        let aws = connect(&args.connection).await?;
        let patience = Duration::from_secs(args.patience);
        let client = RegistryClient::new(aws.connection);
        let list = List { client: &client, region: &aws.region, registry_id: args.registry_id.as_deref(), patience };
        let (registry_id, listed) = list.matching(&args.patterns, printer).await?;
        // Of an empty registry nobody says whose it is; there is nothing to do in it either.
        let id = args.registry_id.clone().or(registry_id).unwrap_or_else(|| Registry::sample().id().to_owned());
        let registry = Registry::new(&id, &aws.region)?;
        let controller = Controller::new(client, prefix).reading_tags(args.read_tags);
        let (mut names, mut strange) = (Names::default(), Vec::new());
        for name in listed.iter() {
            match Repository::new(registry.clone(), name) {
                Ok(_) => names.extend([name.to_owned()]),
                Err(error) => strange.push(error),
            }
        }
        if printer.is_json() {
            strange.iter().for_each(|error| printer.note(error));
        }
        Ok(Self { controller, registry, names, strange, patience })
    }

    /// A registry, without asking what is in it.
    pub(crate) async fn of(registry: Registry, prefix: SidPrefix, args: &ScopeArgs) -> anyhow::Result<Self> {
        let aws = connect(&args.connection).await?;
        let controller = Controller::new(RegistryClient::new(aws.connection), prefix);
        Ok(Self {
            controller,
            registry,
            names: Names::default(),
            strange: Vec::new(),
            patience: Duration::from_secs(args.patience),
        })
    }

    /// The repositories, whose tags nobody knows yet.
    pub(crate) fn targets(&self) -> impl Iterator<Item = anyhow::Result<Target>> {
        let target = |name: &str| Ok(Target { repository: Repository::new(self.registry.clone(), name)?, tags: None });
        self.names.iter().map(target)
    }

    /// What has become of the repositories before any work: those with a name that cannot be one have failed.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for error in &self.strange {
            let problem = Problem { label: "InvalidEvent", message: error.to_string() };
            tally.add_absence(error.name(), &Absence::Failed(problem));
        }
        tally
    }

    /// How long one repository may take.
    pub(crate) fn deadline(&self) -> Deadline {
        deadline(self.patience)
    }

    /// What the user calls the registry.
    pub(crate) fn place(&self) -> String {
        match self.registry.id() {
            // The registry is empty, and nobody has said whose it is.
            id if id == Registry::sample().id() => format!("the registry in {}", self.registry.region()),
            id => format!("{id} in {}", self.registry.region()),
        }
    }
}

fn deadline(patience: Duration) -> Deadline {
    Deadline::after(patience).unreachable_for(UNREACHABLE)
}

struct List<'a> {
    client: &'a RegistryClient,
    region: &'a str,
    registry_id: Option<&'a str>,
    patience: Duration,
}

impl List<'_> {
    /// The registry's id, and the names that match. It is an error where a pattern matches none, since its author
    /// expects otherwise.
    async fn matching(&self, patterns: &[String], printer: &Printer) -> anyhow::Result<(Option<String>, Names)> {
        if !patterns.is_empty() && !patterns.iter().any(|pattern| wildcard::is_pattern(pattern)) {
            return self.named(patterns).await;
        }
        let mut names = Names::default();
        let mut registry_id = None;
        let mut next = None;
        printer.start_progress(0);
        loop {
            let page = self.client.page(self.region, self.registry_id, next.as_deref(), deadline(self.patience)).await;
            let page = page.map_err(Error::from)?;
            registry_id = registry_id.or(page.registry_id);
            let matches =
                |name: &String| patterns.is_empty() || patterns.iter().any(|pattern| wildcard::matches(pattern, name));
            names.extend(page.names.into_iter().filter(matches));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        printer.end_progress();
        names.sort();
        let matched = |pattern: &&String| names.iter().any(|name| wildcard::matches(pattern, name));
        match patterns.iter().find(|pattern| !matched(pattern)) {
            Some(pattern) => anyhow::bail!("no repository matches `{pattern}` in {}", self.region),
            None => Ok((registry_id, names)),
        }
    }

    /// The repositories of these names, without the list of all others.
    async fn named(&self, wanted: &[String]) -> anyhow::Result<(Option<String>, Names)> {
        let mut found = BTreeSet::new();
        let mut registry_id = None;
        for name in wanted {
            Repository::new(Registry::sample(), name)?;
            let page = self.client.named(self.region, self.registry_id, name, deadline(self.patience)).await;
            let page = page.map_err(|error| match error {
                Unreachable::Gone => anyhow::anyhow!("there is no repository `{name}` in {}", self.region),
                Unreachable::Failed(error) => error.into(),
            })?;
            registry_id = registry_id.or(page.registry_id);
            found.extend(page.names);
        }
        let mut names = Names::default();
        names.extend(found);
        Ok((registry_id, names))
    }
}
