//! Everything a rule remembers, as bytes and back, without naming each field twice. Must not know: what the fields mean.

use crate::{Reader, Writer};

/// What can be part of a snapshot. `load` is called on a value that [`crate::Rule::new`] has just made, and fills what `save` wrote;
/// settings (limits, delays, lengths) are not part of it.
pub trait State {
    /// Writes what changes from call to call.
    fn save(&self, out: &mut Writer);
    /// Reads what `save` wrote. An error where it does not fit this value.
    fn load(&mut self, from: &mut Reader) -> Result<(), String>;
}

impl State for bool {
    fn save(&self, out: &mut Writer) {
        out.bool(*self);
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        *self = from.bool()?;
        Ok(())
    }
}

impl State for u32 {
    fn save(&self, out: &mut Writer) {
        out.u32(*self);
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        *self = from.u32()?;
        Ok(())
    }
}

impl State for i64 {
    fn save(&self, out: &mut Writer) {
        out.i64(*self);
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        *self = from.i64()?;
        Ok(())
    }
}

impl State for f64 {
    fn save(&self, out: &mut Writer) {
        out.f64(*self);
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        *self = from.f64()?;
        Ok(())
    }
}

/// A moment, or none.
impl State for Option<i64> {
    fn save(&self, out: &mut Writer) {
        out.moment(*self);
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        *self = from.moment()?;
        Ok(())
    }
}

/// One helper for each tag: as many as `new` made.
impl<T: State> State for Vec<T> {
    fn save(&self, out: &mut Writer) {
        self.iter().for_each(|one| one.save(out));
    }
    fn load(&mut self, from: &mut Reader) -> Result<(), String> {
        self.iter_mut().try_for_each(|one| one.load(from))
    }
}

/// Inside `impl Rule`: `snapshot` and `restore` over these fields, in this order. A state of another
/// [`state_version`](crate::Description::state_version) is refused.
#[macro_export]
macro_rules! state {
    ($($field:tt),+ $(,)?) => {
        fn snapshot(&self) -> ::std::vec::Vec<u8> {
            let mut out = $crate::Writer::default();
            $($crate::State::save(&self.$field, &mut out);)+
            out.into_bytes()
        }
        fn restore(&mut self, version: u32, state: &[u8]) -> ::std::result::Result<(), ::std::string::String> {
            <Self as $crate::Rule>::describe().understands(version)?;
            let mut from = $crate::Reader::new(state);
            $($crate::State::load(&mut self.$field, &mut from)?;)+
            from.done()
        }
    };
}
