//! A whole rule: two of the bound thermometers past a limit for five seconds are orange.
use safety_brain_sdk::*;

/// The tags, the limit, and what is said of the hazard.
pub struct Hot(Latest, Limit, Watch);

impl Rule for Hot {
    fn describe() -> Description {
        Description::new("hot-room", "1.0.0", "Example", ("高温", "Hot room"), ("室温过高时报警", "Alarms when a room is hot"))
            .input(Input::new("air", ("气温", "Air"), "temperature", "Cel").tags(1, 8))
            .param(Param::number("limit", ("上限", "Limit"), 34.0).unit("Cel").cite(Citation::own("a round number")))
            .hazard(
                Hazard::new("hot", Severity::Orange, ("高温", "Too hot"))
                    .cause(("通风不足", "Poor ventilation"))
                    .consequence(("药剂不稳定", "Powder becomes unstable"))
                    .action(("停止作业", "Stop work"))
                    .respond_s(300),
            )
            .phrase("air", ("气温{0}℃，上限{1}℃", "Air {0} °C, limit {1} °C"))
    }
    fn new(start: Start) -> Result<Hot, Vec<Fault>> {
        let (air, limit) = start.judged("air", start.limit("limit", Side::High, Severity::Orange).deadband(1.0))?;
        Ok(Hot(air, limit, Watch::new("hot").on_s(5).off_s(60)))
    }
    fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding> {
        let Hot(air, limit, hot) = self;
        air.take(readings);
        hot.vote(at, 2, air, limit, "air").into_iter().collect()
    }
    state!(0, 2);
}
export!(Hot);
