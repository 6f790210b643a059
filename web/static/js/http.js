// Requests that change something on the server. They carry the CSRF token of the page and are answered with JSON.

import { query } from "./dom.js";

/**
 * The headers of such a request.
 * @returns {Record<string, string>}
 */
export function requestHeaders() {
  const token = query(document, "meta[name=csrf-token]", HTMLMetaElement).content;
  return { Accept: "application/json", "X-CSRFToken": token };
}

/** Problem details (RFC 9457) that the server answered with. The message is for people, in the language of the page. */
export class ProblemError extends Error {
  /**
   * @param {unknown} body the JSON of the response, null without one
   * @param {number} status of the HTTP response
   */
  constructor(body, status) {
    super(stringField(body, "detail") || String(status));
    /** Status code of the HTTP response. */
    this.status = status;
  }
}

/**
 * A text in the JSON of a response.
 * @param {unknown} body null for a response without JSON
 * @param {string} name of the field
 * @returns {string | undefined} undefined if there is no such text
 */
export function stringField(body, name) {
  if (typeof body !== "object" || body === null) {
    return undefined;
  }
  const value = /** @type {Record<string, unknown>} */ (body)[name];
  return typeof value === "string" ? value : undefined;
}

/**
 * Send `body` by POST. Throws ProblemError, or TypeError when the server was not reached.
 * @param {string} url
 * @param {BodyInit} [body]
 * @returns {Promise<unknown>} the JSON of the response, null without one
 */
export async function post(url, body) {
  const response = await fetch(url, { method: "POST", headers: requestHeaders(), body });
  const isJson = /json/.test(response.headers.get("Content-Type") ?? "");
  const json = isJson ? await response.json() : null;
  if (!response.ok) {
    throw new ProblemError(json, response.status);
  }
  return json;
}
