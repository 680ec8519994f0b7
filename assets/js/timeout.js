// The dialog before a session ends. Tabs tell each other when one of them was used.

const MINUTE = 60_000;

export function warnBeforeTimeout(dialog) {
  if (!dialog) return;
  const { idle, warn, stay, leave: away } = dialog.dataset;
  const left = dialog.querySelector("[data-left]");
  const tabs = "BroadcastChannel" in window ? new BroadcastChannel("portal-session") : null;
  let end;

  const restart = () => {
    end = Date.now() + idle * MINUTE;
    if (dialog.open) dialog.close();
  };
  // The server then asks to sign in, and comes back to this address.
  // A shared device goes to its start page instead, and leaves nothing to go back to.
  const leave = () => (away ? location.replace(away) : location.assign(location.href.split("#")[0]));

  const extend = async () => {
    const answer = await fetch(stay, {
      method: "POST",
      headers: { "X-CSRFToken": document.forms["sign-out"].elements.csrf_token.value },
      redirect: "error",
    }).catch(() => null);
    if (!answer?.ok) return leave();
    restart();
    tabs?.postMessage("used");
  };

  const look = () => {
    const rest = end - Date.now();
    if (rest <= 0) return leave();
    if (rest > warn * MINUTE) return;
    const seconds = Math.ceil(rest / 1000);
    left.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (!dialog.open) dialog.showModal();
  };

  dialog.querySelector("[data-stay]").addEventListener("click", extend);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    extend();
  });
  tabs?.addEventListener("message", restart);
  document.addEventListener("visibilitychange", look); // timers sleep in hidden tabs
  restart();
  tabs?.postMessage("used");
  setInterval(look, 1000);
}
