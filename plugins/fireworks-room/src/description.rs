//! What the rule needs and may say: inputs, limits with their sources, hazards with their words. Must not know: how it decides.

use safety_brain_sdk::{Citation, Description, Hazard, Input, Param, Severity};

pub(crate) fn description() -> Description {
    let description = Description::new(
        "fireworks-room",
        env!("CARGO_PKG_VERSION"),
        "safety-brain",
        ("烟花爆竹工房", "Fireworks room"),
        (
            "监视工房的人数、药量、温湿度、机械、雷暴和停产期",
            "Watches people, powder, climate, machines, storms and season stops of one building",
        ),
    );
    phrases(weather_hazards(room_hazards(params(inputs(description.state_version(3))))))
}

fn inputs(description: Description) -> Description {
    let any = |id, name, quantity, unit, most| Input::new(id, name, quantity, unit).tags(0, most);
    description
        .input(any("people", ("在场人数", "People inside"), "people", "1", 4))
        .input(any("temperature", ("室温", "Room temperature"), "temperature", "Cel", 8))
        .input(any("humidity", ("相对湿度", "Relative humidity"), "humidity", "%", 4))
        .input(any("mass", ("药量", "Explosive mass"), "mass", "kg", 4))
        .input(any("machine", ("机械运行", "Machine running"), "", "1", 2))
        .input(any("storm", ("现场雷暴", "Thunderstorm at the site"), "", "1", 1))
        .input(any("lightning", ("最近雷击距离", "Distance of the nearest lightning"), "", "km", 1))
        .input(any("activity", ("生产活动", "Production activity"), "", "1", 2))
        .input(any("season_stop", ("停产期", "Season stop"), "", "1", 1))
}

fn params(description: Description) -> Description {
    let board = "approved design and the board at the door; no default";
    let heat = Citation::secondary("GB 11652", "2012", "34 for 1.1 rooms, 36 for 1.3; three notices agree, clause not seen");
    let open = f64::NAN;
    description
        .param(Param::choice("building_class", ("建筑危险等级", "Hazard class of the building"), &["1.1", "1.3"]))
        .param(
            Param::optional_integer("quota_people", ("定员", "Most people allowed"))
                .range(0.0, 1000.0)
                .cite(Citation::clause("GB 11652", "2012", "3.6", board)),
        )
        .param(
            Param::optional("quota_kg", ("定量", "Most explosive allowed"))
                .unit("kg")
                .range(0.0, open)
                .cite(Citation::clause("GB 11652", "2012", "3.7", board)),
        )
        .param(Param::number("temp_stop", ("停产温度", "Stop temperature"), 34.0).unit("Cel").range(20.0, 36.0).cite(heat))
        .param(
            Param::number("temp_prealarm_below", ("预警低于停产温度", "Warning this far below the stop"), 2.0)
                .unit("Cel")
                .range(1.0, 4.0)
                .cite(Citation::own("time to prepare the stop")),
        )
        .param(
            Param::integer("temp_clear_s", ("停产撤离时限", "Time to stop and leave"), 300)
                .unit("s")
                .range(60.0, 300.0)
                .cite(Citation::own("people or machines still there afterwards: red")),
        )
        .param(Param::number("rh_low", ("湿度下限", "Low humidity"), 65.0).unit("%").range(50.0, 80.0).cite(Citation::recalled(
            "AQ 4115",
            "2011",
            "65 is commonly quoted for process rooms; the clause gives the method only",
        )))
        .param(
            Param::number("rh_very_low", ("湿度严重偏低", "Very low humidity"), 50.0)
                .unit("%")
                .range(50.0, 80.0)
                .cite(Citation::recalled("GB 12158", "", "at least 50 against static electricity")),
        )
        .param(
            Param::number("storm_km", ("雷击停产距离", "Stop distance of lightning"), 10.0)
                .unit("km")
                .range(10.0, 50.0)
                .cite(Citation::own("the action is from local notices, the distance is not")),
        )
        .param(
            Param::integer("resume_min", ("雷暴后复产等待", "Wait after the last lightning"), 30)
                .unit("min")
                .range(30.0, 60.0)
                .cite(Citation::own("half an hour without lightning")),
        )
        .param(
            Param::number("kg_full_percent", ("接近定量", "Nearly at the mass quota"), 90.0)
                .unit("%")
                .range(50.0, 100.0)
                .cite(Citation::own("one more tray must still fit")),
        )
        .param(
            Param::number("kg_red_percent", ("严重超量", "Far above the mass quota"), 120.0)
                .unit("%")
                .range(100.0, 120.0)
                .cite(Citation::own("for 1.3; in 1.1 any excess is red")),
        )
}

fn room_hazards(description: Description) -> Description {
    description
        .hazard(
            Hazard::new("fw.headcount", Severity::Red, ("超员", "Too many people"))
                .cause(("多余人员进入，或交接班重叠", "Extra people came in, or shifts overlap"))
                .consequence(("一旦爆炸，伤亡人数增加", "An explosion would hurt more people"))
                .action((
                    "停止作业，多余人员立即离开；查明原因后复工",
                    "Stop work, send extra people out now; resume once explained",
                ))
                .respond_s(120),
        )
        .hazard(
            Hazard::new("fw.machine-room", Severity::Red, ("机械运行时有人", "People beside a running machine"))
                .cause(("1.1级工房机械运行时有人未撤离", "Somebody is inside a 1.1 room while the machine runs"))
                .consequence(("摩擦撞击可引爆药剂，人员无法撤离", "Friction or impact may set off the mix with no way out"))
                .action(("远程停机，确认人员撤出后方可重启", "Stop the machine remotely; restart only when everybody is out"))
                .respond_s(30)
                .latches(),
        )
        .hazard(
            Hazard::new("fw.quantity", Severity::Red, ("超药量", "Too much explosive"))
                .cause(("领药过多，或半成品未及时转运", "Too much was drawn, or goods were not moved on"))
                .consequence(("爆炸威力超出建筑设防", "A blast would exceed what the building is made for"))
                .action(("停止加药，把多余药物转运至中转库", "Add no more; move the excess to the transfer store"))
                .respond_s(300),
        )
        .hazard(
            Hazard::new("fw.temp.stop", Severity::Red, ("高温停产", "Too hot to work"))
                .cause(("气温高、通风降温不足或设备发热", "Hot weather, poor cooling or a warm machine"))
                .consequence(("药剂敏感度升高，可能自燃自爆", "The mix becomes more sensitive and may ignite by itself"))
                .action(("停止作业，清走药物，人员撤离，降温后复工", "Stop work, clear the powder, leave; resume when cool"))
                .respond_s(300),
        )
        .hazard(
            Hazard::new("fw.rh.low", Severity::Orange, ("湿度过低", "Air too dry"))
                .cause(("天气干燥或加湿不足", "Dry weather or too little humidifying"))
                .consequence(("静电积聚，火花可点燃药物", "Static builds up; a spark may ignite powder"))
                .action(("加湿洒水，检查接地和人体静电释放", "Humidify, check earthing and body discharge"))
                .respond_s(600),
        )
}

fn weather_hazards(description: Description) -> Description {
    description
        .hazard(
            Hazard::new("fw.storm", Severity::Red, ("雷暴", "Thunderstorm"))
                .cause(("雷电接近或正在现场", "Lightning is near or overhead"))
                .consequence(("直击雷或感应雷可引爆药物", "A strike or its induction may set off powder"))
                .action((
                    "停止作业；雷暴在现场时人员撤离；末次雷电后等待再复工",
                    "Stop work; leave when it is overhead; wait after the last lightning",
                ))
                .respond_s(180),
        )
        .hazard(
            Hazard::new("fw.stop-window", Severity::Orange, ("停产期生产", "Work in a season stop"))
                .cause(("停产期内仍有生产活动", "Production goes on during an ordered stop"))
                .consequence(("违反停产令，高温期事故风险高", "Breaks the order; accidents are likelier in the hot season"))
                .action(("立即停产，核实是否经批准的检修", "Stop now; verify whether it is approved maintenance"))
                .respond_s(900),
        )
}

fn phrases(description: Description) -> Description {
    description
        .phrase("people", ("在场{0}人，定员{1}人", "{0} people inside, {1} allowed"))
        .phrase("machine", ("机械运行{0}台，在场{1}人", "{0} machines running, {1} people inside"))
        .phrase("mass", ("药量{0}千克，定量{1}千克", "{0} kg of explosive, {1} kg allowed"))
        .phrase("temperature", ("室温{0}℃，停产温度{1}℃", "Room at {0} °C, stop at {1} °C"))
        .phrase("humidity", ("相对湿度{0}%，下限{1}%", "Relative humidity {0} %, lower limit {1} %"))
        .phrase("storm-clear", ("现场无雷暴", "No thunderstorm at the site"))
        .phrase("storm-here", ("现场雷暴", "Thunderstorm at the site"))
        .phrase("lightning", ("最近雷击{0}千米，停产距离{1}千米", "Nearest lightning {0} km, stop distance {1} km"))
        .phrase("stop-window", ("停产期内有{0}处生产活动", "{0} activities within the season stop"))
        .phrase("no-stop", ("不在停产期", "No season stop now"))
        .phrase("blind", ("{0}个输入不可信，无法判断", "Cannot tell: {0} inputs cannot be believed"))
}
