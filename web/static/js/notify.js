// Tell people who look elsewhere that a song is ready: in the tab's title, and by a notification where they want one.

const original = document.title;

/** `button` asks for permission; it is shown only where that can be asked. */
export function offerNotifications(button) {
  if (!button || typeof Notification === "undefined") return;
  const show = () => (button.hidden = Notification.permission !== "default");
  button.addEventListener("click", () => Notification.requestPermission().then(show));
  show();
}

/** `text` names the song; `url` is its page. */
export function tellReady(text, url) {
  if (!document.hidden) return;
  document.title = `● ${text}`;
  try {
    const note = new Notification(text, { tag: url, icon: document.querySelector("link[rel=icon]")?.href });
    note.onclick = () => (window.focus(), location.assign(url), note.close());
  } catch {
    // not allowed, or a phone that wants a service worker: the title says it
  }
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.title = original;
});
