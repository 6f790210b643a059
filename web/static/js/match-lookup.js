// The lookup before an upload: is the recording of a file in the catalogue already?
// If the lookup fails, the file is sent.

import { dataValue } from "./dom.js";
import { Fingerprinter } from "./fingerprint/fingerprinter.js";
import { post } from "./http.js";

/** @import { MatchedSong } from "./matched-song.js" */
/** @import { PendingRow } from "./pending-row.js" */

/**
 * Resolves to the song that is in the catalogue already. Resolves to null without one, and at once when the person
 * sends the file anyway or takes it away. Never rejects.
 * @typedef {(row: PendingRow, file: File) => Promise<MatchedSong | null>} MatchLookup
 */

/**
 * The lookup of the page. It finds nothing if the installation or the browser cannot make fingerprints.
 * @param {HTMLFormElement} zone the upload form, which carries the addresses and the limit
 * @returns {MatchLookup}
 */
export function createMatchLookup(zone) {
  const workerUrl = zone.dataset.printing;
  if (!workerUrl || !("OfflineAudioContext" in window)) {
    return async () => null;
  }
  const fingerprinter = new Fingerprinter(workerUrl, 60 * Number(dataValue(zone, "maxMinutes")));
  const matchesUrl = dataValue(zone, "matches");
  return (row, file) => lookUp(row, (signal) => requestMatch(fingerprinter, file, signal, matchesUrl));
}

/**
 * Look up the file of `row`, whose buttons can end the lookup.
 * @param {PendingRow} row
 * @param {(signal: AbortSignal) => Promise<MatchedSong | null>} findMatch
 * @returns {Promise<MatchedSong | null>}
 */
async function lookUp(row, findMatch) {
  const controller = new AbortController();
  const { signal } = controller;
  /** @type {Promise<null>} */
  const ended = new Promise((resolve) => signal.addEventListener("abort", () => resolve(null)));
  for (const button of [row.uploadAnywayButton, row.stopButton]) {
    button.addEventListener("click", () => controller.abort(), { signal });
  }
  row.enterState("is-checking");
  const song = await Promise.race([findMatch(signal).catch(() => null), ended]);
  row.leaveState("is-checking", { keepsButton: song !== null });
  return song;
}

/**
 * @param {Fingerprinter} fingerprinter
 * @param {File} file
 * @param {AbortSignal} signal
 * @param {string} url answers a fingerprint with the song that it belongs to
 * @returns {Promise<MatchedSong | null>}
 */
async function requestMatch(fingerprinter, file, signal, url) {
  const result = await fingerprinter.fingerprint(file, signal);
  if (!result || signal.aborted) {
    return null;
  }
  const { fingerprint, shifted, duration } = result;
  const query = JSON.stringify({ fingerprint: [...fingerprint], shifted: [...shifted], duration });
  const answer = await post(url, new Blob([query], { type: "application/json" }));
  return /** @type {{ song: MatchedSong | null }} */ (answer).song;
}
