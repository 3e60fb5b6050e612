"""`python -m sweep`."""

import logging
import os
import sys

from sweep.cli.commands import main

if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Ray's and MLflow's exit handlers wait for servers that may be gone. All that must be kept is on disk.
    os._exit(code)
