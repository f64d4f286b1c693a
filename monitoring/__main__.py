"""`python -m monitoring`: write the generated files of this repository."""

from pathlib import Path

from monitoring.written import write

if __name__ == "__main__":
    for name in write(Path(__file__).resolve().parent.parent):
        print(name)
