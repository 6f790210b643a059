// The mix of a song that a person chose, kept on this device. A private window may refuse: then it lasts as long as the
// page.

/** @import { Mix, TrackSettings } from "./mix.js" */

const KEY_PREFIX = "demixer:mix:";

/**
 * @param {string} songId
 * @returns {Record<string, TrackSettings>} by the name of the stem, empty if nothing is stored
 */
export function loadMix(songId) {
  try {
    return JSON.parse(localStorage.getItem(KEY_PREFIX + songId) ?? "{}") ?? {};
  } catch {
    return {};
  }
}

/**
 * @param {string} songId
 * @param {Mix} mix
 */
export function saveMix(songId, mix) {
  try {
    localStorage.setItem(KEY_PREFIX + songId, JSON.stringify(Object.fromEntries(mix)));
  } catch {
    // The storage is full or forbidden.
  }
}
