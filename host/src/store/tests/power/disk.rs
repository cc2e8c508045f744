//! What a disk holds after its power was cut: made from a recording of all that was done to the files (`tests/peers/failing_disk.c`, `record`).
//! What was synced is there. Of the rest a choice by seed: writes dropped, kept, or torn by sector and in any order; names given, taken and
//! removed, or not. Must not know: what is in the files.

use crate::store::tests::damage::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const SECTOR: usize = 512;
const NAMES_AT: usize = 2;
/// Bytes of one entry of the recording, without names and what was written.
const HEAD: usize = 40;

/// One thing that was done. Files and folders go by number: names change.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    Write {
        file: u64,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: u64,
        size: usize,
    },
    /// Of a file or a folder.
    Sync {
        file: u64,
    },
    /// Of everything, as `sync` does: whoever opens a database with sled has that done.
    SyncAll,
    /// A file, or a folder where it `is_folder`, got a name.
    Make {
        folder: u64,
        name: String,
        file: u64,
        is_folder: bool,
    },
    Remove {
        folder: u64,
        name: String,
    },
    Rename {
        from: (u64, String),
        to: (u64, String),
        file: u64,
    },
    /// From here on the journal promises this record.
    Durable(u64),
    /// From here on the journal has no readings up to this record.
    Dropped(u64),
}

/// Files of the recording that no disk holds: what is written to them is said to whoever cuts the power.
pub const DURABLE: &str = "durable";
pub const DROPPED: &str = "dropped";

/// A recording.
pub struct Recording {
    /// The folder that all is in.
    pub root: u64,
    /// What was done, in order.
    pub calls: Vec<Call>,
}

impl Recording {
    /// Without some of the calls.
    pub fn without(&self, is_left_out: &dyn Fn(&Call) -> bool) -> Recording {
        let calls = self.calls.iter().filter(|call| !is_left_out(call)).cloned().collect();
        Recording { root: self.root, calls }
    }
}

/// Reads what the library wrote down of what was done below `root`.
pub fn read(log: &[u8], root: u64) -> Recording {
    let (mut calls, mut said, mut rest) = (vec![], BTreeMap::new(), log);
    while !rest.is_empty() {
        let word = |at: usize| u64::from_le_bytes(*rest[at..].first_chunk().unwrap());
        let names = u16::from_le_bytes(*rest[NAMES_AT..].first_chunk().unwrap()) as usize;
        let size = u32::from_le_bytes(*rest[4..].first_chunk().unwrap()) as usize;
        let (file, folder, to_folder, at) = (word(8), word(16), word(24), word(32) as usize);
        let name = String::from_utf8(rest[HEAD..HEAD + names].to_vec()).unwrap();
        let bytes = rest[HEAD + names..HEAD + names + size].to_vec();
        let call = match rest[0] {
            b'w' if said.contains_key(&file) => {
                let number = String::from_utf8(bytes).unwrap().parse().unwrap();
                Some(if said[&file] == DURABLE { Call::Durable(number) } else { Call::Dropped(number) })
            }
            b't' if said.contains_key(&file) => None,
            b'c' if folder == root && [DURABLE, DROPPED].contains(&name.as_str()) => {
                said.insert(file, name);
                None
            }
            b'w' => Some(Call::Write { file, at, bytes }),
            b't' => Some(Call::Truncate { file, size: at }),
            b's' => Some(Call::Sync { file }),
            b'a' => Some(Call::SyncAll),
            b'c' => Some(Call::Make { folder, name, file, is_folder: false }),
            b'm' => Some(Call::Make { folder, name, file, is_folder: true }),
            b'u' => Some(Call::Remove { folder, name }),
            b'r' => {
                let (from, to) = name.split_once('/').unwrap();
                Some(Call::Rename { from: (folder, from.to_owned()), to: (to_folder, to.to_owned()), file })
            }
            other => panic!("not a recording: {other}"),
        };
        calls.extend(call);
        rest = &rest[HEAD + names + size..];
    }
    Recording { root, calls }
}

/// How the disk treats what is not synced.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// As file systems with one log do it: names change in the order in which they were changed, and any sync takes along all that came before. Else as
    /// POSIX has it: each by itself, and by a sync of its folder alone.
    pub in_order: bool,
    /// `sync` does what it says; else there is no such program.
    pub sync_all: bool,
}

/// What became of what was not synced.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub kept: usize,
    pub dropped: usize,
    pub torn: usize,
    pub names_kept: usize,
    pub names_dropped: usize,
}

/// Where the power was cut, and what was said until then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    pub durable: u64,
    pub dropped: u64,
}

#[derive(Default)]
struct File<'a> {
    bytes: Vec<u8>,
    pending: Vec<&'a Call>,
}

/// The disk.
pub struct Disk<'a> {
    root: u64,
    rules: Rules,
    files: BTreeMap<u64, File<'a>>,
    folders: BTreeMap<u64, BTreeMap<String, u64>>,
    /// Names changed and not on disk.
    names: Vec<&'a Call>,
    pub said: Said,
    pub count: Count,
}

impl<'a> Disk<'a> {
    /// An empty one, its folder `root`.
    pub fn new(root: u64, rules: Rules) -> Disk<'a> {
        let folders = BTreeMap::from([(root, BTreeMap::new())]);
        Disk { root, rules, files: BTreeMap::new(), folders, names: vec![], said: Said::default(), count: Count::default() }
    }

    /// Does one thing.
    pub fn take(&mut self, call: &'a Call) {
        match call {
            Call::Write { file, .. } | Call::Truncate { file, .. } => self.files.entry(*file).or_default().pending.push(call),
            Call::Sync { file } => self.sync(*file),
            Call::SyncAll if self.rules.sync_all => {
                let all: Vec<u64> = self.files.keys().copied().collect();
                all.into_iter().for_each(|file| self.sync(file));
                self.all_names();
            }
            Call::SyncAll => {}
            Call::Make { file, is_folder, .. } => {
                let fresh = !self.files.contains_key(file) && !self.folders.contains_key(file);
                assert!(fresh, "the recording uses the number of a file twice");
                if *is_folder {
                    self.folders.insert(*file, BTreeMap::new());
                } else {
                    self.files.insert(*file, File::default());
                }
                self.names.push(call);
            }
            Call::Remove { .. } | Call::Rename { .. } => self.names.push(call),
            Call::Durable(seq) => self.said.durable = *seq,
            Call::Dropped(seq) => self.said.dropped = *seq,
        }
    }

    fn sync(&mut self, number: u64) {
        if let Some(file) = self.files.get_mut(&number) {
            let File { bytes, pending } = file;
            pending.drain(..).for_each(|call| apply(bytes, call));
        }
        if self.rules.in_order {
            return self.all_names();
        }
        let of_it = |call: &Call| match call {
            Call::Make { folder, .. } | Call::Remove { folder, .. } => *folder == number,
            Call::Rename { from, to, .. } => from.0 == number || to.0 == number,
            _ => false,
        };
        while let Some(first) = self.names.iter().position(|call| of_it(call)) {
            self.name_with_causes(first);
        }
    }

    fn all_names(&mut self) {
        for call in std::mem::take(&mut self.names) {
            self.name(call);
        }
    }

    /// A name is not on disk before what stood in the same place earlier.
    fn name_with_causes(&mut self, last: usize) {
        let mut wanted = BTreeSet::new();
        let mut taken = vec![];
        for at in (0..=last).rev() {
            let here = places(self.names[at]);
            if at == last || here.iter().any(|place| wanted.contains(place)) {
                wanted.extend(here);
                taken.push(at);
            }
        }
        for at in taken.iter().rev() {
            self.name(self.names[*at]);
        }
        for at in taken {
            self.names.remove(at);
        }
    }

    fn name(&mut self, call: &Call) {
        match call {
            Call::Make { folder, name, file, .. } => self.put(*folder, name, *file),
            Call::Remove { folder, name } => drop(self.folders.get_mut(folder).and_then(|names| names.remove(name))),
            Call::Rename { from, to, file } => {
                self.folders.get_mut(&from.0).and_then(|names| names.remove(&from.1));
                self.put(to.0, &to.1, *file);
            }
            Call::Write { .. }
            | Call::Truncate { .. }
            | Call::Sync { .. }
            | Call::SyncAll
            | Call::Durable(_)
            | Call::Dropped(_) => {}
        }
    }

    fn put(&mut self, folder: u64, name: &str, file: u64) {
        self.folders.entry(folder).or_default().insert(name.to_owned(), file);
    }

    /// The power is gone.
    pub fn cut(&mut self, dice: &mut Dice) {
        for file in self.files.values_mut() {
            let whim = dice.roll(4);
            for call in std::mem::take(&mut file.pending) {
                let (kept, torn) = match (whim, call) {
                    (0, _) => (false, false),
                    (1, _) => (true, false),
                    (_, Call::Write { at, bytes, .. }) => tear(&mut file.bytes, *at, bytes, dice),
                    (_, _) => (dice.roll(2) == 0, false),
                };
                if kept {
                    apply(&mut file.bytes, call);
                }
                *(if torn {
                    &mut self.count.torn
                } else if kept {
                    &mut self.count.kept
                } else {
                    &mut self.count.dropped
                }) += 1;
            }
        }
        let names = std::mem::take(&mut self.names);
        let until = dice.roll(names.len() as u64 + 1) as usize;
        let mut missed = BTreeSet::new();
        for (at, call) in names.into_iter().enumerate() {
            let here = places(call);
            let kept = if self.rules.in_order { at < until } else { dice.roll(2) == 0 };
            if kept && !here.iter().any(|place| missed.contains(place)) {
                self.name(call);
                self.count.names_kept += 1;
            } else {
                missed.extend(here);
                self.count.names_dropped += 1;
            }
        }
    }

    /// Puts what is there into a folder.
    pub fn make(&self, folder: &Path) {
        self.make_from(self.root, folder);
    }

    fn make_from(&self, number: u64, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for (name, file) in &self.folders[&number] {
            match self.files.get(file) {
                Some(found) => std::fs::write(to.join(name), &found.bytes).unwrap(),
                None => self.make_from(*file, &to.join(name)),
            }
        }
    }
}

/// The places in folders that a change of names is about.
fn places(call: &Call) -> Vec<(u64, &str)> {
    match call {
        Call::Make { folder, name, .. } | Call::Remove { folder, name } => vec![(*folder, name)],
        Call::Rename { from, to, .. } => vec![(from.0, &from.1), (to.0, &to.1)],
        Call::Write { .. } | Call::Truncate { .. } | Call::Sync { .. } | Call::SyncAll | Call::Durable(_) | Call::Dropped(_) => {
            vec![]
        }
    }
}

fn apply(file: &mut Vec<u8>, call: &Call) {
    match call {
        Call::Write { at, bytes, .. } => put(file, *at, bytes),
        Call::Truncate { size, .. } => {
            file.truncate(*size);
            grow(file, *size);
        }
        Call::Sync { .. }
        | Call::SyncAll
        | Call::Make { .. }
        | Call::Remove { .. }
        | Call::Rename { .. }
        | Call::Durable(_)
        | Call::Dropped(_) => {}
    }
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    grow(file, at);
    let (over, behind) = bytes.split_at(bytes.len().min(file.len() - at));
    file[at..at + over.len()].copy_from_slice(over);
    file.extend_from_slice(behind);
}

/// Zeros up to this size; not one by one, as `resize` does it in a debug build.
fn grow(file: &mut Vec<u8>, size: usize) {
    if size > file.len() {
        file.append(&mut vec![0; size - file.len()]);
    }
}

/// Some sectors of a write, and halves of them. Whether all of it is to be kept, and whether it is neither whole nor gone.
fn tear(file: &mut Vec<u8>, at: usize, bytes: &[u8], dice: &mut Dice) -> (bool, bool) {
    let (mut from, mut whole, mut gone) = (0, true, true);
    while from < bytes.len() {
        let size = (SECTOR - (at + from) % SECTOR).min(bytes.len() - from);
        let kept = [size, size, size / 2, 0, 0][dice.roll(5) as usize];
        put(file, at + from, &bytes[from..from + kept]);
        (whole, gone) = (whole && kept == size, gone && kept == 0);
        from += size;
    }
    if !whole && dice.roll(4) == 0 {
        // Its length came, and not what is in it.
        grow(file, at + bytes.len());
    }
    (whole, !whole && !gone)
}
