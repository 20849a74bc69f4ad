"""What a worker works on: its settings, and the data directory, whose id is in all that it shares through Redis.

To load it, the data directory has to be there: whoever starts a worker waits for that first.
"""

from __future__ import annotations

from pdemill import arrays
from pdemill.data_directory import DataDirectory
from pdemill.settings import Settings

settings = Settings.read()
directory = DataDirectory(settings.data_dir, settings.data_id)
directory.require()
arrays.look_in(settings.arrays / arrays.FOLDER)
