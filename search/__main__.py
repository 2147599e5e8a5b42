"""``python -m search``."""

import sys
from importlib.metadata import version

from search.errors import ConfigError
from search.hydra_settings import check_hydra
from search.run import CONFIG_FOLDER, main

if __name__ == "__main__":
    if "--version" in sys.argv[1:]:
        print(f"zkgan-search {version('zkgan-search')}")
        sys.exit(0)
    try:
        check_hydra(sys.argv[1:], config_folder=CONFIG_FOLDER, config_name="config")
    except ConfigError as error:
        sys.exit(f"error: {error}")
    main()
