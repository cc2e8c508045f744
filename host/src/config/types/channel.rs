//! How an audience is reached: one enum, plain data from the site file. Must not know: how anything is sent.

use super::{CapChannel, Secret, Tls};

/// How an audience is reached.
#[derive(Clone, Debug)]
pub enum Channel {
    /// The plant's own screens.
    Console,
    /// CAP 1.2 over HTTP(S) POST.
    Cap(CapChannel),
    /// A request made from templates: any webhook, an SMS gateway, a voice gateway.
    Webhook(Webhook),
    /// A bot of a group chat.
    Bot(Bot),
    /// CAP 1.2 as a message of an MQTT broker.
    Mqtt(MqttChannel),
    /// CAP 1.2 as a message of a NATS JetStream.
    Nats(Nats),
    /// E-mail.
    Mail(Mail),
    /// A siren or beacon.
    Annunciator(Annunciator),
}

/// What a templated request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// Whatever takes it.
    Webhook,
    /// Short messages: all numbers in one request.
    Sms,
    /// Calls: one number in each request, the next one of the list in each further try.
    Voice,
}

/// A request made from templates.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// What it is for.
    pub gateway: Gateway,
    /// `https://...`, or `http://` on loopback.
    pub url: Template,
    /// Headers beside the content type.
    pub headers: Vec<(String, Template)>,
    /// None = a GET.
    pub body: Option<Template>,
    /// How a value stands in the body.
    pub encoding: Encoding,
    /// Numbers, or whatever the receiver calls who is told; never empty for SMS and voice.
    pub to: Vec<String>,
    /// What a success must say: a JSON Pointer into the answer, and the value there as text. None = a status of success is enough.
    pub says: Option<(String, String)>,
    /// Private CA and our certificate.
    pub tls: Option<Tls>,
    /// For one try.
    pub timeout_ms: u64,
}

/// How a value is written in a template, so that it can say nothing but itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Inside a JSON string.
    Json,
    /// Percent-encoded, as in addresses and forms.
    Form,
    /// In XML text.
    Xml,
    /// As it is, without line breaks where it is a header.
    Text,
}

impl Encoding {
    /// Content type of a body in this form.
    pub fn media_type(self) -> &'static str {
        match self {
            Encoding::Json => "application/json; charset=utf-8",
            Encoding::Form => "application/x-www-form-urlencoded",
            Encoding::Xml => "application/xml; charset=utf-8",
            Encoding::Text => "text/plain; charset=utf-8",
        }
    }
}

/// A text with places for values.
#[derive(Clone, Debug, Default)]
pub struct Template(pub Vec<Part>);

/// A part of a template.
#[derive(Clone, Debug)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// A value of the notice: one of [`FIELDS`].
    Field(&'static str),
    /// Known to the site file alone, and filled in at each try: it is on no record.
    Secret(Secret),
    /// Who is told.
    To,
}

impl Part {
    /// What always stands there; none where a value goes.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Part::Text(text) => Some(text),
            Part::Field(_) | Part::Secret(_) | Part::To => None,
        }
    }
}

/// Values of a notice that a template may name. Texts are there in both languages: `.zh` and `.en`.
pub const FIELDS: [&str; 24] = [
    "alarm",
    "also",
    "audience",
    "duty",
    "headline.en",
    "headline.zh",
    "identifier",
    "kind",
    "level.en",
    "level.zh",
    "mode",
    "reason",
    "severity",
    "short.en",
    "short.zh",
    "site.en",
    "site.zh",
    "text.en",
    "text.zh",
    "time",
    "title.en",
    "title.zh",
    "zone.en",
    "zone.zh",
];

/// Whose bot it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// 企业微信.
    Wecom,
    /// 钉钉.
    Dingtalk,
    /// 飞书.
    Feishu,
}

/// A bot of a group chat. It can only tell: nobody acknowledges there.
#[derive(Clone, Debug)]
pub struct Bot {
    /// Whose.
    pub vendor: Vendor,
    /// Its address, which is all that is needed to speak in its name.
    pub url: Secret,
    /// Signs what is sent, where the group asks for it.
    pub sign: Option<Secret>,
    /// For one try.
    pub timeout_ms: u64,
}

/// An MQTT 3.1.1 broker that is visited for one message at a time.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Nobody else's at this broker.
    pub client_id: String,
    /// Sign-in.
    pub username: Option<String>,
    /// Sign-in.
    pub password: Option<Secret>,
    /// Encrypted unless loopback or `insecure = true`.
    pub tls: Option<Tls>,
    /// For one visit.
    pub timeout_ms: u64,
}

/// CAP 1.2 to a topic, QoS 1, not retained.
#[derive(Clone, Debug)]
pub struct MqttChannel {
    /// Where.
    pub broker: Broker,
    /// Without wildcards.
    pub topic: String,
    /// How the message is made; its address is not called.
    pub cap: CapChannel,
}

/// CAP 1.2 to a subject that a JetStream keeps; the stream takes each identifier once.
#[derive(Clone, Debug)]
pub struct Nats {
    /// Without wildcards.
    pub subject: String,
    /// Sign-in, beside the token of `cap`.
    pub login: Option<(String, Secret)>,
    /// Where (`nats://HOST:PORT`), with which certificates, and how the message is made.
    pub cap: CapChannel,
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS before anything is said of us, or nothing.
    Starttls,
    /// None: loopback, or `insecure = true`.
    Plain,
}

/// E-mail by SMTP.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Name or address of the server.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How it is spoken to.
    pub security: MailSecurity,
    /// Private CA; none = those of the system.
    pub ca: Option<std::path::PathBuf>,
    /// Sign-in.
    pub login: Option<(String, Secret)>,
    /// Address of the sender.
    pub from: String,
    /// Addresses of who is told; never empty.
    pub to: Vec<String>,
    /// For one try.
    pub timeout_ms: u64,
}

/// A siren or beacon at the plant. It draws attention, and protects nothing.
#[derive(Clone, Debug)]
pub struct Annunciator {
    /// What is switched: it stands in `[outputs]` of the site file too, and nothing else is ever written.
    pub drive: Drive,
    /// How long it sounds for one notice.
    pub sound_ms: u64,
    /// Also for what is no real danger: drills and tests.
    pub drills: bool,
}

/// What is switched.
#[derive(Clone, Debug)]
pub enum Drive {
    /// One coil of a Modbus TCP device, on a connection of its own.
    Coil {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// Unit identifier.
        unit: u8,
        /// Zero-based address on the wire.
        coil: u16,
        /// For one answer.
        timeout_ms: u64,
    },
    /// A topic of an MQTT broker.
    Topic {
        /// Where.
        broker: Box<Broker>,
        /// Without wildcards.
        topic: String,
        /// What switches it on, and off.
        payloads: (String, String),
        /// Where the device says the same payloads once it is switched; none = no read-back.
        state: Option<String>,
    },
}
