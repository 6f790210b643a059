// Say something to people who listen to the page instead of looking at it.

export function announce(text) {
  const region = document.querySelector("[data-announcer]");
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}
