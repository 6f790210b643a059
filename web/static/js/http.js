// Requests that change something: with the CSRF token of the page, answered as JSON.

const token = () => document.querySelector("meta[name=csrf-token]").content;

export const headers = () => ({ Accept: "application/json", "X-CSRFToken": token() });

/** What a problem says to a person (RFC 9457), in their language. */
export class Problem extends Error {
  constructor(body, status) {
    super(body?.detail || String(status));
    this.status = status;
  }
}

/** The JSON of the answer, null without one. Throws Problem, or TypeError when the server was not reached. */
export async function post(url, body) {
  const answer = await fetch(url, { method: "POST", headers: headers(), body });
  const json = /json/.test(answer.headers.get("Content-Type") ?? "") ? await answer.json() : null;
  if (!answer.ok) throw new Problem(json, answer.status);
  return json;
}

/** The first element of a fragment that our server rendered. */
export function elementOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}
