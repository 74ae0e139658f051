"""Listens where the environment says, and tells what came of it."""

from __future__ import annotations

import os

from binding import lib, say

say("returned", lib.ListenAndServe(os.environ["ADDRESS"].encode()))
