"""Start the studio: `python app.py --help` says how."""

import os
import sys

from studio.serving import serve
from studio.settings import Settings

if __name__ == "__main__":
    raise SystemExit(serve(Settings.read(sys.argv[1:], os.environ)))
