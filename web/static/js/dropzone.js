// The form that files are chosen with or dropped on.

import { query } from "./dom.js";

const TAG_FIELDS = ["artist", "album", "title"];

/** @typedef {[name: string, value: string]} TagEntry a tag that a person typed, as a form field */

/**
 * Pass on the files that a person chooses in `zone`, or drops anywhere on its page.
 * @param {HTMLFormElement} zone
 * @param {(files: File[], tags: TagEntry[]) => void} onFiles called with one file or more
 */
export function acceptFiles(zone, onFiles) {
  const input = query(zone, "input[type=file]", HTMLInputElement);
  /** @param {FileList | null | undefined} files */
  const passOn = (files) => {
    if (files?.length) {
      onFiles([...files], typedTags(zone));
    }
  };
  input.addEventListener("change", () => {
    passOn(input.files);
    input.value = "";
  });
  zone.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("dragover", (event) => highlight(event, zone, true));
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) {
      highlight(event, zone, false);
    }
  });
  document.addEventListener("drop", (event) => {
    if (carriesFiles(event)) {
      highlight(event, zone, false);
      passOn(event.dataTransfer?.files);
    }
  });
}

/**
 * @param {DragEvent} event
 * @param {HTMLFormElement} zone
 * @param {boolean} isOver whether files are held over the page
 */
function highlight(event, zone, isOver) {
  if (!carriesFiles(event)) {
    return;
  }
  event.preventDefault();
  zone.classList.toggle("is-over", isOver);
}

/**
 * @param {DragEvent} event
 * @returns {boolean}
 */
function carriesFiles({ dataTransfer }) {
  return dataTransfer?.types.includes("Files") ?? false;
}

/**
 * @param {HTMLFormElement} zone
 * @returns {TagEntry[]}
 */
function typedTags(zone) {
  /** @type {TagEntry[]} */
  const tags = [];
  for (const [name, value] of new FormData(zone)) {
    if (TAG_FIELDS.includes(name) && typeof value === "string" && value.trim()) {
      tags.push([name, value]);
    }
  }
  return tags;
}
