//! The plant of the benchmark as a site file: 980 gas detectors judged by 61 sandboxed rules, 800 probes with a built-in red limit whose alarms go
//! to the receiver at once. Must not know: the load.

use crate::load::{LIMIT, PROBES, TAGS, tag};
use std::fmt::Write;
use std::path::Path;

/// Detectors per rule.
const PER_RULE: usize = 16;

const TITLE: &str = "{ zh = \"b\", en = \"b\" }";

/// Site, hall, link and ladder.
fn head(mqtt: u16, receiver: u16, console: u16, plugins: &Path) -> String {
    let title = TITLE;
    format!(
        "[site]\nid = \"bench\"\ntitle = {title}\nsender = \"bench@plant.example\"\nmode = \"test\"\n[console]\nbind = \"127.0.0.1:{console}\"\n[plugins]\ndir = \"{}\"\nallow_unsigned = true\n\
         [[zone]]\nname = \"hall\"\ntitle = {title}\nladder = \"all\"\nquota.people = 2\n\
         [[link]]\nname = \"field\"\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\nport = {mqtt}\n\
         [[link.topic]]\nfilter = \"bench/+\"\npayload = \"json\"\ntag_level = 1\nvalue = \"/v\"\ntime = {{ pointer = \"/t\", format = \"us\" }}\n\
         [[audience]]\nname = \"bureau\"\ntitle = {title}\nchannel = \"cap\"\nbureau = true\nurl = \"http://127.0.0.1:{receiver}/cap\"\n\
         [[ladder]]\nname = \"all\"\n[[ladder.rung]]\nname = \"bureau\"\naudience = \"bureau\"\nkind = \"at_once\"\nafter = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n",
        plugins.display()
    )
}

/// A small plant at rest: one instance of each reference rule.
pub fn two_rules(mqtt: u16, console: u16, plugins: &Path) -> String {
    let mut file = head(mqtt, 9, console, plugins);
    let tags = [("G1", "%LEL", "gas"), ("P1", "1", "people"), ("T1", "Cel", "temperature"), ("H1", "%", "humidity")];
    for (name, unit, quantity) in tags {
        let _ = write!(
            file,
            "[[tag]]\nname = \"{name}\"\ntitle = {TITLE}\nzone = \"hall\"\nlink = \"field\"\nunit = \"{unit}\"\nquantity = \"{quantity}\"\nrange = [0, 100]\nperiod = \"1s\"\n"
        );
    }
    file.push_str("[[rule]]\nname = \"gas\"\nplugin = \"gas-detector@0.1.0\"\nzone = \"hall\"\ninputs = { gas = [\"G1\"] }\n");
    file.push_str(
        "[[rule]]\nname = \"room\"\nplugin = \"fireworks-room@0.1.0\"\nzone = \"hall\"\n\
         inputs = { people = [\"P1\"], temperature = [\"T1\"], humidity = [\"H1\"] }\nparams = { building_class = \"1.1\", quota_people = 2 }\n",
    );
    file
}

/// The site file of the load.
pub fn site_file(mqtt: u16, receiver: u16, console: u16, plugins: &Path) -> String {
    let title = TITLE;
    let mut file = head(mqtt, receiver, console, plugins);
    let detectors = TAGS - PROBES;
    for index in 0..TAGS {
        let (unit, quantity, high) = if index < detectors { ("%LEL", "gas", "100") } else { ("kPa", "pressure", "1e9") };
        let _ = write!(
            file,
            "[[tag]]\nname = \"{}\"\ntitle = {title}\nzone = \"hall\"\nlink = \"field\"\nunit = \"{unit}\"\nquantity = \"{quantity}\"\nrange = [0, {high}]\nperiod = \"1s\"\nsilent = \"8h\"\n",
            tag(index)
        );
        if index >= detectors {
            let _ = write!(
                file,
                "[[tag.limit]]\nhazard = \"bench.high\"\ntitle = {title}\nkind = \"high\"\nvalue = {LIMIT}\nseverity = \"red\"\ndeadband = 5\ncitation = {{ confidence = \"own\" }}\n\
                 cause = {title}\nconsequence = {title}\naction = {title}\n"
            );
        }
    }
    for (rule, first) in (0..detectors).step_by(PER_RULE).enumerate() {
        let tags: Vec<String> = (first..detectors.min(first + PER_RULE)).map(|index| format!("\"{}\"", tag(index))).collect();
        let _ = write!(
            file,
            "[[rule]]\nname = \"gas-{rule}\"\nplugin = \"gas-detector@0.1.0\"\nzone = \"hall\"\ninputs = {{ gas = [{}] }}\n",
            tags.join(", ")
        );
    }
    file
}

/// A plant of so many probes over one limit each, of these levels in turn.
pub fn flood(mqtt: u16, receiver: u16, console: u16, plugins: &Path, probes: usize, levels: &[&str]) -> String {
    let (title, mut file) = (TITLE, head(mqtt, receiver, console, plugins));
    for index in 0..probes {
        let _ = write!(
            file,
            "[[tag]]\nname = \"{}\"\ntitle = {title}\nzone = \"hall\"\nlink = \"field\"\nunit = \"kPa\"\nquantity = \"pressure\"\nrange = [0, 1e9]\nperiod = \"1s\"\nsilent = \"8h\"\n\
             [[tag.limit]]\nhazard = \"bench.high\"\ntitle = {title}\nkind = \"high\"\nvalue = {LIMIT}\nseverity = \"{}\"\ndeadband = 5\ncitation = {{ confidence = \"own\" }}\n\
             cause = {title}\nconsequence = {title}\naction = {title}\n",
            tag(index),
            levels[index % levels.len()]
        );
    }
    file
}
