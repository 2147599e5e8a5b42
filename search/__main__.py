"""``python -m search``."""

from search.run import main

if __name__ == "__main__":
    main()
