//! `safety-brain docs`: the manual inside the binary, so that an air-gapped plant has it. Must not know: what it says.

/// The texts, by name.
const TEXTS: &[(&str, &str, &str)] = &[
    ("readme", "what it is, the two commands, measured figures", include_str!("../../../README.md")),
    ("readme-zh", "the same in Chinese", include_str!("../../../README.zh-CN.md")),
    ("architecture", "the parts and who may know whom", include_str!("../../../ARCHITECTURE.md")),
    ("site", "a fully commented site file", include_str!("../../../configs/fireworks-plant.toml")),
    (
        "rules",
        "the reference rules, their inputs and parameters, and how to write one",
        include_str!("../../../plugins/README.md"),
    ),
    ("wit", "the contract between host and vendor", include_str!("../../../wit/rule/rule.wit")),
];

/// Read the manual.
#[derive(clap::Args)]
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
    println!("{text}");
    Ok(())
}
