// The mix that a person chooses: volume, mute and solo of each stem.

/**
 * @typedef {object} TrackSettings
 * @property {number} volume 0 to MAX_VOLUME, where 1 is the volume of the original
 * @property {boolean} muted
 * @property {boolean} solo
 */

export const MAX_VOLUME = 1.5;

/** @typedef {Map<string, TrackSettings>} Mix by the name of the stem */

/**
 * @param {string[]} names of the stems
 * @returns {Mix} all stems as in the original
 */
export function defaultMix(names) {
  return new Map(names.map((name) => [name, { volume: 1, muted: false, solo: false }]));
}

/**
 * The settings of a stem. Throws if there is no such stem.
 * @param {Mix} mix
 * @param {string} name
 * @returns {TrackSettings}
 */
export function settingsOf(mix, name) {
  const settings = mix.get(name);
  if (!settings) {
    throw new Error(`no stem ${name}`);
  }
  return settings;
}

/**
 * Whether a stem is heard. A muted stem is silent, solo or not. If any stem is solo, all others are silent.
 * @param {Mix} mix
 * @param {string} name
 * @returns {boolean}
 */
export function isAudible(mix, name) {
  const { muted, solo } = settingsOf(mix, name);
  const anySolo = [...mix.values()].some((settings) => settings.solo);
  return !muted && (solo || !anySolo);
}
