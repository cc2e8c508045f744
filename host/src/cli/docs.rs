//! `safety-brain docs`: the manual inside the binary, so that an air-gapped plant has it. Must not know: what it says.

use clap::CommandFactory;

/// Name, what it is about, and the text.
type Text = (&'static str, &'static str, fn() -> String);

const TEXTS: &[Text] = &[
    ("readme", "what it is, the two commands, measured figures", || include_str!("../../../README.md").to_owned()),
    ("readme-zh", "the same in Chinese", || include_str!("../../../README.zh-CN.md").to_owned()),
    ("architecture", "the parts and who may know whom", || include_str!("../../../ARCHITECTURE.md").to_owned()),
    ("site", "a fully commented site file", || include_str!("../../../configs/fireworks-plant.toml").to_owned()),
    ("modbus", "a commented site file with [[link]]s over Modbus TCP, their points and MQTT of scalars", || {
        include_str!("../../../configs/gas-district.toml").to_owned()
    }),
    ("bureau", "a fully commented file of a bureau", || include_str!("../../../configs/bureau.toml").to_owned()),
    ("drill", "a fully commented scenario of a drill", || include_str!("../../../configs/drill-gas-leak.toml").to_owned()),
    ("rules", "the reference rules, their inputs and parameters, and how to write one", || {
        include_str!("../../../plugins/README.md").to_owned()
    }),
    ("cases", "how a case of a rule is written: its tables of rows and of what must be said", cases),
    ("rules-zh", "the guide for vendors in Chinese", || include_str!("../../../plugins/README.zh-CN.md").to_owned()),
    ("languages", "rules in C, JavaScript and Python: how they are built, and what they cost", || {
        include_str!("../../../plugins/examples/README.md").to_owned()
    }),
    ("contract", "what may change in the contract, and what its words are for", || {
        include_str!("../../../wit/README.md").to_owned()
    }),
    ("api", "alarms and rules over HTTP, each route with its curl", || API.to_owned()),
    ("commands", "every command with its exit statuses and examples", commands),
    ("units", "the units of tags, inputs and parameters, and the quantities of the reference rules", units),
    ("wit", "the contract between host and vendor", || include_str!("../../../wit/rule/rule.wit").to_owned()),
];

const API: &str = include_str!("api.md");

/// Read the manual.
#[derive(clap::Args)]
#[command(after_help = after!("printed", "it cannot be printed", "docs", "docs site"))]
pub struct DocsArgs {
    /// Which text; without it, the list
    #[arg(value_parser = called)]
    name: Option<Text>,
}

/// The text of this name.
fn called(name: &str) -> Result<Text, String> {
    // As the commands are called.
    let name = if name == "plugins" || name == "plugin" { "rules" } else { name };
    let names = || TEXTS.iter().map(|(name, _, _)| *name).collect::<Vec<_>>().join(", ");
    TEXTS.iter().find(|(known, _, _)| *known == name).copied().ok_or_else(|| format!("there are: {}", names()))
}

/// Prints one text, or the list.
pub fn run(args: DocsArgs) {
    match args.name {
        Some((_, _, text)) => println!("{}", text()),
        None => TEXTS.iter().for_each(|(name, about, _)| println!("{name:<14}{about}")),
    }
}

/// What stands at the head of the SDK's reader of cases.
fn cases() -> String {
    let source = include_str!("../../../plugins/sdk/src/cases.rs");
    let head = source.lines().map_while(|line| line.strip_prefix("//!"));
    head.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

/// Which words stand for what is measured, and in what.
fn units() -> String {
    let units = crate::config::units::UNITS.join("  ");
    format!(
        "Units, as machines write them (UCUM, and %LEL); a site declares others under `units`:\n\n{units}\n\n\
         A quantity is any word that a site's tag and a rule's input share. Those of the reference rules:\n\n\
         gas  humidity  mass  people  pressure  raw  temperature  toxic\n"
    )
}

/// The help of every command, as `--help` prints it.
fn commands() -> String {
    fn add(command: &mut clap::Command, text: &mut String) {
        *text += &format!("{}\n\n{}\n", "=".repeat(100), command.render_long_help());
        command.get_subcommands_mut().filter(|of| of.get_name() != "help").for_each(|of| add(of, text));
    }
    let (mut all, mut text) = (super::Cli::command(), String::new());
    all.build();
    add(&mut all, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link of a text leads nowhere on a plant without a network; the text that it means is here under another name.
    #[test]
    fn what_a_text_names_is_there() {
        for text in TEXTS.iter().map(|(_, _, text)| text()) {
            for name in text.split("`safety-brain docs ").skip(1).chain(text.split("`docs ").skip(1)) {
                let name = name.split(['`', ' ']).next().unwrap_or_default();
                assert!(TEXTS.iter().any(|(known, _, _)| *known == name), "`docs {name}`");
            }
        }
    }

    #[test]
    fn every_route_of_the_text_is_one() {
        let routes = include_str!("../console/routes.rs");
        let paths = API.split("$SB").skip(1).map(|rest| rest.split(['"', '?']).next().unwrap_or_default());
        let paths: Vec<String> =
            paths.map(|path| path.replace("/rules/hot", "/rules/{rule}").replace("/alarms/1", "/alarms/{id}")).collect();
        assert!(paths.len() > 15, "{paths:?}");
        for path in paths {
            assert!(routes.contains(&format!("\"{path}\"")), "{path}");
        }
    }
}
