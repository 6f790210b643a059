// The mix of a song that a person chose, kept on this device. A private window may refuse: then it lasts as long as the
// page.

import { MAX_VOLUME } from "./mix.js";

/** @import { Mix, TrackSettings } from "./mix.js" */

const KEY_PREFIX = "demixer:mix:";

/**
 * The stored settings. Values that cannot be used are left out.
 * @param {string} songId
 * @returns {Map<string, Partial<TrackSettings>>} by the name of the stem, empty if nothing is stored
 */
export function loadMix(songId) {
  /** @type {Map<string, Partial<TrackSettings>>} */
  const mix = new Map();
  try {
    const stored = JSON.parse(localStorage.getItem(KEY_PREFIX + songId) ?? "{}");
    for (const [name, settings] of Object.entries(stored ?? {})) {
      mix.set(name, usableSettings(settings));
    }
  } catch {
    // The storage is forbidden, or its content is not JSON.
  }
  return mix;
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

/**
 * @param {unknown} stored
 * @returns {Partial<TrackSettings>}
 */
function usableSettings(stored) {
  /** @type {Partial<TrackSettings>} */
  const settings = {};
  const { volume, muted, solo } = /** @type {Record<string, unknown>} */ (stored ?? {});
  if (typeof volume === "number" && volume >= 0 && volume <= MAX_VOLUME) {
    settings.volume = volume;
  }
  if (typeof muted === "boolean") {
    settings.muted = muted;
  }
  if (typeof solo === "boolean") {
    settings.solo = solo;
  }
  return settings;
}
