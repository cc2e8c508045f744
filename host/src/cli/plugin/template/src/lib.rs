//! my-rule: says when a room is too hot. Change the words, the limit and `evaluate` to what you want to watch.

use safety_brain_sdk::*;

struct MyRule {
    air: Latest,
    limit: f64,
    watch: Watch,
}

impl Rule for MyRule {
    fn describe() -> Description {
        let (name, about) = (("高温", "Hot room"), ("室温过高时报警", "Alarms when a room is too hot"));
        Description::new("my-rule", env!("CARGO_PKG_VERSION"), "Example vendor", name, about)
            .input(Input::new("air", ("气温", "Air"), "temperature", "Cel").tags(1, 8))
            .param(Param::number("limit", ("上限", "Limit"), 34.0).unit("Cel").cite(Citation::own("a round number, to be replaced")))
            .hazard(
                Hazard::new("too-hot", Severity::Orange, ("气温过高", "Too hot"))
                    .cause(("通风不足", "Poor ventilation"))
                    .consequence(("药剂不稳定", "Powder becomes unstable"))
                    .action(("停止作业，通风降温", "Stop work and ventilate"))
                    .respond_s(300),
            )
            .phrase("air", ("气温 {0} ℃，上限 {1} ℃", "Air {0} °C, limit {1} °C"))
    }

    fn new(start: Start) -> Result<Self, Vec<Fault>> {
        let faults = start.out_of_reach("air", Side::High, "limit");
        if !faults.is_empty() {
            return Err(faults);
        }
        let watch = Watch::new("too-hot").on_s(5).off_s(60);
        Ok(MyRule { air: start.latest("air"), limit: start.number("limit"), watch })
    }

    fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding> {
        self.air.take(readings);
        let hottest = self.air.highest();
        // Danger is written so that a number that is none is dangerous.
        let level = match hottest {
            None => Level::CannotTell,
            Some(row) if !(row.value < self.limit) => Level::Danger(Severity::Orange),
            Some(_) => Level::Clear,
        };
        let view = View::new(level, "air").numbers([hottest.map_or(f64::NAN, |row| row.value), self.limit]);
        let view = view.evidence(hottest.map(|row| row.against(self.limit, "limit")));
        let view = view.certainty(self.air.certainty(Side::High, self.limit)).unless_hidden(&self.air, Side::High, self.limit);
        view.and_then(|view| self.watch.tell(at, view)).into_iter().collect()
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.air.save(&mut out);
        self.watch.save(&mut out);
        out.into_bytes()
    }

    fn restore(&mut self, _version: u32, state: &[u8]) -> Result<(), String> {
        let mut from = Reader::new(state);
        self.air.load(&mut from)?;
        self.watch.load(&mut from)?;
        from.done()
    }
}

export!(MyRule);

#[cfg(test)]
mod tests {
    use super::*;
    use safety_brain_sdk::testing::{Bench, first};

    #[test]
    fn a_hot_room_is_told_after_five_seconds() {
        let mut rule = Bench::<MyRule>::new().bind("air", 1).range("air", -20.0, 80.0).start().unwrap();
        assert_eq!(first(&rule.hold(30.0, &[("air", 33.9)]), "too-hot", Severity::Orange), None);
        assert_eq!(first(&rule.hold(60.0, &[("air", 34.0)]), "too-hot", Severity::Orange), Some(36.0));
    }
}
