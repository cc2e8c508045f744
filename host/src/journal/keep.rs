//! What becomes of segments that are no longer written: compressed, then pruned to their events, then dropped. Never the writer's work.
//! Must not know: threads, who else reads, what a plant keeps and how long (that is [`Policy`]).
//!
//! Each change makes the new file beside, reads it back against the old one, syncs it, gives it its name, and only then removes the old one:
//! a crash anywhere leaves one of them or both, and the next round goes on. What is damaged is never rewritten: it is kept as it is.

use super::codec::SEAL;
use super::disk::Medium;
use super::files::{self, ARCHIVE, BEGINS, Begins, Form, Held, Source};
use super::outside::hex;
use super::packed::{About, Packer};
use super::record::Link;
use super::segment::{self, Begun, HEADER_BYTES};
use super::walk::Here;
use anyhow::{Context, bail, ensure};
use brain::Micros;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// File inside the journal's folder that holds nothing but room.
const BALLAST: &str = "ballast";

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Bytes of all files of the journal; beyond, the oldest segments are pruned before their time.
    pub bytes_max: u64,
    /// Every record is kept so long, while there is room.
    pub records: Micros,
    /// Nothing younger is ever pruned.
    pub records_min: Micros,
    /// Events are kept so long.
    pub events: Micros,
}

/// The present, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Brain time, microseconds UTC.
    pub now: Micros,
    /// Nobody will read a record up to this one again.
    pub passed: u64,
    /// Nothing is wrong with the storage; otherwise nothing is pruned.
    pub well: bool,
    /// The disk is nearly full: everything passed is pruned, whatever is wrong and however young it is.
    pub full: bool,
}

/// What a round did, in segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Compressed.
    pub packed: u64,
    /// Pruned to their events.
    pub archived: u64,
    /// Moved into the archive as they are, because something in them is damaged.
    pub aside: u64,
    /// Events dropped.
    pub dropped: u64,
}

/// Does the work, one round at a time. One for a directory whose journal this process holds.
pub struct Keeper {
    dir: PathBuf,
    medium: Medium,
    /// Not to be compressed: damaged, or left without a seal.
    as_they_are: BTreeSet<u64>,
    /// What a crash left half made is gone.
    swept: bool,
    /// Bytes kept in hand.
    ballast: u64,
}

/// What one segment holds, read in full.
struct Survey {
    about: About,
    /// Every record to the seal is there and in the chain.
    whole: bool,
    /// Head of the chain behind the last record.
    link: Link,
}

impl Keeper {
    /// For the journal in `dir`.
    pub fn new(dir: &Path) -> Keeper {
        Keeper::on(Medium::Real, dir)
    }

    /// Keeps so many bytes in hand for the work itself: what is pruned is written beside before it goes, and a full disk takes nothing.
    pub fn with_ballast(self, ballast: u64) -> Keeper {
        Keeper { ballast, ..self }
    }

    pub(super) fn on(medium: Medium, dir: &Path) -> Keeper {
        Keeper { dir: dir.to_owned(), medium, as_they_are: BTreeSet::new(), swept: false, ballast: 0 }
    }

    /// One round; `stop` is asked between files.
    ///
    /// # Errors
    /// The disk. Nothing is lost, and the next round goes on.
    pub fn round(&mut self, policy: &Policy, moment: &Moment, stop: &dyn Fn() -> bool) -> anyhow::Result<Kept> {
        let mut kept = Kept::default();
        let Some(newest) = self.newest_begun()? else { return Ok(kept) };
        if !std::mem::replace(&mut self.swept, true) {
            self.sweep()?;
        }
        let mut kept_up = self.keep_ballast(moment);
        // Each of them may find no room, and only pruning and dropping make some.
        let packed = if moment.full { Ok(()) } else { self.pack_all(newest, stop, &mut kept) };
        let mut smaller = self.shrink(newest, policy, moment, stop, &mut kept);
        if smaller.as_ref().is_err_and(is_for_room) && self.dir.join(BALLAST).exists() {
            kept_up = self.medium.remove(&self.dir, Path::new(BALLAST)).context("cannot give back the ballast");
            smaller = self.shrink(newest, policy, moment, stop, &mut kept);
        }
        smaller.and(packed).and(kept_up)?;
        Ok(kept)
    }

    fn pack_all(&mut self, newest: Held, stop: &dyn Fn() -> bool, kept: &mut Kept) -> anyhow::Result<()> {
        for held in self.live(newest.number)? {
            if stop() {
                break;
            }
            if held.form == Form::Raw && !self.as_they_are.contains(&held.number) {
                let done = self.pack(held)?;
                kept.packed += u64::from(done);
                if !done {
                    self.as_they_are.insert(held.number);
                }
            }
        }
        Ok(())
    }

    /// Prunes and drops all that is due.
    fn shrink(
        &mut self,
        newest: Held,
        policy: &Policy,
        moment: &Moment,
        stop: &dyn Fn() -> bool,
        kept: &mut Kept,
    ) -> anyhow::Result<()> {
        let mut live = self.live(newest.number)?;
        live.push(newest);
        for at in 0..live.len() - 1 {
            if stop() || !self.prune(&live[at..], policy, moment, kept)? {
                break;
            }
        }
        if !stop() {
            kept.dropped += self.drop_old(policy, moment)?;
        }
        Ok(())
    }

    /// Removes what a crash left half made.
    fn sweep(&self) -> anyhow::Result<()> {
        for folder in [self.dir.clone(), self.dir.join(ARCHIVE)] {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry?.path();
                if path.to_str().is_some_and(|name| name.ends_with(".zst.new") || name.ends_with("ballast.new")) {
                    std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
                }
            }
        }
        Ok(())
    }

    /// Room that is given back where there is none left to prune in, taken again once the disk is not full any more.
    fn keep_ballast(&self, moment: &Moment) -> anyhow::Result<()> {
        let path = self.dir.join(BALLAST);
        if moment.full || self.ballast == 0 || path.metadata().is_ok_and(|file| file.len() == self.ballast) {
            return Ok(());
        }
        let making = PathBuf::from("ballast.new");
        let made = (|| {
            let disk = self.medium.wrap(File::create(self.dir.join(&making))?, &making);
            let zeros = vec![0; 64 << 10];
            for at in (0..self.ballast).step_by(zeros.len()) {
                disk.write_all_at(&zeros[..zeros.len().min((self.ballast - at) as usize)], at)?;
            }
            disk.sync_data()?;
            self.medium.rename(&self.dir, &making, Path::new(BALLAST))
        })();
        self.or_remove(&making, made.map_err(Into::into)).with_context(|| format!("cannot write {}", path.display()))
    }

    /// What could not be made whole takes no room.
    fn or_remove<T>(&self, making: &Path, made: anyhow::Result<T>) -> anyhow::Result<T> {
        if made.is_err() {
            drop(self.medium.remove(&self.dir, making));
        }
        made
    }

    /// The segment being written, or the last one that was.
    fn newest_begun(&self) -> anyhow::Result<Option<Held>> {
        for held in files::list(&self.dir)?.into_iter().rev().filter(|held| !held.archived) {
            if matches!(files::source(&self.dir, held)?.begun()?, Begun::Yes(_)) {
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    fn live(&self, newest: u64) -> anyhow::Result<Vec<Held>> {
        Ok(files::list(&self.dir)?.into_iter().filter(|held| !held.archived && held.number < newest).collect())
    }

    /// Compresses a segment that is whole; false = it is not, and stays as it is.
    fn pack(&self, raw: Held) -> anyhow::Result<bool> {
        let packed = Held { form: Form::Packed, ..raw };
        let context = || format!("cannot compress {}", raw.path(&self.dir).display());
        // Left from a round that was cut short: the compressed one may be all there is.
        if packed.path(&self.dir).exists() && survey(&self.dir, packed)?.is_some_and(|survey| survey.whole) {
            self.remove(raw).with_context(context)?;
            return Ok(true);
        }
        let Some(Survey { about, whole: true, .. }) = survey(&self.dir, raw)? else {
            return Ok(false);
        };
        let made = || {
            self.make(packed, about, |packer| {
                let mut source = files::source(&self.dir, raw)?;
                copy(&mut source, about.used, &mut |bytes| packer.push(bytes))
            })?;
            let (mut before, mut after) = (files::source(&self.dir, raw)?, source_of(&self.dir, &making(packed), packed)?);
            ensure!(same(&mut before, &mut after, about.used)?, "what was compressed does not read back");
            self.name(packed)
        };
        self.or_remove(&making(packed), made()).with_context(context)?;
        self.remove(raw).with_context(context)?;
        Ok(true)
    }

    /// Prunes the oldest of these segments, if it is time; false = it is not. The last one is the newest.
    fn prune(&mut self, live: &[Held], policy: &Policy, moment: &Moment, kept: &mut Kept) -> anyhow::Result<bool> {
        if !(moment.well || moment.full) {
            return Ok(false);
        }
        let [oldest, behind @ ..] = live else { return Ok(false) };
        let oldest = *oldest;
        // What comes behind may be empty, or not say where it begins: then the next one bounds them both.
        let mut begins = None;
        for held in behind {
            if let Begun::Yes(header) = files::open(&self.dir, held.number)?.0.begun()? {
                begins = Some(header.first_seq);
                break;
            }
        }
        let Some(begins) = begins else { return Ok(false) };
        let age = last_at(&self.dir, live)?.map_or(Micros::MIN, |last| moment.now.saturating_sub(last));
        let due = age >= policy.records || (age >= policy.records_min && bytes(&self.dir)? > policy.bytes_max) || moment.full;
        if begins > moment.passed.saturating_add(1) || !due {
            return Ok(false);
        }
        let context = || format!("cannot prune {}", oldest.path(&self.dir).display());
        std::fs::create_dir_all(self.dir.join(ARCHIVE)).with_context(context)?;
        match survey(&self.dir, oldest)?.filter(|survey| survey.whole) {
            Some(survey) => {
                self.archive(oldest, &survey).with_context(context)?;
                kept.archived += 1;
            }
            None => {
                let aside = Held { archived: true, ..oldest };
                self.cut_empty(oldest).with_context(context)?;
                self.medium.rename(&self.dir, &oldest.name(), &aside.name()).with_context(context)?;
                self.medium.sync_names(&self.dir, &[ARCHIVE, ""]).with_context(context)?;
                kept.aside += 1;
            }
        }
        self.as_they_are.remove(&oldest.number);
        Ok(true)
    }

    /// A segment that was made ahead and passed over takes no more room than its header block. Its number stays.
    fn cut_empty(&self, held: Held) -> anyhow::Result<()> {
        if held.form == Form::Raw {
            let file = File::options().read(true).write(true).open(held.path(&self.dir))?;
            if segment::tail(&file, 0)?.is_ok_and(|tail| tail.is_empty()) && file.metadata()?.len() > HEADER_BYTES {
                file.set_len(HEADER_BYTES)?;
            }
        }
        Ok(())
    }

    /// Keeps the events of a whole segment, and removes the segment.
    fn archive(&self, from: Held, whole: &Survey) -> anyhow::Result<()> {
        let thin = Held { archived: true, form: Form::Thin, number: from.number };
        let made = || {
            let about = self.make(thin, whole.about, |packer| {
                let mut source = files::source(&self.dir, from)?;
                copy(&mut source, HEADER_BYTES, &mut |bytes| packer.push(bytes))?;
                let mut here = Here::over(source, from, from.path(&self.dir))?;
                while let Ok(raw) = here.read() {
                    here.pass(&raw);
                    if raw.link().is_some() {
                        packer.push(&raw.framed())?;
                    }
                }
                Ok(())
            })?;
            let read_back = survey_in(source_of(&self.dir, &making(thin), thin)?, thin, &self.dir.join(making(thin)))?;
            let whole_too = read_back.is_some_and(|thin| thin.whole && thin.link == whole.link && thin.about.used == about.used);
            ensure!(whole_too, "what was archived does not read back");
            // The folder itself may be new.
            self.medium.sync_names(&self.dir, &[""])?;
            self.name(thin)
        };
        self.or_remove(&making(thin), made())?;
        self.remove(from)
    }

    /// Writes a compressed file under a name that nobody reads, and syncs it.
    fn make(&self, held: Held, about: About, fill: impl FnOnce(&mut Packer<'_>) -> anyhow::Result<()>) -> anyhow::Result<About> {
        let making = making(held);
        let file = File::create(self.dir.join(&making))?;
        let disk = self.medium.wrap(file, &making);
        let mut packer = Packer::new(&disk, about.used);
        fill(&mut packer)?;
        packer.finish(about)
    }

    fn name(&self, held: Held) -> anyhow::Result<()> {
        self.medium.rename(&self.dir, &making(held), &held.name())?;
        Ok(self.medium.sync_names(&self.dir, &[folder(held)])?)
    }

    fn remove(&self, held: Held) -> anyhow::Result<()> {
        self.medium.remove(&self.dir, &held.name())?;
        Ok(self.medium.sync_names(&self.dir, &[folder(held)])?)
    }

    /// Drops events that are older than they are kept, after noting where the journal begins then.
    fn drop_old(&self, policy: &Policy, moment: &Moment) -> anyhow::Result<u64> {
        let all = files::list(&self.dir)?;
        let mut old = 0;
        while all.len() > old + 1 && all[old].archived {
            let Some(last) = last_at(&self.dir, &all[old..])? else { break };
            if moment.now.saturating_sub(last) < policy.events {
                break;
            }
            old += 1;
        }
        let (old, left) = all.split_at(old);
        let (false, Some(first)) = (old.is_empty(), left.first()) else { return Ok(0) };
        let Begun::Yes(header) = files::source(&self.dir, *first)?.begun()? else { return Ok(0) };
        let note =
            Begins { segment: header.number, first_seq: header.first_seq, link: hex(&header.link), dropped_at: moment.now };
        let (making, name) = (Path::new(ARCHIVE).join("begins.new"), Path::new(ARCHIVE).join(BEGINS));
        let context = || format!("cannot write {}", self.dir.join(&name).display());
        let disk = self.medium.wrap(File::create(self.dir.join(&making)).with_context(context)?, &making);
        disk.write_all_at(&serde_json::to_vec(&note)?, 0).and_then(|()| disk.sync_data()).with_context(context)?;
        self.medium.rename(&self.dir, &making, &name).with_context(context)?;
        self.medium.sync_names(&self.dir, &[ARCHIVE]).with_context(context)?;
        for gone in old {
            self.medium
                .remove(&self.dir, &gone.name())
                .with_context(|| format!("cannot drop {}", gone.path(&self.dir).display()))?;
        }
        self.medium.sync_names(&self.dir, &[ARCHIVE]).with_context(context)?;
        Ok(old.len() as u64)
    }
}

/// The disk, or what this user may take of it, is full.
fn is_for_room(error: &anyhow::Error) -> bool {
    let kinds = [std::io::ErrorKind::StorageFull, std::io::ErrorKind::QuotaExceeded];
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|e| kinds.contains(&e.kind())))
}

fn folder(held: Held) -> &'static str {
    if held.archived { ARCHIVE } else { "" }
}

fn making(held: Held) -> PathBuf {
    let mut name = held.name().into_os_string();
    name.push(".new");
    name.into()
}

fn source_of(dir: &Path, name: &Path, held: Held) -> anyhow::Result<Source> {
    files::source_at(&dir.join(name), held.form)
}

/// Reads a whole file of the journal. None where it says nothing of itself.
fn survey(dir: &Path, held: Held) -> anyhow::Result<Option<Survey>> {
    survey_in(files::source(dir, held)?, held, &held.path(dir))
}

fn survey_in(source: Source, held: Held, path: &Path) -> anyhow::Result<Option<Survey>> {
    let mut here = Here::over(source, held, path.to_owned())?;
    let Begun::Yes(header) = here.begun().clone() else { return Ok(None) };
    let mut about = About { bytes: header.bytes, first_seq: header.first_seq, ..About::default() };
    let (mut link, mut next, mut sealed) = (header.link, header.first_seq, false);
    let mut dense = header.number == held.number && here.source().flaw().is_none();
    while let Ok(raw) = here.read() {
        let (head, mark) = (raw.head(), raw.is_mark());
        let expected = if mark { next - 1 } else { next };
        dense &= head.seq == expected || (held.form == Form::Thin && head.seq > expected);
        if let Some(stated) = raw.link() {
            dense &= raw.link_behind(&link) == stated;
            link = stated;
        }
        if about.first_at == 0 {
            about.first_at = head.at;
        }
        (about.last_at, about.last_seq, next) = (head.at, head.seq, head.seq + 1);
        about.used = here.offset() + raw.framed_bytes();
        sealed = head.kind == SEAL;
        here.pass(&raw);
    }
    let whole = sealed && dense && here.source().end()? >= about.used;
    Ok(Some(Survey { about, whole, link }))
}

fn copy(source: &mut Source, until: u64, to: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (mut at, mut piece, mut lost) = (0, vec![0; 256 << 10], vec![]);
    while at < until {
        let most = piece.len().min((until - at) as usize);
        let size = source.read_past(&mut piece[..most], at, &mut lost);
        if let Some(lost) = lost.first() {
            bail!("{lost}");
        }
        ensure!(size > 0, "the segment ends too early");
        to(&piece[..size])?;
        at += size as u64;
    }
    Ok(())
}

fn same(a: &mut Source, b: &mut Source, used: u64) -> anyhow::Result<bool> {
    let mut hashes = vec![];
    for source in [a, b] {
        let mut hasher = blake3::Hasher::new();
        copy(source, used, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        hashes.push(hasher.finalize());
    }
    Ok(hashes[0] == hashes[1])
}

/// No record of the first of these segments is younger: the time of its last one, or where it does not say that (it was left without a seal, or is
/// damaged), of the first one behind it. None where nothing says it. Never the file's own time: that is another clock's.
fn last_at(dir: &Path, from: &[Held]) -> anyhow::Result<Option<Micros>> {
    let [first, behind @ ..] = from else { return Ok(None) };
    if let Source::Packed(packed) = files::source(dir, *first)? {
        return Ok(Some(packed.about.last_at));
    }
    for held in behind {
        match files::source(dir, *held)? {
            Source::Packed(packed) => return Ok(Some(packed.about.first_at)),
            source => {
                if let Ok(raw) = Here::over(source, *held, held.path(dir))?.read() {
                    return Ok(Some(raw.head().at));
                }
            }
        }
    }
    Ok(None)
}

fn bytes(dir: &Path) -> anyhow::Result<u64> {
    Ok(files::list(dir)?.iter().map(|held| held.path(dir).metadata().map_or(0, |file| file.len())).sum())
}
