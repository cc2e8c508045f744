//! Snapshots that nobody saved so.

use super::*;

/// A number in a snapshot that names nothing, or something else than it should, is another program's or damage; what no count holds any more, too.
#[test]
fn a_snapshot_that_does_not_hold_together_is_refused() {
    let mut rig = Rig::new(&["a", "b"]);
    rig.send("a", report("a.1.1", NoticeKind::Alert, Severity::Red, 0));
    rig.act(1, Act::Transfer { to: note("x"), note: note("y") }).unwrap();
    rig.step(Event::Refused { plant: "a".into(), detail: "sender".into(), digest: String::new(), times: 1 }).unwrap();
    rig.wait(90);
    rig.bureau.silent(rig.at).into_iter().for_each(|event| rig.step(event).unwrap());
    let whole = serde_json::to_value(&rig.bureau).unwrap();
    assert_eq!(serde_json::from_value::<Bureau>(whole.clone()).unwrap(), rig.bureau);
    let many = serde_json::json!(u64::MAX);
    for (place, value) in [
        ("/entries_so_far", 3.into()),
        ("/entries_so_far", many.clone()),
        ("/messages_so_far", 0.into()),
        ("/answers_so_far", 0.into()),
        ("/incidents/0/1", 2.into()),
        ("/incidents/0/1", 9.into()),
        ("/incidents/0/0/0", "b".into()),
        ("/lines/a/silent", 1.into()),
        ("/lines/a/silent", 0.into()),
        ("/lines/b/refused", many.clone()),
        ("/memories/a/suspect", 1.into()),
        ("/memories/a/order", serde_json::json!([])),
        ("/memories/a/of/a.1.1/entry", 2.into()),
        ("/memories/a/of/a.1.1/number", 2.into()),
        ("/entries/0/number", 77.into()),
        ("/entries/0/plant", "b".into()),
        ("/entries/0/transfers/0/number", 4_000_000_000_u32.into()),
        ("/entries/0/messages_so_far", u32::MAX.into()),
        ("/owed/1/1", 9.into()),
        ("/owed/1/2/number", 2.into()),
    ] {
        let mut torn = whole.clone();
        *torn.pointer_mut(place).unwrap_or_else(|| panic!("nothing stands at {place}: {whole:#}")) = value;
        assert!(serde_json::from_value::<Bureau>(torn).is_err(), "{place}");
    }
    // What was closed and forgotten may still be named.
    let mut old = whole;
    *old.pointer_mut("/entries_so_far").unwrap() = 9.into();
    *old.pointer_mut("/memories/a/of/a.1.1/entry").unwrap() = 9.into();
    assert!(serde_json::from_value::<Bureau>(old).is_ok());
}
