// Focus the error summary; a link in it moves to the field with its label in view.

export function focusErrors(page) {
  const summary = page.querySelector(".govuk-error-summary");
  if (!summary) return;
  if (page.activeElement !== summary) summary.focus();
  summary.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const control = link && page.getElementById(link.hash.slice(1));
    if (!control) return;
    event.preventDefault();
    const group = control.closest("fieldset")?.querySelector("legend");
    const label = group ?? page.querySelector(`label[for="${CSS.escape(control.id)}"]`);
    (label ?? control).scrollIntoView();
    control.focus({ preventScroll: true });
  });
}
