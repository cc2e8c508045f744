//! Where events can be kept: our journal, a bare file, and what others would use. Each takes a batch and returns once it is on disk.
//! Must not know: what is measured.

#[cfg(feature = "others")]
use anyhow::Context;
use brain::event::{Entry, Event};
use safety_brain::journal::{Journal, SEGMENT_BYTES_MAX};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Bytes a bare file is made of beforehand, and a segment of the journal.
const AHEAD_BYTES: usize = 64 << 20;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `write` and `fdatasync` over zeros written before.
    BareAhead,
    /// `write` and `fdatasync` at the end of a file that grows.
    BareGrowing,
    /// Ours: CRC, chain, group commit.
    Journal,
    /// One table, number to bytes.
    #[cfg(feature = "others")]
    Redb,
    /// One table, WAL, synchronous FULL.
    #[cfg(feature = "others")]
    Sqlite,
}

impl Kind {
    /// All that are built in.
    pub const ALL: &[Kind] = &[
        Kind::BareAhead,
        Kind::BareGrowing,
        Kind::Journal,
        #[cfg(feature = "others")]
        Kind::Redb,
        #[cfg(feature = "others")]
        Kind::Sqlite,
    ];

    /// For a table.
    pub fn name(self) -> &'static str {
        match self {
            Kind::BareAhead => "bare file, written over zeros",
            Kind::BareGrowing => "bare file, growing",
            Kind::Journal => "**journal**",
            #[cfg(feature = "others")]
            Kind::Redb => "redb 4",
            #[cfg(feature = "others")]
            Kind::Sqlite => "SQLite, WAL, FULL",
        }
    }
}

/// An open one.
pub enum Engine {
    /// Its file.
    Bare(File),
    /// The journal and a runtime to wait with, as the daemon waits.
    Journal(Journal, tokio::runtime::Runtime),
    /// Its database.
    #[cfg(feature = "others")]
    Redb(redb::Database),
    /// Its connection.
    #[cfg(feature = "others")]
    Sqlite(rusqlite::Connection),
}

#[cfg(feature = "others")]
const TABLE: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("events");

impl Engine {
    /// Opens or makes one in `folder`.
    pub fn open(kind: Kind, folder: &Path) -> anyhow::Result<Engine> {
        std::fs::create_dir_all(folder)?;
        Ok(match kind {
            Kind::BareAhead => {
                let path = folder.join("bare");
                std::fs::write(&path, vec![0; AHEAD_BYTES])?;
                let file = File::options().write(true).open(path)?;
                file.sync_all()?;
                Engine::Bare(file)
            }
            Kind::BareGrowing => Engine::Bare(File::options().create(true).append(true).open(folder.join("bare"))?),
            Kind::Journal => {
                let (journal, _) = Journal::open(folder, "bench", (AHEAD_BYTES as u64).min(SEGMENT_BYTES_MAX))?;
                Engine::Journal(journal, tokio::runtime::Builder::new_current_thread().build()?)
            }
            #[cfg(feature = "others")]
            Kind::Redb => Engine::Redb(redb::Database::create(folder.join("redb"))?),
            #[cfg(feature = "others")]
            Kind::Sqlite => {
                let base = rusqlite::Connection::open(folder.join("sqlite"))?;
                base.pragma_update(None, "journal_mode", "wal")?;
                base.pragma_update(None, "synchronous", "full")?;
                base.execute("create table if not exists events (seq integer primary key, entry blob not null)", [])?;
                Engine::Sqlite(base)
            }
        })
    }

    /// Keeps `count` events numbered from `first` on; they are on disk when this returns.
    pub fn commit(&mut self, first: u64, count: u64) -> anyhow::Result<()> {
        match self {
            Engine::Bare(file) => {
                let mut out = Vec::new();
                for seq in first..first + count {
                    let entry = serde_json::to_vec(&event(seq))?;
                    out.extend_from_slice(&(entry.len() as u64).to_le_bytes());
                    out.extend_from_slice(&entry);
                }
                file.write_all(&out)?;
                file.sync_data()?;
            }
            Engine::Journal(journal, runtime) => {
                // All at once, as the others get them, and as the daemon queues an event with all that follows from it.
                let rest = (first + 1..first + count).map(event).collect();
                let last = journal.append_with(first as i64 * 1000, &event(first), |_| rest)?;
                let mut durable = journal.durable();
                let reached = runtime.block_on(durable.wait_for(|d| d.seq >= last || d.failed.is_some()))?;
                anyhow::ensure!(reached.failed.is_none(), "the journal failed: {:?}", reached.failed);
            }
            #[cfg(feature = "others")]
            Engine::Redb(base) => {
                // Its default durability: on disk at the end of the commit.
                let write = base.begin_write()?;
                let mut table = write.open_table(TABLE)?;
                for seq in first..first + count {
                    table.insert(seq, serde_json::to_vec(&event(seq))?.as_slice())?;
                }
                drop(table);
                write.commit()?;
            }
            #[cfg(feature = "others")]
            Engine::Sqlite(base) => {
                let write = base.transaction()?;
                let mut insert = write.prepare_cached("insert into events values (?1, ?2)")?;
                for seq in first..first + count {
                    insert.execute((seq as i64, serde_json::to_vec(&event(seq))?))?;
                }
                drop(insert);
                write.commit()?;
            }
        }
        Ok(())
    }

    /// Reads something, so that an opening that puts work off is not called done.
    pub fn first_read(&self) -> anyhow::Result<()> {
        match self {
            Engine::Bare(_) | Engine::Journal(..) => {}
            #[cfg(feature = "others")]
            Engine::Redb(base) => {
                use redb::{ReadableDatabase, ReadableTable};
                base.begin_read()?.open_table(TABLE)?.last()?.context("redb is empty")?;
            }
            #[cfg(feature = "others")]
            Engine::Sqlite(base) => {
                base.query_row("select max(seq) from events", [], |row| row.get::<_, i64>(0)).context("SQLite is empty")?;
            }
        }
        Ok(())
    }
}

/// An event whose JSON is some 200 bytes, like most of a plant's.
pub fn event(seq: u64) -> Entry {
    let sample = format!("{:0130}", seq.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    Entry::Event(Event::Malformed { link: "gas-north".into(), count: seq % 10, sample })
}
