//! `schema`: the configuration's JSON Schema.

use ecr_autopolicy::configuration::json_schema::json_schema;

use crate::{exit::Exit, printer::Printer};

pub(crate) fn run(printer: &Printer) -> anyhow::Result<Exit> {
    printer.json(&json_schema())?;
    Ok(Exit::Success)
}
