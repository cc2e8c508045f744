//! What leaves the state: alarms closed and notices done before the oldest day kept, and starts that no day kept needs.
//! Once a day, a few rows at each call. Must not know: when it is called.

use super::shelf::Shelf;
use super::{NoticeRow, keys};
use brain::notice::Delivery;
use brain::{Alarm, Micros};

/// Rows looked at in one call.
const ROWS_AT_ONCE: usize = 256;
const DAY_US: Micros = 86_400_000_000;

impl Shelf {
    /// Goes on sweeping; false where there is nothing more to do today.
    pub fn sweep(&mut self) -> anyhow::Result<bool> {
        let today = self.today();
        if self.swept == today {
            return Ok(false);
        }
        // Begun anew where the day has changed meanwhile: more is over then.
        let going_on = self.sweeping.take().filter(|(day, _)| *day == today);
        let from = going_on.map_or(keys::ALARM.to_vec(), |(_, from)| from);
        let prefix = from[..1].to_vec();
        let before = self.oldest_kept().saturating_mul(DAY_US);
        let (mut gone, mut next) = (vec![], None);
        for (count, row) in self.bases.state.ascending(&prefix, &from).enumerate() {
            let (key, value) = row?;
            if count == ROWS_AT_ONCE {
                next = Some(key);
                break;
            }
            let is_done = if prefix == keys::ALARM {
                let alarm: Alarm = serde_json::from_slice(&value)?;
                alarm.closed && alarm.changed_at < before
            } else {
                let row: NoticeRow = serde_json::from_slice(&value)?;
                row.delivery != Delivery::Queued && row.changed_at < before && !self.stands(row.notice.alarm.id.0)?
            };
            if is_done {
                gone.push(key);
            }
        }
        if !gone.is_empty() {
            self.bases.state.remove(gone)?;
        }
        match next {
            Some(next) => self.sweeping = Some((today, next)),
            None if prefix == keys::ALARM => self.sweeping = Some((today, keys::NOTICE.to_vec())),
            None => {
                self.forget_old_starts()?;
                self.swept = today;
            }
        }
        Ok(true)
    }

    fn stands(&self, alarm: u64) -> anyhow::Result<bool> {
        let alarm: Option<Alarm> = self.one(keys::ALARM, alarm)?;
        Ok(alarm.is_some_and(|alarm| !alarm.closed))
    }

    /// Names are needed from the start on that was in force when the oldest day began.
    fn forget_old_starts(&mut self) -> anyhow::Result<()> {
        let Some(oldest) = self.days.values().next() else {
            return Ok(());
        };
        let mut gone = vec![];
        for row in self.bases.state.descending(keys::GIVEN, &keys::numbered(keys::GIVEN, oldest.seq)) {
            gone.push(row?.0);
        }
        if gone.len() > 1 {
            self.bases.state.remove(gone.split_off(1))?;
        }
        Ok(())
    }
}
