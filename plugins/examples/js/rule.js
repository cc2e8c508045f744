// A rule in JavaScript: the believed air temperature of a room at or past its limit is yellow. Advisory only; see README.md.
import { log } from 'safety-brain:rule/log@1.0.0';

const NONE = 0xffffffff;
const words = (zh, en) => [['zh-CN', zh], ['en', en]];

let limit = NaN;
let rows = []; // by handle: [value, quality, time] or undefined while awaited
let said = 9; // the condition said last; 9: none

function describe() {
  return {
    id: 'js-hot-room', version: '1.0.0', vendor: 'Example', extra: [], stateVersion: 1,
    name: words('高温（JavaScript）', 'Hot room (JavaScript)'),
    about: words('室温达到上限时提示', 'Tells when a room reaches its limit'),
    inputs: [{
      id: 'air', name: words('气温', 'Air'), quantity: 'temperature', unit: 'Cel', low: NaN, high: NaN,
      least: 1, most: 8, silentMs: 0n, history: 0, codes: [], extra: [],
    }],
    params: [{
      id: 'limit', name: words('上限', 'Limit'), kind: 1, unit: 'Cel', low: NaN, high: NaN, choices: [], required: false,
      number: 34, text: '', numbers: new Float64Array(), extra: [],
      cites: [{
        standard: '', edition: '', clause: '', jurisdiction: '', effective: '', confidence: 'own', note: 'a round number',
      }],
    }],
    hazards: [{
      id: 'hot', name: words('高温', 'Too hot'), cause: words('通风不足', 'Poor ventilation'),
      consequence: words('药剂不稳定', 'Powder becomes unstable'), action: words('停止作业', 'Stop work'),
      respondS: 300, worst: 2, traits: 0, restateMs: 60000n, extra: [],
    }],
    phrases: [{ id: 'air', text: words('气温{0}℃，上限{1}℃', 'Air {0} °C, limit {1} °C') }],
    wants: {
      tickMs: 1000n, deadlineMs: 100, fuelPerCall: 100000000n, fuelPerRow: 2000000n, memoryKib: 65536, snapshotKib: 16, findings: 1,
    },
  };
}

function init(start) {
  limit = start.settings[0].number;
  rows = start.bindings.map(() => undefined);
  said = 9;
  log(0, `watches ${rows.length} tags`);
}

function evaluate(at, { inputs, values, quality, times }) {
  for (let i = 0; i < inputs.length; i++) rows[inputs[i]] = [values[i], quality[i], times[i]];
  let worst = NONE, doubted = 0;
  rows.forEach((row, handle) => {
    if (row === undefined || row[1] >= 128 || Number.isNaN(row[0])) doubted++;
    else if (worst === NONE || row[0] > rows[worst][0]) worst = handle;
  });
  const hot = worst !== NONE && !(rows[worst][0] < limit);
  const condition = hot ? 1 : doubted > 0 ? 2 : 0;
  if (condition === said && inputs.length > 0) return []; // said again with each tick, well inside the lease
  if (condition === 2 && rows.includes(undefined)) return []; // a first row is awaited
  said = condition;
  const [value, , time] = worst === NONE ? [NaN, 128, at] : rows[worst];
  return [{
    hazard: 0, condition, severity: 2, certainty: 1, phrase: 0, numbers: new Float64Array([value, limit]), attrs: [],
    evidence: [{ input: worst, value, at: time, param: 0, limit }],
  }];
}

// The condition, then 18 bytes for each tag: seen, value, quality, time.
function snapshot() {
  const bytes = new DataView(new ArrayBuffer(1 + 18 * rows.length));
  bytes.setUint8(0, said);
  rows.forEach((row, handle) => {
    if (row === undefined) return;
    const at = 1 + 18 * handle;
    bytes.setUint8(at, 1);
    bytes.setFloat64(at + 1, row[0]);
    bytes.setUint8(at + 9, row[1]);
    bytes.setBigInt64(at + 10, row[2]);
  });
  return new Uint8Array(bytes.buffer);
}

function restore(version, state) {
  if (version !== 1 || state.length !== 1 + 18 * rows.length) throw 'a state of another version, or of other tags';
  const bytes = new DataView(state.buffer, state.byteOffset, state.length);
  said = bytes.getUint8(0);
  rows = rows.map((_, handle) => {
    const at = 1 + 18 * handle;
    return bytes.getUint8(at) ? [bytes.getFloat64(at + 1), bytes.getUint8(at + 9), bytes.getBigInt64(at + 10)] : undefined;
  });
}

export const rule = { describe, init, evaluate, snapshot, restore };
