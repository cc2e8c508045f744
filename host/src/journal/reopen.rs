//! Finding the end of a journal and making it writable again: a torn tail is wiped, damage is put on record and written behind.
//! Must not know: threads, what entries mean.

use super::codec::{self, Gap, SEAL};
use super::cover::Cover;
use super::disk::{self, Medium};
use super::files::{self, Form};
use super::record::{HEAD_BYTES, Link, SKIPPABLE};
use super::segment::{self, Header, SEGMENT_BYTES_MIN, Segment};
use super::walk::{Hole, Place, Step, Walk};
use anyhow::{Context, ensure};
use brain::Micros;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::Path;

/// Folder inside the journal's for copies of damaged files.
const QUARANTINE: &str = "quarantine";

/// What a start found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Number of the last record; 0 = an empty journal.
    pub last_seq: u64,
    /// Its time, microseconds UTC; the next record is never earlier.
    pub last_at: Micros,
    /// Bytes of a group that was never on disk as a whole, now wiped. Nobody was told of it.
    pub torn_bytes: u64,
    /// Records that were on disk and are lost, or a file that is not as it was left: a person must see this.
    pub damage: Option<String>,
}

/// Everything a writer goes on from.
pub struct Tail {
    /// Where the next record goes.
    pub segment: Segment,
    /// Head of the chain.
    pub link: Link,
    /// What the next anchor states.
    pub cover: Cover,
    /// To be put on record before anything else.
    pub gaps: Vec<Gap>,
    /// For the caller.
    pub opened: Opened,
}

/// Finds the end. `dir` exists and is locked. All up to record `known` was once on disk.
pub fn reopen(dir: &Path, site: &str, bytes: u64, medium: &Medium, known: u64) -> anyhow::Result<Tail> {
    let mut end = End::default();
    let mut walk = Walk::open(dir, u64::MAX)?;
    if let Some(header) = walk.header() {
        ensure!(
            header.site == site,
            "the journal in {} belongs to the site {:?}, not to {site:?}: use another data directory",
            dir.display(),
            header.site
        );
        end.link = header.link;
    } else {
        end.link = first_link(site);
    }
    let mut number = walk.position().map(|p| p.0);
    loop {
        let step = walk.step(None)?;
        if walk.position().map(|p| p.0) != number {
            number = walk.position().map(|p| p.0);
            end.cover = Cover::default();
            end.sealed = false;
        }
        match step {
            Step::Raw(raw, place) => {
                let head = raw.head();
                if head.flags & SKIPPABLE == 0 {
                    // Before anything is written: what a newer program wrote is left as it is.
                    codec::check(head.kind, head.version).with_context(|| format!("record {} in {place}", head.seq))?;
                }
                end.pass(&raw);
            }
            Step::Hole(hole) => {
                tracing::error!("{hole}");
                end.holes.push(hole);
            }
            Step::End => break,
        }
    }
    end.last_seq = walk.next - 1;
    if let Some(hole) = walk.ends_before(known) {
        end.holes.push(hole);
        end.last_seq = known;
    }
    match (walk.position(), walk.header()) {
        (Some((number, _)), Some(_)) if end.holes.is_empty() && walk.form() != Some(Form::Raw) => {
            // Compressed already, so sealed: the one begun behind it was never on disk.
            end.clear_away(dir, number, bytes)?;
            end.begin_at(number + 1, dir, site, bytes, medium)
        }
        (Some(position), Some(header)) if end.holes.is_empty() => end.go_on(dir, medium, header, position, bytes),
        (Some((number, _)), None) if end.proven || walk.is_unread() || !end.holes.is_empty() => {
            let file = files::path(dir, number);
            let why = "the header of the segment".to_owned();
            let hole = Hole { place: Place { file, offset: 0 }, segment: number, first: 1, next: 1, why };
            end.holes.push(hole);
            end.begin_behind(dir, site, bytes, medium)
        }
        _ if !end.holes.is_empty() => end.begin_behind(dir, site, bytes, medium),
        // Nothing was ever durable. A first group may have survived in part, its header not.
        _ => {
            let mut end = End { link: first_link(site), ..End::default() };
            end.clear_away(dir, 0, 0)?;
            end.begin_behind(dir, site, bytes, medium)
        }
    }
}

/// What stands before the first record of a plant's journal.
pub fn first_link(site: &str) -> Link {
    *blake3::hash(site.as_bytes()).as_bytes()
}

#[derive(Default)]
struct End {
    link: Link,
    cover: Cover,
    sealed: bool,
    at: Micros,
    last_seq: u64,
    /// A record says that something was on disk before it.
    proven: bool,
    holes: Vec<Hole>,
    /// What else was wrong with files, now mended.
    told: Vec<String>,
}

impl End {
    fn pass(&mut self, raw: &super::record::Raw) {
        let head = raw.head();
        self.at = head.at;
        self.proven |= head.synced > 0;
        self.sealed = head.kind == SEAL;
        if let Some(link) = raw.link() {
            self.link = link;
        }
        if raw.is_mark() {
            self.cover.anchor();
        } else {
            self.cover.take(head.kind, raw.covered());
        }
    }

    /// The usual case: the last segment is whole up to here. What stands behind was never on disk as a whole, and must be gone
    /// before the first new record: a stale one with a fitting number might one day follow a new one.
    fn go_on(
        mut self,
        dir: &Path,
        medium: &Medium,
        header: &Header,
        (number, offset): (u64, u64),
        bytes: u64,
    ) -> anyhow::Result<Tail> {
        let path = segment::path(dir, number);
        let context = || format!("cannot go on in {}", path.display());
        let file = OpenOptions::new().read(true).write(true).open(&path).with_context(|| {
            format!("cannot go on in {}: the user of the daemon must own it, or be able to read and write it", path.display())
        })?;
        let tail = match segment::tail(&file, offset).with_context(context)? {
            Ok(tail) => tail,
            Err(lost) => {
                // No record stands there, and none shall.
                let (place, next) = (Place { file: path.clone(), offset: lost.bytes.start }, self.last_seq + 1);
                let hole = Hole { place, segment: number, first: next, next, why: lost.to_string() };
                tracing::error!("{hole}");
                self.holes.push(hole);
                return self.begin_behind(dir, &header.site, bytes, medium);
            }
        };
        let size = file.metadata().with_context(context)?.len();
        if size != header.bytes {
            let told = self.wrong_size(size, header.bytes, offset, tail.is_empty());
            self.tell(format!("the journal is damaged in {}: {told}", path.display()));
            aside(dir, &path);
        }
        let mut torn_bytes = tail.wipe(&file).with_context(context)?;
        segment::fill_up(&file, header.bytes.max(offset)).with_context(context)?;
        // What is read here may stand in memory alone, where a sync failed before: it is written again and synced before anybody is told of it.
        tail.write_again(&file).with_context(context)?;
        torn_bytes += self.clear_away(dir, number, bytes)?;
        let damage = self.damage();
        Ok(Tail {
            segment: Segment::resume(medium, file, header, offset, self.sealed),
            link: self.link,
            cover: self.cover,
            gaps: vec![],
            opened: Opened { last_seq: self.last_seq, last_at: self.at, torn_bytes, damage },
        })
    }

    /// A segment has its size from before it gets its name: one that has another was changed since, and not by us. Says what that cost.
    fn wrong_size(&self, size: u64, bytes: u64, offset: u64, clean: bool) -> String {
        // Records stand close together: where nothing stands behind the last one, nothing was cut.
        let ends = self.sealed || size > bytes || (clean && offset + HEAD_BYTES as u64 <= size);
        let lost = if ends {
            "no record is missing".to_owned()
        } else {
            format!("records behind {} may be lost: a head of the chain kept elsewhere can tell", self.last_seq)
        };
        format!("the file had {size} bytes, not {bytes}; {lost}")
    }

    fn tell(&mut self, what: String) {
        tracing::error!("{what}");
        self.told.push(what);
    }

    /// Clears away the segments behind this one. Says how many bytes they held.
    fn clear_away(&mut self, dir: &Path, number: u64, bytes: u64) -> anyhow::Result<u64> {
        let mut held = 0;
        for later in later(dir, number)? {
            let path = segment::path(dir, later);
            if path.metadata().is_ok_and(|file| file.len() < SEGMENT_BYTES_MIN) {
                self.tell(format!(
                    "the journal is damaged in {}: the file was cut short; records behind {} may be lost: a head of the chain kept elsewhere can tell",
                    path.display(),
                    self.last_seq
                ));
                aside(dir, &path);
            }
            held += drop_unused(dir, later, bytes)?;
        }
        Ok(held)
    }

    /// An empty journal, or a damaged one: a new segment behind everything. Nothing old is changed; damaged files are copied aside.
    fn begin_behind(self, dir: &Path, site: &str, bytes: u64, medium: &Medium) -> anyhow::Result<Tail> {
        let number = files::list(dir)?.last().map_or(1, |held| held.number + 1);
        for hole in &self.holes {
            aside(dir, &hole.place.file);
        }
        self.begin_at(number, dir, site, bytes, medium)
    }

    fn damage(&self) -> Option<String> {
        let lines: Vec<String> = self.holes.iter().map(Hole::to_string).chain(self.told.iter().cloned()).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    fn begin_at(self, number: u64, dir: &Path, site: &str, bytes: u64, medium: &Medium) -> anyhow::Result<Tail> {
        let file = segment::make(dir, number, bytes)?;
        let header = Header { site: site.into(), number, first_seq: self.last_seq + 1, link: self.link, bytes };
        let segment = Segment::begin(medium, file, &header).context("cannot begin a journal segment")?;
        let damage = self.damage();
        Ok(Tail {
            segment,
            link: self.link,
            cover: Cover::default(),
            gaps: self.holes.iter().filter(|h| h.next > h.first).map(gap).collect(),
            opened: Opened { last_seq: self.last_seq, last_at: self.at, torn_bytes: 0, damage },
        })
    }
}

fn gap(hole: &Hole) -> Gap {
    Gap { first: hole.first, last: hole.next - 1, detail: hole.to_string() }
}

/// Segments behind this one.
fn later(dir: &Path, number: u64) -> anyhow::Result<impl Iterator<Item = u64>> {
    Ok(files::list(dir)?.into_iter().map(|held| held.number).filter(move |n| *n > number))
}

/// Removes a segment that holds no record of ours, unless it is empty and of the right size. Says how many bytes it held.
fn drop_unused(dir: &Path, number: u64, bytes: u64) -> anyhow::Result<u64> {
    let path = segment::path(dir, number);
    let context = || format!("cannot clear away {}", path.display());
    let file = OpenOptions::new().read(true).write(true).open(&path).with_context(context)?;
    let used = match segment::tail(&file, 0).with_context(context)? {
        Ok(tail) => tail.wipe(&file).with_context(context)?,
        Err(lost) => {
            tracing::warn!("{} is not used, and put aside: {lost}", path.display());
            std::fs::create_dir_all(dir.join(QUARANTINE)).with_context(context)?;
            std::fs::rename(&path, dir.join(QUARANTINE).join(name_of(&path)?)).with_context(context)?;
            return segment::sync_dir(dir).map(|()| 0);
        }
    };
    if file.metadata()?.len() != bytes {
        std::fs::remove_file(&path).with_context(context)?;
        segment::sync_dir(dir)?;
    }
    Ok(used)
}

/// The file itself stays, or is mended: where there is no room for a copy, the plant goes on.
fn aside(dir: &Path, file: &Path) {
    if let Err(error) = put_aside(dir, file) {
        tracing::error!("{error:#}");
    }
}

/// Keeps what can be read of a damaged file, once: a disk that loses one sector may lose more.
fn put_aside(dir: &Path, file: &Path) -> anyhow::Result<()> {
    let aside = dir.join(QUARANTINE);
    let copy = aside.join(name_of(file)?);
    if !file.exists() || copy.exists() {
        return Ok(());
    }
    let context = || format!("cannot copy {} to {}", file.display(), aside.display());
    std::fs::create_dir_all(&aside).with_context(context)?;
    let making = aside.join("copy.new");
    let made = disk::salvage(file, &making).and_then(|()| std::fs::rename(&making, &copy));
    if made.is_err() {
        drop(std::fs::remove_file(&making));
    }
    made.with_context(context)?;
    segment::sync_dir(&aside)
}

fn name_of(file: &Path) -> anyhow::Result<&OsStr> {
    file.file_name().context("a segment has a name")
}
