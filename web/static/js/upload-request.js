// One upload. It is an XMLHttpRequest, because fetch does not report how much of a file was sent.

import { requestHeaders } from "./http.js";

/** @import { TagEntry } from "./dropzone.js" */

/**
 * @typedef {object} UploadResponse
 * @property {number} status of the HTTP response, 0 when the connection was lost
 * @property {unknown} body the JSON of the response, null without one
 */

/**
 * @typedef {object} UploadOptions
 * @property {(fraction: number) => void} onProgress called with what was sent so far, 0 to 1
 * @property {AbortSignal} signal cancels the upload
 */

/**
 * Send a file by POST.
 * @param {string} url
 * @param {File} file
 * @param {TagEntry[]} tags sent with the file
 * @param {UploadOptions} options
 * @returns {Promise<UploadResponse | null>} null when it was cancelled; never rejects
 */
export function uploadFile(url, file, tags, { onProgress, signal }) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    request.onload = () => resolve({ status: request.status, body: parseJson(request.responseText) });
    request.onerror = () => resolve({ status: 0, body: null });
    request.onabort = () => resolve(null);
    signal.addEventListener("abort", () => request.abort());
    request.open("POST", url);
    for (const [name, value] of Object.entries(requestHeaders())) {
      request.setRequestHeader(name, value);
    }
    request.send(formOf(file, tags));
  });
}

/**
 * The file comes last, so that the server knows its tags when it arrives.
 * @param {File} file
 * @param {TagEntry[]} tags
 * @returns {FormData}
 */
function formOf(file, tags) {
  const form = new FormData();
  for (const [name, value] of tags) {
    form.append(name, value);
  }
  form.append("file", file);
  return form;
}

/**
 * @param {string} text
 * @returns {unknown} null for what is not JSON
 */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
