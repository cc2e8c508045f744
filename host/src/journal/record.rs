//! The bytes of one record: framing, CRC32C, hash chain. All integers little-endian.
//! Must not know: what a payload means (that is `codec`), files, threads.
//!
//! | Bytes | Field |
//! |---|---|
//! | 0-3 | payload length; 0 = nothing written here yet |
//! | 4-7 | CRC32C over bytes 8 to the end, without padding |
//! | 8-15 | sequence number |
//! | 16-23 | `synced`: highest number known to be on disk when this record was framed |
//! | 24-31 | `at`, microseconds UTC |
//! | 32-35 | kind, version |
//! | 36-39 | flags |
//! | 40- | payload; 32 bytes of link if chained; zeros to a multiple of 8 |

/// Bytes before the payload.
pub const HEAD_BYTES: usize = 40;
/// Bytes of a link.
pub const LINK_BYTES: usize = 32;
/// Largest payload: 1 MiB. Bounds what one damaged length can make a reader read.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Highest number of a record: a million a second for a hundred thousand years. What claims more was not written here.
pub const SEQ_MAX: u64 = 1 << 62;
/// Records begin at multiples of this.
pub const STEP: u64 = 8;

/// Carries a link: part of the hash chain.
pub const CHAINED: u32 = 1;
/// A reader that does not know the kind may skip it.
pub const SKIPPABLE: u32 = 2;
/// Last record of its group: everything up to here was written with one sync.
pub const GROUP_END: u32 = 4;

/// Kinds from here on are the journal's own marks. A mark takes no number: it repeats that of the record before it.
pub const MARK_FIRST: u16 = 0x8000;

/// BLAKE3 over the previous link and a record: the head of everything before it.
pub type Link = [u8; LINK_BYTES];

/// What stands before a payload, except length and CRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the record; of a mark, the number before it.
    pub seq: u64,
    /// Highest number on disk when this was framed.
    pub synced: u64,
    /// Brain time, microseconds UTC.
    pub at: i64,
    /// What the payload is.
    pub kind: u16,
    /// Schema of the payload.
    pub version: u16,
    /// [`CHAINED`], [`SKIPPABLE`], [`GROUP_END`].
    pub flags: u32,
}

/// Bytes a record takes in a segment, padding included.
pub fn framed_bytes(payload: usize, flags: u32) -> usize {
    bare_bytes(payload, flags).next_multiple_of(STEP as usize)
}

fn bare_bytes(payload: usize, flags: u32) -> usize {
    HEAD_BYTES + payload + if flags & CHAINED != 0 { LINK_BYTES } else { 0 }
}

/// Appends one framed record to `out`; a chained one moves `link` on. `payload` is 1 byte to [`PAYLOAD_BYTES_MAX`].
pub fn frame(out: &mut Vec<u8>, head: &Head, payload: &[u8], link: &mut Link) {
    debug_assert!((1..=PAYLOAD_BYTES_MAX).contains(&payload.len()));
    let start = out.len();
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    put_covered(out, head, payload);
    if head.flags & CHAINED != 0 {
        *link = next_link(link, &out[start + 8..]);
        out.extend_from_slice(link);
    }
    let crc = crc32c::crc32c(&out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    out.resize(start + (out.len() - start).next_multiple_of(STEP as usize), 0);
}

fn put_covered(out: &mut Vec<u8>, head: &Head, payload: &[u8]) {
    out.extend_from_slice(&head.seq.to_le_bytes());
    out.extend_from_slice(&head.synced.to_le_bytes());
    out.extend_from_slice(&head.at.to_le_bytes());
    out.extend_from_slice(&head.kind.to_le_bytes());
    out.extend_from_slice(&head.version.to_le_bytes());
    out.extend_from_slice(&head.flags.to_le_bytes());
    out.extend_from_slice(payload);
}

/// What links and anchors cover of a record, made again from its parts.
pub fn covered_bytes(head: &Head, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + payload.len());
    put_covered(&mut out, head, payload);
    out
}

/// The link behind a record: BLAKE3 over the link before it and what is covered of it.
pub fn next_link(link: &Link, covered: &[u8]) -> Link {
    *blake3::Hasher::new().update(link).update(covered).finalize().as_bytes()
}

/// A whole record whose CRC holds, without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(Vec<u8>);

/// Why no record stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The length is zero: nothing was written here, or it is gone.
    Nothing,
    /// Something stands here that is no record.
    Bad(&'static str),
}

/// Bytes the record beginning with `head` claims to take, padding included.
pub fn claimed_bytes(head: &[u8; HEAD_BYTES]) -> Result<usize, Unread> {
    match u32_at(head, 0) as usize {
        0 => Err(Unread::Nothing),
        len if len > PAYLOAD_BYTES_MAX => Err(Unread::Bad("the length is impossible")),
        len => Ok(framed_bytes(len, u32_at(head, 36))),
    }
}

impl Raw {
    /// Reads the record that begins at `bytes[0]`. `bytes` is as long as [`claimed_bytes`] says, or longer.
    pub fn parse(bytes: &[u8]) -> Result<Raw, Unread> {
        let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else {
            return Err(Unread::Bad("cut short"));
        };
        claimed_bytes(head)?;
        let bare = bare_bytes(u32_at(head, 0) as usize, u32_at(head, 36));
        let Some(bytes) = bytes.get(..bare) else {
            return Err(Unread::Bad("cut short"));
        };
        if crc32c::crc32c(&bytes[8..]) != u32_at(bytes, 4) {
            return Err(Unread::Bad("the CRC does not fit"));
        }
        if u64_at(bytes, 8) > SEQ_MAX {
            return Err(Unread::Bad("the number is impossible"));
        }
        Ok(Raw(bytes.to_vec()))
    }

    /// All but length, CRC and payload.
    pub fn head(&self) -> Head {
        let b = &self.0;
        Head {
            seq: u64_at(b, 8),
            synced: u64_at(b, 16),
            at: u64_at(b, 24) as i64,
            kind: u32_at(b, 32) as u16,
            version: (u32_at(b, 32) >> 16) as u16,
            flags: u32_at(b, 36),
        }
    }

    /// What the record holds.
    pub fn payload(&self) -> &[u8] {
        &self.0[HEAD_BYTES..HEAD_BYTES + u32_at(&self.0, 0) as usize]
    }

    /// The link a chained record carries.
    pub fn link(&self) -> Option<Link> {
        if self.head().flags & CHAINED == 0 {
            return None;
        }
        self.0.last_chunk::<LINK_BYTES>().copied()
    }

    /// The link it must carry behind `previous`.
    pub fn link_behind(&self, previous: &Link) -> Link {
        next_link(previous, self.covered())
    }

    /// Bytes 8 to the end of the payload: what links and anchors cover.
    pub fn covered(&self) -> &[u8] {
        &self.0[8..HEAD_BYTES + u32_at(&self.0, 0) as usize]
    }

    /// Takes no number of its own.
    pub fn is_mark(&self) -> bool {
        self.head().kind >= MARK_FIRST
    }

    /// As it stands in a segment.
    pub fn framed(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        bytes.resize(self.framed_bytes() as usize, 0);
        bytes
    }

    /// Bytes in the segment, padding included.
    pub fn framed_bytes(&self) -> u64 {
        self.0.len().next_multiple_of(STEP as usize) as u64
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn head(flags: u32) -> Head {
        Head { seq: 7, synced: 5, at: -3, kind: 4, version: 1, flags }
    }

    #[test]
    fn what_is_framed_is_read() {
        for flags in [0, CHAINED, CHAINED | SKIPPABLE | GROUP_END] {
            for payload in [&b"x"[..], b"12345678", &[9; 1000]] {
                let (mut out, mut link) = (vec![], [1; 32]);
                frame(&mut out, &head(flags), payload, &mut link);
                assert_eq!(out.len(), framed_bytes(payload.len(), flags));
                let raw = Raw::parse(&out).unwrap();
                assert_eq!((raw.head(), raw.payload()), (head(flags), payload));
                assert_eq!(raw.framed_bytes(), out.len() as u64);
                if flags & CHAINED != 0 {
                    assert_eq!(raw.link(), Some(link));
                    assert_eq!(raw.link_behind(&[1; 32]), link);
                }
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_found_or_harmless() {
        let (mut out, mut link) = (vec![], [0; 32]);
        frame(&mut out, &head(CHAINED), b"eleven byte", &mut link);
        let whole = Raw::parse(&out).unwrap();
        for bit in 0..out.len() * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(raw) = Raw::parse(&bad) {
                assert_eq!(raw, whole, "bit {bit}: only padding may change unseen");
            }
        }
    }

    #[test]
    fn nothing_is_not_damage() {
        assert_eq!(Raw::parse(&[0; 64]), Err(Unread::Nothing));
        assert!(matches!(Raw::parse(&[255; 64]), Err(Unread::Bad(_))));
    }
}
