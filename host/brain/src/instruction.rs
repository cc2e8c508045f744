//! What a person at the bureau tells the plant to do: heard once, taken by a named person of the plant, and told back to whoever gave it. Must not know: how
//! either travels.

use crate::alarm::{AlarmId, Handling, Instruction, Person};
use crate::brain::Brain;
use crate::event::{Change, Effect, Refusal};
use crate::notice::{NoticeId, Reason};

/// Instructions that an alarm still names; the oldest go first.
const INSTRUCTIONS_MAX: usize = 32;

impl Brain {
    /// A named person at the receiver says what the plant is to do. The same message again is heard once; of those without a name the same words.
    pub(crate) fn instructed(&mut self, id: NoticeId, by: &Person, note: &str, message: &str, out: &mut Vec<Effect>) {
        let about = self.outbox.get(&id).map(|row| (row.notice.alarm.id, row.notice.audience.clone()));
        let Some((about, audience)) = about else { return };
        let Some(alarm) = self.alarms.get_mut(&about) else { return };
        let given = &mut alarm.escalation.instructions;
        let same = |known: &Instruction| match message {
            "" => known.by.name == by.name && known.note == note,
            _ => known.message == message && known.audience == audience,
        };
        if given.iter().any(same) {
            return;
        }
        if given.len() >= INSTRUCTIONS_MAX {
            given.remove(0);
        }
        // Nothing can be told of one without a name.
        let audience = if message.is_empty() { String::new() } else { audience };
        let (by, note, message) = (by.clone(), note.to_owned(), message.to_owned());
        given.push(Instruction { by, at: self.now, note, message, audience, taken: None });
        alarm.changed_at = self.now;
        out.push(Effect::Alarm { alarm: alarm.id, change: Change::Escalated });
    }

    /// A named person at the plant takes an instruction; whoever gave it is told who has it, by all that is told of the alarm from here on.
    pub(crate) fn take_instruction(
        &mut self,
        id: AlarmId,
        by: &Person,
        (message, note): (&str, &str),
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let now = self.now;
        let alarm = self.known(id)?;
        let named = || alarm.escalation.instructions.iter().enumerate().filter(|(_, known)| known.message == message);
        let free = named().find(|(_, known)| known.taken.is_none()).map(|(place, _)| place);
        let place = free.ok_or(if named().next().is_some() { Refusal::Already } else { Refusal::Unknown })?;
        let given = &mut alarm.escalation.instructions[place];
        given.taken = Some(Handling { by: by.clone(), at: now, note: note.to_owned() });
        let audience = given.audience.clone();
        alarm.changed_at = now;
        out.push(Effect::Alarm { alarm: id, change: Change::Escalated });
        if let Some(audience) = self.site.audiences.iter().position(|known| known.name == audience) {
            self.notify(id, audience, "", Reason::Instructed, out);
        }
        Ok(())
    }
}
