"""A rule in Python: the believed air temperature of a room at or past its limit is yellow. Advisory only; see ../README.md."""

import math
import struct

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import log
from wit_world.imports.describing import Citation, Description, Hazard, Input, Param, Phrase, Wants
from wit_world.imports.types import Evidence, Finding

NONE = 0xFFFF_FFFF
ROW = struct.Struct("<?dBq")  # seen, value, quality, time


def words(zh, en):
    return [("zh-CN", zh), ("en", en)]


class Room:
    """All that is remembered. Not in `Rule`: the toolchain may make one of those for each exported function."""

    limit = math.nan
    rows = []  # by handle: (value, quality, time), None while awaited
    said = 9  # the condition said last; 9: none


room = Room()


class Rule(exports.Rule):
    """One room."""

    def describe(self):
        return Description(
            id="python-hot-room", version="1.0.0", vendor="Example", extra=[], state_version=1,
            name=words("高温（Python）", "Hot room (Python)"),
            about=words("室温达到上限时提示", "Tells when a room reaches its limit"),
            inputs=[Input(
                id="air", name=words("气温", "Air"), quantity="temperature", unit="Cel", low=math.nan, high=math.nan,
                least=1, most=8, silent_ms=0, history=0, codes=[], extra=[],
            )],
            params=[Param(
                id="limit", name=words("上限", "Limit"), kind=1, unit="Cel", low=math.nan, high=math.nan, choices=[],
                required=False, number=34.0, text="", numbers=[], extra=[],
                cites=[Citation(
                    standard="", edition="", clause="", jurisdiction="", effective="", confidence="own", note="a round number",
                )],
            )],
            hazards=[Hazard(
                id="hot", name=words("高温", "Too hot"), cause=words("通风不足", "Poor ventilation"),
                consequence=words("药剂不稳定", "Powder becomes unstable"), action=words("停止作业", "Stop work"),
                respond_s=300, worst=2, traits=0, restate_ms=60_000, extra=[],
            )],
            phrases=[Phrase(id="air", text=words("气温{0}℃，上限{1}℃", "Air {0} °C, limit {1} °C"))],
            wants=Wants(
                tick_ms=1000, deadline_ms=100, fuel_per_call=100_000_000, fuel_per_row=2_000_000, memory_kib=65536,
                snapshot_kib=16, findings=1,
            ),
        )

    def init(self, start):
        room.limit = start.settings[0].number
        room.rows = [None] * len(start.bindings)
        room.said = 9
        log.log(0, f"watches {len(room.rows)} tags")

    def evaluate(self, at, readings):
        for handle, value, quality, time in zip(readings.inputs, readings.values, readings.quality, readings.times):
            room.rows[handle] = (value, quality, time)
        believed = [h for h, row in enumerate(room.rows) if row and row[1] < 128 and not math.isnan(row[0])]
        worst = max(believed, key=lambda handle: room.rows[handle][0], default=NONE)
        hot = worst != NONE and not room.rows[worst][0] < room.limit
        condition = 1 if hot else 2 if len(believed) < len(room.rows) else 0
        if condition == room.said and readings.inputs:
            return []  # said again with each tick, well inside the lease
        if condition == 2 and None in room.rows:
            return []  # a first row is awaited
        room.said = condition
        value, _, time = (math.nan, 128, at) if worst == NONE else room.rows[worst]
        evidence = Evidence(input=worst, value=value, at=time, param=0, limit=room.limit)
        return [Finding(
            hazard=0, condition=condition, severity=2, certainty=1, phrase=0, numbers=[value, room.limit],
            evidence=[evidence], attrs=[],
        )]

    def snapshot(self):
        return bytes([room.said]) + b"".join(ROW.pack(bool(row), *(row or (0.0, 0, 0))) for row in room.rows)

    def restore(self, state_version, state):
        if state_version != 1 or len(state) != 1 + ROW.size * len(room.rows):
            raise Err("a state of another version, or of other tags")
        room.said = state[0]
        room.rows = [row[1:] if row[0] else None for row in ROW.iter_unpack(state[1:])]
