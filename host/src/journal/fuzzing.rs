//! What stands in a journal that anybody may have written, as functions of bytes. See [`crate::fuzzing`].

use super::codec;
use super::record::{HEAD_BYTES, Raw, SEQ_MAX, claimed_bytes};
use super::segment::{self, HEADER_BYTES, Header, SEGMENT_BYTES_MIN};
use super::{disk::Medium, outside, reader, reopen, stat, verify, walk};
use std::path::{Path, PathBuf};

const SITE: &str = "fuzz";

/// One record, tried as it is and under a CRC that fits. What is decoded is encoded and decoded to the same.
pub fn record(bytes: &[u8]) -> bool {
    let mut sealed = bytes.to_vec();
    seal(&mut sealed);
    [bytes, &sealed].iter().fold(false, |taken, bytes| taken | decoded(bytes))
}

fn decoded(bytes: &[u8]) -> bool {
    let Ok(raw) = Raw::parse(bytes) else { return false };
    let head = raw.head();
    let _ = (raw.link(), raw.link_behind(&[0; 32]), raw.covered(), raw.framed_bytes());
    let Ok(entry) = codec::decode(head.kind, head.version, raw.payload()) else { return false };
    let Ok(again) = codec::encode(&entry) else { return false };
    let read = codec::decode(codec::kind(&entry), codec::VERSION, &again).expect("what was just written");
    assert_eq!(again, codec::encode(&read).expect("what was just read"), "an entry changes on its way");
    true
}

/// Gives the records in `bytes`, one behind the other, CRCs that fit.
fn seal(mut bytes: &mut [u8]) {
    while let Some(Ok(claimed)) = bytes.first_chunk::<HEAD_BYTES>().map(claimed_bytes) {
        let payload = u32::from_le_bytes(bytes[..4].try_into().expect("four bytes")) as usize;
        let bare = HEAD_BYTES + payload + if bytes[36] & 1 == 1 { 32 } else { 0 };
        let Some(record) = bytes.get(8..bare) else { return };
        let crc = crc32c::crc32c(record).to_le_bytes();
        bytes[4..8].copy_from_slice(&crc);
        if claimed > bytes.len() {
            return;
        }
        bytes = &mut bytes[claimed..];
    }
}

/// A segment: whether CRCs are made to fit, the number of the first record, the records. Everything that reads journals reads it; then a writer goes
/// on behind it, and what was readable still is.
pub fn segment(bytes: &[u8]) -> bool {
    let Some(([fit, first @ ..], records)) = bytes.split_first_chunk::<9>() else { return false };
    let mut records = records.to_vec();
    if fit & 1 == 1 {
        seal(&mut records);
    }
    let header = Header {
        site: SITE.to_owned(),
        number: 1,
        first_seq: u64::from_le_bytes(*first),
        link: [7; 32],
        bytes: SEGMENT_BYTES_MIN,
    };
    let folder = Folder::new();
    let mut file = segment::header_block(&header);
    file.extend_from_slice(&records);
    file.resize((HEADER_BYTES as usize + records.len()).max(SEGMENT_BYTES_MIN as usize), 0);
    std::fs::write(segment::path(&folder.0, 1), file).expect("a file in memory");
    let read = |folder: &Path| -> Vec<u64> {
        let records = reader::read(folder, 1).expect("a folder that can be listed");
        // One that cannot be read is told once, and passed.
        records.take(10_000).filter_map(Result::ok).map(|record| record.seq).collect()
    };
    let before = read(&folder.0);
    let _ =
        (verify::verify(&folder.0), stat::stat(&folder.0, &mut |_| {}), outside::head(&folder.0), outside::extents(&folder.0));
    let mut walk = walk::Walk::open(&folder.0, 1).expect("a segment");
    for _ in 0..64 {
        if let Ok(walk::Step::Hole(hole)) = walk.step(Some(64)) {
            let _ = hole.to_string();
        }
    }
    // A first group under a header that cannot be read was never promised to anybody: it is dropped.
    let begun = (1..=SEQ_MAX).contains(&header.first_seq);
    if reopen::reopen(&folder.0, SITE, SEGMENT_BYTES_MIN, &Medium::Real, 0).is_ok() {
        let after = read(&folder.0);
        assert!(!begun || before.iter().all(|seq| after.contains(seq)), "{before:?} could be read, then {after:?}");
    }
    !before.is_empty()
}

/// A folder in memory where there is one, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let thread = std::thread::current().id();
        let path = root.join(format!("safety-brain-fuzz-{}-{thread:?}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder in memory");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
