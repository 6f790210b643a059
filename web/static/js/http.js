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
    super(problemDetail(body) || String(status));
    /** Status code of the HTTP response. */
    this.status = status;
  }
}

/**
 * The text of problem details that is for people, undefined where there is none.
 * @param {unknown} body the JSON of a response
 * @returns {string | undefined}
 */
export function problemDetail(body) {
  if (typeof body === "object" && body !== null && "detail" in body && typeof body.detail === "string") {
    return body.detail;
  }
  return undefined;
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
