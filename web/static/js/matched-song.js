// The link to a song that is in the catalogue already, in the row of a file that need not be sent.

import { announce } from "./announce.js";
import { cloneTemplate, query } from "./dom.js";

/** @import { PendingRow } from "./pending-row.js" */

/**
 * The part of a song of the API that the row shows.
 * @typedef {object} MatchedSong
 * @property {string} id hexadecimal
 * @property {string | null} title
 * @property {string | null} artist
 * @property {string | null} cover address of a picture
 * @property {{ page: string }} links address of the song's page
 */

const BARS = 8; // of a drawn cover, as in templates/_macros.html
const COLOURS = 6;
const MIDDLE = 24; // of a drawn cover, in units of its viewBox
const COVER_SIZE = 64; // CSS pixels

/**
 * Show the song in the row, with a button that sends the file all the same.
 * @param {PendingRow} row
 * @param {MatchedSong} song
 * @param {() => void} onUploadAnyway
 */
export function showMatchedSong(row, song, onUploadAnyway) {
  const link = query(row.element, "[data-match-link]", HTMLAnchorElement);
  link.href = new URL(song.links.page).pathname;
  fillIn(link, "[data-match-title]", song.title);
  fillIn(link, "[data-match-artist]", song.artist);
  link.prepend(song.cover ? coverImage(song.cover) : drawnCover(query(link, "template", HTMLTemplateElement), song.id));
  row.enterState("is-found");
  row.uploadAnywayButton.onclick = () => {
    row.leaveState("is-found");
    onUploadAnyway();
  };
  announce(`${row.fileName}: ${query(link, "[data-match-hint]", HTMLElement).textContent}`);
}

/**
 * Replace the text of the template, which stays for a song without the tag.
 * @param {HTMLElement} link
 * @param {string} selector
 * @param {string | null} text
 */
function fillIn(link, selector, text) {
  if (text) {
    query(link, selector, HTMLElement).textContent = text;
  }
}

/**
 * @param {string} url
 * @returns {HTMLImageElement}
 */
function coverImage(url) {
  const image = new Image(COVER_SIZE, COVER_SIZE);
  image.className = "cover";
  image.alt = "";
  image.src = new URL(url).pathname;
  return image;
}

/**
 * The cover of a song without a picture: the digits of its id give the colour and the heights of the bars.
 * @param {HTMLTemplateElement} template
 * @param {string} id
 * @returns {Element}
 */
function drawnCover(template, id) {
  const cover = cloneTemplate(template);
  cover.classList.add(`art-${parseInt(id[0], 16) % COLOURS}`);
  [...cover.children].slice(0, BARS).forEach((bar, index) => {
    const halfHeight = 3 + parseInt(id[index + 1], 16);
    bar.setAttribute("y", String(MIDDLE - halfHeight));
    bar.setAttribute("height", String(2 * halfHeight));
  });
  return cover;
}
