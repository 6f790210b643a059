// "3 minutes ago" stays true while a page is open. Same words and steps as the server's (Babel's format_timedelta).

const REFRESH = 30_000; // ms
const ENOUGH = 0.85; // of a unit to be counted in it
const UNITS = { year: 31_536_000, month: 2_592_000, week: 604_800, day: 86_400, hour: 3_600, minute: 60, second: 1 }; // s

export function keepTimes() {
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang);
  const refresh = (time) => (time.textContent = ago(words, (Date.now() - Date.parse(time.dateTime)) / 1000));
  setInterval(() => document.querySelectorAll("time[datetime]").forEach(refresh), REFRESH);
}

/** A clock that is behind the server's must not speak of the future. */
function ago(words, seconds) {
  const [unit, size] = Object.entries(UNITS).find(([, size]) => seconds / size >= ENOUGH) ?? ["second", 1];
  return words.format(-Math.max(1, Math.round(seconds / size)), unit);
}
