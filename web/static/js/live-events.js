// Live events from the server: by event stream, or by polling where the stream is refused or blocked.

const POLL_INTERVAL_MS = 3000;
const STREAM_RETRY_MS = 60_000; // until the stream is tried again

/**
 * Subscribe to the event stream at `url`.
 * @template T the data of the events
 * @param {string} url
 * @param {Record<string, (data: T) => void>} handlers by the name of the event
 * @param {() => Promise<void>} poll fetches the state instead, every 3 s while there is no stream
 * @returns {() => void} ends the subscription
 */
export function subscribe(url, handlers, poll) {
  /** @type {ReturnType<typeof setTimeout>[]} */
  let timers = [];
  let hasOpened = false;
  let stream = openStream();

  function openStream() {
    const opened = new EventSource(url);
    for (const [name, handle] of Object.entries(handlers)) {
      opened.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    }
    opened.addEventListener("open", catchUp);
    opened.addEventListener("error", () => {
      if (opened.readyState === EventSource.CLOSED) {
        startPolling();
      }
    });
    return opened;
  }

  /** Events were missed if the stream had broken off, because the server was restarted or the device slept. */
  function catchUp() {
    if (hasOpened) {
      pollOnce();
    }
    hasOpened = true;
  }

  function startPolling() {
    stream.close();
    timers = [setInterval(pollOnce, POLL_INTERVAL_MS), setTimeout(retryStream, STREAM_RETRY_MS)];
  }

  function retryStream() {
    stopPolling();
    stream = openStream();
  }

  function stopPolling() {
    timers.forEach(clearTimeout); // clears intervals, too
    timers = [];
  }

  function pollOnce() {
    poll().catch(() => {}); // no network: the next poll or event follows when it is back
  }

  return () => {
    stopPolling();
    stream.close();
  };
}
