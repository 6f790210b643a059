// Keys for the player, anywhere on the page except where keys already mean something.

const MINE = "input, select, textarea, button, a, summary, dialog, [contenteditable]";

/** `view` as PlayerView. Space: play. Arrows: 5 s. A digit: mute that lane; with shift: solo. */
export function listenForKeys(view) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || takesKey(event.target, event.code)) return;
    if (act(view, event)) event.preventDefault();
  });
}

function act(view, { code, shiftKey }) {
  const digit = /^(?:Digit|Numpad)([1-6])$/.exec(code);
  if (digit) view.flip(Number(digit[1]) - 1, shiftKey ? "solo" : "muted");
  else if (code === "Space") view.toggle();
  else if (code === "ArrowLeft") view.step(-1);
  else if (code === "ArrowRight") view.step(1);
  else return false;
  return true;
}

/** Sliders keep their arrows but not the digits and the space bar; text fields keep all; buttons keep the space bar. */
function takesKey(target, code) {
  const control = target.closest?.(MINE);
  if (!control) return false;
  if (control.matches("input[type=range]")) return code.startsWith("Arrow");
  if (control.matches("input, select, textarea, [contenteditable]")) return true;
  return code === "Space" && !control.matches("a");
}
