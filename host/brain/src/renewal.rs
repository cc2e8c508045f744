//! A message to a bureau is valid for a time: before it is over the next one follows, for as long as the alarm is owed. Must not know: formats, transports.

use crate::alarm::{Alarm, AlarmId};
use crate::brain::Brain;
use crate::event::Effect;
use crate::notice::Reason;
use crate::outbox::RESEND_MAX_US;
use crate::reading::Micros;
use crate::site::Audience;
use crate::timer::Timer;

/// While the alarm is open, the next message to the bureau goes when the last one has been valid for so long of each second that it is: at 80 %.
const RENEW_US: Micros = 800_000;

impl Brain {
    /// The bureau's last message is about to expire.
    pub(crate) fn renew_due(&mut self, id: AlarmId, audience: u32, out: &mut Vec<Effect>) {
        let audience = audience as usize;
        let Some(chain) = self.chains.get_mut(&(id, audience)) else { return };
        // Older programs set one of these for each message.
        let is_another = chain.renew_at > self.now;
        if is_another || !self.alarms.get(&id).is_some_and(Alarm::is_owed) {
            return;
        }
        let Some(about) = self.site.audiences.get(audience) else { return };
        let due = chain.last_at.saturating_add(renew_after(about));
        if due > self.now || !chain.waiting.is_empty() {
            chain.renew_at = if due > self.now { due } else { self.now.saturating_add(RESEND_MAX_US) };
            self.timers.at(chain.renew_at, Timer::Renew(id, audience as u32));
            return;
        }
        self.notify(id, audience, "", Reason::Renewed, out);
    }
}

/// When a message to this audience is followed by the next one.
pub(crate) fn renew_after(about: &Audience) -> Micros {
    Micros::from(about.valid_s).saturating_mul(RENEW_US)
}
