//! What persons ask for: each command once, each act by whoever may do it, and who is told of it. Must not know: roles, sign-in, pages.

use crate::alarm::{Alarm, AlarmId, Person};
use crate::brain::Brain;
use crate::event::{Act, Change, Effect, Refusal};
use crate::notice::Reason;
use crate::shelf::{OutOfService, Wish};
use crate::timer::s;

/// Closed alarms remembered for screens; the journal and the store keep all.
const CLOSED_MAX: usize = 1_000;
/// Commands whose answer is remembered, so that a repeated request has no second effect.
const ANSWERED_MAX: usize = 1_024;

impl Brain {
    pub(crate) fn operator(&mut self, command: &str, by: &Person, act: &Act, out: &mut Vec<Effect>) {
        let result = match self.answered.get(command) {
            Some(_) if self.acts.get(command).is_some_and(|known| known != act) => Err(Refusal::OtherCommand),
            Some(known) => known.clone(),
            None => self.act(by, act, out),
        };
        if result == Err(Refusal::OtherCommand) {
            out.push(Effect::Answer { command: command.to_owned(), result });
            return;
        }
        self.acts.insert(command.to_owned(), act.clone());
        if self.answered.insert(command.to_owned(), result.clone()).is_none() {
            self.answered_order.push_back(command.to_owned());
            if self.answered_order.len() > ANSWERED_MAX
                && let Some(oldest) = self.answered_order.pop_front()
            {
                self.answered.remove(&oldest);
                self.acts.remove(&oldest);
            }
        }
        out.push(Effect::Answer { command: command.to_owned(), result });
    }

    fn act(&mut self, by: &Person, act: &Act, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let now = self.now;
        let (id, change) = match act {
            Act::ReleaseRule { rule } => {
                let rule = self.site.rules.iter().position(|known| known.name == *rule).ok_or(Refusal::Unknown)?;
                return if self.release(rule, out) { Ok(()) } else { Err(Refusal::Already) };
            }
            Act::Rule { rule, step } => return self.rule_step(rule, by, step, out),
            Act::Acknowledge { alarm, severity, occurrence, note } => {
                (*alarm, self.known(*alarm)?.acknowledge(now, by, note, (*severity, *occurrence))?)
            }
            Act::Reset { alarm, note } => (*alarm, self.known(*alarm)?.reset(now, by, note)?),
            Act::Handle { alarm, note } => (*alarm, self.known(*alarm)?.handle(now, by, note)?),
            Act::Close { alarm, note, closing } => (*alarm, self.known(*alarm)?.close(now, by, note, closing.as_ref())?),
            Act::TakeInstruction { alarm, message, note } => return self.take_instruction(*alarm, by, (message, note), out),
            Act::Accident { alarm, step } => (*alarm, self.accident(*alarm, by, step)?),
            Act::Shelve { .. } | Act::TakeOut { .. } if self.unrecorded => return Err(Refusal::Unrecorded),
            Act::Shelve { alarm, for_s, one_shot, severity, occurrence, note } => {
                let wish = Wish { for_s: *for_s, one_shot: *one_shot, reason: note, seen: (*severity, *occurrence) };
                (*alarm, self.known(*alarm)?.shelve(now, by, &wish)?)
            }
            Act::Unshelve { alarm, .. } => return self.unshelve(*alarm, out),
            Act::TakeOut { tag, for_s, permit, measure } => {
                let until = now.saturating_add(s(*for_s));
                let (by, permit, measure) = (by.clone(), permit.clone(), measure.clone());
                return self.take_out(tag, OutOfService { by, second: None, permit, measure, from: now, until }, out);
            }
            Act::PutBack { tag, .. } => return self.put_back(tag, out),
            Act::TestAnnunciator { audience } => return self.test_annunciator(audience, out),
            Act::Duty { roster, change, note } => return self.duty_act(by, roster, change, note, out),
        };
        out.push(Effect::Alarm { alarm: id, change });
        if change == Change::Acknowledged {
            self.tell_back(id, Reason::Acknowledged, out);
            // What was shown worse than it stands is no more: a logic may hide it now.
            self.suppress(id, false, out);
        }
        if change == Change::Handled {
            self.tell_bureaus(id, Reason::Handled, out);
        }
        if change == Change::Accident {
            self.tell_of_accident(id, out);
        }
        if change == Change::Shelved {
            self.shelved(id, out);
        }
        if change == Change::Closed {
            self.tell_back(id, Reason::Closed, out);
            self.forget(id);
        }
        Ok(())
    }

    pub(crate) fn known(&mut self, id: AlarmId) -> Result<&mut Alarm, Refusal> {
        self.alarms.get_mut(&id).ok_or(Refusal::Unknown)
    }

    /// A closed alarm is history: the same danger opens a new one.
    fn forget(&mut self, id: AlarmId) {
        if let Some(alarm) = self.alarms.get(&id) {
            self.open.remove(&alarm.key);
            if let Some(members) = self.groups.get_mut(&alarm.group) {
                members.remove(&id);
            }
        }
        self.groups.retain(|_, members| !members.is_empty());
        self.habits.remove(&id);
        self.climbs.remove(&id);
        self.closed.push_back(id);
        let spare = |id: &AlarmId| self.alarms.get(id).is_none_or(|alarm| !alarm.has_clocks(self.now));
        if self.closed.len() > CLOSED_MAX
            && let Some(oldest) = self.closed.iter().position(spare).and_then(|oldest| self.closed.remove(oldest))
        {
            self.alarms.remove(&oldest);
            let mut left: Vec<(usize, usize)> = Vec::new();
            for chains in [&mut self.chains, &mut self.accidents] {
                let keys: Vec<_> = chains.range((oldest, 0)..=(oldest, usize::MAX)).map(|(key, _)| *key).collect();
                left.extend(keys.iter().filter_map(|key| Some((key.1, chains.remove(key)?.waiting().count()))));
            }
            for (audience, left) in left {
                if let Some(waiting) = self.waiting.get_mut(audience) {
                    *waiting = waiting.saturating_sub(left);
                }
            }
        }
    }
}
