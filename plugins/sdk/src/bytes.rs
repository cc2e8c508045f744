//! State as bytes: a writer and a reader that never panics. Must not know: what the bytes mean.

/// Collects state, little-endian, without names or lengths beyond those written.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }
    /// A flag as one byte.
    pub fn bool(&mut self, value: bool) {
        self.u8(value.into());
    }
    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }
    /// Eight bytes.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend(value.to_le_bytes());
    }
    /// Eight bytes, bit for bit; `NaN` survives.
    pub fn f64(&mut self, value: f64) {
        self.bytes.extend(value.to_le_bytes());
    }
    /// A flag, then the moment if there is one.
    pub fn moment(&mut self, value: Option<i64>) {
        self.bool(value.is_some());
        if let Some(value) = value {
            self.i64(value);
        }
    }
    /// How many, then each of them.
    pub fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Writer, &T)) {
        self.u32(items.len().try_into().unwrap_or(u32::MAX));
        for item in items {
            each(self, item);
        }
    }
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads back what a [`Writer`] wrote, in the same order. A short or long state is an error, never a guess.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or("the saved state ends too early")?;
        self.bytes = rest;
        Ok(*head)
    }
    /// One byte.
    pub fn u8(&mut self) -> Result<u8, String> {
        Ok(self.take::<1>()?[0])
    }
    /// A flag; anything but 0 is true.
    pub fn bool(&mut self) -> Result<bool, String> {
        Ok(self.u8()? != 0)
    }
    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.take()?))
    }
    /// Eight bytes.
    pub fn i64(&mut self) -> Result<i64, String> {
        Ok(i64::from_le_bytes(self.take()?))
    }
    /// Eight bytes, bit for bit.
    pub fn f64(&mut self) -> Result<f64, String> {
        Ok(f64::from_le_bytes(self.take()?))
    }
    /// What [`Writer::moment`] wrote.
    pub fn moment(&mut self) -> Result<Option<i64>, String> {
        Ok(if self.bool()? { Some(self.i64()?) } else { None })
    }
    /// What [`Writer::list`] wrote; more than `most` is an error.
    pub fn list<T>(&mut self, most: usize, mut each: impl FnMut(&mut Reader<'a>) -> Result<T, String>) -> Result<Vec<T>, String> {
        let count = self.u32()? as usize;
        if count > most {
            return Err(format!("the saved state has a list of {count}, at most {most} fit"));
        }
        (0..count).map(|_| each(self)).collect()
    }
    /// Nothing may be left over.
    pub fn done(self) -> Result<(), String> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(format!("{left} bytes of the saved state were not understood")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let mut out = Writer::default();
        out.u8(7);
        out.f64(f64::NAN);
        out.moment(Some(-3));
        out.moment(None);
        out.list(&[1, 2], |out, n| out.u32(*n));
        let bytes = out.into_bytes();
        let mut from = Reader::new(&bytes);
        assert_eq!(from.u8().unwrap(), 7);
        assert!(from.f64().unwrap().is_nan());
        assert_eq!(from.moment().unwrap(), Some(-3));
        assert_eq!(from.moment().unwrap(), None);
        assert_eq!(from.list(2, Reader::u32).unwrap(), [1, 2]);
        from.done().unwrap();
    }

    #[test]
    fn short_long_and_oversized_states_are_errors() {
        assert!(Reader::new(&[1, 2]).f64().is_err());
        assert!(Reader::new(&[1]).done().is_err());
        assert!(Reader::new(&[255, 255, 255, 255]).list(8, Reader::u8).is_err());
    }
}
