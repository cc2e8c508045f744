//! What the rule needs and may say: inputs, limits with their sources, hazards with their words. Must not know: how it decides.

use safety_brain_sdk::{Citation, Description, Hazard, Input, Param, Severity};

pub(crate) fn description() -> Description {
    let description = Description::new(
        "gas-detector",
        env!("CARGO_PKG_VERSION"),
        "safety-brain",
        ("气体探测", "Gas detection"),
        (
            "对一个区域的可燃、有毒和未标定气体探测器进行分级、表决和泄漏判断",
            "Grades, votes and relates the combustible, toxic and uncalibrated gas detectors of one zone",
        ),
    );
    phrases(hazards(raw_params(params(inputs(description.state_version(3))))))
}

fn inputs(description: Description) -> Description {
    let any = |id, name, quantity, unit, most| Input::new(id, name, quantity, unit).tags(0, most);
    description
        .input(any("gas", ("可燃气体", "Combustible gas"), "gas", "%LEL", 16))
        .input(any("toxic", ("有毒气体", "Toxic gas"), "toxic", "mg/m3", 16))
        .input(any("raw", ("未标定探测器", "Uncalibrated detectors"), "raw", "1", 16))
        .input(any("pressure", ("管线压力", "Line pressure"), "pressure", "kPa", 4))
        .input(any("people", ("在场人数", "People inside"), "people", "1", 4))
}

fn params(description: Description) -> Description {
    let gds = |note| Citation::secondary("GB/T 50493", "2019", note);
    let (open, lel) = (f64::NAN, "%LEL");
    description
        .param(Param::number("l1", ("一级报警", "First alarm"), 25.0).unit(lel).range(5.0, 25.0).cite(gds("at most 25")))
        .param(Param::number("l2", ("二级报警", "Second alarm"), 50.0).unit(lel).range(5.0, 50.0).cite(gds("at most 50")))
        .param(
            Param::optional("al", ("有毒低报", "Toxic, first alarm"))
                .unit("mg/m3")
                .range(0.0, open)
                .cite(gds("100 % of the exposure limit; depends on the gas, no default")),
        )
        .param(
            Param::optional("ah", ("有毒高报", "Toxic, second alarm"))
                .unit("mg/m3")
                .range(0.0, open)
                .cite(gds("200 % of the exposure limit; depends on the gas, no default")),
        )
        .param(
            Param::integer("votes", ("表决数", "Detectors that must agree"), 2)
                .range(1.0, 16.0)
                .cite(Citation::own("two independent detectors are no coincidence")),
        )
        .param(
            Param::number("rise", ("快速上升", "Fast rise"), 10.0)
                .unit(lel)
                .range(1.0, 25.0)
                .cite(Citation::own("within the rise window")),
        )
        .param(
            Param::number("rise_above", ("快速上升起点", "Fast rise counts from"), 10.0)
                .unit(lel)
                .range(0.0, 25.0)
                .cite(Citation::own("below it detectors are noisy")),
        )
        .param(
            Param::number("rise_window_s", ("上升时间窗", "Window of the rise"), 60.0)
                .unit("s")
                .range(10.0, 600.0)
                .cite(Citation::own("a few response times of a detector")),
        )
        .param(
            Param::number("pressure_drop_percent", ("压降", "Pressure fall"), 5.0)
                .unit("%")
                .range(0.5, 50.0)
                .cite(Citation::own("above the noise of a steady line")),
        )
        .param(
            Param::number("pressure_window_s", ("压降时间窗", "Window of the pressure fall"), 60.0)
                .unit("s")
                .range(10.0, 3600.0)
                .cite(Citation::own("as long as that of the rise")),
        )
}

fn raw_params(description: Description) -> Description {
    description
        .param(
            Param::integer("learn_rows", ("学习行数", "Rows of clean air to learn from"), 200)
                .range(20.0, 300.0)
                .cite(Citation::own("enough for a steady median")),
        )
        .param(
            Param::number("sigma", ("显著偏离", "Strong deviation"), 8.0)
                .range(3.0, 30.0)
                .cite(Citation::own("robust standard deviations; cheap detectors wander further than normal noise")),
        )
        .param(
            Param::number("sigma_support", ("佐证偏离", "Supporting deviation"), 2.5)
                .range(1.0, 30.0)
                .cite(Citation::own("what the other detectors must show, in the same direction")),
        )
        .param(
            Param::integer("votes_raw", ("偏离表决数", "Detectors that must deviate"), 2)
                .range(1.0, 16.0)
                .cite(Citation::own("one detector never decides")),
        )
        .param(
            Param::number("follow_rows", ("跟随漂移行数", "Rows over which drift is followed"), 100.0)
                .range(10.0, 100_000.0)
                .cite(Citation::own("slower changes are taken for drift while the zone is quiet")),
        )
}

fn hazards(description: Description) -> Description {
    description
        .hazard(
            Hazard::new("gas.lel", Severity::Red, ("可燃气体", "Combustible gas"))
                .cause(("泄漏、误排放或通风不足", "A leak, a release or poor ventilation"))
                .consequence(("遇火源闪爆", "Flash fire or explosion at any spark"))
                .action((
                    "停动火、禁火源、切断气源、加强通风、人员撤离",
                    "Stop hot work, remove sparks, shut the source, ventilate, leave",
                ))
                .respond_s(120)
                .latches(),
        )
        .hazard(
            Hazard::new("gas.toxic", Severity::Red, ("有毒气体", "Toxic gas"))
                .cause(("密封失效、取样或检维修泄漏", "A failed seal, sampling or maintenance"))
                .consequence(("吸入中毒，可致命", "Breathing it may kill"))
                .action(("上风向撤离，佩戴空气呼吸器后查漏", "Leave upwind; search only with breathing apparatus"))
                .respond_s(120)
                .latches(),
        )
        .hazard(
            Hazard::new("gas.leak", Severity::Red, ("管线泄漏", "Line leak"))
                .cause(("气体上升同时管线压力下降", "Gas rises while the line loses pressure"))
                .consequence(("持续泄漏形成爆炸性气云", "The leak goes on and forms an explosive cloud"))
                .action(("关断上下游阀门，警戒疏散，查找泄漏点", "Close the valves on both sides, clear the area, find the leak"))
                .respond_s(180),
        )
        .hazard(
            Hazard::new("gas.detector", Severity::Yellow, ("探测器不足", "Too few detectors"))
                .cause(("探测器故障、断线或失联", "Detectors failed or are cut off"))
                .consequence(("泄漏可能无法被发现", "A leak may go unseen"))
                .action(("用便携仪巡检，修复探测器", "Patrol with portable detectors, repair the fixed ones"))
                .respond_s(1800),
        )
        .hazard(
            Hazard::new("gas.deviation", Severity::Orange, ("气体读数异常", "Unusual gas readings"))
                .cause(("多个探测器同向偏离洁净空气基线", "Several detectors left their clean-air baseline together"))
                .consequence(("可能有烟气或泄漏", "Smoke or a leak is likely"))
                .action(("现场核实，用便携仪复测", "Check on site with a portable detector"))
                .respond_s(300),
        )
}

fn phrases(description: Description) -> Description {
    description
        .phrase("gas", ("最高{0}%LEL，{1}个探测器达到{2}%LEL", "Highest {0} %LEL, {1} detectors at or above {2} %LEL"))
        .phrase("rise", ("可燃气体{0}%LEL，时间窗内上升{1}%LEL", "Combustible gas {0} %LEL, up {1} %LEL within the window"))
        .phrase("toxic", ("有毒气体最高{0}mg/m³，低报{1}，高报{2}", "Toxic gas up to {0} mg/m³, alarms at {1} and {2}"))
        .phrase("leak", ("可燃气体{0}%LEL，压力下降{1}%", "Combustible gas {0} %LEL, pressure down {1} %"))
        .phrase("detector", ("可信探测器{0}个，至少需要{1}个", "{0} detectors can be believed, {1} needed"))
        .phrase(
            "deviation",
            ("{0}个探测器同向偏离，最大{1}倍标准差", "{0} detectors deviate together, the farthest by {1} deviations"),
        )
        .phrase("learning", ("正在学习基线：{0}/{1}行", "Learning clean air: {0} of {1} rows"))
        .phrase("blind", ("{0}个输入不可信，无法判断", "Cannot tell: {0} inputs cannot be believed"))
}
