// Reports to the server that a song was listened to: once a page, after ten seconds of sound.

import { post } from "../http.js";

/** @import { Player } from "./player.js" */

const REPORT_AFTER_MS = 10_000;

/**
 * @param {Player} player
 * @param {string} url counts a play
 */
export function countPlay(player, url) {
  let playedMs = 0;
  /** @type {number | null} */
  let playingSince = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  player.addEventListener("change", () => {
    clearTimeout(timer);
    if (playingSince !== null) {
      playedMs += performance.now() - playingSince;
    }
    playingSince = player.state === "playing" ? performance.now() : null;
    if (playingSince !== null && playedMs < REPORT_AFTER_MS) {
      timer = setTimeout(report, REPORT_AFTER_MS - playedMs);
    }
  });

  function report() {
    playedMs = REPORT_AFTER_MS;
    post(url).catch(() => {}); // a play that is not counted does not concern the listener
  }
}
