//! Times as CAP writes them: `YYYY-MM-DDThh:mm:ss±hh:mm`, no fraction, no `Z`, UTC as `-00:00`.
//! Must not know: what a time is for.

use brain::Micros;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Beijing time, in which everything for the bureau is written.
const BEIJING: Offset = jiff::tz::offset(8);

/// In Beijing time, whole seconds, rounded down. What four digits of a year cannot say is held at 1970 and 9999.
pub fn text(at: Micros) -> String {
    let seconds = at.div_euclid(1_000_000).clamp(0, Timestamp::MAX.as_second());
    let at = Timestamp::from_second(seconds).expect("held inside the range of a timestamp");
    BEIJING.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S+08:00").to_string()
}

/// Reads the one canonical form; the error says what is wrong with the text.
pub fn read(text: &str) -> Result<Micros, String> {
    let fault = |what: &str| Err(format!("{text:?} {what}"));
    let shape = "dddd-dd-ddTdd:dd:ddsdd:dd";
    let fits = text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(b, s)| match s {
            b'd' => b.is_ascii_digit(),
            b's' => b == b'+' || b == b'-',
            fixed => b == fixed,
        });
    if !fits {
        return fault("is not of the form YYYY-MM-DDThh:mm:ss+08:00");
    }
    let (clock, offset) = text.split_at(19);
    if offset == "+00:00" {
        return fault("must say UTC as -00:00");
    }
    if &clock[17..] == "60" || &clock[11..13] == "24" {
        return fault("is not a time of day: hours end at 23, seconds at 59");
    }
    let Ok(clock) = clock.parse::<DateTime>() else {
        return fault("is not a date and time of the calendar");
    };
    let digits = |range: std::ops::Range<usize>| -> i32 { offset[range].parse().expect("digits, by the shape above") };
    let (hours, minutes) = (digits(1..3), digits(4..6));
    if minutes > 59 || hours * 60 + minutes > 14 * 60 {
        return fault("has an offset beyond 14:00");
    }
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = Offset::from_seconds(sign * (hours * 60 + minutes) * 60).expect("14 hours are inside the range of an offset");
    match offset.to_timestamp(clock) {
        Ok(at) => Ok(at.as_microsecond()),
        Err(_) => fault("is outside the years that can be computed"),
    }
}
