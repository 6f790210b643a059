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
  let drawing = false;
  let again = false;
  const stop = follow(waiting.dataset.live, { song: refresh }, refresh);

  async function refresh() {
    again = true;
    if (drawing) return;
    drawing = true;
    while (again) {
      again = false;
      await redraw().catch(() => {}); // no network: the next news comes when it is back
    }
    drawing = false;
  }

  async function redraw() {
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    const after = page.querySelector("[data-waiting]");
    if (after?.dataset.state !== waiting.dataset.state) finish(after === null);
    else document.querySelector("[data-waiting]").replaceWith(after);
  }

  function finish(ready) {
    stop();
    if (ready) tellReady(waiting.dataset.announce, location.pathname);
    if (element && element.dataset.state !== "paused") document.querySelector("[data-better-ready]").hidden = false;
    else location.reload();
  }
}
