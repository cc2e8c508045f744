//! `safety-brain docs`: the manual inside the binary, so that an air-gapped plant has it. Must not know: what it says.

use clap::CommandFactory;

/// Name, what it is about, and the text.
type Text = (&'static str, &'static str, fn() -> String);

const TEXTS: &[Text] = &[
    ("readme", "what it is, the two commands, measured figures", || include_str!("../../../README.md").to_owned()),
    ("readme-zh", "the same in Chinese", || include_str!("../../../README.zh-CN.md").to_owned()),
    ("architecture", "the parts and who may know whom", || include_str!("../../../ARCHITECTURE.md").to_owned()),
    ("site", "a fully commented site file", || include_str!("../../../configs/fireworks-plant.toml").to_owned()),
    ("bureau", "a fully commented file of a bureau", || include_str!("../../../configs/bureau.toml").to_owned()),
    ("drill", "a fully commented scenario of a drill", || include_str!("../../../configs/drill-gas-leak.toml").to_owned()),
    ("rules", "the reference rules, their inputs and parameters, and how to write one", || {
        include_str!("../../../plugins/README.md").to_owned()
    }),
    ("commands", "every command with its exit statuses and examples", commands),
    ("units", "the units of tags, inputs and parameters, and the quantities of the reference rules", units),
    ("wit", "the contract between host and vendor", || include_str!("../../../wit/rule/rule.wit").to_owned()),
];

/// Read the manual.
#[derive(clap::Args)]
#[command(after_help = after!("printed", "there is no such text", "docs", "docs site"))]
pub struct DocsArgs {
    /// Which text; without it, the list
    name: Option<String>,
}

/// Prints one text, or the list.
///
/// # Errors
/// No such text.
pub fn run(args: DocsArgs) -> anyhow::Result<()> {
    let Some(name) = args.name else {
        for (name, about, _) in TEXTS {
            println!("{name:<14}{about}");
        }
        return Ok(());
    };
    let Some((_, _, text)) = TEXTS.iter().find(|(n, _, _)| *n == name) else {
        let names: Vec<_> = TEXTS.iter().map(|(n, _, _)| *n).collect();
        anyhow::bail!("no text is called {name:?}; there are: {}", names.join(", "));
    };
    println!("{}", text());
    Ok(())
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
