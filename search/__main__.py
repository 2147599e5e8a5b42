"""``python -m search``."""

import sys
from importlib.metadata import version

from search.compose import CONFIG_FOLDER
from search.hydra_settings import guard
from search.run import main

if __name__ == "__main__":
    if "--version" in sys.argv[1:]:
        print(f"zkgan-search {version('zkgan-search')}")
        sys.exit(0)
    guard(config_folder=CONFIG_FOLDER, config_name="config")
    main()
