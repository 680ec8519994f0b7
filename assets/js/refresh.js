// <div id="…" data-refresh>: a part of the page that is not ready yet (the sealed PDF). The page
// is asked again, at growing intervals, until the part comes without data-refresh.

const WAITS = [500, 500, 1000, 1000, 2000, 2000, 4000, 4000, 8000, 8000, 15000, 15000];

export async function refreshWhenReady(page) {
  const part = page.querySelector("[data-refresh][id]");
  if (!part) return;
  for (const wait of WAITS) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    const answer = await fetch(location.href, { redirect: "error" }).catch(() => null);
    if (!answer?.ok) continue;
    const html = new DOMParser().parseFromString(await answer.text(), "text/html");
    const news = html.getElementById(part.id);
    if (news && !news.hasAttribute("data-refresh")) {
      part.replaceChildren(...news.childNodes);
      part.removeAttribute("data-refresh");
      return;
    }
  }
}
