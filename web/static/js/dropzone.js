// A place to drop files on, or to choose them with.

const TAGS = ["artist", "album", "title"];

/** Files can be dropped anywhere on the page while `zone` is on it. `send(files, tags)`. */
export function listenForFiles(zone, send) {
  const input = zone.querySelector("input[type=file]");
  const give = (files) => files.length && send([...files], tagsOf(zone));
  input.addEventListener("change", () => {
    give(input.files);
    input.value = "";
  });
  zone.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("dragover", (event) => mark(event, zone, true));
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && mark(event, zone, false));
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    mark(event, zone, false);
    give(event.dataTransfer.files);
  });
}

function mark(event, zone, over) {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  zone.classList.toggle("is-over", over);
}

function carriesFiles({ dataTransfer }) {
  return dataTransfer?.types.includes("Files") ?? false;
}

function tagsOf(zone) {
  return [...new FormData(zone)].filter(([name, value]) => TAGS.includes(name) && value.trim());
}
