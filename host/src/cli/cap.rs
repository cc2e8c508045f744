//! `safety-brain cap keygen | verify | schema`: the key that signs CAP messages, and messages judged as their receiver judges them.
//! Must not know: how a message is read or signed.

use crate::config::types::Trusted;
use crate::key::{Certificate, Certified};
use crate::notices::{cap, proved};
use anyhow::{Context, bail};
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// `safety-brain cap ...`
#[derive(clap::Args)]
#[command(after_help = after!("done, and the message is good", "refused, or the message is not what it claims to be", "cap keygen --out plant --sender plant-0001@example.cn", "cap verify message.xml --certificate plant.crt"))]
pub struct CapArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a key that signs messages: NAME.key, for nobody else, and NAME.crt, its certificate, for the receivers
    #[command(after_help = after!("made", "there is such a file already, or it cannot be written", "cap keygen --out plant --sender plant-0001@example.cn"))]
    Keygen {
        /// Name of both files, without their endings
        #[arg(long, value_name = "NAME")]
        out: PathBuf,
        /// CAP sender of the plant: the name in the certificate
        #[arg(long, value_name = "SENDER")]
        sender: String,
    },
    /// Judge a CAP message: its form, what the schema lets through, and its signature
    #[command(after_help = after!("a message that may be acted on, signed with that certificate where one is given", "it is not", "cap verify message.xml", "cap verify message.xml --certificate plant.crt"))]
    Verify {
        /// The message, XML
        file: PathBuf,
        /// Its sender's certificate, PEM: the message must be signed with it
        #[arg(long, value_name = "FILE")]
        certificate: Option<PathBuf>,
        /// Print the report as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of a message's JSON form
    #[command(after_help = after!("printed", "cannot be printed", "cap schema"))]
    Schema {
        /// A JSON document; the only format, and the default
        #[arg(long)]
        json: bool,
    },
}

/// What is printed of a message.
#[derive(Serialize)]
struct Report {
    identifier: String,
    sender: String,
    sent: String,
    status: &'static str,
    msg_type: &'static str,
    /// Fingerprint of the certificate that proves the sender; none = nothing was to be proved.
    signed_by: Option<String>,
    faults: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// A file that cannot be read or made; a message that must not be acted on.
pub fn run(args: CapArgs) -> anyhow::Result<()> {
    match args.command {
        Command::Keygen { out, sender } => keygen(&out, &sender),
        Command::Verify { file, certificate, json } => verify(&file, certificate.as_deref(), json),
        Command::Schema { json: _ } => {
            println!("{}", serde_json::to_string_pretty(&cap::json::schema())?);
            Ok(())
        }
    }
}

fn keygen(out: &Path, sender: &str) -> anyhow::Result<()> {
    let ending = |ending: &str| {
        let mut name = OsString::from(out);
        name.push(ending);
        PathBuf::from(name)
    };
    let (key, certificate) = (ending(".key"), ending(".crt"));
    let made = Certified::create(&key, &certificate, sender)?;
    println!("{}: keep it to yourself; whoever has it signs in your name", key.display());
    println!("{}: for the receivers; {}", certificate.display(), made.certificate().fingerprint());
    println!("[[audience]] sign = {{ key = {key:?}, certificate = {certificate:?} }}");
    Ok(())
}

fn verify(file: &Path, certificate: Option<&Path>, json: bool) -> anyhow::Result<()> {
    let place = || file.display().to_string();
    let bytes = std::fs::read(file).with_context(place)?;
    let (message, signed_by) = match certificate {
        None => (cap::parse(&bytes).with_context(place)?, None),
        Some(path) => {
            let place_of = || path.display().to_string();
            let certificates = Certificate::all(&std::fs::read(path).with_context(place_of)?).with_context(place_of)?;
            // Whoever names the certificate says that it is the sender's.
            let sender = cap::parse(&bytes).with_context(place)?.sender;
            let proved =
                proved(&bytes, [&Trusted { name: String::new(), sender, certificates, key: None }]).with_context(place)?;
            (proved.message, Some(proved.by))
        }
    };
    let faults = cap::check(&message);
    let report = Report {
        status: message.status.word(),
        msg_type: message.msg_type.word(),
        identifier: message.identifier,
        sender: message.sender,
        sent: message.sent,
        signed_by,
        faults,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        let Report { identifier, sender, sent, status, msg_type, signed_by, faults } = &report;
        let signed = signed_by.as_deref().unwrap_or("not looked at: no --certificate");
        let mut lines = vec![format!("{msg_type} {identifier} of {sender}, {status}, {sent}"), format!("signed by {signed}")];
        lines.extend(faults.iter().map(|fault| format!("FAULT {fault}")));
        // A name in a foreign file must not look like a line of ours.
        lines.iter().for_each(|line| println!("{}", line.replace(char::is_control, "\u{fffd}")));
    }
    match report.faults.first() {
        None => Ok(()),
        Some(first) => bail!("{} must not be acted on: {} faults, the first: {first}", file.display(), report.faults.len()),
    }
}
