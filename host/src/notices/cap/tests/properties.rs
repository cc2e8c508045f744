//! What holds for every notice and for any bytes.

use crate::notices::cap::*;
use crate::notices::sample;
use brain::alarm::{Acknowledgement, Condition, Handling, Person};
use brain::finding::Certainty as Sure;
use brain::notice::{NoticeKind, Reference};
use brain::site::{Mode, Severity as Level};
use brain::words::{Text, Words};
use proptest::prelude::*;

/// Any notice the brain could make, and worse.
fn notices() -> impl Strategy<Value = brain::Notice> {
    let text = "\\PC{0,40}|[\\x00-\\x20<>&'\"]{0,8}|预[\\r\\n]{0,2}x";
    (
        (any::<i64>(), any::<u64>(), 0..4usize, 0..4usize, 0..3usize, 0..3usize),
        (text, text, text, any::<f64>(), any::<u8>()),
        (any::<bool>(), any::<bool>(), any::<bool>(), 0..20usize, 0..6usize),
    )
        .prop_map(
            |((at, id, level, sure, mode, kind), (a, b, c, value, quality), (cleared, held, taken, references, notes))| {
                let mut n = sample::notice();
                n.at = at;
                n.id = brain::NoticeId(id);
                n.mode = [Mode::Actual, Mode::Exercise, Mode::Test][mode];
                n.kind = [NoticeKind::Alert, NoticeKind::Update, NoticeKind::Cancel][kind];
                n.references = vec![Reference { identifier: "demo.7.1".into(), sent: at }; references];
                n.zone = Words { zh: a.clone(), en: b.clone() };
                let alarm = &mut n.alarm;
                alarm.title = Words { zh: b.clone(), en: c.clone() };
                alarm.text = Text::Words(Words { zh: c.clone(), en: a.clone() });
                alarm.severity = Level::ALL[level];
                alarm.certainty = [Sure::Observed, Sure::Likely, Sure::Possible, Sure::Unlikely][sure];
                alarm.condition = if cleared { Condition::Cleared } else { Condition::Active };
                alarm.held = held;
                alarm.evidence[0].value = value;
                alarm.evidence[0].quality = brain::Quality(quality);
                let by = Person { name: a, role: b, station: c.clone() };
                alarm.acknowledged = taken.then(|| Acknowledgement { by: by.clone(), at, severity: Level::Red, note: c.clone() });
                alarm.handling = vec![Handling { by, at, note: c }; notes];
                n
            },
        )
}

proptest! {
    #[test]
    fn what_is_built_is_what_is_read(notice in notices()) {
        let channel = sample::channel("http://x");
        let text = build(&notice, &channel);
        prop_assert_eq!(&text, &build(&notice, &channel));
        prop_assert_eq!(parse(text.as_bytes()), Ok(compose(&notice, &channel)));
    }

    #[test]
    fn nothing_makes_the_reader_panic(
        notice in notices(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..12),
    ) {
        let mut bytes = build(&notice, &sample::channel("http://x")).into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        if let Ok(message) = parse(&bytes) {
            check(&message);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(text in "[<>/&;a-z!\\[\\]\"'= ?#x0-9\u{0}-\u{20}\\-]{0,200}") {
        let _ = parse(text.as_bytes());
        let _ = time::read(&text);
    }
}
