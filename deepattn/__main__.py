"""``python -m deepattn``: the same as the command ``deepattn``."""

from deepattn.cli.main import program

if __name__ == "__main__":
    program()
