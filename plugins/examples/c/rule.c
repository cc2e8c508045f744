/* A rule in C: the believed air temperature of a room at or past its limit is yellow. No C library, no WASI: see ../README.md. */
#include "risk_rule.h"
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define NOTHING 9 /* the condition said last, before any was */
#define MAKE(list, type, count) ((list).len = (count), (list).ptr = calloc(count, sizeof(type)))

typedef struct {
  double value;
  int64_t time;
  uint8_t quality, seen;
} row;

static struct {
  double limit;
  uint32_t count;
  uint8_t said;
  row *rows; /* by handle */
} room;

/* The host's side frees what it was given: everything is a copy. */
static void text(risk_rule_string_t *to, const char *of) { risk_rule_string_dup(to, of); }

static void words(safety_brain_rule_describing_words_t *to, const char *zh, const char *en) {
  risk_rule_tuple2_string_string_t *both = MAKE(*to, risk_rule_tuple2_string_string_t, 2);
  text(&both[0].f0, "zh-CN"), text(&both[0].f1, zh);
  text(&both[1].f0, "en"), text(&both[1].f1, en);
}

void exports_safety_brain_rule_rule_describe(exports_safety_brain_rule_rule_description_t *d) {
  memset(d, 0, sizeof *d);
  text(&d->id, "c-hot-room"), text(&d->version, "1.0.0"), text(&d->vendor, "Example");
  words(&d->name, "高温（C）", "Hot room (C)");
  words(&d->about, "室温达到上限时提示", "Tells when a room reaches its limit");

  safety_brain_rule_describing_input_t *air = MAKE(d->inputs, safety_brain_rule_describing_input_t, 1);
  text(&air->id, "air"), words(&air->name, "气温", "Air"), text(&air->quantity, "temperature"), text(&air->unit, "Cel");
  air->low = air->high = __builtin_nan(""), air->least = 1, air->most = 8;

  safety_brain_rule_describing_param_t *limit = MAKE(d->params, safety_brain_rule_describing_param_t, 1);
  text(&limit->id, "limit"), words(&limit->name, "上限", "Limit"), text(&limit->unit, "Cel");
  limit->kind = 1, limit->low = limit->high = __builtin_nan(""), limit->number = 34;
  safety_brain_rule_describing_citation_t *source = MAKE(limit->cites, safety_brain_rule_describing_citation_t, 1);
  text(&source->confidence, "own"), text(&source->note, "a round number");

  safety_brain_rule_describing_hazard_t *hot = MAKE(d->hazards, safety_brain_rule_describing_hazard_t, 1);
  text(&hot->id, "hot"), words(&hot->name, "高温", "Too hot"), words(&hot->cause, "通风不足", "Poor ventilation");
  words(&hot->consequence, "药剂不稳定", "Powder becomes unstable"), words(&hot->action, "停止作业", "Stop work");
  hot->respond_s = 300, hot->worst = 2, hot->restate_ms = 60000;

  safety_brain_rule_describing_phrase_t *phrase = MAKE(d->phrases, safety_brain_rule_describing_phrase_t, 1);
  text(&phrase->id, "air"), words(&phrase->text, "气温{0}℃，上限{1}℃", "Air {0} °C, limit {1} °C");

  d->wants.tick_ms = 1000, d->wants.findings = 1, d->wants.snapshot_kib = 16, d->state_version = 1;
}

bool exports_safety_brain_rule_rule_init(exports_safety_brain_rule_rule_start_t *start, exports_safety_brain_rule_rule_list_fault_t *err) {
  (void)err;
  room.limit = start->settings.ptr[0].number;
  room.count = start->bindings.len;
  room.said = NOTHING;
  room.rows = calloc(room.count, sizeof(row));
  exports_safety_brain_rule_rule_start_free(start);
  return true;
}

void exports_safety_brain_rule_rule_evaluate(int64_t at, exports_safety_brain_rule_rule_columns_t *given, exports_safety_brain_rule_rule_list_finding_t *ret) {
  bool tick = given->inputs.len == 0;
  for (size_t i = 0; i < given->inputs.len; i++)
    room.rows[given->inputs.ptr[i]] = (row){given->values.ptr[i], given->times.ptr[i], given->quality.ptr[i], 1};
  exports_safety_brain_rule_rule_columns_free(given);
  ret->ptr = NULL, ret->len = 0;

  uint32_t worst = NONE, believed = 0, seen = 0;
  for (uint32_t h = 0; h < room.count; h++) {
    seen += room.rows[h].seen;
    if (!room.rows[h].seen || room.rows[h].quality >= 128 || __builtin_isnan(room.rows[h].value)) continue;
    believed++;
    if (worst == NONE || room.rows[h].value > room.rows[worst].value) worst = h;
  }
  bool hot = worst != NONE && !(room.rows[worst].value < room.limit);
  uint8_t condition = hot ? 1 : believed < room.count ? 2 : 0;
  if (condition == room.said && !tick) return; /* said again with each tick, well inside the lease */
  if (condition == 2 && seen < room.count) return; /* a first row is awaited */
  room.said = condition;

  double value = worst == NONE ? __builtin_nan("") : room.rows[worst].value;
  exports_safety_brain_rule_rule_finding_t *finding = MAKE(*ret, exports_safety_brain_rule_rule_finding_t, 1);
  finding->condition = condition, finding->severity = 2, finding->certainty = 1;
  double *numbers = MAKE(finding->numbers, double, 2);
  numbers[0] = value, numbers[1] = room.limit;
  safety_brain_rule_types_evidence_t *evidence = MAKE(finding->evidence, safety_brain_rule_types_evidence_t, 1);
  *evidence = (safety_brain_rule_types_evidence_t){.input = worst, .value = value, .at = worst == NONE ? at : room.rows[worst].time, .param = 0, .limit = room.limit};
}

void exports_safety_brain_rule_rule_snapshot(risk_rule_list_u8_t *ret) {
  uint8_t *bytes = MAKE(*ret, uint8_t, 1 + sizeof(row) * room.count);
  bytes[0] = room.said;
  memcpy(bytes + 1, room.rows, sizeof(row) * room.count);
}

bool exports_safety_brain_rule_rule_restore(uint32_t state_version, risk_rule_list_u8_t *state, risk_rule_string_t *err) {
  bool fits = state_version == 1 && state->len == 1 + sizeof(row) * room.count;
  if (fits) {
    room.said = state->ptr[0];
    memcpy(room.rows, state->ptr + 1, sizeof(row) * room.count);
  } else {
    text(err, "a state of another version, or of other tags");
  }
  risk_rule_list_u8_free(state);
  return fits;
}
