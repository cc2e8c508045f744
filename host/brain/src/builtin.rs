//! The hazards the brain finds by itself: what they are called, why they happen, what to do. A pure crate has no translation files, so both
//! languages stand here. Must not know: when any of them is raised.

use crate::site::Guide;
use crate::words::Words;

/// A hazard of the brain's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    Silent,
    Frozen,
    Impossible,
    Link,
    Blind,
    Journal,
    Store,
    Versions,
    Growth,
    Kept,
    Rejected,
    Undelivered,
    Full,
    Gap,
    Clock,
    Anchor,
    Heartbeat,
    Unstaffed,
    HandOver,
    Disabled,
    FellBack,
    Lost,
    BaseLost,
}

/// id, title (zh, en), cause, consequence, action, seconds to respond.
type Row = (&'static str, [&'static str; 2], [&'static str; 2], [&'static str; 2], [&'static str; 2], u32);

impl Builtin {
    fn row(self) -> Row {
        match self {
            Builtin::Silent => (
                "device.silent",
                ["传感器失联", "Sensor silent"],
                ["设备断电、断线或通信中断", "The device lost power, its cable or its network"],
                ["此测点的危险看不见", "A danger at this point would not be seen"],
                [
                    "派人到现场查看并用便携仪表替代监测，检查供电与线路",
                    "Send somebody to look, watch with a portable instrument, check power and cable",
                ],
                600,
            ),
            Builtin::Frozen => (
                "device.frozen",
                ["传感器冻结", "Sensor frozen"],
                ["传感器或变送器卡死，数值不再变化", "The sensor or transmitter is stuck: its value no longer changes"],
                ["显示的数值可能不是现场的真实情况", "What is shown may not be what is there"],
                ["用便携仪表比对，重启或更换传感器", "Compare with a portable instrument, restart or replace the sensor"],
                1800,
            ),
            Builtin::Impossible => (
                "device.impossible",
                ["传感器数值无效", "Sensor value impossible"],
                ["传感器故障、断线、短路或超出量程", "The sensor failed, is open or shorted, or is beyond its range"],
                [
                    "此测点的危险看不见，或现场已超出量程",
                    "A danger at this point would not be seen, or the place is beyond the range",
                ],
                ["先按危险对待并到现场核实，再检查传感器", "Treat it as danger until somebody has looked, then check the sensor"],
                300,
            ),
            Builtin::Link => (
                "device.link",
                ["链路中断", "Link down"],
                ["网络、代理或网关故障", "The network, the broker or the gateway failed"],
                ["该链路上的全部测点不可见", "Nothing on this link can be seen"],
                [
                    "检查网络与网关，恢复前用现场仪表值守",
                    "Check network and gateway; stand watch with local instruments until it is back",
                ],
                600,
            ),
            Builtin::Blind => (
                "device.blind",
                ["规则失察", "Rule blind"],
                ["规则失效、被隔离，或其输入不可信", "The rule failed, is quarantined, or its inputs cannot be believed"],
                ["该规则覆盖的危险暂时无人判断", "The hazard this rule covers is judged by nobody for now"],
                ["加强人工巡查，通知规则厂商，修复后解除隔离", "Watch by hand, tell the rule's vendor, release it once mended"],
                600,
            ),
            Builtin::Journal => (
                "storage.journal",
                ["日志存储失败", "Journal failed"],
                ["磁盘已满或损坏", "The disk is full or broken"],
                ["事件未被记录；监测与上报继续", "Events are not recorded; watching and telling go on"],
                ["立即释放或更换磁盘，并手工记录", "Free or replace the disk at once, and keep notes by hand"],
                300,
            ),
            Builtin::Store => (
                "storage.store",
                ["查询库失败", "Store failed"],
                ["磁盘或数据库故障", "The disk or the database failed"],
                [
                    "历史与趋势不可查；报警与日志不受影响",
                    "History and trends cannot be read; alarms and the journal are not affected",
                ],
                ["重启程序，查询库会从日志重建", "Restart the program: the store is rebuilt from the journal"],
                3600,
            ),
            Builtin::Versions => (
                "storage.versions",
                ["规则版本记录丢失", "List of rules' versions lost"],
                ["文件损坏、被改动，或磁盘不再给出", "The file was damaged or changed, or the disk does not give it back"],
                [
                    "从当前运行的版本起重新记录；换回的旧版本、同一版本的另一组件不会被发现",
                    "It begins anew with what runs now: an older version that comes back, or another component of the same one, is not noticed",
                ],
                [
                    "用 plugin list 核对运行中的规则版本与摘要是否正是应当运行的，不是则在站点文件中写明；查明谁动过数据目录",
                    "See by `plugin list` whether the versions and digests that run are those that shall, name those in the site file where not, and find out who was at the data directory",
                ],
                3600,
            ),
            Builtin::Growth => (
                "storage.growth",
                ["存储空间不足", "Room running out"],
                [
                    "数据增长快于预留空间，或其他程序占用磁盘",
                    "More is kept than there is room for, or other programs fill the disk",
                ],
                [
                    "到期后旧记录提前清除；磁盘写满后事件将无法记录",
                    "Old records will go before their time; once the disk is full, events cannot be recorded",
                ],
                [
                    "清理或更换更大的磁盘，或调整 [storage] 的保存期限",
                    "Free or enlarge the disk, or keep less: see [storage] in the site file",
                ],
                86_400,
            ),
            Builtin::Kept => (
                "storage.kept",
                ["日志保存期不足", "Journal kept too briefly"],
                ["读数多于日志上限所能容纳", "There are more readings than the journal's bound has room for"],
                [
                    "日志中的读数早于设定的期限被清除；查询库、事件与报警不受影响",
                    "Readings go from the journal before their time; queries, events and alarms are not affected",
                ],
                [
                    "增大站点文件 [storage] 的 journal_gib，或改小 journal_days",
                    "Raise journal_gib, or lower journal_days, in [storage] of the site file",
                ],
                604_800,
            ),
            Builtin::Rejected => (
                "notice.rejected",
                ["通知被拒收", "Notice rejected"],
                ["接收方拒绝了消息的格式、签名或内容", "The receiver refused the message's form, signature or content"],
                ["对方可能不知道这一报警", "They may not know of the alarm"],
                ["立即电话告知对方，并检查接口配置", "Tell them by telephone at once, and check the interface"],
                120,
            ),
            Builtin::Undelivered => (
                "notice.undelivered",
                ["通知未送达", "Notice undelivered"],
                [
                    "网络、对方系统或接口配置故障，60 秒内没有回执",
                    "The network, the receiver's system or the interface failed: no receipt within 60 s",
                ],
                ["对方可能不知道现场的报警", "They may not know of the plant's alarms"],
                [
                    "立即电话告知对方全部现行报警，并检查网络与接口",
                    "Tell them of all standing alarms by telephone at once, then check network and interface",
                ],
                120,
            ),
            Builtin::Full => (
                "outbox.full",
                ["待发通知积压", "Outbox full"],
                [
                    "报警过多，或该对象长时间联系不上",
                    "There are too many alarms, or this audience cannot be reached for a long time",
                ],
                [
                    "黄、蓝通知合并发送；橙、红逐条保留，一条不丢",
                    "Yellow and blue notices are told together; orange and red wait one by one, and none is dropped",
                ],
                [
                    "改用电话告知对方现行报警，检查网络与接口",
                    "Tell them of standing alarms by telephone, check network and interface",
                ],
                300,
            ),
            Builtin::Gap => (
                "system.gap",
                ["看护中断", "Watch interrupted"],
                ["程序停止、断电或被终止", "The program stopped, lost power or was ended"],
                ["这段时间内没有人判断危险", "Nobody judged danger in that time"],
                ["核对这段时间的现场记录", "Check the site's own records of that time"],
                3600,
            ),
            Builtin::Anchor => (
                "journal.anchor",
                ["日志链头未送达", "Anchor undelivered"],
                [
                    "网络、对方系统或接口配置故障，连续三次未能把链头送出本机",
                    "The network, the receiver's system or the interface failed: three heads of the chain in a row were not taken",
                ],
                [
                    "日志若被截断或重写，外部无从发现；监测与上报不受影响",
                    "Nobody outside could tell if the record were cut or made again; watching and telling are not affected",
                ],
                [
                    "检查网络与接口；恢复前用 journal anchor 手工抄存链头",
                    "Check network and interface; until then keep heads by hand with `journal anchor`",
                ],
                3600,
            ),
            Builtin::Heartbeat => (
                "system.heartbeat",
                ["心跳未送达", "Heartbeat undelivered"],
                [
                    "网络、对方系统或接口配置故障，连续三次心跳未能送出本机",
                    "The network, the watcher's system or the interface failed: three heartbeats in a row were not taken",
                ],
                [
                    "本机若此时停机，外部可能已按失联处理，也可能无从发现；监测与上报不受影响",
                    "The watcher takes the plant for silent, or would not notice if it were; watching and telling are not affected",
                ],
                ["告知监视方，检查网络与接口", "Tell the watcher, check network and interface"],
                1800,
            ),
            Builtin::Unstaffed => (
                "ladder.unstaffed",
                ["无人值班", "Nobody on duty"],
                ["值班表此时段无人，或排班有误", "The roster names nobody for this time, or names them wrongly"],
                ["该级无人应答，已立即通知下一级", "Nobody answers at this rung; the next one was told at once"],
                ["立即安排人员接班，改正值班表", "Send somebody to take over at once, mend the roster"],
                600,
            ),
            Builtin::HandOver => (
                "ladder.hand-over",
                ["交接班未完成", "Hand-over not done"],
                ["接班人未在规定时间内接班", "Nobody took over in the time that the roster gives"],
                ["交班人员仍算在岗，报警同时通知双方", "Who should be relieved still counts as on duty; both are told of alarms"],
                ["核对在岗人员，在本系统完成交接班", "Find out who is there, and hand over on the console"],
                900,
            ),
            Builtin::Disabled => (
                "rule.disabled",
                ["规则已停用", "Rule disabled"],
                ["有人停用了该规则", "Somebody took the rule out of use"],
                [
                    "该规则覆盖的危险无人判断，其报警保持不变",
                    "The hazards this rule covers are judged by nobody; its alarms stand as they are",
                ],
                ["加强人工巡查；原因消除后重新启用", "Watch by hand; enable it again once the reason is gone"],
                600,
            ),
            Builtin::FellBack => (
                "rule.fallback",
                ["规则退回站点文件的版本", "Rule fell back to the site file's version"],
                [
                    "经批准上线的规则文件丢失、损坏或不再被信任",
                    "The file of the rule that people promoted is gone, damaged or no longer trusted",
                ],
                ["运行的不是经批准上线的版本", "What runs is not the version that was promoted"],
                [
                    "核对站点文件的版本是否可用；重新安装并上线",
                    "See whether the site file's version will do; install and promote again",
                ],
                3600,
            ),
            Builtin::Lost => (
                "rule.lost",
                ["规则未能装入", "Rule not loaded"],
                [
                    "规则文件所在的磁盘没有响应，或文件丢失、损坏、不再被信任、与站点文件不符",
                    "The disk that the rule's file lies on does not answer, or the file is gone, damaged, no longer trusted or does not fit the site file",
                ],
                [
                    "该规则覆盖的危险无人判断，其报警保持不变；限值、失联等内置判断照常工作",
                    "The hazards this rule covers are judged by nobody; its alarms stand as they are. Limits, silence and the like are judged as ever",
                ],
                [
                    "加强人工巡查；按括号内所写修好规则文件、磁盘或站点文件（safety-brain check），然后重启程序",
                    "Watch by hand; mend the file, its disk or the site file by what stands in brackets (safety-brain check), then start the program again",
                ],
                600,
            ),
            Builtin::BaseLost => (
                "rule.base-lost",
                ["站点文件所列规则未能装入", "The site file's rule not loaded"],
                [
                    "站点文件所列规则的文件所在的磁盘没有响应，或文件丢失、损坏、不再被信任、与站点文件不符",
                    "The disk that the file of the site file's rule lies on does not answer, or the file is gone, damaged, no longer trusted or does not fit the site file",
                ],
                [
                    "现由经批准上线的版本判断；它若也失效，则无版本可退",
                    "The version that people promoted judges; where it fails too there is none to fall back to",
                ],
                [
                    "按括号内所写修好规则文件、磁盘或站点文件（safety-brain check），择机重启程序",
                    "Mend the file, its disk or the site file by what stands in brackets (safety-brain check), and start the program again when it suits",
                ],
                3600,
            ),
            Builtin::Clock => (
                "system.clock",
                ["系统时钟可疑", "Clock in doubt"],
                [
                    "系统时钟被拨动、电池失效或授时中断",
                    "The clock was set, its battery is dead or its time server cannot be reached",
                ],
                [
                    "显示和上报的时刻可能有误；期限按单调时钟照常执行，不会提前或延后",
                    "Times shown and sent may be wrong; deadlines run on undisturbed, neither early nor late",
                ],
                ["核对并校准系统时钟，检查授时服务", "Compare the clock with another one, set it right, check the time server"],
                1800,
            ),
        }
    }

    /// What watches failed, not the plant itself.
    pub(crate) fn is_of_a_device(hazard: &str) -> bool {
        [Builtin::Silent, Builtin::Frozen, Builtin::Impossible, Builtin::Link, Builtin::Blind].iter().any(|b| b.id() == hazard)
    }

    /// This program or its surroundings failed, not something in a zone: its alarms bear the first one's name, for its ladder.
    pub(crate) fn is_of_the_system(hazard: &str) -> bool {
        use Builtin::{
            Anchor, Clock, Full, Gap, Growth, HandOver, Heartbeat, Journal, Kept, Store, Undelivered, Unstaffed, Versions,
        };
        [Anchor, Clock, Full, Gap, Growth, HandOver, Heartbeat, Journal, Kept, Store, Undelivered, Unstaffed, Versions]
            .iter()
            .any(|b| b.id() == hazard)
    }

    /// Stable identifier.
    pub(crate) fn id(self) -> &'static str {
        self.row().0
    }

    /// What people call it.
    pub(crate) fn title(self) -> Words {
        words(self.row().1)
    }

    /// What to do.
    pub(crate) fn guide(self) -> Guide {
        let (_, _, cause, consequence, action, respond_s) = self.row();
        Guide { cause: words(cause), consequence: words(consequence), action: words(action), respond_s }
    }
}

fn words([zh, en]: [&str; 2]) -> Words {
    Words { zh: zh.to_owned(), en: en.to_owned() }
}
