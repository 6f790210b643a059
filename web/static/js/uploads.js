// The script of pages that list or send uploads: the home page and the uploads page.

import { dataValue, query } from "./dom.js";
import { acceptFiles } from "./dropzone.js";
import { subscribe } from "./live-events.js";
import { createMatchLookup } from "./match-lookup.js";
import { notifyReady, offerNotifications } from "./notifications.js";
import { UploadList } from "./upload-list.js";
import { UploadQueue } from "./upload-queue.js";

/** @typedef {{ id: string, html: string }} UploadEvent an upload that changed, and its row: "" if it was deleted */

const zone = query(document, "[data-dropzone]", HTMLFormElement);
const list = query(document, "[data-rows]", HTMLElement);
const uploads = new UploadList(list, (row) => {
  if (row.dataset.status === "ready") {
    notifyReady(dataValue(row, "announce"), dataValue(row, "url"));
  }
});
const queue = new UploadQueue(zone, {
  template: query(document, "[data-pending-template]", HTMLTemplateElement),
  list: query(document, "[data-pending]", HTMLElement),
  lookup: createMatchLookup(zone),
  onReceived: (id, html) => {
    uploads.update(id, html, { isNew: true });
    updateSubscription();
  },
});

/** @type {(() => void) | null} */
let unsubscribe = null;

/** A subscription takes a thread of the server, so there is one only while an upload is in progress. */
function updateSubscription() {
  if (uploads.hasOpenUploads) {
    unsubscribe ??= subscribe(dataValue(list, "live"), { upload: showUpload }, poll);
  } else {
    unsubscribe?.();
    unsubscribe = null;
  }
}

/** @param {UploadEvent} event */
function showUpload({ id, html }) {
  uploads.update(id, html);
  updateSubscription();
}

async function poll() {
  const response = await fetch(dataValue(list, "poll"));
  if (response.ok) {
    uploads.updateAll(await response.text());
  }
  updateSubscription();
}

acceptFiles(zone, (files, tags) => queue.add(files, tags));
offerNotifications(document.querySelector("[data-notify]"));
new MutationObserver(updateSubscription).observe(list, { childList: true });
updateSubscription();
