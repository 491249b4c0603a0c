//! `templates`: what there is to choose from.

use anyhow::Context;
use comfy_table::{Table, presets};
use ecr_autopolicy::{
    finding::nearest,
    policy::template::{Template, Variable},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{exit::Exit, printer::Printer};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ecr-autopolicy templates
  ecr-autopolicy templates organization-ou")]
pub(crate) struct TemplatesArgs {
    /// The template to show.
    name: Option<String>,
}

/// The templates.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Listed {
    templates: Vec<Shown>,
}

#[derive(Serialize, JsonSchema)]
struct Shown {
    name: &'static str,
    description: String,
    variables: Vec<ShownVariable>,
    policy: Value,
}

#[derive(Serialize, JsonSchema)]
struct ShownVariable {
    name: String,
    description: String,
    required: bool,
    default: Option<Value>,
    example: String,
}

pub(crate) fn run(args: &TemplatesArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let Some(name) = &args.name else {
        let templates = Template::names().filter_map(|name| Some(shown(name, Template::named(name)?))).collect();
        let listed = Listed { templates };
        printer.result(|| table(&listed.templates), &listed)?;
        return Ok(Exit::Success);
    };
    let known = Template::names().find(|known| known == name).and_then(|name| Some((name, Template::named(name)?)));
    let (name, template) = known.with_context(|| {
        let near = nearest(name, Template::names()).map(|near| format!("; did you mean `{near}`?"));
        format!(
            "unknown template `{name}`{}",
            near.unwrap_or_else(|| "; `ecr-autopolicy templates` lists them".to_owned())
        )
    })?;
    let shown = shown(name, template);
    let listed = Listed { templates: vec![shown] };
    printer.result(|| listed.templates.iter().map(details).collect(), &listed)?;
    Ok(Exit::Success)
}

fn shown(name: &'static str, template: Template) -> Shown {
    let variable = |(name, variable): (String, Variable)| ShownVariable {
        example: variable.example(&name),
        required: variable.default.is_none(),
        description: variable.description,
        default: variable.default,
        name,
    };
    Shown {
        name,
        description: template.description,
        variables: template.variables.into_iter().map(variable).collect(),
        policy: template.policy,
    }
}

fn table(templates: &[Shown]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["TEMPLATE", "VARIABLES", "FOR WHOM"]);
    for template in templates {
        let variables = template.variables.iter().map(|variable| match variable.required {
            true => variable.name.clone(),
            false => format!("[{}]", variable.name),
        });
        table.add_row([
            template.name.to_owned(),
            variables.collect::<Vec<_>>().join(", "),
            template.description.clone(),
        ]);
    }
    table.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n")
}

fn details(template: &Shown) -> String {
    let mut text = format!("{}: {}\n", template.name, template.description);
    for variable in &template.variables {
        let default = variable.default.as_ref().map(|default| format!(" (default {default})")).unwrap_or_default();
        text += &format!("\n  {}{default}\n      {}\n", variable.example, variable.description);
    }
    text + &format!("\n{:#}\n", template.policy)
}
