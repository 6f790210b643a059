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
    const answer = await fetch(location.href);
    if (answer.status >= 500) return; // the server is being started again: the next news comes when it is back
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const after = page.querySelector("[data-waiting]");
    if (after?.dataset.state === waiting.dataset.state) document.querySelector("[data-waiting]").replaceWith(after);
    else finish(page.querySelector("[data-player]")?.dataset.separation);
  }

  /** `made`: the separation whose stems the page has now; the one from before when the better one failed. */
  function finish(made) {
    stop();
    const better = made && made !== element?.dataset.separation;
    if (better) tellReady(waiting.dataset.announce, location.pathname);
    if (element && !better) document.querySelector("[data-better-failed]").hidden = false;
    else if (element && element.dataset.state !== "paused") document.querySelector("[data-better-ready]").hidden = false;
    else location.reload();
    if (element && !better) document.querySelector("[data-waiting]").remove();
  }
}
