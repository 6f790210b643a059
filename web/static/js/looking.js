// Before a file is sent: is its recording here already? Whatever goes wrong here, the file is sent as always.

import { post } from "./http.js";
import { Printer } from "./print/printer.js";

/** Returns `look(row, file)`: the song that is here, or null, at once when the person sends the file anyway. */
export function lookingFrom(zone) {
  const { matches, printing, maxMinutes } = zone.dataset;
  if (!printing || !("OfflineAudioContext" in window)) return async () => null;
  const printer = new Printer(printing, 60 * maxMinutes);
  return (row, file) => look(row, (signal) => known(printer, file, signal, matches));
}

async function look(row, find) {
  const stopped = new AbortController();
  const buttons = row.querySelectorAll("[data-anyway], [data-stop]");
  const sent = new Promise((resolve) => (stopped.signal.onabort = () => resolve(null)));
  for (const each of buttons) each.addEventListener("click", () => stopped.abort(), { signal: stopped.signal });
  row.classList.add("is-looking");
  const song = await Promise.race([find(stopped.signal).catch(() => null), sent]);
  leave(row, "is-looking", song !== null);
  return song;
}

/** The row is no longer in that state. Whoever stood on a button that goes with it stands on the next one. */
export function leave(row, state, buttonStays = false) {
  const stranded = !buttonStays && document.activeElement === row.querySelector("[data-anyway]");
  row.classList.remove(state);
  if (stranded) row.querySelector("[data-stop]").focus();
}

async function known(printer, file, signal, url) {
  const print = await printer.print(file, signal);
  if (!print || signal.aborted) return null;
  const asked = { ...print, fingerprint: [...print.fingerprint], shifted: [...print.shifted] };
  return (await post(url, new Blob([JSON.stringify(asked)], { type: "application/json" }))).song;
}
