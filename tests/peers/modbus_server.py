"""A Modbus TCP device made with pymodbus, as a foreign peer for the interop test.

Usage: modbus_server.py PORT (0 = let the system choose). Prints the port once it listens; ends when standard input closes.
Unit 1 has 32 registers in both register tables and 16 bits in both bit tables; anything beyond is an illegal address.
"""

import asyncio
import struct
import sys

from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTcpServer


def words(layout, value):
    raw = struct.pack(">" + layout, value)
    return list(struct.unpack(f">{len(raw) // 2}H", raw))


def swapped(pair):
    return [((w & 0xFF) << 8) | (w >> 8) for w in pair]


REGISTERS = [65534, 65534]  # 0: u16, 1: i16 -2
REGISTERS += words("I", 16909060)  # 2: ABCD
REGISTERS += words("I", 16909060)[::-1]  # 4: CDAB
REGISTERS += words("i", -2)  # 6: ABCD
REGISTERS += swapped(words("f", 3.140625))  # 8: BADC
REGISTERS += swapped(words("f", 3.140625))[::-1]  # 10: DCBA
REGISTERS += words("f", float("nan"))  # 12
REGISTERS += [0x8000]  # 14: the device's "no value"
REGISTERS += [0] * (32 - len(REGISTERS))


async def main(port):
    def registers():
        return ModbusSequentialDataBlock(1, list(REGISTERS))  # block address 1 is wire address 0

    device = ModbusDeviceContext(
        hr=registers(),
        ir=registers(),
        co=ModbusSequentialDataBlock(1, [i % 3 == 0 for i in range(16)]),
        di=ModbusSequentialDataBlock(1, [i % 3 == 1 for i in range(16)]),
    )
    context = ModbusServerContext(devices={1: device}, single=False)
    server = ModbusTcpServer(context, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.shutdown()


asyncio.run(main(int(sys.argv[1])))
