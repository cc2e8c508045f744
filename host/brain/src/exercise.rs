//! The end of a drill (演练结束): whoever holds a message of it hears that it is over, and nothing else is said any more.
//! Must not know: scenarios, reports, how a notice travels.

use crate::alarm::AlarmId;
use crate::brain::Brain;
use crate::event::Effect;
use crate::notice::{Delivery, NoticeId, OutboxRow, Reason};
use crate::outbox::{About, RESEND_US};
use crate::site::Mode;
use crate::timer::Timer;
use std::collections::BTreeSet;

impl Brain {
    /// A drill is over. Outside a drill it means nothing: what is real ends by people alone.
    pub(crate) fn exercise_ended(&mut self, out: &mut Vec<Effect>) {
        if self.site.mode != Mode::Exercise || self.exercise_over {
            return;
        }
        self.exercise_over = true;
        let refused: Vec<NoticeId> = self.outbox.values().filter(|row| row.again).map(|row| row.notice.id).collect();
        let mut unended = BTreeSet::new();
        for id in refused {
            unended.extend(self.outbox.get(&id).and_then(|row| Some((self.place_of(&row.notice)?, row.notice.is_of_accident()))));
            self.no_more(id, out);
        }
        let alarms = self.chains.keys().map(|place| (*place, About::Alarm));
        let told: Vec<_> = alarms.chain(self.accidents.keys().map(|place| (*place, About::Accident))).collect();
        for (place, about) in told {
            // Where a machine refused the end, whoever holds what came before it does not know of that.
            let may_be_ended = !unended.contains(&(place, about == About::Accident));
            self.end_chain(place, about, may_be_ended, out);
        }
    }

    /// What a machine refused is not tried any more. A try that runs may come: it goes on like any other, until it is known.
    fn no_more(&mut self, id: NoticeId, out: &mut Vec<Effect>) {
        if !self.is_waiting(id) {
            return self.let_go(id, out);
        }
        self.forgive(id);
        if let Some(row) = self.outbox.get_mut(&id) {
            (row.delivery, row.due_at) = (Delivery::Queued, self.now.saturating_add(RESEND_US));
            self.timers.at(row.due_at, Timer::Resend(id));
            out.push(Effect::Delivery { notice: id });
        }
    }

    /// The messages of one alarm, or of its accident, to one audience. What was never tried is not begun any more; what was tried may have come, also
    /// without a receipt.
    fn end_chain(&mut self, place: (AlarmId, usize), about: About, may_be_ended: bool, out: &mut Vec<Effect>) {
        // What was closed or taken back has its end, or that is on its way.
        let is_over = self.alarms.get(&place.0).is_none_or(|alarm| match about {
            About::Alarm => alarm.closed,
            About::Accident => alarm.accident.as_ref().is_none_or(|accident| accident.retracted.is_some()),
        });
        if is_over && may_be_ended {
            return;
        }
        let chains = if about == About::Alarm { &self.chains } else { &self.accidents };
        let Some(chain) = chains.get(&place) else { return };
        let untried = |id: &NoticeId| self.outbox.get(id).is_some_and(|row| row.attempts == 0);
        let (unsaid, tried): (Vec<NoticeId>, Vec<NoticeId>) = chain.waiting().partition(untried);
        let is_known = !chain.is_new() || !tried.is_empty();
        for id in unsaid {
            self.leave_chain(id);
            self.superseded(id, out);
        }
        if is_known {
            self.notify_about(about, place, "", Reason::Ended, out);
        }
    }

    /// The end of what turned out to have never come.
    pub(crate) fn ends_nothing(&self, row: &OutboxRow) -> bool {
        row.notice.reason == Reason::Ended && self.chain_of(row).is_none_or(|chain| chain.is_new())
    }
}

#[cfg(test)]
mod tests {
    use crate::accident::{Said, Step};
    use crate::alarm::Person;
    use crate::event::{Act, Effect, Event};
    use crate::harness::{Timeline, hazard, ladder, plant, rule, timeline};
    use crate::notice::{Delivery, NoticeKind, OutboxRow, Reason};
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
                ("0.4 rejected 3", "notice 3 rejected; notice.rejected opened orange"),
                ("0.45 rule flood=red", "flood opened red; alert 6 to bureau: opened"),
                ("0.5 ended", "notice 3 rejected; notice 4 superseded; notice 5 superseded; notice 7 superseded"),
                ("2 tick", "alert 1 to bureau: opened try 2; alert 6 to bureau: opened try 2"),
                ("2.1 receipt 1", "notice 1 received; leak escalated; cancel 8 to bureau: ended"),
                ("2.2 rejected 6", "notice 6 rejected; flood escalated; notice 10 superseded"),
                ("2.3 receipt 8", "notice 8 received; notice.rejected cleared"),
                ("60 tick", "cancel 9 to chat: ended"),
                ("60.5 receipt 9", "notice 9 received"),
                ("9000 tick", ""),
            ],
        );
    }

    /// The first of an alarm was refused and is told again when the drill ends: it may come, and then its end goes behind it.
    #[test]
    fn a_refused_message_that_is_being_told_again_at_the_end_is_ended_where_it_comes() {
        for (answer, then) in [
            ("receipt 1", "notice 1 received; leak escalated; cancel 2 to bureau: ended"),
            ("rejected 1", "notice 1 rejected; leak escalated; notice 2 superseded"),
        ] {
            let mut site = drill(Mode::Exercise);
            site.ladders[0].rungs.truncate(1);
            site.ladders[0].rungs[0].after_s = [None, None, Some(0), Some(0)];
            let mut now = Timeline::new(&site);
            now.only(0.0, "rule leak=red");
            now.only(0.1, "rejected 1");
            assert!((1..800).any(|second| now.only(f64::from(second), "tick").contains("alert 1 to bureau")));
            now.only(900.0, "failed 9");
            now.only(900.5, "ended");
            let again = now.only(902.0, "tick");
            assert!(
                again.contains("alert 1 to bureau: opened try 3"),
                "{answer}: told until it is known whether it came: {again}"
            );
            assert!(now.only(902.1, answer).contains(then), "{answer}");
            assert!(now.brain.outbox().all(|row| !row.again));
        }
    }

    /// Declared in the drill and taken back by nobody: whoever holds a message of the accident hears that it never was one.
    #[test]
    fn an_accident_declared_in_a_drill_ends_with_it() {
        let declare = |command: &str, step: Step| Event::Operator {
            command: command.into(),
            by: Person { name: "ann".into(), role: "lead".into(), station: String::new() },
            act: Act::Accident { alarm: AlarmId(1), step },
        };
        let facts = Box::new(Said { course: Some("fire".into()), dead: Some(1), ..Said::default() });
        let declared = declare("a1", Step::Declare { facts });
        let taken_back = declare("a2", Step::Retract { note: "steam".into() });
        for (mode, retracts, crashes, cancels) in [
            (Mode::Exercise, false, false, 1),
            (Mode::Exercise, false, true, 1),
            (Mode::Exercise, true, false, 0),
            (Mode::Actual, false, false, 0),
        ] {
            let mut now = Timeline::answering(&drill(mode));
            now.only(0.0, "rule leak=red");
            for event in std::iter::once(&declared).chain(retracts.then_some(&taken_back)) {
                for effect in now.feed(event) {
                    if let Effect::Tell { notice, .. } = effect {
                        now.feed(&Event::Receipt { notice: notice.id, code: "200".into(), accepted: true });
                    }
                }
            }
            if crashes {
                now.crash();
            }
            now.only(5.0, "ended");
            now.only(70.0, "tick");
            let ends = |row: &&OutboxRow| row.notice.reason == Reason::Ended && row.notice.is_of_accident();
            let ended: Vec<_> = now.brain.outbox().filter(ends).collect();
            assert_eq!(ended.len(), cancels, "{mode:?}, taken back: {retracts}, crash: {crashes}");
            for row in ended {
                let of = &row.notice;
                assert_eq!((of.kind, of.mode, of.audience.as_str()), (NoticeKind::Cancel, Mode::Exercise, "bureau"));
                assert!(
                    of.identifier.starts_with("plant.1.accident.")
                        && of.references[0].identifier.starts_with("plant.1.accident.")
                );
                assert_eq!((of.references.len(), row.delivery), (1, Delivery::Received), "the alarm has a Cancel of its own");
            }
        }
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
