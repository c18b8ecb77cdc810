"""Files of dynamics that ASE runs as a job: what it is to do, and what it has found."""

from __future__ import annotations

# Given.
TASK, STRUCTURES = "task.json", "structures.extxyz"
# Found.
FRAMES, RESULT = "frames.extxyz", "result.json"
