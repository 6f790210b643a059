// Tell the server that somebody really listened: once a page, after ten seconds of sound.

import { post } from "../http.js";

const ENOUGH = 10_000; // ms

export function countPlay(player, url) {
  let heard = 0;
  let since = null;
  let timer;
  player.addEventListener("change", () => {
    clearTimeout(timer);
    if (since !== null) heard += performance.now() - since;
    since = player.state === "playing" ? performance.now() : null;
    if (since !== null && heard < ENOUGH) timer = setTimeout(tell, ENOUGH - heard);
  });

  function tell() {
    heard = ENOUGH;
    post(url).catch(() => {}); // a play not counted is no reason to disturb
  }
}
