// The script of the song page: the player if there are stems, the progress while stems or better ones are made.

import { query } from "./dom.js";
import { attachShortcuts } from "./player/keyboard-shortcuts.js";
import { countPlay } from "./player/play-count.js";
import { PlayerView } from "./player/player-view.js";
import { Player } from "./player/player.js";
import { SeparationProgress } from "./separation-progress.js";

/** @import { PlayerData } from "./player/player.js" */

const playerElement = document.querySelector("[data-player]");
const progressPanel = document.querySelector("[data-waiting]");
if (playerElement instanceof HTMLElement) {
  startPlayer(playerElement);
}
if (progressPanel instanceof HTMLElement) {
  new SeparationProgress(progressPanel).follow();
}

/** @param {HTMLElement} element */
function startPlayer(element) {
  const json = query(element, "[data-player-data]", HTMLScriptElement).textContent;
  const data = /** @type {PlayerData} */ (JSON.parse(json));
  const player = new Player(data);
  attachShortcuts(new PlayerView(element, player));
  countPlay(player, data.plays_url);
  if (!savesData()) {
    player.prepare();
  }
}

/** Whether the person asked the browser to save data. TypeScript does not know this part of Navigator. */
function savesData() {
  const { connection } = /** @type {Navigator & { connection?: { saveData: boolean } }} */ (navigator);
  return connection?.saveData ?? false;
}
