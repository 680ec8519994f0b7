// The Show button beside a password. It is hidden until this runs; its words are in the page.

export function addShowButtons(page) {
  for (const button of page.querySelectorAll("[data-show]")) {
    const input = page.getElementById(button.getAttribute("aria-controls"));
    const status = button.parentElement.querySelector("[role=status]");
    const words = button.dataset;

    const show = (visible) => {
      input.type = visible ? "text" : "password";
      button.textContent = visible ? words.hide : words.show;
      button.setAttribute("aria-label", visible ? words.hideLabel : words.showLabel);
    };
    button.addEventListener("click", () => {
      const visible = input.type === "password";
      show(visible);
      status.textContent = visible ? words.shown : words.hidden;
    });
    // A browser offers to remember text, and keeps it in history, if it is sent as text.
    input.form?.addEventListener("submit", () => show(false));
    button.hidden = false;
  }
}
