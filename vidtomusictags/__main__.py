"""`python -m vidtomusictags`: the command."""

from vidtomusictags.command import main

if __name__ == "__main__":
    main()
