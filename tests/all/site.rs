//! A small plant as a site file, and a client for its console, both written from outside.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Bearer token of the plant's only lead, and of its bureau.
pub const TOKEN: &str = "sb_lead_token_of_the_tests";
const BUREAU: &str = "sb_bureau_token_of_the_tests";

/// Probes that take turns to rise over their limit: one that rose three times a minute would chatter, and tell nobody anew.
pub const PROBES: u64 = 24;

/// Name of a probe.
pub fn probe_name(probe: u64) -> String {
    if probe == 0 { "PROBE".to_owned() } else { format!("PROBE{probe}") }
}

/// Where the strangers listen.
pub struct Site {
    pub mqtt: u16,
    pub modbus: Option<u16>,
    pub bureau: u16,
    pub console: u16,
}

impl Site {
    /// The site file: a counter and a probe over MQTT, a pressure over Modbus where there is a device, red limits that go to the bureau at once.
    pub fn toml(&self) -> String {
        let Site { mqtt, bureau, console, .. } = self;
        let text = |zh: &str| format!("{{ zh = \"{zh}\", en = \"{zh}\" }}");
        let title = text("test");
        let tag = |name: &str, link: &str, quantity: &str, high: &str| {
            format!(
                "[[tag]]\nname = \"{name}\"\ntitle = {title}\nzone = \"hall\"\nlink = \"{link}\"\nunit = \"kPa\"\nquantity = \"{quantity}\"\nrange = [0, {high}]\nperiod = \"1s\"\nsilent = \"10min\"\n"
            )
        };
        let limit = |hazard: &str, value: &str| {
            format!(
                "[[tag.limit]]\nhazard = \"{hazard}\"\ntitle = {title}\nkind = \"high\"\nvalue = {value}\nseverity = \"red\"\ndeadband = 5\n\
                 citation = {{ confidence = \"own\" }}\ncause = {title}\nconsequence = {title}\naction = {title}\n"
            )
        };
        let mut file = format!(
            "[site]\nid = \"test\"\ntitle = {title}\nsender = \"test@plant.example\"\n[storage]\nsegment_mib = 4\n[console]\nbind = \"127.0.0.1:{console}\"\n\
             [[zone]]\nname = \"hall\"\ntitle = {title}\nladder = \"all\"\narea = {{ latitude = 28.15, longitude = 113.63 }}\n\
             [[link]]\nname = \"field\"\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\nport = {mqtt}\n\
             [[link.topic]]\nfilter = \"plant/+\"\npayload = \"json\"\ntag_level = 1\nvalue = \"/v\"\ntime = {{ pointer = \"/t\", format = \"us\" }}\n"
        );
        file += &tag("COUNT", "field", "count", "1e9");
        for probe in 0..PROBES {
            file += &tag(&probe_name(probe), "field", "pressure", "1e9");
            file += &limit("test.high", "100");
        }
        if let Some(port) = self.modbus {
            file += &format!(
                "[[link]]\nname = \"rtu\"\nkind = \"modbus\"\nhost = \"127.0.0.1\"\nport = {port}\n[[link.point]]\ntag = \"P\"\ntable = \"holding\"\naddress = 0\ntype = \"f32\"\n"
            );
            file += &tag("P", "rtu", "pressure", "1000");
            file += &limit("test.pressure", "300");
        }
        file += &format!(
            "[[audience]]\nname = \"bureau\"\ntitle = {title}\nchannel = \"cap\"\nbureau = true\nurl = \"http://127.0.0.1:{bureau}/cap\"\ntimeout = \"2s\"\n\
             [[audience]]\nname = \"crew\"\ntitle = {title}\nchannel = \"console\"\n\
             [[ladder]]\nname = \"all\"\n\
             [[ladder.rung]]\nname = \"crew\"\naudience = \"crew\"\nkind = \"at_once\"\n\
             after = {{ blue = \"0s\", yellow = \"0s\", orange = \"0s\", red = \"0s\" }}\n\
             [[ladder.rung]]\nname = \"bureau\"\naudience = \"bureau\"\nkind = \"at_once\"\nafter = {{ red = \"0s\" }}\n"
        );
        for (name, role, token) in [("测试", "lead", TOKEN), ("局方", "bureau", BUREAU)] {
            file += &format!("[[person]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken_sha256 = \"{}\"\n", sha256(token));
        }
        file
    }
}

/// SHA-256, hex.
pub fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// JSON at a path of the console.
pub fn get(console: u16, path: &str) -> Result<Value, String> {
    let (_, body) = request(console, "GET", path, TOKEN, "", "").map_err(|e| e.to_string())?;
    serde_json::from_str(&body).map_err(|e| format!("{e}: {body}"))
}

/// Whatever text is at a path of the console.
pub fn text(console: u16, path: &str) -> Result<String, String> {
    match request(console, "GET", path, TOKEN, "", "").map_err(|e| e.to_string())? {
        (200, body) => Ok(body),
        (status, body) => Err(format!("{status}: {body}")),
    }
}

/// Status of a POST. CAP is posted as the bureau, everything else as the lead.
pub fn post(console: u16, path: &str, kind: &str, body: &str) -> u16 {
    let token = if kind.contains("cap") { BUREAU } else { TOKEN };
    let (status, said) = request(console, "POST", path, token, kind, body).unwrap();
    if status >= 300 {
        eprintln!("{path}: {status} {said}");
    }
    status
}

/// Status and body of any request.
pub fn request(port: u16, method: &str, path: &str, token: &str, kind: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // In one piece: a server that answers before all of it has come would close on the rest.
    let whole = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(whole.as_bytes())?;
    let mut all = String::new();
    stream.read_to_string(&mut all)?;
    let status = all.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, all.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}
