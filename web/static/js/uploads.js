// Wherever uploads are listed or sent: the home page and the uploads page.

import { listenForFiles } from "./dropzone.js";
import { follow } from "./live.js";
import { lookingFrom } from "./looking.js";
import { offerNotifications, tellReady } from "./notify.js";
import { Rows } from "./rows.js";
import { Sender } from "./sending.js";

const zone = document.querySelector("[data-dropzone]");
const list = document.querySelector("[data-rows]");
const rows = new Rows(list, (before, after) => {
  if (after.dataset.status === "ready") tellReady(after.dataset.announce, after.dataset.url);
});
let stop = null;

/** A live page takes a thread of the server: keep it only while there is something to wait for. */
function keepFollowing() {
  if (rows.anyOpen) stop ??= follow(list.dataset.live, { upload: hear }, poll);
  else stop = stop?.() ?? null;
}

function hear({ id, html }) {
  rows.put(id, html);
  keepFollowing();
}

function arrived(id, html) {
  rows.put(id, html, { isNew: true });
  keepFollowing();
}

async function poll() {
  const answer = await fetch(list.dataset.poll);
  if (answer.ok) rows.putAll(await answer.text());
  keepFollowing();
}

const sender = new Sender(zone, {
  template: document.querySelector("[data-sending-template]"),
  list: document.querySelector("[data-sending]"),
  look: lookingFrom(zone),
  arrived,
});

listenForFiles(zone, (files, tags) => sender.send(files, tags));
offerNotifications(document.querySelector("[data-notify]"));
new MutationObserver(keepFollowing).observe(list, { childList: true });
keepFollowing();
