// Which alarms stand in the list, and in what order. Owns: urgency, and what is folded under its cause. Must not know: how anything is drawn.

import { LEVELS } from "./chip.js";

/** Needs somebody now: nobody has taken it, and it is red or orange. */
export const presses = (a) => !a.acknowledged && (a.severity === "red" || a.severity === "orange");

/** The most urgent first, as the API has them. */
export function order(alarms) {
  const rank = (a) => [a.acknowledged ? 1 : 0, LEVELS.indexOf(a.severity), a.condition === "cleared" ? 1 : 0, -Date.parse(a.raised_at), -a.id];
  const ranked = alarms.map((a) => [rank(a), a]);
  ranked.sort(([x], [y]) => x.map((key, n) => key - y[n]).find((by) => by !== 0) ?? 0);
  return ranked.map(([, a]) => a);
}

/** `{rows, under, causes}`: what stands in the list; by the number of a cause what is folded under it; and by the number of a consequence its cause. Only yellow
 *  and blue are folded, and only under a cause of theirs in the same place that goes on and stands above them anyway: red and orange always have a row.
 *  `opened`: numbers of the causes whose consequences have rows too, each where it belongs: nothing sinks below something less urgent. */
export function fold(ordered, opened) {
  const found = new Map();
  const [under, causes] = [new Map(), new Map()];
  const rows = ordered.filter((alarm) => {
    const place = `${alarm.group}\n${alarm.zone}`;
    const cause = found.get(place);
    if (cause && !alarm.parent && (alarm.severity === "yellow" || alarm.severity === "blue")) {
      under.set(cause.id, under.get(cause.id) ?? []);
      under.get(cause.id).push(alarm);
      causes.set(alarm.id, cause);
      return opened.has(cause.id);
    }
    if (!cause && alarm.parent && alarm.condition === "active" && !alarm.held) found.set(place, alarm);
    return true;
  });
  return { rows, under, causes };
}
