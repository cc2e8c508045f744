//! What a query costs as tags and days grow: an hour of a tag as it is, a day of it thinned. Beside it the same from SQLite (feature
//! `others`), where the data are few enough to be written in a while. Must not know: how a store keeps readings.

use super::readings::{Shape, plant, scatter};
use super::shelf::{Kept, START, keep};
use super::{disk_bytes, percentile};
use brain::AlarmId;
use std::path::Path;
use std::time::Instant;

const SECOND: i64 = 1_000_000;
const DAY_S: u64 = 86_400;
/// Points that a day is thinned to.
const POINTS: usize = 2_000;
/// Starts measured for each size.
const STARTS: u64 = 7;
/// Questions of each kind behind each start.
const ASKED: u64 = 15;
/// Readings that SQLite is given at most: it takes minutes for more.
#[cfg(feature = "others")]
const SQLITE_READINGS_MAX: u64 = 50_000_000;

/// What is asked.
#[derive(Clone, Copy)]
enum Question {
    /// 3600 readings, each of them.
    Hour,
    /// 86 400 readings, thinned to [`POINTS`].
    Day,
}

/// A stretch of one tag, microseconds UTC.
struct Stretch {
    tag: u64,
    from: i64,
    to: i64,
}

impl Question {
    fn seconds(self) -> u64 {
        match self {
            Question::Hour => 3_600,
            Question::Day => DAY_S,
        }
    }

    /// The `n`th of its kind in that day, of any tag.
    fn stretch(self, n: u64, tags: u64, day: u64) -> Stretch {
        let start = day * DAY_S + scatter(n + 1_000_000) % (DAY_S / self.seconds()) * self.seconds();
        let (from, to) = (START + start as i64 * SECOND, START + (start + self.seconds()) as i64 * SECOND);
        Stretch { tag: scatter(n) % tags, from, to }
    }

    /// An answer with as many rows as this would not be one.
    fn check(self, rows: usize) -> anyhow::Result<()> {
        let (least, most) = match self {
            Question::Hour => (3_598, 3_600),
            Question::Day => (POINTS / 2, POINTS),
        };
        anyhow::ensure!((least..=most).contains(&rows), "{rows} rows of {} s", self.seconds());
        Ok(())
    }
}

/// Times of one question, ms.
#[derive(Default)]
struct Times {
    /// The first behind a start, of the newest day.
    newest: Vec<f64>,
    /// The first behind a start, of a day that is not open.
    cold: Vec<f64>,
    /// Others of the same day.
    same_day: Vec<f64>,
    /// Of any day.
    any_day: Vec<f64>,
}

impl Times {
    fn cells(&mut self) -> String {
        [&mut self.newest, &mut self.cold, &mut self.same_day, &mut self.any_day]
            .map(|ms| format!(" {:.1} / {:.1} |", percentile(ms, 0.5), percentile(ms, 1.0)))
            .concat()
    }
}

/// One that can be asked.
trait Asked: Sized {
    /// Starts it on what is on the disk.
    fn start(folder: &Path, days: u64) -> anyhow::Result<Self>;
    /// What it does by itself behind a start is done.
    fn ready(&self) -> anyhow::Result<()>;
    /// Rows of the answer.
    fn ask(&self, question: Question, stretch: &Stretch) -> anyhow::Result<usize>;
    /// Stops it.
    fn stop(self) -> anyhow::Result<()>;
}

impl Asked for Kept {
    fn start(folder: &Path, days: u64) -> anyhow::Result<Kept> {
        keep(folder, last(days), std::iter::empty())
    }

    fn ready(&self) -> anyhow::Result<()> {
        self.store.warm();
        // Behind that in the queue.
        self.store.alarm(AlarmId(1)).map(drop)
    }

    fn ask(&self, question: Question, stretch: &Stretch) -> anyhow::Result<usize> {
        let points = match question {
            Question::Hour => 20_000,
            Question::Day => POINTS,
        };
        Ok(self.store.series(&format!("t{}", stretch.tag), stretch.from, stretch.to, points)?.rows.len())
    }

    fn stop(self) -> anyhow::Result<()> {
        self.store.close()
    }
}

/// Number of the last record of a plant of so many days.
fn last(days: u64) -> u64 {
    days * DAY_S + 1
}

/// Prints a row for each number of tags and of days; the same store grows from one to the next.
pub fn asked(place: &Path, tags: &[u64], days: &[u64]) -> anyhow::Result<()> {
    println!(
        "Slowly changing tags at 1 Hz; p50 / max in ms of {STARTS} starts, {} questions of the others. \"Newest\": the first question behind a\n\
         start, of the newest day, which is open by then. \"First\": the same of a day that the question opens; the files may still be in the\n\
         memory of the system. \"Same day\": others of that day. \"Any day\": of all days. Targets: an hour < 10 ms, a day < 50 ms.\n",
        STARTS * ASKED
    );
    println!(
        "| tags x days | readings | in | MB | an hour: newest | first | same day | any day | a day to {POINTS} points: newest | first | same day | any day |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for tags in tags {
        let (store, sqlite) = (place.join("store"), place.join("sqlite"));
        let mut had = 0;
        for days in days {
            let began = Instant::now();
            let seconds = had * DAY_S..days * DAY_S;
            keep(&store, last(*days), plant(Shape::Slow, *tags, seconds.clone()))?.store.close()?;
            let new = tags * (seconds.end - seconds.start);
            eprintln!("queries: {new} readings more in {:.0} s", began.elapsed().as_secs_f64());
            row::<Kept>(&store, "store", *tags, *days)?;
            #[cfg(feature = "others")]
            let readings = tags * days * DAY_S;
            #[cfg(feature = "others")]
            if readings <= SQLITE_READINGS_MAX {
                sqlite::fill(&sqlite, *tags, seconds)?;
                row::<rusqlite::Connection>(&sqlite, "SQLite", *tags, *days)?;
            } else {
                println!(
                    "| {tags} x {days} | {readings} | SQLite | not filled: more than {SQLITE_READINGS_MAX} | | | | | | | | |"
                );
            }
            had = *days;
        }
        for folder in [store, sqlite].into_iter().filter(|folder| folder.exists()) {
            std::fs::remove_dir_all(folder)?;
        }
    }
    println!();
    Ok(())
}

fn row<A: Asked>(folder: &Path, name: &str, tags: u64, days: u64) -> anyhow::Result<()> {
    let mb = disk_bytes(folder)? as f64 / 1e6;
    let mut cells = String::new();
    for question in [Question::Hour, Question::Day] {
        let mut times = Times::default();
        for round in 0..STARTS {
            let asked = A::start(folder, days)?;
            let one = |n: u64, day: u64| -> anyhow::Result<f64> {
                let stretch = question.stretch(1_000 * round + n, tags, day);
                let began = Instant::now();
                let rows = asked.ask(question, &stretch)?;
                let ms = began.elapsed().as_secs_f64() * 1e3;
                question.check(rows)?;
                Ok(ms)
            };
            let day = scatter(round) % days;
            times.cold.push(one(0, day)?);
            for n in 1..=ASKED {
                times.same_day.push(one(n, day)?);
            }
            for n in 1..=ASKED {
                times.any_day.push(one(n + 100, scatter(1_000 * round + n) % days)?);
            }
            asked.stop()?;
            let asked = A::start(folder, days)?;
            asked.ready()?;
            let stretch = question.stretch(1_000 * round, tags, days - 1);
            let began = Instant::now();
            let rows = asked.ask(question, &stretch)?;
            times.newest.push(began.elapsed().as_secs_f64() * 1e3);
            question.check(rows)?;
            asked.stop()?;
        }
        cells += &times.cells();
    }
    println!("| {tags} x {days} | {} | {name} | {mb:.0} |{cells}", tags * days * DAY_S);
    Ok(())
}

/// The same readings in one table by tag and time: what others would use.
#[cfg(feature = "others")]
mod sqlite {
    use super::{Asked, POINTS, Question, Stretch};
    use crate::readings::{Shape, plant};
    use brain::event::{Entry, Event};
    use rusqlite::Connection;
    use std::ops::Range;
    use std::path::Path;

    /// Records in a transaction.
    const RECORDS_AT_ONCE: usize = 1_000;
    const TABLE: &str = "create table if not exists readings (tag integer not null, at integer not null, source integer not null, \
                         value real, quality integer not null, primary key (tag, at)) without rowid";

    fn open(folder: &Path) -> anyhow::Result<Connection> {
        std::fs::create_dir_all(folder)?;
        let base = Connection::open(folder.join("base"))?;
        base.pragma_update(None, "journal_mode", "wal")?;
        base.pragma_update(None, "synchronous", "full")?;
        base.execute(TABLE, [])?;
        Ok(base)
    }

    /// Adds the readings of these seconds.
    pub fn fill(folder: &Path, tags: u64, seconds: Range<u64>) -> anyhow::Result<()> {
        let mut base = open(folder)?;
        let mut records = plant(Shape::Slow, tags, seconds).peekable();
        while records.peek().is_some() {
            let write = base.transaction()?;
            let mut insert = write.prepare_cached("insert into readings values (?1, ?2, ?3, ?4, ?5)")?;
            for record in records.by_ref().take(RECORDS_AT_ONCE) {
                let Entry::Event(Event::Readings { readings }) = record.entry else { continue };
                for r in readings {
                    insert.execute((r.tag.0, record.at, r.source_us, r.value, r.quality.0))?;
                }
            }
            drop(insert);
            write.commit()?;
        }
        Ok(())
    }

    impl Asked for Connection {
        fn start(folder: &Path, _: u64) -> anyhow::Result<Connection> {
            open(folder)
        }

        fn ready(&self) -> anyhow::Result<()> {
            Ok(())
        }

        fn ask(&self, question: Question, stretch: &Stretch) -> anyhow::Result<usize> {
            let (tag, from, to) = (stretch.tag as i64, stretch.from, stretch.to);
            let mut count = 0;
            match question {
                Question::Hour => {
                    let text = "select at, source, value, quality from readings where tag = ?1 and at >= ?2 and at < ?3";
                    let mut select = self.prepare_cached(text)?;
                    let mut rows = select.query((tag, from, to))?;
                    while let Some(row) = rows.next()? {
                        let _: (i64, i64, Option<f64>, u8) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                        count += 1;
                    }
                }
                Question::Day => {
                    // The least and the greatest of each stretch: less than the store keeps, which also has ends and qualities.
                    let text = "select min(at), min(value), max(value) from readings where tag = ?1 and at >= ?2 and at < ?3 \
                                group by (at - ?2) / ?4";
                    let mut select = self.prepare_cached(text)?;
                    let mut rows = select.query((tag, from, to, (to - from) / (POINTS as i64 / 2) + 1))?;
                    while let Some(row) = rows.next()? {
                        let _: (i64, Option<f64>, Option<f64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                        count += 2;
                    }
                }
            }
            Ok(count)
        }

        fn stop(self) -> anyhow::Result<()> {
            self.close().map_err(|(_, error)| error.into())
        }
    }
}
