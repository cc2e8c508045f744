//! The end of a drill (演练结束): whoever holds a message of it hears that it is over, and nothing else is said any more.
//! Must not know: scenarios, reports, how a notice travels.

use crate::alarm::AlarmId;
use crate::brain::Brain;
use crate::event::Effect;
use crate::notice::{NoticeId, OutboxRow, Reason};
use crate::site::Mode;

impl Brain {
    /// A drill is over. Outside a drill it means nothing: what is real ends by people alone.
    pub(crate) fn exercise_ended(&mut self, out: &mut Vec<Effect>) {
        if self.site.mode != Mode::Exercise || self.exercise_over {
            return;
        }
        self.exercise_over = true;
        let refused: Vec<NoticeId> = self.outbox.values().filter(|row| row.again).map(|row| row.notice.id).collect();
        for id in refused {
            self.let_go(id, out);
        }
        let told: Vec<(AlarmId, usize)> = self.chains.keys().copied().collect();
        for (alarm, audience) in told {
            self.end_chain(alarm, audience, out);
        }
    }

    /// The messages of one alarm to one audience. What was never tried is not begun any more; what was tried may have come, also without a receipt.
    fn end_chain(&mut self, alarm: AlarmId, audience: usize, out: &mut Vec<Effect>) {
        // A closed one has its end, or that is on its way.
        if self.alarms.get(&alarm).is_none_or(|alarm| alarm.closed) {
            return;
        }
        let Some(chain) = self.chains.get(&(alarm, audience)) else { return };
        let untried = |id: &NoticeId| self.outbox.get(id).is_some_and(|row| row.attempts == 0);
        let (unsaid, tried): (Vec<NoticeId>, Vec<NoticeId>) = chain.waiting().partition(untried);
        let is_known = !chain.is_new() || !tried.is_empty();
        for id in unsaid {
            self.leave_chain(id);
            self.superseded(id, out);
        }
        if is_known {
            self.notify(alarm, audience, "", Reason::Ended, out);
        }
    }

    /// The end of what turned out to have never come.
    pub(crate) fn ends_nothing(&self, row: &OutboxRow) -> bool {
        row.notice.reason == Reason::Ended && self.chain_of(row).is_none_or(|chain| chain.is_new())
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Event;
    use crate::harness::{Timeline, hazard, ladder, plant, rule, timeline};
    use crate::notice::{Delivery, NoticeKind};
    use crate::site::RungKind::AtOnce;
    use crate::site::Severity::Red;
    use crate::site::{Mode, Site};
    use crate::{AlarmId, NoticeId};

    /// A bureau, a chat that takes so many a minute, and screens.
    fn drill(mode: Mode) -> Site {
        let hazards = ["leak", "fire", "flood"].map(|id| hazard(id, Red)).to_vec();
        let mut site = Site { mode, rules: vec![rule(hazards, 0)], ..plant(vec![]) };
        ladder(&mut site, &[("bureau", AtOnce, [Some(0); 4]), ("chat", AtOnce, [Some(0); 4])]);
        site.audiences[0].bureau = true;
        site.audiences[1].per_minute = Some(4);
        site
    }

    #[test]
    fn whoever_holds_a_message_hears_the_end_and_nothing_else_is_said() {
        let mut now = Timeline::answering(&drill(Mode::Exercise));
        now.only(0.0, "rule leak=red fire=yellow");
        now.only(1.0, "ack 1");
        now.only(2.0, "rule flood=orange");
        now.only(3.0, "rule flood=clear");
        now.only(4.0, "ack 3");
        now.only(5.0, "close 3");
        now.only(199.0, "tick");
        let ended = now.only(200.0, "ended");
        assert_eq!(ended, "cancel 15 to bureau: ended; cancel 17 to bureau: ended", "one by one, and none for what was closed");
        // The chat hears of both in one message, once its limit has room.
        assert_eq!(now.only(260.0, "tick"), "notice 18 superseded; cancel 16 to chat: ended");
        let row = now.brain.notice(NoticeId(16)).unwrap();
        assert_eq!(row.notice.digest.iter().map(|told| told.alarm).collect::<Vec<_>>(), [AlarmId(2)]);
        assert_eq!(now.brain.notice(NoticeId(18)).unwrap().delivery, Delivery::Superseded);
        let names: Vec<&str> = row.notice.references.iter().map(|of| of.identifier.as_str()).collect();
        assert!(names.iter().any(|name| name.starts_with("plant.1.")) && names.iter().any(|name| name.starts_with("plant.2.")));
        assert!(now.brain.outbox().all(|row| row.delivery != Delivery::Queued));
        assert_eq!(now.only(261.0, "ended"), "", "once");
        let later = [now.only(263.0, "rule leak=clear"), now.only(264.0, "rule leak=red fire=red"), now.only(9_000.0, "tick")];
        assert!(later.iter().all(|said| !said.contains(" to ")), "{later:?}");
        now.crash();
        assert_eq!(now.only(9_001.0, "start").matches(" to ").count(), 0);
    }

    /// What never left is not begun; what was tried goes first, for it may be there; what a machine refused is not there.
    #[test]
    fn only_what_may_have_come_is_ended() {
        let mut site = drill(Mode::Exercise);
        site.audiences[1].per_minute = Some(1);
        timeline(
            &site,
            &[
                ("0 rule leak=red", "leak opened red; alert 1 to bureau: opened; alert 2 to chat: opened"),
                ("0.1 failed 1", ""),
                ("0.2 receipt 2", "notice 2 received"),
                ("0.3 rule fire=red", "fire opened red; alert 3 to bureau: opened"),
                ("0.4 rejected 3", "notice 3 rejected; notice.rejected opened orange; alert 5 to bureau: opened"),
                ("0.5 ended", "notice 3 rejected; notice 4 superseded; notice 6 superseded"),
                ("2 tick", "alert 1 to bureau: opened try 2; alert 5 to bureau: opened try 2"),
                ("2.1 receipt 1", "notice 1 received; leak escalated; cancel 7 to bureau: ended"),
                ("2.2 rejected 5", "notice 5 rejected; notice.rejected escalated; notice 9 superseded"),
                ("2.3 receipt 7", "notice 7 received; notice.rejected cleared"),
                ("60 tick", "cancel 8 to chat: ended"),
                ("60.5 receipt 8", "notice 8 received"),
                ("9000 tick", ""),
            ],
        );
    }

    #[test]
    fn what_is_real_does_not_end_so() {
        for mode in [Mode::Actual, Mode::Test] {
            let mut now = Timeline::answering(&drill(mode));
            now.only(0.0, "rule leak=red");
            assert_eq!(now.only(1.0, "ended"), "");
            assert!(now.only(2.0, "ack 1").contains("update"), "the control: it goes on");
        }
        let mut over = Timeline::answering(&drill(Mode::Exercise));
        over.only(0.0, "rule leak=red");
        over.feed(&Event::ExerciseEnded { whole: true });
        assert!(over.brain.outbox().any(|row| row.notice.kind == NoticeKind::Cancel), "the control: a drill does");
    }
}
