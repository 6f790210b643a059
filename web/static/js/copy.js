// Buttons with data-copy put that text, or the whole address it stands for, on the clipboard.

import { announce } from "./announce.js";

const SHOWN = 2000; // ms

export function copyOnClick() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) show(button, await copied(button.dataset.copy));
  });
}

async function copied(text) {
  const whole = text.startsWith("/") ? new URL(text, location.href).href : text;
  try {
    await navigator.clipboard.writeText(whole);
    return true;
  } catch {
    return copiedTheOldWay(whole); // no clipboard outside https
  }
}

function copiedTheOldWay(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

function show(button, done) {
  if (!done) return;
  button.classList.add("is-done");
  announce(button.dataset.copied);
  setTimeout(() => button.classList.remove("is-done"), SHOWN);
}
