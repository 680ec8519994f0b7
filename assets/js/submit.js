// A second click within a second sends nothing twice. The server has the last word anyway.

export function ignoreSecondClick(page) {
  const sent = new WeakMap();
  page.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (event.timeStamp - (sent.get(form) ?? -Infinity) < 1000) event.preventDefault();
    else sent.set(form, event.timeStamp);
  });
}
