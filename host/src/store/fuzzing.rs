//! A packed block as a function of bytes. See [`crate::fuzzing`].

use super::block;

/// A block as it is, and under a CRC that fits. What is unpacked is packed and unpacked to the same.
pub fn block(bytes: &[u8]) -> bool {
    let mut sealed = bytes.to_vec();
    if bytes.len() > 4 {
        let crc = crc32c::crc32c(&bytes[4..]).to_le_bytes();
        sealed[..4].copy_from_slice(&crc);
    }
    [bytes, &sealed].iter().fold(false, |taken, bytes| taken | unpacked(bytes))
}

fn unpacked(bytes: &[u8]) -> bool {
    let _ = (block::last_seq(bytes), block::rows(bytes));
    let Ok(rows) = block::unpack(bytes) else { return false };
    let Ok(packed) = block::pack(&rows, 1, 2) else { return false };
    let again = block::unpack(&packed).expect("what was just packed");
    let of = |rows: &[super::Point]| -> Vec<_> {
        rows.iter().map(|row| (row.at, row.source_us, row.value.to_bits(), row.quality)).collect()
    };
    assert_eq!(of(&rows), of(&again), "readings change on their way");
    true
}
