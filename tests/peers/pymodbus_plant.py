"""A Modbus TCP device by pymodbus: holding registers 0-1 hold the float 321.5 (ABCD). Usage: pymodbus_plant.py PORT"""

import asyncio
import struct
import sys

from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import StartAsyncTcpServer

registers = list(struct.unpack(">HH", struct.pack(">f", 321.5))) + [0] * 30
device = ModbusDeviceContext(hr=ModbusSequentialDataBlock(1, registers))
asyncio.run(StartAsyncTcpServer(ModbusServerContext(devices={1: device}, single=False), address=("127.0.0.1", int(sys.argv[1]))))
