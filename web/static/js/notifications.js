// Notice that a song is ready while the page is hidden: in the title of the tab, and by a notification if allowed.

const originalTitle = document.title;

/**
 * Let `button` ask for the permission to show notifications. It is shown only while the browser can still be asked.
 * @param {HTMLElement | null} button
 */
export function offerNotifications(button) {
  if (!button || typeof Notification === "undefined") {
    return;
  }
  const update = () => {
    button.hidden = Notification.permission !== "default";
  };
  button.addEventListener("click", () => Notification.requestPermission().then(update));
  update();
}

/**
 * Notify of a song that is ready, if the page is hidden.
 * @param {string} text names the song
 * @param {string} url of its page
 */
export function notifyReady(text, url) {
  if (!document.hidden) {
    return;
  }
  document.title = `● ${text}`;
  try {
    const notification = new Notification(text, { tag: url, icon: iconUrl() });
    notification.onclick = () => {
      window.focus();
      location.assign(url);
      notification.close();
    };
  } catch {
    // It is not allowed, or the browser requires a service worker. The title remains.
  }
}

/** @returns {string | undefined} */
function iconUrl() {
  const link = document.querySelector("link[rel=icon]");
  return link instanceof HTMLLinkElement ? link.href : undefined;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    document.title = originalTitle;
  }
});
