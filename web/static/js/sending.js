// Files on their way to the server: two at a time, each with its bar. Those that are here already wait to be asked for.

import { announce } from "./announce.js";
import { showFound } from "./found.js";
import { headers } from "./http.js";
import { askBeforeLeaving } from "./leaving.js";

const AT_ONCE = 2;

export class Sender {
  /**
   * `zone` carries limits and texts, `template` a row, `list` takes the rows; `arrived(id, html)` is told of each.
   * `look(row, file)` resolves to the song that is here already, or to null.
   */
  constructor(zone, { template, list, look, arrived }) {
    Object.assign(this, { zone, template, list, look, arrived, waiting: [], looking: 0, active: 0 });
  }

  /** `files`: File[]; `tags`: FormData entries that go with each. */
  send(files, tags) {
    for (const file of files) this.#enqueue(file, tags);
    this.#next();
  }

  #enqueue(file, tags) {
    const row = this.#row(file);
    const problem = this.#problem(file);
    if (problem) return this.#fail(row, problem);
    this.#lookFor({ file, tags, row });
  }

  async #lookFor(item) {
    this.looking++;
    const song = await this.look(item.row, item.file);
    this.looking--;
    if (song && item.row.isConnected) showFound(item.row, song, () => this.#wait(item));
    else if (item.row.isConnected) this.waiting.push(item);
    this.#next();
  }

  #wait(item) {
    this.waiting.push(item);
    this.#next();
  }

  #problem(file) {
    const { maxBytes, textTooLarge, textEmpty } = this.zone.dataset;
    if (file.size > Number(maxBytes)) return textTooLarge;
    return file.size === 0 ? textEmpty : "";
  }

  #next() {
    while (this.active < AT_ONCE && this.waiting.length) this.#start(this.waiting.shift());
    askBeforeLeaving(this.active + this.looking > 0);
  }

  #start({ file, tags, row }) {
    const request = new XMLHttpRequest(); // fetch cannot tell how far an upload is
    this.active++;
    row.querySelector("[data-stop]").onclick = () => request.abort();
    request.upload.onprogress = ({ loaded, total }) => this.#show(row, loaded / total);
    request.onload = () => this.#finish(row, request);
    request.onerror = () => this.#fail(row, this.zone.dataset.textLost);
    request.onabort = () => row.remove();
    request.onloadend = () => (this.active--, this.#next());
    request.open("POST", this.zone.dataset.url);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.send(formOf(file, tags));
  }

  #finish(row, request) {
    const answer = parsed(request.responseText);
    if (request.status === 401) return this.#signedOut(row);
    if (request.status !== 201) return this.#fail(row, answer?.detail ?? this.zone.dataset.textLost);
    row.remove();
    this.arrived(answer.id, answer.html);
  }

  /** Not by itself to the form: the page still knows which files are to be sent again. */
  #signedOut(row) {
    this.#fail(row, this.zone.dataset.textSignedOut);
    row.querySelector("[data-sign-in]").hidden = false;
  }

  #row(file) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    row.querySelector("[data-name]").textContent = file.name;
    row.querySelector("progress").setAttribute("aria-label", file.name);
    row.querySelector("[data-stop]").onclick = () => this.#drop(row);
    this.list.append(row);
    return row;
  }

  #drop(row) {
    this.waiting = this.waiting.filter((each) => each.row !== row);
    row.remove();
  }

  #show(row, fraction) {
    row.querySelector("progress").value = fraction;
    row.querySelector("[data-percent]").textContent = `${Math.floor(fraction * 100)} %`;
  }

  #fail(row, text) {
    row.classList.add("is-failed");
    row.querySelector("[data-problem]").textContent = text;
    row.querySelector("[data-stop]").onclick = () => row.remove();
    announce(`${row.querySelector("[data-name]").textContent}: ${text}`);
  }
}

function formOf(file, tags) {
  const form = new FormData();
  for (const [name, value] of tags) form.append(name, value);
  form.append("file", file); // last: what belongs to it is known when it arrives
  return form;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
