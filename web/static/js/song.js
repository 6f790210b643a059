// The song page: the player when there are stems, the live progress while there are none or better ones are made.

import { follow } from "./live.js";
import { listenForKeys } from "./player/keys.js";
import { countPlay } from "./player/plays.js";
import { Player } from "./player/player.js";
import { PlayerView } from "./player/view.js";
import { tellReady } from "./notify.js";

const element = document.querySelector("[data-player]");
const waiting = document.querySelector("[data-waiting]");
if (element) play();
if (waiting) wait();

function play() {
  const data = JSON.parse(element.querySelector("[data-player-data]").textContent);
  const player = new Player(data);
  listenForKeys(new PlayerView(element, player));
  countPlay(player, data.plays_url);
  if (!navigator.connection?.saveData) player.prepare();
}

/** The panel is drawn again by the server whenever something changed, so that it speaks the reader's language. */
function wait() {
  const before = waiting.dataset.state;
  let busy = false;

  async function refresh() {
    if (busy) return;
    busy = true;
    try {
      const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
      show(page.querySelector("[data-waiting]"));
    } finally {
      busy = false;
    }
  }

  function show(after) {
    const shown = document.querySelector("[data-waiting]");
    if (after?.dataset.state.startsWith(before.split(" ")[0])) shown.replaceWith(after);
    else finish();
  }

  function finish() {
    stop();
    tellReady(waiting.dataset.announce, location.pathname);
    if (element?.dataset.state === "playing") document.querySelector("[data-better-ready]").hidden = false;
    else location.reload();
  }

  const stop = follow(waiting.dataset.live, { song: refresh }, refresh);
}
