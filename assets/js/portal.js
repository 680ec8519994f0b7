// Everything here is a convenience: each page works without it.

import { focusErrors } from "./errors.js";
import { addShowButtons } from "./password.js";
import { refreshWhenReady } from "./refresh.js";
import { ignoreSecondClick } from "./submit.js";
import { warnBeforeTimeout } from "./timeout.js";

focusErrors(document);
addShowButtons(document);
ignoreSecondClick(document);
refreshWhenReady(document);
warnBeforeTimeout(document.querySelector("dialog.timeout"));
