// The song that is here already, in the row of the file that need not be sent.

import { announce } from "./announce.js";
import { leave } from "./looking.js";

const BARS = 8; // of a cover drawn from the song's id, as in templates/_macros.html

/** `anyway()` is called when the person sends the file all the same. */
export function showFound(row, song, anyway) {
  const link = row.querySelector("[data-found]");
  link.href = new URL(song.links.page).pathname;
  fill(link, "[data-song]", song.title);
  fill(link, "[data-artist]", song.artist);
  link.prepend(song.cover ? picture(song) : drawn(link.querySelector("template"), song.id));
  row.classList.add("is-found");
  row.querySelector("[data-anyway]").onclick = () => (leave(row, "is-found"), anyway());
  announce(`${row.querySelector("[data-name]").textContent}: ${link.querySelector("[data-told]").textContent}`);
}

/** What the template says stays for songs without one. */
function fill(link, selector, text) {
  if (text) link.querySelector(selector).textContent = text;
}

function picture(song) {
  const image = new Image(64, 64);
  image.className = "cover";
  image.alt = "";
  image.src = new URL(song.cover).pathname;
  return image;
}

function drawn(template, id) {
  const cover = template.content.firstElementChild.cloneNode(true);
  cover.classList.add(`art-${parseInt(id[0], 16) % 6}`);
  [...cover.children].slice(0, BARS).forEach((bar, index) => {
    const half = 3 + parseInt(id[index + 1], 16);
    bar.setAttribute("y", 24 - half);
    bar.setAttribute("height", 2 * half);
  });
  return cover;
}
