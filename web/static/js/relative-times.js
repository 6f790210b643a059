// Relative times such as "3 minutes ago" stay correct while a page is open.
// The wording and the steps are those of the server (format_timedelta of Babel).

const REFRESH_MS = 30_000;
const THRESHOLD = 0.85; // fraction of a unit from which on a duration is given in that unit

/** @type {[unit: Intl.RelativeTimeFormatUnit, seconds: number][]} */
const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** Refresh every time element of the page every 30 s. */
export function refreshRelativeTimes() {
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang);
  setInterval(() => {
    for (const time of document.querySelectorAll("time")) {
      if (time.dateTime) {
        time.textContent = ago(format, (Date.now() - Date.parse(time.dateTime)) / 1000);
      }
    }
  }, REFRESH_MS);
}

/**
 * At least one second: a clock that is behind the server's gives a negative duration.
 * @param {Intl.RelativeTimeFormat} format
 * @param {number} seconds
 * @returns {string}
 */
function ago(format, seconds) {
  const [unit, unitSeconds] = UNITS.find(([, size]) => seconds / size >= THRESHOLD) ?? ["second", 1];
  return format.format(-Math.max(1, Math.round(seconds / unitSeconds)), unit);
}
