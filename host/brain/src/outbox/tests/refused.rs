//! What is owed to one audience after a refusal says nothing of another, whatever the names; and a snapshot knows it.

use super::*;
use crate::Saved;
use crate::alarm::Condition;

#[test]
fn a_refusal_of_one_audience_is_over_by_itself() {
    let mut site = Site { rules: vec![rule(vec![hazard("leak", Red)], 0)], ..plant(vec![]) };
    ladder(&mut site, &[("bureau", AtOnce, [Some(0); 4]), ("bureau 2", AtOnce, [Some(0); 4])]);
    let mut now = Timeline::new(&site);
    let stands = |now: &Timeline| {
        let refused = |alarm: &&crate::Alarm| alarm.key.hazard == "notice.rejected" && alarm.condition == Condition::Active;
        now.brain.alarms().filter(refused).map(|alarm| alarm.key.object.clone()).collect::<Vec<_>>()
    };
    let newest = |now: &Timeline, audience: &str| {
        let about = |row: &&crate::notice::OutboxRow| row.notice.alarm.id == AlarmId(1) && row.notice.audience == audience;
        now.brain.outbox().filter(about).last().unwrap().notice.id.0
    };
    now.only(0.0, "rule leak=red");
    now.only(0.1, "rejected 1");
    now.only(0.2, "rejected 2");
    now.only(0.3, "rule leak=clear");
    assert_eq!(stands(&now), ["bureau", "bureau 2"]);
    let saved: Saved = serde_json::from_str(&serde_json::to_string(&now.brain).unwrap()).unwrap();
    now.brain = saved.wake().unwrap();
    // Another alarm's message comes, and the refused one is still owed.
    let other = now.brain.outbox().find(|row| row.notice.alarm.id != AlarmId(1) && row.notice.audience == "bureau 2");
    let other = other.unwrap().notice.id.0;
    now.only(0.4, &format!("receipt {other}"));
    assert_eq!(stands(&now), ["bureau", "bureau 2"]);
    for (second, audience, left) in [(0.5, "bureau 2", vec!["bureau"]), (0.6, "bureau", vec![])] {
        let came = newest(&now, audience);
        now.only(second, &format!("receipt {came}"));
        assert_eq!(stands(&now), left);
    }
    assert!(now.brain.outbox().all(|row| !row.again));
}
