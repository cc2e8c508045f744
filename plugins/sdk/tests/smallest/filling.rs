//! A whole rule with two inputs, one of them coded: a tank that is full, or fills too fast, while its valve is not known to be shut.
use safety_brain_sdk::*;

const SHUT: Code = Code { value: 0, name: ("关", "shut") };
const OPEN: Code = Code { value: 1, name: ("开", "open") };

/// The tags, what the level did lately, the settings, and what is said of the hazard.
pub struct Filling {
    level: Latest,
    valve: Latest,
    lately: Window,
    high: Limit,
    rise: f64,
    overfill: Watch,
}

impl Rule for Filling {
    fn describe() -> Description {
        let own = || Citation::own("a round number");
        Description::new(
            "filling",
            "1.0.0",
            "Example",
            ("储罐充装", "Filling"),
            ("防止储罐满溢", "Keeps a tank from overflowing"),
        )
        .input(Input::new("level", ("液位", "Level"), "level", "%"))
        .input(Input::coded("valve", ("进料阀", "Inlet valve"), "state", &[SHUT, OPEN]))
        .param(Param::number("high", ("高液位", "High level"), 90.0).unit("%").range(50.0, 98.0).cite(own()))
        .param(Param::number("rise", ("上升", "Rise"), 10.0).unit("%").range(1.0, 50.0).cite(own()))
        .param(Param::number("window_s", ("时间窗", "Window"), 60.0).unit("s").range(10.0, 3600.0).cite(own()))
        .hazard(
            Hazard::new("overfill", Severity::Orange, ("满溢", "Overfill"))
                .cause(("进料过快或未关阀", "Filled too fast, or the valve was left open"))
                .consequence(("物料溢出", "The product spills"))
                .action(("关闭进料阀", "Shut the inlet valve"))
                .respond_s(120),
        )
        .phrase("level", ("液位{0}%，近期上升{1}%", "Level {0} %, risen {1} % lately"))
        .phrase("lost", ("{0}个测点不可信", "{0} tags cannot be believed"))
    }
    fn new(start: Start) -> Result<Filling, Vec<Fault>> {
        // Refused where the tag's range ends before the limit: it would never be seen.
        let (level, high) = start.judged("level", start.limit("high", Side::High, Severity::Orange))?;
        let lately = Window::seconds(start.number("window_s"));
        let overfill = Watch::new("overfill").off_s(10);
        Ok(Filling { level, valve: start.latest("valve"), lately, high, rise: start.number("rise"), overfill })
    }
    fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding> {
        let Filling { level, valve, lately, high, rise, overfill } = self;
        level.take(readings);
        valve.take(readings);
        lately.age(at);
        if let Some(highest) = level.highest() {
            lately.push(at, highest.value);
        }
        let is_danger = level.votes(Side::High, high.value) > 0 || !(lately.rise() < *rise);
        let numbers = [lately.newest(), lately.rise()];
        let view = match valve.any_code(OPEN) {
            // A valve that might be open is open.
            Some(true) | None if is_danger => {
                let evidence = level.against(Side::High, high.value, high.param);
                Some(View::new(Level::Danger(high.severity), "level").numbers(numbers).evidence(evidence))
            }
            _ if level.doubted() + valve.doubted() > 0 => View::blind("lost", &[level, valve]),
            _ => Some(View::new(Level::Clear, "level").numbers(numbers)),
        };
        view.and_then(|view| overfill.tell(at, view)).into_iter().collect()
    }
    // Everything that changes from call to call; settings are given again.
    state!(level, valve, lately, overfill);
}
export!(Filling);
