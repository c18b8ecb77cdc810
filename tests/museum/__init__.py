"""Files that earlier versions wrote, each with the numbers that it must give: `make.py`."""
