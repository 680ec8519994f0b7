"""What the web server and the `flask` command load."""

import sys

from portal.app import create_app
from portal.config import Misconfigured, Settings

try:
    app = create_app(Settings.from_env())
except Misconfigured as refusal:
    for problem in refusal.problems:
        print(f"The portal does not start. {problem}", file=sys.stderr)
    sys.exit(2)
