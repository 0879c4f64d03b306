/*
 * A mend of Gradio 6.31's client: an event that joins the queue while the page's stream is closing
 * is run, and never heard of.
 *
 * The server ends the stream when its last event has; the client opens another when an event has
 * joined and none is open. If the answer to a join overtakes the end of the old stream, the client
 * still takes that one for open, and nobody listens. So while there is a stream, the answer waits
 * until the stream has spoken of the event (it lives), or has ended (the client will open one).
 * What the client hears of an event before the answer, it keeps for it.
 *
 * And a page says which one it is: the numbers of its events mean something else to the page of
 * another model (studio/pages.py). What it asks after a change is never answered; reload.js is told. All of this has to
 * stand before Gradio's first request, so this script runs before Gradio's own.
 */

const PATIENCE = 5000; // ms; a stream that says nothing for longer has other troubles
const MARK = "x-pentimento-page";
const fetched = window.fetch.bind(window);

/** Which page this is; Gradio puts it into the head when it starts. */
function mark() {
  const meta = document.querySelector("meta[name=pentimento-page]");
  return meta instanceof HTMLMetaElement ? meta.content : "";
}

/** @param {RequestInfo | URL} target */
const addressOf = (target) => String(target instanceof Request ? target.url : target);

/**
 * @param {RequestInfo | URL} target
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
async function ask(target, options = {}) {
  const page = mark();
  if (!page || new URL(addressOf(target), location.href).origin !== location.origin) return fetched(target, options);
  const headers = new Headers(options.headers ?? (target instanceof Request ? target.headers : undefined));
  headers.set(MARK, page);
  const answer = await fetched(target, { ...options, headers });
  if (answer.status === 401) window.dispatchEvent(new Event("pentimento:logged-out"));
  if (answer.status !== 409 || !answer.headers.has(MARK)) return answer;
  window.dispatchEvent(new Event("pentimento:changed"));
  return new Promise(() => {});
}

// Whoever comes back to the page learns it before a click is in vain.
document.addEventListener("visibilitychange", () => {
  if (mark() && !document.hidden) ask(`${window.gradio_config?.root ?? ""}/gradio_api/app_id`).catch(() => {});
});

let streams = 0;
let heard = ""; // the last part of what the streams said
/** @type {[() => boolean, () => void][]} */
let waiting = []; // [whether it may go on, its resolve]

const news = () => {
  waiting = waiting.filter(([may, go]) => {
    if (may()) go();
    return !may();
  });
};

/** @param {ReadableStream<Uint8Array>} stream */
async function listen(stream) {
  const words = new TextDecoder();
  try {
    const reader = stream.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      heard = (heard + words.decode(part.value, { stream: true })).slice(-65536);
      news();
    }
  } catch {
    // the client has let it go
  }
  setTimeout(ended); // the client has read the end by then as well
}

function ended() {
  streams -= 1;
  news();
}

/**
 * A stream counts from the moment it is asked for: the client takes it for open from then on.
 *
 * @param {RequestInfo | URL} target
 * @param {RequestInit} [options]
 */
async function open(target, options) {
  streams += 1;
  /** @type {Response | undefined} */
  let answer;
  try {
    answer = await ask(target, options);
  } finally {
    const stream = answer?.ok && answer.clone().body;
    if (stream) listen(stream);
    else ended();
  }
  return answer;
}

window.fetch = async (target, options) => {
  const address = addressOf(target);
  if (/\/queue\/data\b/.test(address)) return open(target, options);
  const answer = await ask(target, options);
  if (answer.ok && streams && /\/queue\/join\b/.test(address)) {
    const { event_id: event } = await answer.clone().json();
    await /** @type {Promise<void>} */ (
      new Promise((go) => {
        waiting.push([() => !streams || heard.includes(event), go]);
        setTimeout(go, PATIENCE);
        news();
      })
    );
  }
  return answer;
};
