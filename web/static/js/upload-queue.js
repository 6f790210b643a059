// The queue of files to upload. Each is looked up first; a file whose song is in the catalogue waits for the person.

import { dataValue } from "./dom.js";
import { stringField } from "./http.js";
import { showMatchedSong } from "./matched-song.js";
import { PendingRow } from "./pending-row.js";
import { warnBeforeUnload } from "./unload-warning.js";
import { uploadFile } from "./upload-request.js";

/** @import { TagEntry } from "./dropzone.js" */
/** @import { MatchLookup } from "./match-lookup.js" */
/** @import { UploadResponse } from "./upload-request.js" */

/** @typedef {{ file: File, tags: TagEntry[], row: PendingRow }} QueuedFile */

/**
 * @typedef {object} UploadQueueOptions
 * @property {HTMLTemplateElement} template of a pending row
 * @property {HTMLElement} list takes the pending rows
 * @property {MatchLookup} lookup
 * @property {(id: string, html: string) => void} onReceived called with the id and the row of each new upload
 */

const MAX_CONCURRENT = 2;

export class UploadQueue {
  /** @type {QueuedFile[]} */
  #waiting = [];

  #lookups = 0; // how many are in progress

  #uploads = 0; // how many are in progress

  /**
   * @param {HTMLFormElement} zone the upload form, which carries the address, the limit and the texts
   * @param {UploadQueueOptions} options
   */
  constructor(zone, options) {
    this.zone = zone;
    this.options = options;
  }

  /**
   * @param {File[]} files
   * @param {TagEntry[]} tags sent with each file
   */
  add(files, tags) {
    for (const file of files) {
      const row = new PendingRow(this.options.template, file.name);
      row.onStop(() => this.#discard(row));
      this.options.list.append(row.element);
      const refusal = this.#refusal(file);
      if (refusal) {
        row.fail(refusal);
      } else {
        this.#lookUp({ file, tags, row });
      }
    }
    this.#startNext();
  }

  /**
   * @param {File} file
   * @returns {string} why the file is not sent, "" if it is
   */
  #refusal(file) {
    if (file.size > Number(dataValue(this.zone, "maxBytes"))) {
      return dataValue(this.zone, "textTooLarge");
    }
    return file.size === 0 ? dataValue(this.zone, "textEmpty") : "";
  }

  /** @param {QueuedFile} item */
  async #lookUp(item) {
    this.#lookups++;
    const song = await this.options.lookup(item.row, item.file);
    this.#lookups--;
    if (item.row.isListed && song) {
      showMatchedSong(item.row, song, () => this.#enqueue(item));
    } else if (item.row.isListed) {
      this.#waiting.push(item);
    }
    this.#startNext();
  }

  /** @param {QueuedFile} item */
  #enqueue(item) {
    this.#waiting.push(item);
    this.#startNext();
  }

  /** @param {PendingRow} row */
  #discard(row) {
    this.#waiting = this.#waiting.filter((item) => item.row !== row);
    row.remove();
  }

  #startNext() {
    while (this.#uploads < MAX_CONCURRENT) {
      const item = this.#waiting.shift();
      if (!item) {
        break;
      }
      this.#upload(item);
    }
    warnBeforeUnload(this.#uploads + this.#lookups > 0);
  }

  /** @param {QueuedFile} item */
  async #upload({ file, tags, row }) {
    const controller = new AbortController();
    this.#uploads++;
    row.onStop(() => controller.abort());
    const response = await uploadFile(dataValue(this.zone, "url"), file, tags, {
      onProgress: (fraction) => row.showProgress(fraction),
      signal: controller.signal,
    });
    this.#uploads--;
    if (response) {
      this.#finish(row, response);
    } else {
      row.remove();
    }
    this.#startNext();
  }

  /**
   * After a response 401 the page does not go to the sign-in form by itself: it still shows which files to send again.
   * @param {PendingRow} row
   * @param {UploadResponse} response
   */
  #finish(row, { status, body }) {
    if (status === 401) {
      row.fail(dataValue(this.zone, "textSignedOut"));
      row.showSignInLink();
      return;
    }
    const id = stringField(body, "id");
    const html = stringField(body, "html");
    if (status === 201 && id !== undefined && html !== undefined) {
      row.remove();
      this.options.onReceived(id, html);
    } else {
      row.fail(stringField(body, "detail") ?? dataValue(this.zone, "textLost"));
    }
  }
}
