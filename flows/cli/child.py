"""``python -m flows.cli.child PARENT WORDS``: the `evercurrent` command of another process, and not longer than it.

Whatever it leaves half done is resumed by the next one.
"""

import sys
import threading

from flows.cli.commands import main
from flows.stack.beside import end_without

if __name__ == "__main__":
    parent = int(sys.argv.pop(1))
    threading.Thread(target=end_without, args=(parent,), daemon=True).start()
    main()
