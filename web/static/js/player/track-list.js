// The tracks of all stems on the page. The mix that a person chooses with them is kept as a preference.

import { dataValue, query } from "../dom.js";
import { isAudible, settingsOf } from "./mix.js";
import { loadMix, saveMix } from "./preferences.js";
import { Track } from "./track.js";

/** @import { TrackSettings } from "./mix.js" */
/** @import { Player } from "./player.js" */
/** @import { TrackHandlers } from "./track.js" */

export class TrackList {
  /** @type {Map<string, Track>} by the name of the stem, in the order of the page */
  #tracks = new Map();

  /**
   * @param {HTMLElement} element of the player
   * @param {Player} player
   * @param {Pick<TrackHandlers, "onPreview" | "onSeek">} handlers
   */
  constructor(element, player, handlers) {
    this.player = player;
    this.songId = dataValue(element, "song");
    for (const { name, peaks } of player.data.stems) {
      const track = new Track(query(element, `[data-stem="${CSS.escape(name)}"]`, HTMLElement), {
        ...handlers,
        onChange: (stem, change) => this.#change(stem, change),
        onRetry: (stem) => player.retry(stem),
      });
      track.draw(peaks);
      this.#tracks.set(name, track);
    }
    this.#restoreMix();
  }

  /**
   * Switch a setting of a track.
   * @param {number} index of the track; there may be none
   * @param {"muted" | "solo"} setting
   */
  toggle(index, setting) {
    const name = [...this.#tracks.keys()].at(index);
    if (name !== undefined) {
      this.#change(name, { [setting]: !settingsOf(this.player.mix, name)[setting] });
    }
  }

  /**
   * Show that a stem failed to load.
   * @param {string} name
   */
  fail(name) {
    this.#tracks.get(name)?.fail();
  }

  #restoreMix() {
    for (const [name, settings] of loadMix(this.songId)) {
      if (this.player.mix.has(name)) {
        this.player.set(name, settings);
      }
    }
    this.#showMix();
  }

  /**
   * @param {string} name of the stem
   * @param {Partial<TrackSettings>} change
   */
  #change(name, change) {
    this.player.set(name, change);
    saveMix(this.songId, this.player.mix);
    this.#showMix();
  }

  #showMix() {
    const { mix } = this.player;
    for (const [name, track] of this.#tracks) {
      track.show(settingsOf(mix, name), isAudible(mix, name));
    }
  }
}
