// News from the server: by event stream, by asking every few seconds where the stream is full or blocked.

const POLL = 3000; // ms
const AGAIN = 60_000; // ms until the stream is tried again

/** `on`: event name to a function of its data; `poll`: what to do instead, every 3 s. Returns a function that ends it. */
export function follow(url, on, poll) {
  let stream;
  let timers = [];
  let opened = false;

  function listen() {
    stopPolling();
    stream = new EventSource(url);
    for (const [name, hear] of Object.entries(on)) {
      stream.addEventListener(name, (event) => hear(JSON.parse(event.data)));
    }
    stream.addEventListener("open", catchUp);
    stream.addEventListener("error", () => stream.readyState === EventSource.CLOSED && fallBack());
  }

  /** After a break (a server that was started again, a laptop that slept) much may have happened unheard. */
  function catchUp() {
    if (opened) poll().catch(() => {});
    opened = true;
  }

  function fallBack() {
    stream.close();
    timers = [setInterval(() => poll().catch(() => {}), POLL), setTimeout(listen, AGAIN)];
  }

  function stopPolling() {
    timers.forEach(clearTimeout); // the same for intervals
    timers = [];
  }

  listen();
  return () => {
    stopPolling();
    stream.close();
  };
}
