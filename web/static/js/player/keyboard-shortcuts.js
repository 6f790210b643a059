// Keyboard shortcuts of the player, anywhere on the page except where a key has a meaning already.

/** @import { PlayerView } from "./player-view.js" */

const CONTROLS = "input, select, textarea, button, a, summary, dialog, [contenteditable]";

/**
 * Space plays and pauses. The arrows seek by 5 s. A digit mutes that track; with shift it solos it.
 * @param {PlayerView} view
 */
export function attachShortcuts(view) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || controlHandles(event.target, event.code)) {
      return;
    }
    if (perform(view, event)) {
      event.preventDefault();
    }
  });
}

/**
 * @param {PlayerView} view
 * @param {KeyboardEvent} event
 * @returns {boolean} whether the key is a shortcut
 */
function perform(view, { code, shiftKey }) {
  const digit = /^(?:Digit|Numpad)([1-6])$/.exec(code);
  if (digit) {
    view.tracks.toggle(Number(digit[1]) - 1, shiftKey ? "solo" : "muted");
  } else if (code === "Space") {
    view.togglePlay();
  } else if (code === "ArrowLeft") {
    view.seekBySteps(-1);
  } else if (code === "ArrowRight") {
    view.seekBySteps(1);
  } else {
    return false;
  }
  return true;
}

/**
 * Whether the control with the focus handles the key. Sliders handle the arrows, text fields every key, and buttons the
 * space bar.
 * @param {EventTarget | null} target
 * @param {string} code
 * @returns {boolean}
 */
function controlHandles(target, code) {
  const control = target instanceof Element ? target.closest(CONTROLS) : null;
  if (!control) {
    return false;
  }
  if (control.matches("input[type=range]")) {
    return code.startsWith("Arrow");
  }
  if (control.matches("input, select, textarea, [contenteditable]")) {
    return true;
  }
  return code === "Space" && !control.matches("a");
}
